"""./dev bench client: ferry and other people's clients in turn, against vsftpd and ferryd.

Everything lies in memory. Each row is measured in rounds, and in a round every client has its turn with every
server, so that whatever else the machine does hits all of them. What has arrived is compared with what was
sent, by sizes and SHA-256; a difference, or an exit status other than 0, makes the figure an error, which is
shown, and one of ferry's sets the exit status. Beside the large file stands what two bare sockets do in the
same rounds: sendfile at one end, recv and write at the other.
"""
import argparse
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests"))

import clients  # noqa: E402
import far  # noqa: E402
import report  # noqa: E402
from harness import certs  # noqa: E402

MIB = 1 << 20
FILE_SIZE = 4096
BLOCK = 256 * 1024
PATIENCE = 600  # seconds for one run; at --quick 60


@dataclasses.dataclass
class Row:
    """What is moved: one file of so many MiB, or a tree of directories of files."""
    name: str
    upload: bool
    large: int = 0
    directories: int = 0
    files: int = 0        # of each directory
    ms: int = 0           # round trip
    tls: bool = False
    quick: tuple = ()     # (large, directories, files) of --quick, which leaves the row out without it

    @property
    def tree(self):
        return self.directories > 0

    @property
    def unit(self):
        return "files/s" if self.tree else "MB/s"

    def shrunk(self):
        large, directories, files = self.quick
        return dataclasses.replace(self, large=large, directories=directories, files=files)

    def title(self):
        what = f"{self.directories * self.files:,} files of {FILE_SIZE // 1024} KiB in {self.directories} " \
               f"directories" if self.tree else f"one file of {self.large} MiB"
        at = f", {self.ms} ms round trip" if self.ms else ""
        return f"{what} {'up' if self.upload else 'down'}{at}{', TLS' if self.tls else ''}"


def make_rows():
    found = []
    for tls in (False, True):
        for upload in (False, True):
            end = ("put" if upload else "get") + ("-tls" if tls else "")
            found.append(Row(f"large-{end}", upload, large=2048, tls=tls, quick=() if tls else (256, 0, 0)))
            found.append(Row(f"tree-{end}", upload, directories=50, files=100, tls=tls,
                             quick=(0, 10, 20 if tls else 50)))
            found.append(Row(f"tree-20ms-{end}", upload, directories=20, files=50, ms=20, tls=tls,
                             quick=() if tls and upload else (0, 5, 10 if tls else 30)))
            found.append(Row(f"tree-100ms-{end}", upload, directories=10, files=50, ms=100, tls=tls,
                             quick=() if tls or upload else (0, 5, 10)))
    return found


ROWS = make_rows()


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench client", description="Measures ferry and other clients in turn.")
    p.add_argument("--quick", action="store_true", help="one round, fewer rows, less of everything: three minutes")
    p.add_argument("--json", action="store_true", help="print everything as JSON at the end instead of a table")
    p.add_argument("--only", action="append", metavar="ROW", choices=[row.name for row in ROWS],
                   help="this row (may be given again): " + ", ".join(row.name for row in ROWS))
    p.add_argument("--clients", type=lambda s: s.split(","), metavar="A,B",
                   help="these clients: " + ", ".join(clients.CLIENTS))
    p.add_argument("--servers", type=lambda s: s.split(","), default=far.NAMES, metavar="A,B",
                   help="these servers: " + ", ".join(far.NAMES))
    p.add_argument("--rounds", type=int, help="rounds (5; 1 with --quick)")
    p.add_argument("--small", action="store_true", help="hardly anything is moved: a test of this program itself")
    p.add_argument("--build", type=pathlib.Path, default=TOP / "build", help=argparse.SUPPRESS)
    args = p.parse_args()
    args.rounds = args.rounds or (1 if args.quick or args.small else 5)
    for given, known in ((args.clients, clients.CLIENTS), (args.servers, far.NAMES)):
        unknown = set(given or ()) - set(known)
        if unknown:
            p.error(f"not known: {', '.join(sorted(unknown))}")
    return args


def chosen_rows(args):
    rows = [row for row in ROWS if args.only is None or row.name in args.only]
    if args.small:
        return [dataclasses.replace(row, large=row.large and 1, directories=row.directories and 2,
                                    files=row.files and 3) for row in rows]
    if args.quick:
        return [row.shrunk() for row in rows if row.quick]
    return rows


class Wrong(Exception):
    """A run that is worth nothing, and why."""


# ---- what is moved, and whether it has arrived

def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def contents(top):
    """{relative name: (size, sum)} of a file or a tree."""
    if top.is_file():
        return {"": (top.stat().st_size, digest(top))}
    return {str(path.relative_to(top)): (path.stat().st_size, digest(path))
            for path in top.rglob("*") if path.is_file()}


def compare(found, expected):
    missing = expected.keys() - found.keys()
    if missing:
        raise Wrong(f"{len(missing)} of {len(expected)} files are missing")
    different = [name for name, value in expected.items() if found[name] != value]
    if different or len(found) != len(expected):
        raise Wrong(f"{len(different)} files are different, {len(found) - len(expected)} too many")


class Stock:
    """What there is to be moved: made when it is first asked for."""

    def __init__(self, top):
        self.top, self.known = top, {}
        top.mkdir()

    def name(self, row, part):
        """part: a tenth of each directory has to do."""
        files = max(1, row.files // 10) if part else row.files
        name = f"t{row.directories}x{files}" if row.tree else f"large{row.large}"
        if name not in self.known:
            self.make(self.top / name, row, files)
            self.known[name] = contents(self.top / name)
        return name

    @staticmethod
    def make(path, row, files):
        if not row.tree:
            with open(path, "wb") as f:
                for _ in range(row.large):
                    f.write(os.urandom(MIB))
            return
        for d in range(row.directories):
            directory = path / f"d{d:02}"
            directory.mkdir(parents=True)
            for i in range(files):
                (directory / f"f{i:03}").write_bytes(os.urandom(FILE_SIZE))

    def offer(self, name, root):
        """The same below a server's root, without a copy."""
        goal = root / name
        if not goal.exists():
            copy = shutil.copytree if (self.top / name).is_dir() else lambda a, b, **how: os.link(a, b)
            copy(self.top / name, goal, copy_function=os.link)


# ---- the limit

def bare_send(path, listener):
    with listener, open(path, "rb") as f:
        s, _ = listener.accept()
        with s:
            s.sendfile(f)


def bare_rate(source, goal):
    """MB/s from file to file through two bare sockets."""
    listener = socket.create_server(("127.0.0.1", 0))
    sender = multiprocessing.get_context("fork").Process(target=bare_send, args=(source, listener))
    began = time.perf_counter()
    sender.start()
    block, size = bytearray(BLOCK), 0
    with socket.create_connection(listener.getsockname()) as s, open(goal, "wb", buffering=0) as f:
        listener.close()
        while n := s.recv_into(block):
            f.write(memoryview(block)[:n])
            size += n
    seconds = time.perf_counter() - began
    sender.join()
    goal.unlink()
    return size / seconds / 1e6


# ---- one run

class Bench:
    def __init__(self, args, directory, ends):
        self.args, self.directory = args, directory
        self.build = args.build.resolve()
        self.rows = chosen_rows(args)
        self.versions = {name: clients.version(name, self.build) for name in args.clients or clients.CLIENTS}
        self.world = far.World(ends, self.build, {row.ms for row in self.rows})
        self.stock = Stock(directory / "stock")
        self.servers, self.count = {}, 0
        for tls in sorted({row.tls for row in self.rows}):
            for name in args.servers:
                self.start(ends, name, tls)

    def start(self, ends, name, tls):
        keys = certs.make(self.directory, f"{name}-key") if tls else None
        server = far.serve(name, self.world, self.directory / f"{name}{'-tls' if tls else ''}", self.build,
                           TOP / ".dev" / "peers", len(self.servers), keys)
        ends.callback(server.stop)
        self.servers[name, tls] = server

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def job(self, row, server, client):
        """A fresh place on both sides."""
        name = self.stock.name(row, part=row.ms and clients.CLIENTS[client].slow)
        self.count += 1
        scratch = self.directory / f"run{self.count}"
        scratch.mkdir()
        there = ""
        if row.upload:
            there = f"up{self.count}"
            (server.root / there).mkdir()
            (server.root / there).chmod(0o777)
        else:
            self.stock.offer(name, server.root)
        return clients.Job(
            host=self.world.places[row.ms].host, port=server.port, user=far.USER, password=far.PASSWORD, tls=row.tls,
            upload=row.upload, name=name, here=self.stock.top if row.upload else scratch, there=there,
            files=sorted(self.stock.known[name]) if row.tree else [], scratch=scratch, build=self.build)

    def wait(self, process, job):
        """CPU seconds of the client. It may not take for ever."""
        def late(*_):
            process.kill()
            raise Wrong("it did not come to an end")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(60 if self.args.quick else PATIENCE)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            signal.alarm(0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said = (job.scratch / "said").read_text(errors="replace").strip().splitlines()
            raise Wrong(f"exit status {process.returncode}: {said[-1][:120] if said else ''}")
        return usage.ru_utime + usage.ru_stime

    def run(self, row, server, client):
        job = self.job(row, server, client)
        try:
            with self.world.places[row.ms].namespace:
                began = time.perf_counter()
                process = clients.start(client, job)
            cpu = self.wait(process, job)
            seconds = time.perf_counter() - began
            expected = self.stock.known[job.name]
            compare(contents(server.root / job.remote if row.upload else job.local), expected)
        finally:
            shutil.rmtree(job.scratch, ignore_errors=True)
            if row.upload:
                shutil.rmtree(server.root / job.there, ignore_errors=True)
        work = len(expected) if row.tree else sum(size for size, _ in expected.values()) / 1e6
        return {"value": work / seconds, "seconds": seconds, "cpu": cpu}

    def turn(self, row, client, name, samples, errors):
        if (name, client) in errors:
            return
        try:
            sample = self.run(row, self.servers[name, row.tls], client)
            samples.setdefault((name, client), []).append(sample)
        except Wrong as e:
            errors[name, client] = str(e)
            samples.pop((name, client), None)

    def measure(self, row):
        samples, errors, bare = {}, {}, []
        wanted = [c for c in self.versions if clients.can(c, row, self.args.quick) and self.versions[c]]
        self.say(f"{row.name}: {row.title()}")
        for _ in range(self.args.rounds):
            if not row.tree and not row.tls:
                bare.append(bare_rate(self.stock.top / self.stock.name(row, False), self.directory / "bare"))
            for client in wanted:
                for name in self.args.servers:
                    self.turn(row, client, name, samples, errors)
        found = {"title": row.title(), "unit": row.unit, "servers": {name: {} for name in self.args.servers}}
        if bare:
            found["bare"] = statistics.median(bare)
        for (name, client), values in samples.items():
            found["servers"][name][client] = report.summary(values)
        for (name, client), text in errors.items():
            found["servers"][name][client] = {"error": text}
        return found

    def all(self):
        found = {"machine": report.machine(), "rounds": self.args.rounds, "versions": self.versions, "rows": {}}
        for row in self.rows:
            found["rows"][row.name] = self.measure(row)
            for line in table_lines(row.name, found["rows"][row.name], list(self.versions)):
                self.say("  " + line)
        return found


# ---- the table

def best_other(row):
    """(client, value) of the fastest that is not ours, over all servers of a row."""
    values = {client: s["value"] for server in row["servers"].values() for client, s in server.items()
              if client != "ferry" and "error" not in s}
    return max(values.items(), key=lambda item: item[1], default=(None, None))


def best_at(server):
    values = {client: s["value"] for client, s in server.items() if client != "ferry" and "error" not in s}
    return max(values.items(), key=lambda item: item[1], default=(None, None))


def cell(s):
    if s is None:
        return "-"
    if "error" in s:
        return "error"
    return f"{report.number(s['value'])} ±{s['spread'] * 50:.0f}%"


def ratio(server):
    client, value = best_at(server)
    ours = server.get("ferry", {}).get("value")
    return f"{ours / value:.2f} ({client})" if ours and value else "-"


def table_lines(name, row, columns):
    lines = []
    for server, found in row["servers"].items():
        cells = [cell(found.get(client)) for client in columns]
        bare = report.number(row["bare"]) if "bare" in row else "-"
        lines.append(f"| `{name}`, {row['unit']} | {server} | {bare} | {' | '.join(cells)} | {ratio(found)} |")
    return lines


def errors_of(found):
    return [f"{name}, {client} with {server}: {s['error']}" for name, row in found["rows"].items()
            for server, results in row["servers"].items() for client, s in results.items() if "error" in s]


def table(found):
    columns = list(found["versions"])
    m = found["machine"]
    lines = [f"{m['cores']} x {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['system']}; "
             + ", ".join(f"{name} {version or 'is not installed'}" for name, version in found["versions"].items())
             + f". {found['rounds']} interleaved rounds; medians, and half the distance between the extremes.", "",
             f"| row | server | bare socket | {' | '.join(columns)} | ferry / best other |",
             "|---" * (len(columns) + 4) + "|"]
    for name, row in found["rows"].items():
        lines += table_lines(name, row, columns)
    lines += ["", *(f"- `{name}`: {row['title']}" for name, row in found["rows"].items())]
    lines += [f"- error: {text}" for text in errors_of(found)]
    return "\n".join(lines)


def main():
    args = arguments()
    if os.geteuid() != 0:
        sys.exit("The servers and the long links live in network namespaces, which only root can make.")
    # Told to end: as after Ctrl-C, no server and no file stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/dev/shm"))
    try:
        with contextlib.ExitStack() as ends:
            found = Bench(args, directory, ends).all()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(found, indent=1) if args.json else table(found))
    return 1 if any("error" in results.get("ferry", {}) for row in found["rows"].values()
                    for results in row["servers"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
