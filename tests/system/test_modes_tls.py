"""MODE B and MODE Z under TLS: one handshake for any number of files, and no cut goes unnoticed."""
import os
import threading
import zlib

import pytest

from harness.modes import EOF, SUSPECT, block, blocks, is_closed, receive_file
from test_tls import VERSIONS, keys, login, served  # noqa: F401 (fixtures)


def unpack(packed):
    d = zlib.decompressobj()
    data = d.decompress(packed)
    assert d.eof and d.unused_data == b""
    return data


@pytest.mark.parametrize("version", VERSIONS)
def test_5000_small_files_over_one_tls_connection(served, version):
    server = served()
    files = {f"f{i}": os.urandom(4096 if i % 7 else i % 4096) for i in range(5000)}
    for name, data in files.items():
        (server.root / name).write_bytes(data)
    with login(server, version, seconds=60) as s:
        s.command("MODE B", 200)
        s.passive()
        replies = []
        sender = threading.Thread(
            target=s.send_raw, args=(b"".join(f"RETR {name}\r\n".encode() for name in files),))
        sender.start()
        sender.join()
        replies.append(s.reply()[0])
        data = s.secure_data()
        reader = threading.Thread(target=lambda: replies.extend(s.reply()[0] for _ in range(2 * len(files) - 1)))
        reader.start()
        for name, want in files.items():
            assert receive_file(data) == (want, EOF), name
        reader.join()
        assert replies == [150, 250] + [125, 250] * (len(files) - 1)
    assert server.log_text().count("tls ok channel=data") <= 1


@pytest.mark.parametrize("version", VERSIONS)
def test_both_directions_take_turns(served, version):
    server = served()
    with login(server, version) as s:
        s.command("MODE B", 200)
        s.passive()
        code = 150
        for size in (0, 1, 3, 65535, 65536, 300_001):
            data = os.urandom(size)
            s.command("STOR f", code)
            s.write_data(blocks(data, 65535 if size != 65536 else 100))
            assert s.reply()[0] == 250
            assert (server.root / "f").read_bytes() == data
            code = 125
            s.command("RETR f", code)
            assert receive_file(s.data) == (data, EOF)
            assert s.reply()[0] == 250
            s.command("RETR missing", 550)
        s.command("STOR f", 125)
        s.write_data(block(b"x", EOF | SUSPECT))
        assert s.reply()[0] == 451
        s.command("MODE S", 200)
        assert is_closed(s.data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("begin", ["RETR f", "STOR g"])
def test_either_direction_may_come_first_and_quit_last(served, version, begin):
    server = served()
    data = os.urandom(1_000_000)
    (server.root / "f").write_bytes(data)
    with login(server, version) as s:
        s.command("MODE B", 200)
        s.passive()
        s.command(begin, 150)
        if begin == "STOR g":
            s.write_data(blocks(data))
        else:
            assert receive_file(s.secure_data())[0] == data
        assert s.reply()[0] == 250
        s.send_raw(b"RETR f\r\nQUIT\r\n")
        assert s.reply()[0] == 125
        assert receive_file(s.data)[0] == data
        assert is_closed(s.data)


def test_prot_ends_the_kept_connection(served):
    server = served(force_local_data_ssl="NO")
    (server.root / "f").write_bytes(b"data")
    with login(server) as s:
        s.command("MODE B", 200)
        s.passive()
        s.command("RETR f", 150)
        assert receive_file(s.secure_data())[0] == b"data"
        assert s.reply()[0] == 250
        s.command("PROT P", 200)
        s.command("RETR f", 125)
        assert receive_file(s.data)[0] == b"data"
        assert s.reply()[0] == 250
        s.command("PROT C", 200)
        assert is_closed(s.data)
        s.command("RETR f", 425)


@pytest.mark.parametrize("version", VERSIONS)
def test_deflate_under_tls(served, version):
    server = served()
    data = b"a line of text\n" * 200_000
    with login(server, version) as s:
        s.command("MODE Z", 200)
        s.store("STOR f", zlib.compress(data))
        assert (server.root / "f").read_bytes() == data
        assert unpack(s.retrieve("RETR f")) == data
        assert b"f\r\n" in unpack(s.retrieve("NLST"))
        s.passive()
        s.command("STOR f", 150)
        s.write_data(zlib.compress(data)[:-1])
        s.close_data()
        assert s.reply()[0] == 426
        assert (server.root / "f").read_bytes() == data
