"""ferry and TLS: when it encrypts, whom it believes, what it refuses, and that nothing goes in clear by itself."""
import os
import signal
import ssl
import stat
import subprocess

import pytest

from harness.authority import Authority, context, openssl
from harness.fake import FakeServer
from harness.server import BAD_WORDS
from harness.terminal import Terminal

SECONDS = 30
DATA = bytes(range(256)) * 4096
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("server")


@pytest.fixture(scope="module")
def own(authority):
    """Self-signed."""
    return authority.self_signed("own")


class Done:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err
        self.text = (out + err).decode(errors="backslashreplace")
        self.words = " ".join(self.text.split())


@pytest.fixture
def ferry(sanitized, tmp_path):
    program = str(sanitized / "ferry" / "ferry")
    env = {k: v for k, v in os.environ.items() if k not in ("XDG_CONFIG_HOME", "SSL_CERT_FILE")}
    env["HOME"] = str(tmp_path)

    def run(*args, status=0, input=b"", env=env):
        process = subprocess.Popen([program, *map(str, args)], cwd=tmp_path, env=env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        done = Done(process, *process.communicate(input, timeout=SECONDS))
        assert not [w for w in BAD_WORDS if w in done.text], done.text
        assert done.status == status, f"exit status {done.status}, not {status}:\n{done.text}"
        return done

    run.program, run.env = program, env
    run.known = tmp_path / ".config/ferry/known_hosts"
    return run


def url(server, path="", scheme="ftp", host="127.0.0.1"):
    return f"{scheme}://{host}:{server.port}/{path}"


def verbs(server):
    return [c.split()[0] for c in server.commands]


def trusting(authority):
    return "--cacert", authority.file


# ---------------------------------------------------------------- the good way


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@pytest.mark.parametrize("mode", ["passive", "active"])
def test_it_encrypts_where_it_is_offered(ferry, authority, certificate, tmp_path, version, mode):
    """Both ways and a listing in one session; data connections resume the session of the control connection."""
    script = b"get f\nput f up\nget f again\nls\nget f once-more\nbye\n"
    with FakeServer({"f": DATA}, names=[b"a", b"b"], tls=context(certificate, version)) as server:
        done = ferry("--mode", mode, "--anonymous", "-d", *trusting(authority), url(server), input=script)
        assert (tmp_path / "f").read_bytes() == DATA
        assert (tmp_path / "once-more").read_bytes() == DATA
        assert server.uploads == {"up": DATA}
        assert server.notified == [True]
        assert verbs(server)[:7] == ["FEAT", "AUTH", "USER", "PASS", "PBSZ", "PROT", "FEAT"]
        assert "PBSZ 0" in server.commands and "PROT P" in server.commands
        assert server.handshakes == [("control", False)] + [("data", True)] * 5
        name = "TLSv1.2" if version == VERSIONS[0] else "TLSv1.3"
        assert f"Connection encrypted: {name}" in done.text
        assert f"Data connection encrypted: {name}" in done.text and "session resumed" in done.text


def test_implicit(ferry, authority, certificate, tmp_path):
    with FakeServer({"f": DATA}, tls=context(certificate), implicit=True) as server:
        ferry("get", *trusting(authority), url(server, "f", "ftps"))
        assert (tmp_path / "f").read_bytes() == DATA
        assert verbs(server)[:4] == ["USER", "PASS", "PBSZ", "PROT"]
        assert server.handshakes == [("control", False), ("data", True)]


def test_the_explicit_scheme_and_option_ask_without_feat(ferry, authority, certificate):
    for args in (["cat"], ["cat", "--tls"]):
        scheme = "ftpes" if len(args) == 1 else "ftp"
        with FakeServer({"f": b"x"}, tls=context(certificate)) as server:
            done = ferry(*args, *trusting(authority), url(server, "f", scheme))
            assert done.out == b"x"
            assert verbs(server)[0] == "AUTH"


def test_large_uploads_and_small_files(ferry, authority, certificate, tmp_path):
    big = os.urandom(3_000_001)
    (tmp_path / "big").write_bytes(big)
    (tmp_path / "empty").write_bytes(b"")
    with FakeServer({"nothing": b""}, tls=context(certificate)) as server:
        ferry("put", *trusting(authority), "big", "empty", url(server))
        assert server.uploads == {"big": big, "empty": b""}
        ferry("get", *trusting(authority), url(server, "nothing"))
        assert (tmp_path / "nothing").read_bytes() == b""


def test_the_narration_tells_of_the_encryption(ferry, authority, certificate):
    with FakeServer({"f": DATA}, tls=context(certificate)) as server:
        done = ferry("get", "--explain", *trusting(authority), url(server, "f"))
    assert "the command connection is encrypted from here on: TLSv1.3" in done.words
    assert "an authority that this machine trusts vouches for its certificate" in done.words
    assert "can no longer do so" in done.words
    assert "the data connection is encrypted: TLSv1.3" in done.words
    assert "The session of the command connection goes on here" in done.words


def test_status_and_secure_at_the_prompt(ferry, authority, certificate):
    with FakeServer(tls=context(certificate)) as server:
        done = ferry("--anonymous", *trusting(authority), url(server), status=1,
                     input=b"secure\nstatus\nquote PROT C\nquote CCC\n")
        assert done.text.count("Encrypted: TLSv1.3, ") == 2
        assert f"SHA256:{authority.pin('server')}; an authority vouches for it." in done.text
        assert "PROT is not sent as it is" in done.text and "CCC is not sent as it is" in done.text
        assert "PROT C" not in server.commands and "CCC" not in server.commands
    with FakeServer() as server:
        done = ferry("--anonymous", url(server), input=b"secure\nquote AUTH TLS\n", status=1)
        assert "Not encrypted" in done.text and "AUTH is not sent as it is" in done.text


# ---------------------------------------------------------------- never in clear by itself


def test_a_server_without_it_gets_no_auth(ferry):
    with FakeServer({"f": b"x"}) as server:
        assert ferry("cat", url(server, "f")).out == b"x"
        assert "AUTH" not in verbs(server)
    assert not ferry.known.exists()


@pytest.mark.parametrize("args, scheme", [(["--tls"], "ftp"), ([], "ftpes")])
def test_encryption_that_was_asked_for_is_had_or_nothing(ferry, args, scheme):
    with FakeServer({"f": b"x"}) as server:
        done = ferry("cat", *args, url(server, "f", scheme), status=11)
        assert "does not encrypt: to AUTH TLS it said 502" in done.text
        assert verbs(server) == ["AUTH"]


def test_an_offer_that_cannot_be_kept_now(ferry):
    with FakeServer({"f": b"x"}, features=["AUTH TLS"], replies={"AUTH": "431 not now"}) as server:
        done = ferry("cat", url(server, "f"), status=11)
        assert "does not encrypt now, although it offers to" in done.text and "431 not now" in done.text
        assert verbs(server) == ["FEAT", "AUTH"]


def test_an_offer_that_is_none(ferry):
    """Pure-FTPd and IIS without a certificate: anonymous is served as before, but not in silence; a password is not told."""
    with FakeServer({"f": b"x"}, features=["AUTH TLS"], replies={"AUTH": "500 not implemented"}) as server:
        done = ferry("cat", url(server, "f"))
        assert done.out == b"x"
        assert "Warning: 127.0.0.1 offers encryption and then refuses it (500 not implemented)" in done.text
        ferry("cat", "--tls", url(server, "f"), status=11)
    with FakeServer({"f": b"x"}, features=["AUTH TLS"], replies={"AUTH": "500 not implemented"}) as server:
        named = url(server, "f").replace("//", "//joe:secret@")
        done = ferry("cat", named, status=11)
        assert "the password of joe is not sent in clear. --plain sends it all the same" in done.text
        assert verbs(server) == ["FEAT", "AUTH", "QUIT"]
        assert ferry("cat", "--plain", named).out == b"x"
    # What one server did is not held against the next one.
    with FakeServer({"f": b"x"}, features=["AUTH TLS"], replies={"AUTH": "500 not implemented"}) as server, \
            FakeServer({"f": b"y"}) as other:
        named = url(other, "f").replace("//", "//joe:secret@")
        assert ferry("cat", url(server, "f"), named).out == b"xy"
        public = url(server).replace("//", "//anonymous:x@", 1)
        seen = len(verbs(other))
        ferry(input=f"open {public}\nclose\nopen {named[:-1]}\n".encode())
        assert "PASS" in verbs(other)[seen:]


@pytest.mark.parametrize("feature, offers", [
    ("AUTH TLS", True), ("AUTH SSL;TLS;", True), ("AUTH TLS;TLS-C;SSL;", True), ("auth tls", True),
    ("AUTH SSL", False), ("AUTH XTLS", False), ("AUTHTLS", False), ("X AUTH TLS", False)])
def test_what_counts_as_an_offer(ferry, feature, offers):
    with FakeServer({"f": b"x"}, features=[feature], replies={"AUTH": "500 no"}) as server:
        ferry("cat", url(server, "f"))
        assert ("AUTH" in verbs(server)) == offers


def test_a_server_that_ever_encrypted_must_go_on_so(ferry, authority, certificate):
    """A stripped FEAT is not obeyed; --plain is the user's word."""
    with FakeServer({"f": b"x"}, tls=context(certificate)) as server:
        ferry("cat", *trusting(authority), url(server, "f"))
        port = server.port
    assert ferry.known.read_text() == f"127.0.0.1 {port} tls\n"
    assert stat.S_IMODE(ferry.known.stat().st_mode) == 0o600
    with FakeServer({"f": b"x"}, port=port) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert "It did before" in done.text and "--plain" in done.text
        assert verbs(server) == ["AUTH"]
        assert ferry("cat", "--plain", url(server, "f")).out == b"x"
        assert ferry("cat", "--known-hosts", "none", url(server, "f")).out == b"x"


def test_plain_is_obeyed(ferry, certificate):
    with FakeServer({"f": b"x"}, tls=context(certificate)) as server:
        assert ferry("cat", "--plain", url(server, "f")).out == b"x"
        assert verbs(server)[0] == "USER" and "AUTH" not in verbs(server)
        done = ferry("cat", "--plain", url(server, "f", "ftps"), status=1)
        assert "contradict" in done.text


def test_bytes_in_clear_behind_234(ferry, authority, certificate):
    with FakeServer({"f": b"x"}, tls=context(certificate), injected=b"230 you are in\r\n") as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert "went on in clear" in done.text
        assert verbs(server) == ["FEAT", "AUTH"]


def test_files_in_clear_are_refused(ferry, authority, certificate):
    with FakeServer({"f": b"x"}, tls=context(certificate), replies={"PROT": "534 only C"}) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert "encrypts commands but not files" in done.text
        assert "RETR" not in verbs(server)


def test_a_data_connection_in_clear(ferry, authority, certificate):
    """The server says yes to PROT P and then sends as it likes."""
    def lie(session, arg):
        return "200 ok"
    with FakeServer({"f": DATA}, tls=context(certificate), replies={"PROT": lie}) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert done.out == b""
        assert "TLS" in done.text


# ---------------------------------------------------------------- whom it believes


def test_an_expired_certificate(ferry, authority):
    with FakeServer(tls=context(authority.issue("expired", days=-1))) as server:
        done = ferry("ls", *trusting(authority), url(server), status=12)
        assert "expired on 20" in done.text and "administrator has to renew it" in done.text
        assert "USER" not in verbs(server)


def test_another_hosts_certificate(ferry, authority):
    with FakeServer(tls=context(authority.issue("other", "DNS:ftp.example.com"))) as server:
        done = ferry("ls", *trusting(authority), url(server), status=12)
        assert "is for ftp.example.com" in done.text
        assert "USER" not in verbs(server)


def test_the_name_is_checked_not_only_the_address(ferry, authority):
    with FakeServer(tls=context(authority.issue("named", "DNS:localhost"))) as server:
        ferry("ls", *trusting(authority), url(server, host="localhost"))
        ferry("ls", *trusting(authority), url(server), status=12)


def test_an_unknown_authority_and_a_self_signed_one(ferry, certificate, own, authority):
    with FakeServer(tls=context(certificate)) as server:
        done = ferry("ls", url(server), status=12)
        assert "issued by an authority that is not known here: CN = Test Authority" in done.text
    with FakeServer(tls=context(own)) as server:
        done = ferry("ls", url(server), status=12)
        assert "self-signed" in done.text
        assert f"SHA256:{authority.pin('own')}" in done.text and "--accept-new" in done.text
        assert "USER" not in verbs(server)
    assert not ferry.known.exists()


def test_a_pin(ferry, authority, own):
    pin = authority.pin("own")
    with FakeServer({"f": b"x"}, tls=context(own)) as server:
        assert ferry("cat", "--pin", "SHA256:" + pin, url(server, "f")).out == b"x"
        done = ferry("cat", "--pin", authority.pin("ca"), url(server, "f"), status=12)
        assert "not the pinned one" in done.text and pin in done.text
        assert ferry("cat", "--pin", "12", url(server, "f"), status=1).text.count("SHA-256") == 1


def test_a_pin_beats_an_authority(ferry, authority, certificate):
    with FakeServer(tls=context(certificate)) as server:
        ferry("ls", *trusting(authority), "--pin", "0" * 64, url(server), status=12)


def test_trust_on_first_use(ferry, authority, own, tmp_path):
    pin = authority.pin("own")
    with FakeServer({"f": b"x"}, tls=context(own)) as server:
        port = server.port
        assert ferry("cat", "--accept-new", url(server, "f")).out == b"x"
        assert ferry.known.read_text() == f"127.0.0.1 {port} sha256 {pin}\n"
        assert stat.S_IMODE(ferry.known.stat().st_mode) == 0o600
        # From now on it is known.
        assert ferry("cat", url(server, "f")).out == b"x"
    impostor = authority.self_signed("impostor")
    with FakeServer({"f": b"x"}, tls=context(impostor), port=port) as server:
        for args in ([], ["--accept-new"]):
            done = ferry("cat", *args, url(server, "f"), status=12)
            assert "is not the one that you accepted" in done.text
        assert "USER" not in verbs(server)
    assert ferry.known.read_text() == f"127.0.0.1 {port} sha256 {pin}\n"


@pytest.mark.parametrize("answer", ["yes", "no", "y"])
def test_a_person_is_asked(ferry, authority, own, tmp_path, answer):
    with FakeServer({"f": b"x"}, tls=context(own)) as server:
        with Terminal(ferry.program, "get", url(server, "f"), cwd=tmp_path) as t:
            t.wait(authority.pin("own"))
            t.wait("(yes/no)? ")
            t.line(answer)
            assert t.end() == (0 if answer == "yes" else 12)
        assert ("USER" in verbs(server)) == (answer == "yes")
    assert ferry.known.exists() == (answer == "yes")


def test_other_lines_of_the_known_hosts_file_survive(ferry, own, authority):
    ferry.known.parent.mkdir(parents=True)
    ferry.known.write_text("# mine\nftp.example.com 21 tls")
    with FakeServer(tls=context(own)) as server:
        ferry("ls", "--accept-new", url(server))
        assert ferry.known.read_text() == (f"# mine\nftp.example.com 21 tls\n127.0.0.1 {server.port} sha256 "
                                           f"{authority.pin('own')}\n")
    assert os.listdir(ferry.known.parent) == ["known_hosts"]


def test_a_known_hosts_file_that_is_not_understood(ferry):
    ferry.known.parent.mkdir(parents=True)
    ferry.known.write_text("a 21 tls\nb 21 perhaps\n")
    with FakeServer() as server:
        done = ferry("ls", url(server), status=7)
        assert "line 2 is not understood" in done.text
        assert server.commands == []


# ---------------------------------------------------------------- the data connection


@pytest.mark.parametrize("verb", ["RETR", "LIST"])
def test_a_download_without_an_end_is_cut_off(ferry, authority, certificate, tmp_path, verb):
    with FakeServer({"f": DATA}, names=[b"a"], tls=context(certificate), cut=True) as server:
        if verb == "RETR":
            done = ferry("get", *trusting(authority), url(server, "f"), status=6)
            assert not (tmp_path / "f").exists()
        else:
            done = ferry("ls", "-l", *trusting(authority), url(server), status=6)
        assert "close_notify" in done.text


def test_a_data_connection_of_somebody_else(ferry, authority, certificate, own):
    with FakeServer({"f": b"x"}, tls=context(certificate), data_tls=context(own)) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=12)
        assert "another certificate than the control connection" in done.text
        assert done.out == b""


def test_a_data_connection_that_does_not_resume_but_has_the_same_key(ferry, authority, certificate):
    with FakeServer({"f": b"x"}, tls=context(certificate), data_tls=context(certificate)) as server:
        done = ferry("cat", "-v", *trusting(authority), url(server, "f"))
        assert done.out == b"x" and "session resumed" not in done.text
        assert server.handshakes[-1] == ("data", False)


def test_many_transfers_on_tickets(ferry, authority, certificate, tmp_path):
    """Each data connection resumes, however many there are."""
    script = b"".join(b"get f g%d\n" % i for i in range(60))
    with FakeServer({"f": b"x"}, tls=context(certificate, VERSIONS[1])) as server:
        ferry("--anonymous", *trusting(authority), url(server), input=script)
        assert server.handshakes[1:] == [("data", True)] * 60


def test_a_transfer_that_is_stopped_leaves_the_session_usable(ferry, authority, certificate, tmp_path):
    """A local file that cannot be written ends the download; the next one resumes all the same."""
    script = b"get f no/such/dir\nget f good\n"
    with FakeServer({"f": DATA}, tls=context(certificate)) as server:
        ferry("--anonymous", *trusting(authority), url(server), input=script, status=7)
        assert (tmp_path / "good").read_bytes() == DATA
        assert {h for h in server.handshakes if h[0] == "data"} == {("data", True)}


# ---------------------------------------------------------------- certificates of our own


def test_a_client_certificate(ferry, authority, certificate):
    mine = authority.issue("me")
    wants = context(certificate, client_authority=authority.file)
    with FakeServer({"f": b"x"}, tls=wants) as server:
        assert ferry("cat", *trusting(authority), "--cert", mine[0], "--key", mine[1], url(server, "f")).out == b"x"
    with FakeServer({"f": b"x"}, tls=context(certificate, VERSIONS[0], authority.file)) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert "no encrypted connection" in done.text
    with FakeServer({"f": b"x"}, tls=wants) as server:
        done = ferry("cat", *trusting(authority), "--cert", "nowhere.pem", url(server, "f"), status=7)
        assert "your certificate nowhere.pem" in done.text


def test_a_key_with_a_passphrase(ferry, authority, certificate, tmp_path):
    cert, key = authority.issue("locked")
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:open sesame", "-out", locked)
    wants = context(certificate, client_authority=authority.file)
    with FakeServer({"f": b"x"}, tls=wants) as server:
        with Terminal(ferry.program, "get", *trusting(authority), "--cert", cert, "--key", locked, url(server, "f"),
                      cwd=tmp_path) as t:
            t.wait("Passphrase of your key: ")
            t.line("open sesame")
            assert t.end() == 0
            assert "sesame" not in t.seen()
    assert (tmp_path / "f").read_bytes() == b"x"


# ---------------------------------------------------------------- what is stopped and what stands still


def test_a_stopped_upload_does_not_look_whole(ferry, authority, certificate, tmp_path):
    """No close_notify and no orderly end: the server cannot take the part for the file."""
    (tmp_path / "big").write_bytes(b"b" * 50_000_000)
    ends = []

    def slowly(session, arg):
        session.connect()
        session.say("150 go on")
        session.protect()
        session.data.recv(1000)
        with session.server.changed:
            session.server.commands.append("GOT SOME")
            session.server.changed.notify_all()
        session.server.released.wait(SECONDS)
        try:
            while session.data.recv(65536):
                pass
            ends.append("orderly")
        except OSError as e:
            ends.append(type(e).__name__)
        return "426 what was that"

    with FakeServer(tls=context(certificate), replies={"STOR": slowly}) as server:
        process = subprocess.Popen([ferry.program, "put", *map(str, trusting(authority)), "big", url(server)],
                                   cwd=tmp_path, env=ferry.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        server.wait_command("GOT SOME")
        process.send_signal(signal.SIGINT)
        server.release()
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 130, err
    # How Python calls it depends on where the reset finds it.
    assert ends in (["ConnectionResetError"], ["SSLEOFError"])


def test_a_data_handshake_that_never_ends(ferry, authority, certificate):
    def silence(session, arg):
        session.connect()
        return "150 here it comes"
    with FakeServer({"f": b"x"}, tls=context(certificate), replies={"RETR": silence}) as server:
        done = ferry("cat", "-T", "1", *trusting(authority), url(server, "f"), status=8)
        assert "stood still" in done.text


def test_a_data_handshake_that_breaks_off(ferry, authority, certificate):
    def leave(session, arg):
        session.connect()
        session.say("150 here it comes")
        session.data.recv(10)
        session.data.close()
        return "226 done"
    with FakeServer({"f": b"x"}, tls=context(certificate), replies={"RETR": leave}) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=11)
        assert "data connection" in done.text and done.out == b""


def test_the_servers_reason_for_refusing_a_data_connection_is_told(ferry, authority, certificate):
    def refuse(session, arg):
        session.connect()
        session.say("150 here it comes")
        session.data.close()
        return "522 the session was not resumed"
    with FakeServer({"f": b"x"}, tls=context(certificate), replies={"RETR": refuse}) as server:
        done = ferry("cat", *trusting(authority), url(server, "f"), status=5)
        assert "522 the session was not resumed" in done.text


# ---------------------------------------------------------------- servers that fail


def test_a_server_that_is_no_tls_server(ferry):
    with FakeServer() as server:
        done = ferry("ls", "-T", "5", url(server, scheme="ftps"), status=11)
        assert "no encrypted connection" in done.text


def test_a_handshake_that_never_ends(ferry):
    """Silence behind the 234 ends after the reply's time."""
    with FakeServer(features=["AUTH TLS"], replies={"AUTH": "234 go on"}) as server:
        server.hold.add("greeting")
        server.release()
        done = ferry("ls", "-T", "1", url(server), status=8)
        assert "did not answer AUTH TLS" in done.text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_not_spoken(ferry, authority, certificate):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.load_cert_chain(*certificate)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with FakeServer(tls=old) as server:
        done = ferry("ls", *trusting(authority), url(server), status=11)
        assert "no encrypted connection" in done.text
