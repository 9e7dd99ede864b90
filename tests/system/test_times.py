"""Times of files as users set and see them."""
import os
import time

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
        for when in TIMES:
            s.command(command.format("20200229123456"), 213)
            code, lines = s.command(command.format(when), 213, 550)
            if code == 213:
                assert lines == [b"213 Modify=%s; f" % when.encode()]
            else:
                assert lines == [b"550 'f': the file system cannot keep that time."]
            now = when if code == 213 else "20200229123456"
            assert s.command("MDTM f", 213)[1] == [b"213 " + now.encode()]
    assert os.stat(server.root / "f").st_size == 1


def test_mdtm_before_1970_and_after_2038(ferryd):
    server = ferryd(tree=lambda root: (root / "f").write_bytes(b"x"))
    with ftp.Session(server.port).login() as s:
        for when, said in ((0, b"19700101000000"), (-86400, b"19691231000000"), (951782400, b"20000229000000"),
                           (2 ** 31 + 5, b"20380119031413"), (2 ** 32 + 1, b"21060207062817")):
            os.utime(server.root / "f", (when, when))
            assert s.command("MDTM f", 213)[1] == [b"213 " + said]


@pytest.mark.parametrize("local", ["YES", "NO"])
def test_list_has_the_time_or_the_year(ferryd, local):
    """As ls: the time of day for the last half year, the year for what is older or yet to come."""
    now = int(time.time())
    days = {"yesterday": -1, "month": -30, "year": -365, "old": -9000, "tomorrow": 1, "later": 3000}
    server = ferryd(options={"use_localtime": local}, env={"TZ": "XXX-9"},
                    tree=lambda root: [(root / name).write_bytes(b"") for name in days])
    for name, n in days.items():
        os.utime(server.root / name, (now + n * 86400,) * 2)
    with ftp.Session(server.port).login() as s:
        lines = {line.split()[-1].decode(): line.decode() for line in s.retrieve("LIST").splitlines()}
        for name, n in days.items():
            when = time.gmtime(now + n * 86400 + (9 * 3600 if local == "YES" else 0))
            form = "%H:%M" if -180 < n <= 0 else " %Y"
            month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * when.tm_mon - 3:3 * when.tm_mon]
            said = f" {month} {when.tm_mday:2} {time.strftime(form, when)} {name}"
            assert lines[name].endswith(said), f"{lines[name]!r}, not {said!r}"
