"""ABOR and STAT during a transfer, in every way that clients send them: RFC 959 4.1.3, RFC 854 (Synch), RFC 1123 4.1.3.3."""
import os
import socket

import pytest

from harness.ftp import Session

USER, PASSWORD = "anna", "s3cret"
IP, DM = b"\xff\xf4", b"\xff\xf2"
# Pieces, and whether they are urgent: then the last byte of each is.
ABORS = {
    "in band": [(b"ABOR\r\n", False)],
    "with IP and DM, not urgent": [(IP + DM + b"ABOR\r\n", False)],
    "DM urgent": [(IP + DM[:1], False), (DM[1:], True), (b"ABOR\r\n", False)],
    "the IAC before DM urgent, as BSD does": [(IP + DM[:1], True), (DM[1:] + b"ABOR\r\n", False)],
    "all of Synch urgent": [(IP, True), (DM, True), (b"ABOR\r\n", False)],
    "ABOR itself urgent": [(b"ABOR\r\n", True)],
    "a byte of ABOR urgent": [(b"AB", True), (b"OR\r\n", False)],
}


@pytest.fixture
def server(ferryd):
    def tree(root):
        with open(root / "big", "wb") as f:
            f.truncate(50_000_000)
    return ferryd(served=True, user=USER, password=PASSWORD, tree=tree, options={"connect_timeout": "60"})


def send(s, pieces):
    for piece, urgent in pieces:
        s.sock.send(piece, socket.MSG_OOB if urgent else 0)


@pytest.mark.parametrize("line", ["RETR big", "STOR up"])
def test_abor_however_it_is_sent(server, line):
    with Session(server.port).login(USER, PASSWORD) as s:
        for pieces in ABORS.values():
            s.passive()
            s.command(line, 150)
            if line == "RETR big":
                assert s.data.recv(1000)
            else:
                s.write_data(b"part")
            send(s, pieces)
            assert s.reply()[0] == 426
            assert s.reply()[0] == 226
            s.close_data()
            s.command("NOOP", 200)
        assert not list(server.root.glob(".ferry-*"))


def test_stat_behind_a_synch_disturbs_nothing(server):
    data = os.urandom(100_000)
    with Session(server.port).login(USER, PASSWORD) as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(data)
        send(s, [(IP + DM[:1], True), (DM[1:] + b"STAT\r\n", False)])
        assert s.reply()[0] == 211
        # Urgent noise of its own means nothing.
        send(s, [(DM, True), (b"\xff\xf1", True)])
        s.write_data(data)
        s.close_data()
        assert s.reply()[0] == 226
    assert (server.root / "up").read_bytes() == data * 2


def test_abor_of_a_call_that_nobody_takes(server):
    """The client's port neither answers nor refuses: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, Session(server.port).login(USER, PASSWORD) as s:
        port = full.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        s.command(f"PORT 127,0,0,1,{port // 256},{port % 256}", 200)
        s.command("STOR up", 150)
        s.command("STAT", 211)
        s.command("ABOR", 426)
        assert s.reply()[0] == 226
        s.store("STOR up", b"data")
        for caller in callers:
            caller.close()
    assert (server.root / "up").read_bytes() == b"data"
