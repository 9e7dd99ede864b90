"""The data connection belongs to the control connection's peer, and to nobody else (RFC 2577)."""
import contextlib
import re
import socket
import threading

import pytest

from harness import ftp
from harness.probe import RIGHTS, Baseline, free_range, refuses, warm_up
from harness.server import wait_until

CONTENT = b"for the right client only" * 1000
STRANGER = ("127.0.0.2", 0)


def tree(root):
    (root / "f").write_bytes(CONTENT)


def listen(s, verb="EPSV"):
    """The port, without connecting to it."""
    _, lines = s.command(verb, 229, 227)
    numbers = re.search(rb"\((.*)\)", lines[0]).group(1)
    if verb.startswith("EPSV"):
        return int(numbers.strip(b"|"))
    high, low = numbers.split(b",")[4:]
    return int(high) * 256 + int(low)


def steal(port):
    """What a stranger gets, and whether he was hung up on."""
    with socket.create_connection(("127.0.0.1", port), timeout=ftp.SECONDS, source_address=STRANGER) as s:
        got = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(b"stolen or planted")
            while piece := s.recv(65536):
                got += piece
        return got


@pytest.mark.parametrize("verb", ["EPSV", "PASV"])
@pytest.mark.parametrize("line", ["RETR f", "STOR up", "LIST"])
@pytest.mark.parametrize("early", [True, False])
def test_a_stranger_is_first_at_the_port(ferryd, verb, line, early):
    server = ferryd(options=RIGHTS, tree=tree)
    with ftp.Session(server.port) as s:
        s.login()
        port = listen(s, verb)
        if early:
            assert steal(port) == b""
        s.send(line)
        if not early:
            assert s.reply()[0] == 150
            assert [steal(port) for _ in range(3)] == [b""] * 3
        # The right client is still served, as if nothing had been.
        s.data = socket.create_connection(("127.0.0.1", port), timeout=ftp.SECONDS)
        if early:
            assert s.reply()[0] == 150
        if line == "STOR up":
            s.write_data(CONTENT)
            s.close_data()
        else:
            got = s.read_data()
            assert got == CONTENT if line == "RETR f" else b" f\r\n" in got
        assert s.reply()[0] == 226
        if line == "STOR up":
            assert (server.root / "up").read_bytes() == CONTENT
        server.wait_log("stranger peer=127.0.0.2")


def test_a_crowd_of_strangers_keeps_nobody_out(ferryd):
    server = ferryd(tree=tree)
    with ftp.Session(server.port) as s:
        s.login()
        port = listen(s)
        s.command("RETR f", 150)
        over = threading.Event()

        def knock():
            with contextlib.suppress(OSError):
                while not over.is_set():
                    steal(port)

        crowd = [threading.Thread(target=knock) for _ in range(4)]
        for thread in crowd:
            thread.start()
        wait_until(lambda: server.log_text().count("stranger") >= 5, "no stranger is noticed")
        s.data = socket.create_connection(("127.0.0.1", port), timeout=ftp.SECONDS)
        assert s.read_data() == CONTENT
        assert s.reply()[0] == 226
        over.set()
        for thread in crowd:
            thread.join()
        # They cannot fill the log either.
        assert server.log_text().count("stranger") < 100


def test_only_strangers_come(ferryd):
    server = ferryd(tree=tree, options={"accept_timeout": 1})
    with ftp.Session(server.port) as s:
        s.login()
        port = listen(s)
        s.command("RETR f", 150)
        assert steal(port) == b""
        code, lines = s.reply()
        assert code == 425 and b"other addresses" in lines[0] and str(port).encode() in lines[0], lines
        assert s.retrieve("RETR f") == CONTENT


def test_promiscuous_is_a_choice(ferryd):
    server = ferryd(tree=tree, options={"pasv_promiscuous": "YES"})
    with ftp.Session(server.port) as s:
        s.login()
        port = listen(s)
        s.send("RETR f")
        assert s.reply()[0] == 150
        with socket.create_connection(("127.0.0.1", port), timeout=ftp.SECONDS, source_address=STRANGER) as other:
            got = b""
            while piece := other.recv(65536):
                got += piece
        assert got == CONTENT and s.reply()[0] == 226


def test_a_port_is_closed_as_soon_as_it_is_not_needed(ferryd):
    server = ferryd(tree=tree)
    with ftp.Session(server.port) as s:
        s.login()
        first = listen(s)
        second = listen(s, "PASV")
        assert refuses(first)
        s.command("ABOR", 225, 226)
        assert refuses(second)
        port = listen(s)
        s.data = socket.create_connection(("127.0.0.1", port), timeout=ftp.SECONDS)
        s.command("RETR f", 150)
        wait_until(lambda: refuses(port), "it listens on after the first call")
        s.read_data()
        s.reply()
        port = listen(s)
        s.command("PORT 127,0,0,1,4,0", 200)
        assert refuses(port)
        port = listen(s)
        s.command("REIN", 220)
        assert refuses(port)
        s.command("USER anonymous", 331)
        s.command("PASS x", 230)
        port = listen(s)
        s.command("QUIT", 221)
        assert refuses(port)
    with ftp.Session(server.port) as s:
        s.login()
        port = listen(s)
    wait_until(lambda: refuses(port), "it listens on for a client that has gone")


def test_a_port_is_not_kept_open_for_a_client_that_has_left(ferryd):
    """It had sent its transfer command, and closes the control connection before the data connection is made."""
    server = ferryd(options=RIGHTS, tree=tree)
    sessions, ports = [ftp.Session(server.port) for _ in range(3)], []
    for s, line in zip(sessions, ("RETR f", "STOR up", "LIST")):
        s.login()
        ports.append(listen(s))
        s.command(line, 150)
    # What was on its way already is still served.
    sessions[0].sock.shutdown(socket.SHUT_WR)
    sessions[0].data = socket.create_connection(("127.0.0.1", ports[0]), timeout=ftp.SECONDS)
    assert sessions[0].read_data() == CONTENT
    assert sessions[0].reply()[0] == 226
    for s in sessions[1:]:
        s.sock.shutdown(socket.SHUT_WR)
    for s in sessions[1:]:
        assert s.reply()[0] == 425
        assert s.line() == b""
    assert all(refuses(port) for port in ports)
    assert not (server.root / "up").exists()
    for s in sessions:
        s.close()


@pytest.mark.parametrize("line", [
    "PORT 127,0,0,2,200,10", "PORT 10,0,0,1,200,10", "PORT 127,0,0,1,0,21", "PORT 127,0,0,1,3,255",
    "PORT 127,0,0,1,0,0", "PORT 127,0,0,1,256,1", "PORT 127,0,0,1,200", "PORT 127,0,0,1,200,10,1",
    "PORT 127.0.0.1,200,10", "PORT 383,0,0,1,200,10", "PORT -1,0,0,1,200,10", "PORT 4294967423,0,0,1,200,10",
    "PORT " + "1" * 1000 + ",0,0,1,200,10", "PORT ,,,,,",
    "EPRT |1|127.0.0.2|51210|", "EPRT |1|127.0.0.1|22|", "EPRT |1|127.0.0.1|0|", "EPRT |1|127.0.0.1|65536|",
    "EPRT |1|127.0.0.1|18446744073709551617|", "EPRT |2|::1|51210|", "EPRT |2|::ffff:127.0.0.2|51210|",
    "EPRT |3|127.0.0.1|51210|", "EPRT |1|localhost|51210|", "EPRT |1|127.0.0.1|51210", "EPRT ||||", "EPRT |",
    "EPRT |1|127.0.0.1%lo|51210|", "EPRT |1|0127.0.0.1|51210|", "EPRT |1|127.1|51210|",
])
def test_bounces(ferryd_once, line):
    s = ferryd_once
    assert s.command(line)[0] in (500, 501, 504, 522)
    # A refused address leaves nothing behind that a transfer could use.
    assert s.command("RETR f")[0] in (425, 503)
    # Nor does it leave in force what was there before.
    listen(s)
    assert s.command(line)[0] in (500, 501, 504, 522)
    assert s.command("RETR f")[0] in (425, 503)


@pytest.fixture(scope="module")
def ferryd_once(build, tmp_path_factory):
    from harness.server import Ferryd
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build, tree=tree)
    server.start()
    try:
        with ftp.Session(server.port) as s:
            yield s.login()
    finally:
        server.stop()


def test_epsv_all_lasts_until_the_session_is_a_new_one(ferryd):
    server = ferryd(tree=tree, options={"accept_timeout": 1})
    with ftp.Session(server.port) as s:
        s.login()
        listen(s)
        s.command("EPSV ALL", 200)

        def only_epsv():
            for line in ("PASV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|"):
                assert s.command(line)[0] in (501, 503), line
            assert s.retrieve("RETR f") == CONTENT

        only_epsv()
        s.command("ABOR", 225, 226)
        only_epsv()
        # After an aborted transfer, and after failed ones.
        s.passive()
        s.command("RETR f", 150)
        s.send("ABOR")
        assert s.reply()[0] in (426, 226) and s.reply()[0] == 226
        s.close_data()
        only_epsv()
        s.passive()
        s.command("RETR nothing", 550)
        s.close_data()
        only_epsv()
        s.command("TYPE A", 200)
        s.command("TYPE I", 200)
        only_epsv()
        s.command("REIN", 220)
        s.command("USER anonymous", 331)
        s.command("PASS x", 230)
        assert s.retrieve("NLST", how="PASV") == b"f\r\n"


def test_ports_of_the_range_run_out(ferryd):
    low = free_range(3)
    server = ferryd(tree=tree, options={"pasv_min_port": low, "pasv_max_port": low + 2})
    warm_up(server)
    base = Baseline(server)
    opened = [ftp.Session(server.port).login() for _ in range(5)]
    ports = [listen(s, verb) for s, verb in zip(opened, ("EPSV", "PASV", "EPSV"))]
    assert sorted(ports) == [low, low + 1, low + 2]
    for s in opened[3:]:
        s.send("PASV")
    for s in opened[3:]:
        code, lines = s.reply()
        assert code == 425 and b"%d-%d" % (low, low + 2) in lines[0], lines
        # The command is refused, the session is not.
        s.command("PWD", 257)
        assert s.command("RETR f")[0] == 425
    # Whoever waits gets the port that is given back.
    opened[4].send("EPSV")
    opened[3].send("EPSV")
    opened[0].command("ABOR", 225, 226)
    opened[1].command("QUIT", 221)
    got = []
    for s in opened[3:]:
        code, lines = s.reply()
        assert code == 229, lines
        got.append(int(lines[0].split(b"|||")[1].split(b"|")[0]))
    assert sorted(got + ports[2:]) == [low, low + 1, low + 2]
    for s in opened:
        s.close()
    base.settled()
    with ftp.Session(server.port) as s:
        s.login()
        for _ in range(10):
            assert s.retrieve("RETR f") == CONTENT


def test_who_waits_for_a_port_and_leaves_takes_none(ferryd):
    low = free_range(2)
    server = ferryd(tree=tree, options={"pasv_min_port": low, "pasv_max_port": low + 1})
    holder, other = (ftp.Session(server.port).login() for _ in range(2))
    assert {listen(holder), listen(other)} == {low, low + 1}
    waiting = [ftp.Session(server.port).login() for _ in range(8)]
    for s in waiting:
        s.send("EPSV")
    for s in waiting[:-1]:
        s.sock.close()
    holder.close()
    code, lines = waiting[-1].reply()
    assert code == 229, lines
    waiting[-1].close()
    other.close()
