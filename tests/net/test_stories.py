"""Networks that need a story: every way to say no, a port that is shut now and open then, a person who is asked, a
router that forgets, a link that takes small packets only."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import tempfile

import pytest

from harness import alg, certs, ftp, net, netclients
from harness.server import wait_until
from harness.terminal import Terminal
from networks import KEEP, MASQUERADE, RANGE, only_outward, only_to

TOP = pathlib.Path(__file__).parent.parent.parent
FERRY = TOP / "build" / "ferry" / "ferry"
CONTENT = os.urandom(65536)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


class Place:
    """A world with ferryd in it, and a client in the client's namespace."""

    def __init__(self, stack, content=CONTENT, options=None, client=None, server=None, **world):
        self.content = content
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-net-")))
        directory.chmod(0o755)
        for name in ("server", "home"):
            (directory / name).mkdir()
        self.world = net.World(**world)
        stack.callback(self.world.close)
        for rules, router in ((client, self.world.client_router), (server, self.world.server_router)):
            if rules:
                router.rules(rules)
        self.server = net.NetFerryd(directory / "server", self.world, TOP / "build", options=options,
                                    tree=lambda root: (root / "f").write_bytes(content)).start()
        stack.callback(self.server.stop)
        self.home = directory / "home"
        self.client = netclients.Client(self.world.target, 21, "", self.home)

    def ferry(self, way, *args, memory=False):
        with self.world.client:
            return self.client.ferry(FERRY, way, self.content, args, memory=memory)

    @property
    def remembered(self):
        path = self.home / ".local/state/ferry/ways"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def place():
    with contextlib.ExitStack() as stack:
        yield lambda **kwargs: Place(stack, **kwargs)


def codes(run):
    return re.findall(r"Codes?: +(.*)", run.out + run.err)


def flat(text):
    """As if it had not been wrapped to the width of a screen."""
    return re.sub(r"\s+", " ", text)


# How the firewall says no to the data connection: what the kernel of the client makes of it, and the verdict.
NO = [
    ((4,), "drop",                               "Not \"refused\": silence", "P11 likely"),
    ((4,), "reject with tcp reset",              "Refused by", "P12 likely"),
    ((4,), "reject with icmp port-unreachable",  "Refused by", "P12 likely"),
    ((4,), "reject with icmp host-unreachable",  "\"No route to host\"", "P13 certain"),
    ((4,), "reject with icmp net-unreachable",   "\"Network is unreachable\"", "P13 certain"),
    ((4,), "reject with icmp prot-unreachable",  "\"Protocol not available\"", "P13 certain"),
    ((4,), "reject with icmp host-prohibited",   "\"No route to host\"", "P13 certain"),
    ((4,), "reject with icmp net-prohibited",    "\"Network is unreachable\"", "P13 certain"),
    ((4,), "reject with icmp admin-prohibited",  "\"No route to host\"", "P13 certain"),
    ((6,), "drop",                               "Not \"refused\": silence", "P11 likely"),
    ((6,), "reject with tcp reset",              "Refused by", "P12 likely"),
    ((6,), "reject with icmpv6 port-unreachable", "Refused by", "P12 likely"),
    ((6,), "reject with icmpv6 addr-unreachable", "\"No route to host\"", "P13 certain"),
    ((6,), "reject with icmpv6 no-route",        "\"Network is unreachable\"", "P13 certain"),
    ((6,), "reject with icmpv6 admin-prohibited", "\"Permission denied\"", "P13 certain"),
    ((6,), "reject with icmpv6 policy-fail",     "\"Permission denied\"", "P13 certain"),
]


def refused_run(row):
    with contextlib.ExitStack() as stack:
        place = Place(stack, families=row[0], server=only_to("21", row[1]).rules())
        return place.ferry("E", "--explain", "-T", "2")


@pytest.fixture(scope="module")
def refused_runs(request):
    """The runs of the rows that this session asks for, side by side."""
    rows = [i.callspec.params["row"] for i in request.session.items
            if i.module is request.module and hasattr(i, "callspec") and "row" in i.callspec.params]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(rows, pool.map(refused_run, rows)))


@pytest.mark.parametrize("row", NO, ids=[f"ipv{n[0][0]}-{n[1].split()[-1]}" for n in NO])
def test_every_kind_of_no(refused_runs, row):
    _, _, words, code = row
    run = refused_runs[row]
    assert not run.arrived and run.status == 4, run
    assert words in flat(run.out), run
    assert codes(run) == [code], run


@pytest.mark.parametrize("no, words, code", [
    ("drop", "connection timed out", "A02 likely"),
    ("reject with tcp reset", "connection refused", "A03 likely"),
    ("reject with icmp admin-prohibited", "no route to host", "A03 likely"),
])
def test_every_kind_of_no_to_the_server(place, no, words, code):
    """... and ferryd passes it on to every client."""
    run = place(families=(4,), client=only_outward(no).rules()).ferry("p", "--explain")
    assert not run.arrived and run.status == 4, run
    assert re.search(rf"425 I could not reach \S+ port \d+: {words}\. Use passive mode", flat(run.out)), run
    assert codes(run) == [code], run


# The firewall shuts the port of the first data connection that it sees, and only that one.
FIRST_SHUT = net.rule_set(
    forward=[KEEP, "tcp dport @shut drop",
             "tcp dport 10000-60000 ct state new numgen inc mod 1000000 < 1 add @shut { tcp dport } drop"],
    extra="set shut { type inet_service; size 1000; flags dynamic; }")
# So wide that the same port is not asked for twice.
WIDE = {"pasv_min_port": 10000, "pasv_max_port": 60000}


@pytest.mark.parametrize("families, next_verb", [((4,), "PASV"), ((6,), "EPSV")])
def test_a_range_that_is_partly_open(place, families, next_verb):
    """Another port is asked for: by PASV, and over IPv6, where there is none, by EPSV again."""
    p = place(families=families, options=WIDE, server=FIRST_SHUT)
    run = p.ferry("D", "-T", "2")
    assert run.arrived and run.verbs == ["EPSV", next_verb], run
    assert re.search(rf"^ferry: {next_verb} was used, because this did not work: EPSV \(\S+ port \d+: no answer in "
                     r"\d+\.\d s\)\.$", run.err, re.M), run


@contextlib.contextmanager
def at_terminal(p, *args):
    with p.world.client, Terminal(FERRY, "get", *args, p.client.url, p.client.url, cwd=p.home) as t:
        yield t


def test_a_person_is_asked_before_the_server_may_call(place):
    p = place(families=(4,), server=only_to("21", "reject with tcp reset").rules())
    question = "No passive data connection with 203.0.113.2. In active mode the server calls this machine"
    with at_terminal(p) as t:
        t.wait(question)
        t.wait("[y/n] ")
        t.line("n")
        t.wait("no data connection with 203.0.113.2")
        # not asked twice
        t.wait("no data connection with 203.0.113.2")
        t.child.wait()
        assert t.child.exitstatus == 4 and question not in t.seen().split("[y/n]")[1]
    assert not (p.home / "f").exists()
    with at_terminal(p) as t:
        t.wait("[y/n] ")
        t.line("y")
        t.wait("ferry: PORT was used, because this did not work: EPSV (203.0.113.2 port ")
        t.child.wait()
        assert t.child.exitstatus == 0
    assert (p.home / "f").read_bytes() == CONTENT
    with at_terminal(p, "-q") as t:
        t.child.wait()
        assert "[y/n]" not in t.seen() and t.child.exitstatus == 4


def control_timers(p):
    """What ss says of the timers of ferry's command connection."""
    with p.world.client:
        return subprocess.run(["ss", "-tnoH", "state", "established", "dport", "=", ":21"], check=True,
                              capture_output=True, text=True).stdout


def test_a_router_that_forgets_the_silent_command_connection(place):
    """All bytes arrive and the server's word for it does not. (Keepalive prevents it where routers remember for more
    than a minute: here the router is made to forget.)"""
    content = os.urandom(16 << 20)
    router = net.rule_set(forward=["ct state invalid drop", KEEP, 'iifname "in0" accept', "drop"],
                          snat=[MASQUERADE], input=['iifname "wan0" drop'])
    p = place(families=(4,), content=content, client_hidden=True, client=router)
    p.world.client_router.sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)
    with p.world.client:
        ferry = subprocess.Popen([str(FERRY), "get", "--explain", "-T", "3", "-o", "-", p.client.url],
                                 bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"HOME": str(p.home)})
    got = ferry.stdout.read(1)
    timer = re.search(r"timer:\(keepalive,(?:(\d+)min)?(?:(\d+)sec)?", control_timers(p))
    assert timer and int(timer[1] or 0) * 60 + int(timer[2] or 0) <= 60
    with p.world.client_router:
        subprocess.run(["conntrack", "-D", "-p", "tcp", "--orig-port-dst", "21"], check=True, capture_output=True)
    out, err = ferry.communicate(timeout=60)
    err = flat(err.decode())
    assert got + out == content
    assert ferry.returncode == 8, err
    assert "L01 likely" in err and "FAILED: the command connection died while the bytes moved" in err, err


SMALL_LINK = {"families": (4,), "client": net.rule_set(output=["icmp type destination-unreachable drop"])}


def shrink(p):
    p.world.client_router.batch("link set in0 mtu 1300")


def test_a_link_that_takes_small_packets_only(place):
    p = place(**SMALL_LINK)
    shrink(p)
    run = p.ferry("D", "--explain", "-T", "3")
    assert not run.arrived and run.status == 8, run
    assert codes(run) == ["L03 likely"], run
    assert "tcp_mtu_probing=1" in run.out, run


def test_a_link_that_takes_small_packets_only_on_the_way_up(place):
    """An upload is not "all there but the server's word": not a byte of it has arrived."""
    p = place(**SMALL_LINK, options={"write_enable": "YES", "anon_upload_enable": "YES"})
    p.world.client_router.batch("link set wan0 mtu 1300")
    with p.world.client:
        done = subprocess.run([FERRY, "put", "--no-memory", "--explain", "-T", "2", "-", f"ftp://{p.world.target}/new"],
                              input=p.content, capture_output=True, timeout=60, env={"HOME": str(p.home)})
    said = flat(done.stdout.decode() + done.stderr.decode())
    assert done.returncode == 8 and "L03 likely" in said and "L01" not in said, said
    assert f"the last {len(p.content)} of {len(p.content)} bytes sent never arrived" in said, said


@pytest.mark.parametrize("cure", ["mtu-probing", "mss-clamp"])
def test_what_helps_against_small_packets(place, cure):
    p = place(**SMALL_LINK)
    shrink(p)
    if cure == "mtu-probing":
        p.world.server.sysctl("net/ipv4/tcp_mtu_probing", 1)
    else:
        p.world.client_router.rules("table inet clamp { chain c { type filter hook forward priority 10;\n"
                                    "tcp flags syn tcp option maxseg size set 1260\n}\n}")
    run = p.ferry("D", "-T", "30")
    assert run.arrived, run


@pytest.mark.parametrize("way", "EPep")
def test_a_link_that_loses_packets(place, way):
    """Five of a hundred in each direction; every way takes a little longer and works."""
    p = place(families=(4,), options={"connect_timeout": 20},
              client=net.rule_set(forward=["numgen random mod 100 < 5 drop"]))
    run = p.ferry(way, "-T", "20")
    assert run.worked, run


@pytest.fixture(scope="module")
def slow_place():
    with contextlib.ExitStack() as stack:
        yield Place(stack, families=(4,), delay=0.06, loss=0.01)


@pytest.mark.parametrize("way", "EPep")
def test_a_long_link_that_loses_packets(slow_place, way):
    run = slow_place.ferry(way, "-T", "20")
    assert run.worked, str(run)  # pytest would shorten the run itself


@pytest.fixture(scope="module", autouse=True)
def patient_run(request):
    """It takes a while and works hardly, so it is begun first."""
    def go(stack):
        return Place(stack, families=(4,), options=WIDE, server=FIRST_SHUT, delay=0.35).ferry("D", "-T", "60")

    if "test_a_long_link_gets_more_patience" not in [getattr(i, "originalname", "") for i in request.session.items]:
        yield None
        return
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(go, stack)


def test_a_range_that_is_forwarded_in_part(place):
    """The router has forgotten a port, which it then refuses itself; the next one is forwarded."""
    forwards = [f"tcp dport 21 dnat ip to {net.SERVER_INNER}",
                "tcp dport @shut accept",
                "tcp dport 10000-60000 numgen inc mod 1000000 < 1 add @shut { tcp dport } accept",
                f"tcp dport 10000-60000 dnat ip to {net.SERVER_INNER}"]
    p = place(families=(4,), server_hidden=True, options={**WIDE, "pasv_address": net.SERVER_ROUTER},
              server=net.rule_set(dnat=[f'iifname "wan0" {rule}' for rule in forwards], snat=[MASQUERADE],
                                  extra="set shut { type inet_service; size 1000; flags dynamic; }"))
    run = p.ferry("D")
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    assert re.search(r"^ferry: PASV was used, because this did not work: EPSV \(\S+ port \d+: Connection refused\)\.$",
                     run.err, re.M), run


def test_a_router_that_forwards_the_servers_call(place):
    """The person has told the router which ports, and ferry which address."""
    p = place(families=(4,), client_hidden=True, server=only_to("21", "reject with tcp reset").rules(),
              client=net.rule_set(forward=[KEEP, 'iifname "in0" accept', "tcp dport 6000-6009 accept", "drop"],
                                  dnat=[f'iifname "wan0" tcp dport 6000-6009 dnat ip to {net.CLIENT_INNER}'],
                                  snat=[MASQUERADE]))
    router = ["--active-address", net.CLIENT_ROUTER, "--active-ports", "6000-6009"]
    assert p.ferry("p", *router).worked and p.ferry("e", *router).worked
    run = p.ferry("D", "--allow-active", *router)
    assert run.arrived and run.verbs == ["EPSV", "PASV", "PORT"], run
    # it needs both, and leave
    assert not p.ferry("p", *router[2:], "-T", "1").arrived
    assert p.ferry("D", *router).verbs == ["EPSV", "PASV"]


def test_data_at_another_address_is_a_question_of_trust(place):
    """The server's passive ports are open at its second address only, which it names."""
    other = "203.0.113.3"
    p = place(families=(4,), options={"pasv_address": other},
              server=net.rule_set(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept", "ct status dnat accept",
                                           "reject with tcp reset"],
                                  dnat=[f"ip daddr {other} tcp dport {RANGE} dnat ip to {net.SERVER_OUTER}"]))
    run = p.ferry("D")
    assert not run.arrived and run.verbs == ["EPSV", "PASV"], run
    run = p.ferry("D", "--trust-pasv-address", "--explain")
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    assert "you trust it because you asked for that (--trust-pasv-address)" in flat(run.out), run


def test_every_command_changes_the_family(place):
    """ls and put too; once for all files; not against -6."""
    p = place(families=(4, 6), options={"write_enable": "YES", "anon_upload_enable": "YES"},
              server=net.rule_set(forward=[KEEP, 'iifname "in0" accept', "tcp dport 21 accept",
                                           f"meta nfproto ipv4 tcp dport {RANGE} accept", "reject with tcp reset"]))
    prefix = netclients.known_as("ftp.test", (net.SERVER_6, p.world.target), p.home / "hosts")
    (p.home / "new").write_bytes(b"new")

    def ferry(*args):
        with p.world.client:
            return subprocess.run([*prefix, FERRY, *args, "--no-memory"], cwd=p.home, capture_output=True, timeout=60,
                                  errors="replace", env={"HOME": str(p.home)})

    line = "ferry: EPSV over IPv4 was used, because this did not work: EPSV (2001:db8:2::2 port "
    url = "ftp://ftp.test/"
    for args in (("ls", url), ("put", "new", url), ("get", "-o", "-", url + "f", url + "f")):
        done = ferry(*args)
        assert done.returncode == 0 and done.stderr.count(line) == 1, (args, done)
    assert (p.server.root / "new").read_bytes() == b"new"
    done = ferry("ls", "-6", url)
    assert done.returncode == 4 and "over IPv4" not in done.stderr, done


def namespace_of(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def test_nothing_is_left_behind(place):
    """No process, and then the namespace, which has no name, goes by itself."""
    p = place(families=(4,))
    inode = os.stat(p.world.server.path).st_ino

    def users():
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and namespace_of(pid) == inode]

    assert p.ferry("D").arrived and users()
    p.server.stop()
    wait_until(lambda: not users(), "somebody still runs in the server's namespace")


def test_a_trace_from_behind_a_router(place):
    """The diagram shows the router, and its address once the server has told it; calls that fail end in nothing."""
    p = place(client_hidden=True, client=only_outward(snat=[MASQUERADE]).rules(), server=only_to(21).rules(),
              options={"pasv_address": "192.168.1.100"})
    assert not p.ferry("D", "--mode", "pasv", "-T", "1", "--trace", "passive.txt").arrived
    text = (p.home / "passive.txt").read_text()
    call = re.search(r"227 .*,(\d+),(\d+)\).*x 256 \+ \2 = (\d+)", text, re.S)
    assert call and re.search(rf"=======X you dial: data connection +:{call[3]}\|", text)
    assert "YOUR ROUTER" in text and "address not known" in text and "P01 certain, P11 likely" in flat(text)
    assert not p.ferry("D", "--mode", "port", "--trace", "active.txt").arrived
    text = (p.home / "active.txt").read_text()
    outer = re.search(r"500 PORT names \S+ but you come from ([\d.]+)", flat(text))
    assert re.search(rf"YOUR ROUTER.*\n +[\d.]+ +{outer[1]} ", text)
    assert f"The server sees you coming from {outer[1]} but is told to call" in re.sub(r"[|\s]+", " ", text)


# ---- what ferry remembers ----

# The same without a wait.
FIRST_REFUSED = FIRST_SHUT.replace("drop", "reject with tcp reset")

def told(run):
    return re.findall(r"^ferry: (.*) was used(.*)$", run.err, re.M)


LINE = r"203\.0\.113\.2 21 plain 4 198\.51\.100\.0/24,198\.51\.100\.1,(?:[0-9a-f]{2}:){5}[0-9a-f]{2} \d+ "


def test_the_way_that_worked_comes_first_the_next_time(place):
    p = place(families=(4,), options=WIDE, server=FIRST_SHUT)
    run = p.ferry("D", "-T", "2", memory=True)
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    path = p.home / ".local/state/ferry/ways"
    assert re.fullmatch(LINE + "PASV EPSV:silent\n", p.remembered), p.remembered
    assert path.stat().st_mode & 0o777 == 0o600
    before = p.remembered
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["PASV"], run
    assert told(run) == [("PASV", " first: it worked from this network before, and this did not: EPSV (no answer).")]
    run = p.ferry("D", "--explain", memory=True)
    assert run.verbs == ["PASV"] and "PASV comes first: it worked from this network before" in flat(run.out), run
    # nobody wants it
    run = p.ferry("D", "--no-memory", memory=True)
    assert run.arrived and run.verbs == ["EPSV"] and not told(run), run
    # the user says how
    assert p.ferry("E", memory=True).verbs == ["EPSV"]
    assert p.remembered == before


def test_what_is_remembered_is_not_believed_for_ever(place):
    p = place(families=(4,), options=WIDE, server=FIRST_REFUSED)
    assert p.ferry("D", memory=True).arrived
    path = p.home / ".local/state/ferry/ways"
    week_ago = int(p.remembered.split()[5]) - 7 * 24 * 3600
    path.write_text(re.sub(r" \d+ PASV", f" {week_ago} PASV", p.remembered))
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV"] and not told(run), run


def test_what_is_remembered_and_fails_is_forgotten(place):
    """The usual order follows at once."""
    p = place(families=(4,), options=WIDE, server=FIRST_REFUSED)
    assert p.ferry("D", memory=True).arrived
    p.world.server_router.rules("flush ruleset\n" + FIRST_REFUSED)
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["PASV", "EPSV"], run
    assert [way for way, _ in told(run)] == ["EPSV"], run
    assert re.fullmatch(r", because this did not work: PASV \(\S+ port \d+: Connection refused\)\.", told(run)[0][1])
    assert p.remembered == ""
    run = p.ferry("D", memory=True)
    assert run.verbs == ["EPSV"] and not told(run), run


def test_another_network_has_its_own_memory(place):
    """The same server and the same addresses, but another router: its hardware says so."""
    p = place(families=(4,), options=WIDE, server=FIRST_REFUSED)
    assert p.ferry("D", memory=True).arrived
    p.world.client_router.batch("link set in0 down", "link set in0 address 02:00:00:00:00:99", "link set in0 up")
    p.world.client.batch("neigh flush all")
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV"], run


def test_what_is_remembered_of_tls_is_of_tls_only(place, tls):
    """A helper in a router makes a difference in clear."""
    p = place(families=(4,), options={**WIDE, **tls}, server=FIRST_REFUSED)
    encrypted = ["--tls", "--accept-new"]
    assert p.ferry("D", *encrypted, memory=True).verbs == ["EPSV", "PASV"]
    assert re.fullmatch(LINE.replace("plain", "tls") + "PASV EPSV:refused\n", p.remembered), p.remembered
    assert p.ferry("D", "--plain", memory=True).verbs == ["EPSV"]
    assert p.ferry("D", *encrypted, memory=True).verbs == ["PASV"]


def test_active_mode_is_remembered_and_needs_leave_all_the_same(place):
    p = place(families=(4,), server=only_to("21", "reject with tcp reset").rules())
    assert p.ferry("D", "--allow-active", memory=True).verbs == ["EPSV", "PASV", "PORT"]
    run = p.ferry("D", "--allow-active", memory=True)
    assert run.arrived and run.verbs == ["PORT"], run
    run = p.ferry("D", memory=True)
    assert not run.arrived and run.verbs == ["EPSV", "PASV"], run
    # which is no reason to forget what was not tried
    assert re.fullmatch(LINE + "PORT EPSV:refused PASV:refused\n", p.remembered)
    with at_terminal(p) as t:
        t.wait("From this network only active mode worked before with 203.0.113.2. In active mode the server calls")
        t.wait("[y/n] ")
        t.line("y")
        t.wait("ferry: PORT was used first: it worked from this network before")
        t.child.wait()
        assert t.child.exitstatus == 0


def test_the_family_is_remembered(place):
    p = place(families=(4, 6),
              server=net.rule_set(forward=[KEEP, "tcp dport 21 accept", 'iifname "in0" accept',
                                           f"meta nfproto ipv4 tcp dport {RANGE} accept", "reject with tcp reset"]))
    p.client = netclients.Client("ftp.test", 21, "", p.home, netclients.known_as(
        "ftp.test", (net.SERVER_6, p.world.target), p.home / "hosts"))
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV", "EPSV", "EPSV"], run
    assert re.fullmatch(r"ftp\.test 21 plain 6 2001:db8:1::/64,2001:db8:1::1,\S+ \d+ other EPSV:refused\n",
                        p.remembered), p.remembered
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV"], run
    assert told(run) == [("EPSV", " first: IPv4 worked from this network before, and over IPv6 this did not: EPSV "
                          "(the port was refused).")]
    # now it is the other way round
    p.world.server_router.rules("flush ruleset\n" + net.rule_set(
        forward=[KEEP, "tcp dport 21 accept", 'iifname "in0" accept', f"meta nfproto ipv6 tcp dport {RANGE} accept",
                 "reject with tcp reset"]))
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV", "PASV", "EPSV"], run
    assert " plain 6 " not in p.remembered and " plain 4 " in p.remembered, p.remembered


@pytest.mark.parametrize("odd", ["nonsense", "long", "fifo", "not-ours", "unwritable"])
def test_a_file_of_ways_that_is_odd_does_no_harm(place, odd):
    p = place(families=(4,), options=WIDE, server=FIRST_REFUSED)
    path = p.home / ".local/state/ferry/ways"
    path.parent.mkdir(parents=True)
    good = "203.0.113.2 21 plain 4 198.51.100.0/24,direct 1 PASV\n"
    if odd == "fifo":
        os.mkfifo(path)
    elif odd == "unwritable":
        path.mkdir()
    else:
        path.write_bytes({"nonsense": b"\0\xff 21\n" + good.encode() * 3, "long": good.encode() * 5000,
                          "not-ours": good.encode()}[odd])
        path.chmod(0o666 if odd == "not-ours" else 0o600)
    run = p.ferry("D", memory=True)
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    if odd != "unwritable":
        assert re.fullmatch(LINE + "PASV EPSV:refused\n", p.remembered), p.remembered


# ---- routers that read along ----

def begins(word, then=None):
    """What a gateway does: the lines that begin so become this, the others stay."""
    return lambda line: then if line.upper().startswith(word) else line


GATEWAYS = {
    "swallows-EPSV": {"command": begins(b"EPSV")},
    "swallows-229": {"reply": begins(b"229")},
    "cuts-at-EPSV": {"command": begins(b"EPSV", alg.CUT)},
}


@pytest.fixture
def gateway(place):
    """A function that makes a place with such a router in front of the client."""
    with contextlib.ExitStack() as stack:
        def make(change, **kwargs):
            if lacks := net.lacks(alg.RULES):
                pytest.skip(f"this kernel cannot do TPROXY: {lacks}")
            p = place(families=(4,), **kwargs)
            stack.callback(alg.Gateway(p.world.client_router, **change).close)
            return p
        yield make


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_way_that_ends_the_session(gateway, name):
    """The command connection is lost at EPSV. Another one gets the file by PASV, and the next run knows."""
    p = gateway(GATEWAYS[name])
    run = p.ferry("D", "-T", "2", memory=True)
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    assert re.search(r"^ferry: PASV was used, because this did not work: EPSV \(the command ", run.err, re.M), run
    run = p.ferry("D", "-T", "2", memory=True)
    assert run.arrived and run.verbs == ["PASV"], run


def test_every_passive_way_ends_the_session(gateway):
    p = gateway({"command": lambda line: None if line[:4].upper() in (b"EPSV", b"PASV") else line})
    run = p.ferry("D", "-T", "1", "--allow-active")
    assert run.arrived and run.verbs == ["EPSV", "PASV", "PORT"], run
    run = p.ferry("D", "-T", "1")
    assert not run.arrived and run.status == 8 and run.verbs == ["EPSV", "PASV"], run


# ---- somebody else takes the call ----

POOL = [f'oifname "wan0" tcp dport 21 snat ip to {net.CLIENT_ROUTER}', f'oifname "wan0" snat ip to {net.CLIENT_ROUTER_2}']


@pytest.fixture
def wrong_machine(place):
    """The passive ports lead to the server's command port, which greets whoever calls."""
    return place(families=(4,), server_hidden=True,
                 options={"write_enable": "YES", "anon_upload_enable": "YES", "accept_timeout": 1,
                          "pasv_address": net.SERVER_ROUTER},
                 server=net.rule_set(dnat=[f'iifname "wan0" tcp dport 21 dnat ip to {net.SERVER_INNER}',
                                           f'iifname "wan0" tcp dport {RANGE} dnat ip to {net.SERVER_INNER}:21'],
                                     snat=[MASQUERADE]))


def test_what_a_stranger_sends_is_not_the_file(wrong_machine):
    p = wrong_machine
    run = p.ferry("D", "--allow-active")
    assert run.arrived and run.verbs == ["EPSV", "PASV", "PORT"], run
    assert "the server said 425 Nobody came to my port" in run.err, run
    run = p.ferry("D")
    assert run.status == 4 and run.verbs == ["EPSV", "PASV"], run
    # nothing of it is left that -c could go on with
    assert not [f for f in p.home.iterdir() if f.name.endswith("-part")], run
    assert "what came is kept" not in run.err, run


def test_what_a_stranger_takes_is_sent_again(wrong_machine):
    p = wrong_machine
    (p.home / "up").write_bytes(p.content)
    with p.world.client:
        done = subprocess.run([FERRY, "put", "--no-memory", "--allow-active", p.home / "up", f"ftp://{p.world.target}/new"],
                              capture_output=True, text=True, timeout=60, env={"HOME": str(p.home)})
    assert done.returncode == 0 and "PORT was used, because this did not work: EPSV" in done.stderr, done
    assert (p.server.root / "new").read_bytes() == p.content


def test_one_who_comes_from_another_address_is_told_soon(place):
    """... and not after accept_timeout: it has called already, as a stranger."""
    p = place(families=(4,), client_hidden=True, client=only_outward(snat=POOL).rules(), options={"accept_timeout": 3600})
    run = p.ferry("E", "-T", "30")
    assert run.status == 4, run
    assert "I refused calls from other addresses (1)" in flat(run.err), run


# ---- what a server can do about the client's NAT ----

ONE_PORT = {"pasv_min_port": 50000, "pasv_max_port": 50000}


@pytest.fixture
def tls(tmp_path):
    cert, key = certs.make(tmp_path, "server", host=net.SERVER_OUTER)
    return {"ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key}


@pytest.mark.parametrize("more", [{}, ONE_PORT], ids=["range", "one-port"])
@pytest.mark.parametrize("way", "EP")
def test_a_pool_of_addresses_under_tls(place, tls, way, more):
    """The data connection comes from another address, and proves whose it is."""
    p = place(families=(4,), client_hidden=True, client=only_outward(snat=POOL).rules(),
              options={**tls, **more, "data_peer": "resumed"})
    run = p.ferry(way, "--accept-new")
    assert run.worked, run
    # In clear nothing is proved.
    run = p.ferry(way, "--plain")
    assert run.status == 4, run


def test_a_pool_of_addresses_needs_leave(place, tls):
    p = place(families=(4,), client_hidden=True, client=only_outward(snat=POOL).rules(), options=tls)
    run = p.ferry("E", "--accept-new")
    assert not run.arrived, run
    assert f"stranger peer={net.CLIENT_ROUTER_2}:" in p.server.log_text()


@pytest.mark.parametrize("way", "ep")
@pytest.mark.parametrize("fix", [True, False], ids=["fixed", "as-it-is"])
def test_a_private_address_in_port(place, way, fix):
    """The client's router passes everything on to it (a DMZ host), but leaves the address in PORT alone."""
    p = place(families=(4,), client_hidden=True, options={"port_fix_nat": "YES"} if fix else {},
              client=net.rule_set(dnat=[f'iifname "wan0" tcp dport 1024-65535 dnat ip to {net.CLIENT_INNER}'],
                                  snat=[MASQUERADE]))
    run = p.ferry(way)
    assert run.worked == fix, run
    if not fix:
        assert f"names {net.CLIENT_INNER} but you come from {net.CLIENT_ROUTER} (NAT?)" in flat(run.out + run.err), run


# ---- what the server tells of it ----


def asked(session, words, code=200):
    _, lines = session.command("SITE FERRY " + words, code)
    return dict(word.split("=", 1) for word in lines[0][4:].decode().split() if "=" in word)


@pytest.fixture
def diagnosis(place):
    @contextlib.contextmanager
    def begin(**world):
        p = place(families=(4,), options={"anon_diagnosis_enable": "YES", **world.pop("options", {})}, **world)
        with p.world.client:
            session = ftp.Session(21, p.world.target).login()
        yield p, session
        session.close()
    return begin


def test_the_server_probes_the_clients_port(diagnosis):
    with diagnosis(client=only_outward("reject with tcp reset").rules()) as (p, session):
        assert asked(session, "PROBE 5000")["result"] == "ECONNREFUSED"
        told = asked(session, "PROBE 5001")
        assert told["to"] == net.CLIENT_OUTER and told["port"] == "5001", told
        # A client whose firewall was told of that port is called from there again.
        assert told["src"].startswith(net.SERVER_OUTER + ":")
        assert {asked(session, f"PROBE {port}")["src"] for port in range(5002, 5005)} == {told["src"]}
    with diagnosis(options={"connect_from_port_20": "YES"}) as (p, session):
        with p.world.client:
            listener = socket.create_server((net.CLIENT_OUTER, 5000))
        with listener:
            assert asked(session, "PROBE 5000")["result"] == "OK"
            caller, address = listener.accept()
            # As active mode would, and not a byte.
            assert address == (p.world.target, 20)
            assert caller.recv(1) == b""
    with diagnosis(client=only_outward("drop").rules()) as (p, session):
        assert asked(session, "PROBE 5000")["result"] == "ETIMEDOUT"


def test_probes_have_limits(diagnosis):
    with diagnosis(client=only_outward("reject with tcp reset").rules()) as (p, first):
        sessions = [first]
        with p.world.client:
            sessions += [ftp.Session(21, p.world.target).login() for _ in range(3)]
        for session in sessions[:3]:
            for _ in range(6):
                asked(session, "PROBE 5000")
            asked(session, "PROBE 5000", 450)
        asked(sessions[3], "PROBE 5000")
        asked(sessions[3], "PROBE 5000")
        asked(sessions[3], "PROBE 5000", 450)  # twenty an hour for an address
        for session in sessions[1:]:
            session.close()


def test_the_server_knows_who_came_and_who_did_not(diagnosis):
    """A pool of addresses: seen from here it is a refusal."""
    with diagnosis(client_hidden=True, client=only_outward(snat=POOL).rules()) as (p, session):
        assert asked(session, "WHOAMI")["peer"].startswith(net.CLIENT_ROUTER + ":")
        with p.world.client:
            session.passive("EPSV")
        assert session.data.recv(1) == b""
        told = asked(session, "LASTDATA")
        assert told["mode"] == "EPSV" and told["accepted"] == "0" and told["rejected"] == "1", told
        assert told["why"] == "address" and told["from"].startswith(net.CLIENT_ROUTER_2 + ":"), told


def test_a_long_link_gets_more_patience(patient_run):
    """Silence is believed after four round trips and three seconds, where that is more than five seconds."""
    run = patient_run.result()
    assert run.arrived and run.verbs == ["EPSV", "PASV"], run
    assert float(re.search(r"EPSV \(\S+ port \d+: no answer in ([\d.]+) s\)", run.err)[1]) >= 5.7, run
