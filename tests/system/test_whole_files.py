"""Files as wholes: checksums and copies on the server, offsets past 4 GiB, and who waits for whom."""
import hashlib
import os
import select
import zlib

import pytest

from harness.ftp import Session
from harness.server import wait_until
from harness.talk import reset

BIG = 10 << 30
AT = 5 << 30


def sparse(root):
    """10 GiB of which a few bytes exist."""
    with open(root / "big", "wb") as f:
        f.truncate(BIG)
        for offset in (0, AT, BIG - 3):
            f.seek(offset)
            f.write(b"xyz")
    (root / "small").write_bytes(b"hello world")


@pytest.fixture
def server(ferryd):
    return ferryd(served=True, user="anna", password="pw", tree=sparse)


def login(server):
    return Session(server.port).login("anna", "pw")


def test_offsets_past_4_gib(server):
    with login(server) as s:
        assert s.command("SIZE big", 213)[1] == [b"213 %d" % BIG]
        s.command(f"REST {BIG - 3}", 350)
        assert s.retrieve("RETR big") == b"xyz"
        s.command(f"REST {BIG}", 350)
        assert s.retrieve("RETR big") == b""
        s.command(f"RANG {AT - 1} {AT + 3}", 350)
        assert s.retrieve("RETR big") == b"\0xyz\0"
        s.passive()
        s.command(f"REST {BIG + 1}", 350)
        s.command("RETR big", 554)
        s.command(f"REST {BIG}", 350)
        s.store("STOR big", b"more")
        assert s.command("SIZE big", 213)[1] == [b"213 %d" % (BIG + 4)]
        s.command(f"RANG {AT} {AT + 1}", 350)
        s.store("STOR big", b"XY")
        s.command(f"RANG {AT} {AT + 2}", 350)
        assert s.retrieve("RETR big") == b"XYz"
        assert os.stat(server.root / "big").st_size == BIG + 4
        s.command(f"REST {BIG - 5}", 350)
        s.store("STOR big", b"end")
        assert os.stat(server.root / "big").st_size == BIG - 2


def test_hash_of_a_range_past_4_gib(server):
    with login(server) as s:
        s.command(f"RANG {AT} {AT + 2}", 350)
        text = s.command("HASH big", 213)[1][0].decode()
        assert text == f"213 SHA-256 {AT}-{AT + 2} {hashlib.sha256(b'xyz').hexdigest()} big"
        crc = s.command(f'XCRC "big" {AT} {AT + 3}', 250)[1][0].decode()
        assert crc == f"250 {zlib.crc32(b'xyz'):08x}"


def test_a_long_hash_stalls_nobody_and_is_aborted(server):
    """Ten sessions hash 10 GiB each; another one works meanwhile; ABOR ends each."""
    busy = [login(server) for _ in range(10)]
    for s in busy:
        s.send("HASH big")
    with login(server) as other:
        for _ in range(20):
            assert other.retrieve("RETR small") == b"hello world"
            other.command("HASH small", 213)
            other.store("STOR new", b"data")
    for s in busy:
        # The other commands are answered while it runs; then it ends.
        s.command("NOOP", 200)
        assert any(b"checksum" in line for line in s.command("STAT", 211)[1])
        s.send("ABOR")
        assert s.reply()[0] == 426
        assert s.reply()[0] == 226
        s.command("HASH small", 213)
        s.close()


def test_a_hash_ends_with_its_session(server):
    """A client that vanishes takes its work with it: the pool is free for others again."""
    for _ in range(40):
        s = login(server)
        s.send("HASH big")
        reset(s.sock)
    with login(server) as s:
        wait_until(lambda: s.command("HASH small")[0] == 213, "the pool stays full")


def test_too_many_at_once_are_refused(server):
    """In one worker, of which there is one per core; more than all of them take together is enough."""
    workers = len(os.sched_getaffinity(0))
    busy = []
    for _ in range(33 * workers):
        s = login(server)
        s.send("HASH big")
        busy.append(s)
    # The others run for long: who is answered now is refused.
    answered = select.select([s.sock for s in busy], [], [], 20)[0]
    assert answered
    for s in busy:
        if s.sock in answered:
            assert s.reply()[0] == 450
        reset(s.sock)
    with login(server) as s:
        wait_until(lambda: s.command("HASH small")[0] == 213, "the pool stays full")


def test_copy(server):
    content = os.urandom(20_000_001)
    (server.root / "from").write_bytes(content)
    with login(server) as s:
        s.command("SITE CPFR from", 350)
        s.command("SITE CPTO to", 250)
        assert (server.root / "to").read_bytes() == content
        assert s.retrieve("RETR to") == content


def test_an_aborted_copy_leaves_nothing(server):
    before = sorted(os.listdir(server.root))
    (server.root / "full").write_bytes(os.urandom(1 << 20) * 64)
    with login(server) as s:
        s.command("SITE CPFR big", 350)
        s.send_raw(b"SITE CPTO copy\r\nABOR\r\n")
        assert s.reply()[0] == 426
        assert s.reply()[0] == 226
        assert sorted(os.listdir(server.root)) == sorted(before + ["full"])
        # An old file under that name stays as it was.
        s.command("SITE CPFR big", 350)
        s.send_raw(b"SITE CPTO small\r\nABOR\r\n")
        assert s.reply()[0] == 426
        assert s.reply()[0] == 226
        assert (server.root / "small").read_bytes() == b"hello world"
        s.command("SITE CPFR big", 350)
        s.send("SITE CPTO copy")
        reset(s.sock)
    wait_until(lambda: sorted(os.listdir(server.root)) == sorted(before + ["full"]),
               "a copy whose client has gone stays behind")


def test_a_copy_that_does_not_fit_is_refused_first(server):
    room = os.statvfs(server.root)
    free = room.f_bavail * room.f_frsize
    with open(server.root / "huge", "wb") as f:
        f.truncate(free + (1 << 30))
    with login(server) as s:
        assert abs(int(s.command("AVBL", 213)[1][0].split()[1]) - free) < 1 << 30
        s.command("SITE CPFR huge", 350)
        code, lines = s.command("SITE CPTO copy", 452)
        assert b"available" in lines[0]
        code, lines = s.command(f"ALLO {free + (1 << 30)}", 452)
        assert b"are left" in lines[0]
    assert not (server.root / "copy").exists()
