"""Through a proxy that speaks the PROXY protocol: who the client is, its header says, if the proxy is trusted, and
nobody else's header is believed. Addresses of loopback play the proxies and their clients."""
import re
import socket

import pytest

from harness import certs, ftp, proxy
from harness.proxy import LOCAL
from harness.server import free_port, wait_until

PROXY, OTHER_PROXY, CLIENT, STRANGER = "127.0.0.9", "127.0.0.10", "198.51.100.7", "198.51.100.8"
OUTER = "203.0.113.1"  # where clients reach the proxy
CONTENT = bytes(range(256)) * 300


def v1(source=CLIENT, target=OUTER):
    return proxy.v1(source, target)


def v2(source=CLIENT, target=OUTER, **kwargs):
    return proxy.v2(source, target, **kwargs)


class Proxied(ftp.Session):
    """Every connection comes from the proxy; `header` goes ahead on the control connection, `data_header` on data
    connections. Where 227 leads is the proxy's business: the server itself is called."""

    def __init__(self, server, header=None, data_header=None, source=PROXY, **kwargs):
        self.header = v1() if header is None else header
        self.data_header = self.header if data_header is None else data_header
        super().__init__(server.port, source=source, preface=self.header, **kwargs)

    def passive(self, verb="EPSV"):
        port = super().passive(verb)
        self.data.sendall(self.data_header)
        return port

    def whoami(self):
        text = self.command("SITE FERRY WHOAMI", 200)[1][-1].decode()
        return dict(re.findall(r"(\w+)=(\S+)", text))


@pytest.fixture
def served(ferryd):
    def start(**options):
        return ferryd(tree=lambda root: (root / "f").write_bytes(CONTENT), options={
            "proxy_protocol_from": f"{PROXY}, 192.0.2.0/24", "anon_diagnosis_enable": "YES", "write_enable": "YES",
            "anon_upload_enable": "YES", "listen_ipv6": "NO", **options})
    return start


@pytest.fixture
def encrypted(served, tmp_path):
    cert, key = certs.make(tmp_path, "server", "ec")
    return lambda **options: served(ssl_enable="YES", allow_anon_ssl="YES", rsa_cert_file=cert,
                                    rsa_private_key_file=key, **options)


def one_port():
    port = free_port()
    return {"pasv_min_port": port, "pasv_max_port": port}


def call(s, header, source=PROXY):
    """A data connection for s, which has sent EPSV."""
    data = socket.create_connection(("127.0.0.1", s.told), timeout=20, source_address=(source, 0))
    data.sendall(header)
    return data


def is_closed(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def expect(s):
    """EPSV, and RETR: what comes now is a matter of who calls."""
    text = s.command("EPSV", 229)[1][-1].decode()
    s.told = int(re.search(r"\|(\d+)\|", text).group(1))
    s.send("RETR f")


def finish(s, data):
    s.data = data
    assert s.reply()[0] == 150
    assert s.read_data() == CONTENT
    assert s.reply()[0] == 226


RANGE_AND_ONE = pytest.mark.parametrize("ports", [dict, one_port], ids=["range", "one port"])


@RANGE_AND_ONE
@pytest.mark.parametrize("header", [v1, v2])
def test_the_client_is_who_the_header_says(served, header, ports):
    server = served(**ports())
    with Proxied(server, header()) as s:
        s.login()
        who = s.whoami()
        assert (who["peer"], who["local"], who["proxyhdr"]) == (f"{CLIENT}:40211", f"{OUTER}:21", "yes")
        for verb in ("PASV", "EPSV"):
            assert s.retrieve("RETR f", how=verb) == CONTENT
        s.store("STOR up", CONTENT)
        assert OUTER.replace(".", ",").encode() in s.command("PASV", 227)[1][-1]
    assert (server.root / "up").read_bytes() == CONTENT
    server.wait_log(f"connect peer={CLIENT}:40211 local={OUTER}:21 proxy=yes")


def test_a_client_of_the_other_family(served):
    with Proxied(served(), v2("2001:db8::7", "2001:db8::1")) as s:
        s.login()
        assert s.whoami()["peer"] == "[2001:db8::7]:40211"
        assert s.retrieve("RETR f") == CONTENT
        s.command("PASV", 501)
        s.command("EPRT |2|2001:db8::8|50000|", 500)
        assert b"another protocol" in s.command("SITE FERRY PROBE 50000", 550)[1][-1]


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"], ids=["LOCAL", "UNKNOWN"])
def test_a_proxy_may_speak_for_itself(served, header):
    server = served(max_per_ip=1)
    with Proxied(server, header) as s, Proxied(server, header):
        s.login()
        who = s.whoami()
        assert who["peer"].startswith(PROXY + ":") and who["proxyhdr"] == "no"
        assert s.retrieve("RETR f") == CONTENT
        assert b"does not say from where" in s.command("SITE FERRY PROBE 50000", 550)[1][-1]


@pytest.mark.parametrize("header", [b"USER anonymous\r\n", v1("0.0.0.0"), v2(command=2), v1()[:-2] + b"\n",
                                    b"\x16\x03\x01\x02\0"])
def test_a_trusted_proxy_must_say_who_it_is(served, header):
    server = served()
    with Proxied(server, header) as s:
        assert is_closed(s.sock)
    server.wait_log("proxy header=refused from=" + PROXY)


def test_a_port_that_is_only_looked_at_makes_no_noise(served):
    server = served()
    Proxied(server, b"").close()
    Proxied(server, LOCAL).close()
    with Proxied(server, LOCAL) as s:
        assert s.reply()[0] == 220
    with Proxied(server) as s:
        s.login()
    log = server.wait_log('disconnect user="anonymous"')
    assert "refused" not in log and log.count("disconnect") == 1 and log.count("connect peer=") == 1


def test_nobody_else_is_believed(served):
    with Proxied(served(), source=OTHER_PROXY) as s:
        assert s.reply()[0] == 220
        assert s.reply()[0] == 500  # PROXY is no command
        s.command("USER anonymous", 331)
        s.command("PASS x", 230)
        who = s.whoami()
        assert who["peer"].startswith(OTHER_PROXY + ":") and who["proxyhdr"] == "no"


def test_without_the_option_nobody_is(served):
    with Proxied(served(proxy_protocol_from=None)) as s:
        assert s.reply()[0] == 220
        assert s.reply()[0] == 500


@RANGE_AND_ONE
def test_data_connections_of_others_are_refused(served, ports):
    server = served(**ports())
    with Proxied(server) as s:
        s.login()
        expect(s)
        silent = call(s, b"")  # its header may still come: it is in nobody's way
        for source, header in ((PROXY, v1(STRANGER)), (PROXY, b"\x16\x03\x01"), (PROXY, LOCAL), (OTHER_PROXY, v1())):
            assert is_closed(call(s, header, source)), (source, header)
        finish(s, call(s, v2()))
        silent.sendall(v1())
        assert is_closed(silent)
    log = server.wait_log("disconnect")
    assert "proxy header=refused channel=data" in log


@RANGE_AND_ONE
def test_a_proxy_that_sends_no_header_on_data_connections(served, ports):
    """The client is told, and the administrator."""
    server = served(accept_timeout=1, **ports())
    with Proxied(server) as s:
        s.login()
        expect(s)
        assert is_closed(call(s, b"\x16\x03\x01"))
        assert s.reply()[0] == 150
        code, lines = s.reply()
        assert code == 425 and b"must send the PROXY header on data connections too" in lines[-1], lines
        server.wait_log(f"data=failed verdict=H09 certainty=certain way=passive peer={CLIENT}")
        # The next one begins anew.
        expect(s)
        assert s.reply()[0] == 150
        assert b"Nobody came" in s.reply()[1][-1]


@pytest.mark.parametrize("header, lines", [(v1(), 1), (v2(), 3)], ids=["v1", "v2"])
def test_a_header_that_nobody_waits_for(served, header, lines):
    server = served()
    with Proxied(server, header, source=OTHER_PROXY) as s:
        assert s.reply()[0] == 220
        for _ in range(lines):
            last = s.reply()
        assert last[0] == 500 and b"I take no PROXY header" in last[1][-1], last
    assert "H09" in server.wait_log("proxy header=unexpected")


@RANGE_AND_ONE
def test_one_connection_may_go_round_the_proxy(served, ports):
    """The address counts, whichever way it is known."""
    server = served(**ports())
    with Proxied(server, v1("127.0.0.44")) as s:
        s.login()
        expect(s)
        finish(s, call(s, b"", "127.0.0.44"))
    if ports is one_port:  # the call would have to be at another worker's
        return
    with ftp.Session(server.port, source="127.0.0.44") as s:
        s.login()
        expect(s)
        assert is_closed(call(s, v1("127.0.0.45")))
        finish(s, call(s, v1("127.0.0.44")))


def test_with_one_port_the_address_in_the_header_tells_whose_call_it_is(served):
    server = served(**one_port())
    clients = [f"198.51.100.{i}" for i in range(1, 9)]
    sessions = [Proxied(server, v2(c)).login() for c in clients]
    for s in sessions:
        expect(s)
    for s in sessions[1::2] + sessions[::2]:
        finish(s, call(s, s.header))
    # Two of one address, one after the other.
    again = Proxied(server, v1(clients[0])).login()
    expect(again)
    sessions[0].send("EPSV")
    finish(again, call(again, again.header))
    assert sessions[0].reply()[0] == 229
    for s in sessions + [again]:
        s.close()


@RANGE_AND_ONE
@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
def test_under_tls(encrypted, ports, implicit):
    server = encrypted(**ports(), **({"implicit_ssl": "YES"} if implicit else {}))
    sessions = [Proxied(server, v2(), tls=ftp.tls_context(), implicit=implicit).login() for _ in range(2)]
    for s in sessions:
        assert s.whoami()["peer"] == f"{CLIENT}:40211"
        expect(s)
    for s in reversed(sessions):
        finish(s, call(s, s.header))
        s.close()


def test_clients_are_counted_by_their_own_address(served):
    server = served(max_per_ip=2)
    with Proxied(server) as one, Proxied(server) as two, Proxied(server, v1(STRANGER)) as other:
        for s in (one, two, other):
            s.login()
        with Proxied(server) as three:
            code, lines = three.reply()
            assert code == 421 and b"from your internet address" in lines[-1]
            assert is_closed(three.sock)
        one.close()

        def is_free():
            with Proxied(server) as s:
                return s.reply()[0] == 220

        wait_until(is_free, "the place is not given back")


def test_the_network_is_the_clients(ferryd, served):
    server = served()
    server.stop()
    config = server.directory / "ferryd.conf"
    server.command = lambda: [str(server.build / "ferryd" / "ferryd"), "--config", str(config)]
    config.write_text(config.read_text() + f"[network {CLIENT}/32]\nftpd_banner=Hello, you\n"
                      f"[network {PROXY}/32]\nftpd_banner=Hello, proxy\n")
    server.start()
    for header, words in ((v1(), b"you"), (v1(STRANGER), b"220 Ferry"), (LOCAL, b"proxy")):
        with Proxied(server, header) as s:
            assert words in s.reply()[1][0]


@pytest.mark.parametrize("source", [None, free_port()], ids=["any port", "a port"])
def test_active_mode_goes_to_the_client_itself(served, source):
    server = served(**({"connect_from_port_20": "YES", "ftp_data_port": source} if source else {}))
    with Proxied(server, v1("127.0.0.44")) as s, socket.socket() as listener:
        s.login()
        s.command("PORT 127,0,0,9,200,1", 500)  # the proxy is a third host
        listener.bind(("127.0.0.44", 0))
        listener.listen()
        listener.settimeout(20)
        port = listener.getsockname()[1]
        s.command(f"PORT 127,0,0,44,{port // 256},{port % 256}", 200)
        s.send("RETR f")
        data, caller = listener.accept()
        assert caller[0] == "127.0.0.1"  # not the proxy's, nor what the client takes for the server's
        assert source in (None, caller[1])
        data.settimeout(20)
        finish(s, data)
