"""The benchmark's own parts do what they say: they count right, and a wrong answer is never a result. No
figure is judged here."""
import json
import os
import shutil
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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certs.make(tmp_path_factory.mktemp("certificate"), "bench")


@pytest.fixture
def server(ferryd, certificate):
    cert, key = certificate

    def tree(root):
        (root / "file").write_bytes(b"x" * SIZE)
        (root / "large").touch()
        os.truncate(root / "large", 64 << 20)
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


def run_bench(build, *args):
    done = subprocess.run([sys.executable, str(TOP / "bench" / "bench.py"), "--build", str(build), "--quick",
                           "--seconds", "60", "--most", "3", *args], capture_output=True, text=True, timeout=120)
    return done


def test_rows_from_end_to_end(build):
    done = run_bench(build, "--json", "--only", "small-8", "--only", "small-upload-8", "--only", "list", "--only",
                     "tls-small-8", "--only", "tls-small-upload-8", "--servers", "null,ferryd")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["rows"]) == {"small-8", "small-upload-8", "list", "tls-small-8", "tls-small-upload-8"}
    for row in found["rows"].values():
        for name, server in row["servers"].items():
            assert "error" not in server, (name, server)
            assert server["value"] > 0 and len(server["rounds"]) in (1, 2)
    assert set(found["rows"]["small-8"]["servers"]) == {"null", "ferryd"}
    # 24 data connections that resume, of 32 handshakes
    assert found["rows"]["tls-small-8"]["servers"]["ferryd"]["resumed"] == 0.75
    assert "null" not in found["rows"]["tls-small-8"]["servers"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a link with latency needs root")
def test_a_row_over_a_long_link(build):
    done = run_bench(build, "--json", "--only", "far-block-1", "--servers", "null,ferryd")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    # the row that it is compared with comes along; a round trip takes at least 20 ms, whatever the machine does
    assert set(rows) == {"far-8", "far-block-1"}
    assert rows["far-8"]["servers"]["null"]["p99"] > 3 * 20_000 * 0.9


def test_an_error_is_shown_and_is_the_status(tmp_path, build):
    """A server that cannot start: its rows say so, the others are measured."""
    broken = tmp_path / "build"
    shutil.copytree(build / "bench", broken / "bench", ignore=shutil.ignore_patterns("*.p"))
    shutil.copytree(build / "ferryd", broken / "ferryd", ignore=shutil.ignore_patterns("*.p"))
    (broken / "bench" / "bench-null").write_text("#!/bin/sh\nexit 1\n")
    done = run_bench(broken, "--markdown", "--only", "small-8", "--servers", "null,ferryd")
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("| downloads of 1 KiB, 8 sessions"))
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[3] == "error" and cells[8].endswith("%"), line
    assert "`small-8`, null: does not start" in done.stdout


@pytest.mark.parametrize("what", ["send", "write", "splice", "connect", "tls-send", "tls-batch", "tls-write",
                                  "handshakes", "resumed", "gcm", "getdents", "statx"])
def test_bare_mechanisms(build, tmp_path, what):
    path = tmp_path if what in ("getdents", "statx") else tmp_path / "file"
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    done = subprocess.run([str(build / "bench" / "bench-limits"), what, str(path), "0.01"], check=True,
                          capture_output=True, text=True, timeout=60)
    assert float(done.stdout) > 0
