"""FTPS clients that ferryd did not write, over TLS 1.2 and 1.3, with require_ssl_reuse=YES."""
import ftplib
import os
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


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    cert, key = certs.make(directory, "server")
    implicit = free_port()
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, served=True, user=USER, password=PASSWORD,
                    options={"ssl_enable": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key,
                             "implicit_ssl_port": implicit, "require_ssl_reuse": "YES"})
    server.cert, server.implicit = cert, implicit
    server.start()
    yield server
    server.stop()


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=120,
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

    def put(self, names):
        run(self.base + ["-T", "{%s}" % ",".join(names), self.url], self.cwd / "up")

    def list(self):
        return run(self.base + [self.url], self.cwd)

    def get(self, names):
        run(self.base + ["--remote-name-all"] + [self.url + name for name in names], self.cwd / "down")


class Lftp:
    modes = {"passive": "yes", "active": "no"}

    def __init__(self, server, version, mode, implicit, cwd):
        priority = "NORMAL:-VERS-ALL:+VERS-TLS" + version
        url = f"ftps://127.0.0.1:{server.implicit}/" if implicit else f"ftp://127.0.0.1:{server.port}/"
        self.start = (f"set net:max-retries 1; set net:timeout 20; set ftp:ssl-force yes; "
                      f"set ftp:ssl-protect-data yes; set ssl:ca-file {server.cert}; set ssl:priority {priority}; "
                      f"set ftp:passive-mode {self.modes[mode]}; open -u {USER},{PASSWORD} {url}; ")
        self.cwd = cwd

    def put(self, names):
        run(["lftp", "-c", self.start + "mput " + " ".join(names)], self.cwd / "up")

    def list(self):
        return run(["lftp", "-c", self.start + "cls -1"], self.cwd)

    def get(self, names):
        run(["lftp", "-c", self.start + "mget " + " ".join(names)], self.cwd / "down")


CLIENTS = {"curl": Curl, "lftp": Lftp}
CASES = [pytest.param(name, mode, version, implicit, id=f"{name}-{mode}-{version}-{implicit or 'explicit'}")
         for name, client in CLIENTS.items() for mode in client.modes for version in VERSIONS
         for implicit in ("", "implicit")]


@pytest.mark.parametrize("name,mode,version,implicit", CASES)
def test_every_file_both_ways(server, tmp_path, name, mode, version, implicit):
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    (tmp_path / "up").mkdir()
    (tmp_path / "down").mkdir()
    client = CLIENTS[name](server, version, mode, bool(implicit), tmp_path)
    files = list(make_files(tmp_path / "up", SIZES))
    client.put(files)
    listing = client.list()
    client.get(files)
    for file in files:
        assert file in listing
        assert same(tmp_path / "up" / file, server.root / file), file
        assert same(tmp_path / "up" / file, tmp_path / "down" / file), file
        (server.root / file).unlink()
    assert f"tls ok version=TLSv{version}" in server.log_text()


class Reusing(ftplib.FTP_TLS):
    """ftplib as everybody patches it for servers that insist on the session."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("passive", [True, False])
def test_ftplib(server, tmp_path, version, passive):
    context = ssl.create_default_context(cafile=server.cert)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + version.replace(".", "_"))
    (tmp_path / "up").mkdir()
    files = list(make_files(tmp_path / "up", SIZES))
    with Reusing(context=context) as ftp:
        ftp.connect("localhost", server.port, timeout=60)
        ftp.login(USER, PASSWORD)
        ftp.prot_p()
        ftp.set_pasv(passive)
        for file in files:
            with open(tmp_path / "up" / file, "rb") as f:
                ftp.storbinary(f"STOR {file}", f)
            got = []
            ftp.retrbinary(f"RETR {file}", got.append)
            assert b"".join(got) == (tmp_path / "up" / file).read_bytes()
        assert set(files) <= set(ftp.nlst())
        for file in files:
            ftp.delete(file)


def test_lftp_mirrors_many_files_in_one_session(server, tmp_path):
    if shutil.which("lftp") is None:
        pytest.skip("no lftp here")
    (tmp_path / "up").mkdir()
    for i in range(300):
        (tmp_path / "up" / f"{i}").write_text(str(i) * 100)
    lftp = Lftp(server, "1.3", "passive", False, tmp_path)
    run(["lftp", "-c", lftp.start + "mirror -R up many; mirror many down"], tmp_path)
    for i in range(300):
        assert (tmp_path / "down" / f"{i}").read_text() == str(i) * 100
