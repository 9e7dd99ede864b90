"""Reading and playing .talk files: see tests/talk/README.md."""
import os
import re
import socket
import struct
import subprocess

from . import ftp
from .server import wait_until

SECONDS = 15


def text(source):
    """\\r, \\n, \\xHH, ... in a step's text."""
    def one(match):
        e = match.group(1)
        simple = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
        return simple[e] if e in simple else chr(int(e[1:], 16))

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, source).encode("latin-1")


def unescaped(source):
    """A step's text whose characters beyond escapes are UTF-8."""
    return text(source.encode("utf-8").decode("latin-1"))


def pattern(source):
    parts = [re.escape(unescaped(part)) for part in source.split("*")]
    return re.compile(b".*".join(parts), re.DOTALL)


def steps(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        line = line.lstrip()
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            if line.startswith("<..."):
                word, rest = "<...", line[4:]
            yield number, word, rest


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


SETUP = {"option", "served", "file", "dir", "link", "fifo", "mode", "host"}


class ServerTalk:
    """A conversation with ferryd."""

    def __init__(self, path, slowly=False):
        self.path, self.slowly = path, slowly
        self.host = "127.0.0.1"
        self.steps = list(steps(path))

    def options(self):
        """How the server is to be started: keyword arguments for Ferryd."""
        options, extra = {}, {}
        for _, word, rest in self.steps:
            if word == "option":
                name, _, value = rest.partition("=")
                options[name] = value
            elif word == "served":
                user, _, password = rest.partition(" ")
                extra.update(served=True, user=user, password=password)
        return dict(options=options, **extra)

    def prepare(self, root):
        """Makes the tree. Everything in it belongs to whoever serves it."""
        for _, word, rest in self.steps:
            name, _, value = rest.partition(" ")
            path = os.fsencode(root) + b"/" + unescaped(name)
            if word == "file":
                with open(path, "wb") as f:
                    f.write(unescaped(value))
            elif word == "dir":
                os.makedirs(path)
            elif word == "link":
                os.symlink(unescaped(value), path)
            elif word == "fifo":
                os.mkfifo(path)
            elif word == "mode":
                os.chmod(os.fsencode(root) + b"/" + unescaped(value), int(name, 8))
            elif word == "host":
                self.host = rest

    def play(self, server):
        self.root = os.fsencode(server.root)
        self.session = ftp.Session(server.port, self.host, SECONDS)
        try:
            for number, word, rest in self.steps:
                if word in SETUP:
                    continue
                try:
                    getattr(self, STEP_NAMES[word])(rest)
                except Exception as e:
                    raise AssertionError(f"{self.path.name}:{number}: {word} {rest}: {e!r}") from e
        finally:
            self.session.close()

    def send(self, data):
        if not self.slowly:
            self.session.send_raw(data)
            return
        for i in range(len(data)):
            self.session.send_raw(data[i:i + 1])

    def do_send(self, rest):
        self.send(unescaped(rest) + b"\r\n")

    def do_raw(self, rest):
        self.send(unescaped(rest))

    def do_urgent(self, rest):
        data = unescaped(rest)
        self.send(data[:-1])
        self.session.sock.send(data[-1:], socket.MSG_OOB)

    def do_expect(self, rest):
        line = self.session.line()
        assert pattern(rest).fullmatch(line), f"got {line!r}"

    def do_skip(self, rest):
        while True:
            line = self.session.line()
            if pattern(rest).fullmatch(line):
                return
            assert line != b"", "the connection ended first"

    def do_login(self, rest):
        user, _, password = rest.partition(" ")
        self.session.login(user, password or "test@", binary=False)

    def do_open(self, rest):
        self.session.connect_data(rest)

    def do_put(self, rest):
        self.session.write_data(unescaped(rest))

    def do_get(self, rest):
        got = self.session.read_data()
        assert pattern(rest).fullmatch(got), f"got {got!r}"

    def do_hangup(self, rest):
        self.session.data_socket()
        self.session.close_data()

    def do_reset(self, rest):
        reset(self.session.data_socket())
        self.session.data = None

    def do_halfclose(self, rest):
        self.session.sock.shutdown(socket.SHUT_WR)

    def do_closed(self, rest):
        assert self.session.line() == b"", "it is open"

    def file(self, name):
        return self.root + b"/" + unescaped(name)

    def do_is(self, rest):
        name, _, value = rest.partition(" ")
        path, wanted = self.file(name), unescaped(value)

        def same():
            try:
                with open(path, "rb") as f:
                    return f.read() == wanted
            except OSError:
                return False

        wait_until(same, f"{name} is not {value!r}")

    def do_absent(self, rest):
        wait_until(lambda: not os.path.lexists(self.file(rest)), f"{rest} is there")

    def do_present(self, rest):
        wait_until(lambda: os.path.lexists(self.file(rest)), f"{rest} is not there")


STEP_NAMES = {">": "do_send", ">>": "do_raw", "urgent": "do_urgent", "<": "do_expect", "<...": "do_skip",
              "login": "do_login", "open": "do_open", "put": "do_put", "get": "do_get", "hangup": "do_hangup",
              "reset": "do_reset", "halfclose": "do_halfclose", "closed": "do_closed", "is": "do_is",
              "absent": "do_absent", "present": "do_present"}


class ClientTalk:
    """A conversation with ferry, the file being the server."""

    def __init__(self, path, ferry, directory, slowly=False):
        self.path, self.ferry, self.directory, self.slowly = path, ferry, directory, slowly
        self.steps = list(steps(path))
        self.numbers = {}
        self.control = self.data = self.listener = self.process = None
        self.pending = b""
        self.told = None
        self.host = "127.0.0.1"

    def play(self):
        for _, word, rest in self.steps:
            if word == "host":
                self.host = rest
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as server:
            server.settimeout(SECONDS)
            server.bind((self.host, 0))
            server.listen(8)
            self.server = server
            try:
                for number, word, rest in self.steps:
                    try:
                        getattr(self, CLIENT_STEPS[word])(rest)
                    except Exception as e:
                        raise AssertionError(
                            f"{self.path.name}:{number}: {word} {rest}: {e!r}\n{self.output()}") from e
            finally:
                for s in (self.control, self.data, self.listener):
                    if s is not None:
                        s.close()
                if self.process is not None and self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()

    def output(self):
        try:
            return (self.directory / "output").read_bytes().decode(errors="replace")
        except OSError:
            return ""

    def fill(self, rest):
        for name, value in self.numbers.items():
            rest = rest.replace("{" + name + "}", str(value))
        return rest

    def do_host(self, rest):
        pass

    def do_local(self, rest):
        name, _, value = rest.partition(" ")
        (self.directory / name).write_bytes(unescaped(value))

    def do_input(self, rest):
        self.input = unescaped(rest)

    def do_run(self, rest):
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"{host}:{self.server.getsockname()[1]}"
        self.numbers.update(server=where)
        args = [self.fill(a) for a in rest.split()]
        with open(self.directory / "output", "wb") as out:
            self.process = subprocess.Popen(
                [self.ferry] + args, cwd=self.directory, stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE, env=dict(os.environ, HOME=str(self.directory)))
        self.process.stdin.write(getattr(self, "input", b""))
        self.process.stdin.close()

    def do_connected(self, rest):
        self.control, _ = self.server.accept()
        self.control.settimeout(SECONDS)
        self.control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def write(self, data):
        if self.control is None:
            self.do_connected("")
        if self.slowly:
            for i in range(len(data)):
                self.control.sendall(data[i:i + 1])
        else:
            self.control.sendall(data)

    def do_send(self, rest):
        self.write(unescaped(self.fill(rest)) + b"\r\n")

    def do_raw(self, rest):
        self.write(unescaped(self.fill(rest)))

    def line(self):
        while b"\r\n" not in self.pending:
            got = self.control.recv(65536)
            assert got, f"ferry hung up; pending {self.pending!r}"
            self.pending += got
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def do_expect(self, rest):
        line = self.line()
        # Ferry asks for encryption before it says who it is. No conversation writes that out: none offers it.
        if line == b"FEAT" and rest.startswith("USER"):
            self.do_send("530 log in first")
            line = self.line()
        assert pattern(self.fill(rest)).fullmatch(line), f"got {line!r}"
        port = re.fullmatch(rb"PORT (\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", line)
        eprt = re.fullmatch(rb"EPRT \|\d\|([^|]+)\|(\d+)\|", line)
        if port:
            n = [int(x) for x in port.groups()]
            self.told = (".".join(str(x) for x in n[:4]), n[4] * 256 + n[5])
        elif eprt:
            self.told = (eprt.group(1).decode(), int(eprt.group(2)))

    def do_hungup(self, rest):
        """Ferry closes the control connection, whatever it still says."""
        while self.control.recv(65536):
            pass

    def do_listen(self, rest):
        if self.listener is not None:
            self.listener.close()
        self.listener = socket.socket(self.server.family)
        self.listener.settimeout(SECONDS)
        self.listener.bind((self.host, 0))
        self.listener.listen(8)
        port = self.listener.getsockname()[1]
        self.numbers.update(port=port, p1=port // 256, p2=port % 256)

    def do_unlisten(self, rest):
        """The announced port refuses from now on."""
        self.listener.close()
        self.listener = None

    def do_accept(self, rest):
        self.data, _ = self.listener.accept()
        self.data.settimeout(SECONDS)
        self.listener.close()
        self.listener = None

    def do_dial(self, rest):
        self.data = socket.create_connection(self.told, timeout=SECONDS)

    def do_put(self, rest):
        self.data.sendall(unescaped(rest))

    def do_get(self, rest):
        got = b""
        while piece := self.data.recv(65536):
            got += piece
        assert pattern(rest).fullmatch(got), f"got {got!r}"
        self.do_hangup("")

    def do_hangup(self, rest):
        self.data.close()
        self.data = None

    def do_reset(self, rest):
        reset(self.data)
        self.data = None

    def do_close(self, rest):
        self.control.close()
        self.control = None

    def do_exit(self, rest):
        status = self.process.wait(SECONDS * 4)
        assert status == int(rest), f"exit status {status}"

    def do_says(self, rest):
        assert re.search(pattern(self.fill(rest)), self.output().encode()), "it does not say so"

    def do_never(self, rest):
        assert not re.search(pattern(self.fill(rest)), self.output().encode()), "it says so"

    def do_is(self, rest):
        name, _, value = rest.partition(" ")
        assert (self.directory / name).read_bytes() == unescaped(value)

    def do_absent(self, rest):
        assert not os.path.lexists(self.directory / rest)


CLIENT_STEPS = {">": "do_send", ">>": "do_raw", "<": "do_expect"}
CLIENT_STEPS.update({name[3:]: name for name in dir(ClientTalk) if name.startswith("do_")
                     and name not in CLIENT_STEPS.values()})
