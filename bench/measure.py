"""What a run costs and yields: the load generator, and /proc of a server's process tree."""
import json
import os
import pathlib
import socket
import subprocess

from harness.server import children

TICKS = os.sysconf("SC_CLK_TCK")
# Sockets of the server and of the client, their buffers, the processes that hold them.
KERNEL_FIELDS = ("Slab", "KernelStack", "PageTables")


class Failed(Exception):
    """A measurement that is worth nothing, and why."""


def tree(pid):
    return [pid] + list(children(pid))


def cpu_seconds(pid):
    """CPU time of a process tree: of the living, and of the dead whom they have waited for."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        ticks += sum(int(n) for n in fields[11:15])
    return ticks / TICKS


def pss_kib(pid):
    """Memory of a process tree, what is shared divided among its holders."""
    total = 0
    for member in tree(pid):
        try:
            lines = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def kernel_kib():
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in KERNEL_FIELDS)


class Load:
    """One run of bench-load. Use it with `with`: its sessions are logged in then, and stay until the end."""

    def __init__(self, build, **options):
        command = [str(build / "bench" / "bench-load")]
        for name, value in options.items():
            if value is not None:
                command += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            return self.entered()
        except BaseException:
            self.__exit__()
            raise

    def entered(self):
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise Failed(", ".join(json.loads(line)["said"]) if line else "the load generator ended")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def told(self):
        """The next result; any error in it makes it one."""
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the load generator ended")
        result = json.loads(line)
        if result["errors"]:
            raise Failed(f"{result['errors']} errors: " + ", ".join(result["said"]))
        return result

    def say(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def go(self):
        self.say()
        return self.told()


def run(server, build, **options):
    """A whole run against a server: the generator's result, with the server's CPU time as "cpu"."""
    with Load(build, port=server.port, **options) as load:
        before = cpu_seconds(server.pid)
        result = load.go()
        result["cpu"] = cpu_seconds(server.pid) - before
    return result


def idle(server, build, fresh, sessions, **options):
    """Memory per idle session in KiB: (of the server, of the kernel for both ends). fresh: what the server
    had before its first session. Every session has to answer afterwards."""
    kernel = kernel_kib()
    with Load(build, port=server.port, do="idle", sessions=sessions, **options) as load:
        load.go()
        user, kernel = pss_kib(server.pid) - fresh, kernel_kib() - kernel
        load.say()
        load.told()
    return user / sessions, kernel / sessions


def bare_pair_kib(count):
    """What the kernel needs for a pair of connected sockets that do nothing."""
    before = kernel_kib()
    pairs = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for _ in range(count):
            near = socket.create_connection(listener.getsockname())
            pairs += [near, listener.accept()[0]]
        needed = kernel_kib() - before
    for s in pairs:
        s.close()
    return needed / count


def limit(build, what, path, seconds):
    """One of the bare mechanisms of bench-limits."""
    done = subprocess.run([str(build / "bench" / "bench-limits"), what, str(path), str(seconds)], check=True,
                          capture_output=True, text=True)
    return float(done.stdout)
