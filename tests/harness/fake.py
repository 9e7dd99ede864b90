"""A server that does what it is told, for what no honest server does: wrong names, silence, half a file."""
import socket
import ssl
import threading
import zlib

from . import modes

SECONDS = 20


class FakeServer:
    """Speaks FTP on loopback, with one thread per session. Start it with `with`.

    files: {path: bytes} that RETR and SIZE know; names: what NLST lists, and facts: what MLSD lists (bytes,
    without line ends); features: of FEAT. replies: {verb: line} answered instead of doing anything; a function of
    the session and the argument that returns a line, or None when it has said everything; or None: hang up. hold: verbs that are answered only after
    release(); with "data" in it, files trickle until then. half: RETR sends half of a file. size: what SIZE says.
    calls: active mode works; below: the call (only one) comes from the port below the server's own. uploads:
    {path: bytes} that STOR received whole. commands: every line that came, in order. open: the connections.
    modes: which of "B" and "Z" MODE takes. breaks: after so many files in MODE B the data connection is closed in
    the middle of one. calls_made: data connections.

    tls: an ssl.SSLContext makes it one with AUTH TLS; implicit: from the first byte. data_tls: another context for
    data connections. cut: data connections end without close_notify. injected: bytes in clear behind the 234.
    handshakes: (channel, resumed) of each; notified: did each upload end with close_notify? port: where to listen.
    """

    def __init__(self, files=None, names=(), facts=(), features=(), replies=None, hold=(), greeting="220 ready",
                 password=None, host="127.0.0.1", below=False, half=False, size=None, calls=True, modes="",
                 breaks=None, tls=None, implicit=False, data_tls=None, cut=False, injected=b"", port=0):
        self.files, self.names, self.facts = dict(files or {}), list(names), list(facts)
        self.features, self.replies, self.hold = list(features), dict(replies or {}), set(hold)
        self.greeting, self.password, self.host = greeting, password, host
        self.below, self.half, self.size, self.calls = below, half, size, calls
        self.modes, self.breaks, self.calls_made = modes, breaks, 0
        self.tls, self.implicit, self.data_tls = tls, implicit, data_tls or tls
        self.cut, self.injected, self.wanted_port = cut, injected, port
        self.handshakes, self.notified = [], []
        if tls and not implicit:
            self.features.append("AUTH TLS")
        self.commands, self.uploads = [], {}
        self.changed = threading.Condition()
        self.released = threading.Event()
        self.open = []

    def __enter__(self):
        self.listen()
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        # shutdown() wakes accept() and recv(), which close() does not.
        for s in [self.listener] + self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def listen(self):
        self.listener = socket.create_server((self.host, self.wanted_port), family=self.family())
        self.port = self.listener.getsockname()[1]
        if self.below:
            self.bind_below()

    def bind_below(self):
        """Keeps the port that the data connection is to come from."""
        self.caller = socket.socket(self.family())
        # What an old connection left there is no hindrance.
        self.caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.caller.bind((self.host, self.port - 1))
        except OSError:
            self.caller.close()
            self.listener.close()
            self.listen()

    def family(self):
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def release(self):
        self.released.set()

    def wait_command(self, beginning):
        """Waits until a line that begins so has come; returns it."""
        def come():
            return next((c for c in self.commands if c.startswith(beginning)), None)

        with self.changed:
            assert self.changed.wait_for(come, SECONDS), f"no {beginning}, only {self.commands}"
            return come()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.append(s)
            threading.Thread(target=self.session, args=(s,), daemon=True).start()

    def session(self, s):
        session = Session(self, s)
        try:
            session.run()
        except OSError:
            pass
        finally:
            session.sock.close()


class Session:
    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.listener = self.told = self.data = None
        self.offset, self.mode, self.files_sent = 0, "S", 0
        self.secret = self.protected = False

    def encrypt(self):
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.server.open.append(self.sock)
        self.server.handshakes.append(("control", self.sock.session_reused))
        self.secret = True

    def say(self, text):
        self.sock.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def run(self):
        server = self.server
        if "greeting" in server.hold:
            server.released.wait(SECONDS)
        if server.implicit:
            self.encrypt()
        self.say(server.greeting)
        pending = b""
        while data := self.sock.recv(4096):
            # What comes urgently with ABOR (Telnet IP and Synch) is no part of the line.
            pending += data.replace(b"\xff\xf4", b"").replace(b"\xff\xf2", b"").replace(b"\xff", b"")
            while b"\r\n" in pending:
                line, pending = pending.split(b"\r\n", 1)
                if not self.obey(line.decode("utf-8", "surrogateescape")):
                    return

    def obey(self, line):
        server = self.server
        with server.changed:
            server.commands.append(line)
            server.changed.notify_all()
        verb, _, arg = line.partition(" ")
        if verb in server.hold:
            server.released.wait(SECONDS)
        if verb in server.replies:
            reply = server.replies[verb]
            if reply is None:
                return False
            if callable(reply):
                reply = reply(self, arg)
            if reply is not None:
                self.say(reply)
        else:
            getattr(self, "do_" + verb, self.unknown)(arg)
        return verb != "QUIT"

    def unknown(self, arg):
        self.say("502 what")

    def do_AUTH(self, arg):
        if self.server.tls is None or self.secret:
            return self.unknown(arg)
        self.sock.sendall(b"234 go on\r\n" + self.server.injected)
        self.encrypt()

    def do_PBSZ(self, arg):
        self.say("200 PBSZ=0" if self.secret else "503 AUTH first")

    def do_PROT(self, arg):
        self.protected = arg == "P"
        self.say("200 ok" if self.secret and self.protected else "536 only P")

    def do_USER(self, arg):
        self.say("331 the password")

    def do_PASS(self, arg):
        wanted = self.server.password
        self.say("230 in" if wanted is None or arg == wanted else "530 no")

    def do_QUIT(self, arg):
        self.say("221 bye")

    def do_FEAT(self, arg):
        self.say("\r\n".join(["211-Features"] + [f" {f}" for f in self.server.features] + ["211 End"]))

    def do_TYPE(self, arg):
        self.say("200 ok")

    def do_NOOP(self, arg):
        self.say("200 ok")

    def do_CWD(self, arg):
        self.say("250 ok")

    def do_PWD(self, arg):
        self.say('257 "/"')

    def do_SIZE(self, arg):
        if arg not in self.server.files:
            return self.say("550 no such file")
        size = self.server.size
        self.say(f"213 {len(self.server.files[arg]) if size is None else size}")

    def do_REST(self, arg):
        self.offset = int(arg)
        self.say("350 ok")

    def do_ABOR(self, arg):
        self.say("226 stopped")

    # ---- data connections ----

    def listen(self):
        if self.listener is not None:
            self.listener.close()
        self.listener = socket.create_server((self.server.host, 0), family=self.server.family())
        self.listener.settimeout(SECONDS)
        return self.listener.getsockname()[1]

    def do_EPSV(self, arg):
        self.say(f"229 ok (|||{self.listen()}|)")

    def do_PASV(self, arg):
        port = self.listen()
        self.say(f"227 ok (127,0,0,1,{port // 256},{port % 256})")

    def do_PORT(self, arg):
        n = [int(x) for x in arg.split(",")]
        self.told = (".".join(str(x) for x in n[:4]), n[4] * 256 + n[5])
        self.say("200 ok")

    def do_EPRT(self, arg):
        _, _, host, port, _ = arg.split("|")
        self.told = (host, int(port))
        self.say("200 ok")

    def do_MODE(self, arg):
        if arg != "S" and arg not in self.server.modes:
            return self.say("504 not that one")
        self.hang_up()
        self.mode = arg
        self.say("200 ok")

    def hang_up(self):
        if self.data is not None:
            self.data.close()
        self.data = None

    def connect(self):
        if self.mode == "B" and self.data is not None:
            return
        self.server.calls_made += 1
        if self.told is None:
            self.data, _ = self.listener.accept()
            self.listener.close()
            self.listener = None
        else:
            self.data = self.server.caller if self.server.below else socket.socket(self.server.family())
            self.data.connect(self.told)
            self.told = None
        self.data.settimeout(SECONDS)

    def protect(self):
        """The data connection after the 150, as PROT wants it."""
        if not self.protected or isinstance(self.data, ssl.SSLSocket):
            return
        self.data = self.server.data_tls.wrap_socket(self.data, server_side=True, suppress_ragged_eofs=False)
        self.server.handshakes.append(("data", self.data.session_reused))

    def end(self):
        if self.protected and not self.server.cut:
            self.data.unwrap().close()
        else:
            self.data.close()

    def send(self, data, held=False):
        if not self.server.calls:
            return self.say("150 I am about to call")
        if self.mode == "B":
            return self.send_blocks(data)
        if self.mode == "Z":
            data = zlib.compress(data)
        self.connect()
        self.say("150 here it comes")
        try:
            self.protect()
            self.data.sendall(data)
            if held:
                # A byte now and then, so that the client has something to show.
                while not self.server.released.wait(0.02):
                    self.data.sendall(b".")
            self.end()
        except OSError:
            return self.say("426 you hung up")
        self.data = None
        self.say("226 done")

    def send_blocks(self, data):
        if self.data is None and self.listener is None and self.told is None:
            return self.say("425 no data connection")
        known = self.data is not None
        self.connect()
        self.say("125 here it comes" if known else "150 here it comes")
        self.protect()
        if self.files_sent == self.server.breaks:
            self.server.breaks = None
            self.data.sendall(modes.block(data)[:-1])
            self.hang_up()
            return self.say("426 cut")
        self.files_sent += 1
        self.data.sendall(modes.blocks(data, 1000))
        self.say("250 done")

    def do_RETR(self, arg):
        if arg not in self.server.files:
            return self.say("550 no such file")
        data, self.offset = self.server.files[arg][self.offset:], 0
        self.send(data[:len(data) // 2] if self.server.half else data, "data" in self.server.hold)

    def do_NLST(self, arg):
        self.send(b"".join(n + b"\r\n" for n in self.server.names))

    def do_LIST(self, arg):
        self.do_NLST(arg)

    def do_MLSD(self, arg):
        self.send(b"".join(n + b"\r\n" for n in self.server.facts))

    def do_STOR(self, arg):
        self.connect()
        self.say("150 go on")
        self.protect()
        if self.mode == "B":
            self.server.uploads[arg], _ = modes.receive_file(self.data)
            return self.say("250 done")
        got = b""
        try:
            while piece := self.data.recv(65536):
                got += piece
        except OSError:
            self.server.notified.append(False)
            return self.say("426 no close_notify")
        self.server.notified.append(True)
        self.end()
        self.data = None
        self.server.uploads[arg] = zlib.decompress(got) if self.mode == "Z" else got
        self.say("226 done")


class SilentPort:
    """A port whose calls are never answered, neither yes nor no: its queue is full."""

    def __enter__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fill = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.fill.append(s)
        return self

    def __exit__(self, *_):
        for s in self.fill + [self.listener]:
            s.close()


