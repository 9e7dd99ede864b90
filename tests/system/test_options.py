"""Options of ferryd.conf that need more than a conversation to be seen."""
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from harness import ftp
from harness.server import Ferryd, children, free_port, wait_until


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a /srv of its own")
def test_the_four_lines_of_an_existing_vsftpd_conf(build, tmp_path):
    config = tmp_path / "vsftpd.conf"
    config.write_text("pasv_enable=YES\npasv_min_port=40000\npasv_max_port=50000\npasv_address=192.168.1.200\n")
    checked = subprocess.run([build / "ferryd/ferryd", "--check-config", config], capture_output=True)
    assert checked.returncode == 0, checked.stderr
    port = free_port()
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount -t tmpfs srv /srv && exec "$@"', "sh",
                                   str(build / "ferryd/ferryd"), "--config", str(config),
                                   f"-olisten_port={port}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: b"listening" in (tmp_path / "log").read_bytes(), "it does not start", 20)
        with ftp.Session(port) as s:
            s.login()
            _, lines = s.command("PASV", 227)
            n = [int(x) for x in re.fullmatch(
                rb"227 Entering Passive Mode \((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)\.", lines[0]).groups()]
            assert n[:4] == [192, 168, 1, 200]
            assert 40000 <= n[4] * 256 + n[5] <= 50000
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def check(build, tmp_path, text):
    config = tmp_path / "ferryd.conf"
    config.write_text(text)
    done = subprocess.run([build / "ferryd/ferryd", "--check-config", config], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_mistakes_name_file_line_and_nearest_option(build, tmp_path):
    status, said = check(build, tmp_path, "listen=YES\nlisten_prot=2121\n")
    assert status == 1
    assert f"{tmp_path}/ferryd.conf:2: error: " in said and "listen_port" in said
    status, said = check(build, tmp_path, "max_clients=abc\n")
    assert status == 1 and "max_clients" in said
    status, said = check(build, tmp_path, "tilde_user_enable=YES\n")
    assert status == 0 and "not yet honoured" in said
    # A server with a mistake in its file does not start.
    config = tmp_path / "ferryd.conf"
    config.write_text("anonymus_enable=YES\n")
    done = subprocess.run([build / "ferryd/ferryd", "--config", config], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "anonymous_enable" in done.stderr


def test_show_config_reads_back(build, tmp_path):
    shown = subprocess.run([build / "ferryd/ferryd", "--show-config"], capture_output=True, text=True, check=True)
    names = re.findall(r"^(\w+)=", shown.stdout, re.M)
    assert len(names) >= 150 and {"pasv_enable", "ssl_enable", "wc_logs_enable"} <= set(names)
    config = tmp_path / "all.conf"
    config.write_text(shown.stdout)
    again = subprocess.run([build / "ferryd/ferryd", "--show-config", "--config", config], capture_output=True,
                           text=True)
    assert again.stdout == shown.stdout, again.stderr


def test_banner_file(ferryd, tmp_path):
    banner = tmp_path / "banner"
    banner.write_text("Welcome to the depot.\n226 is not a reply.\nBye\n")
    server = ferryd(options={"banner_file": banner})
    with ftp.Session(server.port) as s:
        code, lines = s.reply()
        assert code == 220 and len(lines) == 3
        assert lines[0] == b"220-Welcome to the depot." and lines[2] == b"220 Bye"


@pytest.mark.parametrize("std", ["YES", "NO"])
def test_transfer_log(ferryd, tmp_path, std):
    log = tmp_path / "xferlog"
    server = ferryd(options={"xferlog_enable": "YES", "xferlog_std_format": std, "xferlog_file": log},
                    tree=lambda root: (root / "a file").write_bytes(b"12345"))
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR a file") == b"12345"
    if std == "YES":
        wait_until(lambda: log.exists() and log.read_text(), "nothing in the transfer log")
        line = log.read_text()
        # wu-ftpd: date, seconds, host, bytes, name, type, flags, direction, who, password, service, ...
        assert re.fullmatch(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \d+ 127\.0\.0\.1 5 /a_file b _ o a \S+ ftp "
                            r"0 \* c\n", line), line
    else:
        server.wait_log("OK DOWNLOAD")
        assert "a file" in server.log_text() or "a_file" in server.log_text()


def test_protocol_log_never_has_a_password(ferryd):
    server = ferryd(options={"log_ftp_protocol": "YES"})
    with ftp.Session(server.port) as s:
        s.login("anonymous", "very-secret-thing")
        s.command("PWD", 257)
    server.wait_log("PWD")
    assert "very-secret-thing" not in server.log_text()


def test_max_clients_and_max_per_ip(ferryd):
    server = ferryd(options={"max_clients": 3, "max_per_ip": 2})
    first, second = ftp.Session(server.port).login(), ftp.Session(server.port).login()
    with ftp.Session(server.port) as s:
        code, lines = s.reply()
        assert code == 421 and b"address" in lines[0]
    third = ftp.Session(server.port, source="127.0.0.2").login()
    with ftp.Session(server.port, source="127.0.0.3") as s:
        assert s.reply()[0] == 421
    first.close()
    wait_until(lambda: admitted(server), "a place does not become free")
    second.close()
    third.close()


def admitted(server):
    with ftp.Session(server.port) as s:
        return s.reply()[0] == 220


def may_bind(port):
    """Has this process the right to a well-known port? Root in a container may not."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except PermissionError:
            return False
        except OSError:
            pass
        return True


@pytest.mark.parametrize("host,verb,port", [("127.0.0.77", "PORT", 20), ("::1", "EPRT", 919)])
def test_active_mode_from_the_data_port(ferryd, host, verb, port):
    """Addresses and ports of our own: a pair that another server's old transfer holds cannot be had."""
    options = {"connect_from_port_20": "YES"}
    if port != 20:
        options["ftp_data_port"] = port
    server = ferryd(options=options, tree=lambda root: (root / "f").write_bytes(b"x"))
    with ftp.Session(server.port, host) as s:
        s.login()
        for _ in range(3):
            s.active(verb)
            s.command("RETR f", 150)
            if not may_bind(port):
                assert s.reply()[0] == 425
                continue
            assert s.data_socket().getpeername()[:2] == (host, port), server.log_text()
            assert s.read_data() == b"x"
            assert s.reply()[0] == 226


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a right away from itself")
def test_active_mode_without_the_right_to_port_20(ferryd):
    server = ferryd(prefix=["setpriv", "--bounding-set=-net_bind_service"], options={"connect_from_port_20": "YES"},
                    tree=lambda root: (root / "f").write_bytes(b"x"))
    with ftp.Session(server.port) as s:
        s.login()
        s.active()
        s.command("RETR f", 150)
        assert s.reply()[1] == [b"425 I may not call from port 20 as connect_from_port_20 wants: permission denied. "
                                b"Use passive mode, or start the server as root."]
        s.command("NOOP", 200)
        assert s.retrieve("RETR f", "EPSV") == b"x"


def read_proc(pid, name):
    """Empty when the process has ended meanwhile."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def test_background(build, tmp_path):
    port = free_port()
    root = tmp_path / "root"
    root.mkdir()
    config = tmp_path / "ferryd.conf"
    config.write_text(f"background=YES\nlisten_port={port}\nanon_root={root}\nvsftpd_log_file={tmp_path}/log\n")
    done = subprocess.run([build / "ferryd/ferryd", "--config", config], timeout=20, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    assert done.returncode == 0
    # It returns once clients can come.
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        assert s.recv(100).startswith(b"220 ")
    pid = next(int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()
               and str(config).encode() in read_proc(p.name, "cmdline").split(b"\0"))
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: read_proc(pid, "stat").rpartition(b")")[2][:2] in (b"", b" Z"), "it does not end")
    assert "listening" in (tmp_path / "log").read_text()


def test_the_password_is_never_on_the_command_line(build, tmp_path):
    server = Ferryd(tmp_path, build, served=True, user="anna", password="s3cret-word")
    server.start()
    try:
        for pid in [server.pid, *children(server.pid)]:
            for name in ("cmdline", "environ"):
                assert b"s3cret-word" not in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
        with ftp.Session(server.port) as s:
            s.login("anna", "s3cret-word")
    finally:
        server.stop()
