"""A thousand failures cost nothing: no descriptor, no thread, no memory, no file, no port."""
import concurrent.futures
import os
import random

from harness import ftp
from harness.probe import (RIGHTS, Baseline, one_worker, pour, refuses, reset, reset_session, temporary_names,
                           warm_up)
from harness.server import free_port, wait_until

MIB = 1 << 20
# KiB that an allocator may keep of what was in use at one time.
SLACK = 3 * 1024


def tree(root):
    with open(root / "big", "wb") as f:
        f.truncate(64 * MIB)
    (root / "old").write_bytes(b"old")
    (root / "locked").write_bytes(b"secret")
    (root / "locked").chmod(0o000)
    (root / "many").mkdir()
    for i in range(3000):
        (root / "many" / f"{'n' * 100}{i}").touch()


def missing(s):
    s.passive()
    s.command("RETR nothing", 550)
    s.close_data()


def forbidden(s):
    s.passive()
    s.command("RETR locked", 550)
    s.close_data()


def unlistable(s):
    s.passive()
    s.command("LIST nothing", 450, 550)
    s.close_data()


def nobody_listens(s):
    s.command(f"PORT 127,0,0,1,{s.dead // 256},{s.dead % 256}", 200)
    s.command("RETR big", 150)
    assert s.reply()[0] == 425


def nobody_listens_for_an_upload(s):
    s.command(f"PORT 127,0,0,1,{s.dead // 256},{s.dead % 256}", 200)
    s.command("STOR old", 150)
    assert s.reply()[0] == 425


def hung_up(s):
    s.passive()
    s.command("RETR big", 150)
    s.data.recv(1000)
    s.close_data()
    assert s.reply()[0] == 426


def listing_hung_up(s):
    s.passive()
    s.command("LIST many", 150)
    s.data.recv(10)
    s.close_data()
    assert s.reply()[0] in (226, 426)


def aborted(s):
    s.passive()
    s.command("RETR big", 150)
    s.send("ABOR")
    assert [s.reply()[0], s.reply()[0]] == [426, 226]
    s.close_data()


def upload_reset(s):
    s.passive()
    s.command("STOR old", 150)
    s.write_data(b"half of the new")
    reset(s.data)
    s.data = None
    assert s.reply()[0] == 426


def upload_aborted(s):
    s.passive()
    s.command("STOR old", 150)
    s.write_data(b"half of the new")
    s.send("ABOR")
    assert [s.reply()[0], s.reply()[0]] == [426, 226]
    s.close_data()


def past_the_end(s):
    s.passive()
    s.command(f"REST {65 * MIB}", 350)
    assert s.command("RETR big")[0] in (550, 554)
    s.close_data()


FAILURES = [missing, forbidden, unlistable, nobody_listens, nobody_listens_for_an_upload, hung_up,
            listing_hung_up, aborted, upload_reset, upload_aborted, past_the_end]


def fail(server, count):
    with ftp.Session(server.port) as s:
        s.login()
        s.dead = free_port()
        for i in range(count):
            FAILURES[i % len(FAILURES)](s)
        s.command("PWD", 257)
        s.store("STOR good", b"good")
        assert s.retrieve("RETR good") == b"good"


def test_a_thousand_failed_transfers(ferryd):
    server = ferryd(tree=tree, options=RIGHTS, prefix=one_worker())
    warm_up(server)
    base = Baseline(server)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fail(server, 110), range(4)))
        base.settled()
        warm = Baseline(server)
        list(pool.map(lambda _: fail(server, 275), range(4)))
    base.settled()
    assert warm.grown() < SLACK, f"{warm.grown()} KiB for 1100 failed transfers"
    assert (server.root / "old").read_bytes() == b"old"
    assert not temporary_names(server.root)


# ---- sessions that are gone without a word ----

def at_once(s):
    pass


def greeted(s):
    s.reply()


def half_a_command(s):
    s.reply()
    s.send_raw(b"USE")


def in_the_middle_of_login(s):
    s.reply()
    s.send("USER anonymous")


def waiting_for_the_login(s):
    s.reply()
    s.send_raw(b"USER anonymous\r\nPASS x\r\n")


def wrong_login_pending(s):
    s.reply()
    s.send_raw(b"USER nobody-there\r\nPASS x\r\n")


def idle(s):
    s.login()


def after_pasv(s):
    s.login()
    s.command("PASV", 227)


def connected(s):
    s.login().passive()


def after_port(s):
    s.login().active()


def during_retr(s):
    s.login().passive()
    s.command("RETR big", 150)
    s.data.recv(1000)


def waiting_for_data(s):
    s.login()
    s.command("EPSV", 229)
    s.command("RETR big", 150)


def during_stor(s):
    s.login().passive()
    s.command("STOR old", 150)
    s.write_data(b"x" * 100_000)


def during_new_stor(s):
    s.login().passive()
    s.command(f"STOR new{s.sock.fileno()}-{random.random()}", 150)


def stor_just_ended(s):
    s.login().passive()
    s.command("STOR old", 150)
    pour(s, b"old")


def during_list(s):
    s.login().passive()
    s.command("LIST many", 150)
    s.data.recv(1)


def during_stat(s):
    s.login()
    s.send("STAT many")
    s.sock.recv(1)


def asked_for_many_things(s):
    s.login()
    s.send_raw(b"EPSV\r\nSIZE big\r\nMLST\r\nMKD d\r\nRMD d\r\nRETR big\r\nLIST\r\n" * 20)


def renaming(s):
    s.login()
    s.send_raw(b"RNFR old\r\nRNTO old\r\nRNFR old\r\n")


STATES = [at_once, greeted, half_a_command, in_the_middle_of_login, waiting_for_the_login, wrong_login_pending,
          idle, after_pasv, connected, after_port, during_retr, waiting_for_data, during_stor, during_new_stor,
          stor_just_ended, during_list, during_stat, asked_for_many_things, renaming]


def vanish(server, count, seed):
    chance = random.Random(seed)
    for i in range(count):
        s = ftp.Session(server.port)
        STATES[(i + seed) % len(STATES)](s)
        if chance.random() < 0.7:
            reset_session(s)
        else:
            # As the system closes what a killed program had: the control connection first.
            s.sock.close()
            s.close()


def test_a_thousand_clients_that_vanish(ferryd):
    server = ferryd(tree=tree, options=dict(RIGHTS, accept_timeout=1, pasv_min_port=28000, pasv_max_port=28199),
                    prefix=one_worker())
    warm_up(server)
    base = Baseline(server)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: vanish(server, 38, seed), range(8)))
        base.settled(20)
        warm = Baseline(server)
        list(pool.map(lambda seed: vanish(server, 133, seed), range(8)))
    base.settled(20)
    assert warm.grown() < SLACK, f"{warm.grown()} KiB for 1000 clients that vanished"
    assert (server.root / "old").read_bytes() == b"old"
    # Nothing of theirs is left: no temporary file, no empty new one. (A directory may be: whose
    # client vanished between MKD and RMD.)
    wait_until(lambda: set(os.listdir(server.root)) - {"d"} == {"big", "old", "locked", "many"},
               f"left: {os.listdir(server.root)}")
    assert all(refuses(port) for port in range(28000, 28200))
    with ftp.Session(server.port) as s:
        s.login()
        assert len(s.retrieve("NLST many").splitlines()) == 3000


def test_failures_and_vanishing_clients_under_the_sanitizers(ferryd, sanitized):
    """Wrong memory accesses end a process, lost memory is told at its end: both are in the log."""
    server = ferryd(build=sanitized, tree=tree, options=dict(RIGHTS, accept_timeout=1))
    fail(server, 4 * len(FAILURES))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: vanish(server, 2 * len(STATES), seed), range(4)))
    with ftp.Session(server.port) as s:
        s.login()
        assert len(s.retrieve("NLST many").splitlines()) == 3000
