"""The benchmark's own parts do what they say: they count right, and a wrong answer is never a result. No
figure is judged here."""
import json
import subprocess
import sys

import pytest

from conftest import TOP
from harness.fake import FakeServer

SIZE = 1024


def load(build, port, *args, lines="go\n\n"):
    command = [str(build / "bench" / "bench-load"), "--port", str(port)] + [str(a) for a in args]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    return done.returncode, [json.loads(line) for line in lines if line != "ready"]


@pytest.fixture
def server(ferryd):
    def tree(root):
        (root / "file").write_bytes(b"x" * SIZE)
        (root / "large").write_bytes(b"x" * (64 << 20))
        (root / "up").mkdir()

    return ferryd(tree=tree, options={"write_enable": "YES", "anon_upload_enable": "YES",
                                      "anon_other_write_enable": "YES"})


@pytest.mark.parametrize("way", ["epsv", "pasv", "eprt", "port"])
def test_every_way_is_counted(build, server, way):
    status, (told,) = load(build, server.port, "--do", "retr", "--path", "file", "--size", SIZE, "--way", way,
                           "--sessions", 3, "--most", 4, "--seconds", 60)
    assert (status, told["ops"], told["bytes"], told["errors"]) == (0, 12, 12 * SIZE, 0)
    assert told["us"]["p50"] > 0


def test_uploads_arrive(build, server):
    status, (told,) = load(build, server.port, "--do", "stor", "--path", "up/#", "--size", 70_000, "--sessions", 2,
                           "--most", 3, "--seconds", 60)
    assert (status, told["ops"], told["bytes"]) == (0, 6, 6 * 70_000)
    assert sorted(p.name for p in (server.root / "up").iterdir()) == ["0", "1"]
    assert {p.stat().st_size for p in (server.root / "up").iterdir()} == {70_000}


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
