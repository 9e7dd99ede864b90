"""FTPS clients that ferryd did not write, over TLS 1.2 and 1.3, explicit and implicit, with require_ssl_reuse=YES.
Each case is one session: every file up, a listing, every file down. `./dev many` makes it thousands of files."""
import ftplib
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess

import pytest

from harness import certs
from harness.files import make_files, same
from harness.server import Ferryd, free_port

USER, PASSWORD = "anna", "s3cret"
VERSIONS = ["1.2", "1.3"]
SIZES = {"empty": 0, "one": 1, "record": 16384, "records": 1_000_003}
# Transfers in one session, half of them uploads.
MANY = int(os.environ.get("FERRY_TRANSFERS", "60"))
BASIC_FTP = pathlib.Path(__file__).parent.parent.parent / ".dev" / "node_modules" / "basic-ftp"


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    cert, key = certs.make(directory, "server")
    implicit = free_port()
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, served=True, user=USER, password=PASSWORD,
                    options={"ssl_enable": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key,
                             "implicit_ssl_port": implicit, "require_ssl_reuse": "YES", "xferlog_enable": "YES"})
    server.cert, server.implicit = cert, implicit
    server.start()
    yield server
    server.stop()


def run(command, cwd, stdin=None):
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=120 + MANY,
                          env=dict(os.environ, HOME=str(cwd), TERM="dumb"))
    assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout.decode()


class Curl:
    # Active mode is left out: curl 7.88 gives up a data connection that it has accepted under TLS
    # ("sa_addr inet_ntop() failed with errno 97").
    modes = {"epsv": [], "pasv": ["--disable-epsv"]}

    def __init__(self, server, version, mode, implicit, cwd):
        self.base = ["curl", "-sS", "-u", f"{USER}:{PASSWORD}", "--cacert", str(server.cert),
                     f"--tlsv{version}", "--tls-max", version] + self.modes[mode]
        self.base += [] if implicit else ["--ssl-reqd"]
        self.url = f"ftps://localhost:{server.implicit}/" if implicit else f"ftp://localhost:{server.port}/"
        self.cwd = cwd

    def session(self, names):
        config = [f'upload-file = "up/{n}"\nurl = "{self.url}{n}"\noutput = "/dev/null"' for n in names]
        config += [f'url = "{self.url}"\noutput = "listing"']
        config += [f'url = "{self.url}{n}"\noutput = "down/{n}"' for n in names]
        run(self.base + ["-K", "-"], self.cwd, stdin="\n".join(config).encode())
        return (self.cwd / "listing").read_text()


class Lftp:
    modes = {"passive": "yes", "active": "no"}

    def __init__(self, server, version, mode, implicit, cwd):
        priority = "NORMAL:-VERS-ALL:+VERS-TLS" + version
        url = f"ftps://127.0.0.1:{server.implicit}/" if implicit else f"ftp://127.0.0.1:{server.port}/"
        self.start = (f"set net:max-retries 1; set net:timeout 20; set ftp:ssl-force yes; "
                      f"set ftp:ssl-protect-data yes; set ssl:ca-file {server.cert}; set ssl:priority {priority}; "
                      f"set ftp:passive-mode {self.modes[mode]}; open -u {USER},{PASSWORD} {url}; ")
        self.cwd = cwd

    def session(self, names):
        words = " ".join(names)
        return run(["lftp", "-c", self.start + f"lcd up; mput {words}; cls -1; lcd ../down; mget {words}"], self.cwd)


class Wget:
    """It cannot upload, and ends its sessions with each run."""
    modes = {"passive": [], "active": ["--no-passive-ftp"]}

    def __init__(self, server, version, mode, implicit, cwd):
        self.base = ["wget", "-q", "-t", "1", f"--user={USER}", f"--password={PASSWORD}", "--ftps-resume-ssl",
                     f"--ca-certificate={server.cert}", "--secure-protocol=TLSv" + version.replace(".", "_")]
        self.base += self.modes[mode] + (["--ftps-implicit"] if implicit else [])
        self.url = f"ftps://localhost:{server.implicit if implicit else server.port}/"
        self.root, self.cwd = server.root, cwd

    def session(self, names):
        for name in names:
            shutil.copyfile(self.cwd / "up" / name, self.root / name)
        run(self.base + ["-O", "listing", self.url], self.cwd)
        run(self.base + [self.url + name for name in names], self.cwd / "down")
        return (self.cwd / "listing").read_text()


class Reusing(ftplib.FTP_TLS):
    """ftplib as everybody patches it for servers that insist on the session, and for implicit TLS."""
    implicit = False
    _sock = None

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, sock):
        if self.implicit and sock is not None and not isinstance(sock, ssl.SSLSocket):
            sock = self.context.wrap_socket(sock, server_hostname=self.host)
        self._sock = sock

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


class Ftplib:
    modes = {"passive": True, "active": False}

    def __init__(self, server, version, mode, implicit, cwd):
        context = ssl.create_default_context(cafile=server.cert)
        context.minimum_version = context.maximum_version = getattr(
            ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
        self.ftp = Reusing(context=context)
        self.ftp.implicit = implicit
        self.ftp.set_pasv(self.modes[mode])
        self.port, self.cwd = server.implicit if implicit else server.port, cwd

    def session(self, names):
        with self.ftp as ftp:
            ftp.connect("localhost", self.port, timeout=60)
            ftp.login(USER, PASSWORD)
            ftp.prot_p()
            for name in names:
                with open(self.cwd / "up" / name, "rb") as f:
                    ftp.storbinary(f"STOR {name}", f)
            listing = ftp.nlst()
            for name in names:
                with open(self.cwd / "down" / name, "wb") as f:
                    ftp.retrbinary(f"RETR {name}", f.write)
        return "\n".join(listing)


class BasicFtp:
    modes = {"passive": None}
    program = """
        const [library, options, names] = JSON.parse(require("fs").readFileSync(0));
        const ftp = require(library);
        (async () => {
            const c = new ftp.Client();
            await c.access(options);
            for (const name of names)
                await c.uploadFrom("up/" + name, name);
            const found = await c.list();
            for (const name of names)
                await c.downloadTo("down/" + name, name);
            console.log(found.map(f => f.name).join("\\n"));
            c.close();
        })();
    """

    def __init__(self, server, version, mode, implicit, cwd):
        self.options = {"host": "localhost", "port": server.implicit if implicit else server.port, "user": USER,
                        "password": PASSWORD, "secure": "implicit" if implicit else True,
                        "secureOptions": {"ca": server.cert.read_text(), "minVersion": "TLSv" + version,
                                          "maxVersion": "TLSv" + version}}
        self.cwd = cwd

    def session(self, names):
        return run(["node", "-e", self.program], self.cwd,
                   stdin=json.dumps([str(BASIC_FTP), self.options, names]).encode())


CLIENTS = {"curl": Curl, "lftp": Lftp, "wget": Wget, "ftplib": Ftplib}
# ./dev test fetches it, and says so where it cannot.
if BASIC_FTP.exists():
    CLIENTS["basic-ftp"] = BasicFtp
CASES = [pytest.param(name, mode, version, implicit, id=f"{name}-{mode}-{version}-{implicit or 'explicit'}")
         for name, client in CLIENTS.items() for mode in client.modes for version in VERSIONS
         for implicit in ("", "implicit")]


@pytest.fixture
def trees(tmp_path):
    (tmp_path / "up").mkdir()
    (tmp_path / "down").mkdir()
    return tmp_path


def clean_up(server, files):
    for file in files:
        (server.root / file).unlink()


@pytest.mark.parametrize("name,mode,version,implicit", CASES)
def test_every_file_both_ways(server, trees, name, mode, version, implicit):
    files = make_files(trees / "up", SIZES)
    listing = CLIENTS[name](server, version, mode, bool(implicit), trees).session(files)
    for file in files:
        assert file in listing
        assert same(trees / "up" / file, server.root / file), file
        assert same(trees / "up" / file, trees / "down" / file), file
    clean_up(server, files)
    assert f"tls ok version=TLSv{version}" in server.log_text()


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "wget"])
def test_many_transfers_in_one_session(server, trees, name):
    """One control connection, one TLS 1.3 session that every data connection resumes, no transfer that fails."""
    files = [f"{name}-{i}" for i in range(MANY // 2)]
    for i, file in enumerate(files):
        (trees / "up" / file).write_text(f"{i} " * (i % 2000))
    before = len(server.log_text())
    mode = next(iter(CLIENTS[name].modes))
    CLIENTS[name](server, "1.3", mode, False, trees).session(files)
    for file in files:
        expected = (trees / "up" / file).read_bytes()
        assert (server.root / file).read_bytes() == expected, file
        assert (trees / "down" / file).read_bytes() == expected, file
    clean_up(server, files)
    server.wait_log(f"disconnect user=\"{USER}\"")
    log = server.log_text()[before:]
    assert len(re.findall(r" connect peer=", log)) == 1
    assert len(re.findall(r"tls ok version=TLSv1.3", log)) == 1
    assert (log.count("OK UPLOAD"), log.count("OK DOWNLOAD")) == (len(files), len(files))
    assert "FAIL" not in log and "tls failed" not in log
