"""Names are bytes, all of them but NUL and the slash (RFC 3659 7, RFC 2640 3.1), up to the lengths of the system."""
import os

import pytest

from harness import ftp

BYTES = [b for b in range(1, 256) if b != ord("/")]


def sent(name):
    """As a name travels on the control connection."""
    return name.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0")


@pytest.fixture
def session(ferryd):
    server = ferryd(served=True, user="anna", password="pw")
    with ftp.Session(server.port).login("anna", "pw") as s:
        s.root = os.fsencode(server.root)
        yield s


def test_every_byte_in_the_name_of_a_directory(session):
    for b in BYTES:
        name = b"x%cy" % b
        shown = b'257 "/%s"' % sent(name).replace(b'"', b'""')
        assert session.command(b"MKD " + sent(name), 257)[1][0].startswith(shown)
        assert os.path.isdir(session.root + b"/" + name)
        session.command(b"CWD " + sent(name), 250)
        assert session.command("PWD", 257)[1][0].startswith(shown)
        session.command("CDUP", 250)
        session.command(b"RMD " + sent(name), 250)


def test_every_byte_in_the_name_of_a_file(session):
    for b in BYTES:
        name = b"f%c" % b
        session.send(b"EPSV\r\nSTOR " + sent(name))
        _, lines = session.reply()
        port = int(lines[0].split(b"|||")[1].split(b"|")[0])
        session.data = ftp.socket.create_connection((session.host, port), timeout=session.seconds)
        assert session.reply()[0] == 150
        session.close_data()
        assert session.reply()[0] == 226
        assert os.path.isfile(session.root + b"/" + name)
        session.command(b"MDTM " + sent(name), 213)
        session.command(b"RNFR " + sent(name), 350)
        session.command(b"RNTO new" + sent(name), 250)
        session.command(b"DELE new" + sent(name), 250)
    assert os.listdir(session.root) == []


def test_nlst_gives_back_what_was_stored(session):
    names = sorted(b"n%c" % b for b in BYTES if b not in b"\r\n")
    for name in names:
        open(session.root + b"/" + name, "wb").close()
    assert session.retrieve("NLST") == b"".join(name + b"\r\n" for name in names)


def test_long_names_and_deep_directories(session):
    longest, part = "n" * 255, "d" * 250
    session.command(f"MKD {longest}", 257)
    session.command(f"CWD {longest}", 250)
    session.command("CDUP", 250)
    session.command(f"RNFR {longest}", 350)
    session.command(f"RNTO {longest[:-1]}m", 250)
    for verb in ("MKD", "CWD", "SIZE", "RNFR", "DELE"):
        session.command(f"{verb} {longest}n", 550)
    for depth in range(16):
        session.command(f"MKD {part}", 257)
        session.command(f"CWD {part}", 250)
    path = "/" + "/".join([part] * 16)
    assert session.command("PWD", 257)[1][0].startswith(b'257 "%s"' % path.encode())
    session.store("STOR f", b"deep")
    assert session.retrieve("NLST") == b"f\r\n"
    # Beyond what a path can be nothing is made, and nothing is cut.
    session.command(f"MKD {part}", 550)
    session.command(f"CWD {part}", 550)
    session.command("CWD /", 250)
    assert session.retrieve(f"RETR {path}/f") == b"deep"
