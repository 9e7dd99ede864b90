"""Data connections that fail: a verdict in the log and in ferryd failures, for the client whose it is; bounded, and the
file is taken for anybody's."""
import json
import re
import socket
import subprocess

import pytest

from harness import certs, ftp
from harness.server import free_port, wait_until

HEAD = "ferryd-failures 1\n"


def run(build, *args):
    return subprocess.run([build / "ferryd" / "ferryd", "failures", *args], capture_output=True, text=True, timeout=60)


def document(done):
    assert done.returncode == 0, done
    return json.loads(done.stdout)


@pytest.fixture
def served(ferryd, build):
    """Starts one; returns it, and a function that waits for so many rows of its failures."""
    def start(**options):
        server = ferryd(options={"listen_ipv6": "NO", "accept_timeout": 1, **options})
        args = ["--config", str(server.directory / "ferryd.conf")]

        def shown(rows):
            wait_until(lambda: len(document(run(build, "--json", *args))["failures"]) >= rows, "too few failures", 20)
            return document(run(build, "--json", *args)), run(build, *args).stdout
        return server, shown
    return start


def session(server, source="127.0.0.1"):
    return ftp.Session(server.port, source=source).login()


def fails(s, code):
    """A listing that comes to nothing."""
    s.command("LIST", 150)
    assert s.reply()[0] == code


def test_each_cause_has_its_verdict(served):
    server, shown = served()
    with session(server) as s:
        s.command("EPSV", 229)
        fails(s, 425)
        _, lines = s.command("EPSV", 229)
        port = int(re.search(rb"\|(\d+)\|", lines[-1]).group(1))
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.3", 0)) as stranger:
            assert stranger.recv(1) == b""
            fails(s, 425)
        closed = free_port()
        s.command(f"PORT 127,0,0,1,{closed // 256},{closed % 256}", 200)
        fails(s, 425)
        s.command("PORT 192,0,2,1,200,1", 500)
        s.command("PORT 127,0,0,9,200,1", 500)
    with session(server, "127.0.0.2") as s:
        s.command("EPSV", 229)
        fails(s, 425)
    found, text = shown(6)
    rows = {(r["client"], r["way"], r["code"], r["certain"], r["other"], r["error"]) for r in found["failures"]}
    assert rows == {
        ("127.0.0.1", "passive", "P11", False, "", ""),
        ("127.0.0.1", "passive", "H03", False, "127.0.0.3", ""),
        ("127.0.0.1", "active", "A03", False, "", "Connection refused"),
        ("127.0.0.1", "active", "A11", False, "192.0.2.1", ""),
        ("127.0.0.1", "active", "A13", False, "127.0.0.9", ""),
        ("127.0.0.2", "passive", "P11", False, "", ""),
    }
    assert found["networks"] == [{"network": "127.0.0.0/24", "code": "P11", "addresses": 2, "count": 2}]
    assert re.search(r"127\.0\.0\.1 +active +port %d +1 times +A03" % closed, text), text
    assert "Network 127.0.0.0/24: 2 addresses fail alike: P11, 2 times." in text, text
    for code in ("P11", "H03", "A03", "A11", "A13"):
        assert re.search(rf"data=failed verdict={code} certainty=likely way=\w+ peer=127\.0\.0\.", server.log_text()), code
    assert re.search(r"session=\d+ data=failed verdict=A03", server.log_text())
    mode = (server.directory / "failures").stat().st_mode & 0o777
    assert mode & ~0o640 == 0, oct(mode)


def test_verdicts_under_tls(ferryd, tmp_path):
    cert, key = certs.make(tmp_path, "ec")
    server = ferryd(served=True, user="anna", password="s3cret", options={
        "ssl_enable": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key})
    (server.root / "f").write_bytes(b"data")
    with ftp.Session(server.port, tls=ftp.tls_context()).login("anna", "s3cret") as s:
        s.reuse = False
        s.passive()
        s.command("RETR f", 150)
        try:
            assert s.read_data() == b""
        except OSError:
            s.close_data()
        assert s.reply()[0] == 522
        server.wait_log("data=failed verdict=T03 certainty=certain way=passive")
        s.passive()
        s.command("RETR f", 150)
        s.data.sendall(b"this is no handshake\r\n")
        assert s.reply()[0] == 522
        server.wait_log("data=failed verdict=T07 certainty=likely way=passive")


def test_a_client_cannot_flood_the_log(served):
    server, shown = served()
    with session(server) as s:
        for _ in range(40):
            s.command("PORT 192,0,2,1,200,1", 500)
        found, _ = shown(1)
    assert server.log_text().count("data=failed") == 20
    assert [r["count"] for r in found["failures"]] == [20]


def test_nothing_has_failed(build, tmp_path):
    done = run(build, f"-ofailures_file={tmp_path / 'none'}")
    assert done.returncode == 0 and "No data connection has failed" in done.stdout, done


def test_a_file_that_somebody_else_wrote(build, tmp_path):
    path = tmp_path / "f"
    good = "1700000000 3 5 110 50000 198.51.100.7 -\n"
    path.write_bytes(HEAD.encode() + b"\x1b[31m\n" + good.encode() + b"9 9 9\n" + b"x" * 5000 + b"\n" +
                     good.encode() * 300 + b"1700000000 1 0 0 1 evil\x1b[2J -")
    done = run(build, f"-ofailures_file={path}")
    assert done.returncode == 0 and "\x1b" not in done.stdout, done
    assert "198.51.100.7" in done.stdout and "lines of the file make no sense" in done.stdout, done
    found = document(run(build, "--json", f"-ofailures_file={path}"))
    assert len(found["failures"]) <= 256 and found["unread"] > 3
    path.write_text("something else\n")
    done = run(build, f"-ofailures_file={path}")
    assert done.returncode == 1 and "is not what ferryd writes" in done.stderr, done
    done = run(build, f"-ofailures_file={tmp_path}")
    assert done.returncode == 1, done
