"""curl, lftp, tnftp, ncftp, wget and Python's ftplib against ferryd: upload, list and download what each can,
in both modes, over IPv4 and IPv6."""
import ftplib
import os
import re
import shlex
import subprocess
import urllib.parse

import pytest

from harness.files import SIZES, make_files, same
from harness.tree import make_tree, trees_equal

USER, PASSWORD = "anna", "s3cret"


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    from harness.server import Ferryd
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, served=True, user=USER, password=PASSWORD)
    server.start()
    yield server
    server.stop()


def quoted(name):
    return urllib.parse.quote(name)


def lftp_name(name):
    """A name in lftp's command language."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def run(command, cwd, stdin=None, statuses=(0,)):
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=300,
                          env=dict(os.environ, HOME=str(cwd), TERM="dumb"))
    assert done.returncode in statuses, (command, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


class Curl:
    names = SIZES
    modes = {"epsv": [], "pasv": ["--disable-epsv"], "eprt": ["-P", "-"], "port": ["-P", "-", "--disable-eprt"]}
    ipv6 = True

    def __init__(self, server, host, mode, cwd):
        self.base = ["curl", "-sS", "-g", "-u", f"{USER}:{PASSWORD}"] + self.modes[mode]
        self.url = f"ftp://{host}:{server.port}/"
        self.cwd = cwd

    def put(self, name):
        run(self.base + ["-T", name, self.url + quoted(name)], self.cwd / "up")

    def list(self):
        return run(self.base + [self.url], self.cwd).decode()

    def get(self, name):
        run(self.base + ["-o", name, self.url + quoted(name)], self.cwd / "down")


class Lftp:
    names = SIZES
    modes = {"pasv": "set ftp:passive-mode yes; set ftp:prefer-epsv no;",
             "epsv": "set ftp:passive-mode yes; set ftp:prefer-epsv yes;",
             "port": "set ftp:passive-mode no;"}
    ipv6 = True

    def __init__(self, server, host, mode, cwd):
        self.start = (f"set net:max-retries 2; set net:timeout 20; set ftp:ssl-allow no; {self.modes[mode]} "
                      f"open -u {USER},{PASSWORD} ftp://{host}:{server.port}/; ")
        self.cwd = cwd

    def script(self, script, cwd):
        return run(["lftp", "-c", self.start + script], cwd)

    def put(self, name):
        self.script(f"put {lftp_name(name)}", self.cwd / "up")

    def list(self):
        return self.script("cls -1", self.cwd).decode()

    def get(self, name):
        self.script(f"get {lftp_name(name)}", self.cwd / "down")


def tnftp_name(name):
    """A name in tnftp's command language, where a backslash takes the next byte as it is."""
    return "".join("\\" + c if c in "\\ \"'" else c for c in name)


class Tnftp:
    names = SIZES
    modes = {"passive": ["-p"], "active": ["-A"]}
    ipv6 = True

    def __init__(self, server, host, mode, cwd):
        self.command = ["tnftp", "-n", "-v"] + self.modes[mode]
        self.login = f"open {host.strip('[]')} {server.port}\nuser {USER} {PASSWORD}\nbinary\n"
        self.cwd = cwd

    def script(self, script, cwd):
        return run(self.command, cwd, stdin=(self.login + script + "\nbye\n").encode())

    def put(self, name):
        self.script(f"put {tnftp_name(name)}", self.cwd / "up")

    def list(self):
        return self.script("ls", self.cwd).decode()

    def get(self, name):
        self.script(f"get {tnftp_name(name)}", self.cwd / "down")


class Ncftp:
    names = SIZES
    modes = {"passive": "-F", "active": "-E"}
    ipv6 = False

    def __init__(self, server, host, mode, cwd):
        self.base = ["-u", USER, "-p", PASSWORD, "-P", str(server.port), self.modes[mode]]
        self.host, self.cwd = host, cwd

    def put(self, name):
        run(["ncftpput", *self.base, self.host, "/", name], self.cwd / "up")

    def list(self):
        return run(["ncftpls", *self.base, f"ftp://{self.host}/"], self.cwd).decode()

    def get(self, name):
        run(["ncftpget", *self.base, self.host, ".", "/" + name], self.cwd / "down")


class Wget:
    names = SIZES
    modes = {"passive": [], "active": ["--no-passive-ftp"]}
    ipv6 = True

    def __init__(self, server, host, mode, cwd):
        self.base = ["wget", "-q", "-t", "2", f"--user={USER}", f"--password={PASSWORD}"] + self.modes[mode]
        self.url, self.root, self.cwd = f"ftp://{host}:{server.port}/", server.root, cwd

    def put(self, name):  # wget cannot upload
        subprocess.run(["cp", "--sparse=always", str(self.cwd / "up" / name), str(self.root / name)], check=True)

    def list(self):
        run(self.base + ["-O", "listing.html", self.url], self.cwd)
        return urllib.parse.unquote((self.cwd / "listing.html").read_text())

    def get(self, name):
        run(self.base + ["-O", name, self.url + quoted(name)], self.cwd / "down")


class Ftplib:
    names = SIZES
    modes = {"passive": True, "active": False}
    ipv6 = True

    def __init__(self, server, host, mode, cwd):
        self.ftp = ftplib.FTP(encoding="utf-8")
        self.ftp.connect(host.strip("[]"), server.port, timeout=60)
        self.ftp.login(USER, PASSWORD)
        self.ftp.set_pasv(self.modes[mode])
        self.cwd = cwd

    def put(self, name):
        with open(self.cwd / "up" / name, "rb") as f:
            self.ftp.storbinary(f"STOR {name}", f, blocksize=1 << 18)

    def list(self):
        return "\n".join(self.ftp.nlst()) + "\n" + "\n".join(name for name, _ in self.ftp.mlsd())

    def get(self, name):
        with open(self.cwd / "down" / name, "wb") as f:
            self.ftp.retrbinary(f"RETR {name}", f.write, blocksize=1 << 18)


CLIENTS = {"curl": Curl, "lftp": Lftp, "tnftp": Tnftp, "ncftp": Ncftp, "wget": Wget, "ftplib": Ftplib}
CASES = [pytest.param(name, mode, host, id=f"{name}-{mode}-{'ipv6' if ':' in host else 'ipv4'}")
         for name, client in CLIENTS.items() for mode in client.modes for host in ("127.0.0.1", "[::1]")
         if client.ipv6 or ":" not in host
         # PASV and PORT carry IPv4 addresses only; lftp goes to EPSV for IPv6 whatever it is told.
         if not (":" in host and mode in ("pasv", "port") and name in ("curl", "lftp"))]


@pytest.mark.parametrize("name,mode,host", CASES)
def test_every_file_both_ways(server, tmp_path, name, mode, host):
    (tmp_path / "up").mkdir()
    (tmp_path / "down").mkdir()
    client = CLIENTS[name](server, host, mode, tmp_path)
    # The whole GiB once per client and direction of the call, over IPv4.
    whole = ":" not in host and mode in ("epsv", "port", "passive", "active")
    sizes = {k: v for k, v in client.names.items() if whole or v < 1 << 20}
    files = make_files(tmp_path / "up", sizes)
    for file in files:
        client.put(file)
        assert same(tmp_path / "up" / file, server.root / file), file
    listing = client.list()
    for file in files:
        assert file in listing, (file, listing)
    for file in files:
        client.get(file)
        assert same(tmp_path / "up" / file, tmp_path / "down" / file), file
        (server.root / file).unlink()
        (tmp_path / "down" / file).unlink()


def test_lftp_with_compression(build, tmp_path):
    from harness.server import Ferryd
    for name in ("served", "up", "down"):
        (tmp_path / name).mkdir()
    server = Ferryd(tmp_path / "served", build=build, served=True, user=USER, password=PASSWORD,
                    options={"log_ftp_protocol": "YES"})
    make_files(tmp_path / "up", {"empty": 0, "one": 1, "large": 4_000_001})
    (tmp_path / "up" / "text").write_bytes(b"a line of text\n" * 300_000)
    server.start()
    try:
        lftp = Lftp(server, "127.0.0.1", "epsv", tmp_path)
        lftp.start = "set ftp:use-mode-z yes; " + lftp.start
        lftp.script(f"mirror -R {shlex.quote(str(tmp_path / 'up'))} there", tmp_path)
        assert trees_equal(tmp_path / "up", server.root / "there")
        lftp.script(f"mirror there {shlex.quote(str(tmp_path / 'down'))}", tmp_path)
        assert trees_equal(tmp_path / "up", tmp_path / "down")
        assert b"4000001" in lftp.script("ls there", tmp_path)
        moved = re.findall(r" in=(\d+) out=(\d+) ", server.log_text())
        for way in zip(*moved):
            assert 4_000_000 < sum(int(n) for n in way) < 4_100_000, "it was not compressed"
    finally:
        server.stop()


@pytest.mark.parametrize("mode", ["pasv", "port"])
def test_lftp_mirrors_2000_files_both_ways(server, tmp_path, mode):
    make_tree(tmp_path / "up", files=2000)
    lftp = Lftp(server, "127.0.0.1", mode, tmp_path)
    target = f"tree-{mode}"
    lftp.script(f"mirror -R --parallel=4 {shlex.quote(str(tmp_path / 'up'))} {target}", tmp_path)
    assert trees_equal(tmp_path / "up", server.root / target)
    lftp.script(f"mirror --parallel=4 {target} {shlex.quote(str(tmp_path / 'down'))}", tmp_path)
    assert trees_equal(tmp_path / "up", tmp_path / "down")
    # A second time there is nothing to do: times and sizes in our listings are what lftp reads.
    again = lftp.script(f"mirror --dry-run {target} {shlex.quote(str(tmp_path / 'down'))}", tmp_path)
    assert again == b"", again[:2000]
