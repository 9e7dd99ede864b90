"""A proxy in front of the server that tells it where clients come from (proxy_protocol_from)."""
import os

import pytest

from harness import certs, ftp, net, netclients, proxy
from test_stories import place  # noqa: F401 (a fixture)

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


def test_the_servers_own_loopback_is_nobodys_address(behind):
    """What calls itself 127.0.0.1 is the proxy's machine, and PORT would lead to ours."""
    p = behind(PORTS["range"], lambda source, *rest: proxy.v2("127.0.0.1", *rest))
    with p.world.client, ftp.Session(21, net.SERVER_ROUTER) as s:
        assert s.reply() == (0, [])
    p.server.wait_log("proxy header=refused from=" + INSIDE)
