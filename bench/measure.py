"""What a run costs and yields: the load generator, and /proc of a server's process tree."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time

from harness.server import children

TICKS = os.sysconf("SC_CLK_TCK")
# What a process costs the kernel, beside the objects in its slabs.
KERNEL_FIELDS = ("KernelStack", "PageTables")
# Slabs of files and directories: they grow and shrink with what other programs read.
FILE_SLABS = ("dentry", "inode_cache", "buffer_head", "radix_tree_node", "kernfs", "ext4", "xfs", "btrfs", "overlay",
              "ovl", "proc_", "shmem", "fuse", "nfs", "jbd2", "zfs")
# Memory is given back for some time after processes and sockets have ended.
CALM_TURNS, CALM_SECONDS, CALM_KIB = 100, 0.05, 32


class Failed(Exception):
    """A measurement that is worth nothing, and why."""


def tree(pid):
    return [pid] + list(children(pid))


def own_seconds(pid, ticks):
    """CPU time of one process: to the nanosecond of its living threads, to the tick of all it ever had."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(thread.read_text().split()[0])
    return max(total / 1e9, ticks / TICKS)


def cpu_seconds(pid):
    """CPU time of a process tree: of the living, and of the dead whom they have waited for."""
    seconds = 0
    for member in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(") ", 1)[1].split()
            seconds += own_seconds(member, int(fields[11]) + int(fields[12]))
        except OSError:
            continue
        seconds += (int(fields[13]) + int(fields[14])) / TICKS
    return seconds


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


def slab_kib():
    """The objects in the kernel's slabs, without those of file systems. Without root only their sum is known."""
    total = 0
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return meminfo_kib(("Slab",))
    for line in lines:
        name, active, _, size = line.split()[:4]
        if not any(word in name for word in FILE_SLABS) or name == "sock_inode_cache":
            total += int(active) * int(size)
    return total / 1024


def meminfo_kib(names):
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in names)


def kernel_kib():
    """Of both ends of all connections, and of the processes that hold them."""
    return slab_kib() + meminfo_kib(KERNEL_FIELDS)


class Load:
    """One run of bench-load against a server. Use it with `with`: its sessions are logged in then, and stay until the
    end. Options: bench-load's; True: one without a value."""

    def __init__(self, build, server, **options):
        command = [str(build / "bench" / "bench-load")]
        options = {"host": server.host, "port": server.port, "user": server.user, "password": server.password,
                   "tls": bool(server.tls), **options}
        for name, value in options.items():
            if value is not None and value is not False:
                command += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        with server.caller:
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
        with contextlib.suppress(OSError):
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
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except OSError:
            raise Failed("the load generator ended") from None

    def go(self):
        self.say()
        return self.told()

    def prove(self):
        """Every idle session answers still, or it is an error."""
        return self.go()


def run(server, build, **options):
    """A whole run against a server: the generator's result, with the server's CPU time as "cpu"."""
    with Load(build, server, **options) as load:
        before = cpu_seconds(server.pid)
        result = load.go()
        result["cpu"] = cpu_seconds(server.pid) - before
    return result


def calm_kernel_kib():
    """The kernel's memory when what others have just given back has arrived there."""
    before, calm = kernel_kib(), 0
    for _ in range(CALM_TURNS):
        time.sleep(CALM_SECONDS)
        now = kernel_kib()
        calm = calm + 1 if before - now < CALM_KIB else 0
        before = now
        if calm == 6:
            break
    return before


def calm_pss_kib(pid):
    """The memory of a process tree that has come to an end of its start: a server answers before all its processes are
    at work, and what they take for themselves is no session's."""
    before, calm = pss_kib(pid), 0
    for _ in range(CALM_TURNS):
        time.sleep(CALM_SECONDS)
        now = pss_kib(pid)
        calm = calm + 1 if abs(now - before) < CALM_KIB else 0
        before = now
        if calm == 6:
            break
    return before


def wait_until_gone(pid, processes):
    """The sessions' processes have ended, so that they are nobody else's burden."""
    for _ in range(8 * CALM_TURNS):
        if len(tree(pid)) <= processes:
            return
        time.sleep(CALM_SECONDS)


def idle(server, build, fresh, sessions, **options):
    """Memory per idle session in KiB: (of the server, of the kernel for both ends). fresh: what the server
    had before its first session. Every session has to answer afterwards."""
    kernel, processes = calm_kernel_kib(), len(tree(server.pid))
    with Load(build, server, do="idle", sessions=sessions, **options) as load:
        load.go()
        user, kernel = pss_kib(server.pid) - fresh, kernel_kib() - kernel
        load.prove()
    wait_until_gone(server.pid, processes)
    return user / sessions, kernel / sessions


def bare_pair_kib(count):
    """What the kernel needs for a pair of connected sockets that do nothing."""
    before = calm_kernel_kib()
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
