"""The benchmark's own parts do what they say: they count right, and a wrong answer is never a result. No
figure is judged here."""
import json
import subprocess
import sys

import pytest

from conftest import TOP
from harness import certs
from harness.fake import FakeServer

SIZE = 1024


def load(build, port, *args, lines="go\n\n"):
    command = [str(build / "bench" / "bench-load"), "--port", str(port)] + [str(a) for a in args]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    return done.returncode, [json.loads(line) for line in lines if line != "ready"]


@pytest.fixture
def server(ferryd, tmp_path):
    cert, key = certs.make(tmp_path, "bench")

    def tree(root):
        (root / "file").write_bytes(b"x" * SIZE)
        (root / "large").write_bytes(b"x" * (64 << 20))
        (root / "up").mkdir()

    return ferryd(tree=tree, options={"write_enable": "YES", "anon_upload_enable": "YES",
                                      "anon_other_write_enable": "YES", "ssl_enable": "YES",
                                      "allow_anon_ssl": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key})


BOTH = pytest.mark.parametrize("tls", [(), ("--tls",)], ids=["plain", "tls"])


@BOTH
@pytest.mark.parametrize("way", ["epsv", "pasv", "eprt", "port"])
def test_every_way_is_counted(build, server, way, tls):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE, "--way", way,
                           "--sessions", 3, "--most", 4, "--seconds", 60, *tls)
    assert (status, told["ops"], told["bytes"], told["said"]) == (0, 12, 12 * SIZE, [])
    assert told["us"]["p50"] > 0
    # every data connection resumes the session of its control connection
    assert (told["handshakes"], told["resumed"]) == ((15, 12) if tls else (0, 0))


@BOTH
@pytest.mark.parametrize("size", [0, 1, 70_000, 3 << 20])
def test_uploads_arrive(build, server, size, tls):
    status, (told,) = load(build, server.port, "--do", "stor", "--path", "up/#", "--size", size, "--sessions", 2,
                           "--most", 3, "--seconds", 60, *tls)
    assert (status, told["ops"], told["bytes"], told["said"]) == (0, 6, 6 * size, [])
    assert sorted(p.name for p in (server.root / "up").iterdir()) == ["0", "1"]
    assert {p.stat().st_size for p in (server.root / "up").iterdir()} == {size}


def test_large_downloads_under_tls(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "large", "--size", 64 << 20, "--sessions", 2,
                           "--most", 1, "--seconds", 60, "--tls")
    assert (status, told["ops"], told["bytes"]) == (0, 2, 2 * (64 << 20))


@pytest.mark.parametrize("resume", [False, True])
def test_logins_under_tls(build, server, resume):
    status, (told,) = load(build, server.port, "--do", "login", "--sessions", 2, "--most", 3, "--seconds", 60, "--tls",
                           *(["--resume"] if resume else []))
    # the first of each session has nothing to resume
    assert (status, told["ops"], told["handshakes"], told["resumed"]) == (0, 6, 6, 4 if resume else 0)


@BOTH
@pytest.mark.parametrize("depth", [1, 64])
def test_block_mode_is_counted_by_the_file(build, server, depth, tls):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE, "--block", depth,
                           "--sessions", 2, "--most", 100, "--seconds", 60, *tls)
    assert (status, told["ops"], told["bytes"], told["said"]) == (0, 200, 200 * SIZE, [])
    assert told["handshakes"] == (4 if tls else 0)


def test_a_refusal_amid_blocks_is_an_error(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "nothing", "--size", SIZE, "--block", 8)
    assert (status, told["ops"]) == (1, 0) and told["said"][0].startswith("550 ")


def test_a_wrong_size_amid_blocks_is_an_error(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE - 1, "--block", 8)
    assert (status, told["ops"]) == (1, 0) and told["said"] == [f"{SIZE} bytes instead of {SIZE - 1}"]


@pytest.mark.parametrize("deed", ["login", "list", "mlsd"])
def test_other_deeds(build, server, deed):
    status, (told,) = load(build, server.port, "--do", deed, "--sessions", 2, "--most", 2, "--seconds", 60)
    assert (status, told["ops"], told["errors"]) == (0, 4, 0)


def test_idle_sessions_prove_that_they_live(build, server):
    status, told = load(build, server.port, "--do", "idle", "--sessions", 20)
    assert status == 0 and len(told) == 2 and told[1]["errors"] == 0


def test_slow_readers_are_not_counted(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE, "--most", 5,
                           "--seconds", 60, "--slow", 5, "--slow-path", "large")
    assert (status, told["ops"], told["bytes"]) == (0, 5, 5 * SIZE)


def test_wrong_number_of_bytes_is_an_error(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE + 1, "--most", 1)
    assert status == 1 and told["ops"] == 0
    assert told["said"] == [f"{SIZE} bytes instead of {SIZE + 1}"]


def test_refusal_is_an_error(build, server):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "nothing", "--size", 1, "--most", 1)
    assert status == 1 and told["errors"] == 1 and told["said"][0].startswith("550 ")


@pytest.mark.parametrize("greeting", ["421 full", "nonsense"])
def test_no_login_is_an_error(build, greeting):
    with FakeServer(greeting=greeting) as fake:
        status, (told,) = load(build, fake.port, "--do", "retr", "--path", "x", "--size", 1)
    assert status == 1 and told["said"] == [greeting]


def test_half_a_file_is_an_error(build):
    with FakeServer(files={"x": b"0123456789"}, half=True) as fake:
        status, (told,) = load(build, fake.port, "--do", "retr", "--path", "x", "--size", 10, "--most", 1)
    assert status == 1 and told["said"] == ["5 bytes instead of 10"]


def test_a_row_from_end_to_end(build):
    done = subprocess.run([sys.executable, str(TOP / "bench" / "bench.py"), "--build", str(build), "--json",
                           "--only", "small-8", "--only", "small-upload-8", "--only", "list", "--servers",
                           "null,ferryd", "--rounds", "2", "--seconds", "60", "--most", "3"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["rows"]) == {"small-8", "small-upload-8", "list"}
    for row in found["rows"].values():
        for name, server in row["servers"].items():
            assert "error" not in server, (name, server)
            assert server["value"] > 0 and len(server["rounds"]) == 2
    assert set(found["rows"]["small-8"]["servers"]) == {"null", "ferryd"}
