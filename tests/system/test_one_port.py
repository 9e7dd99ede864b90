"""One passive port for all sessions (pasv_min_port = pasv_max_port): everybody's data comes to its own session, and a
stranger gets nothing."""
import concurrent.futures
import os
import select
import signal
import socket
import ssl
import threading

import pytest

from harness import certs, ftp
from harness.server import free_port, wait_until

# From loopback's many addresses, and as many sessions from one of them as the second number says.
ADDRESSES, FROM_ONE = 200, 50
SIZE = 100_000


def content(i):
    return i.to_bytes(4, "big") * (SIZE // 4)


def address(i):
    return f"127.1.{i // 250}.{1 + i % 250}"


def tree(root):
    for i in range(ADDRESSES + FROM_ONE):
        (root / f"f{i}").write_bytes(content(i))
    (root / "up").mkdir()


@pytest.fixture
def served(ferryd, tmp_path):
    def start(**options):
        port = free_port()
        server = ferryd(tree=tree, options={
            "pasv_min_port": port, "pasv_max_port": port, "write_enable": "YES", "anon_upload_enable": "YES",
            "anon_umask": "022", "listen_ipv6": "NO", **options})
        server.passive_port = port
        return server
    return start


@pytest.fixture
def encrypted(served, tmp_path):
    cert, key = certs.make(tmp_path, "server", "ec")
    return lambda **options: served(ssl_enable="YES", allow_anon_ssl="YES", rsa_cert_file=cert,
                                    rsa_private_key_file=key, **options)


def everybody(server, tls):
    """All at once: each downloads its own file twice, uploads it, and looks at what it got."""
    sources = [address(i) for i in range(ADDRESSES)] + [address(0)] * FROM_ONE
    ready = threading.Barrier(len(sources), timeout=60)

    def one(i):
        s = ftp.Session(server.port, source=sources[i], seconds=60, tls=ftp.tls_context() if tls else None)
        try:
            s.login()
            ready.wait()
            for verb in ("EPSV", "PASV"):
                assert s.retrieve(f"RETR f{i}", how=verb) == content(i)
            s.store(f"STOR up/f{i}", content(i))
        except BaseException:
            ready.abort()
            raise
        finally:
            s.close()

    with concurrent.futures.ThreadPoolExecutor(len(sources)) as pool:
        for done in [pool.submit(one, i) for i in range(len(sources))]:
            done.result()
    for i in range(len(sources)):
        assert (server.root / f"up/f{i}").read_bytes() == content(i)


def test_many_clients_in_clear(served):
    everybody(served(), tls=False)


def test_many_clients_under_tls(encrypted):
    everybody(encrypted(), tls=True)


def test_only_one_port_is_ever_told(served):
    server = served()
    with ftp.Session(server.port) as s:
        s.login()
        for verb in ("EPSV", "PASV", "EPSV"):
            assert s.passive(verb) == server.passive_port
            s.data.close()


def call(server, source):
    return socket.create_connection(("127.0.0.1", server.passive_port), timeout=20, source_address=(source, 0))


def finish(s):
    """The rest of a RETR whose data connection is there."""
    assert s.reply()[0] == 150
    got = s.read_data()
    assert s.reply()[0] == 226
    return got


def is_closed(connection):
    """The server ended it and said nothing."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_stranger_gets_nothing(served):
    server = served()
    with ftp.Session(server.port) as s:
        s.login()
        assert is_closed(call(server, "127.0.0.1"))  # it has asked for no port
        s.command("EPSV", 229)
        s.send("RETR f1")
        assert is_closed(call(server, "127.0.0.9"))
        s.data = call(server, "127.0.0.1")
        assert finish(s) == content(1)
        assert is_closed(call(server, "127.0.0.1"))
    server.wait_log("stranger peer=127.0.0.9:")


def test_the_second_of_an_address_waits_for_the_first(served):
    server = served()
    with ftp.Session(server.port) as first, ftp.Session(server.port) as second:
        first.login()
        second.login()
        first.command("EPSV", 229)
        second.send("EPSV")
        first.send("RETR f1")
        first.data = call(server, "127.0.0.1")
        assert finish(first) == content(1)
        assert second.reply()[0] == 229
        second.send("RETR f2")
        second.data = call(server, "127.0.0.1")
        assert finish(second) == content(2)
        # Who changes his mind makes way as well.
        first.command("EPSV", 229)
        second.send("EPSV")
        first.command("ABOR", 225, 226)
        assert second.reply()[0] == 229
        first.send("EPSV")
        second.close()
        assert first.reply()[0] == 229


def test_under_tls_the_session_tells_whose_call_it_is(encrypted):
    """The calls come in the other order, and from one address."""
    server = encrypted()
    sessions = [ftp.Session(server.port, tls=ftp.tls_context()).login() for _ in range(3)]
    for i, s in enumerate(sessions):
        s.command("EPSV", 229)
        s.send(f"RETR f{i}")
    for i, s in reversed(list(enumerate(sessions))):
        s.data = call(server, "127.0.0.1")
        assert finish(s) == content(i)
        s.close()


def test_a_call_that_proves_nothing_is_nobodys(encrypted):
    server = encrypted(accept_timeout=2)
    sessions = [ftp.Session(server.port, tls=ftp.tls_context()).login() for _ in range(2)]
    for s in sessions:
        s.command("EPSV", 229)
        s.send("RETR f1")
        assert s.reply()[0] == 150
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        stray = ftp.tls_context().wrap_socket(call(server, "127.0.0.1"))
        assert stray.recv(1) != b""
    for s in sessions:
        code, lines = s.reply()
        assert code == 425 and b"resume the TLS session" in lines[-1], lines
        s.close()


def test_a_lone_session_may_do_without_when_the_administrator_says_so(encrypted):
    for reuse, code in (("YES", 522), ("NO", 226)):
        server = encrypted(require_ssl_reuse=reuse)
        with ftp.Session(server.port, tls=ftp.tls_context()) as s:
            s.reuse = False
            s.login()
            s.command("EPSV", 229)
            s.send("RETR f1")
            s.data = call(server, "127.0.0.1")
            assert s.reply()[0] == 150
            if code == 226:
                assert s.read_data() == content(1)
            else:
                s.secure_data()
            assert s.reply()[0] == code
        server.stop()


def test_the_level_of_protection_belongs_to_the_call(encrypted):
    with ftp.Session(encrypted().port, tls=ftp.tls_context()) as s:
        s.login()
        s.command("EPSV", 229)
        s.command("PROT C", 200)
        s.command("RETR f1", 425)
        s.private = False
        assert s.retrieve("RETR f1") == content(1)
        s.command("EPSV", 229)
        s.protect()
        assert s.retrieve("RETR f1") == content(1)


def test_after_a_reload_one_address_has_sessions_with_two_crews(encrypted):
    """No worker knows the other's TLS sessions: they take turns, and no call is lost."""
    server = encrypted()
    old = ftp.Session(server.port, tls=ftp.tls_context()).login()
    os.kill(server.pid, signal.SIGHUP)
    server.wait_log("reload=done")
    new = ftp.Session(server.port, tls=ftp.tls_context()).login()
    for first, second in ((old, new), (new, old)):
        first.command("EPSV", 229)
        second.send_raw(b"NOOP\r\nEPSV\r\n")
        assert second.reply()[0] == 200
        if second is new:
            # The master has sent its worker this session behind whatever it had to say about EPSV.
            with ftp.Session(server.port) as s:
                assert s.reply()[0] == 220
            assert select.select([second.sock], [], [], 0)[0] == []
        first.send("RETR f1")
        first.data = call(server, "127.0.0.1")
        assert finish(first) == content(1)
        assert second.reply()[0] == 229
        second.send("RETR f2")
        second.data = call(server, "127.0.0.1")
        assert finish(second) == content(2)
    for s in (old, new):
        s.close()


def given_up(server):
    call(server, "127.0.0.1").close()


@pytest.mark.parametrize("who", ["its own", "another's"])
def test_a_call_that_its_client_gave_up_is_not_the_next_ones(served, who):
    """The master is busy meanwhile, and hears of the next EPSV before it comes to the call."""
    server = served()
    with ftp.Session(server.port) as s, ftp.Session(server.port) as other, ftp.Session(server.port) as busy:
        for session in (s, other, busy):
            session.login()
        s.command("EPSV", 229)
        heir = s if who == "its own" else other
        os.kill(server.pid, signal.SIGSTOP)
        try:
            busy.command("PORT 192,0,2,1,200,1", 500)  # a failure, which its worker tells the master
            given_up(server)
            if heir is other:
                s.command("ABOR", 225, 226)
            # All that can be said before the port is told is said when NOOP is answered.
            heir.send_raw(b"NOOP\r\nEPSV\r\n")
            assert heir.reply()[0] == 200
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert heir.reply()[0] == 229
        heir.send("RETR f1")
        heir.data = call(server, "127.0.0.1")
        assert finish(heir) == content(1)


def test_a_handshake_that_was_given_up_is_not_the_next_ones(encrypted):
    """It proves whose the call is, and comes when its EPSV does not count any more."""
    server = encrypted()
    with ftp.Session(server.port, tls=ftp.tls_context()) as s:
        s.login()
        s.command("EPSV", 229)
        early = call(server, "127.0.0.1")
        s.command("EPSV", 229)
        stray = s.tls.wrap_socket(early, session=s.sock.session)
        s.send("RETR f1")
        try:
            assert stray.recv(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            pass
        s.data = call(server, "127.0.0.1")
        assert finish(s) == content(1)


def test_a_reload_may_change_the_port(served):
    server = served()
    with ftp.Session(server.port) as old:
        old.login()
        assert old.retrieve("RETR f1") == content(1)
        config = server.directory / "ferryd.conf"
        other = free_port()
        config.write_text(config.read_text().replace(str(server.passive_port), str(other)))
        os.kill(server.pid, signal.SIGHUP)
        server.wait_log("reload=done")
        with ftp.Session(server.port) as new:
            new.login()
            assert new.passive() == other
            new.send("RETR f2")
            assert finish(new) == content(2)
    with pytest.raises(ConnectionRefusedError):
        call(server, "127.0.0.1")


def test_a_reload_with_a_port_that_cannot_be_had_is_refused(served):
    server = served()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        config = server.directory / "ferryd.conf"
        config.write_text(config.read_text().replace(str(server.passive_port), str(taken.getsockname()[1])))
        os.kill(server.pid, signal.SIGHUP)
        assert "another server runs there" in server.wait_log("reload=refused")
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR f2") == content(2)


def test_a_worker_that_dies_takes_its_calls_along(served):
    server = served()
    server.clean = False
    with ftp.Session(server.port) as s:
        s.login()
        s.command("EPSV", 229)
        for pid in server.children("ferryd-worker"):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_closed(s.sock), "the session goes on")
    assert is_closed(call(server, "127.0.0.1"))

    def lets_in():
        with ftp.Session(server.port) as s:
            return s.reply()[0] == 220

    wait_until(lets_in, "no new worker")
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR f1") == content(1)
