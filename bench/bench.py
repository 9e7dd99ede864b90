"""./dev bench: ferryd and its peers side by side on this machine.

Every server is started once, with one tree of files in memory for all. Each row is measured in rounds, and in
a round every server has its turn, so that whatever else the machine does hits all of them. The limits of the
kernel are measured in the same rounds. A wrong reply or a wrong number of bytes makes a measurement an error,
which is shown and sets the exit status.
"""
import argparse
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import statistics
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests"))

import measure  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import servers  # noqa: E402

LIMITS = {"sendfile": "send", "recv+write": "write", "splice": "splice", "connect": "connect"}
PAIRS = 2000


def arguments():
    names = [row.name for row in rows.ROWS]
    p = argparse.ArgumentParser(prog="./dev bench", description="Measures ferryd and its peers side by side.")
    p.add_argument("--quick", action="store_true", help="short rounds, fewer of them, less than three minutes")
    p.add_argument("--json", action="store_true", help="print everything as JSON at the end instead of a table")
    p.add_argument("--only", action="append", metavar="ROW", choices=names,
                   help="this row (may be given again): " + ", ".join(names))
    p.add_argument("--servers", type=lambda s: s.split(","), metavar="A,B",
                   help="these servers: " + ", ".join(servers.NAMES))
    p.add_argument("--rounds", type=int, help="rounds (5; 2 with --quick)")
    p.add_argument("--seconds", type=float, help="length of a measurement (1.5; 0.3 with --quick)")
    p.add_argument("--most", type=int, help="operations of a session, for a test of this program itself")
    p.add_argument("--build", type=pathlib.Path, default=TOP / "build", help=argparse.SUPPRESS)
    args = p.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.3 if args.quick else 1.5)
    unknown = set(args.servers or ()) - set(servers.NAMES)
    if unknown:
        p.error(f"no such server: {', '.join(sorted(unknown))}")
    return args


class Bench:
    def __init__(self, args, directory):
        self.args, self.directory = args, directory
        self.build, self.seconds, self.most = args.build.resolve(), args.seconds, args.most
        self.installed = TOP / ".dev" / "peers"
        self.root = directory / "tree"
        self.rows = [row for row in rows.ROWS if row.name in args.only] if args.only else \
            [row for row in rows.ROWS if not (args.quick and row.slow)]
        self.servers = {}
        self.fresh = {}  # the memory that each had when it had started

    def say(self, text):
        print(text, file=sys.stderr if self.args.json else sys.stdout, flush=True)

    def make_tree(self):
        self.root.mkdir()
        for size in rows.FILE_SIZES:
            with open(self.root / rows.file_name(size), "wb") as f:
                for at in range(0, size, 1 << 20):
                    f.write(os.urandom(min(size - at, 1 << 20)))
        if any(row.name in ("list", "mlsd") for row in self.rows):
            many = self.root / rows.MANY
            many.mkdir()
            for i in range(rows.ENTRIES if not self.most else 10):
                (many / f"entry-{i:06}.txt").touch()

    def uploads(self, server):
        """Where a server's sessions store: its own directory, a name for each session."""
        name = next(n for n, s in self.servers.items() if s is server)
        directory = getattr(server, "root", self.root) / f"up-{name}"
        if not directory.is_dir():
            directory.mkdir()
            directory.chmod(0o777)
        return f"{directory.name}/#"

    def disk(self, ends):
        """A tree that is not in memory."""
        root = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-", dir="/var/tmp")))
        root.chmod(0o755)
        return root

    def start(self, ends):
        wanted = self.args.servers or servers.NAMES
        for number, name in enumerate(servers.NAMES):
            if name not in wanted or not any(name in row.servers for row in self.rows):
                continue
            server = servers.make(name, self.directory, self.build, self.installed, number)
            self.servers[name] = server.serve(self.disk(ends) if "-disk" in name else self.root)
            ends.callback(server.stop)
            self.fresh[server] = measure.pss_kib(server.pid)

    def limits(self, row):
        found = {}
        for name in row.limits if not self.most else ():
            if name == "socket pair":
                found[name] = measure.bare_pair_kib(PAIRS)
                continue
            path = self.root / rows.file_name(256 * rows.MIB) if name == "sendfile" else self.directory / "limit"
            found[name] = measure.limit(self.build, LIMITS[name], path, self.seconds / 2)
        return found

    def round(self, row, samples, errors, limits):
        """One turn for everybody."""
        for name, value in self.limits(row).items():
            limits.setdefault(name, []).append(value)
        for name, server in self.servers.items():
            if name not in row.servers or name in errors:
                continue
            try:
                samples.setdefault(name, []).append(row.measure(self, server))
            except measure.Failed as e:
                errors[name] = str(e)

    def measure(self, row):
        samples, errors, limits = {}, {}, {}
        for _ in range(1 if self.args.quick and row.long else self.args.rounds):
            self.round(row, samples, errors, limits)
        found = {name: report.summary(s) for name, s in samples.items() if name not in errors}
        found.update({name: {"error": text} for name, text in errors.items()})
        return {"title": row.title, "unit": row.unit, "limits": {n: statistics.median(v) for n, v in limits.items()},
                "servers": {name: found[name] for name in self.servers if name in found}}

    def run(self):
        found = {"machine": report.machine(), "rounds": self.args.rounds, "seconds": self.seconds,
                 "versions": {n: servers.version(n, self.build, self.installed) for n in self.servers}, "rows": {}}
        self.say(report.head(found))
        for row in self.rows:
            found["rows"][row.name] = self.measure(row)
            self.say("\n" + report.row_text(row, found["rows"][row.name]))
        if self.args.json:
            print(report.as_json(found))
        return any("error" in s for row in found["rows"].values() for s in row["servers"].values())


def raise_limits():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    args = arguments()
    # Told to end: as after Ctrl-C, no server and no file stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise_limits()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/dev/shm"))
    try:
        with contextlib.ExitStack() as ends:
            bench = Bench(args, directory)
            bench.make_tree()
            bench.start(ends)
            return 1 if bench.run() else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
