"""A proxy in front of the server that tells it where clients come from (proxy_protocol_from)."""
import json
import os
import signal
import subprocess

import pytest

from harness import certs, ftp, net, netclients, proxy
from test_stories import TOP, place  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

INSIDE = net.SERVER_INNER.rsplit(".", 1)[0] + ".1"  # the proxy, as the server sees it
OUTSIDE_6 = "2001:db8:ff::2"
PORTS = {"range": range(50000, 50004), "one-port": range(50000, 50001)}


@pytest.fixture
def behind(place, tmp_path):  # noqa: F811
    """The server's router is the proxy; nobody reaches the server otherwise."""
    relays = []

    def make(ports, header=proxy.v2, **options):
        cert, key = certs.make(tmp_path, "server", host=net.SERVER_ROUTER)
        p = place(server_hidden=True, options={
            "proxy_protocol_from": INSIDE, "pasv_min_port": ports[0], "pasv_max_port": ports[-1],
            "ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key,
            "anon_diagnosis_enable": "YES", **options})
        relays.append(proxy.Relay(p.world.server_router, net.SERVER_INNER, [21, *ports], header))
        return p

    yield make
    for relay in relays:
        relay.close()


@pytest.mark.parametrize("ports", PORTS)
@pytest.mark.parametrize("header", [proxy.v1, proxy.v2])
def test_clients_come_through(behind, ports, header):
    p = behind(PORTS[ports], header)
    for way in "EP":
        for tls in ("--plain", "--accept-new"):
            run = p.ferry(way, tls)
            assert run.worked, run
    with p.world.client, ftp.Session(21, net.SERVER_ROUTER) as s:
        s.login()
        who = s.command("SITE FERRY WHOAMI", 200)[1][-1].decode()
        assert f"peer={net.CLIENT_OUTER}:" in who and f"local={net.SERVER_ROUTER}:21" in who, who
        assert net.SERVER_ROUTER.replace(".", ",").encode() in s.command("PASV", 227)[1][-1]


def test_over_ipv6_to_a_server_without(behind):
    p = behind(PORTS["range"], listen_ipv6="NO")
    p.client = netclients.Client(OUTSIDE_6, 21, "", p.home)
    run = p.ferry("E", "--plain")
    assert run.worked, run
    p.server.wait_log("connect peer=[2001:db8:1::2]:")


def test_check_sees_that_everybody_comes_through_a_proxy(place):  # noqa: F811
    """... which is not trusted yet; and what it says to do makes the server know its clients."""
    def found(p):
        with p.world.server:
            run = subprocess.run([TOP / "build" / "ferryd" / "ferryd", "check", "--json", "--config",
                                  p.server.directory / "ferryd.conf"], capture_output=True, text=True, timeout=60)
        return {f["codes"]: f for f in json.loads(run.stdout)["findings"] if "H09" in f["codes"]}

    p = place(server_hidden=True, options={"port_enable": "NO"})
    relay = proxy.Relay(p.world.server_router, net.SERVER_INNER, [21], lambda *ends: b"")
    try:
        with p.world.client:
            sessions = [ftp.Session(21, net.SERVER_ROUTER) for _ in range(4)]
        assert [s.reply()[0] for s in sessions] == [220] * 4
        advised = found(p)["H03 H09 H15"]
        assert advised["level"] == "warning" and "this machine's router" in advised["text"], advised
        config = p.server.directory / "ferryd.conf"
        config.write_text(config.read_text() + advised["advice"] + "\n")
        assert set(found(p)) == {"H09"} and found(p)["H09"]["level"] == "unknown"
        os.kill(p.server.pid, signal.SIGHUP)
        p.server.wait_log("reload=done")
        relay.header = proxy.v2
        with p.world.client, ftp.Session(21, net.SERVER_ROUTER) as s:
            assert s.reply()[0] == 220
        p.server.wait_log(f"connect peer={net.CLIENT_OUTER}:")
        for s in sessions:
            s.close()
    finally:
        relay.close()


def test_the_servers_own_loopback_is_nobodys_address(behind):
    """What calls itself 127.0.0.1 is the proxy's machine, and PORT would lead to ours."""
    p = behind(PORTS["range"], lambda source, *rest: proxy.v2("127.0.0.1", *rest))
    with p.world.client, ftp.Session(21, net.SERVER_ROUTER) as s:
        assert s.reply() == (0, [])
    p.server.wait_log("proxy header=refused from=" + INSIDE)
