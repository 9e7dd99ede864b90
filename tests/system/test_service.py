"""What the service as a whole promises: many sessions, processes that die, who runs as whom."""
import concurrent.futures
import hashlib
import os
import pathlib
import pwd
import signal
import time

import pytest

from harness import ftp
from harness.server import children, wait_until


# What a worker keeps for itself: ferryd/master/master.c.
WORKER_DESCRIPTORS = 32


def descriptors_needed(n):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard > n, f"{n} descriptors are needed, {hard} are allowed"


def fill(root, count, size):
    sums = {}
    for i in range(count):
        data = os.urandom(size + i)
        (root / f"f{i}").write_bytes(data)
        sums[i] = hashlib.sha256(data).hexdigest()
    return sums


def test_500_sessions_at_once_each_moving_a_file(ferryd):
    descriptors_needed(2000)
    sums = {}
    server = ferryd(tree=lambda root: sums.update(fill(root, 500, 200_000)))
    started = []

    def begin(s, i):
        # Every transfer is begun before any is read to its end.
        s.connect_data("EPSV" if i % 2 else "PORT")
        s.command(f"RETR f{i}", 150)
        started.append(i)
        return s

    opened = [ftp.Session(server.port, seconds=60) for _ in range(500)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda s: s.login(), opened))
        # 200 passive ports are there: ports of pending connections only.
        list(pool.map(begin, opened, range(500)))
        assert len(started) == 500
        got = list(pool.map(lambda s: s.read_data(), opened))
        codes = list(pool.map(lambda s: s.reply()[0], opened))
    for i, data in enumerate(got):
        assert hashlib.sha256(data).hexdigest() == sums[i], i
    assert codes == [226] * 500
    for s in opened:
        s.close()


def test_who_is_connected_and_does_what(ferryd):
    server = ferryd(tree=lambda root: (root / "pub").mkdir() or (root / "pub" / "large").write_bytes(bytes(50_000_000)))
    with ftp.Session(server.port) as idle, ftp.Session(server.port) as busy:
        idle.login()
        busy.login()
        busy.connect_data("EPSV")
        busy.command("RETR pub/large", 150)
        os.kill(server.pid, signal.SIGUSR1)
        sending = server.wait_log("state=sending")
        assert 'user="anonymous"' in sending and 'verb=RETR path="/pub/large"' in sending
        assert 'user="anonymous" state=idle verb= path="" bytes=0' in server.wait_log("state=idle")
        assert len(busy.read_data()) == 50_000_000
        busy.reply()
        # What was shown is over, and the next look shows none of it.
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: server.log_text().count('state=idle verb= path=""') == 3, "the second look differs")


def test_a_killed_worker_takes_only_its_sessions_along(ferryd):
    # With room for 15 sessions in each worker: the first has as many, and the second the rest.
    few = WORKER_DESCRIPTORS + 48
    server = ferryd(clean=False, args=[], tree=lambda root: (root / "f").write_bytes(os.urandom(64 << 20)),
                    prefix=["prlimit", f"--nofile={few}:{few}"])
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("one core: there is one worker only")
    wait_until(lambda: len(server.children("ferryd-worker")) == cores, "the workers do not start")
    workers = server.children("ferryd-worker")
    opened = [ftp.Session(server.port, seconds=30).login() for _ in range(20)]
    for s in opened:
        s.passive()
        s.command("RETR f", 150)
        assert len(s.data.recv(1000)) > 0
    killed_at = time.monotonic()
    os.kill(workers[0], signal.SIGKILL)
    # The service answers within a second.
    with ftp.Session(server.port, seconds=5) as s:
        s.login()
    assert time.monotonic() - killed_at < 1
    ended = whole = 0
    for s in opened:
        try:
            got = s.read_data()
            code, _ = s.reply()
        except ConnectionError:
            code, got = 0, b""
        if code == 226:
            assert len(got) >= (64 << 20) - 1000
            whole += 1
        else:
            ended += 1
    assert ended == 15 and whole == 5, (ended, whole)
    server.wait_log("ended=signal signal=9")
    wait_until(lambda: len(server.children("ferryd-worker")) == len(workers), "the worker is not replaced")


def lets_in(server):
    """Until the new process is there a login is refused: try again."""
    with ftp.Session(server.port) as s:
        s.sock.sendall(b"USER anonymous\r\nPASS x\r\n")
        return [s.reply()[0] for _ in range(3)][-1] == 230


def test_a_killed_agent_and_a_killed_auth_are_replaced(ferryd):
    server = ferryd(clean=False, tree=lambda root: (root / "f").write_bytes(b"data"))
    s = ftp.Session(server.port).login()
    agent, = server.children("ferryd-agent")
    os.kill(agent, signal.SIGKILL)
    code, _ = s.reply()
    assert code == 421
    s.close()
    wait_until(lambda: lets_in(server), "the agent is not replaced")
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR f") == b"data"
    auth, = server.children("ferryd-auth")
    os.kill(auth, signal.SIGKILL)
    server.wait_log("process=auth")
    wait_until(lambda: lets_in(server), "auth is not replaced")
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR f") == b"data"


@pytest.mark.parametrize("round_", range(3))
def test_sigkill_of_the_whole_server_during_50_overwriting_uploads(ferryd, round_):
    old = {i: os.urandom(300_000) for i in range(50)}
    new = {i: os.urandom(2_000_000) for i in range(50)}

    def tree(root):
        for i, data in old.items():
            (root / f"f{i}").write_bytes(data)

    server = ferryd(clean=False, tree=tree, options={
        "write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
        "anon_umask": "022"})
    acknowledged = set()

    def upload(i):
        try:
            with ftp.Session(server.port, seconds=30) as s:
                s.login()
                s.passive()
                s.command(f"STOR f{i}", 150)
                s.write_data(new[i])
                s.close_data()
                if s.reply()[0] == 226:
                    acknowledged.add(i)
        except (OSError, AssertionError):
            pass

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        running = [pool.submit(upload, i) for i in range(50)]
        # In the middle: some are acknowledged, others are not.
        wait_until(lambda: len(acknowledged) >= 5 + 15 * round_, "no upload ends", 20)
        everyone = [server.pid] + list(children(server.pid))
        for pid in everyone:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        concurrent.futures.wait(running)
    assert acknowledged
    for i in range(50):
        there = (server.root / f"f{i}").read_bytes()
        assert there in (old[i], new[i]), f"f{i} is neither old nor new ({len(there)} bytes)"
        if i in acknowledged:
            assert there == new[i], f"f{i} was acknowledged and is old"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_runs_as_whom_and_behind_what(ferryd):
    server = ferryd()
    with ftp.Session(server.port) as s:
        s.login()
        nobody = pwd.getpwnam("nobody")
        found = children(server.pid)
        assert set(found.values()) == {"ferryd-worker", "ferryd-agent", "ferryd-auth"}
        for pid, name in [(server.pid, "ferryd"), *found.items()]:
            status = dict(line.split(":\t", 1) for line in
                          pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            assert status["Seccomp"] == "2", name
            assert status["NoNewPrivs"] == "1", name
            uids = set(status["Uid"].split())
            if name in ("ferryd-worker", "ferryd-agent"):
                assert uids == {str(nobody.pw_uid)}, name
                assert status["CapEff"] == "0" * 16 and status["CapPrm"] == "0" * 16, name
                assert status["Groups"].split() in ([], [str(nobody.pw_gid)]), name
            if name == "ferryd-worker":
                assert os.listdir(f"/proc/{pid}/root") == []
                assert os.readlink(f"/proc/{pid}/cwd").startswith(os.readlink(f"/proc/{pid}/root"))


def test_without_root(ferryd, tmp_path):
    if os.geteuid() == 0:
        prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    else:
        prefix = []
    server = ferryd(served=True, prefix=prefix, tree=lambda root: [
        (root / "f").write_bytes(b"data"), root.chmod(0o755), (root / "f").chmod(0o644)])
    with ftp.Session(server.port) as s:
        s.login()
        assert s.retrieve("RETR f") == b"data"
        for pid in server.children():
            assert "Seccomp:\t2" in pathlib.Path(f"/proc/{pid}/status").read_text()
        s.passive()
        code, lines = s.command("STOR g")
        assert code in (550, 553), lines
