"""./dev bench: ferryd and its peers side by side on this machine.

Every server is started once, with one tree of files in memory for all. Each row is measured in rounds, and in
a round every server has its turn, so that whatever else the machine does hits all of them. The limits of the
kernel are measured in the same rounds. A wrong reply or a wrong number of bytes makes a measurement an error,
which is shown, and sets the exit status unless it is a peer's.
"""
import argparse
import contextlib
import itertools
import json
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
import places  # noqa: E402
import profiles  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import servers  # noqa: E402

# What bench-limits calls them.
LIMITS = {"sendfile": "send", "recv+write": "write", "splice": "splice", "connect": "connect", "SSL_write": "tls-send",
          "SSL_write 256 KiB": "tls-batch", "SSL_read+write": "tls-write", "full handshakes": "handshakes",
          "resumed handshakes": "resumed", "AES-128-GCM": "gcm", "getdents": "getdents", "getdents+statx": "statx"}
PAIRS = 2000


def arguments():
    names = [row.name for row in rows.ROWS]
    p = argparse.ArgumentParser(prog="./dev bench", description="Measures ferryd and its peers side by side.")
    p.add_argument("--quick", action="store_true", help="short rounds, fewer of them, less than three minutes")
    p.add_argument("--json", action="store_true", help="print everything as JSON at the end instead of a table")
    p.add_argument("--markdown", action="store_true", help="print the tables of docs/PERFORMANCE.md at the end")
    p.add_argument("--from", dest="saved", type=argparse.FileType(), metavar="FILE",
                   help="measure nothing: the tables of what --json printed")
    p.add_argument("--profile", action="store_true",
                   help="where the CPU time of each row goes, as tables in Markdown (takes root, perf and strace)")
    p.add_argument("--only", action="append", metavar="ROW", choices=names,
                   help="this row (may be given again): " + ", ".join(names))
    p.add_argument("--servers", type=lambda s: s.split(","), metavar="A,B",
                   help="these servers: " + ", ".join(servers.NAMES))
    p.add_argument("--rounds", type=int, help="rounds (5; 2 with --quick)")
    p.add_argument("--seconds", type=float, help="length of a measurement (1.5; 0.2 with --quick)")
    p.add_argument("--most", type=int, help="operations of a session, for a test of this program itself")
    p.add_argument("--build", type=pathlib.Path, default=TOP / "build", help=argparse.SUPPRESS)
    args = p.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.2 if args.quick else 1.5)
    unknown = set(args.servers or ()) - set(servers.NAMES)
    if unknown:
        p.error(f"no such server: {', '.join(sorted(unknown))}")
    return args


def chosen_rows(args):
    """Those asked for, and those that they are compared with."""
    if args.only:
        names = set(args.only) | {row.against for row in rows.ROWS if row.name in args.only}
        return [row for row in rows.ROWS if row.name in names]
    return [row for row in rows.ROWS if not (args.quick and row.slow)]


class Bench:
    def __init__(self, args, directory):
        self.args, self.directory = args, directory
        self.build, self.seconds, self.most = args.build.resolve(), args.seconds, args.most
        self.installed = TOP / ".dev" / "peers"
        self.root = directory / "tree"
        self.rows = chosen_rows(args)
        self.certificate = places.make_certificate(directory)
        self.ranges = itertools.count()  # of passive ports
        self.places = {}
        self.run_load = measure.run

    def say(self, text):
        print(text, file=sys.stderr if self.args.json or self.args.markdown else sys.stdout, flush=True)

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
        directory = server.root / f"up-{server.name}"
        if not directory.is_dir():
            directory.mkdir()
            directory.chmod(0o777)
        return f"{directory.name}/#"

    def disk(self, ends):
        """A tree that is not in memory."""
        root = pathlib.Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-", dir="/var/tmp")))
        root.chmod(0o755)
        return root

    def place(self, row, ends):
        """Where a row is measured; its servers are started with the first row that needs them."""
        if row.place not in self.places:
            here = {name for other in self.rows if other.place == row.place for name in other.servers}
            wanted = [name for name in servers.NAMES if name in here and name in (self.args.servers or servers.NAMES)]
            try:
                self.places[row.place] = places.Place(row.place, self).start(ends, wanted)
            except places.Unavailable as e:
                self.places[row.place] = e
        return self.places[row.place]

    def limit_path(self, name):
        if name == "sendfile":
            return self.root / rows.file_name(256 * rows.MIB)
        return self.root / rows.MANY if name.startswith("getdents") else self.directory / "limit"

    def limits(self, row):
        found = {}
        for name in row.limits if not self.most else ():
            if name == "socket pair":
                found[name] = measure.bare_pair_kib(PAIRS)
                continue
            found[name] = measure.limit(self.build, LIMITS[name], self.limit_path(name), self.seconds / 2)
        return found

    def round(self, row, place, samples, errors, limits):
        """One turn for everybody."""
        for name, value in self.limits(row).items():
            limits.setdefault(name, []).append(value)
        for name, server in place.servers.items():
            if name not in row.servers or name in errors:
                continue
            try:
                samples.setdefault(name, []).append(row.measure(self, server))
            except measure.Failed as e:
                errors[name] = str(e)

    def measure(self, row, place):
        samples, limits = {}, {}
        errors = {name: text for name, text in place.errors.items() if name in row.servers}
        for _ in range(1 if self.args.quick and row.long else self.args.rounds):
            self.round(row, place, samples, errors, limits)
        found = {name: report.summary(s) for name, s in samples.items() if name not in errors}
        found.update({name: {"error": text} for name, text in errors.items()})
        return {"title": row.title, "unit": row.unit, "limits": {n: statistics.median(v) for n, v in limits.items()},
                "servers": {name: found[name] for name in servers.NAMES if name in found}}

    def run(self, ends):
        found = {"machine": report.machine(), "rounds": self.args.rounds, "seconds": self.seconds,
                 "versions": {n: servers.version(n, self.build, self.installed) for n in self.wanted()}, "rows": {}}
        self.say(report.head(found))
        for row in self.rows:
            place = self.place(row, ends)
            if isinstance(place, places.Unavailable):
                found["rows"][row.name] = {"title": row.title, "unit": row.unit, "skipped": str(place)}
            else:
                found["rows"][row.name] = self.measure(row, place)
            self.say("\n" + report.row_text(row, found["rows"]))
        return found

    def profile(self, ends):
        """Instead of run(): where the time of each row goes, as Markdown."""
        for row in self.rows:
            place = self.place(row, ends)
            if isinstance(place, places.Unavailable):
                print(f"{row.name}: {place}")
                continue
            for name, server in place.servers.items():
                if name in row.servers:
                    print("\n" + profiles.profile(self, row, server), flush=True)

    def wanted(self):
        """The servers that any row needs."""
        return [name for name in servers.NAMES if name in (self.args.servers or servers.NAMES)
                and any(name in row.servers for row in self.rows)]


def raise_limits():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def show(args, found):
    if args.markdown or args.saved:
        print(report.markdown([row for row in rows.ROWS if row.name in found["rows"]], found))
    elif args.json:
        print(report.as_json(found))


def main():
    args = arguments()
    if args.saved:
        show(args, json.load(args.saved))
        return 0
    # Told to end: as after Ctrl-C, no server and no file stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise_limits()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ferry-bench-", dir="/dev/shm"))
    try:
        with contextlib.ExitStack() as ends:
            bench = Bench(args, directory)
            bench.make_tree()
            if args.profile:
                bench.profile(ends)
                return 0
            found = bench.run(ends)
        show(args, found)
        return 1 if report.has_errors(found) else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
