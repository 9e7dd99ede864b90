"""Looking at a running ferryd from outside: descriptors, memory, threads, ports; and rude ways to leave it."""
import contextlib
import os
import pathlib
import resource
import socket
import ssl
import struct

from . import ftp
from .server import wait_until

ROLES = ("ferryd-worker", "ferryd-agent", "ferryd-auth")

# Anonymous may do everything in its tree.
RIGHTS = {"write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
          "anon_mkdir_write_enable": "YES", "anon_umask": "022"}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def memory(pid):
    """Resident KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def everyone(server):
    """The master and its children: {pid: name}."""
    found = {pid: role for role in ROLES for pid in server.children(role)}
    found[server.pid] = "ferryd"
    return found


def total_memory(server, role):
    return sum(memory(pid) for pid in server.children(role))


# (descriptors, threads) that a worker's and an agent's first meeting takes, for good.
MEETING = {"ferryd-worker": (1, 0), "ferryd-agent": (2, 4)}


class Baseline:
    """What each process holds now; settled() waits until it holds no more than that again.

    To be made after warm_up(), because what is made once and kept is no leak. Further workers have clients only when
    the first is busy: that they meet the agent later is none either.
    """

    def __init__(self, server):
        self.server = server
        self.held = self.now()
        self.rss = {pid: memory(pid) for pid in everyone(server)}

    def now(self):
        """{(name, pid): (descriptors, threads)}. A worker's threads are a pool that stays."""
        return {(name, pid): (descriptors(pid), threads(pid) if name == "ferryd-agent" else 0)
                for pid, name in everyone(self.server).items()}

    def most(self, who, i):
        """What that process may hold when all workers have met the agent."""
        name, _ = who
        meetings = len(self.server.children("ferryd-worker")) - 1 if name == "ferryd-agent" else 1
        return self.held[who][i] + meetings * MEETING.get(name, (0, 0))[i]

    def is_settled(self):
        now = self.now()
        assert set(self.held) <= set(now), "a process was replaced"
        return all(now[who][i] <= self.most(who, i) for who in self.held for i in (0, 1))

    def settled(self, seconds=10):
        try:
            wait_until(self.is_settled, "", seconds)
        except AssertionError as e:
            raise AssertionError(f"something is left: {self.held} became {self.now()} {e}") from None

    def grown(self):
        """KiB by which the process that has grown most has grown."""
        return max(memory(pid) - before for pid, before in self.rss.items())


def one_worker():
    """The prefix of a server that has one: what it has used once it has used, and another does not begin to."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def warm_up(server, user="anonymous"):
    """A worker has its channel to the agent, and its threads."""
    workers = len(os.sched_getaffinity(server.pid))
    wait_until(lambda: len(server.children("ferryd-worker")) == workers, "the workers do not start")
    opened = [ftp.Session(server.port).login(user) for _ in range(2 * workers)]
    for s in opened:
        s.retrieve("NLST")
        s.close()
    wait_until(lambda: server.log_text().count(" disconnect ") >= len(opened), "sessions do not end")


def reset(sock):
    """Leaves with RST: the peer hears nothing in order."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def reset_session(session):
    for name in ("data", "listener", "sock"):
        s = getattr(session, name)
        if s is not None:
            reset(s)
    session.data = session.listener = None


def pour(session, data):
    """Sends on the data connection and hangs up; the server may hang up first."""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        session.write_data(data)
    session.close_data()


def refuses(port, host="127.0.0.1"):
    """Nobody listens there."""
    with socket.socket() as s:
        return s.connect_ex((host, port)) != 0


def free_range(n):
    """The first of n neighbouring ports, outside what the system hands out, that are all free."""
    for low in range(20000 + os.getpid() % 5000, 32000, n):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(low, low + n):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return low
    raise AssertionError(f"no {n} neighbouring ports are free")


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def temporary_names(top):
    return [name for _, _, names in os.walk(top) for name in names if name.startswith(".ferry-")]
