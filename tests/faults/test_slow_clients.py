"""Clients that are slow on purpose cost bounded memory and nobody else's time."""
import concurrent.futures
import hashlib
import os
import select
import socket
import time

from harness import ftp
from harness.probe import RIGHTS, Baseline, many_descriptors, pour, total_memory, warm_up
from harness.server import wait_until

MIB = 1 << 20


def test_half_a_command_is_no_activity(ferryd):
    server = ferryd(options={"idle_session_timeout": 2})
    begun = time.monotonic()
    with ftp.Session(server.port) as stranger, ftp.Session(server.port) as user:
        assert stranger.reply()[0] == 220
        user.login()
        # A byte now and then, and never the end of the line.
        waiting = {s.sock: s for s in (stranger, user)}
        while waiting:
            readable, _, _ = select.select(list(waiting), [], [], 0.05)
            for sock in readable:
                assert waiting.pop(sock).reply()[0] == 421
            for sock in waiting:
                sock.send(b"x")
            assert time.monotonic() - begun < 10, "half a command keeps a session alive"
        assert time.monotonic() - begun >= 2


def test_half_commands_hold_up_nobody(ferryd):
    server = ferryd(tree=lambda root: (root / "f").write_bytes(bytes(8 * MIB)))
    warm_up(server)
    base = Baseline(server)
    opened = [ftp.Session(server.port) for _ in range(100)]
    for s in opened:
        assert s.reply()[0] == 220
        s.send_raw(b"USER " + b"a" * 3000)
    with ftp.Session(server.port) as s:
        s.login()
        assert len(s.retrieve("RETR f")) == 8 * MIB
    for s in opened:
        s.close()
    base.settled()


def flood(sock, line, limit):
    """Sends line again and again until the server has stopped reading; returns how many whole ones."""
    sock.setblocking(False)
    sent, chunk = 0, line * (1 + (256 * 1024) // len(line))
    while sent < limit and select.select([], [sock], [], 0.2)[1]:
        sent += sock.send(chunk[sent % len(line):])
    sock.settimeout(20)
    return sent // len(line)


def test_a_client_that_never_reads_its_replies(ferryd):
    server = ferryd()
    opened = [ftp.Session(server.port).login() for _ in range(6)]
    before = total_memory(server, "ferryd-worker")
    # Long commands with short replies, short ones with long replies.
    lines = [b"NOOP" + b" " * 500 + b"\r\n", b"HELP\r\n"] * 3
    counts = [flood(s.sock, line, 64 * MIB) for s, line in zip(opened, lines)]
    assert all(n * len(line) < 60 * MIB for n, line in zip(counts[1::2], lines[1::2])), \
        "the server reads on without being read"
    # Input and output queues have a maximum: about 64 and 128 KiB.
    assert total_memory(server, "ferryd-worker") - before < 6 * 400
    # Others are served meanwhile.
    with ftp.Session(server.port) as s:
        s.login().command("NOOP", 200)
    for s in opened:
        s.close()


def test_commands_wait_for_their_replies_to_be_read(ferryd):
    """Nothing is lost, and nothing hangs, when the client reads only after having written it all."""
    server = ferryd()
    line = b"FEAT" + b" " * 500 + b"\r\n"
    for _ in range(3):
        with ftp.Session(server.port) as s:
            s.login()
            count = flood(s.sock, line, 2 * MIB)
            for _ in range(count):
                assert s.reply()[0] == 211
    # Once more in a row that fits the queues, with replies that fill the socket again and again.
    with ftp.Session(server.port) as s:
        s.login()
        for n in (500, 5000):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                sending = pool.submit(s.send_raw, b"HELP\r\n" * n)
                assert [s.reply()[0] for _ in range(n)] == [214] * n
                sending.result()


def test_thousands_of_pipelined_commands_are_answered_in_order(ferryd):
    server = ferryd()
    with ftp.Session(server.port) as s:
        s.login()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(s.send_raw, b"".join(b"CWD /n%05d\r\n" % i for i in range(10_000)))
            for i in range(10_000):
                code, lines = s.reply()
                assert code == 550 and b"n%05d" % i in lines[0], (i, lines)
            sending.result()
        s.command("PWD", 257)


def test_a_burst_of_status_requests_during_a_transfer(ferryd):
    """STAT and NOOP are answered at once; a burst of them, unread, must not end transfer and session."""
    def tree(root):
        with open(root / "f", "wb") as f:
            f.truncate(64 * MIB)

    server = ferryd(tree=tree)
    for _ in range(6):
        with ftp.Session(server.port) as s:
            s.login()
            s.passive()
            s.command("RETR f", 150)
            assert flood(s.sock, b"STAT\r\n", 16 * MIB) < 16 * MIB // 6, "the server reads on without being read"
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                data = pool.submit(s.read_data)
                for _ in range(1000):
                    assert s.reply()[0] == 211
                assert len(data.result()) == 64 * MIB


def test_stalled_data_connections_end_and_hold_up_nobody(ferryd):
    many_descriptors()
    content = os.urandom(MIB)
    wanted = hashlib.sha256(content).digest()

    def tree(root):
        (root / "f").write_bytes(content)
        with open(root / "big", "wb") as f:
            f.truncate(64 * MIB)
        (root / "many").mkdir()
        for i in range(5000):
            (root / "many" / f"{'n' * 200}{i}").touch()

    server = ferryd(tree=tree, options=dict(RIGHTS, data_connection_timeout=2))
    warm_up(server)
    base = Baseline(server)
    stalled = []
    for line in ["RETR big"] * 10 + ["LIST many", "MLSD many", "STOR up", "APPE up2"]:
        s = ftp.Session(server.port).login()
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _, lines = s.command("EPSV", 229)
        s.data = socket.socket()
        s.data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.data.connect((s.host, int(lines[0].split(b"|||")[1].split(b"|")[0])))
        s.command(line, 150)
        stalled.append(s)
    begun = time.monotonic()

    def work(_):
        with ftp.Session(server.port) as s:
            s.login()
            return hashlib.sha256(s.retrieve("RETR f")).digest()

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, range(100))) == [wanted] * 100
    for s in stalled:
        code, lines = s.reply()
        assert code == 426 and b" 2 s" in lines[0], lines
        s.close_data()
        assert s.retrieve("RETR f") == content
        s.close()
    assert time.monotonic() - begun >= 1
    base.settled()


def test_a_client_that_reads_its_download_slowly_gets_all_of_it(ferryd):
    """Slow is not stalled: a byte now and then keeps a transfer alive for longer than the timeout."""
    server = ferryd(tree=lambda root: (root / "f").write_bytes(bytes(8 * MIB)),
                    options={"data_connection_timeout": 1})
    with ftp.Session(server.port) as s:
        s.login()
        _, lines = s.command("EPSV", 229)
        s.data = socket.socket()
        s.data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        s.data.connect((s.host, int(lines[0].split(b"|||")[1].split(b"|")[0])))
        s.command("RETR f", 150)
        got, begun, slow = 0, time.monotonic(), True
        while piece := s.data.recv(64 * 1024 if slow else 1 << 20):
            got += len(piece)
            slow = time.monotonic() - begun < 2.5
            if slow:
                select.select([s.sock], [], [], 0.1)  # an early reply would end the wait
        assert got == 8 * MIB
        s.close_data()
        assert s.reply()[0] == 226


def test_an_upload_whose_control_connection_ends_is_not_taken_for_whole(ferryd):
    server = ferryd(options=RIGHTS, tree=lambda root: (root / "f").write_bytes(b"old"))
    s = ftp.Session(server.port).login()
    s.passive()
    s.command("STOR f", 150)
    s.write_data(b"half of the new")
    s.sock.close()
    pour(s, b"")
    server.wait_log("disconnect")
    assert (server.root / "f").read_bytes() == b"old"
    wait_until(lambda: os.listdir(server.root) == ["f"], "a temporary file is left")
