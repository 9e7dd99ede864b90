"""A disk that fills up: no reply lies about it, what was there stays, nothing is left behind."""
import os
import pathlib

import pytest

from harness import certs, ftp
from harness.probe import RIGHTS, pour, temporary_names
from harness.server import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")

OLD = b"old content " * 20_000
# Before the 1xx reply, and behind it (RFC 959 5.4).
FULL, FILLED = (452, 552), 552


class SmallDisk:
    """A file system of one MiB, in a mount namespace of its own, with one file on it."""

    def __init__(self, ferryd, directory, size="1m", inodes=100, options=None):
        self.mounted = directory / "small"
        self.mounted.mkdir()
        for path in (directory, self.mounted):
            path.chmod(0o755)
        (directory / "old").write_bytes(OLD)
        script = (f"mount -t tmpfs -o size={size},nr_inodes={inodes},mode=777 tmpfs {self.mounted} && "
                  f"cp {directory}/old {self.mounted}/old && chmod 666 {self.mounted}/old && "
                  f'chown nobody {self.mounted}/old && exec "$@"')
        self.server = ferryd(prefix=["unshare", "-m", "sh", "-c", script, "sh"],
                             options=dict(RIGHTS, anon_root=self.mounted, **(options or {})))
        self.port = self.server.port
        self.tree = pathlib.Path(f"/proc/{self.server.pid}/root{self.mounted}")

    def names(self):
        return sorted(os.listdir(self.tree))


@pytest.fixture
def disk(ferryd, tmp_path):
    return SmallDisk(ferryd, tmp_path)


def upload(s, line, data):
    """The final code of an upload."""
    s.passive()
    code, _ = s.command(line)
    if code not in (125, 150):
        s.close_data()
        return code
    pour(s, data)
    return s.reply()[0]


@pytest.mark.parametrize("tls", [False, True])
def test_an_overwriting_upload_that_does_not_fit(ferryd, tmp_path, tls):
    cert, key = certs.make(tmp_path, "disk")
    options = {"ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key}
    disk = SmallDisk(ferryd, tmp_path, options=options)
    with ftp.Session(disk.port, tls=ftp.tls_context() if tls else None) as s:
        s.login()
        for _ in range(3):
            assert upload(s, "STOR old", os.urandom(2 << 20)) == FILLED
            assert (disk.tree / "old").read_bytes() == OLD
            assert disk.names() == ["old"]
        # The space is there again, and the session as well.
        data = os.urandom(500_000)
        assert upload(s, "STOR old", data) == 226
        assert (disk.tree / "old").read_bytes() == data
        assert s.retrieve("RETR old") == data


@pytest.mark.parametrize("verb", ["STOR new", "STOU"])
@pytest.mark.parametrize("kept", ["YES", "NO"])
def test_a_new_file_that_does_not_fit(ferryd, tmp_path, verb, kept):
    disk = SmallDisk(ferryd, tmp_path, options={"keep_partial": kept})
    with ftp.Session(disk.port) as s:
        s.login()
        data = os.urandom(2 << 20)
        assert upload(s, verb, data) == FILLED
        assert not temporary_names(disk.tree)
        new = [name for name in disk.names() if name != "old"]
        assert len(new) == (1 if kept == "YES" else 0)
        for name in new:
            # A part, with which REST can go on once there is room.
            part = (disk.tree / name).read_bytes()
            assert data.startswith(part)
            s.command(f"DELE {name}", 250)
        assert upload(s, "STOR next", b"fits") == 226


def test_appending_and_resuming_without_room(disk):
    with ftp.Session(disk.port) as s:
        s.login()
        assert upload(s, "APPE old", os.urandom(2 << 20)) == FILLED
        assert (disk.tree / "old").read_bytes().startswith(OLD)
        assert not temporary_names(disk.tree)
        s.command("DELE old", 250)
        s.store("STOR old", OLD)
        s.command(f"REST {len(OLD)}", 350)
        assert upload(s, "STOR old", os.urandom(2 << 20)) == FILLED
        assert (disk.tree / "old").read_bytes().startswith(OLD)


def test_announced_sizes_are_refused_before_a_byte_moves(disk):
    with ftp.Session(disk.port) as s:
        s.login()
        s.command(f"ALLO {10 << 20}", 452)
        assert disk.names() == ["old"]
        # It was about that upload only, and refuses nothing else.
        assert upload(s, "STOR small", b"x") == 226


def test_no_inodes(ferryd, tmp_path):
    disk = SmallDisk(ferryd, tmp_path, inodes=3)
    with ftp.Session(disk.port) as s:
        s.login()
        assert upload(s, "STOR one", b"1") == 226
        s.passive()
        assert s.command("STOR two")[0] in FULL
        s.close_data()
        assert s.command("MKD d")[0] in FULL
        # Overwriting needs a second inode for a moment: refused, and the old one stays.
        s.passive()
        assert s.command("STOR one")[0] in FULL
        s.close_data()
        assert (disk.tree / "one").read_bytes() == b"1"
        s.command("DELE one", 250)
        # The agent may let go of what it has handed over a moment after its answer.
        wait_until(lambda: upload(s, "STOR two", b"2") == 226, "no inode is free")
