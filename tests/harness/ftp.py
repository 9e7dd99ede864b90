"""An FTP client for tests: it sends exactly what it is told and shows exactly what came. With tls= it speaks TLS
(RFC 4217), on data connections too once PROT P is said."""
import re
import socket
import ssl

SECONDS = 20


def tls_context(ca=None, version=None, alpn=None):
    """A client's context. version: "1.2" or "1.3" and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Session:
    """tls: an SSLContext, used after secure() or, with implicit, at once; name: what it asks for ("": nothing)."""

    def __init__(self, port, host="127.0.0.1", seconds=SECONDS, source=None, tls=None, implicit=False,
                 name=None, preface=b""):
        self.sock = socket.create_connection((host, port), timeout=seconds,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(preface)  # ahead of TLS
        self.seconds = seconds
        self.source = source
        self.host = host
        self.name = host if name is None else name  # that TLS asks for
        self.pending = b""
        self.data = None
        self.listener = None
        self.tls = tls
        self.private = False
        self.reuse = True  # data connections resume the control connection's session
        if implicit:
            self.wrap_control()
            self.private = True

    def wrap_control(self):
        assert self.pending == b"", f"clear bytes before the handshake: {self.pending!r}"
        self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.name or None)

    def secure(self, private=True):
        """AUTH TLS, and PROT P; behind the greeting."""
        self.command("AUTH TLS", 234)
        self.wrap_control()
        if private:
            self.protect()
        return self

    def protect(self):
        self.command("PBSZ 0", 200)
        self.command("PROT P", 200)
        self.private = True

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
        if self.tls is not None and not isinstance(self.sock, ssl.SSLSocket):
            self.secure()
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
        self.data = socket.create_connection((self.host, port), timeout=self.seconds,
                                             source_address=(self.source, 0) if self.source else None)
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

    def secure_data(self):
        """The handshake on the data connection, if one is due: after the 1xx reply."""
        s = self.data_socket()
        if self.private and not isinstance(s, ssl.SSLSocket):
            self.data = self.tls.wrap_socket(s, server_hostname=self.name or None,
                                             session=self.sock.session if self.reuse else None)
        return self.data

    def read_data(self):
        got = []
        s = self.secure_data()
        while True:
            piece = s.recv(1 << 18)
            if not piece:
                break
            got.append(piece)
        self.close_data()
        return b"".join(got)

    def write_data(self, data):
        self.secure_data().sendall(data)

    def close_data(self):
        if isinstance(self.data, ssl.SSLSocket):
            try:
                self.data = self.data.unwrap()
            except (OSError, ValueError):  # the server has closed already
                pass
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
