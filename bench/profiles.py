"""./dev bench --profile: where a server's CPU time goes, for the rows asked for. It takes root, perf and strace.

Each row is run twice for each server: under perf, which says how much time of which process is spent in its own
code and how much in which system call (with all that the kernel does in it: the other end of a connection over
loopback too); and, slowed down, under strace, which counts the calls.
"""
import collections
import contextlib
import pathlib
import re
import signal
import subprocess

import measure

SAMPLES = 5000   # a second
# Less than this is summed up, microseconds of an operation.
SHOWN_US = 0.2
OWN = "own code"
# What waits for its turn, is interrupted or is not named by perf.
OTHER = "other"
ENTRIES = re.compile(r"^(?:__x64_sys_|__do_sys_|__sys_|ksys_|__se_sys_)(\w+)")
# One name for what libraries call by several.
NAMES = {"sendto": "send", "recvfrom": "recv", "newfstatat": "fstat", "accept": "accept4", "pread64": "pread",
         "sendfile64": "sendfile", "mmap_pgoff": "mmap"}


def processes(server):
    """Of a server's tree, by what they are called."""
    found = collections.defaultdict(list)
    for pid in measure.tree(server.pid):
        with contextlib.suppress(OSError):
            found[pathlib.Path(f"/proc/{pid}/comm").read_text().strip()].append(pid)
    return found


@contextlib.contextmanager
def ended(command, seconds=30):
    """A tool that works until it is interrupted."""
    tool = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        tool.send_signal(signal.SIGINT)
        tool.wait(seconds)


# ---- perf ----

def where(stack):
    """In which system call a sample was taken, from the innermost function out."""
    kernel = False
    for function in stack:
        call = ENTRIES.match(function)
        if call:
            return NAMES.get(call[1], call[1])
        kernel = kernel or function.startswith(("entry_", "do_syscall", "asm_", "irqentry", "ret_from"))
    return OTHER if kernel else OWN


def samples(text):
    """(process, pid, where) of each sample that `perf script` prints: a line with the process, then its stack."""
    for block in text.split("\n\n"):
        lines = block.strip("\n").splitlines()
        if lines and not lines[0].startswith((" ", "\t")):
            stack = [line.split()[1] for line in lines[1:] if len(line.split()) > 1]
            name, pid = lines[0].rsplit(None, 1)
            yield name, int(pid), where(stack)


def is_anothers(pid, ours):
    """Somebody else's process may have the same name. One that has ended was a session's."""
    return pid not in ours and pathlib.Path(f"/proc/{pid}").exists()


def times(directory, server, run):
    """CPU time of an operation in microseconds: {process: {where: us}}; and the run's result."""
    data = directory / "perf.data"
    with ended(["perf", "record", "-q", "-a", "-g", "-F", str(SAMPLES), "-o", str(data)]):
        result = run()
    text = subprocess.run(["perf", "script", "-i", str(data), "-F", "comm,pid,ip,sym"], check=True, capture_output=True,
                          text=True, errors="replace").stdout
    data.unlink()
    ours, counts = processes(server), collections.defaultdict(collections.Counter)
    pids = {pid for members in ours.values() for pid in members}
    for process, pid, place in samples(text):
        if process in ours and not is_anothers(pid, pids):
            counts[process][place] += 1
    total = sum(sum(c.values()) for c in counts.values()) or 1
    us = result["cpu"] * 1e6 / result["ops"] / total
    return {name: {place: n * us for place, n in c.items()} for name, c in counts.items()}, result


# ---- strace ----

def counted(text):
    """{call: number} of what `strace -c` prints."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            found[NAMES.get(words[-1], words[-1])] = int(words[3])
    return found


def calls(directory, server, run):
    """{process: {call: how many of them an operation takes}}."""
    with contextlib.ExitStack() as tools:
        files = {}
        for name, pids in processes(server).items():
            files[name] = directory / f"strace.{name}"
            tools.enter_context(ended(["strace", "-f", "-c", "-o", str(files[name])] +
                                      [word for pid in pids for word in ("-p", str(pid))]))
        result = run()
    return {name: {call: n / result["ops"] for call, n in counted(file.read_text()).items()}
            for name, file in files.items() if file.exists()}


# ---- a row ----

def table(us, numbers):
    names = sorted(us, key=lambda name: -sum(us[name].values()))
    names = [name for name in names if sum(us[name].values()) >= SHOWN_US]
    head = [f"{name}, {kind}" for name in names for kind in ("us", "calls")]
    places = collections.Counter()
    for name in names:
        places.update(us[name])
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    shown = [place for place, n in places.most_common() if n >= SHOWN_US]

    def line(title, pick):
        cells = []
        for name in names:
            time, number = pick(us[name]), pick(numbers.get(name, {}))
            cells += [f"{time:.1f}" if time >= 0.05 else "", f"{number:.1f}" if number >= 0.05 else ""]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")

    for place in shown:
        line(place, lambda of, place=place: of.get(place, 0))
    line("the rest", lambda of: sum(n for place, n in of.items() if place not in shown))
    line("**in all**", lambda of: sum(of.values()))
    return "\n".join(lines)


class Watch:
    """Instead of measure.run: the load runs while a tool looks on."""

    def __init__(self, directory):
        self.directory, self.found = directory, None

    def __call__(self, server, build, **options):
        def run():
            before = measure.cpu_seconds(server.pid)
            result = load.go()
            result["cpu"] = measure.cpu_seconds(server.pid) - before
            return result

        with measure.Load(build, server, **options) as load:
            us, result = times(self.directory, server, run)
        with measure.Load(build, server, **options) as load:
            numbers = calls(self.directory, server, run)
        self.found = table(us, numbers)
        return result


def profile(bench, row, server):
    """The table of one row and server, as Markdown. Raises measure.Failed."""
    bench.run_load = watch = Watch(bench.directory)
    row.measure(bench, server)
    return f"`{row.name}`, {server.name}:\n\n{watch.found}"
