"""Starting and ending ferryd for a test."""
import os
import pathlib
import pwd
import random
import select
import signal
import socket
import subprocess
import time

START_SECONDS = 20
STOP_SECONDS = 20

# What no server of ours may ever write, whatever a test does to it.
BAD_WORDS = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "ended=signal", "Assertion")


def wait_until(condition, what, seconds=10):
    """Polls until condition() is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        select.select([], [], [], 0.005)


def free_port(host=""):
    """Below the ports that the system gives to outgoing connections: those come and go at any time."""
    for port in random.sample(range(12000, 24000), 100):
        with socket.socket() as s:
            try:
                s.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("a hundred ports are taken")


def children(pid):
    """Every descendant of a process: {pid: name}."""
    found = {}
    todo = [pid]
    while todo:
        parent = todo.pop()
        try:
            kids = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        for kid in kids:
            try:
                name = pathlib.Path(f"/proc/{kid}/comm").read_text().strip()
            except OSError:
                continue
            found[int(kid)] = name
            todo.append(int(kid))
    return found


class Ferryd:
    """One server in a directory of its own.

    options: lines of ferryd.conf as a dict. Without `served` the daemon is started with a configuration
    in which anonymous may read self.root (tree: a function that fills it) and sections, a text, comes last; with served=True it is `ferryd DIR`, with user= and password=
    `ferryd DIR --user`. clean: expect a clean log at the end; a test that kills children sets it to False.
    """

    def __init__(self, directory, build, options=None, served=False, user=None, password=None,
                 args=(), clean=True, prefix=(), env=None, tree=None, sections=""):
        self.directory = pathlib.Path(directory)
        self.build = pathlib.Path(build)
        self.options = dict(options or {})
        self.served, self.user, self.password = served, user, password
        self.args, self.clean, self.prefix = list(args), clean, list(prefix)
        self.env, self.tree, self.sections = env, tree, sections
        self.root = self.directory / "root"
        self.root.mkdir(exist_ok=True)
        self.port = free_port()
        self.log_path = self.directory / "log"
        self.process = None

    def command(self):
        program = str(self.build / "ferryd" / "ferryd")
        if not self.served:
            options = {"listen_port": self.port, "anon_root": self.root, "listen": "YES",
                       "listen_ipv6": "YES", "failures_file": self.directory / "failures"}
            options.update(self.options)
            config = self.directory / "ferryd.conf"
            config.write_text("".join(f"{k}={v}\n" for k, v in options.items() if v is not None) + self.sections)
            return [program, "--config", str(config)] + self.args
        command = [program, "--port", str(self.port)]
        command += [f"-o{k}={v}" for k, v in self.options.items()]
        if self.user:
            secret = self.directory / "password"
            secret.touch(mode=0o600)
            secret.write_text(self.password + "\n")
            command += ["--user", self.user, "--password-file", str(secret)]
        return command + self.args + [str(self.root)]

    def give_away(self):
        """Who serves the tree must be able to use it: nobody (anonymous) when we are root."""
        if os.geteuid() != 0 or self.served:
            return
        nobody = pwd.getpwnam("nobody")
        for path, dirs, files in os.walk(os.fsencode(self.root)):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
            for name in files + dirs:
                os.lchown(os.path.join(path, name), nobody.pw_uid, nobody.pw_gid)

    def start(self):
        if self.tree:
            self.tree(self.root)
        self.give_away()
        # The directories must be reachable for the accounts that serve them.
        path = self.directory
        while path != path.parent and path != pathlib.Path("/tmp"):
            try:
                path.chmod(path.stat().st_mode | 0o055)
            except OSError:
                break
            path = path.parent
        self.log = open(self.log_path, "wb")
        env = dict(os.environ, **(self.env or {}))
        self.process = subprocess.Popen(self.prefix + self.command(), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, env=env)
        wait_until(lambda: self.process.poll() is not None or "listening at=" in self.log_text(),
                   "ferryd does not start", START_SECONDS)
        assert self.process.poll() is None, f"ferryd did not start:\n{self.log_text()}"

    @property
    def pid(self):
        return self.process.pid

    def children(self, name=None):
        found = children(self.pid)
        return [pid for pid, comm in found.items() if name is None or comm == name]

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, words, seconds=10):
        """Waits until the log has these words; returns the log."""
        wait_until(lambda: words in self.log_text(), f"no {words!r} in the log:\n{self.log_text()}", seconds)
        return self.log_text()

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"ferryd did not end within {STOP_SECONDS} s:\n{self.log_text()}")
        finally:
            self.log.close()
        self.process = None
        if self.clean:
            text = self.log_text()
            assert status == 0, f"ferryd ended with status {status}:\n{text}"
            bad = [word for word in BAD_WORDS if word in text]
            assert not bad, f"{bad} in the log:\n{text}"
