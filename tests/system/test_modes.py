"""MODE B and MODE Z of the server: what arrives is what was sent, one connection carries many files,
what is cut off, garbled or in the wrong place harms no file."""
import hashlib
import itertools
import os
import random
import socket
import struct
import threading
import zlib

import pytest

from harness import ftp
from harness.modes import EOF, EOR, MARKER, SUSPECT, block, blocks, is_closed, receive_file
from harness.server import wait_until

WRITABLE = {"write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
            "anon_mkdir_write_enable": "YES", "anon_umask": "022"}
SIZES = [0, 1, 2, 32768, 65532, 65535, 65536, 65537, 131072, 1_000_003]


def text_of(size):
    line = b"".join(b"%d bottles of beer on the wall\n" % i for i in range(2000))
    return (line * (size // len(line) + 1))[:size]


def session(server, mode=None, **kwargs):
    s = ftp.Session(server.port, **kwargs).login()
    if mode:
        s.command(f"MODE {mode}", 200)
    return s


def on_disk(server, name):
    path = server.root / name
    return path.read_bytes() if path.exists() else None


def temporaries(server):
    return [p.name for p in server.root.iterdir() if p.name.startswith(".ferry-")]


# ---- MODE Z ----


@pytest.fixture
def served(ferryd, sanitized):
    files = {}
    for size in SIZES:
        files[f"text{size}"] = text_of(size)
        files[f"random{size}"] = os.urandom(size)

    def tree(root):
        for name, data in files.items():
            (root / name).write_bytes(data)

    server = ferryd(build=sanitized, options=WRITABLE, tree=tree)
    server.files = files
    return server


def unpack(packed):
    d = zlib.decompressobj()
    data = d.decompress(packed)
    assert d.eof and d.unused_data == b"", "the stream does not end where the connection does"
    return data


def test_deflate_down(served):
    with session(served, "Z") as s:
        for name, data in served.files.items():
            packed = s.retrieve(f"RETR {name}")
            assert unpack(packed) == data, name
            if name == "text1000003":
                assert len(packed) < len(data) / 5


@pytest.mark.parametrize("level", range(10))
def test_deflate_levels(served, level):
    with session(served, "Z") as s:
        s.command(f"OPTS MODE Z LEVEL {level}", 200)
        packed = s.retrieve("RETR text1000003")
        assert unpack(packed) == served.files["text1000003"]
        assert (len(packed) > 1_000_003) == (level == 0)


def test_deflate_up(served):
    with session(served, "Z") as s:
        for name, data in served.files.items():
            s.store(f"STOR up-{name}", zlib.compress(data))
            assert on_disk(served, f"up-{name}") == data, name


def test_deflate_ascii_both_ways(served):
    data = served.files["text1000003"]
    wire = data.replace(b"\n", b"\r\n")
    with session(served, "Z") as s:
        s.command("TYPE A", 200)
        assert unpack(s.retrieve("RETR text1000003")) == wire
        s.store("STOR up", zlib.compress(wire))
        assert on_disk(served, "up") == data
        # A CR at the very end was held back.
        s.store("STOR up", zlib.compress(b"a\r\nb\r"))
        assert on_disk(served, "up") == b"a\nb\r"


def test_deflate_rest_counts_bytes_of_the_file(served):
    data = served.files["random1000003"]
    with session(served, "Z") as s:
        s.command("REST 999000", 350)
        assert unpack(s.retrieve("RETR random1000003")) == data[999000:]
        s.store("STOR up", zlib.compress(data[:500]))
        s.command("REST 400", 350)
        s.store("STOR up", zlib.compress(data[400:900]))
        assert on_disk(served, "up") == data[:900]
        s.store("APPE up", zlib.compress(b"end"))
        assert on_disk(served, "up") == data[:900] + b"end"


@pytest.mark.parametrize("verb", ["LIST", "NLST", "MLSD"])
def test_deflate_listings(served, verb):
    with session(served) as s:
        plain = s.retrieve(verb)
        s.command("MODE Z", 200)
        assert unpack(s.retrieve(verb)) == plain
        s.command("MODE S", 200)
        assert s.retrieve(verb) == plain


def test_deflate_large_listing(ferryd):
    def tree(root):
        for i in range(5000):
            (root / f"a name that is long enough to fill some buffers {i:05}").touch()

    server = ferryd(tree=tree)
    for mode, decode in (("Z", unpack), ("B", None)):
        with session(server) as s:
            plain = s.retrieve("LIST")
            s.command(f"MODE {mode}", 200)
            s.passive()
            s.command("LIST", 150)
            if decode:
                assert decode(s.read_data()) == plain
            else:
                assert receive_file(s.data) == (plain, EOF)
            assert s.reply()[0] in (226, 250)


@pytest.mark.parametrize("old", [b"the old one", None], ids=["replaces", "new"])
def test_deflate_that_is_cut_off_is_no_upload(served, old):
    data = served.files["text65536"]
    packed = zlib.compress(data)
    with session(served, "Z") as s:
        for cut in (0, 1, 2, len(packed) // 2, len(packed) - 4, len(packed) - 1):
            if old:
                (served.root / "up").write_bytes(old)
                served.give_away()
            s.passive()
            s.command("STOR up", 150)
            s.write_data(packed[:cut])
            s.close_data()
            assert s.reply()[0] == 426, cut
            if old:
                assert on_disk(served, "up") == old
            else:
                assert data.startswith(on_disk(served, "up") or b"")
                (served.root / "up").unlink(missing_ok=True)
        assert temporaries(served) == []


@pytest.mark.parametrize("wire", [
    b"not compressed at all, as from a client that ignores the reply",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"x" * 100,
    zlib.compress(b"data")[:-1] + b"\0",
    zlib.compress(b"data") + b"garbage behind the end",
    zlib.compress(b"data") + zlib.compress(b"more"),
    b"\x78\xbb\0\0\0\1",
], ids=["plain", "gzip", "sum", "garbage", "two", "dictionary"])
def test_deflate_that_is_garbled_is_no_upload(served, wire):
    (served.root / "up").write_bytes(b"old")
    served.give_away()
    with session(served, "Z") as s:
        s.passive()
        s.command("STOR up", 150)
        try:
            s.write_data(wire)
        except ConnectionError:
            pass
        s.close_data()
        assert s.reply()[0] == 451
        assert on_disk(served, "up") == b"old"
        s.store("STOR up", zlib.compress(b"new"))
        assert on_disk(served, "up") == b"new"


def memory_of(server):
    total = 0
    for pid in server.children("ferryd-worker"):
        with open(f"/proc/{pid}/smaps_rollup") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Private"))
    return total


def test_deflate_bomb_is_only_a_large_file(ferryd):
    """A small upload that unpacks to 256 MiB takes no memory; who has enough of it says ABOR."""
    server = ferryd(options=WRITABLE)
    d = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    bomb = b"".join(d.compress(zeros) for _ in range(256)) + d.flush()
    assert len(bomb) < 1 << 19
    with session(server, "Z", seconds=60) as s:
        s.store("STOR small", zlib.compress(b"x"))
        before = memory_of(server)
        s.passive()
        s.command("STOR bomb", 150)
        s.write_data(bomb)
        wait_until(lambda: any(p.stat().st_size > 32 << 20 for p in server.root.iterdir()), "nothing unpacked")
        assert memory_of(server) < before + 8192
        with session(server) as other:
            other.command("NOOP", 200)
        s.command("ABOR", 426)
        assert s.reply()[0] == 226
        s.command("NOOP", 200)


@pytest.mark.parametrize("text", [True, False], ids=["text", "random"])
def test_deflate_100_mib_both_ways(ferryd, text):
    size = 100 << 20
    data = text_of(size) if text else os.urandom(size)
    server = ferryd(options=WRITABLE, tree=lambda root: (root / "f").write_bytes(data))
    with session(server, "Z", seconds=60) as s:
        s.command("OPTS MODE Z LEVEL 1", 200)
        s.passive()
        s.command("RETR f", 150)
        d, h = zlib.decompressobj(), hashlib.sha256()
        while piece := s.data.recv(1 << 18):
            h.update(d.decompress(piece))
        assert d.eof and h.digest() == hashlib.sha256(data).digest()
        s.close_data()
        assert s.reply()[0] == 226
        s.store("STOR up", zlib.compress(data, 1))
        assert hashlib.sha256((server.root / "up").read_bytes()).digest() == h.digest()


def test_packing_holds_nobody_up(ferryd):
    """The hardest level on a large file: other sessions of the same worker are answered meanwhile."""
    data = os.urandom(1 << 20) * 64
    server = ferryd(tree=lambda root: (root / "f").write_bytes(data))
    packing = [session(server, "Z", seconds=60) for _ in range(4)]
    for s in packing:
        s.command("OPTS MODE Z LEVEL 9", 200)
        s.passive()
        s.command("RETR f", 150)
    with session(server) as other:
        for _ in range(100):
            other.command("NOOP", 200)
            assert other.retrieve("NLST") == b"f\r\n"
    for s in packing:
        s.close()


# ---- MODE B ----


def test_blocks_down_over_one_connection(served):
    with session(served, "B") as s:
        s.passive()
        code = 150
        for name, data in served.files.items():
            s.command(f"RETR {name}", code)
            assert receive_file(s.data) == (data, EOF), name
            assert s.reply()[0] == 250
            code = 125
        for verb in ("LIST", "NLST", "MLSD"):
            s.command(verb, 125)
            assert receive_file(s.data)[0].count(b"\r\n") >= len(served.files)
            assert s.reply()[0] == 250
        s.command("QUIT", 221)
        assert is_closed(s.data)


def test_blocks_up_over_one_connection(served):
    with session(served, "B") as s:
        s.passive()
        code = 150
        for name, data in served.files.items():
            for size in (65535, 1000):
                s.command(f"STOR up-{name}", code)
                s.write_data(blocks(data, size))
                assert s.reply()[0] == 250
                assert on_disk(served, f"up-{name}") == data, name
                code = 125
        s.command("STOU", 125)
        s.write_data(blocks(b"unique"))
        assert s.reply()[0] == 250
        s.command("REST 2", 350)
        s.command("STOR up-text1", 553, 554, 550)
        s.command("APPE up-text1", 125)
        s.write_data(blocks(b"appended"))
        assert s.reply()[0] == 250
        assert on_disk(served, "up-text1") == served.files["text1"] + b"appended"


def test_blocks_in_both_directions_and_types(served):
    data = served.files["text1000003"]
    with session(served, "B") as s:
        s.passive()
        s.command("TYPE A", 200)
        s.command("RETR text1000003", 150)
        assert receive_file(s.data) == (data.replace(b"\n", b"\r\n"), EOF)
        assert s.reply()[0] == 250
        s.command("STOR up", 125)
        # A line end in two blocks, and a CR at the end of the file.
        s.write_data(block(b"a\r") + block(b"\nb\r", EOF))
        assert s.reply()[0] == 250
        assert on_disk(served, "up") == b"a\nb\r"
        s.command("TYPE I", 200)
        s.command("REST 1000000", 350)
        s.command("RETR text1000003", 125)
        assert receive_file(s.data) == (data[-3:], EOF)
        assert s.reply()[0] == 250


def test_blocks_over_an_active_connection(served):
    with session(served, "B") as s:
        s.active()
        for code in (150, 125):
            s.command("RETR text65537", code)
            assert receive_file(s.data_socket())[0] == served.files["text65537"]
            assert s.reply()[0] == 250


def test_5000_small_files_pipelined_over_one_connection(ferryd):
    files = {f"f{i}": os.urandom(4096 if i % 7 else i % 4096) for i in range(5000)}

    def tree(root):
        for name, data in files.items():
            (root / name).write_bytes(data)

    server = ferryd(tree=tree)
    with session(server, "B", seconds=60) as s:
        s.passive()
        lines = b"".join(f"RETR {name}\r\n".encode() for name in files)
        sender = threading.Thread(target=s.send_raw, args=(lines,))
        sender.start()
        replies = []

        def read_replies():
            replies.extend(s.reply()[0] for _ in range(2 * len(files)))

        reader = threading.Thread(target=read_replies)
        reader.start()
        for name, data in files.items():
            assert receive_file(s.data) == (data, EOF), name
        sender.join()
        reader.join()
        assert replies == [150, 250] + [125, 250] * (len(files) - 1)


def test_refusals_between_pipelined_files_change_nothing(served):
    (served.root / "dir").mkdir()
    with session(served, "B") as s:
        s.passive()
        s.send_raw(b"RETR text1\r\nRETR missing\r\nRETR dir\r\nLIST missing\r\nREST 9\r\nRETR text2\r\n"
                   b"STOR missing/up\r\nRETR text65536\r\nPWD\r\nRETR random2\r\n")
        for name in ("text1", "text65536", "random2"):
            assert receive_file(s.data) == (served.files[name], EOF)
        codes = [s.reply()[0] for _ in range(13)]
        assert codes == [150, 250, 550, 550, 450, 350, 554, 553, 125, 250, 257, 125, 250]


def test_a_file_that_becomes_shorter_is_marked_and_the_connection_goes_on(ferryd):
    size = 64 << 20

    def tree(root):
        with open(root / "f", "wb") as f:
            f.truncate(size)
        (root / "g").write_bytes(b"good")

    server = ferryd(tree=tree)
    with session(server, "B") as s:
        s.passive()
        s.command("RETR f", 150)
        os.truncate(server.root / "f", 100)
        data, flags = receive_file(s.data)
        assert flags == EOF | SUSPECT and len(data) < size
        assert s.reply()[0] == 451
        s.command("RETR g", 125)
        assert receive_file(s.data) == (b"good", EOF)
        assert s.reply()[0] == 250


def test_records_and_markers_are_taken_for_what_they_are(served):
    with session(served, "B") as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(block(b"123", MARKER) + block(b"one ", EOR) + block() + block(b"456", MARKER | EOR)
                     + block(b"two", EOR | EOF))
        assert s.reply()[0] == 250
        assert on_disk(served, "up") == b"one two"
        s.command("STOR up", 125)
        s.write_data(block(b"three", EOR) + block(b"m", MARKER | EOF))
        assert s.reply()[0] == 250
        assert on_disk(served, "up") == b"three"


@pytest.mark.parametrize("wire", [
    block(b"new") + block(flags=EOF | SUSPECT),
    block(b"new", SUSPECT) + block(b"new", EOF),
    block(b"m", MARKER | SUSPECT) + block(b"new", EOF),
    block(b"new", EOF | SUSPECT),
], ids=["end", "data", "marker", "all"])
def test_a_suspect_upload_is_none_and_the_connection_goes_on(served, wire):
    (served.root / "up").write_bytes(b"old")
    served.give_away()
    with session(served, "B") as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(wire)
        assert s.reply()[0] == 451
        assert on_disk(served, "up") == b"old"
        s.command("STOR up", 125)
        s.write_data(blocks(b"new"))
        assert s.reply()[0] == 250
        assert on_disk(served, "up") == b"new"


def test_blocks_cut_at_every_byte_are_no_upload(served):
    wire = block(b"some data") + block(b"", EOR) + block(b"123", MARKER) + block(b"last", EOF)
    with session(served, "B") as s:
        for cut in range(len(wire)):
            (served.root / "up").write_bytes(b"old")
            served.give_away()
            s.passive()
            s.command("STOR up", 150)
            s.write_data(wire[:cut])
            s.close_data()
            code, lines = s.reply()
            assert code == 426, cut
            # The second block has none, the third is a marker.
            taken = min(max(cut - 3, 0), 9) + max(cut - 24, 0)
            assert b" after %d bytes of the file" % taken in lines[0], cut
            assert on_disk(served, "up") == b"old"
            s.command("RETR text1", 425)
        assert temporaries(served) == []


def test_blocks_in_every_two_pieces_are_the_same_upload(served):
    wire = block(b"some data") + block(b"", EOR) + block(b"123", MARKER) + block(b"last", EOF)
    with session(served, "B") as s:
        s.passive()
        s.data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(wire)):
            s.command("STOR up", 150, 125)
            s.write_data(wire[:cut])
            s.command("NOOP", 200)
            s.write_data(wire[cut:])
            assert s.reply()[0] == 250, cut
            assert on_disk(served, "up") == b"some datalast"


@pytest.mark.parametrize("flags", [1, 2, 4, 8, 15, 0x41, 0xff])
def test_a_descriptor_that_is_none_ends_the_connection(served, flags):
    (served.root / "up").write_bytes(b"old")
    served.give_away()
    with session(served, "B") as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(block(b"data"))
        s.write_data(struct.pack(">BH", flags, 4) + b"data")
        assert s.reply()[0] == 451
        assert on_disk(served, "up") == b"old"
        assert is_closed(s.data)
        s.command("RETR text1", 425)
        s.close_data()
        s.passive()
        s.command("RETR text1", 150)
        assert receive_file(s.data) == (served.files["text1"], EOF)


def test_random_bytes_as_blocks(served):
    dice = random.Random(959)
    for _ in range(50):
        wire = b"".join(struct.pack(">BH", dice.choice([0, 0x10, 0x20, 0x80, 0x90, dice.randrange(256)]),
                                    dice.randrange(40)) + os.urandom(dice.randrange(45)) for _ in range(20))
        with session(served, "B") as s:
            s.passive()
            s.command("STOR up", 150)
            try:
                s.write_data(wire)
                s.data.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            assert s.reply()[0] in (250, 451, 426)
            s.command("NOOP", 200)


def test_what_comes_behind_an_upload_is_not_the_next_one(served):
    (served.root / "up").write_bytes(b"old")
    served.give_away()
    with session(served, "B") as s:
        s.passive()
        s.command("STOR first", 150)
        s.write_data(blocks(b"first") + blocks(b"second, sent too soon"))
        assert s.reply()[0] == 250
        assert on_disk(served, "first") == b"first"
        assert is_closed(s.data)
        s.command("STOR up", 425)
        assert on_disk(served, "up") == b"old"
    server_log = served.wait_log("bytes between two files of block mode")
    assert server_log.count("bytes between two files") == 1


def test_the_client_closes_the_kept_connection(served):
    with session(served, "B") as s:
        s.passive()
        s.command("RETR text1", 150)
        receive_file(s.data)
        assert s.reply()[0] == 250
        s.close_data()
        s.command("RETR text1", 425)
        s.passive()
        s.command("RETR text1", 150)
        assert receive_file(s.data)[0] == served.files["text1"]
        assert s.reply()[0] == 250


@pytest.mark.parametrize("line", ["ABOR", "EPSV", "PASV", "MODE S", "MODE Z", "REIN", "QUIT", "PORT"])
def test_what_ends_the_kept_connection(served, line):
    with session(served, "B") as s:
        s.passive()
        s.command("RETR text65536", 150)
        assert receive_file(s.data)[0] == served.files["text65536"]
        assert s.reply()[0] == 250
        if line == "PORT":
            kept, s.data = s.data, None
            s.active()
        else:
            s.command(line)
            kept = s.data
        assert is_closed(kept)
        kept.close()


def test_what_leaves_the_kept_connection_alone(served):
    with session(served, "B") as s:
        s.passive()
        s.command("RETR text1", 150)
        receive_file(s.data)
        assert s.reply()[0] == 250
        for line in ("NOOP", "STAT", "TYPE A", "TYPE I", "MODE B", "MODE C", "SIZE text1", "OPTS MODE Z LEVEL 3",
                     "MKD made", "CWD made", "CDUP", "STAT text1"):
            s.command(line)
        s.command("RETR text1", 125)
        assert receive_file(s.data)[0] == served.files["text1"]
        assert s.reply()[0] == 250


def test_all_that_was_sent_arrives_although_quit_follows_at_once(served):
    with session(served, "B") as s:
        s.passive()
        s.send_raw(b"RETR random1000003\r\nRETR text1000003\r\nQUIT\r\n")
        assert receive_file(s.data)[0] == served.files["random1000003"]
        assert receive_file(s.data)[0] == served.files["text1000003"]
        assert is_closed(s.data)
        assert [s.reply()[0] for _ in range(5)] == [150, 250, 125, 250, 221]


def test_a_mode_that_is_set_behind_pasv_uses_its_connection(served):
    with session(served) as s:
        s.passive()
        s.command("MODE B", 200)
        s.command("RETR text1", 150)
        assert receive_file(s.data)[0] == served.files["text1"]
        assert s.reply()[0] == 250


def test_abor_of_a_running_block_transfer(ferryd):
    server = ferryd(options=WRITABLE, tree=lambda root: (root / "f").write_bytes(os.urandom(64 << 20)))
    with session(server, "B") as s:
        for begin in ("RETR f", "STOR up"):
            s.passive()
            s.command(begin, 150)
            if begin == "STOR up":
                s.write_data(block(b"part"))
            else:
                s.data.recv(1000)
            s.send("ABOR")
            assert s.reply()[0] == 426
            assert s.reply()[0] == 226
            assert on_disk(server, "up") in (None, b"", b"part")
            s.command("NLST", 425)
            s.close_data()


def test_idle_kept_connection_is_closed_and_the_session_stays(ferryd):
    server = ferryd(options={"data_connection_timeout": 1}, tree=lambda root: (root / "f").write_bytes(b"x"))
    with session(server, "B") as s:
        s.passive()
        s.command("RETR f", 150)
        receive_file(s.data)
        assert s.reply()[0] == 250
        assert is_closed(s.data)
        s.command("RETR f", 425)


def test_a_stalled_block_upload(ferryd):
    server = ferryd(options=dict(WRITABLE, data_connection_timeout=1))
    with session(server, "B") as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(block(b"data") + b"\x40")
        assert s.reply()[0] == 426
        assert is_closed(s.data)


def test_a_stalled_deflate_upload(ferryd):
    server = ferryd(options=dict(WRITABLE, data_connection_timeout=1))
    with session(server, "Z") as s:
        s.passive()
        s.command("STOR up", 150)
        s.write_data(zlib.compress(b"data"))
        # Complete, but the connection does not end.
        assert s.reply()[0] == 426


def test_many_modes_at_once(served):
    """Every pair of modes after each other, on connections of their own and in any TYPE."""
    data = served.files["text65537"]
    with session(served) as s:
        for before, after in itertools.permutations("SBZ", 2):
            for mode in (before, after):
                s.command(f"MODE {mode}", 200)
                s.passive()
                s.command("RETR text65537", 150)
                if mode == "B":
                    assert receive_file(s.data)[0] == data
                    assert s.reply()[0] == 250
                else:
                    got = s.read_data()
                    assert (unpack(got) if mode == "Z" else got) == data
                    assert s.reply()[0] == 226


def test_login_begins_in_stream_mode(served):
    with session(served, "Z") as s:
        s.command("OPTS MODE Z LEVEL 9", 200)
        s.command("REIN", 220)
        s.command("USER anonymous", 331)
        s.command("PASS x@", 230)
        assert any(b"MODE: S" in line for line in s.command("STAT", 211)[1])
        assert b"LEVEL 6" in s.command("OPTS MODE Z", 200)[1][0]
