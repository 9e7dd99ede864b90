"""FTPS, RFC 4217: what is offered, what is refused, and that nothing is taken for more than it is."""
import contextlib
import hashlib
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from harness import certs
from harness.ftp import Session, tls_context
from harness.server import wait_until

USER, PASSWORD = "anna", "s3cret"
VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    return {kind: certs.make(directory, kind, kind) for kind in ("rsa", "ec")}


@pytest.fixture
def served(ferryd, keys):
    """`ferryd DIR --user`, with TLS."""
    def start(user=USER, **options):
        cert, key = keys["ec"]
        options = {"ssl_enable": "YES", "rsa_cert_file": cert, "rsa_private_key_file": key, **options}
        return ferryd(served=True, user=user, password=PASSWORD if user else None, options=options)
    return start


def login(server, version=None, **kwargs):
    return Session(server.port, tls=tls_context(version=version), **kwargs).login(USER, PASSWORD)


def greeted(server, **kwargs):
    s = Session(server.port, **kwargs)
    assert s.reply()[0] == 220
    return s


# ---- what works ----

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["EPSV", "PASV", "PORT", "EPRT"])
def test_files_and_listings_both_ways(served, version, how):
    server = served()
    data = os.urandom(3_000_001)
    with login(server, version) as s:
        s.store("STOR new", data, how)
        assert (server.root / "new").read_bytes() == data
        assert s.retrieve("RETR new", how) == data
        s.store("STOR empty", b"", how)
        assert s.retrieve("RETR empty", how) == b""
        assert b"new" in s.retrieve("NLST", how)
        assert s.sock.version() == "TLSv" + version
    assert f"tls ok version=TLSv{version} cipher=" in server.wait_log("tls ok")


@pytest.mark.parametrize("version", VERSIONS)
def test_ascii_and_resumed_offsets(served, version):
    server = served()
    (server.root / "text").write_bytes(b"one\ntwo\n" * 50000)
    with login(server, version) as s:
        s.command("REST 399996", 350)
        assert s.retrieve("RETR text") == b"two\n"
        s.command("TYPE A", 200)
        assert s.retrieve("RETR text") == b"one\r\ntwo\r\n" * 50000
        s.store("STOR back", b"a\r\nb\r\n")
    assert (server.root / "back").read_bytes() == b"a\nb\n"


def test_feat_and_the_order_of_commands(served):
    server = served()
    with greeted(server, tls=tls_context()) as s:
        _, lines = s.command("FEAT", 211)
        assert {b" AUTH TLS", b" PBSZ", b" PROT"} <= set(lines)
        s.command("PBSZ 0", 503)
        s.command("PROT P", 503)
        s.command("CCC", 533)
        s.command("AUTH KERBEROS_V4", 504)
        s.command("AUTH TLS-P", 504)
        s.command("AUTH", 501)
        s.secure(private=False)
        s.command("AUTH TLS", 503)
        s.command("PROT P", 503)
        s.command("PBSZ x", 501)
        assert s.command("PBSZ 4096", 200)[1] == [b"200 PBSZ=0"]
        s.command("PROT S", 536)
        s.command("PROT E", 536)
        s.command("PROT X", 504)
        s.command("PROT p", 200)
        s.command("CCC", 534)
        s.command("NOOP", 200)


def test_abor_and_stat_during_a_transfer(served):
    server = served()
    (server.root / "big").write_bytes(bytes(30_000_000))
    with login(server) as s:
        s.passive()
        s.command("RETR big", 150)
        assert s.secure_data().recv(1000)
        code, lines = s.command("STAT", 211)
        assert any(b"TLS" in line for line in lines)
        s.command("ABOR", 426)
        assert s.reply()[0] == 226
        s.close_data()
        s.command("PWD", 257)


def test_prot_counts_when_the_transfer_comes(served):
    server = served(force_local_data_ssl="NO")
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        s.passive()
        s.command("PROT C", 200)
        s.private = False
        s.command("RETR f", 150)
        assert s.read_data() == b"data"
        assert s.reply()[0] == 226
        s.passive()
        s.command("PROT P", 200)
        s.private = True
        s.command("RETR f", 150)
        assert s.read_data() == b"data"
        assert s.reply()[0] == 226


@pytest.mark.parametrize("version", VERSIONS)
def test_many_transfers_in_one_session(served, version):
    server = served(require_ssl_reuse="YES")
    with login(server, version) as s:
        for i in range(150):
            s.store("STOR f", b"%d" % i)
            assert s.retrieve("RETR f") == b"%d" % i


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_before_the_command(served, version):
    """curl 7.88 sends RETR only when the data connection's handshake is done."""
    server = served()
    with login(server, version) as s:
        s.passive()
        s.secure_data()
        s.command("STOR f", 150)
        s.write_data(b"data")
        s.close_data()
        assert s.reply()[0] == 226
        s.passive()
        s.secure_data()
        s.command("RETR f", 150)
        assert s.read_data() == b"data"
        assert s.reply()[0] == 226
        s.reuse = False
        s.passive()
        s.secure_data()
        s.command("RETR f", 150)
        assert s.reply()[0] == 522


def test_prot_behind_the_data_connection_and_a_handshake_before_the_command(served):
    server = served(force_local_data_ssl="NO")
    with Session(server.port, tls=tls_context()) as s:
        assert s.reply()[0] == 220
        s.secure(private=False)
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)
        s.passive()
        s.protect()
        s.secure_data()
        s.command("STOR f", 150)
        s.write_data(b"data")
        s.close_data()
        assert s.reply()[0] == 226


def test_prot_c_within_the_handshake_of_a_data_connection(served):
    """The level counts at the transfer command: what begins under TLS then is not what was asked for."""
    server = served(force_local_data_ssl="NO")
    with login(server) as s:
        s.passive()
        to_server, hello = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = s.tls.wrap_bio(to_server, hello, session=s.sock.session)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        s.data.sendall(hello.read())
        to_server.write(s.data.recv(65536))
        client.do_handshake()
        s.command("PROT C", 200)
        s.command("STOR f", 150)
        s.data.sendall(hello.read())
        assert s.reply()[0] == 522
    assert not (server.root / "f").exists()


def test_uploads_renew_the_ticket(served):
    """Clients that use a ticket once need a fresh one for each data connection."""
    server = served()
    used = set()
    with login(server, "1.3") as s:
        for _ in range(20):
            used.add(s.sock.session.id)
            s.store("STOR f", b"x")
    assert len(used) >= 19


def test_implicit_beside_explicit(served):
    from harness.server import free_port
    port = free_port()
    server = served(implicit_ssl_port=port)
    (server.root / "f").write_bytes(b"data")
    with Session(port, tls=tls_context(), implicit=True).login(USER, PASSWORD) as s:
        assert s.retrieve("RETR f") == b"data"
        s.command("AUTH TLS", 503)
        s.command("REIN", 220)
        s.command("USER " + USER, 331)  # still under TLS
    with login(server) as s:
        assert s.retrieve("RETR f") == b"data"


def test_implicit_on_the_control_port(served):
    server = served(implicit_ssl="YES")
    with Session(server.port, tls=tls_context(), implicit=True).login(USER, PASSWORD) as s:
        s.store("STOR f", b"data")
        assert s.retrieve("RETR f") == b"data"


def test_rein_ends_tls(served):
    server = served()
    with login(server) as s:
        s.command("REIN", 220)
        s.sock = s.sock.unwrap()
        s.private = False
        s.command("PWD", 530)
        s.command("PBSZ 0", 503)
        s.secure()
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)


def test_ccc_by_policy(served):
    server = served(ssl_ccc_enable="YES")
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        session = s.sock.session
        s.command("CCC", 200)
        s.sock = s.sock.unwrap()
        s.command("PWD", 257)
        s.command("PROT C", 503)
        s.passive()
        s.command("RETR f", 150)
        s.data = s.tls.wrap_socket(s.data, session=session)
        assert s.read_data() == b"data"
        assert s.reply()[0] == 226
        # the control connection is clear, but not everybody's: another session is no proof
        s.passive()
        s.command("RETR f", 150)
        s.data = s.tls.wrap_socket(s.data)
        assert s.reply()[0] == 522


def handshake_by_hand(s):
    """The data connection's handshake without a socket of TLS: (connection, what to send), for whom wants to see, or say,
    what ssl.SSLSocket hides."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = s.tls.wrap_bio(to_client, to_server, session=s.sock.session)
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            s.data.sendall(to_server.read())
            to_client.write(s.data.recv(65536))
        else:
            return client, to_client, to_server


@pytest.mark.parametrize("version", VERSIONS)
def test_who_ends_its_side_first_gets_the_whole_file(served, version):
    server = served()
    data = os.urandom(2_000_000)
    (server.root / "f").write_bytes(data)
    with login(server, version) as s:
        s.passive()
        s.command("RETR f", 150)
        client, to_client, to_server = handshake_by_hand(s)
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
        s.data.sendall(to_server.read())
        received = 0
        while piece := s.data.recv(1 << 18):
            received += len(piece)
        assert received > len(data)
        assert s.reply()[0] == 226


@pytest.mark.parametrize("version", VERSIONS)
def test_an_aborted_download_does_not_end_in_order(served, version):
    server = served()
    with open(server.root / "f", "wb") as f:
        f.truncate(50_000_000)
    with login(server, version) as s:
        s.passive()
        s.command("RETR f", 150)
        d = s.tls.wrap_socket(s.data, session=s.sock.session, suppress_ragged_eofs=False)
        assert d.recv(1000)
        s.command("ABOR", 426)
        assert s.reply()[0] == 226
        with pytest.raises(OSError):
            while d.recv(1 << 18):
                pass
        d.close()


def test_bytes_behind_the_end_of_an_upload_are_none_of_it(served):
    server = served()
    with login(server) as s:
        s.passive()
        s.command("STOR f", 150)
        client, _, to_server = handshake_by_hand(s)
        client.write(b"the whole")
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
        s.data.sendall(to_server.read() + b"\x17\x03\x03\x00\x20" + bytes(32))
        s.close_data()
        assert s.reply()[0] == 226
    assert (server.root / "f").read_bytes() == b"the whole"


@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_a_client_resumes_of_its_session(served, version):
    """No tickets; the first one again and again; always that of the data connection before."""
    server = served()
    (server.root / "f").write_bytes(b"data")
    context = tls_context(version=version)
    context.options |= ssl.OP_NO_TICKET
    with Session(server.port, tls=context).login(USER, PASSWORD) as s:
        for _ in range(3):
            assert s.retrieve("RETR f") == b"data"
            s.store("STOR g", b"data")
    for renew in (False, True):
        with login(server, version) as s:
            session = s.sock.session
            for _ in range(5):
                s.passive()
                s.command("RETR f", 150)
                s.data = s.tls.wrap_socket(s.data, session=session)
                assert s.data.session_reused
                assert s.data.recv(100) == b"data"
                session = s.data.session if renew else session
                s.close_data()
                assert s.reply()[0] == 226


# ---- what is refused ----

def test_clear_bytes_behind_auth_are_never_commands(served):
    server = served()
    for injected in (b"USER evil\r\n", b"NO", b"NOOP\r\nPASS x\r\n"):
        with greeted(server) as s:
            s.send_raw(b"AUTH TLS\r\n" + injected)
            assert s.reply()[0] == 421
            assert s.line() == b""
    assert "clear bytes behind AUTH" in server.wait_log("clear bytes")


def test_auth_begins_afresh(served):
    server = served(force_local_logins_ssl="NO", force_local_data_ssl="NO")
    with greeted(server, tls=tls_context()) as s:
        s.command(f"USER {USER}", 331)
        s.secure()
        s.command(f"PASS {PASSWORD}", 503)
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)
    with greeted(server) as s:
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)
        s.command("AUTH TLS", 534)
        s.command("PWD", 257)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_data_connection_must_resume(served, version):
    server = served()
    (server.root / "f").write_bytes(b"data")
    with login(server, version) as s:
        s.reuse = False
        s.passive()
        s.command("RETR f", 150)
        try:
            assert s.read_data() == b""
        except OSError:
            s.close_data()
        code, lines = s.reply()
        assert code == 522 and b"require_ssl_reuse" in lines[-1], lines
        s.reuse = True
        assert s.retrieve("RETR f") == b"data"


@pytest.mark.parametrize("version", VERSIONS)
def test_another_clients_session_is_no_proof(served, version):
    server = served()
    (server.root / "f").write_bytes(b"data")
    with login(server, version) as other, login(server, version) as s:
        s.passive()
        s.command("RETR f", 150)
        try:
            s.data = s.tls.wrap_socket(s.data, session=other.sock.session)
            s.read_data()
        except (OSError, ValueError):
            s.close_data()
        assert s.reply()[0] == 522


def test_reuse_may_be_given_up(served):
    server = served(require_ssl_reuse="NO")
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        s.reuse = False
        assert s.retrieve("RETR f") == b"data"


def test_a_resumed_control_connection_keeps_its_proof(served):
    server = served()
    (server.root / "f").write_bytes(b"data")
    context = tls_context()
    with Session(server.port, tls=context).login(USER, PASSWORD) as first:
        session = first.sock.session
    with greeted(server, tls=context) as s:
        s.command("AUTH TLS", 234)
        s.sock = context.wrap_socket(s.sock, session=session)
        assert s.sock.session_reused
        s.protect()
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)
        assert s.retrieve("RETR f") == b"data"
    server.wait_log("resumed=yes")


def cut_upload(s, data, part=b""):
    """An upload whose connection ends in order, but without close_notify; part: of a record."""
    s.passive()
    s.command("STOR f", 150)
    s.write_data(data)
    raw = socket.socket(fileno=s.data.detach())
    raw.sendall(part)
    raw.shutdown(socket.SHUT_WR)
    raw.close()
    s.data = None
    return s.reply()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cut_upload_is_no_upload(served, version):
    server = served()
    (server.root / "f").write_bytes(b"the old file")
    with login(server, version) as s:
        code, lines = cut_upload(s, b"half of it")
        assert code == 426 and b"close_notify" in lines[-1], lines
        assert (server.root / "f").read_bytes() == b"the old file"
        s.store("STOR f", b"all of it")
    assert (server.root / "f").read_bytes() == b"all of it"


def pour_on(s, name):
    """An upload that goes on until the server has enough, in a thread."""
    s.passive()
    s.command(f"STOR {name}", 150)
    sock = s.secure_data()

    def run():
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"\0" * 65536)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("how", ["ABOR", "clients die"])
def test_uploads_that_are_broken_off_while_they_run(served, how):
    """The threads that receive them keep what they work with until they have done."""
    server = served(keep_partial="NO")
    (server.root / "f0").write_bytes(b"the old file")
    sessions = [login(server) for _ in range(6)]
    threads = [pour_on(s, f"f{i}") for i, s in enumerate(sessions)]
    wait_until(lambda: sum(p.stat().st_size for p in server.root.glob(".ferry-*")) > 10_000_000, "nothing arrives")
    for s in sessions:
        if how == "ABOR":
            s.command("ABOR", 426)
            assert s.reply()[0] == 226
        else:
            s.data.shutdown(socket.SHUT_RDWR)
        s.close()
    for thread in threads:
        thread.join()
    wait_until(lambda: [p.name for p in server.root.iterdir()] == ["f0"], "something stays")
    assert (server.root / "f0").read_bytes() == b"the old file"


def test_old_clients_may_end_without_close_notify(served):
    server = served(strict_ssl_read_eof="NO")
    with login(server) as s:
        code, lines = cut_upload(s, b"no end mark")
        assert code == 226, lines
    assert (server.root / "f").read_bytes() == b"no end mark"
    server.wait_log("close_notify")


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_ends_within_a_record(served, version):
    """To forgive a missing end mark is not to believe that a part is the whole."""
    server = served(strict_ssl_read_eof="NO")
    (server.root / "f").write_bytes(b"the old file")
    with login(server, version) as s:
        for part in (b"\x17\x03\x03", b"\x17\x03\x03\x10\x00", b"\x17\x03\x03\x10\x00half"):
            code, lines = cut_upload(s, b"half of it", part)
            assert code == 426, lines
            assert (server.root / "f").read_bytes() == b"the old file"


def test_strict_downloads_want_the_clients_end(served):
    server = served(strict_ssl_write_shutdown="YES")
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        assert s.retrieve("RETR f") == b"data"
        s.passive()
        s.command("RETR f", 150)
        assert s.secure_data().recv(100) == b"data"
        raw = socket.socket(fileno=s.data.detach())
        raw.close()
        s.data = None
        assert s.reply()[0] == 426


def test_downloads_end_with_close_notify(served):
    server = served()
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        s.passive()
        s.command("RETR f", 150)
        d = s.tls.wrap_socket(s.data, session=s.sock.session, suppress_ragged_eofs=False)
        assert d.recv(100) == b"data"
        assert d.recv(100) == b""
        d.close()
        assert s.reply()[0] == 226


def test_garbage_on_the_data_connection(served):
    server = served()
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        s.passive()
        s.command("STOR f", 150)
        s.data.sendall(b"these bytes are clear and not for the disk")
        assert s.reply()[0] == 522
        s.close_data()
        assert (server.root / "f").read_bytes() == b"data"
        s.command("PWD", 257)


def test_a_handshake_that_never_ends(served):
    server = served(ssl_handshake_timeout="1")
    with login(server) as s:
        s.passive()
        s.command("STOR f", 150)
        code, lines = s.reply()
        assert code == 522 and b"too long" in lines[-1]
        s.close_data()
        s.command("NOOP", 200)
    with greeted(server) as s:
        s.command("AUTH TLS", 234)
        assert s.sock.recv(1) == b""


@pytest.mark.parametrize("garbage", [b"USER x\r\n", bytes(100), b"\x16\x03\x01\x40\x00" + b"x" * 500])
def test_garbage_instead_of_a_handshake(served, garbage):
    server = served(ssl_handshake_timeout="2")
    with greeted(server) as s:
        s.command("AUTH TLS", 234)
        s.send_raw(garbage)
        got = b""
        try:
            while piece := s.sock.recv(1000):
                got += piece
        except ConnectionError:
            pass
        assert b"331" not in got
    with login(server):
        pass


@pytest.mark.parametrize("offered,taken", [(["ftp"], "ftp"), (["http/1.1", "ftp"], "ftp"), (None, None)])
def test_alpn_ftp(served, offered, taken):
    server = served()
    with greeted(server, tls=tls_context(alpn=offered)) as s:
        s.secure()
        assert s.sock.selected_alpn_protocol() == taken


def test_alpn_of_others_ends_the_handshake(served):
    server = served()
    with greeted(server, tls=tls_context(alpn=["http/1.1", "h2"])) as s:
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            s.secure()


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /x HTTP/1.0", "EHLO there", "Host: x", "HELO x",
                                  "PROPFIND / HTTP/1.1"])
def test_other_protocols_are_cut_off(served, line):
    server = served()
    with login(server) as s:
        s.command(line, 421)
        assert s.line() == b""


def s_client(server, *args):
    done = subprocess.run(["openssl", "s_client", "-starttls", "ftp", "-connect", f"127.0.0.1:{server.port}",
                           *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(served, version):
    status, said = s_client(served(ssl_tlsv1="YES"), version, "-cipher", "ALL:@SECLEVEL=0")
    assert status != 0 and "alert protocol version" in said


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "NULL", "ADH"])
def test_weak_ciphers_are_refused(served, cipher):
    status, said = s_client(served(), "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert status != 0, said


def test_one_version_alone(served):
    server = served(ssl_tlsv1_3="NO")
    assert "TLSv1.2" in s_client(server)[1]
    status, said = s_client(server, "-tls1_3")
    assert status != 0 and "alert protocol version" in said


def test_ciphers_by_option(served):
    server = served(ssl_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:TLS_CHACHA20_POLY1305_SHA256")
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in s_client(server, "-tls1_2")[1]
    assert "TLS_CHACHA20_POLY1305_SHA256" in s_client(server, "-tls1_3")[1]


# ---- policy ----

def test_logins_and_data_must_be_encrypted(served):
    server = served()
    with greeted(server, tls=tls_context()) as s:
        code, lines = s.command(f"USER {USER}", 530)
        assert b"AUTH TLS" in lines[-1]
        s.command(f"PASS {PASSWORD}", 503)
        s.secure(private=False)
        s.command(f"USER {USER}", 331)
        s.command(f"PASS {PASSWORD}", 230)
        s.command("EPSV", 229)
        for line in ("LIST", "STOR x", "RETR x", "MLSD"):
            assert s.command(line, 521)[1][-1].endswith(b"send PROT P first.")
        s.protect()
        s.command("PROT C", 534)
        assert s.retrieve("LIST") == b""


@pytest.mark.parametrize("allowed", ["YES", "NO"])
def test_anonymous_and_tls(served, allowed):
    server = served(user=None, allow_anon_ssl=allowed)
    with Session(server.port).login() as s:
        assert s.retrieve("LIST") == b""
    with greeted(server, tls=tls_context()) as s:
        s.secure()
        if allowed == "NO":
            s.command("USER anonymous", 530)
            return
        s.command("USER anonymous", 331)
        s.command("PASS x@", 230)
        assert s.retrieve("LIST") == b""


def test_anonymous_must_use_tls(served):
    server = served(user=None, allow_anon_ssl="YES", force_anon_logins_ssl="YES", force_anon_data_ssl="YES")
    with greeted(server, tls=tls_context()) as s:
        s.command("USER anonymous", 530)
        s.secure(private=False)
        s.command("USER anonymous", 331)
        s.command("PASS x@", 230)
        s.command("EPSV", 229)
        s.command("LIST", 521)


# ---- certificates ----

def shown(server, context=None):
    with greeted(server, tls=context or tls_context()) as s:
        s.secure()
        return hashlib.sha256(s.sock.getpeercert(True)).hexdigest()


def digest(cert):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest()


def test_two_certificates(served, keys):
    (rsa, rsa_key), (ec, ec_key) = keys["rsa"], keys["ec"]
    server = served(rsa_cert_file=rsa, rsa_private_key_file=rsa_key, ec_cert_file=ec, ec_private_key_file=ec_key)
    old = tls_context(version="1.2")
    old.set_ciphers("aRSA")
    assert shown(server) == digest(ec)
    assert shown(server, old) == digest(rsa)


def test_a_changed_certificate_is_used_and_a_bad_one_is_not(served, tmp_path):
    first, second = certs.make(tmp_path, "first"), certs.make(tmp_path, "second")
    cert, key = tmp_path / "cert", tmp_path / "key"
    both = lambda pair: (cert.write_bytes(pair[0].read_bytes()), key.write_bytes(pair[1].read_bytes()))  # noqa: E731
    both(first)
    key.chmod(0o600)
    server = served(rsa_cert_file=cert, rsa_private_key_file=key)
    with login(server) as s:
        assert shown(server) == digest(first[0])
        both(second)
        server.wait_log("keys=renewed")
        assert shown(server) == digest(second[0])
        # A session keeps its certificate, and data connections go on resuming it.
        s.store("STOR f", b"x")
        cert.write_bytes(b"no certificate")
        server.wait_log("keys=refused")
        assert shown(server) == digest(second[0])


def test_ocsp_answers_are_stapled(served, keys, tmp_path):
    cert, key = keys["ec"]
    index, request, answer = tmp_path / "index", tmp_path / "request", tmp_path / "answer"
    serial = certs.openssl("x509", "-in", cert, "-noout", "-serial").strip().split("=")[1]
    index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=ec\n")
    certs.openssl("ocsp", "-issuer", cert, "-cert", cert, "-reqout", request)
    certs.openssl("ocsp", "-index", index, "-rsigner", cert, "-rkey", key, "-CA", cert, "-reqin", request,
                  "-respout", answer, "-ndays", "1")
    assert "OCSP Response Status: successful" in s_client(served(rsa_ocsp_file=answer), "-status")[1]
    assert "OCSP response: no response sent" in s_client(served(), "-status")[1]


def test_clients_with_certificates(served, tmp_path):
    authority = certs.make(tmp_path, "authority")
    good, other = certs.signed(tmp_path, "good", authority), certs.make(tmp_path, "other")
    server = served(require_cert="YES", validate_cert="YES", ca_certs_file=authority[0])
    (server.root / "f").write_bytes(b"data")
    context = tls_context()
    context.load_cert_chain(*good)
    with Session(server.port, tls=context).login(USER, PASSWORD) as s:
        assert s.retrieve("RETR f") == b"data"
    for pair in (None, other):
        context = tls_context(version="1.2")
        if pair:
            context.load_cert_chain(*pair)
        with greeted(server, tls=context) as s, pytest.raises(OSError):
            s.secure()


def test_the_host_name_that_is_asked_for(served):
    server = served(ssl_sni_hostname="files.example")
    assert s_client(server, "-servername", "files.example")[0] == 0
    for args in (["-servername", "other.example"], ["-noservername"]):
        status, said = s_client(server, *args)
        assert status != 0 and "unrecognized name" in said


@pytest.mark.parametrize("options,words", [
    ({"rsa_cert_file": "/does/not/exist"}, "rsa_cert_file=/does/not/exist: No such file"),
    ({"rsa_cert_file": "{rsa}", "rsa_private_key_file": "{ec_key}"}, "does not fit"),
    ({"rsa_cert_file": "{ec_key}"}, "holds no certificate"),
    ({"rsa_cert_file": "{rsa}", "rsa_private_key_file": "{rsa}"}, "no private key"),
    ({"ssl_ciphers": "NO-SUCH-CIPHER"}, "ssl_ciphers"),
    ({"dsa_cert_file": "/x"}, "DSA certificates are refused"),
    ({"ca_certs_file": "{ec_key}", "validate_cert": "YES"}, "ca_certs_file holds no certificate"),
])
def test_mistakes_are_told_before_the_start(build, tmp_path, keys, options, words):
    names = {"rsa": keys["rsa"][0], "ec_key": keys["ec"][1]}
    chosen = {"ssl_enable": "YES", "rsa_cert_file": keys["ec"][0], "rsa_private_key_file": keys["ec"][1],
              "anon_root": tmp_path, "listen_port": 0, **options}
    config = tmp_path / "ferryd.conf"
    config.write_text("".join(f"{k}={str(v).format(**names)}\n" for k, v in chosen.items()))
    done = subprocess.run([build / "ferryd/ferryd", "--config", config], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and words in done.stderr, done.stderr


def test_without_tls_nothing_is_promised(ferryd):
    server = ferryd(served=True, user=USER, password=PASSWORD)
    with greeted(server) as s:
        assert not re.search(b"AUTH|PBSZ|PROT", b"".join(s.command("FEAT", 211)[1]))
        s.command("AUTH TLS", 502)
        s.command(f"USER {USER}", 331)
