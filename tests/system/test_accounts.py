"""Logins through PAM, with accounts and a PAM service that exist only for the server under test: it runs in a
mount namespace of its own with an overlay on /etc."""
import os

import pytest

from harness import ftp
from harness.accounts import ACCOUNTS, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and become somebody else")


@pytest.fixture
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


LOCAL = {"anonymous_enable": "NO", "local_enable": "YES", "write_enable": "YES", "local_umask": "022",
         "pam_service_name": "ferry-test", "delay_failed_login": "0"}


def uids(server, name="ferryd-agent"):
    return {int(
        next(line for line in open(f"/proc/{pid}/status") if line.startswith("Uid:")).split()[1])
        for pid in server.children(name)}


def test_a_local_user_is_really_that_user(ferryd, world):
    server = ferryd(prefix=world.prefix, options=LOCAL)
    with ftp.Session(server.port) as s:
        s.login("carol", "carol-pw")
        home = world.homes / "carol"
        code, lines = s.command("PWD", 257)
        assert lines[0].startswith(f'257 "{home}"'.encode())
        s.store("STOR mine", b"carol's")
        st = (home / "mine").stat()
        assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (ACCOUNTS["carol"], ACCOUNTS["carol"], 0o644)
        assert uids(server) == {ACCOUNTS["carol"]}
        # What the kernel refuses carol, it refuses here: another's home, root's files.
        code, _ = s.command(f"CWD {world.homes / 'dave'}")
        assert code == 550
        s.passive()
        assert s.command("RETR /etc/ferry.passwords")[0] == 550
        assert s.command("STOR /etc/mine")[0] in (550, 553)
        assert not os.path.exists("/etc/mine")
    with ftp.Session(server.port) as s:
        s.login("dave", "dave-pw")
        assert uids(server) >= {ACCOUNTS["dave"]}


def test_who_is_refused(ferryd, world):
    server = ferryd(prefix=world.prefix, options=LOCAL)
    answers = set()
    for user, password in (("carol", "wrong"), ("nobody-there", "x"), ("eve", "eve-pw"), ("root", "root-pw"),
                           ("anonymous", "x"), ("carol", "")):
        with ftp.Session(server.port) as s:
            assert s.reply()[0] == 220
            s.command(f"USER {user}", 331)
            answers.add(tuple(s.command(f"PASS {password}", 530)[1]))
    # One text for all: nothing tells a wrong password from a name that does not exist.
    assert len(answers) == 1, answers
    assert not server.children("ferryd-agent")
    assert "carol-pw" not in server.log_text()


def test_chroot_local_user(ferryd, world):
    server = ferryd(prefix=world.prefix, options=dict(LOCAL, chroot_local_user="YES"))
    (world.homes / "carol/out").symlink_to("/etc")
    with ftp.Session(server.port) as s:
        s.login("carol", "carol-pw")
        assert s.command("PWD", 257)[1][0].startswith(b'257 "/"')
        assert s.command("CWD out")[0] == 550
        assert s.command("CWD ../../../../etc")[0] == 550
        s.store("STOR mine", b"x")
        assert (world.homes / "carol/mine").read_bytes() == b"x"


def test_guests(ferryd, world):
    roots = world.directory / "guests"
    roots.mkdir()
    roots.chmod(0o755)
    for name in ("eve", "carol"):
        (roots / name).mkdir()
        os.chown(roots / name, ACCOUNTS["depot"], ACCOUNTS["depot"])
    server = ferryd(prefix=world.prefix, options=dict(
        LOCAL, guest_enable="YES", guest_username="depot", local_root=f"{roots}/$USER", user_sub_token="$USER",
        virtual_use_local_privs="YES"))
    for name in ("eve", "carol"):
        with ftp.Session(server.port) as s:
            s.login(name, f"{name}-pw")
            assert s.command("PWD", 257)[1][0].startswith(b'257 "/"')
            s.store("STOR f", name.encode())
            assert s.command("CWD ..", 250, 550)
            assert s.command("SIZE /eve/f")[0] == 550
        st = (roots / name / "f").stat()
        assert st.st_uid == ACCOUNTS["depot"]
        assert (roots / name / "f").read_bytes() == name.encode()
    assert uids(server) == {ACCOUNTS["depot"]}
    # A guest whose root is not there is told so, and does not come in elsewhere.
    with ftp.Session(server.port) as s:
        assert s.reply()[0] == 220
        s.command("USER mallory", 331)
        assert s.command("PASS mallory-pw")[0] in (530, 421)


def test_guests_have_anonymous_rights_unless_told_otherwise(ferryd, world):
    server = ferryd(prefix=world.prefix, options=dict(LOCAL, guest_enable="YES", guest_username="depot"))
    with ftp.Session(server.port) as s:
        s.login("eve", "eve-pw")
        s.passive()
        assert s.command("STOR f")[0] in (550, 553)


def test_a_waiting_pam_holds_up_nobody(ferryd, world):
    # pam_exec runs a program that does not return until the test lets it.
    fifo = world.directory / "fifo"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    (world.directory / "etc/pam.d/ferry-slow").write_text(
        f"auth required pam_exec.so quiet /bin/cat {fifo}\n"
        "auth required pam_permit.so\naccount required pam_permit.so\n")
    server = ferryd(prefix=world.prefix, options=dict(
        LOCAL, anonymous_enable="YES", pam_service_name="ferry-slow"))
    with ftp.Session(server.port) as slow, ftp.Session(server.port) as quick:
        assert slow.reply()[0] == 220
        slow.command("USER carol", 331)
        slow.send("PASS carol-pw")
        with open(fifo, "w"):  # opens only once the module's program reads
            quick.login("anonymous")
            assert quick.command("PWD")[0] == 257
        assert slow.reply()[0] == 230
