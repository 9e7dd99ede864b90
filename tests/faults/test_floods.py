"""More clients than there is room for: each hears why, and the next moment is as good as new."""
import contextlib
import json
import os
import socket
import subprocess

from harness import ftp
from harness.probe import RIGHTS, Baseline, many_descriptors, reset, reset_session, warm_up
from harness.server import wait_until


def open_sessions(server, n, source=None):
    return [ftp.Session(server.port, source=source) for _ in range(n)]


def greetings(opened):
    """The code of each greeting; 0: the connection ended without one."""
    codes = []
    for s in opened:
        try:
            codes.append(s.reply()[0])
        except ConnectionError:
            codes.append(0)
    return codes


def close_all(opened):
    for s in opened:
        s.close()


def served(server, source=None):
    """Is a new client served? Sessions that were closed may take a moment to be over."""
    with ftp.Session(server.port, source=source) as s:
        return s.reply()[0] == 220


def test_max_clients(ferryd):
    server = ferryd(options={"max_clients": 10})
    for i in range(3):
        wait_until(lambda: served(server), "nobody is served after the flood")
        # That one, and the eleven of each flood before it. (Its "connect" may be logged after its greeting.)
        wait_until(lambda: server.log_text().count(" disconnect ") == 11 * i + 1, "sessions do not end")
        opened = open_sessions(server, 60)
        codes = greetings(opened)
        assert codes.count(220) == 10 and codes.count(421) == 50, codes
        # Who was refused is not kept waiting: the connection is over.
        refused = opened[codes.index(421)]
        assert refused.reply() == (0, [])
        # The ten work as if nobody else were there.
        for s, code in zip(opened, codes):
            if code == 220:
                s.command("USER anonymous", 331)
                s.command("PASS x", 230)
        close_all(opened)


def test_max_per_ip(ferryd):
    server = ferryd(options={"max_per_ip": 3})
    opened = open_sessions(server, 20)
    codes = greetings(opened)
    assert codes.count(220) == 3 and codes.count(421) == 17, codes
    # Another address has places of its own, and is counted by itself.
    other = open_sessions(server, 5, source="127.0.0.2")
    assert greetings(other).count(220) == 3
    assert not served(server)
    opened[codes.index(220)].close()
    wait_until(lambda: served(server), "the place is not free again")
    close_all(opened + other)
    wait_until(lambda: served(server), "nobody is served after the flood")


def test_connections_that_are_reset_at_once(ferryd):
    server = ferryd(options={"max_clients": 20})
    warm_up(server)
    base = Baseline(server)
    for _ in range(2000):
        s = socket.socket()
        s.connect(("127.0.0.1", server.port))
        reset(s)
    wait_until(lambda: served(server), "nobody is served after the flood")
    base.settled()
    # Every place is free: none was lost on the way.
    wait_until(lambda: all_served(server, 20), "places are lost")


def all_served(server, n):
    opened = open_sessions(server, n)
    codes = greetings(opened)
    close_all(opened)
    return codes == [220] * n


def limited(ferryd, n, **kwargs):
    return ferryd(prefix=["prlimit", f"--nofile={n}:{n}"], **kwargs)


def test_descriptors_run_out(ferryd):
    """A flood that would need more descriptors than there are ends neither service nor sessions."""
    many_descriptors()
    server = limited(ferryd, 64, tree=lambda root: (root / "f").write_bytes(b"data" * 1000))
    warm_up(server)
    workers = server.children("ferryd-worker")
    first = ftp.Session(server.port).login()
    for _ in range(2):
        opened = open_sessions(server, 300)
        codes = greetings(opened)
        assert set(codes) <= {220, 421}, codes  # a reply, not silence
        assert codes.count(220) >= 4 and codes.count(421) >= 100, codes
        # As many as were taken can be served, with data connections and all.
        for s, code in zip(opened, codes):
            if code != 220:
                continue
            s.command("USER anonymous", 331)
            s.command("PASS x", 230)
            s.passive()
            s.command("RETR f", 150)
            assert s.read_data() == b"data" * 1000
            assert s.reply()[0] == 226
        first.command("NOOP", 200)
        close_all(opened)
        wait_until(lambda: served(server), "nobody is served after the flood")
    assert first.retrieve("RETR f") == b"data" * 1000
    assert server.children("ferryd-worker") == workers


def test_as_many_sessions_as_descriptors_allow(ferryd, build):
    """1,024 descriptors are three for each of 310 sessions of a worker: so many can transfer at the same time, and
    that they are all logged in, through one agent, is no reason to refuse one."""
    many_descriptors()
    server = limited(ferryd, 1024, tree=lambda root: (root / "f").write_bytes(b"data" * 1000))
    warm_up(server)
    sessions = 310 * len(server.children("ferryd-worker"))
    done = subprocess.run([str(build / "bench" / "bench-load"), "--port", str(server.port), "--do", "retr", "--path",
                           "f", "--size", "4000", "--sessions", str(sessions), "--most", "3", "--seconds", "60"],
                          input="go\n\n", capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["ops"], told["said"]) == (3 * sessions, [])


def test_the_agents_descriptors_run_out(ferryd):
    """Every session has uploads and listings open: what cannot be had is refused, nothing breaks."""
    many_descriptors()
    server = limited(ferryd, 96, options=RIGHTS, tree=lambda root: [
        (root / "f").write_bytes(b"data"), (root / "old").write_bytes(b"old")])
    agents = None
    opened = open_sessions(server, 60)
    opened = [s for s, code in zip(opened, greetings(opened)) if code == 220]
    refused = begun = 0
    for i, s in enumerate(opened):
        s.command("USER anonymous", 331)
        if s.command("PASS x")[0] != 230:
            refused += 1
            continue
        agents = agents or server.children("ferryd-agent")
        code, lines = s.command("EPSV")
        assert code in (229, 425), lines
        if code == 425:
            refused += 1
            continue
        s.data = socket.create_connection((s.host, int(lines[0].split(b"|||")[1].split(b"|")[0])))
        code, lines = s.command(f"STOR up{i}" if i % 2 else "STOR old")
        assert code in (150, 425, 450, 451), lines
        begun += code == 150
        refused += code != 150
    assert begun >= 4
    for s in opened:
        reset_session(s)
    wait_until(lambda: set(os.listdir(server.root)) == {"f", "old"}, "uploads are left")
    assert (server.root / "old").read_bytes() == b"old"
    assert server.children("ferryd-agent") == agents
    with ftp.Session(server.port) as s:
        s.login()
        s.store("STOR old", b"new")
        assert s.retrieve("RETR old") == b"new"


def test_a_full_house_of_pending_logins(ferryd):
    """Connections that never log in do not keep others out of the workers' time."""
    many_descriptors()
    server = ferryd()
    warm_up(server)
    base = Baseline(server)
    opened = open_sessions(server, 1000)
    assert greetings(opened) == [220] * 1000
    for s in opened[::2]:
        s.send("USER anonymous")
    with ftp.Session(server.port) as s:
        s.login().command("PWD", 257)
    for s in opened:
        with contextlib.suppress(OSError):
            reset(s.sock)
    base.settled()
