"""ferry get, put, ls and cat: what they do, what they say, how they end."""
import os
import re
import signal
import subprocess

import pytest

from harness.authority import Authority, context
from harness.fake import FakeServer, SilentPort
from harness.server import BAD_WORDS, free_port, wait_until
from harness.terminal import Terminal

USER, PASSWORD = "anna", "s3cret pw%@/:"
QUOTED = "s3cret%20pw%25%40%2F%3A"
SECONDS = 30


def fill(root):
    (root / "f").write_bytes(b"0123456789")
    (root / "report.txt").write_bytes(b"r" * 18432)
    (root / "text").write_bytes(b"one\ntwo\n")
    (root / "it's a name").write_bytes(b"blank")
    (root / "sub").mkdir()
    (root / "sub" / "g").write_bytes(b"g")


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    """Anonymous may read."""
    from harness.server import Ferryd
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, tree=fill)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def writable(ferryd):
    return ferryd(served=True, user=USER, password=PASSWORD, tree=fill)


class Done:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err
        self.text = (out + err).decode(errors="backslashreplace")
        # The narration's lines are broken where they are full.
        self.words = " ".join(self.text.split())


@pytest.fixture
def ferry(sanitized, tmp_path):
    """Runs ferry in tmp_path; ferry.start() only starts it."""
    program = str(sanitized / "ferry" / "ferry")

    def start(*args, env=None, **kwargs):
        kwargs.setdefault("cwd", tmp_path)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([program, *(str(a) for a in args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=dict(os.environ, HOME=str(tmp_path), **(env or {})), **kwargs)

    def run(*args, status=0, input=None, **kwargs):
        if input is not None:
            kwargs["stdin"] = subprocess.PIPE
        process = start(*args, **kwargs)
        done = Done(process, *process.communicate(input, timeout=SECONDS))
        assert not [w for w in BAD_WORDS if w in done.text], done.text
        assert status is None or done.status == status, f"exit status {done.status}, not {status}:\n{done.text}"
        return done

    run.start, run.program = start, program
    return run


def url(server, path="", host="127.0.0.1", login=""):
    return f"ftp://{login}{host}:{server.port}/{path}"


# ---------------------------------------------------------------- exit codes: each one is provoked


def exit_codes():
    text = open(os.path.join(os.path.dirname(__file__), "../../ferry/exitcode.h")).read()
    return {name: int(code) for name, code in re.findall(r"ROW\((\w+), (\d+), ", text)}


def interrupted(ferry, tmp_path):
    with FakeServer({"f": b"x" * 1000}, hold={"data"}) as server:
        process = ferry.start("get", url(server, "f"))
        server.wait_command("RETR")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
        return [process.returncode]


def self_signed(ferry, tmp_path):
    with FakeServer({"f": b"x"}, tls=context(Authority(tmp_path).self_signed("own"))) as server:
        return [ferry("get", url(server, "f"), status=None).status]


def fake(*args, **options):
    """One run of ferry against a FakeServer; SERVER in the arguments is its host and port."""
    def go(ferry, tmp_path):
        with FakeServer({"f": b"0123456789"}, **options) as server:
            where = f"127.0.0.1:{server.port}"
            return [ferry(*(str(a).replace("SERVER", where) for a in args), status=None).status]
    return go


def plain(*runs):
    """Runs of ferry without a server."""
    return lambda ferry, tmp_path: [ferry(*args, status=None).status for args in runs]


PROVOKED = {
    "OK": fake("get", "ftp://SERVER/f"),
    "USAGE": plain(("get",), ("get", "not-a-url"), ("get", "http://x/y"), ("get", "ftp://x/directory/"),
                   ("get", "--frobnicate", "ftp://x/y"), ("get", "-o", "f", "ftp://x/y", "ftp://x/z"), ("put", "f"),
                   ("get", "--mode", "sideways", "ftp://x/y"), ("get", "ftp://x/a%0d%0aDELE%20b"),
                   ("put", "a", "b", "ftp://x/no-directory")),
    "CONNECT": plain(("get", f"ftp://127.0.0.1:{free_port()}/f"), ("ls", "ftp://no.such.host.invalid/")),
    "LOGIN": fake("get", "ftp://anna:wrong@SERVER/f", password="right"),
    "DATA": fake("get", "ftp://SERVER/f", replies={"EPSV": "500 no", "PASV": "500 no"}),
    "REFUSED": fake("get", "ftp://SERVER/nothing"),
    "INCOMPLETE": fake("get", "ftp://SERVER/f", half=True, features=["SIZE"]),
    "LOCAL": fake("get", "-o", "/nonexistent/f", "ftp://SERVER/f"),
    "TIMEOUT": fake("get", "-T", "1", "ftp://SERVER/f", hold={"USER"}),
    "PROTOCOL": fake("get", "ftp://SERVER/f", greeting="SSH-2.0-OpenSSH_9.2"),
    "LATER": fake("get", "ftp://SERVER/f", replies={"RETR": "450 busy"}),
    "TLS": fake("get", "ftpes://SERVER/f"),
    "CERTIFICATE": self_signed,
    "FINDINGS": fake("doctor", "ftp://SERVER/", replies={"SYST": "215 XXXX"}),
    "INTERRUPTED": interrupted,
}


@pytest.mark.parametrize("name", PROVOKED)
def test_exit_codes(ferry, tmp_path, name):
    assert set(PROVOKED[name](ferry, tmp_path)) == {exit_codes()[name]}


def test_every_exit_code_is_provoked():
    assert set(exit_codes()) == set(PROVOKED)


@pytest.mark.parametrize("name, go", [
    ("INCOMPLETE", fake("get", "ftp://SERVER/f", replies={"RETR": None})),
    ("USAGE", fake("get", "ftp://SERVER/..")),
    ("INCOMPLETE", fake("ls", "ftp://SERVER/", replies={"PASS": None})),
    ("LOCAL", fake("put", "no-such-file", "ftp://SERVER/f")),
    ("LOCAL", fake("get", "-o", "/dev/full", "ftp://SERVER/f")),
    ("LOGIN", fake("get", "ftp://SERVER/f", replies={"USER": "530 no"})),
    ("TIMEOUT", fake("get", "-T", "1", "ftp://SERVER/f", hold={"greeting"})),
    ("TIMEOUT", fake("get", "-T", "1", "ftp://SERVER/f", hold={"RETR"})),
    ("LATER", fake("get", "ftp://SERVER/f", greeting="421 too many")),
    ("LATER", fake("put", "/etc/hostname", "ftp://SERVER/x", replies={"STOR": "452 disk full"})),
    ("REFUSED", fake("put", "/etc/hostname", "ftp://SERVER/x", replies={"STOR": "553 no"})),
    ("REFUSED", fake("ls", "ftp://SERVER/nothing", replies={"LIST": "550 no", "CWD": "550 no"})),
], ids=lambda v: v if isinstance(v, str) else "")
def test_more_ways_to_fail(ferry, tmp_path, name, go):
    assert go(ferry, tmp_path) == [exit_codes()[name]]


def test_the_first_failure_decides_and_the_rest_is_done(ferry, server, tmp_path):
    done = ferry("get", url(server, "nothing"), url(server, "f"), f"ftp://127.0.0.1:{free_port()}/x",
                 url(server, "text"), status=5)
    assert (tmp_path / "f").exists() and (tmp_path / "text").exists()
    assert done.text.count("ferry: ftp://") == 2


# ---------------------------------------------------------------- get, put, ls, cat


def test_get(ferry, server, tmp_path):
    done = ferry("get", url(server, "f"), url(server, "sub/g"), url(server, "it's%20a%20name"))
    assert done.text == ""
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    assert (tmp_path / "g").read_bytes() == b"g"
    assert (tmp_path / "it's a name").read_bytes() == b"blank"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "g", "it's a name"]
    ferry("get", "-o", "other", url(server, "f"))
    assert (tmp_path / "other").read_bytes() == b"0123456789"
    assert ferry("get", "-o", "-", url(server, "f"), url(server, "sub/g")).out == b"0123456789g"
    assert ferry("get", "-o", "|tr 0-9 a-j", url(server, "f")).out == b"abcdefghij"
    # One login for all files of a server.
    done = ferry("get", "-v", url(server, "f"), url(server, "sub/g"))
    assert done.err.count(b"---> USER") == 1 and done.out == b""


def test_the_time_of_a_file_comes_with_it(ferry, server, tmp_path):
    os.utime(server.root / "f", (1234567890, 1234567890))
    ferry("get", url(server, "f"))
    assert (tmp_path / "f").stat().st_mtime == 1234567890


def test_names_stay_in_the_directory(ferry, tmp_path):
    names = ["a/../../x", "|touch ran", "-", "..%2f..%2fy", "%2e%2e"]
    files = {n.replace("%2f", "/").replace("%2e", "."): b"data" for n in names}
    work = tmp_path / "work"
    work.mkdir()
    (work / "link").symlink_to("../precious")
    (tmp_path / "precious").write_bytes(b"precious")
    with FakeServer({**files, "x": b"data", "link": b"data"}) as server:
        for name in names + ["link"]:
            ferry("get", url(server, name.replace("|", "%7C").replace(" ", "%20")), status=None, cwd=work)
    assert {p.name for p in work.iterdir()} <= {"x", "y", "|touch ran", "-", "link"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["precious", "work"]
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (work / "|touch ran").read_bytes() == b"data"


def test_continue(ferry, writable, tmp_path):
    login = f"{USER}:{QUOTED}@"
    f = url(writable, "f", login=login)
    (tmp_path / "f").write_bytes(b"01234")
    done = ferry("get", "-c", "-v", f)
    assert "---> REST 5" in done.text
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    assert "RETR" not in ferry("get", "-c", "-v", f).text
    (tmp_path / "f").write_bytes(b"0123456789and more")
    ferry("get", "-c", f, status=7)
    assert (tmp_path / "f").read_bytes() == b"0123456789and more"
    # What an interrupted download left goes before the old file.
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / ".f.ferry-part").write_bytes(b"0123456")
    assert "---> REST 7" in ferry("get", "-c", "-v", f).text
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    assert not (tmp_path / ".f.ferry-part").exists()
    # And upwards.
    (tmp_path / "up").write_bytes(b"0123456789")
    (writable.root / "up").write_bytes(b"0123")
    assert "---> REST 4" in ferry("put", "-c", "-v", "up", url(writable, login=login)).text
    assert (writable.root / "up").read_bytes() == b"0123456789"
    assert "STOR" not in ferry("put", "-c", "-v", "up", url(writable, login=login)).text
    ferry("put", "-c", "up", url(writable, "fresh", login=login))
    assert (writable.root / "fresh").read_bytes() == b"0123456789"
    (writable.root / "up").write_bytes(b"0123456789and more")
    ferry("put", "-c", "up", url(writable, login=login), status=7)
    assert (writable.root / "up").read_bytes() == b"0123456789and more"


def test_put(ferry, writable, tmp_path):
    login = f"{USER}:{QUOTED}@"
    for name in ("one", "two words", "-dash"):
        (tmp_path / name).write_text(name)
    done = ferry("put", "one", "two words", url(writable, "sub/", login=login))
    assert done.text == ""
    assert (writable.root / "sub/two words").read_bytes() == b"two words"
    ferry("put", "one", url(writable, "renamed", login=login))
    assert (writable.root / "renamed").read_bytes() == b"one"
    ferry("put", "--", "-dash", url(writable, login=login))
    assert (writable.root / "-dash").read_bytes() == b"-dash"
    ferry("put", "-", url(writable, "stdin", login=login), input=b"typed")
    assert (writable.root / "stdin").read_bytes() == b"typed"
    ferry("put", "-", url(writable, login=login), input=b"typed", status=1)
    ferry("put", "nothing", "one", url(writable, "sub/", login=login), status=7)
    assert (writable.root / "sub/one").exists()
    ferry("put", "one", "two words", url(writable, "no-directory", login=login), status=1)


def test_ls(ferry, server):
    assert sorted(ferry("ls", url(server)).out.decode().split("\n")) == \
        ["", "f", "it's a name", "report.txt", "sub", "text"]
    assert ferry("ls", url(server, "sub/"), url(server, "sub")).out == b"g\ng\n"
    assert ferry("ls", url(server, "f")).out == b"f\n"
    assert re.search(rb"^-rw-r--r-- .* 18432 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d report.txt$",
                     ferry("ls", "-l", url(server)).out, re.M)
    ferry("ls", url(server, "nothing"), status=5)


def test_ls_tells_what_it_does_not_understand(ferry):
    lines = [b"-rw-r--r-- 1 o g 5 Jan  1  2020 known", b"what is \x1b[2J this?"]
    with FakeServer(names=lines) as server:
        done = ferry("ls", url(server))
    assert done.out == b"known\n"
    assert "not understood" in done.text and "this?" in done.text and "\x1b" not in done.text


def test_cat(ferry, server):
    assert ferry("cat", url(server, "text"), url(server, "f")).out == b"one\ntwo\n0123456789"
    assert ferry("cat", "--explain", url(server, "f")).out == b"0123456789"
    ferry("cat", url(server, "nothing"), status=5)


def test_ascii(ferry, tmp_path):
    with FakeServer({"t": b"a\r\nb\rc\r\n"}) as server:
        ferry("get", "--ascii", url(server, "t"))
        assert "TYPE A" in server.commands
        assert (tmp_path / "t").read_bytes() == b"a\nb\rc\n"
        ferry("put", "--ascii", "t", url(server, "up"))
        assert server.uploads["up"] == b"a\r\nb\rc\r\n"
        ferry("get", url(server, "t;type=a"))
        assert (tmp_path / "t").read_bytes() == b"a\nb\rc\n"
        ferry("get", url(server, "t"))
        assert (tmp_path / "t").read_bytes() == b"a\r\nb\rc\r\n"
        assert ferry("cat", "--ascii", url(server, "t")).out == b"a\nb\rc\n"


# ---------------------------------------------------------------- modes and addresses


@pytest.mark.parametrize("args, host, verb", [
    ((), "127.0.0.1", "EPSV"), (("-p",), "127.0.0.1", "EPSV"), (("-A",), "127.0.0.1", "PORT"),
    (("-A",), "[::1]", "EPRT"), ((), "[::1]", "EPSV"),
    (("--mode", "auto"), "127.0.0.1", "EPSV"), (("--mode", "passive"), "127.0.0.1", "EPSV"),
    (("--mode", "epsv"), "127.0.0.1", "EPSV"), (("--mode", "pasv"), "127.0.0.1", "PASV"),
    (("--mode", "active"), "127.0.0.1", "PORT"), (("--mode", "eprt"), "127.0.0.1", "EPRT"),
    (("--mode", "port"), "127.0.0.1", "PORT"), (("--active",), "127.0.0.1", "PORT"),
    (("--passive",), "127.0.0.1", "EPSV"),
])
def test_modes(ferry, server, args, host, verb):
    done = ferry("get", "-v", "-o", "-", *args, url(server, "f", host))
    assert done.out == b"0123456789"
    used = re.findall(r"^---> (EPSV|PASV|EPRT|PORT)\b", done.err.decode(), re.M)
    assert used == [verb]


def test_active_ports(ferry, server):
    done = ferry("get", "-v", "-A", "--active-ports", "50100-50109", "-o", "-", url(server, "f"))
    p1, p2 = re.search(r"---> PORT 127,0,0,1,(\d+),(\d+)", done.text).groups()
    assert 50100 <= int(p1) * 256 + int(p2) <= 50109


def test_families(ferry, server):
    done = ferry("get", "-4", "--explain", "-o", "-", url(server, "f", "localhost"))
    assert "SERVER 127.0.0.1\n" in done.text
    assert "The name localhost leads to the address 127.0.0.1." in done.words
    assert "SERVER ::1\n" in ferry("get", "-6", "--explain", "-o", "-", url(server, "f", "[::1]")).text
    ferry("get", "-4", "-o", "-", url(server, "f", "[::1]"), status=2)
    ferry("get", "-6", "-o", "-", url(server, "f", "127.0.0.1"), status=2)


def test_nothing_listens_unless_asked(ferry):
    with FakeServer({"f": b"x"}, replies={"EPSV": "500 no", "PASV": "500 no"}) as server:
        done = ferry("get", url(server, "f"), status=4)
        assert not [c for c in server.commands if c.startswith(("PORT", "EPRT"))]
    assert "--allow-active" in done.text


def test_active_mode_after_passive_mode(ferry):
    with FakeServer({"f": b"x"}, replies={"EPSV": "500 no", "PASV": "500 no"}) as server:
        done = ferry("get", "--allow-active", "-o", "-", url(server, "f"))
    assert done.out == b"x"
    assert done.err.decode().splitlines() == [
        "ferry: PORT was used, because this did not work: EPSV (refused: 500 no), PASV (refused: 500 no)."]


def test_the_way_is_told_when_it_was_not_the_first(ferry, server):
    assert "was used" not in ferry("get", "-o", "-", url(server, "f")).text
    with FakeServer({"f": b"x"}, replies={"EPSV": "500 no\x1b[2J"}) as fake:
        for command in (("get", "-o", "-"), ("cat",), ("ls",)):
            told = ferry(*command, "--no-memory", url(fake, "f")).text
            assert told.count("ferry: PASV was used, because this did not work: EPSV (refused: 500 no") == 1, told
            assert "\x1b" not in told
        assert ferry("get", "-q", "-o", "-", url(fake, "f")).text == "x"
        for command in (("get", "-o", "-"), ("cat",), ("ls",)):
            told = ferry(*command, url(fake, "f")).text
            assert told.count("ferry: PASV was used first: it worked from this network before, and this did not: EPSV "
                              "(the server said no).") == 1, told
            assert "\x1b" not in told


def test_a_foreign_address_in_227_is_not_called(ferry, tmp_path):
    def elsewhere(session, arg):
        port = session.listen()
        return f"227 ok (192,168,1,100,{port // 256},{port % 256})"

    with FakeServer({"f": b"good"}, replies={"PASV": elsewhere}) as server:
        done = ferry("get", "--mode", "pasv", "--explain", url(server, "f"))
        assert (tmp_path / "f").read_bytes() == b"good"
        port = arithmetic(done.words)
        explained(done, f"Address 192.168.1.100, port {port // 256} x 256 + {port % 256} = {port}.",
                  "192.168.1.100 is a private address: it exists only inside the server's own network.",
                  "You use 127.0.0.1 instead, the address you already know.")


# ---------------------------------------------------------------- secrets


def arguments(process):
    with open(f"/proc/{process.pid}/cmdline", "rb") as f:
        return f.read()


@pytest.mark.parametrize("command", [("get",), ("ls",), ("cat",), ("put", "/etc/hostname"), ()],
                         ids=lambda c: c[0] if c else "prompt")
def test_a_password_in_a_url_is_wiped(ferry, command):
    with FakeServer({"f": b"x"}, hold={"greeting"}) as server:
        process = ferry.start(*command, url(server, "f", login=f"{USER}:{QUOTED}@"))
        try:
            # The server is slow: ferry waits for its greeting.
            wait_until(lambda: server.open, "ferry does not call")
            assert USER.encode() in arguments(process)
            assert QUOTED.encode() not in arguments(process)
        finally:
            server.release()
            out, err = process.communicate(timeout=SECONDS)
        assert f"PASS {PASSWORD}" in server.commands
        assert PASSWORD.encode() not in out + err and QUOTED.encode() not in out + err


def test_all_passwords_are_wiped_at_once(ferry):
    """Also those of the URLs whose turn comes later."""
    with FakeServer({"f": b"x"}, hold={"greeting"}) as server:
        process = ferry.start("get", "-o", "-", url(server, "f", login=f"{USER}:{QUOTED}@"),
                              url(server, "f", login=f"bob:{QUOTED}@"))
        try:
            wait_until(lambda: server.open, "ferry does not call")
            assert QUOTED.encode() not in arguments(process)
        finally:
            server.release()
            process.communicate(timeout=SECONDS)


def test_passwords_from_elsewhere(ferry, writable, tmp_path):
    f = url(writable, "f")
    r, w = os.pipe()
    os.write(w, PASSWORD.encode() + b"\n")
    os.close(w)
    done = ferry("get", "-v", "-u", USER, "--password-fd", r, f, pass_fds=[r])
    os.close(r)
    assert PASSWORD not in done.text and "PASS ****" in done.text
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD + "\n")
    ferry("get", "-u", USER, "--password-file", secret, f)
    secret.chmod(0o644)
    assert "chmod 600" in ferry("get", "-u", USER, "--password-file", secret, f, status=7).text
    assert "--password-fd" in ferry("get", "-u", USER, "--password-fd", "77", f, status=7).text
    # Without any, a script is not kept waiting for one.
    ferry("get", "-u", USER, f, status=3, start_new_session=True)


def test_netrc(ferry, writable, tmp_path):
    netrc = tmp_path / ".netrc"
    quoted = PASSWORD.replace(" ", r"\ ")
    netrc.touch(mode=0o600)
    netrc.write_text(f"machine elsewhere login {USER} password wrong\n"
                     f"machine 127.0.0.1 login {USER} password {quoted}\n")
    assert ferry("cat", url(writable, "f")).out == b"0123456789"
    assert ferry("cat", url(writable, "f", login=f"{USER}@")).out == b"0123456789"
    # Another host, another user, -n: not sent.
    for args in ([url(writable, "f", "localhost")], [url(writable, "f", login="bob@")], ["-n", url(writable, "f")]):
        done = ferry("cat", "-v", *args, status=3, start_new_session=True)
        assert f"USER {USER}" not in done.text
    netrc.chmod(0o640)
    assert "chmod 600" in ferry("cat", url(writable, "f"), status=7).text
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.write_text(f"default login {USER} password {quoted}\n")
    assert ferry("cat", "-N", other, url(writable, "f")).out == b"0123456789"
    assert ferry("cat", url(writable, "f"), env={"NETRC": str(other)}).out == b"0123456789"


# ---------------------------------------------------------------- the terminal


def test_progress_on_a_terminal_only(ferry, tmp_path):
    options = {"size": 1 << 20, "features": ["SIZE"], "hold": {"data"}}
    with FakeServer({"f": b"x" * 1000}, **options) as server, \
            Terminal(ferry.program, "get", url(server, "f"), cwd=tmp_path, width=100) as t:
        t.wait(re.compile(r"\rf .*\[>? .*\] +0% .* kB +\S+ k?B/s"))
        t.wait(re.compile(r" left \d+:\d\d"))
        os.kill(t.pid, signal.SIGINT)
        assert t.end() == 130
    with FakeServer({"f": b"x" * 1000}) as server, \
            Terminal(ferry.program, "get", url(server, "f"), cwd=tmp_path) as t:
        t.wait("f: 1 000 bytes in ")
        assert t.end() == 0
    with FakeServer({"f": b"x" * 1000}) as server, \
            Terminal(ferry.program, "get", "-q", url(server, "f"), cwd=tmp_path) as t:
        assert t.end() == 0
        assert t.seen() == ""
    # No terminal: not a word.
    with FakeServer({"f": b"x" * 1000}, hold={"data"}) as server:
        process = ferry.start("get", url(server, "f"))
        server.wait_command("RETR")
        wait_until(lambda: (tmp_path / ".f.ferry-part").exists() and (tmp_path / ".f.ferry-part").stat().st_size > 1050,
                   "no bytes come")
        server.release()
        assert process.communicate(timeout=SECONDS) == (b"", b"")
        assert process.returncode == 0


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_colours(ferry, server, tmp_path):
    def shown(*args, **env):
        with Terminal(ferry.program, "get", "--explain", *args, url(server, "f"), cwd=tmp_path, env=env) as t:
            assert t.end() == 0
            return bool(COLOUR.search(t.seen()))

    assert shown()
    assert not shown(NO_COLOR="1")
    assert shown(NO_COLOR="")
    assert not shown("--color", "never")
    assert shown("--color", "always", NO_COLOR="1")
    assert not COLOUR.search(ferry("get", "--explain", url(server, "f")).text)
    assert COLOUR.search(ferry("get", "--explain", "--color", "always", url(server, "f")).text)


def test_what_a_server_says_is_harmless_on_a_terminal(ferry, tmp_path):
    evil = b"\x1b]0;owned\x07\x1b[2Jx\x9b31m"
    text = evil.decode("utf-8", "surrogateescape")
    with FakeServer({"f": b"evil " + evil}, names=[b"-rw-r--r-- 1 o g 5 Jan  1  2020 n" + evil],
                    replies={"CWD": f"550 {text}", "SIZE": f"550 {text}"}, greeting=f"220 {text}",
                    features=["SIZE"]) as server:
        for args in (["ls"], ["ls", "-l"], ["get", "-v"], ["cat"], ["get", "--explain", "-o", "f2"]):
            with Terminal(ferry.program, *args, url(server, "f" if args[0] != "ls" else ""), cwd=tmp_path) as t:
                t.end()
                raw = COLOUR.sub("", t.raw().decode()).replace("\x1b[K", "")
                assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", raw), raw
    # A file or a pipe gets the bytes as they are.
    assert (tmp_path / "f").read_bytes() == b"evil " + evil


# ---------------------------------------------------------------- interrupted


def stdin_upload(ferry, writable):
    """An upload that has begun, and that goes on as long as its standard input."""
    (writable.root / "target").write_bytes(b"the old one\n")
    process = ferry.start("put", "-", url(writable, "target", login=f"{USER}:{QUOTED}@"), stdin=subprocess.PIPE)
    process.stdin.write(b"x" * 100000)
    process.stdin.flush()
    wait_until(lambda: [p for p in writable.root.glob(".ferry-*") if p.stat().st_size >= 65536], "no bytes come")
    return process


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupted_upload_leaves_the_old_file(ferry, writable, sig):
    process = stdin_upload(ferry, writable)
    process.send_signal(sig)
    status = process.wait(SECONDS)
    process.communicate()
    assert status == (130 if sig == signal.SIGINT else -sig)
    wait_until(lambda: not list(writable.root.glob(".ferry-*")), "the temporary file stays")
    assert (writable.root / "target").read_bytes() == b"the old one\n"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupted_download_leaves_the_old_file(ferry, tmp_path, sig):
    (tmp_path / "f").write_bytes(b"the old one\n")
    part = tmp_path / ".f.ferry-part"
    with FakeServer({"f": b"x" * 1000}, hold={"data"}) as server:
        process = ferry.start("get", url(server, "f"))
        wait_until(lambda: part.exists() and part.stat().st_size > 1000, "no bytes come")
        process.send_signal(sig)
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == (130 if sig == signal.SIGINT else -sig)
        if sig == signal.SIGINT:
            assert b".f.ferry-part" in err
    assert (tmp_path / "f").read_bytes() == b"the old one\n"
    assert part.exists()
    # And the next run goes on or begins anew.
    with FakeServer({"f": b"y" * 1000}) as server:
        ferry("get", url(server, "f"))
    assert (tmp_path / "f").read_bytes() == b"y" * 1000
    assert not part.exists()


# ---------------------------------------------------------------- --explain


def explained(done, *expected):
    for e in expected:
        assert e in done.words, f"no {e!r} in:\n{done.text}"
    assert "socket" not in done.text.lower()
    assert all(len(line) <= 100 for line in done.text.split("\n") if not line.startswith("ferry: ")), done.text
    numbers = [int(n) for n in re.findall(r"^ ?(\d+) (?: *:\d+|you open| *=+X)", done.text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 2, done.text
    return done


def arithmetic(text):
    """a x 256 + b = c, right or wrong; returns c."""
    a, b, c = (int(n) for n in re.search(r"(\d+) x 256 \+ (\d+) = (\d+)", text).groups())
    assert a * 256 + b == c
    return c


def dials(text, who):
    """The line on which somebody dials: our port and the server's."""
    if who == "server":
        found = re.search(r"^ ?\d+ :(\d+) <=+ the SERVER dials you =+ :(\d+)$", text, re.M)
    else:
        found = re.search(r"^ ?\d+ :(\d+) =+ you dial: data connection =+> :(\d+)$", text, re.M)
    assert found, text
    return int(found.group(1)), int(found.group(2))


def test_explain_pasv(ferry, server):
    done = explained(ferry("get", "--explain", "--mode", "pasv", url(server, "report.txt")),
                     "PASSIVE transfer of report.txt: you make both calls.",
                     "YOU 127.0.0.1", "SERVER 127.0.0.1", "you dial: command connection",
                     'You ask: "open a port and tell me which".', "The address is the one you are already talking to",
                     '"RETR report.txt"', "18 432 bytes", "End of file = the server hangs up.",
                     "Done. Two calls, both made by you.")
    port = arithmetic(done.words)
    assert f"Address 127.0.0.1, port {port // 256} x 256 + {port % 256} = {port}." in done.words
    assert f'"227 Entering Passive Mode (127,0,0,1,{port // 256},{port % 256})." ' in done.words
    ours, theirs = dials(done.text, "you")
    assert theirs == port and 61000 <= port <= 61199
    assert re.search(rf":{ours} <+ 18 432 bytes <+ :{theirs}$", done.text, re.M)
    assert re.search(r"^ 1 :\d+ =+ you dial: command connection =+> :%d$" % server.port, done.text, re.M)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_explain_epsv(ferry, server, host):
    done = explained(ferry("get", "--explain", url(server, "report.txt", host)),
                     "PASSIVE transfer of report.txt: you make both calls.", '"EPSV"',
                     "no address: you use the address you already know. That is why EPSV survives address translation.",
                     "Done. Two calls, both made by you.")
    port = dials(done.text, "you")[1]
    assert f"(|||{port}|)" in done.text and f"Only a port, {port}, no address" in done.words
    assert f"let port {port} in" in done.words
    assert "x 256" not in done.text


def test_explain_port(ferry, server):
    done = explained(ferry("get", "--explain", "--mode", "port", url(server, "report.txt")),
                     "ACTIVE transfer of report.txt: the server will call you back.",
                     "Only for one visitor, only for 127.0.0.1, closed again right after.",
                     "the first four numbers are your address 127.0.0.1, the last two are the port: ",
                     "In active mode the server makes the call.",
                     "this is where active mode usually breaks", "18 432 bytes",
                     "Passive mode would have had you dial a port of the server instead.")
    port = arithmetic(done.words)
    assert f"you open port {port} and wait." in done.words
    assert f'"PORT 127,0,0,1,{port // 256},{port % 256}"' in done.words
    ours, theirs = dials(done.text, "server")
    assert ours == port
    # ferryd calls from port 20 only when told to.
    assert f"It called from port {theirs}, not 20. That is allowed, but a firewall rule \"from port 20\" would have " \
        "blocked it." in done.words
    assert f"Two calls: one made by you, one by the server (from 127.0.0.1 port {theirs})." in done.words
    assert f"sees a stranger calling port {port}" in done.words


@pytest.mark.parametrize("host, family, address", [("127.0.0.1", 1, "127.0.0.1"), ("[::1]", 2, "::1")])
def test_explain_eprt(ferry, server, host, family, address):
    done = explained(ferry("get", "--explain", "--mode", "eprt", url(server, "report.txt", host)),
                     "ACTIVE transfer of report.txt", "No arithmetic: EPRT was made for addresses of any length.")
    ours, _ = dials(done.text, "server")
    assert f'"EPRT |{family}|{address}|{ours}|"' in done.words
    version = {1: 4, 2: 6}[family]
    assert f"{family} is IPv{version}, then the address {address}, then the port {ours}" in done.words


def test_explain_the_port_below(ferry):
    """The server's data port is the one below its command port: 20, where the command port is 21."""
    with FakeServer({"f": b"hello"}, below=True) as server:
        done = explained(ferry("get", "--explain", "-A", url(server, "f")),
                         f"the server makes the call, from its data port {server.port - 1} (one below {server.port}, "
                         "by tradition).")
        assert dials(done.text, "server")[1] == server.port - 1
        assert "not 20" not in done.text


@pytest.mark.skipif(os.geteuid() != 0, reason="port 20 is root's")
def test_explain_port_20(ferry, ferryd):
    server = ferryd(options={"connect_from_port_20": "YES"}, tree=fill)
    # An address of our own: on 127.0.0.1 another server's old transfer may still hold the port.
    done = explained(ferry("get", "--explain", "-A", f"ftp://127.0.0.77:{server.port}/f"),
                     "from its data port 20 (one below 21, by tradition)", "one by the server (from 127.0.0.77 port 20)")
    assert dials(done.text, "server")[1] == 20


def test_explain_upload_and_listing(ferry, writable, tmp_path):
    login = f"{USER}:{QUOTED}@"
    (tmp_path / "up").write_bytes(b"u" * 1234)
    done = explained(ferry("put", "--explain", "up", url(writable, login=login)),
                     "PASSIVE upload of up: you make both calls.", "1 234 bytes", "End of file = you hang up.",
                     "The server confirms that it has the whole file.")
    assert PASSWORD not in done.text
    done = explained(ferry("put", "--explain", "-A", "up", url(writable, login=login)), "ACTIVE upload of up",
                     "now the server has to call you")
    dials(done.text, "server")
    done = ferry("ls", "--explain", url(writable, login=login))
    explained(done, "PASSIVE listing", '"MLSD')
    # The list is on standard output, the narration is not.
    assert sorted(done.out.split()) == sorted(b"f it's a name report.txt sub text up".split())


def test_explain_several_files(ferry):
    with FakeServer({"f": b"x", "text": b"y"}) as fake:
        done = ferry("get", "--explain", url(fake, "f"), url(fake, "text"))
    assert done.text.count("PASSIVE transfer of ") == 2
    assert "PASSIVE transfer of text: you make the call." in done.words
    assert "Done. One call, made by you." in done.words


def test_explain_a_port_that_refuses(ferry):
    port = free_port()
    with FakeServer({"f": b"x"}, replies={"EPSV": f"229 ok (|||{port}|)",
                                          "PASV": f"227 ok (127,0,0,1,{port // 256},{port % 256})"}) as server:
        done = explained(ferry("get", "--explain", url(server, "f"), status=4),
                         f"Refused by 127.0.0.1 port {port} after", "So EPSV did not work here; PASV is tried next.",
                         "FAILED: the server's passive port refuses calls.", "You can: try active mode, option -A",
                         "Admin, do: 1. choose a passive range", "pasv_min_port=61000 pasv_max_port=61199",
                         "P12 likely")
    assert re.search(rf"^ ?\d+ :\d+ =+X you dial: data connection +:{port}$", done.text, re.M)


def test_explain_a_port_that_is_silent(ferry):
    with SilentPort() as silent, FakeServer({"f": b"x"}, replies={"EPSV": f"229 ok (|||{silent.port}|)"}) as server:
        done = explained(ferry("get", "--explain", "--mode", "epsv", "-T", "1", url(server, "f"), status=4),
                         f"No answer from 127.0.0.1 port {silent.port} in 1.0 s. Not \"refused\": silence.",
                         f"Port {server.port} of the same machine still answers you",
                         "FAILED: the server's passive ports are not open from outside.", "P11 likely")
    assert re.search(rf"=+X you dial: data connection +:{silent.port}$", done.text, re.M)


def test_explain_a_server_that_cannot_call(ferry):
    said = "425 I could not reach 192.168.100.200 port 50123: connection refused. Use passive mode or open that port."
    with FakeServer({"f": b"x"}, replies={"RETR": said}) as server:
        explained(ferry("get", "--explain", "-A", url(server, "f"), status=4), f"In full: {said}",
                  "The server says that its call to you did not succeed.",
                  "FAILED: the server's call was refused on its way to you.",
                  "You can: use passive mode (the default, or -p). Nothing on the server needs to change.",
                  "A03 likely")


def test_explain_a_server_that_does_not_call(ferry):
    with FakeServer({"f": b"x"}, calls=False) as server:
        done = explained(ferry("get", "--explain", "-A", "-T", "1", url(server, "f"), status=4), '"ABOR"',
                         "FAILED: the server's call did not reach you.", "let TCP 50000-50010 in from 127.0.0.1",
                         "A02 likely")
    assert "X===== the SERVER dials you" in done.text and "<===== the SERVER" not in done.text


def test_explain_a_server_that_refuses_modes(ferry):
    with FakeServer({"f": b"x"}, replies={"PORT": "500 Illegal PORT command", "EPRT": "500 no",
                                          "EPSV": "502 no"}) as server:
        explained(ferry("get", "--explain", "-A", url(server, "f"), status=4), '"500 Illegal PORT command"',
                  "will not call you", "So PORT did not work here; EPRT is tried next.", "FAILED:")
        explained(ferry("get", "--explain", url(server, "f")),
                  "The server will not, or cannot, open a port this way.",
                  "So EPSV did not work here; PASV is tried next.", "Done. Two calls, both made by you.")


def test_explain_what_is_not_the_connections_fault(ferry, server):
    explained(ferry("get", "--explain", url(server, "nothing"), status=5),
              "The server refuses this file. The connections are not the cause.", "FAILED:")
    with FakeServer({"f": b"x"}, password="right") as fake_server:
        done = ferry("get", "--explain", url(fake_server, "f", login="anna:wrong@"), status=3)
        assert '"530 no"' in done.text and "FAILED:" in done.text and "wrong" not in done.text
    port = free_port()
    done = ferry("get", "--explain", f"ftp://127.0.0.1:{port}/f", status=2)
    assert re.search(rf"=+X you dial: command connection +:{port}$", done.text, re.M)
    assert f"Refused by 127.0.0.1 port {port}" in done.words


def test_explain_at_the_prompt(ferry, server, tmp_path):
    script = "explain on\nget f\npassive off\nget text\nexplain off\nget f\nbye\n"
    done = ferry(f"ftp://anonymous@127.0.0.1:{server.port}/", input=b"me@\n" + script.encode())
    assert "PASSIVE transfer of f: you make the call." in done.words
    assert "ACTIVE transfer of text: the server will call you back." in done.words
    assert done.words.count("Done. ") == 2
    dials(done.text, "server")
