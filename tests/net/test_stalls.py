"""What the server alone can tell, to the client, the log and ferryd failures: why a data connection that was open stood
still, and that its own machine is in the way."""
import concurrent.futures
import contextlib
import json
import re
import subprocess

import pytest

from harness import certs, ftp, net
from harness.server import wait_until
from test_stories import TOP, Place, pytestmark  # noqa: F401

SIZE = 16 << 20
OPTIONS = {"data_connection_timeout": 2, "anon_diagnosis_enable": "YES", "write_enable": "YES", "anon_upload_enable": "YES", "no_anon_password": "YES"}


def verdicts(p):
    done = subprocess.run([TOP / "build" / "ferryd" / "ferryd", "failures", "--json", "--config",
                           p.server.directory / "ferryd.conf"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return {(r["code"], r["certain"], r["way"], r["client"]) for r in json.loads(done.stdout)["failures"]}


@pytest.fixture
def stalled():
    """A place, and sessions in it that have logged in."""
    with contextlib.ExitStack() as stack:
        def begin(**kwargs):
            p = Place(stack, content=bytes(SIZE), families=(4,), **{"options": OPTIONS, **kwargs})
            (p.server.root / "up").mkdir(exist_ok=True)
            (p.server.root / "up").chmod(0o777)

            def session(tls=None):
                with p.world.client:
                    s = ftp.Session(21, p.world.target, seconds=30, tls=tls)
                stack.callback(s.close)
                return s.login()
            return p, session
        yield begin


def begin(p, s, command):
    with p.world.client:
        s.passive()
    s.command(command, 150)
    return s.secure_data() if s.private else s.data


def last_word(s, code=426):
    got, lines = s.reply()
    assert got == code, lines
    return lines[-1].decode()


def black_hole(p):
    """Packets over 1300 bytes vanish in the client's router, both ways, and so does the word of it."""
    for name in ("in0", "wan0"):
        p.world.client_router.batch(f"link set {name} mtu 1300")


HOLE = net.rule_set(output=["icmp type destination-unreachable drop"])


def test_a_link_that_takes_small_packets_only(stalled, tmp_path):
    cert, key = certs.make(tmp_path, "server", "ec")
    p, session = stalled(client=HOLE, options={**OPTIONS, "ssl_enable": "YES", "allow_anon_ssl": "YES",
                                               "rsa_cert_file": cert, "rsa_private_key_file": key})
    down, listed, up, aborted, secure = [session() for _ in range(4)] + [session(ftp.tls_context())]
    black_hole(p)
    begin(p, down, "RETR f")
    begin(p, up, "STOR up/f").sendall(bytes(65536))
    begin(p, secure, "RETR f")
    # What fits into one packet arrives.
    assert b"up" in begin(p, listed, "NLST").recv(1000) and listed.reply()[0] == 226
    for s in (down, secure):
        assert "My large packets get no answer" in last_word(s)
    assert "nothing ever came" in last_word(up)
    # Its client had less patience than the server, as most have; it is known all the same what kept it waiting.
    begin(p, aborted, "RETR f")
    wait_until(lambda: repeats(p) >= 2, "nothing is sent again")
    aborted.send("ABOR")
    assert "My large packets get no answer" in last_word(aborted)
    assert aborted.reply()[0] == 226
    for s in (down, up, aborted):
        assert b" stalled=L03" in s.command("SITE FERRY LASTDATA", 200)[1][-1]
    assert b"stalled" not in listed.command("SITE FERRY LASTDATA", 200)[1][-1]
    wait_until(lambda: verdicts(p), "no verdict")
    assert verdicts(p) == {("L03", False, "open", net.CLIENT_OUTER)}
    assert len(re.findall(r"session=\d+ data=failed verdict=L03 certainty=likely way=open", p.server.log_text())) == 4


def repeats(p):
    """How often in a row the kernel of the server has sent a packet of a data connection again."""
    with p.world.server:
        out = subprocess.run(["ss", "-tinH", "state", "established", "sport", ">=", ":50000"], check=True,
                             capture_output=True, text=True).stdout
    return max([int(n) for n in re.findall(r"backoff:(\d+)", out)], default=0)


def test_who_has_stopped(stalled):
    """A router that drops the packets, a client that does not read, one that does not send."""
    p, session = stalled()
    lost, unread, silent, slow = [session() for _ in range(4)]
    assert len(begin(p, lost, "RETR f").recv(100000)) > 0
    begin(p, silent, "STOR up/f").sendall(bytes(100000))
    lost_port = lost.data.getpeername()[1]
    p.world.client_router.rules(
        f"table inet t {{ chain c {{ type filter hook forward priority 5\ntcp sport {lost_port} drop\n}}\n}}")
    begin(p, unread, "RETR f")
    words = {"lost": "My packets get no answer any more", "unread": "Your side is connected and takes no more",
             "silent": "Your side is connected and sends no more"}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        heard = dict(zip(words, pool.map(last_word, (lost, unread, silent))))
    for who, want in words.items():
        assert want in heard[who], heard
    wait_until(lambda: len(verdicts(p)) >= 3, "too few verdicts")
    assert verdicts(p) == {("L07", False, "open", net.CLIENT_OUTER), ("L08", True, "open", net.CLIENT_OUTER),
                           ("L09", False, "open", net.CLIENT_OUTER)}
    # One that reads slowly, and one that is aborted while it moves, is nobody's fault.
    count = p.server.log_text().count("data=failed")
    data = begin(p, slow, "RETR f")
    assert len(data.recv(1000)) > 0
    slow.command("ABOR", 426, 226)
    slow.reply()
    slow.command("NOOP", 200)
    assert p.server.log_text().count("data=failed") == count


def test_the_control_connection_that_a_router_forgot(stalled):
    p, session = stalled(client=net.rule_set(forward=["ct state invalid drop", "ct state established,related accept",
                                                      'iifname "in0" accept', "drop"]))
    p.world.client_router.sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)
    p.world.server.sysctl("net/ipv4/tcp_retries2", 1)
    s = session()
    data = begin(p, s, "RETR f")
    with p.world.client_router:
        subprocess.run(["conntrack", "-D", "-p", "tcp", "--orig-port-dst", "21"], check=True, capture_output=True)
    left = SIZE
    while left > 0:
        left -= len(data.recv(1 << 20))
    assert "certainty=likely way=control" in p.server.wait_log("data=failed verdict=L01")


def test_a_machine_that_lets_nobody_open_a_port(stalled):
    """The range is not full then, and nobody waits for a port of it."""
    p, session = stalled()
    s = session()
    p.world.server.sysctl("net/ipv4/ip_local_port_range", "61000 65535")
    p.world.server.sysctl("net/ipv4/ip_unprivileged_port_start", 61000)
    assert "I cannot open a port: Permission denied." in s.command("EPSV", 425)[1][-1].decode()
    wait_until(lambda: verdicts(p), "no verdict")
    assert verdicts(p) == {("S01", True, "passive", net.CLIENT_OUTER)}
    with p.world.server:
        done = subprocess.run([TOP / "build" / "ferryd" / "ferryd", "check", "--json", "--config",
                               p.server.directory / "ferryd.conf"], capture_output=True, text=True, timeout=60)
        wrong = next(f for f in json.loads(done.stdout)["findings"] if f["codes"] == "S01")
        subprocess.run(wrong["advice"].splitlines()[0], shell=True, check=True, capture_output=True)
    s.command("EPSV", 229)
