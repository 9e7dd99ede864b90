"""What ferry doctor finds in every network of the table and in some more, and that what it proposes helps: its
commands are run on the routers, its settings put into the server's file, and then it finds nothing any more.

All rows run side by side, as in test_networks.py.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import threading

import pytest

from harness import certs, net, netclients
from networks import KEEP, MASQUERADE, NAT, NETWORKS, RANGE, Network, Router, forwarded, only_outward, only_to
from test_stories import NO, SMALL_LINK

TOP = pathlib.Path(__file__).parent.parent.parent
FERRY = TOP / "build" / "ferry" / "ferry"
CONTENT = os.urandom(65536)
WORLDS = 14      # at once
MINUTE = 60      # what it promises
TLS = {"tls": True}  # an option of these rows: encryption is offered
TOLD = {"anon_diagnosis_enable": "YES"}  # ferryd says what it sees of them

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def more(name, doctor, **kwargs):
    """doctor: codes; "!" behind one says that it is certain, "?" that it is likely."""
    return Network(name, "", "", "", "", doctor=doctor, **kwargs)


def alternately(block):
    """Every other call to a passive port is blocked."""
    return Router(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept",
                           f"tcp dport {RANGE} ct state new numgen inc mod 2 0 accept", block])


def not_outward(block):
    """The server may be called, and may not call."""
    return Router(forward=[KEEP, f'iifname "wan0" tcp dport {{ 21, {RANGE} }} accept', block])


MORE = [
    # how a firewall can say no, with other ports and ranges
    *[more(f"IPv{families[0]}, server {no}", code.split()[0],
           families=families, server=only_to("21", no)) for families, no, _, code in NO if no != "drop"],
    more("client's firewall rejects passive calls", "P21 A03",
         client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "reject with tcp reset"])),
    more("client's firewall forbids passive calls", "P21 A03",
         client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "reject with icmp admin-prohibited"])),
    more("behind NAT, may call port 21 only", "P21 A01", **NAT,
         client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "drop"], snat=[MASQUERADE])),
    more("both firewalls are strict", "P11 A02", client=only_outward("drop"), server=only_to("21")),
    more("FTP helper and a wrong address", "P20 P02", server=only_to("21", helper_port=21),
         options={"pasv_address": "192.0.2.77"}),
    more("IPv6 only, client may call port 21 only", "P21 A02", families=(6,),
         client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "drop"])),
    more("at port 2100, closed range", "P12", port=2100, server=only_to("2100", "reject with tcp reset")),
    more("the lower half of the range is open", "P14", server=only_to("21, 50000-50499", "reject with tcp reset")),
    more("the middle of the range is open", "P14", server=only_to("21, 50300-50699", "reject with tcp reset")),
    more("one connection per address, others are refused", "L05",
         server=Router(forward=[KEEP, 'iifname "in0" accept', "ct count over 1 reject with tcp reset"])),
    more("passive mode is switched off", "P23", options={"pasv_enable": "NO"}),
    more("IPv6 behind NAT", "A01", families=(6,),
         client=Router(snat=['meta nfproto ipv6 oifname "wan0" masquerade'])),
    more("IPv6, the client's firewall forbids calls", "A03", families=(6,),
         client=only_outward("reject with icmpv6 admin-prohibited")),
    more("every other call is refused", "H06", server=alternately("reject with tcp reset")),
    more("three calls and no more", "L05",
         server=Router(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept",
                                "ct state new limit rate 1/hour burst 3 packets accept", "drop"])),
    more("the range is forwarded to another machine", "P12", server_hidden=True,
         options={"pasv_address": net.SERVER_ROUTER},
         server=forwarded("21", more=[f'iifname "wan0" tcp dport {RANGE} dnat ip to {net.SERVER_INNER}:9'])),
    more("dual stack, range open for IPv6 only", "V03", families=(4, 6), named=True,
         server=Router(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept",
                                f"meta nfproto ipv6 tcp dport {RANGE} accept", "reject with tcp reset"])),

    # the server offers encryption; anonymous may be compared in clear
    more("TLS", "", options=TLS),
    more("TLS, server with the FTP helper", "T01", options=TLS, server=only_to("21", helper_port=21)),
    more("TLS, server with the FTP helper, refused", "T01", options=TLS,
         server=only_to("21", "reject with tcp reset", helper_port=21)),
    more("TLS, only 21 forwarded, FTP helper", "T01 P01", options=TLS, server_hidden=True,
         server=forwarded("21", helper_port=21)),
    more("TLS, client behind NAT with the FTP helper", "T02", options=TLS,
         client=only_outward(snat=[MASQUERADE], helper_port=21), **NAT),
    more("TLS, client behind NAT", "A01", options=TLS, client=only_outward(snat=[MASQUERADE]), **NAT),
    more("TLS, closed range", "P12", options=TLS, server=only_to("21", "reject with tcp reset")),

    # what the server says makes certain
    more("told: client firewall drops", "A02!", options=TOLD, client=only_outward("drop")),
    more("told: client firewall drops, calls from port 20", "A02!", client=only_outward("drop"),
         options={**TOLD, "connect_from_port_20": "YES"}),
    more("told: client firewall rejects", "A03!", options=TOLD, client=only_outward("reject with tcp reset")),
    more("told: IPv6 only, client firewall drops", "A02!", options=TOLD, families=(6,), client=only_outward("drop")),
    more("told: TLS, client firewall drops", "A02!", options={**TOLD, **TLS}, client=only_outward("drop")),
    more("told: server may not call out", "A07?", options=TOLD, server=not_outward("drop")),
    more("told: server is not let call out", "A07?", options=TOLD, server=not_outward("reject with tcp reset")),
    more("told: client behind NAT", "A01!", options=TOLD, client=only_outward(snat=[MASQUERADE]), **NAT),
    more("told: server opens 21 only, drops", "P11!", options=TOLD, server=only_to("21")),
    more("told: server opens 21 only, refuses", "P12!", options=TOLD, server=only_to("21", "reject with tcp reset")),
    more("told: only 21 forwarded, others dropped", "P11? P01!", options=TOLD, server_hidden=True,
         server=forwarded("21", input=['iifname "wan0" drop'])),
    more("told: one passive port, shut", "P12!", server=only_to("21", "reject with tcp reset"),
         options={**TOLD, "pasv_min_port": 50000, "pasv_max_port": 50000}),
    more("told: client may call port 21 only", "P21! A02?", options=TOLD,
         client=Router(forward=[KEEP, 'iifname "in0" tcp dport 21 accept', "drop"])),
    more("told: NAT pool", "H11! A01!", options=TOLD, **NAT,
         client=only_outward(snat=[f'oifname "wan0" tcp dport 21 snat ip to {net.CLIENT_ROUTER}',
                                   f'oifname "wan0" snat ip to {net.CLIENT_ROUTER_2}'])),

    # the command port
    more("nothing gets in", "C02", server=Router(forward=["drop"])),
    more("the command port is refused", "C03", server=Router(forward=["reject with tcp reset"])),
    more("the command port is rejected", "C04", server=Router(forward=["reject with icmp admin-prohibited"])),
]


class Examination:
    """One network with one server: it is examined, cured, and examined again."""

    def __init__(self, network, server):
        self.network, self.kind = network, server
        self.server = self.first = self.second = None
        self.gets = {}
        self.lacks = None
        self.served = 0

    def make(self):
        n = self.network
        for router in (n.client, n.server):
            if router and not self.lacks:
                self.lacks = net.lacks(router.rules())
        if self.lacks:
            return
        with contextlib.ExitStack() as stack:
            self.begin(stack)
            self.examine()

    def begin(self, stack, **world):
        """Makes the world and starts the server."""
        n = self.network
        self.place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-net-")))
        self.place.chmod(0o755)
        self.home = self.place / "home"
        self.home.mkdir()
        self.world = net.World(n.client_hidden, n.server_hidden, n.families, **world)
        stack.callback(self.world.close)
        for router, namespace in ((n.client, self.world.client_router), (n.server, self.world.server_router)):
            if router:
                namespace.rules(router.rules())
        self.serve(self.options())
        stack.callback(lambda: self.server.stop())
        return self

    def options(self):
        options = dict(self.network.options)
        if options.pop("tls", False):
            cert, key = certs.make(self.place, "server")
            options.update(ssl_enable="YES", allow_anon_ssl="YES", rsa_cert_file=cert, rsa_private_key_file=key)
        return options

    def serve(self, options):
        """Starts the server, again if need be."""
        if self.server:
            self.server.stop()
        self.served += 1
        directory = self.place / f"server{self.served}"
        directory.mkdir()
        installed = TOP / "build" if self.kind == "ferryd" else TOP / ".dev" / "peers"
        self.server = net.SERVERS[self.kind](directory, self.world, installed, self.network.port, options,
                                             tree=lambda root: (root / "f").write_bytes(CONTENT)).start()
        self.present = options

    def ferry(self, *args):
        """ferry's status, output and complaints."""
        prefix, host = [], self.world.target
        if self.network.named:
            host = "ftp.test"
            prefix = netclients.known_as(host, (net.SERVER_6, self.world.target), self.place / "hosts")
        host = f"[{host}]" if ":" in host else host
        url = f"ftp://{self.server.login}{host}:{self.network.port}/"
        args = [arg.replace("URL", url) for arg in args]
        with self.world.client:
            return subprocess.run([*prefix, FERRY, *args], cwd=self.home, capture_output=True, text=True,
                                  timeout=2 * MINUTE, stdin=subprocess.DEVNULL,
                                  env={"HOME": str(self.home), "LC_ALL": "C.UTF-8"})

    def doctor(self, *options):
        done = self.ferry("doctor", "--json", "--allow-active", "--accept-new", *options, "URL")
        result = json.loads(done.stdout)
        assert result["exit"] == done.returncode and result["seconds"] < MINUTE, done
        result["progress"] = done.stderr
        return result

    def examine(self):
        self.first = self.doctor()
        # the server chooses ports at random: both sorts must have come up
        while self.network.doctor == "P14" and len(self.outcomes()) < 2:
            self.first = self.doctor()
        if not self.network.doctor or self.network.doctor[0] == "C":
            return
        code = self.first["findings"][0]["code"]
        options = self.cure([r for r in self.first["remedies"] if r["code"] == code and "lines" in r])
        self.second = self.doctor(*options)
        for mode in self.cured_modes(code):
            done = self.ferry("get", "--accept-new", "--mode", mode, *options, "-o", mode, "URLf")
            arrived = self.home / mode
            self.gets[mode] = done.returncode == 0 and arrived.read_bytes() == CONTENT or done

    def cured_modes(self, code):
        if code[0] == "A" or code == "T02":
            return ["port" if 4 in self.network.families else "eprt"]
        return ["epsv", "pasv"] if 4 in self.network.families and not self.network.named else ["epsv"]

    def cure(self, remedies):
        """Does all that is proposed; returns the options of ferry that belong to it."""
        n, options = self.network, []
        routers = {"your router": (self.world.client_router, n.client),
                   "the server's router": (self.world.server_router, n.server)}
        for remedy in remedies:
            lines = [self.fill_in(line) for line in remedy["lines"]]
            if remedy["tool"] == "nftables" and remedy["place"] in routers:
                namespace, router = routers[remedy["place"]]
                self.run_on(namespace, router, lines)
            elif remedy["tool"] == "sysctl":
                self.run_on(self.world.client_router, None, lines)
            elif self.kind in remedy["tool"]:
                self.serve({**self.present, **dict(line.split("=", 1) for line in lines)})
            elif remedy["tool"] == "ferry":
                options += self.options_of(lines[0])
        return options

    @staticmethod
    def fill_in(line):
        """What an administrator knows: names in capitals, and how the chain is called."""
        for name, value in (("YOUR-PUBLIC-ADDRESS", net.CLIENT_ROUTER), ("SERVER-INNER-ADDRESS", net.SERVER_INNER)):
            line = line.replace(name, value)
        return line.replace("inet filter forward", "inet net pass")

    @staticmethod
    def run_on(namespace, router, lines):
        for line in lines:
            # a router that filters nothing has no such chain
            if "inet net pass" in line and not (router and router.forward):
                continue
            namespace.feed(["sh", "-c", line], "")

    @staticmethod
    def options_of(line):
        words = shlex.split(line)
        assert words[:3] == ["ferry", "get", "--active"] and words[-1] == "URL"
        return words[3:-1]

    def outcomes(self):
        return {attempt["outcome"] for attempt in self.first["attempts"] if attempt["mode"] in ("EPSV", "PASV")}

    def found(self):
        return [finding["code"] for finding in self.first["findings"]]


ROWS = [(n, "ferryd") for n in NETWORKS + MORE] + [(n, "vsftpd") for n in NETWORKS if n.doctor]


def row_id(row):
    return re.sub(r"[^\w/]+", "-", f"{row[0].name}/{row[1]}")


@pytest.fixture(scope="module")
def examined(request):
    """A function that gives the finished examination of a row. What this session will ask for is begun at once,
    except under pytest-xdist."""
    pool = concurrent.futures.ThreadPoolExecutor(WORLDS)
    begun = {}

    def begin(row):
        if row_id(row) not in begun:
            one = Examination(*row)
            begun[row_id(row)] = one, pool.submit(one.make)
        return begun[row_id(row)]

    if "PYTEST_XDIST_WORKER" not in os.environ or "TESTS_BY_FILE" in os.environ:
        for item in request.session.items:
            if item.module is request.module and hasattr(item, "callspec") and "row" in item.callspec.params:
                begin(item.callspec.params["row"])

    def get(row):
        one, future = begin(row)
        future.result()
        if one.lacks:
            assert any(r and r.helper_port for r in (row[0].client, row[0].server)), one.lacks
            pytest.skip(f"this kernel cannot do the FTP helper: {one.lacks}")
        return one

    yield get
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_the_verdict(examined, row):
    one = examined(row)
    expected = [code.rstrip("!?") for code in row[0].doctor.split()]
    assert one.found()[:1] == expected[:1] and set(one.found()) == set(expected), one.first
    verdict = one.first["verdict"]
    if not expected:
        assert verdict is None and one.first["exit"] == 0, one.first
        return
    assert verdict["code"] == expected[0] and verdict["evidence"], one.first
    certain = {finding["code"]: finding["certainty"] == "certain" for finding in one.first["findings"]}
    for code in row[0].doctor.split():
        assert code[-1] not in "!?" or certain[code[:-1]] == (code[-1] == "!"), one.first
    passive = one.first["passive_works"]
    assert one.first["exit"] == (2 if verdict["code"][0] == "C" else 13 if passive else 4), one.first


CURED = [row for row in ROWS if row[0].doctor and row[0].doctor[0] != "C"]


@pytest.mark.parametrize("row", CURED, ids=row_id)
def test_what_it_proposes_helps(examined, row):
    one = examined(row)
    code = row[0].doctor.split()[0].rstrip("!?")
    assert code not in [finding["code"] for finding in one.second["findings"]], (one.first["remedies"], one.second)
    assert all(done is True for done in one.gets.values()) and one.gets, (one.first["remedies"], one.gets)


# ---- networks that need a story ----

@pytest.fixture
def story():
    """A function that makes a network and an examination to be driven by hand."""
    with contextlib.ExitStack() as stack:
        def make(network, **world):
            return Examination(network, "ferryd").begin(stack, **world)
        yield make


def cured_of_small_packets(tool, place):
    """The verdict when that has been done which is proposed for this place."""
    with contextlib.ExitStack() as stack:
        one = Examination(more("small packets", ""), "ferryd").begin(stack)
        one.world.client_router.rules(SMALL_LINK["client"])
        one.world.client_router.batch("link set in0 mtu 1300")
        result = one.doctor("-T", "4")
        assert (result["verdict"]["code"], result["verdict"]["certainty"]) == ("L03", "certain"), result
        namespace = {"the server": one.world.server, "the server's router": one.world.server_router,
                     "your router": one.world.client_router}[place]
        lines, = [r["lines"] for r in result["remedies"] if r.get("tool") == tool and r["place"] == place]
        one.run_on(namespace, None, lines)
        return one.doctor()["verdict"]


def test_a_link_that_takes_small_packets_only():
    """A file is looked for that does not fit into one packet; short listings say nothing. Each thing that is proposed
    helps by itself."""
    cures = [("sysctl", "the server"), ("nftables", "the server's router"), ("nftables", "your router")]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(cured_of_small_packets, *zip(*cures))) == [None] * 3


def test_a_router_that_forgets(story):
    """A router that remembers silent connections for a second only."""
    one = story(more("forgets", "", client_hidden=True,
                     client=Router(forward=["ct state invalid drop", KEEP, 'iifname "in0" accept', "drop"],
                                   snat=[MASQUERADE], input=['iifname "wan0" drop'])))
    one.world.client_router.sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)
    one.world.client_router.sysctl("net/netfilter/nf_conntrack_tcp_timeout_established", 1)
    result = one.doctor("--idle", "4", "-T", "3")
    assert result["verdict"]["code"] == "L01", result
    one.cure([r for r in result["remedies"] if r["code"] == "L01" and "lines" in r])
    assert "L01" not in [f["code"] for f in one.doctor("--idle", "4", "-T", "3")["findings"]]


class Middlebox:
    """Takes every call to a port and hangs up."""

    def __init__(self, namespace, port):
        with namespace:
            self.socket = socket.create_server(("0.0.0.0", port), backlog=50)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.socket.accept()[0].close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def test_a_proxy_that_takes_every_call(story):
    """A connection that comes about proves nothing."""
    one = story(more("proxy", "", server=forwarded("21", more=[f'iifname "wan0" tcp dport {RANGE} redirect to :9']),
                     server_hidden=True, options={"pasv_address": net.SERVER_ROUTER}))
    box = Middlebox(one.world.server_router, 9)
    try:
        result = one.doctor()
    finally:
        box.close()
    assert [f["code"] for f in result["findings"]] == ["P25"] and result["exit"] == 4, result


def test_a_name_with_an_address_that_is_silent(story):
    """ferry gets through over IPv4; other programs may not, so it is told."""
    one = story(more("half dual stack", "", families=(4, 6), named=True,
                     server=Router(forward=["meta nfproto ipv6 reject with tcp reset"])))
    result = one.doctor()
    assert result["verdict"]["code"] == "C03" and result["exit"] == 13, result
    assert "has an IPv6 address too" in result["findings"][0]["evidence"], result


def test_nothing_listens_without_consent(story):
    one = story(more("flat", ""))
    done = one.ferry("doctor", "--json", "URL")
    result = json.loads(done.stdout)
    assert done.returncode == 0 and "active_works" not in result, result
    assert {a["mode"] for a in result["attempts"]} == {"EPSV", "PASV"}
    assert any("--allow-active" in text for text in result["not_tested"])
    done = one.ferry("doctor", "URL")
    assert "all is well in passive mode" in done.stdout and "--allow-active" in done.stdout, done


def test_the_page(story):
    """What a person reads: the verdict, what was seen, and lines to paste for every tool."""
    one = story(more("closed", "", server=only_to("21", "reject with tcp reset")))
    done = one.ferry("doctor", "--allow-active", "URL")
    assert done.returncode == 4
    assert "VERDICT P12 (likely): the server's passive port refuses calls." in done.stdout
    for tool in ("ferryd:", "vsftpd:", "nftables:", "iptables:", "ufw:", "firewalld:", "AWS:", "Docker:", "Kubernetes:"):
        assert f"  {tool}" in done.stdout, done.stdout
    assert "logged in at 203.0.113.2 port 21, in clear" in done.stderr
    assert one.ferry("doctor", "-q", "--allow-active", "URL").stderr == ""


def verdict(result):
    return result["verdict"] and (result["verdict"]["code"], result["verdict"]["certainty"])


def test_a_refusal_tells_its_distance(story):
    """Sooner than a packet gets halfway: it is the server's own router that says no to the server's calls."""
    one = story(more("far away", "", options=TOLD, server=not_outward("reject with tcp reset")), delay=0.02)
    result = one.doctor()
    assert verdict(result) == ("A07", "certain"), result
    assert result["sessions"][0]["server_says"]["round_trip"] >= 0.04, result


def test_a_refusal_from_afar_is_not_the_servers(story):
    one = story(more("far away", "", options=TOLD, client=only_outward("reject with tcp reset")), delay=0.02)
    assert verdict(one.doctor()) == ("A03", "certain")


def test_an_outer_address_without_forwarding(story):
    """The server's calls get as far as the client's router, which a call from inside proves."""
    one = story(more("not forwarded", "", options=TOLD, client=only_outward(snat=[MASQUERADE]), **NAT))
    result = one.doctor("--active-address", net.CLIENT_ROUTER)
    assert verdict(result) == ("A04", "certain"), result


def test_the_server_is_asked_little(story):
    """No more sessions for it, and a few commands; its port is not called without consent."""
    one = story(more("asked", "", options=TOLD, client=only_outward("drop")))
    done = one.ferry("doctor", "--json", "URL")
    result = json.loads(done.stdout)
    assert result["findings"] == [] and len(result["sessions"]) == 1, result
    told = result["sessions"][0]["server_says"]
    assert (told["client"], told["server"]) == (net.CLIENT_OUTER, net.SERVER_OUTER), told
    assert f"{told['low_port']}-{told['high_port']}" == RANGE and "calls another port" not in done.stderr
    assert not [a for a in result["attempts"] if "server_says" in a], result


def test_the_port_that_the_helper_knows(story):
    """At another port than 21 a helper sees nothing. The same server at port 21 tells."""
    one = story(more("helper", "", port=2100, server=only_to("21, 2100", "reject with tcp reset", helper_port=21)))
    if lacks := net.lacks(one.network.server.rules()):
        pytest.skip(f"this kernel cannot do the FTP helper: {lacks}")
    one.world.server.rules("table inet also { chain c { type nat hook prerouting priority -100;\n"
                           "tcp dport 21 redirect to :2100\n}\n}")
    result = one.doctor()
    assert result["verdict"]["code"] == "P19" and result["verdict"]["certainty"] == "certain", result
