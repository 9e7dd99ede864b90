"""MODE B (RFC 959 3.4.2) and MODE Z as a client has them, bare enough to break the rules."""
import struct

EOR, EOF, SUSPECT, MARKER = 0x80, 0x40, 0x20, 0x10


def block(data=b"", flags=0):
    return struct.pack(">BH", flags, len(data)) + data


def blocks(data, size=65535):
    """A whole file: blocks of this size, then one without data that ends it."""
    pieces = [block(data[i:i + size]) for i in range(0, len(data), size)]
    return b"".join(pieces) + block(flags=EOF)


def receive(sock, n):
    got = bytearray()
    while len(got) < n:
        piece = sock.recv(n - len(got))
        assert piece, f"the connection ended after {len(got)} of {n} bytes"
        got += piece
    return bytes(got)


def receive_file(sock):
    """One file of a block-mode connection: (bytes, flags of all its blocks together)."""
    data, seen = [], 0
    while not seen & EOF:
        flags, n = struct.unpack(">BH", receive(sock, 3))
        assert flags & ~(EOR | EOF | SUSPECT | MARKER) == 0, flags
        assert n > 0 or flags & EOF, "a block of nothing"
        piece = receive(sock, n)
        if not flags & MARKER:
            data.append(piece)
        seen |= flags
    return b"".join(data), seen


def is_closed(sock):
    """The server has closed the data connection (waits for it)."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True
