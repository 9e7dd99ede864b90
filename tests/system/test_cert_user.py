"""cert_user: a client certificate that the authorities vouch for logs its user in without a password (RFC 4217 12), and
nothing else does."""
import ftplib
import os
import shutil
import ssl
import subprocess
import time

import pytest

from harness.accounts import ACCOUNTS, World
from harness.authority import Authority, openssl
from harness.ftp import Session, tls_context

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and become somebody else")
VERSIONS = ["1.2", "1.3"]
CRL = """[ca]\ndefault_ca = d\n[d]\ndatabase = {0}/index\ncrlnumber = {0}/crlnumber\ndefault_md = sha256
default_crl_days = 1\n"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    a = Authority(tmp_path_factory.mktemp("authority"))
    a.issue("server")
    for name in ("carol", "dave", "depot", "eve", "root", "nobody", "anonymous"):
        a.issue(name, names=f"email:{name}@example.test")
    return a


def options(authority, **more):
    return {"ssl_enable": "YES", "rsa_cert_file": authority.path("server.crt"),
            "rsa_private_key_file": authority.path("server.key"), "validate_cert": "YES",
            "ca_certs_file": authority.file, "cert_user": "CN", **more}


@pytest.fixture
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("world"), account="pam_unix.so")
    today = int(time.time() // 86400)
    (w.etc / "shadow").write_text("".join(f"{name}:*:{today}:0:99999:7::{'1' if name == 'dave' else ''}:\n"
                                          for name in (*ACCOUNTS, "nobody", "root")))
    (w.etc / "shadow").chmod(0o600)
    (w.etc / "ftpusers").write_text("# who may not log in\nroot\n depot # away\n")
    return w


@pytest.fixture
def local(ferryd, world, authority):
    def start(**more):
        return ferryd(prefix=world.prefix, options=options(authority, **{
            "anonymous_enable": "NO", "local_enable": "YES", "write_enable": "YES", "local_umask": "022",
            "pam_service_name": "ferry-test", "delay_failed_login": "0", "log_ftp_protocol": "YES", **more}))
    return start


def own(authority, name, version=None):
    context = tls_context(version=version)
    if name:
        context.load_cert_chain(authority.path(f"{name}.crt"), authority.path(f"{name}.key"))
    return context


def secured(server, context):
    s = Session(server.port, tls=context)
    assert s.reply()[0] == 220
    return s.secure()


# ---- who comes in ----

@root_only
@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_is_enough(local, world, authority, version):
    (world.homes / "carol/.message").write_text("Hello, Carol")
    server = local(dirmessage_enable="YES", session_support="YES")
    with secured(server, own(authority, "carol", version)) as s:
        assert s.command("USER carol", 232)[1][0] == b"232-Hello, Carol"
        assert s.command("PWD", 257)[1][0].startswith(f'257 "{world.homes}/carol"'.encode())
        s.command("PASS whatever", 202)
        s.command("TYPE I", 200)
        s.store("STOR mine", b"carol's")
        st = (world.homes / "carol/mine").stat()
        assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (ACCOUNTS["carol"], ACCOUNTS["carol"], 0o644)
        assert s.retrieve("RETR mine") == b"carol's"
    server.wait_log('login ok by=certificate user="carol"')


@root_only
def test_another_name_needs_its_password(local, authority):
    server = local()
    with secured(server, own(authority, "eve")) as s:
        s.command("USER carol", 331)
        s.command("PASS carol-pw", 230)
    with secured(server, own(authority, None)) as s:
        s.command("USER carol", 331)
        s.command("PASS wrong", 530)
    assert "certificate" not in server.log_text()


@root_only
@pytest.mark.parametrize("name,why", [
    ("dave", "expired"), ("depot", "ftpusers"), ("eve", "pam_acct_mgmt"), ("root", "root is never served"), ("nobody", "check_shell")])
def test_the_account_has_its_say(local, authority, name, why):
    """Expired, in ftpusers, no account, root, no shell: the certificate is good, the login is not."""
    server = local()
    with secured(server, own(authority, name)) as s:
        s.command(f"USER {name}", 331)
        assert why in server.wait_log("login=refused")
        s.command(f"USER {name}", 331)
        s.command("PASS x", 530)
        s.command("PWD", 530)
    # Asked once: each question costs a process.
    assert server.log_text().count("login failed by=certificate") == 1
    assert not server.children("ferryd-agent")


@root_only
def test_alternative_names(local, world, authority):
    server = local(cert_user="SAN")
    with secured(server, own(authority, "carol")) as s:
        s.command("USER carol", 331)
        s.command("USER carol@example.test", 331)  # no such account: asked, and refused
    server.wait_log('login failed by=certificate user="carol@example.test"')
    cert = authority.issue("machine", names="DNS:carol")
    assert cert
    with secured(server, own(authority, "machine")) as s:
        s.command("USER machine", 331)
        s.command("USER carol", 232)


@root_only
def test_guests(local, world, authority):
    (world.directory / "guests/eve").mkdir(parents=True)
    (world.directory / "guests").chmod(0o755)
    (world.directory / "guests/eve/f").write_bytes(b"eve's")
    (world.etc / "pam.d/guests").write_text("auth required pam_deny.so\naccount required pam_permit.so\n")
    server = local(guest_enable="YES", guest_username="depot", local_root=f"{world.directory}/guests/$USER",
                   user_sub_token="$USER", pam_service_name="guests", virtual_use_local_privs="YES")
    for name, code in (("eve", 232), ("depot", 331)):
        with secured(server, own(authority, name)) as s:
            s.command(f"USER {name}", code)
            if code == 232:
                s.command("TYPE I", 200)
                assert s.retrieve("RETR f") == b"eve's"


# ---- the one user, anonymous ----

def test_the_one_user(ferryd, authority):
    server = ferryd(served=True, user="carol", password="s3cret", options=options(authority))
    with secured(server, own(authority, "carol")) as s:
        s.command("USER carol", 232)
        s.command("TYPE I", 200)
        s.store("STOR f", b"x")
    with secured(server, own(authority, "dave")) as s:
        s.command("USER dave", 331)
        s.command("PASS s3cret", 530)
        s.command("USER carol", 331)
        s.command("PASS s3cret", 230)


def test_anonymous_needs_none(ferryd, authority):
    server = ferryd(options=options(authority, allow_anon_ssl="YES"))
    with secured(server, own(authority, "anonymous")) as s:
        s.command("USER anonymous", 331)
        s.command("PASS x", 230)


# ---- what is no proof ----

def test_off_by_default(ferryd, authority):
    server = ferryd(served=True, user="carol", password="s3cret", options=options(authority, cert_user="none"))
    with secured(server, own(authority, "carol")) as s:
        s.command("USER carol", 331)
        s.command("PASS s3cret", 230)
        s.command("PASS s3cret", 503)


def test_only_under_tls(ferryd, authority):
    server = ferryd(served=True, user="carol", password="s3cret",
                    options=options(authority, force_local_logins_ssl="NO"))
    with secured(server, own(authority, "carol")) as s:
        s.command("USER carol", 232)
        s.command("REIN", 220)
        s.sock = s.sock.unwrap()
        s.command("USER carol", 331)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_connection_shows_it_again(ferryd, authority, version):
    """A ticket would be a login for days."""
    server = ferryd(served=True, user="carol", password="s3cret", options=options(authority))
    context = own(authority, "carol", version)
    with secured(server, context) as first:
        first.command("USER carol", 232)
        first.command("TYPE I", 200)
        first.store("STOR f", b"x")
        session = first.sock.session
    with Session(server.port, tls=context) as s:
        assert s.reply()[0] == 220
        s.command("AUTH TLS", 234)
        s.sock = context.wrap_socket(s.sock, session=session)
        assert not s.sock.session_reused
        s.protect()
        s.command("USER carol", 232)
        s.command("TYPE I", 200)
        assert s.retrieve("RETR f") == b"x"


class Revoking(Authority):
    """One that keeps a list of whom it has revoked."""

    def __init__(self, directory):
        directory.mkdir()
        super().__init__(directory)
        self.self_signed("ca", f"Authority {directory.name}")
        self.path("ca.conf").write_text(CRL.format(directory))
        self.path("index").touch()
        self.path("crlnumber").write_text("01\n")

    def ca(self, *args):
        openssl("ca", "-config", self.path("ca.conf"), "-cert", self.file, "-keyfile", self.path("ca.key"), *args)

    def believed(self):
        self.ca("-gencrl", "-out", self.path("crl.pem"))
        return self.file.read_bytes() + self.path("crl.pem").read_bytes()


def test_changed_authorities(ferryd, tmp_path):
    """Workers and auth both hear of whom to believe: revoked certificates, and a new authority."""
    a, new = Revoking(tmp_path / "a"), Revoking(tmp_path / "new")
    for authority, name in ((a, "server"), (a, "carol"), (a, "dave"), (new, "carol")):
        authority.issue(name)
    file = tmp_path / "believed.pem"
    file.write_bytes(a.believed())
    server = ferryd(served=True, user="carol", password="s3cret", options=options(a, ca_certs_file=file))
    with secured(server, own(a, "carol", "1.2")) as s:
        s.command("USER carol", 232)
    a.ca("-revoke", a.path("carol.crt"))
    (tmp_path / "next").write_bytes(a.believed() + new.believed())
    (tmp_path / "next").rename(file)
    server.wait_log("keys=renewed")
    with Session(server.port, tls=own(a, "carol", "1.2")) as s, pytest.raises(OSError):
        assert s.reply()[0] == 220
        s.secure()
    server.wait_log("tls failed")
    with secured(server, own(new, "carol", "1.2")) as s:
        s.command("USER carol", 232)
    with secured(server, own(a, "dave", "1.2")) as s:
        s.command("USER carol", 331)


# ---- clients ----

def checked(*command, **kwargs):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(c) for c in command], capture_output=True, timeout=60, **kwargs)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@pytest.fixture
def one_user(ferryd, authority):
    server = ferryd(served=True, user="carol", password="s3cret",
                    options=options(authority, log_ftp_protocol="YES"))
    (server.root / "f").write_bytes(b"data" * 50000)
    return server


@pytest.mark.parametrize("client", ["curl", "lftp", "python", "ferry", "prompt"])
def test_clients_take_232(one_user, authority, build, tmp_path, client):
    cert, key, port = authority.path("carol.crt"), authority.path("carol.key"), one_user.port
    ferry = [f"{build}/ferry/ferry"]
    mine = ["--cacert", authority.file, "--cert", cert, "--key", key]
    home = dict(os.environ, HOME=str(tmp_path))
    if client == "curl":
        data = checked("curl", "-s", "--ssl-reqd", "--cacert", authority.file, "--cert", cert, "--key", key,
                       f"ftp://carol@localhost:{port}/f")
    elif client == "lftp":
        data = checked("lftp", "-c", f"set ssl:ca-file {authority.file}; set ssl:cert-file {cert}; "
                       f"set ssl:key-file {key}; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; "
                       "set net:max-retries 1; set dns:order inet; "
                       f"open -u carol,none ftp://localhost:{port}; cat f", env=home)
    elif client == "python":
        chunks = []
        # Python's FTP_TLS opens data connections without the control connection's session.
        one = type("One", (ftplib.FTP_TLS,), {"ntransfercmd": resuming})
        with one(context=own(authority, "carol")) as ftp:
            ftp.connect("localhost", port)
            assert ftp.login("carol").startswith("232")
            ftp.prot_p()
            ftp.retrbinary("RETR f", chunks.append)
        data = b"".join(chunks)
    elif client == "ferry":
        data = checked(*ferry, "cat", *mine, f"ftp://carol@localhost:{port}/f", env=home, stdin=subprocess.DEVNULL)
    else:
        checked(*ferry, *mine, f"ftp://carol@localhost:{port}/", env=home, cwd=tmp_path, input=b"get f\nquit\n")
        data = (tmp_path / "f").read_bytes()
    assert data == b"data" * 50000
    log = one_user.wait_log("by=certificate")
    assert "USER carol" in log and '"PASS' not in log


def resuming(self, command, rest=None):
    conn, size = ftplib.FTP.ntransfercmd(self, command, rest)
    return self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session), size


# ---- hosts ----

@root_only
@pytest.mark.parametrize("version", VERSIONS)
def test_each_host_has_its_own_authorities(ferryd, world, authority, tmp_path_factory, version):
    """Worker and auth both ask those of the host that the client has named."""
    others = Authority(tmp_path_factory.mktemp("others"))
    others.issue("carol", names="email:carol@example.test")
    server = ferryd(prefix=world.prefix, sections=f"[host b.example]\nca_certs_file={others.file}\n",
                    options=options(authority, anonymous_enable="NO", local_enable="YES", delay_failed_login="0",
                                    pam_service_name="ferry-test"))

    def ask(issuer, name):
        with Session(server.port, tls=own(issuer, "carol", version), name=name) as s:
            s.reply()
            return s.secure(private=False).command("USER carol")[0]

    assert ask(authority, "") == 232
    assert ask(others, "b.example") == 232
    for issuer, name in ((others, ""), (authority, "b.example")):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            assert ask(issuer, name) == 232
    # nor by HOST from where others vouch
    with Session(server.port, tls=own(authority, "carol", version), name="") as s:
        s.reply()
        s.secure(private=False)
        s.command("HOST b.example", 504)
