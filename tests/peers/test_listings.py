"""What ferryd lists, read by the parsers of four clients: names, kinds, sizes and times that are hard to tell
from the rest of their line must come out of each of them the same."""
import calendar
import ftplib
import json
import os
import pathlib
import re
import subprocess
import time

import pytest

NAMES = ["plain.txt", "with blanks in it", " leading", "  two leading", "trailing ", "it's \"quoted\"",
         "näïve 名前", "-rw-r--r-- 1 a b 3 Jan 1 2020 x", "a -> b", "12:34 time", "#hash;semi=x", "{1,2}"]
LINKS = {"to file": "plain.txt", "to dir": "dir", "to nowhere": "nowhere"}
DAY = 86400
BASIC_FTP = pathlib.Path(__file__).parent.parent.parent / ".dev" / "node_modules" / "basic-ftp"


def hard_cases(root):
    now = int(time.time())
    for name in NAMES:
        (root / name).write_bytes(b"12345")
    for name, age in (("future", -400), ("soon", -1), ("recent", 100), ("last year", 200), ("old", 40 * 365)):
        (root / name).write_bytes(b"1")
        os.utime(root / name, (now - age * DAY,) * 2)
    (root / "dir").mkdir()
    with open(root / "big", "wb") as f:
        f.truncate(123456789012)
    for name, target in LINKS.items():
        os.symlink(target, root / name)


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    from harness.server import Ferryd
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, served=True, user="anna", password="pw",
                    tree=hard_cases)
    server.start()
    yield server
    server.stop()


def truth(server):
    """name: (kind, size, time) of all but links, which MLSD follows and LIST does not."""
    found = {}
    for name in os.listdir(server.root):
        st = os.stat(server.root / name, follow_symlinks=False)
        if name not in LINKS:
            kind = "dir" if os.path.isdir(server.root / name) else "file"
            found[name] = (kind, st.st_size if kind == "file" else None, int(st.st_mtime))
    return found


def check(found, expected, slack=0):
    assert sorted(found) == sorted(list(expected) + list(LINKS))
    for name, (kind, size, when) in expected.items():
        assert found[name][:2] == (kind, size), name
        if found[name][2] is not None:
            # LIST tells minutes of recent times, the day of others.
            assert 0 <= when - found[name][2] <= slack, (name, when, found[name])


def utc(text):
    return calendar.timegm(time.strptime(text[:14], "%Y%m%d%H%M%S"))


def test_python(server):
    ftp = ftplib.FTP(encoding="utf-8")
    ftp.connect("127.0.0.1", server.port)
    ftp.login("anna", "pw")
    found = {name: (facts["type"], int(facts["size"]) if facts["type"] == "file" else None, utc(facts["modify"]))
             for name, facts in ftp.mlsd() if facts["type"] not in ("cdir", "pdir")}
    check(found, truth(server))
    assert sorted(ftp.nlst()) == sorted(found)
    ftp.quit()


def test_curl(server, tmp_path):
    """curl shows the lines as they are: NLST's are the names, LIST's end in them."""
    url = f"ftp://127.0.0.1:{server.port}/"
    base = ["curl", "-sS", "-u", "anna:pw"]
    names = subprocess.run(base + ["--list-only", url], capture_output=True, check=True).stdout.decode().splitlines()
    lines = subprocess.run(base + [url], capture_output=True, check=True).stdout.decode().splitlines()
    assert len(names) == len(lines)
    form = re.compile(r"([-dl])[-rwx]{9} +\d+ \w+ +\w+ +(\d+) [A-Z][a-z]{2} [ 123]\d (?:\d\d:\d\d| \d{4}) (.*)")
    found = {}
    for name, line in zip(names, lines):
        kind, size, rest = form.fullmatch(line).groups()
        assert rest == (f"{name} -> {LINKS[name]}" if kind == "l" else name)
        kind = {"-": "file", "d": "dir", "l": "link"}[kind]
        found[name] = (kind, int(size) if kind == "file" else None, None)
    check(found, truth(server))


@pytest.mark.parametrize("mlsd", ["on", "off"])
def test_lftp(server, tmp_path, mlsd):
    script = (f"set ftp:ssl-allow no; set ftp:use-mlsd {mlsd}; open -u anna,pw ftp://127.0.0.1:{server.port}/; "
              "cls -l --time-style=%Y%m%d%H%M%S")
    lines = subprocess.run(["lftp", "-c", script], capture_output=True, check=True,
                           env=dict(os.environ, HOME=str(tmp_path), TZ="UTC")).stdout.decode().splitlines()
    found = {}
    for line in lines:
        kind, size, when, rest = re.fullmatch(r"([-dl])\S{9} +\d+ \S+ +\S+ +(\d+) (\d{14}) (.*)", line).groups()
        if kind == "l":
            rest = rest.split("@ -> ")[0]
        name = rest[:-1] if kind == "d" else rest
        found[name] = ({"-": "file", "d": "dir", "l": "link"}[kind], int(size) if kind == "-" else None,
                       utc(when) if mlsd == "on" else None)
    # lftp looks at every directory and asks LIST too, whose times of other years are days.
    check(found, truth(server), slack=DAY)
    files = subprocess.run(["lftp", "-c", script.split("cls")[0] + "find"], capture_output=True, check=True,
                           env=dict(os.environ, HOME=str(tmp_path))).stdout.decode().splitlines()
    assert sorted(f[2:].rstrip("/") for f in files if f != "./") == sorted(found)


# ./dev test fetches it, and says so where it cannot.
if BASIC_FTP.exists():
    @pytest.mark.parametrize("command", ["MLSD", "LIST"])
    def test_basic_ftp(server, command):
        program = """
    const ftp = require(process.argv[1]);
    (async () => {
        const c = new ftp.Client();
        await c.access({host: "127.0.0.1", port: Number(process.argv[2]), user: "anna", password: "pw"});
        c.availableListCommands = [process.argv[3]];
        const found = await c.list();
        console.log(JSON.stringify(found.map(f => [f.name, f.type, f.size, f.modifiedAt && f.modifiedAt.getTime()])));
        c.close();
    })();
    """
        done = subprocess.run(["node", "-e", program, str(BASIC_FTP), str(server.port), command], capture_output=True,
                              check=True)
        kinds = {1: "file", 2: "dir", 3: "link"}
        found = {name: (kinds[kind], size if kind == 1 else None, when // 1000 if when else None)
                 for name, kind, size, when in json.loads(done.stdout)}
        check(found, truth(server))
        assert (found["to dir"][0] == "dir") == (command == "MLSD")
