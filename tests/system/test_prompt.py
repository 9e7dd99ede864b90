"""The ftp> prompt as a person uses it: in a terminal, against ferryd and against servers that lie."""
import os
import re
import subprocess

import pytest

from harness.fake import FakeServer
from harness.server import BAD_WORDS, wait_until
from harness.terminal import Terminal

USER, PASSWORD = "anna", "s3cret-pw"
HUGE = 1 << 40  # sparse: no disk holds it, no transfer reaches its end

# The commands that issue 2 names.
COMMANDS = """open mode form struct user close ls dir nlist cd cdup pwd lcd lpwd get put mget mput delete mdelete mkdir rmdir rename
    size modtime binary ascii type passive epsv sendport hash prompt glob verbose status quote site rhelp help !
    bye""".split()


def fill(root):
    (root / "a.txt").write_bytes(b"alpha\n")
    (root / "b.txt").write_bytes(b"beta\n")
    (root / "with blank.txt").write_bytes(b"blank\n")
    (root / "five.bin").write_bytes(b"x" * 5000)
    (root / "sub").mkdir()
    (root / "sub" / "deep.txt").write_bytes(b"deep\n")
    (root / "old").write_bytes(b"old\n")
    os.utime(root / "old", (1000000000, 1000000000))
    with open(root / "huge", "wb") as f:
        f.truncate(HUGE)


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


@pytest.fixture
def terminal(sanitized, tmp_path):
    """A function that starts ferry in a terminal; its directory is tmp_path/here, its home tmp_path/home."""
    (tmp_path / "here").mkdir()
    (tmp_path / "home").mkdir()

    def start(*args, **kwargs):
        kwargs.setdefault("cwd", tmp_path / "here")
        kwargs.setdefault("home", tmp_path / "home")
        return Terminal(sanitized / "ferry" / "ferry", *args, **kwargs)

    return start


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


def script(ferry, lines, cwd, *args, env=None):
    """Runs ferry with these lines as its standard input."""
    done = subprocess.run([ferry, *(str(a) for a in args)], input="".join(line + "\n" for line in lines).encode(),
                          cwd=cwd, capture_output=True, timeout=60, env=dict(os.environ, HOME=str(cwd), **(env or {})))
    text = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert not [w for w in BAD_WORDS if w in text], text
    return done.returncode, text


# ---------------------------------------------------------------- the session of the issue


def test_the_session_of_the_issue(terminal, server):
    with terminal("localhost", server.port) as t:
        t.wait("Connected to localhost.\r\n220 ")
        t.wait(re.compile(r"\r\nName \(localhost:[^()]+\): "))
        t.line("anonymous")
        t.wait("anonymous\r\n331 ")
        t.wait("\r\nPassword: ")
        t.line("me@example.org")
        t.wait("\r\n230 ")
        t.wait("\r\nftp> ")
        t.line("bye")
        t.wait("bye\r\n221 ")
        assert t.end() == 0, t.seen()
        assert "me@example.org" not in t.seen()


def test_an_empty_name_is_the_local_user(terminal, ferryd):
    import pwd
    me = pwd.getpwuid(os.getuid()).pw_name
    with terminal("127.0.0.1", ferryd(served=True, user=me, password=PASSWORD).port) as t:
        t.wait(f"Name (127.0.0.1:{me}): ")
        t.line("")
        t.wait("Password: ")
        t.line(PASSWORD)
        assert "\n230 " in t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_every_command(terminal, writable, here):
    root = writable.root
    (here / "up.txt").write_bytes(b"up\n")
    (here / "m1").write_bytes(b"1")
    (here / "m2").write_bytes(b"2")
    (here / "deeper").mkdir()
    said = {}
    with terminal("-n") as t:
        t.wait("ftp> ")

        def do(command, *expected):
            """The output has each expression; their part after ~ must not be there."""
            out = t.do(command)
            said.setdefault(command.split()[0] if command[0] != "!" else "!", out)
            for e in expected:
                if e.startswith("~"):
                    assert not re.search(e[1:], out), f"{command}: {out}"
                else:
                    assert re.search(e, out, re.M), f"{command}: no {e} in: {out}"
            return out

        do("status", "^Not connected")
        do("pwd", "Not connected")
        do(f"open 127.0.0.1 {writable.port}", "^Connected to 127.0.0.1.$", "^220 ")
        do(f"user {USER} wrong", "^530 ", "^Login failed")
        do(f"user {USER} {PASSWORD}", "^331 ", "^230 ")
        do(f"open 127.0.0.1 {writable.port}", "Already connected")
        do("status", "^Connected and logged in to 127.0.0.1", "Type: binary", "Passive mode: on", "Prompting: on")

        # directories
        do("ls", r"^229 ", r"^150 ", r"^-rw.* 6 .* a\.txt$", r"^d.* sub$", "^226 ")
        do("dir sub", r"^-rw.* 5 .* deep\.txt$")
        do("nlist", r"^a\.txt$", r"^with blank\.txt$")
        do("cd sub", "^250 ")
        do("pwd", r'^257 "/sub"')
        do("cdup", "^250 ")
        do("pwd", r'^257 "/" ')
        do("mkdir new", r"^257 ")
        assert (root / "new").is_dir()
        do("rmdir new", "^250 ")
        assert not (root / "new").exists()

        # this machine
        do("lpwd", f"^Local directory: {here}$")
        do("lcd deeper", f"^Local directory now: {here}/deeper$")
        do("!pwd", f"^{here}/deeper$")
        do("lcd ..", f"^Local directory now: {here}$")
        do("!echo 'two  blanks' \"and $((1+1))\"", "^two  blanks and 2$")

        # transfers
        do("get a.txt", "^local: a.txt remote: a.txt$", "^226 ", r"^6 bytes received in .* secs \(.* KB/s\)$")
        assert (here / "a.txt").read_bytes() == b"alpha\n"
        do("get a.txt deeper/x", "^local: deeper/x remote: a.txt$")
        assert (here / "deeper/x").read_bytes() == b"alpha\n"
        do("put up.txt", "^local: up.txt remote: up.txt$", "^226 ", "^3 bytes sent in ")
        assert (root / "up.txt").read_bytes() == b"up\n"
        do("put up.txt sub/other", "^226 ")
        assert (root / "sub/other").read_bytes() == b"up\n"
        do("prompt", "^Interactive mode: off")
        do("mget ?.txt", "remote: a.txt", "remote: b.txt", "~with blank")
        assert (here / "b.txt").read_bytes() == b"beta\n"
        do("mput m*", "remote: m1", "remote: m2")
        assert (root / "m2").read_bytes() == b"2"

        # files of the server
        do("rename up.txt renamed", "^350 ", "^250 ")
        do("size five.bin", "^five.bin\t5000$")
        do("modtime old", "^old\tSun, 09 Sep 2001 01:46:40 GMT$")
        do("delete renamed", "^250 ")
        assert not (root / "renamed").exists()
        do("mdelete m*", "^250 ")
        assert not list(root.glob("m*"))

        # settings
        do("mode", "^Using auto mode")
        do("form", "^Using non-print format")
        do("struct", "^Using file structure")
        do("type", "^Using binary mode")
        do("ascii", "^Using ascii mode")
        do("type", "^Using ascii mode")
        do("debug on")
        do("get b.txt", "^---> TYPE A$")
        do("binary", "^Using binary mode")
        do("type tenex", "^Using binary mode")
        do("type ebcdic", "unknown type")
        # mget has opened a data connection for them all
        do("get b.txt", "^---> TYPE I$", "~EPSV", "^---> RETR b.txt$", "^125 ", "^250 ")
        do("mode stream", "^Using stream mode")
        do("get b.txt", "^---> MODE S$", "^---> EPSV$", "^---> RETR b.txt$", "^226 ")
        do("mode block", "^Using block mode")
        do("get b.txt", "^---> MODE B$", "^---> EPSV$", "^---> RETR b.txt$", "^250 ")
        do("epsv", "^Use of EPSV and EPRT: off")
        do("get b.txt", "^---> PASV$", "~EPSV", "^227 ")
        do("passive", "^Passive mode: off")
        do("get b.txt", "^---> PORT 127,0,0,1,", "~---> PASV")
        do("epsv on", "^Use of EPSV and EPRT: on")
        do("passive on", "^Passive mode: on")
        do("sendport", "^Active mode .*: on")
        do("sendport off", "^Active mode .*: off")
        do("debug off")
        do("hash", "^Hash mark printing: on", "^Hash mark: 1024 bytes")
        do("get five.bin", "^#####$")
        do("hash 2k", "^Hash mark: 2048 bytes")
        do("get five.bin", "^###$")
        do("hash off", "^Hash mark printing: off")
        do("glob", "^Globbing: off")
        do("mget *.txt", "local: *.txt remote: *.txt".replace("*", r"\*"), "^550 ")
        do("glob", "^Globbing: on")
        do("verbose", "^Verbose mode: off")
        assert do("get b.txt") == "\n", "not quiet"
        do("pwd", "^Remote directory: /$", "~257")
        do("cd nowhere", "^ferry: .*CWD nowhere: 550")
        do("verbose", "^Verbose mode: on")

        # the server itself
        do("quote NOOP", "^200 ")
        do("quote nonsense", "^500 ")
        do("site help", "^214")
        do("site chmod 600 a.txt", "^200 ")
        assert (root / "a.txt").stat().st_mode & 0o777 == 0o600
        do("rhelp", "^214", "RETR")
        do("rhelp stor", "^214.*STOR")
        do("help", "mdelete", "sendport")
        do("help get", r"^get remote-file \[local-file\]$", "download")
        do("help xyzzy", "Invalid help command: xyzzy")
        do("close", "^221 ")
        do("ls", "^Not connected")
        t.line("bye")
        said["bye"] = ""
        assert t.end() == 0, t.seen()
    missing = [c for c in COMMANDS if c not in said]
    assert not missing


def test_prefixes_unknown_commands_and_wrong_counts(terminal, server):
    with terminal("127.0.0.1", server.port) as t:
        t.login()
        assert 'current directory' in t.do("pw")
        assert "Interactive mode: off" in t.do("prom")
        assert "Using ascii mode" in t.do("as")
        assert t.do("p") == "?Ambiguous command: p\n"
        assert "?Ambiguous command: si" in t.do("si")
        assert "?Invalid command: frobnicate" in t.do("frobnicate now")
        assert "?Invalid command: getx" in t.do("getx")
        assert t.do("pwd now") == "usage: pwd \n"
        assert "usage: get remote-file [local-file]" in t.do("get a b c")
        assert "usage: rename from-name to-name" in t.do("rename a b c")
        assert "usage: hash [on | off]" in t.do("hash maybe")
        assert "a quote is not closed" in t.do('get "a.txt')
        assert t.do("") == "\n"
        # What is missing is asked for.
        t.line("size")
        t.wait("(remote-file) ")
        t.line("five.bin")
        assert "five.bin\t5000\n" in t.prompt()
        t.line("rename")
        t.wait("(from-name to-name) ")
        t.line("")
        assert "usage: rename from-name to-name" in t.prompt()
        t.line("by")
        assert t.end() == 0, t.seen()


def test_words_with_blanks_and_quotes(terminal, writable, here):
    with terminal(f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/") as t:
        t.prompt()
        t.do('get "with blank.txt"')
        assert (here / "with blank.txt").read_bytes() == b"blank\n"
        t.do(r'get with\ blank.txt "other name"')
        assert (here / "other name").read_bytes() == b"blank\n"
        t.do('put "other name" "a \\"quoted\\" name"')
        assert (writable.root / 'a "quoted" name').read_bytes() == b"blank\n"
        t.do('mkdir "two words"')
        assert '"/two words"' in t.do('cd "two words"') + t.do("pwd")
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_user(terminal, writable):
    with terminal("-n", "127.0.0.1", writable.port) as t:
        t.prompt()
        assert "Login incomplete" in t.do("pwd")
        assert "Login failed" in t.do(f"user {USER} wrong")
        t.line(f"user {USER}")
        t.wait("Password: ")
        t.type("\x03")
        t.prompt()
        t.line("user")
        t.wait("(name [password [account]]) ")
        t.line(USER)
        t.wait("Password: ")
        t.line(PASSWORD)
        assert "230 " in t.prompt()
        assert '257 "/"' in t.do("pwd")
        t.line("close")
        t.prompt()
        assert "Not connected" in t.do("pwd")
        t.line("bye")
        assert t.end() == 0, t.seen()
        assert PASSWORD not in t.seen()


# ---------------------------------------------------------------- several files


@pytest.mark.parametrize("answers, got", [
    ("ynyy", "acd"), ("ynq", "a"), ("nnnn", ""), ("na", "bcd"), ("p", "abcd"), ("?q", ""), ("q", ""), ("yz  ", "abcd"),
])
def test_answers_of_mget(terminal, ferryd, here, answers, got):
    server = ferryd(tree=lambda root: [(root / n).write_text(n) for n in "abcd"])
    with terminal(f"ftp://anonymous:x@127.0.0.1:{server.port}/") as t:
        t.prompt()
        t.line("mget *")
        names = iter("abcd")
        name = next(names)
        for key in answers:
            t.wait(f"mget {name} [anpqy?]? ")
            t.line(key.strip())
            name = name if key == "?" else next(names, None)
        out = t.prompt()
        assert ("Interactive mode: off" in out) == (answers == "p")
        assert sorted(p.name for p in here.iterdir()) == sorted(got)
        # "a" is for this command only, "p" for good.
        assert ("Prompting: off" in t.do("status")) == (answers == "p")
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_answers_of_mput_and_mdelete(terminal, writable, here):
    for name in "uvwxyz":
        (here / name).write_text(name)
    (here / "d").mkdir()
    root = writable.root

    def there():
        return "".join(n for n in "duvwxyz" if (root / n).exists())

    with terminal(f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/") as t:
        t.prompt()

        def answer(command, *pairs):
            t.line(command)
            for question, key in pairs:
                t.wait(f"{question} [anpqy?]? ")
                t.line(key)
            return t.prompt()

        answer("mput d u v w", ("mput u", "y"), ("mput v", "n"), ("mput w", "q"))
        assert there() == "u"
        answer("mput u v w", ("mput u", "n"), ("mput v", "a"))
        assert there() == "uvw"
        answer("mdelete u v w", ("mdelete u", "n"), ("mdelete v", "y"), ("mdelete w", "q"))
        assert there() == "uw"
        assert "no match" in t.do("mput nothing*")
        assert "no match" in t.do("mdelete nothing*")
        assert "Interactive mode: off" in answer("mput x y z", ("mput x", "p"))
        assert there() == "uwxyz"
        t.do("mdelete [u-z]")
        assert there() == ""
        t.line("bye")
        assert t.end() == 0, t.seen()


# ---------------------------------------------------------------- names that mean something, only when typed


def test_streams_and_commands_as_typed(terminal, writable, here):
    (here / "in.txt").write_bytes(b"in\n")
    with terminal(f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/") as t:
        t.prompt()
        assert "\nalpha\n" in t.do("get a.txt -")
        assert "\nALPHA\n" in t.do('get a.txt "|tr a-z A-Z"')
        assert re.search(r"sub\n(.*\n)*.*a\.txt", t.do('ls . "|tac"'))
        assert "a.txt" not in t.do('nlist . "|sed s/a.txt/changed/"')
        assert "changed" in t.seen()
        t.do("ls sub listing")
        assert (here / "listing").read_text().endswith("deep.txt\n")
        t.do('put "|echo made" made')
        assert (writable.root / "made").read_bytes() == b"made\n"
        assert "usage" in t.do("put -")
        assert not [p for p in here.iterdir() if p.name[0] in "|-"]
        t.line("bye")
        assert t.end() == 0, t.seen()


HOSTILE = [b"../up", b"/abs", b"..", b".", b"sub/x", b"|touch ran", b"-", b"-rf", b"!touch ran", b"cr\rx",
           b"esc\x1b[2J\x1b]0;t\x07", b"c1\x9b2J", "rtl\u202egnp".encode(), b"link", b"~", b"$HOME", b"`touch ran`",
           b"good"]


@pytest.mark.parametrize("listed", ["MLSD", "NLST"])
@pytest.mark.parametrize("asking", [True, False], ids=["asking", "not-asking"])
def test_names_that_a_server_made_up(terminal, here, listed, asking):
    files = {name.decode("utf-8", "surrogateescape"): b"data\n" for name in HOSTILE}
    (here.parent / "precious").write_bytes(b"precious")
    (here / "link").symlink_to("../precious")
    (here / ".good.ferry-part").symlink_to("../precious")
    outside = [p for p in here.parent.rglob("*") if here not in p.parents]
    server = FakeServer(files, names=HOSTILE, facts=[b"type=file;size=5; " + n for n in HOSTILE],
                        features=["MLST type*;size*;"] if listed == "MLSD" else [])
    with server, terminal("-a", "127.0.0.1", server.port) as t:
        t.prompt()
        if not asking:
            t.do("prompt off")
        t.line("mget *")
        while asking:
            t.wait(re.compile(r"mget .* \[anpqy\?\]\? |\r\nftp> "))
            if t.child.after.endswith(b"ftp> "):
                break
            t.line("y")
        if not asking:
            t.prompt()
        names = t.do("nlist") + t.do("ls")
        t.line("bye")
        assert t.end() == 0, t.seen()
        # Whatever was printed, of names and replies: no byte of it moves the cursor or sets a title.
        raw = t.raw().replace(b"\r\n", b"").replace(b"\x1b[K", b"")
        assert not re.search(rb"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae", raw), raw
        raw.decode()  # UTF-8, so no C1 byte stands alone
        # A name that is no file name is not passed over in silence.
        assert re.search(r"(Refused: the server lists|is not understood).*\.\./up", t.seen())
    got = {os.fsencode(p.name) for p in here.iterdir() if p.is_file() and not p.is_symlink()}
    assert got <= set(HOSTILE), got
    assert {b"|touch ran", b"-", b"-rf", b"~", b"$HOME", b"`touch ran`"} <= got
    assert (here.parent / "precious").read_bytes() == b"precious"
    assert not (here / "ran").exists()
    assert [p for p in here.parent.rglob("*") if here not in p.parents and "history" not in p.name] == outside
    assert "^[[2J" in names or "\\x1b" in names
    assert "RETR ../up" not in server.commands and "RETR /abs" not in server.commands


# ---------------------------------------------------------------- ^C and ^D


def test_interrupted_download(terminal, server, here):
    (here / "huge").write_bytes(b"the old one\n")
    with terminal(f"ftp://anonymous:x@127.0.0.1:{server.port}/") as t:
        t.prompt()
        t.do("hash 1m")
        t.line("get huge")
        t.wait("###")
        t.type("\x03")
        out = t.prompt()
        assert "stopped" in out and ".huge.ferry-part" in out, out
        assert (here / "huge").read_bytes() == b"the old one\n"
        os.unlink(here / ".huge.ferry-part")
        # The session is in step: answers belong to their commands.
        assert '257 "/"' in t.do("pwd")
        assert "five.bin\t5000" in t.do("size five.bin")
        t.do("get a.txt")
        assert (here / "a.txt").read_bytes() == b"alpha\n"
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_interrupted_upload(terminal, writable, here):
    (writable.root / "target").write_bytes(b"the old one\n")
    with open(here / "huge", "wb") as f:
        f.truncate(HUGE)
    with terminal(f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/") as t:
        t.prompt()
        t.do("hash 1m")
        t.line("put huge target")
        t.wait("###")
        t.type("\x03")
        assert "stopped" in t.prompt()
        assert '257 "/"' in t.do("pwd")
        assert "target\t12\n" in t.do("size target")
        assert (writable.root / "target").read_bytes() == b"the old one\n"
        wait_until(lambda: not list(writable.root.glob(".ferry-*")), "the temporary file stays")
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_interrupted_typing_of_an_upload(terminal, writable):
    """What a file is typed into is never uploaded by ^C."""
    (writable.root / "target").write_bytes(b"the old one\n")
    with terminal(f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/") as t:
        t.prompt()
        t.line("put - target")
        t.wait("150 ")
        t.line("half a line")
        t.wait("half a line\r\n")
        t.type("\x03")
        t.prompt()
        assert (writable.root / "target").read_bytes() == b"the old one\n"
        assert '257 "/"' in t.do("pwd")
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_interrupts_where_nothing_runs(terminal, server):
    with terminal("127.0.0.1", server.port) as t:
        t.login()
        t.keys("get a.t")
        t.wait("get a.t")
        t.type("\x03")
        t.prompt()
        # The half line is gone.
        assert '257 "/"' in t.do("pwd")
        t.line("size")
        t.wait("(remote-file) ")
        t.type("\x03")
        assert "usage: size" in t.prompt()
        # A command that runs gets the signal, ferry does not.
        t.line("!trap 'echo trapped; exit 3' INT; echo ready; while :; do sleep 1; done")
        t.wait("\r\nready\r\n")
        t.type("\x03")
        assert "trapped" in t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_interrupt_of_several_files(terminal, here):
    server = FakeServer({"a": b"1", "b": b"2", "c": b"3"}, names=[b"a", b"b", b"c"], hold={"data"})
    with server, terminal("-a", "-i", "127.0.0.1", server.port) as t:
        t.prompt()
        t.do("hash 1")
        t.line("mget ?")
        t.wait("#")
        t.type("\x03")
        t.wait("Continue with mget? ")
        t.line("n")
        t.prompt()
        assert len([c for c in server.commands if c.startswith("RETR")]) == 1
        server.release()
        assert '257 "/"' in t.do("pwd")
        t.do("get b")
        assert (here / "b").read_bytes() == b"2"
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_interrupt_of_a_server_that_never_answers(terminal):
    with FakeServer(hold={"PWD"}) as server, terminal("-a", "127.0.0.1", server.port) as t:
        t.prompt()
        t.line("pwd")
        server.wait_command("PWD")
        # The first one asks, the second one insists: like a person, until there is a prompt.
        assert "the connection is closed" in t.press_until_prompt("\x03")
        assert "Not connected" in t.do("pwd")
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_the_end_of_the_input_is_bye(terminal, server):
    with terminal("127.0.0.1", server.port) as t:
        t.login()
        t.keys("\x04")
        t.wait("221 ")
        assert t.end() == 0, t.seen()


# ---------------------------------------------------------------- history and completion


def history_of(tmp_path):
    return "".join(p.read_text() for p in (tmp_path / "home").rglob("*history*"))


def test_history(terminal, server, tmp_path):
    with terminal("127.0.0.1", server.port) as t:
        t.login()
        t.do("size five.bin")
        t.do("pwd")
        t.keys("\x10\x10")
        t.wait("size five.bin")
        t.type("\n")
        assert "five.bin\t5000" in t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()
    assert [p.stat().st_mode & 0o777 for p in (tmp_path / "home").rglob("*history*")] == [0o600]
    with terminal() as t:
        t.wait("ftp> ")
        t.keys("\x12size")
        t.wait("size five.bin")
        t.type("\x03")
        t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_no_secret_in_history_or_arguments(terminal, writable, tmp_path):
    def arguments():
        with open(f"/proc/{t.pid}/cmdline", "rb") as f:
            return f.read()

    url = f"ftp://{USER}:{PASSWORD}@127.0.0.1:{writable.port}/"
    with terminal(url) as t:
        t.prompt()
        assert USER.encode() in arguments() and PASSWORD.encode() not in arguments()
        t.do(f"user {USER} {PASSWORD}")
        t.do(f"quote USER {USER}")
        t.do(f"quote PASS {PASSWORD}")
        t.do(f"us {USER} {PASSWORD}")
        t.do("close")
        assert "230 " in t.do(f"open {url}")
        t.do("size five.bin")
        assert PASSWORD.encode() not in arguments()
        t.line("bye")
        assert t.end() == 0, t.seen()
    text = history_of(tmp_path)
    assert "five.bin" in text and PASSWORD not in text, text


def test_completion(terminal, server, here):
    (here / "local-file").write_text("x")
    (here / "local-other").write_text("x")
    with terminal("127.0.0.1", server.port) as t:
        t.login()
        # A command.
        t.keys("modt\t")
        t.wait("modtime ")
        # A remote name; without a terminal that can do it the line is drawn again.
        t.keys("fi\t")
        t.wait("modtime five.bin ")
        t.type("\n")
        assert "five.bin\t" in t.prompt()
        # A directory, then what is in it.
        t.keys("size su\t")
        t.wait("size sub/")
        t.keys("d\t")
        t.wait("size sub/deep.txt ")
        t.type("\n")
        assert "sub/deep.txt\t5" in t.prompt()
        # A blank in the name.
        t.keys("size wi\t")
        t.wait(r"size with\ blank.txt ")
        t.type("\n")
        assert "with blank.txt\t6" in t.prompt()
        # Several: what they have in common, then all of them.
        t.keys("put l\t")
        t.wait("put local-")
        t.keys("\t")
        t.wait("local-file  local-other")
        t.keys("\x15help pas\t\n")
        t.wait("help passive")
        assert "passive mode: you make both calls" in t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()


def test_completion_offers_no_hostile_name(terminal):
    facts = [b"type=file; " + n for n in (b"ab\x1b[2J", b"ab/../x", b"abgood")]
    server = FakeServer({"abgood": b"12345"}, facts=facts, features=["MLST type*;", "SIZE"])
    with server, terminal("-a", "127.0.0.1", server.port) as t:
        t.prompt()
        t.keys("size a\t")
        t.wait("size abgood ")
        t.type("\n")
        assert "abgood\t5" in t.prompt()
        t.line("bye")
        assert t.end() == 0, t.seen()
        assert b"\x1b[2J" not in t.raw()


# ---------------------------------------------------------------- passive fails, active is allowed


def test_sendport_goes_on_to_active_mode(terminal, here):
    server = FakeServer({"f": b"data"}, replies={"EPSV": "500 no", "PASV": "502 no"})
    with server, terminal("-a", "127.0.0.1", server.port) as t:
        t.prompt()
        assert "no data connection" in t.do("get f")
        assert not [c for c in server.commands if c.startswith(("PORT", "EPRT"))]
        t.do("sendport on")
        assert "4 bytes received" in t.do("get f")
        assert (here / "f").read_bytes() == b"data"
        t.line("bye")
        assert t.end() == 0, t.seen()


# ---------------------------------------------------------------- scripts


def test_scripts(sanitized, writable, tmp_path):
    ferry = sanitized / "ferry" / "ferry"
    login = [f"open 127.0.0.1 {writable.port}", USER, PASSWORD]
    status, out = script(ferry, login + ["cd sub", "get deep.txt", "mget *", "bye"], tmp_path)
    assert status == 0, out
    assert (tmp_path / "deep.txt").read_bytes() == b"deep\n"
    assert PASSWORD not in out and "ftp> " not in out
    # The first failure decides, whatever comes after it.
    status, out = script(ferry, login + ["get nothing", "frobnicate", "get a.txt", "bye"], tmp_path)
    assert status == 5, out
    assert (tmp_path / "a.txt").read_bytes() == b"alpha\n"
    assert script(ferry, login + ["frobnicate", "get nothing"], tmp_path)[0] == 1
    assert script(ferry, login + ["get a.txt /nonexistent/a"], tmp_path)[0] == 7
    assert script(ferry, login[:2] + ["wrong", "pwd"], tmp_path)[0] == 3
    assert script(ferry, login + ["!exit 3"], tmp_path)[0] == 7
    assert script(ferry, ["pwd"], tmp_path)[0] != 0
    # No question is asked.
    (tmp_path / "b.txt").unlink(missing_ok=True)
    assert script(ferry, login + ["mget ?.txt"], tmp_path)[0] == 0
    assert (tmp_path / "b.txt").read_bytes() == b"beta\n"
    assert not list(tmp_path.rglob("*history*"))


# ---------------------------------------------------------------- .netrc


def netrc(home, text, mode=0o600):
    path = home / ".netrc"
    path.write_text(text)
    path.chmod(mode)


def test_netrc(terminal, writable, tmp_path):
    entry = f"machine elsewhere login {USER} password wrong\n" \
            f"machine 127.0.0.1 login {USER} password {PASSWORD}\n"
    netrc(tmp_path / "home", entry)
    with terminal("127.0.0.1", writable.port) as t:
        assert "\n230 " in t.prompt()
        assert "Name" not in t.seen() and PASSWORD not in t.seen()
        t.line("bye")
        assert t.end() == 0, t.seen()
    # Another host's password is not for this one: the person is asked.
    with terminal("localhost", writable.port) as t:
        t.wait("Name (localhost:")
        t.type("\x04")
        t.prompt()
        t.line("bye")
        t.end()
    # Nor is the one of another user of this host.
    with terminal("other@127.0.0.1", writable.port) as t:
        t.wait("Password: ")
        t.line("x")
        assert "530 " in t.prompt()
        t.line("bye")
        t.end()
    # A file that others can read is no place for a password.
    netrc(tmp_path / "home", entry, 0o644)
    with terminal("127.0.0.1", writable.port) as t:
        out = t.prompt()
        assert "chmod 600" in out and "230 " not in out
        t.line("bye")
        t.end()
    # -n: not looked at.
    with terminal("-n", "127.0.0.1", writable.port) as t:
        t.prompt()
        assert "chmod" not in t.seen()
        assert "Login incomplete" in t.do("pwd")
        t.line("bye")
        t.end()
