"""Anything at all on the control connection: always a proper reply or the end of the connection, never a crash.

The servers are the sanitized ones. Everything is made from fixed seeds; a failure names its own.
"""
import concurrent.futures
import contextlib
import pathlib
import random
import re
import socket
import threading

import pytest

from harness import ftp
from harness.probe import RIGHTS, everyone
from harness.server import Ferryd

TOP = pathlib.Path(__file__).parents[2]
VERBS = re.findall(r"^VERB\((\w+), (\w+), (\w+),", (TOP / "lib/verbs.def").read_text(), re.M)
OPTIONS = dict(RIGHTS, delay_failed_login=0, max_login_fails=1000, accept_timeout=1, connect_timeout=1,
               data_connection_timeout=2, mdtm_write="YES", chmod_enable="YES", ls_recurse_enable="YES",
               dirmessage_enable="YES", log_ftp_protocol="YES")


def tree(root):
    (root / "f").write_bytes(b"line\r\nline\n" * 10_000)
    (root / "d").mkdir()
    (root / "d" / ".message").write_bytes(b"220 not a reply\r\n\xff\xfe\x00 \x1b[1m\n" * 50)
    (root / "a\nb\r\n226 forged").touch()
    (root / "l").symlink_to("../../../../etc/passwd")
    for i in range(50):
        (root / f"n{i}").touch()


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), TOP / "build-asan", options=OPTIONS, tree=tree)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sink():
    """A port where data connections end: some get a few bytes, some a reset, some nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def serve():
        with contextlib.suppress(OSError):
            for i in range(1 << 30):
                s, _ = listener.accept()
                with s, contextlib.suppress(OSError):
                    s.settimeout(0.05)
                    if i % 3 == 0:
                        s.sendall(b"\r\n\xff\x00 some bytes \r" * 100)
                    if i % 3 == 1:
                        s.recv(100)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def replies(data):
    """The codes of a stream of replies; asserts that it is nothing else (RFC 959 4.2)."""
    assert data == b"" or data.endswith(b"\r\n"), f"the connection ended inside a line: {data[-200:]!r}"
    codes, open_code = [], None
    for line in data.split(b"\r\n")[:-1]:
        if open_code is None:
            assert re.match(rb"[1-5][0-9][0-9][ -]", line), f"no reply: {line!r}"
            assert b"\r" not in line.replace(b"\r\0", b""), f"forged: {line!r}"
            if line[3:4] == b"-":
                open_code = line[:3]
            else:
                codes.append(int(line[:3]))
        elif line[:4] == open_code + b" ":
            codes.append(int(open_code))
            open_code = None
        else:
            assert not re.match(rb"[1-5][0-9][0-9] ", line), f"an inner line looks like a reply: {line!r}"
    assert open_code is None, f"a reply has no end: {data[-200:]!r}"
    return codes


def without_telnet(data):
    return re.sub(rb"\xff[\xfb-\xfe].", b"", data, flags=re.S).replace(b"\xff\xff", b"\xff")


def converse(server, data, chunk=None):
    """Sends it all, ends its side, and returns all that the server said until it hung up."""
    got = []
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
        def send():
            with contextlib.suppress(OSError):
                for i in range(0, len(data), chunk or len(data) or 1):
                    s.sendall(data[i:i + (chunk or len(data))])
                s.shutdown(socket.SHUT_WR)

        if len(data) > 30_000:
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
        else:
            send()
        try:
            while piece := s.recv(1 << 18):
                got.append(piece)
        except ConnectionResetError:
            # It had enough, and did not take the rest.
            whole = b"".join(got)
            return whole[:whole.rfind(b"\r\n") + 2]
    return b"".join(got)


WORDS = [b"f", b"d", b"l", b"/", b"..", b"../" * 50, b".", b"*", b"[", b"?" * 300, b"-la", b"-R /", b"-laR*", b"~{",
         b"%n%s%x", b"a" * 300, b"b/" * 2000, b"\xff\xff", b"\xff\xf4\xff\xf2", b"\xff", b"\r\0\n", b"\0", b"\x80\xfe",
         b"0", b"-1", b"1", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616",
         b"20240229120000 f", b"20240230250000 f", b"CHMOD 777 f", b"CHMOD 7777777777777 f", b"UMASK 8", b"IDLE -1",
         b"UTF8 ON", b"MLST type;size;nonsense;", b"MLST " + b"x;" * 2000, b"A N", b"I", b"L 8", b"E", b"ALL", b"2",
         b"anonymous", b"ftp", b"root", b"|1|127.0.0.1|5|", b"||||||||", b"\"quoted\"", b"\\", b"\xc3", b"d/.message",
         b"a\n", b" leading", b"trailing ", b"new1", b"new2", b"STOR", b"", b"", b""]
TELNET = [b"\xff\xfb\x18", b"\xff\xfd\x01", b"\xff\xf4", b"\xff\xf2", b"\xff\xff", b"\xff\xfa\x18\x01\xff\xf0", b"\xff"]
LOGIN = b"USER anonymous\r\nPASS x\r\n"


def command(chance, sink):
    roll = chance.random()
    if roll < 0.06:
        return f"PORT 127,0,0,1,{sink // 256},{sink % 256}".encode()
    if roll < 0.1:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
    if roll < 0.11:
        return b"x" * chance.choice((4095, 4096, 4111, 4112, 4113, 5000, 70_000))
    verb = chance.choice(VERBS)[0].encode()
    if verb in (b"PASV", b"EPSV", b"QUIT") and chance.random() < 0.8:
        verb = b"PORT"  # a data connection that nobody makes costs a second
    if verb == b"PORT" and chance.random() < 0.8:
        return f"PORT 127,0,0,1,{sink // 256},{sink % 256}".encode()
    word = chance.choice(WORDS)
    return verb + (b" " + word if word or chance.random() < 0.3 else b"")


def mutate(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 2, 5, 20))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at:at] = chance.choice(TELNET)
        elif kind == 2:
            del data[at:at + chance.randrange(1, 8)]
        elif kind == 3:
            data[at:at] = data[at:at + chance.randrange(1, 60)]
        elif kind == 4:
            data[at:at] = chance.choice((b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t"))
        elif kind == 5 and at < len(data):
            data[at] = chance.randrange(256)
    return bytes(data)


def play(server, sink, seed):
    chance = random.Random(seed)
    login = LOGIN if chance.random() < 0.8 else b""
    lines = [command(chance, sink) for _ in range(chance.randrange(1, 25))]
    data = login + mutate(chance, b"\r\n".join(lines) + b"\r\n")
    try:
        got = converse(server, data, chance.choice((None, None, None, 7, 100)))
        codes = replies(without_telnet(got))
        assert codes[0] == 220
        # Never more final replies than lines: one command, one reply.
        finals = [code for code in codes[1:] if code >= 200]
        assert len(finals) <= data.count(b"\n") + 1, f"{len(finals)} replies to {data.count(10)} lines"
    except Exception as e:
        raise AssertionError(f"seed {seed}: {e!r}\nsent {data[:3000]!r}") from e


def answers(server):
    with ftp.Session(server.port) as s:
        s.login()
        return len(s.retrieve("NLST")) > 0


@pytest.mark.parametrize("block", range(6))
def test_mutated_conversations(server, sink, block):
    before = set(everyone(server))
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda i: play(server, sink, block * 1000 + i), range(500)))
    assert answers(server)
    assert before - set(everyone(server)) <= set(), "a process was ended"


def test_plain_garbage(server):
    chance = random.Random(7)
    cases = [chance.randbytes(chance.choice((1, 10, 1000, 20_000))) for _ in range(200)]
    cases += [b"\xff" * n for n in (1, 2, 3, 4095, 4096, 4097, 200_000)]
    cases += [b"\r" * 10_000, b"\n" * 10_000, b"\0" * 100_000, b"\r\0" * 10_000, b"A" * 1_000_000,
              (b"x" * 4112 + b"\r\n") * 30, b"\xff\xf4\xff\xf2ABOR\r\n" * 1000, b"\xff\xfd\x01" * 20_000,
              b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500]

    def one(data):
        replies(without_telnet(converse(server, data)))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, cases))
    assert answers(server)


# ---- every verb in every state ----

ARGUMENTS = [b"", b" ", b" x", b" /", b" " + b"a" * 4000, b" 1", b" -1", b" *", b" \xff\xff\xc3", b" f"]


@pytest.mark.parametrize("verb,state,kind", VERBS)
def test_every_verb_before_login(server, verb, state, kind):
    for argument in ARGUMENTS:
        with ftp.Session(server.port) as s:
            assert s.reply()[0] == 220
            code, lines = s.command(verb.encode() + argument)
            assert 200 <= code < 600, lines
            if state == "USER":
                assert code == 530, lines
            assert code not in (227, 229, 230, 350), lines
            if verb != "QUIT" or code != 221:
                s.command("PWD", 530)


@pytest.mark.parametrize("verb,state,kind", VERBS)
def test_every_verb_after_login(server, verb, state, kind):
    with ftp.Session(server.port) as s:
        s.login()
        for argument in ARGUMENTS:
            code, lines = s.command(verb.encode() + argument)
            assert 200 <= code < 600, lines
            if verb == "QUIT" and code == 221:
                return
            if verb == "REIN" and code == 220:
                s.command("USER anonymous", 331)
                s.command("PASS x", 230)
            # In step: one reply to one command.
            s.command("XYZZY", 500)


@pytest.mark.parametrize("verb,state,kind", VERBS)
def test_every_verb_during_a_transfer(server, verb, state, kind):
    for argument in (b"", b" f", b" 1"):
        with ftp.Session(server.port) as s:
            s.login()
            s.passive()
            s.command("STOR during", 150)
            s.write_data(b"some bytes")
            s.send_raw(verb.encode() + argument + b"\r\nXYZZY\r\nPWD\r\n")
            if verb == "ABOR" and argument == b"":
                assert [s.reply()[0] for _ in range(4)] == [426, 226, 500, 257]
                continue
            # These two are heard at once, all others wait.
            early = s.reply()[0] if verb == "NOOP" or verb == "STAT" and argument == b"" else None
            s.close_data()
            codes = [] if early is None else [early]
            while len(codes) < 4 and (code := s.reply()[0]):
                codes.append(code)
            if verb == "QUIT" and argument == b"":
                assert codes == [226, 221]
            elif verb == "REIN" and argument == b"":
                assert codes == [226, 220, 500, 530]
            elif early is not None:
                assert codes == [200 if verb == "NOOP" else 211, 226, 500, 257]
            else:
                assert codes[0] == 226 and codes[2:] == [500, 257] and 200 <= codes[1] < 600, codes
