"""The rows of the benchmark: what is asked of every server, and what bounds it.

A row's measure(bench, server) gives a dict: "value" in the row's unit, and whatever else was learnt: "cpu"
(the server's CPU time for each GiB or each 1,000 operations, as cpu_unit says), "p99" and "first" in
microseconds, "kernel" in KiB, "refused": how often a data connection was refused (425) and asked for again.
"""
import dataclasses
import typing

import measure

GIB = 1 << 30
MIB = 1 << 20
ENTRIES = 100_000
MANY = "many"


EVERYBODY = ("null", "vsftpd", "proftpd", "pureftpd", "pyftpdlib", "ferryd")


def but(*names):
    """Everybody but those who cannot do it."""
    return tuple(name for name in EVERYBODY if name not in names)


@dataclasses.dataclass
class Row:
    name: str
    title: str
    unit: str
    measure: typing.Callable
    cpu_unit: str = ""
    more_is_better: bool = True
    limits: tuple = ()   # names in LIMITS
    servers: tuple = EVERYBODY
    slow: bool = False   # left out of --quick
    long: bool = False   # one round has to do for --quick


def file_name(size):
    """The number at the end is for the null server."""
    return f"file-{size}"


FILE_SIZES = (1024, 16384, 64 * MIB, 256 * MIB)


def load(bench, server, **options):
    return measure.run(server, bench.build, **{"user": server.user, "password": server.password,
                                               "most": bench.most, "seconds": bench.seconds, **options})


def bytes_moved(result):
    return {"value": result["window_bytes"] / result["seconds"] / 1e6,
            "cpu": result["cpu"] / (result["bytes"] / GIB)}


def operations(result):
    return {"value": result["window_ops"] / result["seconds"], "cpu": result["cpu"] / (result["ops"] / 1000),
            "p99": result["us"]["p99"], "refused": result["refused"]}


def download(size, sessions, way="epsv"):
    return {"do": "retr", "path": file_name(size), "size": size, "sessions": sessions, "way": way}


def upload(bench, server, size, sessions):
    return {"do": "stor", "path": bench.uploads(server), "size": size, "sessions": sessions}


def large_download(sessions, size):
    return lambda bench, server: bytes_moved(load(bench, server, **download(size, sessions)))


def large_upload(sessions, size):
    return lambda bench, server: bytes_moved(load(bench, server, **upload(bench, server, size, sessions)))


def small_download(sessions, size, way="epsv"):
    return lambda bench, server: operations(load(bench, server, **download(size, sessions, way)))


def small_upload(sessions, size):
    return lambda bench, server: operations(load(bench, server, **upload(bench, server, size, sessions)))


def logins(bench, server):
    return operations(measure.run(server, bench.build, do="login", sessions=8, seconds=bench.seconds,
                                  most=bench.most, user="anonymous", password="bench@"))


def listing(verb):
    def ask(bench, server):
        result = load(bench, server, do=verb, path=MANY, sessions=1, most=1, seconds=60)
        if result["bytes"] < ENTRIES * 10 and not bench.most:
            raise measure.Failed(f"a listing of {result['bytes']} bytes is not whole")
        return {"value": result["us"]["p50"] / 1e6, "first": result["first_us"]["p50"], "cpu": result["cpu"]}
    return ask


def beside_slow(bench, server):
    """The speed of one reader beside 100 that hardly read, in parts of its speed alone."""
    one = download(256 * MIB, 1)
    alone = bytes_moved(load(bench, server, **one))["value"]
    beside = bytes_moved(load(bench, server, slow=100, slow_path=one["path"], **one))["value"]
    return {"value": beside / alone}


def grown(idle):
    """Small downloads by 8 sessions while others do nothing: their CPU time each must not grow."""
    def ask(bench, server):
        with measure.Load(bench.build, port=server.port, do="idle", sessions=min(idle, server.sessions_max - 8),
                          user=server.user, password=server.password) as others:
            others.go()
            result = operations(load(bench, server, **download(1024, 8)))
            others.say()
            others.told()
        return {**result, "value": result["cpu"] * 1000}
    return ask


def memory(sessions):
    def ask(bench, server):
        user, kernel = measure.idle(server, bench.build, bench.fresh[server], min(sessions, server.sessions_max),
                                    user=server.user, password=server.password)
        return {"value": user, "kernel": kernel}
    return ask


BYTES = {"unit": "MB/s", "cpu_unit": "s per GiB"}
OPS = {"unit": "/s", "cpu_unit": "s per 1,000"}
SECONDS = {"unit": "s", "more_is_better": False, "cpu_unit": "s", "servers": but("null")}
FORKING = ("vsftpd", "proftpd", "pureftpd")

# Memory comes first, while the servers are young.
ROWS = [
    *(Row(f"memory-{n}", f"memory of an idle session (PSS), {n:,} of them", "KiB", memory(n), more_is_better=False,
          limits=("socket pair",), servers=but(*FORKING) if n > 1000 else EVERYBODY, slow=n > 1000, long=True)
      for n in (1000, 9500)),
    Row("download-1", "download, 1 session", measure=large_download(1, 256 * MIB), limits=("sendfile",), **BYTES),
    Row("download-8", "download, 8 sessions", measure=large_download(8, 64 * MIB), limits=("sendfile",), **BYTES),
    Row("download-64", "download, 64 sessions", measure=large_download(64, 64 * MIB), limits=("sendfile",), **BYTES),
    Row("upload-1", "upload, 1 session", measure=large_upload(1, 256 * MIB), limits=("recv+write", "splice"), **BYTES),
    Row("upload-8", "upload, 8 sessions", measure=large_upload(8, 64 * MIB), limits=("recv+write", "splice"), **BYTES),
    Row("small-1", "downloads of 1 KiB, 1 session", measure=small_download(1, 1024), limits=("connect",), **OPS),
    Row("small-8", "downloads of 1 KiB, 8 sessions", measure=small_download(8, 1024), limits=("connect",), **OPS),
    Row("small16-8", "downloads of 16 KiB, 8 sessions", measure=small_download(8, 16384), limits=("connect",), **OPS),
    Row("active-8", "downloads of 16 KiB, 8 sessions, active (PORT)",
        measure=small_download(8, 16384, "port"), limits=("connect",), **OPS),
    Row("small-upload-8", "uploads of 1 KiB, 8 sessions", measure=small_upload(8, 1024), limits=("connect",),
        servers=EVERYBODY + ("ferryd-nosync",), **OPS),
    Row("small-upload-disk", "uploads of 1 KiB, 8 sessions, to a disk", measure=small_upload(8, 1024),
        servers=("ferryd-disk", "ferryd-disk-nosync"), **OPS),
    Row("logins", "anonymous logins, 8 at once", measure=logins, limits=("connect",), **OPS),
    Row("list", "LIST of 100,000 entries", measure=listing("list"), long=True, **SECONDS),
    Row("mlsd", "MLSD of 100,000 entries", measure=listing("mlsd"), long=True,
        **{**SECONDS, "servers": but("null", "vsftpd")}),
    Row("beside-slow", "one fast reader beside 100 slow ones", "of alone", beside_slow, long=True),
    *(Row(f"grown-{n}", f"CPU of a 1 KiB download beside {n:,} idle sessions", "us", grown(n), more_is_better=False,
          servers=but(*FORKING) if n > 1000 else EVERYBODY, slow=n > 1000, long=n > 10) for n in (10, 1000, 9500)),
]
