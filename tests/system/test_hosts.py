"""[host] and [network]: one server that is another one by the name it is asked for (HOST, SNI) and by where the
client comes from."""
import contextlib
import hashlib
import os
import signal
import ssl
import subprocess

import pytest

from harness import certs
from harness.ftp import Session, tls_context
from harness.server import free_port

VERSIONS = ["1.2", "1.3"]
NAMES = {"": "head", "a.example": "a", "b.example": "b"}


def fill(directory):
    """A root for each host, with a file that tells which it is."""
    for name in ("a", "b"):
        (directory / name).mkdir()
        (directory / name / "whose").write_text(name)
        (directory / name).chmod(0o777)
    for path in (directory, directory.parent):
        path.chmod(0o755)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    return {name: {kind: certs.make(directory, f"{name}-{kind}", kind, host=f"{name}.example") for kind in ("rsa", "ec")}
            for name in ("head", "a", "b")}


@pytest.fixture
def start(ferryd, tmp_path):
    """A server with two hosts; more: lines behind the options of each."""
    fill(tmp_path)

    def begin(a="", b="", more="", **options):
        sections = (f"[host a.example]\nanon_root={tmp_path}/a\nftpd_banner=This is a.\n{a}\n"
                    f"[host b.example]\nanon_root={tmp_path}/b\n{b}\n{more}\n")
        options.setdefault("ftpd_banner", "This is the head.")
        server = ferryd(options=options, sections=sections,
                        tree=lambda root: (root / "whose").write_text("head"))
        server.hosts = tmp_path
        return server
    return begin


@pytest.fixture
def secure(start, keys):
    def begin(a="", b="", more="", **options):
        def lines(name, kind="ec"):
            return f"{kind}_cert_file={keys[name][kind][0]}\n{kind}_private_key_file={keys[name][kind][1]}\n"
        options = {"ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": keys["head"]["ec"][0],
                   "rsa_private_key_file": keys["head"]["ec"][1], **options}
        return start(lines("a") + lines("a", "rsa") + a, lines("b") + b, more, **options)
    return begin


def digest(pair):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair[0].read_text())).hexdigest()


def shown(s):
    return hashlib.sha256(s.sock.getpeercert(binary_form=True)).hexdigest()


def connect(server, **kwargs):
    s = Session(server.port, **kwargs)
    s.greeting = s.reply()[1]
    return s


def anonymous(s):
    s.command("USER anonymous", 331)
    s.command("PASS x@", 230)
    s.command("TYPE I", 200)
    return s


def whose(s, how="EPSV"):
    return s.retrieve("RETR whose", how).decode()


# ---- HOST ----

def test_host_chooses_root_greeting_and_rights(start):
    server = start(a="write_enable=YES\nanon_upload_enable=YES\n")
    with connect(server) as s:
        assert s.greeting == [b"220 This is the head."]
        assert whose(anonymous(s)) == "head"
        s.passive()
        s.command("STOR x", 553)
    with connect(server) as s:
        assert s.command("HOST A.Example.", 220)[1] == [b"220 This is a."]
        anonymous(s)
        assert whose(s) == "a"
        s.store("STOR new", b"new")
        assert (server.hosts / "a/new").read_bytes() == b"new"
    with connect(server) as s:
        assert s.command("HOST b.example", 220)[1] == [b"220 This is the head."]
        assert whose(anonymous(s)) == "b"
    assert "host name=a.example" in server.log_text()


def test_another_host_counts_until_user_and_rein_undoes_it(start):
    server = start()
    with connect(server) as s:
        s.command("HOST a.example", 220)
        s.command("HOST b.example", 220)
        s.command("HOST c.example", 504)   # changes nothing
        assert whose(anonymous(s)) == "b"
        s.command("HOST a.example", 503)
        s.command("REIN", 220)
        assert whose(anonymous(s)) == "head"
        s.command("REIN", 220)
        s.command("HOST a.example", 220)
        s.command("HOST 127.0.0.1", 220)   # the address is the head's
        assert whose(anonymous(s)) == "head"


def test_a_host_without_anonymous(start):
    server = start(a="anonymous_enable=NO\nlocal_enable=YES\n", delay_failed_login=0)
    with connect(server) as s:
        s.command("HOST a.example", 220)
        s.command("USER anonymous", 331)
        s.command("PASS x@", 530)
        s.command("HOST b.example", 220)
        assert whose(anonymous(s)) == "b"


def test_options_of_a_host_in_the_session(start):
    server = start(a="pasv_enable=NO\ncmds_denied=MKD\nmdtm_write=NO\n", b="idle_session_timeout=40\n")
    with connect(server) as s:
        s.command("HOST a.example", 220)
        anonymous(s)
        s.command("EPSV", 502)
        assert s.command("MKD x")[0] == 550
        assert b" MFMT" not in s.command("FEAT", 211)[1]
    with connect(server) as s:
        s.command("HOST b.example", 220)
        anonymous(s)
        s.command("SITE IDLE 41", 501)
        s.command("SITE IDLE 40", 200)
        s.command("REIN", 220)
        anonymous(s)
        s.command("SITE IDLE 41", 200)


def test_the_name_of_the_head(start):
    server = start(ssl_sni_hostname="ftp.example")
    with connect(server) as s:
        s.command("HOST other.example", 504)
        s.command("HOST ftp.example", 220)
        assert whose(anonymous(s)) == "head"


# ---- SNI ----

@pytest.mark.parametrize("version", VERSIONS)
def test_sni_chooses_certificate_and_host(secure, keys, version):
    server = secure()
    for name, which in (("a.example", "a"), ("B.EXAMPLE", "b"), ("other.example", "head"), ("", "head")):
        with connect(server, tls=tls_context(version=version), name=name) as s:
            s.secure()
            assert shown(s) == digest(keys[which]["ec"])
            anonymous(s)
            for how in ("EPSV", "PASV", "PORT", "EPRT", "EPSV", "EPSV"):
                assert whose(s, how) == which
            assert s.data is None or s.data.session_reused


@pytest.mark.parametrize("name,which", [("a.example", "a"), ("b.example", "b")])
def test_the_certificate_is_good_for_the_name(secure, keys, name, which):
    server = secure()
    context = ssl.create_default_context(cafile=keys[which]["ec"][0])
    with connect(server, tls=context, name=name) as s:
        s.secure()
        assert whose(anonymous(s)) == which


def test_rsa_and_ecdsa_of_one_host(secure, keys):
    server = secure()
    rsa = tls_context(version="1.2")
    rsa.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with connect(server, tls=rsa, name="a.example") as s:
        s.secure()
        assert shown(s) == digest(keys["a"]["rsa"])
        assert whose(anonymous(s)) == "a"
    # b has ECDSA only: the head's RSA, if it had one, would be another host's
    with connect(server, tls=rsa, name="b.example") as s:
        with pytest.raises(ssl.SSLError):
            s.secure()


def test_uploads_and_many_transfers_under_a_host(secure, keys):
    server = secure(a="write_enable=YES\nanon_upload_enable=YES\n")
    with connect(server, tls=tls_context(version="1.3"), name="a.example") as s:
        anonymous(s.secure())
        for i in range(20):
            s.store(f"STOR f{i}", os.urandom(3000))
            assert len(s.retrieve("RETR whose")) == 1
    assert "session not resumed" not in server.log_text()


def test_sessions_without_tickets(secure):
    """TLS 1.2 with a session's number: kept in one place for all hosts."""
    server = secure()
    context = tls_context(version="1.2")
    context.options |= ssl.OP_NO_TICKET
    with connect(server, tls=context, name="b.example") as s:
        anonymous(s.secure())
        for _ in range(3):
            assert whose(s) == "b"


def test_implicit_tls_greets_as_the_host(secure, keys):
    server = secure(implicit_ssl="YES")
    for name, which, greeting in (("a.example", "a", b"220 This is a."), ("x.example", "head", b"220 This is the head.")):
        with connect(server, tls=tls_context(), name=name, implicit=True) as s:
            assert s.greeting == [greeting]
            assert shown(s) == digest(keys[which]["ec"])
            assert whose(anonymous(s)) == which
            s.command("REIN", 220)  # under TLS still, and at the same host
            assert whose(anonymous(s)) == which


def test_rein_behind_ccc_has_no_name_left(secure):
    server = secure(implicit_ssl="YES", ssl_ccc_enable="YES")
    with connect(server, tls=tls_context(), name="a.example", implicit=True) as s:
        anonymous(s)
        s.command("CCC", 200)
        s.sock = s.sock.unwrap()
        s.private = False
        s.command("REIN", 220)
        anonymous(s)
        s.command("PWD", 257)


@pytest.mark.parametrize("version", VERSIONS)
def test_data_connections_behind_ccc(secure, version):
    server = secure(ssl_ccc_enable="YES")
    for name, host, which in (("a.example", None, "a"), ("", "b.example", "b")):
        with connect(server, tls=tls_context(version=version), name=name) as s:
            s.secure()
            if host:
                s.command(f"HOST {host}", 220)
            anonymous(s)
            session = s.sock.session
            s.command("CCC", 200)
            s.sock = s.sock.unwrap()
            s.passive()
            s.command("RETR whose", 150)
            s.data = s.tls.wrap_socket(s.data, server_hostname=name or None, session=session)
            assert s.read_data().decode() == which
            assert s.reply()[0] == 226


def test_strict_names(secure, keys):
    server = secure(ssl_sni_hostname="head.example")
    for name, which in (("head.example", "head"), ("a.example", "a")):
        with connect(server, tls=tls_context(), name=name) as s:
            assert shown(s.secure()) == digest(keys[which]["ec"])
    for name in ("other.example", ""):
        with connect(server, tls=tls_context(), name=name) as s:
            with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
                s.secure()


def s_client(server, *args):
    return subprocess.run(["openssl", "s_client", "-starttls", "ftp", "-connect", f"127.0.0.1:{server.port}", *args],
                          input="QUIT\r\n", capture_output=True, text=True, timeout=20).stdout


def test_openssl_sees_the_same(secure):
    server = secure()
    assert "CN = a-ec" in s_client(server, "-servername", "a.example")
    assert "CN = b-ec" in s_client(server, "-servername", "b.example.")
    assert "CN = a-rsa" in s_client(server, "-servername", "a.example", "-tls1_2", "-cipher", "aRSA")
    # what is no name is not asked for
    for odd in ("a..example", "a.example:21", "x" * 255, "-"):
        assert "CN = head-ec" in s_client(server, "-servername", odd)


# ---- HOST and TLS ----

def test_host_before_auth_chooses_the_certificate(secure, keys):
    server = secure()
    with connect(server, tls=tls_context(), name="") as s:
        s.command("HOST b.example", 220)
        s.secure()
        assert shown(s) == digest(keys["b"]["ec"])
        assert whose(anonymous(s)) == "b"
    # a name in the handshake is more than one in clear
    with connect(server, tls=tls_context(), name="a.example") as s:
        s.command("HOST b.example", 220)
        s.secure()
        assert shown(s) == digest(keys["a"]["ec"])
        assert whose(anonymous(s)) == "a"
        s.command("REIN", 220)


def test_host_behind_auth_must_agree_with_sni(secure):
    server = secure()
    with connect(server, tls=tls_context(), name="a.example") as s:
        s.secure()
        s.command("HOST b.example", 504)
        s.command("HOST 127.0.0.1", 504)
        s.command("HOST nobody.example", 504)
        s.command("HOST A.EXAMPLE.", 220)
        assert whose(anonymous(s)) == "a"
    with connect(server, tls=tls_context(), name="other.example") as s:
        s.secure()
        s.command("HOST b.example", 504)
        assert whose(anonymous(s)) == "head"
    with connect(server, tls=tls_context(), name="") as s:
        s.secure()
        s.command("HOST b.example", 220)
        assert whose(anonymous(s)) == "b"


def test_without_sections_host_must_agree_too(ferryd, keys):
    cert, key = keys["head"]["ec"]
    server = ferryd(options={"ssl_enable": "YES", "allow_anon_ssl": "YES", "rsa_cert_file": cert,
                             "rsa_private_key_file": key})
    with connect(server, tls=tls_context(), name="one.example") as s:
        s.secure()
        s.command("HOST two.example", 504)
        s.command("HOST one.example", 220)


def test_a_host_that_asks_for_certificates(secure, keys, tmp_path):
    authority = certs.make(tmp_path, "ca")
    mine = certs.signed(tmp_path, "me", authority)
    server = secure(b=f"require_cert=YES\nvalidate_cert=YES\nca_certs_file={authority[0]}\n")
    plain, known = tls_context(version="1.2"), tls_context(version="1.2")
    known.load_cert_chain(*mine)
    with connect(server, tls=plain, name="a.example") as s:
        s.secure()
    with connect(server, tls=plain, name="b.example") as s:
        with pytest.raises(ssl.SSLError):
            s.secure()
    with connect(server, tls=known, name="b.example") as s:
        s.secure()
        assert whose(anonymous(s)) == "b"
    # by the back door: TLS with nobody, or resumed from there, then HOST
    with connect(server, tls=plain, name="") as s:
        s.secure()
        s.command("HOST b.example", 504)
        s.command("HOST a.example", 220)


# ---- sessions and tickets ----

def reconnect(server, context, name, session):
    """AUTH TLS with a session of before; the socket."""
    s = connect(server)
    s.command("AUTH TLS", 234)
    s.sock = context.wrap_socket(s.sock, server_hostname=name, session=session)
    s.command("NOOP", 200)
    return s


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_of_one_host_is_none_of_another(secure, version):
    server = secure()
    context = tls_context(version=version)
    with connect(server, tls=context, name="a.example") as s:
        s.secure()
        s.command("NOOP", 200)
        ticket = s.sock.session
    with reconnect(server, context, "a.example", ticket) as s:
        assert s.sock.session_reused
    for name in ("b.example", "other.example"):
        with reconnect(server, context, name, ticket) as s:
            assert not s.sock.session_reused


@pytest.mark.parametrize("version", VERSIONS)
def test_a_data_connection_resumes_its_own_control_connection(secure, version):
    server = secure()
    context = tls_context(version=version)
    with connect(server, tls=context, name="a.example") as s, \
            connect(server, tls=context, name="b.example") as other:
        anonymous(s.secure())
        anonymous(other.secure())
        s.passive()
        s.command("RETR whose", 150)
        with contextlib.suppress(OSError):  # the refusal may be faster than the end of the handshake
            s.data = context.wrap_socket(s.data, server_hostname="a.example", session=other.sock.session)
        assert s.reply()[0] == 522
        s.close_data()
        assert whose(s) == "a" and whose(other) == "b"


@pytest.mark.parametrize("peer", ["same", "resumed"])
@pytest.mark.parametrize("version", VERSIONS)
def test_one_passive_port_for_all_hosts(secure, version, peer):
    """Whose a call is, and so of which host, only its ticket tells."""
    port = free_port()
    server = secure(pasv_min_port=port, pasv_max_port=port, data_peer=peer)
    context = tls_context(version=version)
    with connect(server, tls=context, name="a.example") as a, connect(server, tls=context, name="b.example") as b, \
            connect(server, tls=context, name="") as c, connect(server, tls=context, name="") as head:
        c.command("HOST b.example", 220)
        everybody = [(a, "a"), (b, "b"), (c, "b"), (head, "head")]
        for s, _ in everybody:
            anonymous(s.secure())
        for s, _ in everybody:
            s.passive()
        for s, which in reversed(everybody):
            s.command("RETR whose", 150)
            assert s.read_data().decode() == which
            s.reply()
        for s, which in everybody * 2:
            assert whose(s) == which


# ---- renewed on disk ----

def test_each_host_is_renewed_by_itself(secure, keys, tmp_path):
    files = {}
    for name in ("head", "a", "b"):
        files[name] = (tmp_path / f"{name}.now", tmp_path / f"{name}.key.now")

    def put(name, pair):
        for to, of in zip(files[name], pair):
            to.touch(mode=0o600)
            to.write_bytes(of.read_bytes())

    def certificate(name):
        with connect(server, tls=tls_context(), name=name) as s:
            return shown(s.secure())

    for name in files:
        put(name, keys[name]["ec"])
    lines = {n: f"ec_cert_file={files[n][0]}\nec_private_key_file={files[n][1]}\n" for n in files}
    server = secure(a="rsa_cert_file=\n" + lines["a"], b=lines["b"], rsa_cert_file=files["head"][0],
                    rsa_private_key_file=files["head"][1])
    fresh = {n: certs.make(tmp_path, f"{n}-fresh", host=f"{n}.example") for n in files}
    with connect(server, tls=tls_context(), name="a.example") as old:
        anonymous(old.secure())
        put("a", fresh["a"])
        server.wait_log('keys=renewed host="a.example"')
        assert certificate("a.example") == digest(fresh["a"])
        assert certificate("b.example") == digest(keys["b"]["ec"])
        assert certificate("") == digest(keys["head"]["ec"])
        assert whose(old) == "a"  # with the certificate that it began with
        # one that is of no use harms neither its own host nor another
        files["b"][0].write_text("nothing")
        put("head", fresh["head"])
        server.wait_log('keys=refused host="b.example"')
        server.wait_log('keys=renewed host=""')
        assert certificate("b.example") == digest(keys["b"]["ec"])
        assert certificate("") == digest(fresh["head"])
        assert whose(old) == "a"
        server.children("ferryd-worker")


# ---- networks ----

NEAR = "127.0.0.2"  # whom the sections are about; everybody else comes from 127.0.0.1


def test_the_address_that_pasv_tells(start):
    server = start(a="pasv_address=192.0.2.1\n", pasv_address="192.0.2.9",
                   more=f"[network 127.0.0.0/24]\npasv_address=192.0.2.100\n[network {NEAR}/31]\npasv_address=\n"
                        "[network 127.0.1.0/24]\npasv_address=192.0.2.101")

    def told(source, host=None):
        with connect(server, source=source) as s:
            if host:
                s.command(f"HOST {host}", 220)
            anonymous(s)
            return s.command("PASV", 227)[1][0].split(b"(")[1].rsplit(b",", 2)[0]

    assert told("127.0.2.1") == b"192,0,2,9"
    assert told("127.0.0.1") == b"192,0,2,100"
    assert told(NEAR) == b"127,0,0,1"           # none: our own
    assert told("127.0.1.77") == b"192,0,2,101"
    assert told("127.0.2.1", "a.example") == b"192,0,2,1"
    assert told("127.0.1.77", "a.example") == b"192,0,2,101"  # the network's word is the last


def test_rights_by_network(start):
    server = start(a="anon_upload_enable=YES\n", more=f"[network {NEAR}]\nwrite_enable=YES\n"
                   "[network 127.6.6.0/24]\nanonymous_enable=NO\n", delay_failed_login=0)
    with connect(server, source=NEAR) as s:
        s.command("HOST a.example", 220)
        anonymous(s).store("STOR mine", b"1")
    with connect(server) as s:
        s.command("HOST a.example", 220)
        anonymous(s).passive()
        s.command("STOR other", 553)
    with connect(server, source="127.6.6.6") as s:
        s.command("HOST a.example", 220)
        s.command("USER anonymous", 331)
        s.command("PASS x@", 530)


def test_anonymous_for_one_network_only(start):
    server = start(anonymous_enable="NO", local_enable="YES", delay_failed_login=0,
                   more=f"[network {NEAR}]\nanonymous_enable=YES\n")
    for host, which in ((None, "head"), ("a.example", "a")):
        with connect(server, source=NEAR) as s:
            if host:
                s.command(f"HOST {host}", 220)
            assert whose(anonymous(s)) == which
    with connect(server) as s:
        s.command("USER anonymous", 331)
        s.command("PASS x@", 530)


def test_tls_by_network(secure):
    server = secure(force_anon_logins_ssl="YES", force_anon_data_ssl="YES",
                    more=f"[network {NEAR}]\nforce_anon_logins_ssl=NO\nforce_anon_data_ssl=NO\n")
    with connect(server) as s:
        s.command("USER anonymous", 530)
    with connect(server, source=NEAR) as s:
        assert whose(anonymous(s)) == "head"


def test_sessions_of_one_address_by_network(start):
    server = start(max_per_ip=1, more=f"[network {NEAR}]\nmax_per_ip=2\n")
    with connect(server), connect(server, source=NEAR), connect(server, source=NEAR):
        assert Session(server.port).reply()[0] == 421
        assert Session(server.port, source=NEAR).reply()[0] == 421


def test_ipv6_networks(start):
    server = start(more="[network ::1/128]\nftpd_banner=Six.\n[network 127.0.0.0/8]\nftpd_banner=Four.\n")
    with connect(server, host="::1") as s:
        assert s.greeting == [b"220 Six."]
    with connect(server) as s:
        assert s.greeting == [b"220 Four."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can put another file in the place of /etc/hosts")
def test_a_name_is_looked_up_again(ferryd, tmp_path):
    names = tmp_path / "hosts"
    names.write_text("127.0.0.1 localhost\n192.0.2.1 router.example\n192.0.2.2 inner.example\n")
    prefix = ["unshare", "-m", "sh", "-c", f'mount --bind {names} /etc/hosts && exec "$@"', "sh"]
    server = ferryd(options={"pasv_address": "router.example", "pasv_addr_resolve": "YES", "pasv_addr_refresh": 1},
                    sections=f"[network {NEAR}]\npasv_address=inner.example\n", prefix=prefix)

    def told(**kwargs):
        s = connect(server, **kwargs)
        return anonymous(s), lambda: s.command("PASV", 227)[1][0].split(b"(")[1].rsplit(b",", 2)[0]

    far, far_address = told()
    near, near_address = told(source=NEAR)
    with far, near:
        assert (far_address(), near_address()) == (b"192,0,2,1", b"192,0,2,2")
        names.write_text("192.0.2.7 router.example\n192.0.2.8 inner.example\n")
        server.wait_log("pasv_address name=router.example address=192.0.2.7")
        server.wait_log("pasv_address name=inner.example address=192.0.2.8")
        assert (far_address(), near_address()) == (b"192,0,2,7", b"192,0,2,8")
        # a worker that starts now knows it too
        server.clean = False
        for pid in server.children("ferryd-worker"):
            os.kill(pid, signal.SIGKILL)
        server.wait_log("ended=signal signal=9")
        names.write_text("127.0.0.1 localhost\n")
        server.wait_log("no address just now")
    again, address = told()
    with again:
        assert address() == b"192,0,2,7"


# ---- reading and telling the configuration ----

def run(build, tmp_path, text, *args):
    path = tmp_path / "f.conf"
    path.write_text(text)
    done = subprocess.run([str(build / "ferryd/ferryd"), *args, str(path)], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_show_config_shows_sections(build, tmp_path):
    text = "[host A.example]\nanon_root=/srv/a\n[network 10.0.0.0/8]\n[network ::1]\npasv_enable=NO\n"
    code, out, _ = run(build, tmp_path, text, "--show-config", "--config")
    assert code == 0
    tail = [line for line in out[out.index("\n[host") + 1:].splitlines() if not line.startswith("#")]
    assert tail == ["[host a.example]", "anon_root=/srv/a", "", "[network 10.0.0.0/8]", "", "[network ::1/128]",
                    "pasv_enable=NO"]
    # and what is shown can be read
    code, again, _ = run(build, tmp_path, out, "--show-config", "--config")
    assert code == 0 and again == out


@pytest.mark.parametrize("text,words", [
    ("[host a]\nlisten_port=3\n", "f.conf:2: error: listen_port cannot stand in [host a]: it counts for the whole server"),
    ("[network 10.0.0.0/8]\n\nlocal_root=/x\n", "f.conf:3: error: local_root cannot stand in [network 10.0.0.0/8]: it may "
     "stand in [host] sections"),
    ("#\n[host a]\nanonymous_enable=NO\n", "f.conf:2: error: [host a]: nobody can log in"),
    ("[host a]\n[host a]\n", "f.conf:2: error: [host a] begins in line 1"),
    ("[network 10.0.0.1/8]\n", "f.conf:1: error: [network 10.0.0.1/8] has bits behind its prefix; write 10.0.0.0/8"),
])
def test_check_config_names_the_section(build, tmp_path, text, words):
    code, _, err = run(build, tmp_path, text, "--check-config")
    assert code != 0 and words in err, err


@pytest.mark.parametrize("line,words", [
    ("ec_cert_file=/nowhere/cert", "[host a]: ec_cert_file=/nowhere/cert: No such file"),
    ("banner_file=/nowhere/banner", "[host a]: banner_file=/nowhere/banner: No such file"),
    ("pasv_address=nowhere.invalid\npasv_addr_resolve=YES", "[host a]: pasv_address=nowhere.invalid has no IPv4 address"),
    ("ftp_username=nobody-of-that-name", "[host a]: ftp_username=nobody-of-that-name: no such account"),
])
def test_what_a_section_names_must_be_there(build, tmp_path, keys, line, words):
    if "ftp_username" in line and os.geteuid() != 0:
        pytest.skip("only root serves as another account")
    cert, key = keys["head"]["ec"]
    code, _, err = run(build, tmp_path, f"listen_port=0\nanon_root=/tmp\nssl_enable=YES\nrsa_cert_file={cert}\n"
                       f"rsa_private_key_file={key}\n[host a]\n{line}\n", "--config")
    assert code == 1 and words in err, err


def test_sections_after_a_reload(start):
    server = start()
    config = server.directory / "ferryd.conf"
    text = config.read_text()
    config.write_text(text.replace("This is a.", "Another a.") + f"[host c.example]\nanon_root={server.hosts}/b\n")
    with connect(server) as old:
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("reload=done")
        with connect(server) as s:
            assert s.command("HOST a.example", 220)[1] == [b"220 Another a."]
            s.command("HOST c.example", 220)
            assert whose(anonymous(s)) == "b"
        # who was there before lives in the world of before
        old.command("HOST c.example", 504)
        assert old.command("HOST a.example", 220)[1] == [b"220 This is a."]
        config.write_text(text + "[host a.example]\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("reload=refused")
    with connect(server) as s:
        s.command("HOST c.example", 220)
