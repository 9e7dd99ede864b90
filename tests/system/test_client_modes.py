"""ferry in MODE B and MODE Z, against ferryd and against servers that break the rules."""
import hashlib
import os
import re
import subprocess

import pytest

from harness.fake import FakeServer
from harness.server import BAD_WORDS, Ferryd

SECONDS = 60
TEXT = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(20000))
NOISE = os.urandom(1_000_000)
FILES = {f"f{i}": os.urandom(i * 37 % 5000) for i in range(400)}


def fill(root):
    (root / "text").write_bytes(TEXT)
    (root / "noise").write_bytes(NOISE)
    (root / "empty").write_bytes(b"")
    (root / "many").mkdir()
    for name, data in FILES.items():
        (root / "many" / name).write_bytes(data)


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, tree=fill, served=True,
                    user="anna", password="secret")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ferry(sanitized, tmp_path):
    """ferry(ARGS, input=...): its output; what it leaves is in tmp_path."""
    def run(*args, input=b"", status=0):
        done = subprocess.run([sanitized / "ferry/ferry", *args], cwd=tmp_path, input=input, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, HOME=str(tmp_path)))
        said = done.stdout.decode(errors="replace")
        assert not any(word in said for word in BAD_WORDS), said
        assert done.returncode == status, said
        return said

    return run


def url(server, path, login="anna:secret@"):
    return f"ftp://{login}127.0.0.1:{server.port}/{path}"


def same(tmp_path, files):
    for name, data in files.items():
        got = (tmp_path / name).read_bytes()
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest(), name


def test_many_files_over_one_connection(ferry, server, tmp_path):
    said = ferry("get", "-v", *(url(server, f"many/{name}") for name in FILES))
    same(tmp_path, FILES)
    assert said.count("---> EPSV") == 1
    assert said.count("\n250 ") == len(FILES)
    times = [(tmp_path / name).stat().st_mtime for name in ("f0", "f399")]
    assert times == [int((server.root / "many" / name).stat().st_mtime) for name in ("f0", "f399")]


def test_a_missing_file_harms_no_other(ferry, server, tmp_path):
    (tmp_path / "f2").mkdir()
    said = ferry("get", "-v", *(url(server, f"many/{name}") for name in ("f1", "nothing", "f2", "f3")), status=5)
    same(tmp_path, {name: FILES[name] for name in ("f1", "f3")})
    assert "RETR many/nothing: 550" in said
    assert "f2: is a directory" in said
    assert not (tmp_path / "nothing").exists()
    assert not [n for n in os.listdir(tmp_path) if "part" in n]


def test_mget(ferry, server, tmp_path):
    said = ferry("-v", url(server, "many/"), input=b"prompt off\nmget f*\nls f1\nbye\n")
    same(tmp_path, FILES)
    # besides the listing that mget reads: its commands are not shown
    assert said.count("---> EPSV") == 1
    assert said.count("125 Here comes the listing") == 1


@pytest.fixture
def goods(tmp_path):
    """The files of FILES, on this side."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)


def test_put_of_many_files_over_one_connection(ferry, server, goods):
    (server.root / "up").mkdir()
    names = list(FILES)
    said = ferry("put", "-v", *names[:9], "nothing", *names[9:], url(server, "up/"), status=7)
    same(server.root / "up", FILES)
    assert said.count("---> EPSV") == 1
    assert said.count("\n250 ") == len(FILES)
    assert said.count("ferry: ") == 1 and "nothing: No such file" in said


@pytest.mark.parametrize("modes", ["", "B"])
@pytest.mark.parametrize("command", ["mget", "mput"])
def test_several_files_are_told_one_after_the_other(ferry, tmp_path, command, modes):
    """Whatever was sent ahead: scripts read the lines between two names."""
    files = {name: name.encode() * 9 for name in "abcd"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data if command == "mput" else b"old")
    features = ["MODE B"] if modes else []
    with FakeServer(files if command == "mget" else {}, modes=modes, features=features) as server:
        said = ferry("-a", "-v", "127.0.0.1", str(server.port), input=f"glob\n{command} a b c d\nbye\n".encode())
    beginning, *turns = said.split("local: ")
    assert not re.search("^(125|150|226|250) ", beginning, re.M), said
    assert [turn.splitlines()[0] for turn in turns] == [f"{name} remote: {name}" for name in files]
    for turn in turns:
        assert len(re.findall("^1[25][05] ", turn, re.M)) == 1, said
        assert re.search(r"^2[25][06] .*\n9 bytes (sent|received) in .* secs \(.* KB/s\)$", turn, re.M), said
    if command == "mget":
        same(tmp_path, files)
    else:
        assert server.uploads == files


def test_block_mode_for_everything(ferry, server, tmp_path):
    (tmp_path / "up").write_bytes(TEXT)
    said = ferry("-v", url(server, ""),
                 input=b"mode block\nput up block-1\nput up block-2\nget block-1\nls block-1\n"
                       b"get nothing\nreget noise\nput up many\nget empty\nbye\n", status=5)
    same(tmp_path, {"block-1": TEXT, "noise": NOISE, "empty": b""})
    assert (server.root / "block-2").read_bytes() == TEXT
    assert said.count("---> EPSV") == 1, said
    assert said.count("---> MODE B") == 1


@pytest.mark.parametrize("name", ["text", "noise", "empty"])
def test_compression(ferry, server, tmp_path, name):
    data = (server.root / name).read_bytes()
    said = ferry("get", "-vz", url(server, name))
    same(tmp_path, {name: data})
    assert "---> MODE Z\n200 " in said
    ferry("put", "-z", name, url(server, "packed-" + name))
    assert (server.root / ("packed-" + name)).read_bytes() == data
    assert name in ferry("ls", "-z", url(server, ""))


def test_compression_of_text(ferry, server, tmp_path):
    ferry("get", "-z", "--ascii", url(server, "text"))
    same(tmp_path, {"text": TEXT})


def test_explained(ferry, server):
    words = " ".join(ferry("get", "--explain", *(url(server, f"many/{n}") for n in ("f1", "f2", "f3"))).split())
    assert "one data connection can carry this file and the 2 others" in words
    assert "Two calls, both made by you. One data connection carried 3 files." in words
    assert "The data connection stays open for the next file." in words
    words = " ".join(ferry("get", "--explain", "-z", url(server, "text")).split())
    assert f"Packed, {len(TEXT)} bytes became " in words


def test_the_words_of_the_prompt(ferry, server):
    said = ferry(url(server, ""), input=b"mode\nmode deflate\nmode x\nstruct\nstruct record\nform\nstatus\nbye\n",
                 status=1)
    assert "Using auto mode to transfer files." in said
    assert "Using deflate mode to transfer files." in said
    assert "x: unknown mode; auto, stream, deflate and block are known" in said
    assert "Using file structure to transfer files." in said
    assert "record: only file structure is there" in said
    assert "Using non-print format to transfer files." in said
    assert "Mode: deflate; Structure: file" in said


# ---------------------------------------------------------------- servers of another kind


def get_all(ferry, fake, names, **kwargs):
    return ferry("get", "-v", *(url(fake, name, login="") for name in names), **kwargs)


def test_a_connection_that_breaks(ferry, tmp_path):
    files = {f"f{i}": b"%d" % i * 3000 for i in range(100)}
    with FakeServer(files, features=["MODE B"], modes="B", breaks=50) as fake:
        said = get_all(ferry, fake, files, status=10)
    failed = [name for name in files if not (tmp_path / name).exists()]
    assert len(failed) == 1, failed
    same(tmp_path, {name: data for name, data in files.items() if name not in failed})
    assert "426 cut" in said
    # one that carried half of them, and one for each of the rest
    assert fake.calls_made == 1 + 49


def test_offered_and_refused(ferry, tmp_path):
    files = {f"f{i}": b"x" * i for i in range(3)}
    with FakeServer(files, features=["MODE B", "MODE Z"]) as fake:
        get_all(ferry, fake, files)
        same(tmp_path, files)
        assert fake.calls_made == 3
        said = ferry("get", "-z", url(fake, "f1", login=""))
    assert "does not do compression (MODE Z): files travel as a plain stream" in said


def test_no_block_mode_unasked(ferry, tmp_path):
    files = {f"f{i}": b"x" * i for i in range(3)}
    with FakeServer(files, modes="B") as fake:
        get_all(ferry, fake, files)
        assert not [c for c in fake.commands if c.startswith("MODE")]
    same(tmp_path, files)


def test_a_fake_in_both_modes(ferry, tmp_path):
    files = {"a": TEXT, "b": b"", "c": NOISE}
    with FakeServer(files, features=["MODE B", "MODE Z"], modes="BZ") as fake:
        get_all(ferry, fake, files)
        same(tmp_path, files)
        assert fake.calls_made == 1
        ferry("put", "-z", "a", url(fake, "packed", login=""))
        ferry(url(fake, ""), input=b"user x y\nmode block\nput a\nput c\nbye\n")
    assert fake.uploads == {"packed": TEXT, "a": TEXT, "c": NOISE}


# ---------------------------------------------------------------- under TLS


def test_many_files_over_one_encrypted_connection(ferry, ferryd, tmp_path):
    from harness.authority import Authority
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    server = ferryd(tree=fill, served=True, user="anna", password="secret",
                    options={"ssl_enable": "YES", "rsa_cert_file": certificate, "rsa_private_key_file": key})
    trust = ("--cacert", str(authority.file))
    said = ferry("get", "-v", *trust, *(url(server, f"many/{name}") for name in FILES))
    same(tmp_path, FILES)
    assert said.count("---> EPSV") == 1 and "---> PROT P\n200 " in said
    said = ferry("-v", *trust, url(server, ""),
                 input=b"mode block\nput f399 up\nget up\nls up\nmode deflate\nget text\nput text packed\nbye\n")
    same(tmp_path, {"up": FILES["f399"], "text": TEXT})
    assert (server.root / "packed").read_bytes() == TEXT
    assert said.count("---> EPSV") == 3
