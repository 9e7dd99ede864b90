"""A directory of 100,000 entries: listed whole, in bounded time and memory, and left in the middle."""
import contextlib
import re
import time

import pytest

from harness import ftp
from harness.probe import Baseline, reset_session, total_memory, warm_up
from harness.server import Ferryd, wait_until

COUNT = 100_000
# Seconds. It takes one or two here; a quadratic one would take hours.
LONG = 30


def name(i):
    return f"entry {i:06} {'é' * (i % 40)}"


def tree(root):
    (root / "many").mkdir()
    for i in range(COUNT):
        (root / "many" / name(i)).touch()
    (root / "few").mkdir()
    (root / "few" / "f").touch()


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build, tree=tree)
    server.start()
    warm_up(server)
    yield server
    server.stop()


NAMES = {name(i) for i in range(COUNT)}
LINES = {
    "LIST": r"-rw-r--r-- +1 \S+ +\S+ +0 [A-Z][a-z][a-z] [ 0-9][0-9] [ 0-9:]{5} (.*)",
    "NLST": r"many/(.*)",
    "MLSD": r"[A-Za-z.=;\-0-9]+; (.*)",
}


@pytest.mark.parametrize("verb", LINES)
def test_every_name_is_listed_once(server, verb):
    worker, agent = (total_memory(server, role) for role in ("ferryd-worker", "ferryd-agent"))
    begun = time.monotonic()
    with ftp.Session(server.port) as s:
        s.login()
        s.passive()
        s.command(f"{verb} many", 150)
        got = s.data.recv(100_000)
        # The control connection is alive meanwhile.
        s.command("NOOP", 200)
        peak = total_memory(server, "ferryd-worker"), total_memory(server, "ferryd-agent")
        got += s.read_data()
        assert s.reply()[0] == 226
    assert time.monotonic() - begun < LONG
    assert got.endswith(b"\r\n")
    lines = got.decode().split("\r\n")[:-1]
    found = [match.group(1) if match else line for line in lines
             for match in [re.fullmatch(LINES[verb], line)]]
    found = [entry for entry in found if entry not in (".", "..")]
    assert len(found) == COUNT and set(found) == NAMES
    # The worker holds a few buffers, the agent the names that it sorts, if it sorts so many.
    assert peak[0] - worker < 4 * 1024 and peak[1] - agent < 32 * 1024, peak


def test_a_listing_of_all_on_the_control_connection(server):
    with ftp.Session(server.port) as s:
        s.login()
        before = total_memory(server, "ferryd-worker")
        s.send("STAT many")
        lines = [s.line()]
        # Not read for a while: it waits, and does not collect.
        wait_until(lambda: len(s.pending) > 0 or s.pending == b"", "")
        assert total_memory(server, "ferryd-worker") - before < 4 * 1024
        while not lines[-1].startswith(b"212 "):
            lines.append(s.line())
        assert len(lines) == COUNT + 2
        s.command("PWD", 257)


@pytest.mark.parametrize("verb", LINES)
@pytest.mark.parametrize("how", ["data closed", "all reset", "control closed", "ABOR", "QUIT"])
def test_leaving_in_the_middle(server, verb, how):
    base = Baseline(server)
    opened = [ftp.Session(server.port).login() for _ in range(4)]
    for s in opened:
        s.passive()
        s.command(f"{verb} many", 150)
        s.data.recv(10)
    for s in opened:
        if how == "data closed":
            s.close_data()
            assert s.reply()[0] == 426
            assert b"f\r\n" in s.retrieve("LIST few")
        elif how == "all reset":
            reset_session(s)
        elif how == "control closed":
            s.sock.close()
        elif how == "ABOR":
            s.send("ABOR")
            assert [s.reply()[0], s.reply()[0]] == [426, 226]
        else:
            # QUIT waits for the transfer (RFC 959 4.1.1).
            s.send("QUIT")
            assert len(s.read_data()) > COUNT
            assert [s.reply()[0], s.reply()[0]] == [226, 221]
        with contextlib.suppress(OSError):
            s.close()
    base.settled()


def test_others_are_served_while_it_is_listed(server):
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(ftp.Session(server.port)).login() for _ in range(20)]
        for s in opened:
            s.passive()
            s.command("LIST many", 150)
        begun = time.monotonic()
        with ftp.Session(server.port) as s:
            s.login()
            for _ in range(20):
                assert b"f\r\n" in s.retrieve("LIST few")
        assert time.monotonic() - begun < LONG
