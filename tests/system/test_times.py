"""Times of files as users set and see them."""
import os

import pytest

from harness import ftp

TIMES = ["00010101000000", "17760704120000", "18991231235959", "19011213204552", "19691231235959", "20380119031408",
         "21060207062816", "24460510223840", "99991231235959"]


@pytest.mark.parametrize("command", ["MFMT {} f", "MFF Modify={}; f"])
def test_a_time_is_kept_as_it_is_or_refused(ferryd, command):
    """What a file system can keep depends on it; that it cannot is an error and changes nothing."""
    server = ferryd(served=True, user="anna", password="pw")
    (server.root / "f").write_bytes(b"x")
    with ftp.Session(server.port).login("anna", "pw") as s:
        for time in TIMES:
            s.command(command.format("20200229123456"), 213)
            code, lines = s.command(command.format(time), 213, 550)
            if code == 213:
                assert lines == [b"213 Modify=%s; f" % time.encode()]
            else:
                assert lines == [b"550 'f': the file system cannot keep that time."]
            now = time if code == 213 else "20200229123456"
            assert s.command("MDTM f", 213)[1] == [b"213 " + now.encode()]
    assert os.stat(server.root / "f").st_size == 1
