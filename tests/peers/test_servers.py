"""ferry against vsftpd, ProFTPD, Pure-FTPd and pyftpdlib, in both modes, and encrypted."""
import os
import pathlib
import subprocess

import pytest

from harness.authority import Authority
from harness.files import SIZES, make_files, same
from harness.peers import PASSWORD, PEERS, USER
from harness.server import free_port

TOP = pathlib.Path(__file__).parent.parent.parent
PASSIVE = {"vsftpd": (50300, 50399), "proftpd": (50400, 50499), "pureftpd": (50500, 50599),
           "pyftpdlib": (50600, 50699)}


@pytest.fixture(scope="module", params=sorted(PEERS))
def peer(request, tmp_path_factory):
    server = PEERS[request.param](tmp_path_factory.mktemp(request.param), TOP / ".dev/peers", free_port(),
                                  PASSIVE[request.param])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ferry(build, tmp_path):
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD + "\n")

    def run(*args, status=0, env=None):
        command = [str(build / "ferry/ferry"), args[0], "--user", USER, "--password-file", str(secret), *args[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300,
                              env=dict(os.environ, HOME=str(tmp_path), **(env or {})))
        assert status is None or done.returncode == status, done.stdout[-4000:] + done.stderr[-4000:]
        return done

    return run


def url(peer, name=""):
    quoted = "".join(c if c.isalnum() or c in "._-" else "".join(f"%{b:02x}" for b in c.encode())
                     for c in name)
    return f"ftp://{peer.host}:{peer.port}/{quoted}"


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def start_tls_peer(name, tmp_path_factory, authority, implicit=False):
    return PEERS[name](tmp_path_factory.mktemp(name), TOP / ".dev/peers", free_port(), PASSIVE[name],
                       authority.issue(name), implicit).start()


@pytest.fixture(scope="module", params=sorted(PEERS))
def tls_peer(request, tmp_path_factory, authority):
    server = start_tls_peer(request.param, tmp_path_factory, authority)
    yield server
    server.stop()


# The other two have no implicit TLS.
@pytest.fixture(scope="module", params=["proftpd", "vsftpd"])
def implicit_peer(request, tmp_path_factory, authority):
    server = start_tls_peer(request.param, tmp_path_factory, authority, implicit=True)
    yield server
    server.stop()


def only(version, tmp_path):
    """An environment in which OpenSSL speaks this version and no other."""
    config = tmp_path / "openssl.cnf"
    config.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                      f"[c]\nMinProtocol = {version}\nMaxProtocol = {version}\n")
    return {"OPENSSL_CONF": str(config)}


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_encrypted(tls_peer, ferry, authority, tmp_path, version):
    """One session: up, down and a listing, all of it encrypted; where the server wants it the session is resumed."""
    data = os.urandom(1_000_003)
    (tmp_path / "up").write_bytes(data)
    env = only(version, tmp_path)
    options = ["-v", "--cacert", str(authority.file)]
    done = ferry("put", *options, "up", url(tls_peer), env=env)
    assert f"Connection encrypted: {version}" in done.stderr.decode()
    assert (tls_peer.root / "up").read_bytes() == data
    done = ferry("get", *options, "-o", "down", url(tls_peer, "up"), env=env)
    assert (tmp_path / "down").read_bytes() == data
    # These two insist on it; the others cannot resume, at least not in TLS 1.3.
    if isinstance(tls_peer, (PEERS["vsftpd"], PEERS["proftpd"])):
        assert "session resumed" in done.stderr.decode()
    assert "up" in ferry("ls", *options, url(tls_peer), env=env).stdout.decode()
    # Several in one session: each data connection brings or uses up a ticket.
    ferry("get", *options, *[url(tls_peer, "up")] * 5, env=env)
    assert (tmp_path / "up").read_bytes() == data
    (tls_peer.root / "up").unlink()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_encrypted_from_the_first_byte(implicit_peer, ferry, authority, tmp_path, version):
    data = os.urandom(1_000_003)
    (tmp_path / "up").write_bytes(data)
    env = only(version, tmp_path)
    options = ["-v", "--cacert", str(authority.file)]
    there = url(implicit_peer).replace("ftp:", "ftps:")
    done = ferry("put", *options, "up", there, env=env)
    assert f"Connection encrypted: {version}" in done.stderr.decode()
    assert (implicit_peer.root / "up").read_bytes() == data
    ferry("get", *options, "-o", "down", there + "up", env=env)
    assert (tmp_path / "down").read_bytes() == data
    assert "up" in ferry("ls", *options, there, env=env).stdout.decode()
    (implicit_peer.root / "up").unlink()


def test_a_server_that_insists_on_encryption(tls_peer, ferry, authority):
    """Without it there is no login; with the wrong authority there is none either."""
    ferry("ls", "--cacert", str(authority.file), url(tls_peer))
    assert ferry("ls", "--plain", url(tls_peer), status=None).returncode in (3, 5, 10)
    assert b"not known here" in ferry("ls", url(tls_peer), status=12).stderr


# ---------------------------------------------------------------- in clear


@pytest.fixture
def in_clear(ferry, peer):
    """Pure-FTPd without a certificate offers AUTH TLS and refuses it: its password goes in clear only when one says so."""
    plain = ["--plain"] if isinstance(peer, PEERS["pureftpd"]) else []
    return lambda command, *args, **how: ferry(command, *plain, *args, **how)


@pytest.mark.parametrize("mode", ["epsv", "pasv", "port", "eprt"])
def test_every_file_both_ways(peer, in_clear, tmp_path, mode):
    up, down = tmp_path / "up", tmp_path / "down"
    up.mkdir()
    down.mkdir()
    files = make_files(up, SIZES if mode in ("epsv", "port") else {k: v for k, v in SIZES.items() if v < 1 << 20})
    for name in files:
        in_clear("put", "--mode", mode, str(up / name), url(peer))
        assert same(up / name, peer.root / name)
        in_clear("get", "--mode", mode, "-o", str(down / name), url(peer, name))
        assert same(up / name, down / name)
        (down / name).unlink()
    listing = in_clear("ls", "--mode", mode, url(peer)).stdout.decode()
    for name in files:
        assert name in listing
    for name in files:
        (peer.root / name).unlink()


def test_resume(peer, in_clear, tmp_path):
    data = os.urandom(3_000_000)
    (peer.root / "r.bin").write_bytes(data)
    os.chown(peer.root / "r.bin", 64999, 64999)
    (tmp_path / "r.bin").write_bytes(data[:1_000_000])
    in_clear("get", "-c", url(peer, "r.bin"))
    assert (tmp_path / "r.bin").read_bytes() == data


def test_a_missing_file_is_one_clear_failure(peer, in_clear, tmp_path):
    for mode in ("epsv", "port"):
        done = in_clear("get", "--mode", mode, url(peer, "no such file"), status=5)
        assert b"no such file" in done.stderr
    assert not (tmp_path / "no such file").exists()


def test_several_files_of_one_command(peer, in_clear, tmp_path):
    """One operation for all of them: whether a server answers in order or not, no file is another's."""
    names = [f"s{i}" for i in range(9)]
    (tmp_path / "up").mkdir()
    for i, name in enumerate(names):
        (tmp_path / "up" / name).write_bytes(os.urandom(1 + 9000 * i))
    sent = [str(tmp_path / "up" / name) for name in names]
    done = in_clear("put", *sent[:4], str(tmp_path / "up/nothing"), *sent[4:], url(peer), status=7)
    assert done.stderr.count(b"ferry: ") == 1 and b"up/nothing: No such file" in done.stderr
    assert all(same(tmp_path / "up" / name, peer.root / name) for name in names)
    done = in_clear("get", *(url(peer, name) for name in [*names[:4], "nothing", *names[4:]]), status=5)
    assert done.stderr.count(b"ferry: ") == 1 and b"/nothing: " in done.stderr
    assert all(same(tmp_path / "up" / name, tmp_path / name) for name in names)
    for name in names:
        (peer.root / name).unlink()


def test_an_offer_that_is_none(peer, ferry):
    if isinstance(peer, PEERS["pureftpd"]):
        assert b"--plain" in ferry("ls", url(peer), status=11).stderr
    else:
        ferry("ls", url(peer))


# ---- trees ----

# A large one, so that commands that were sent behind its RETR are there during its transfer.
TREE = {f"d{d}/e/f{i}": os.urandom(i * 97 % 5000) for d in range(4) for i in range(40)}
TREE["d1/large"] = os.urandom(3_000_000)


def plant(top):
    for name, data in TREE.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1_500_000_000, 1_500_000_000))


def grown(top):
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@pytest.mark.parametrize("sessions", ["1", "4"])
def test_trees(in_clear, peer, tmp_path, sessions):
    (tmp_path / "mine").mkdir()
    plant(tmp_path / "mine")
    goal = f"ftp://127.0.0.1:{peer.port}/tree{sessions}"
    in_clear("put", "-r", "-j" + sessions, "mine", goal)
    assert grown(peer.root / f"tree{sessions}") == TREE
    for name in TREE:
        os.utime(peer.root / f"tree{sessions}" / name, (1_500_000_000, 1_500_000_000))
    done = in_clear("get", "-rv", "-j" + sessions, goal, "here")
    assert grown(tmp_path / "here") == TREE
    assert {(tmp_path / "here" / name).stat().st_mtime for name in TREE} == {1_500_000_000}
    assert f"{len(TREE)} files" in done.stderr.decode()
