"""A plain FTP client for tests: it sends exactly what it is told and shows exactly what came."""
import re
import socket

SECONDS = 20


class Session:
    def __init__(self, port, host="127.0.0.1", seconds=SECONDS, source=None):
        self.sock = socket.create_connection((host, port), timeout=seconds,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds = seconds
        self.host = host
        self.pending = b""
        self.data = None
        self.listener = None

    def close(self):
        for s in (self.data, self.listener, self.sock):
            if s is not None:
                s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- control connection ----

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, line):
        if isinstance(line, str):
            line = line.encode()
        self.send_raw(line + b"\r\n")

    def line(self):
        """The next line as bytes without CR LF; b"" at the end of the connection."""
        while b"\r\n" not in self.pending:
            got = self.sock.recv(65536)
            if not got:
                rest, self.pending = self.pending, b""
                assert rest == b"", f"the connection ended inside a line: {rest!r}"
                return b""
            self.pending += got
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def reply(self):
        """The next whole reply: (code, [lines])."""
        first = self.line()
        if first == b"":
            return 0, []
        assert re.match(rb"[1-5][0-9][0-9][ -]", first), f"not a reply: {first!r}"
        lines = [first]
        if first[3:4] == b"-":
            while not lines[-1].startswith(first[:3] + b" "):
                line = self.line()
                assert line != b"", "the connection ended inside a reply"
                lines.append(line)
        return int(first[:3]), lines

    def command(self, line, *codes):
        """Sends a line, returns its reply; with codes, asserts that it is one of them."""
        self.send(line)
        code, lines = self.reply()
        if codes:
            assert code in codes, f"{line!r} was answered {lines!r}, wanted {codes}"
        return code, lines

    def login(self, user="anonymous", password="test@", binary=True):
        code, _ = self.reply()
        assert code == 220
        code, lines = self.command(f"USER {user}", 331, 230)
        if code == 331:
            self.command(f"PASS {password}", 230)
        if binary:
            self.command("TYPE I", 200)
        return self

    # ---- data connection ----

    def passive(self, verb="EPSV"):
        _, lines = self.command(verb, 229, 227)
        text = lines[-1].decode()
        if verb.startswith("EPSV"):
            port = int(re.search(r"\(\|\|\|(\d+)\|\)", text).group(1))
        else:
            n = [int(x) for x in re.search(r"\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)", text).groups()]
            port = n[4] * 256 + n[5]
        self.data = socket.create_connection((self.host, port), timeout=self.seconds)
        return port

    def active(self, verb="PORT"):
        family = self.sock.family
        own = self.sock.getsockname()[0]
        self.listener = socket.socket(family)
        self.listener.settimeout(self.seconds)
        self.listener.bind((own, 0))
        self.listener.listen(1)
        port = self.listener.getsockname()[1]
        if verb == "PORT":
            self.command(f"PORT {own.replace('.', ',')},{port // 256},{port % 256}", 200)
        else:
            kind = 1 if family == socket.AF_INET else 2
            self.command(f"EPRT |{kind}|{own}|{port}|", 200)
        return port

    def connect_data(self, how):
        if how in ("EPSV", "PASV"):
            self.passive(how)
        else:
            self.active(how)

    def data_socket(self):
        if self.data is None:
            self.data, self.data_peer = self.listener.accept()
            self.data.settimeout(self.seconds)
            self.listener.close()
            self.listener = None
        return self.data

    def read_data(self):
        got = []
        s = self.data_socket()
        while True:
            piece = s.recv(1 << 18)
            if not piece:
                break
            got.append(piece)
        self.close_data()
        return b"".join(got)

    def write_data(self, data):
        self.data_socket().sendall(data)

    def close_data(self):
        for s in (self.data, self.listener):
            if s is not None:
                s.close()
        self.data = self.listener = None

    # ---- whole operations ----

    def retrieve(self, line, how="EPSV"):
        """RETR, LIST, ...: bytes received; asserts 1xx and 226."""
        self.connect_data(how)
        self.command(line, 150, 125)
        got = self.read_data()
        code, lines = self.reply()
        assert code == 226, lines
        return got

    def store(self, line, data, how="EPSV"):
        self.connect_data(how)
        self.command(line, 150, 125)
        self.write_data(data)
        self.close_data()
        code, lines = self.reply()
        assert code == 226, lines
