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
    place: str = "near"  # one of places.NAMES
    against: str = ""    # peers do not have it: the row whose best peer it is compared with
    servers: tuple = EVERYBODY
    slow: bool = False   # left out of --quick
    long: bool = False   # one round has to do for --quick


def file_name(size):
    """The number at the end is for the null server."""
    return f"file-{size}"


FILE_SIZES = (1024, 16384, 64 * MIB, 256 * MIB)


def load(bench, server, **options):
    return bench.run_load(server, bench.build, **{"most": bench.most, "seconds": bench.seconds, **options})


def resumed(result):
    """The part of all TLS handshakes that resumed a session; nothing in clear."""
    return {"resumed": result["resumed"] / result["handshakes"]} if result["handshakes"] else {}


def bytes_moved(result):
    return {"value": result["window_bytes"] / result["seconds"] / 1e6,
            "cpu": result["cpu"] / (result["bytes"] / GIB), **resumed(result)}


# With fewer operations of a session in the window it matters how many were under way at its end.
ENOUGH = 50


def rate(result, sessions):
    """Operations a second: within the window; where those are few, all of them until the last one was over."""
    if result["window_ops"] >= ENOUGH * sessions:
        return result["window_ops"] / result["seconds"]
    return result["ops"] / result["whole_seconds"]


def operations(bench, server, **options):
    result = load(bench, server, **options)
    return {"value": rate(result, options["sessions"]), "cpu": result["cpu"] / (result["ops"] / 1000),
            "p99": result["us"]["p99"], "refused": result["refused"], **resumed(result)}


def download(size, sessions, way="epsv"):
    return {"do": "retr", "path": file_name(size), "size": size, "sessions": sessions, "way": way}


def upload(bench, server, size, sessions):
    return {"do": "stor", "path": bench.uploads(server), "size": size, "sessions": sessions}


def large_download(sessions, size):
    return lambda bench, server: bytes_moved(load(bench, server, **download(size, sessions)))


def large_upload(sessions, size):
    return lambda bench, server: bytes_moved(load(bench, server, **upload(bench, server, size, sessions)))


def small_download(sessions, size, way="epsv"):
    return lambda bench, server: operations(bench, server, **download(size, sessions, way))


def small_upload(sessions, size):
    return lambda bench, server: operations(bench, server, **upload(bench, server, size, sessions))


def block_download(size, depth):
    """One session, one data connection, so many RETR asked for ahead."""
    return lambda bench, server: operations(bench, server, **download(size, 1), block=depth)


def logins(resume=False):
    return lambda bench, server: operations(bench, server, do="login", sessions=8, user="anonymous",
                                            password="bench@", resume=resume)


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


def beside_idle(idle, **options):
    """Downloads while so many other sessions do nothing. All of them have to live on."""
    def ask(bench, server):
        idle_ones = min(idle, server.sessions_max - options["sessions"])
        with measure.Load(bench.build, server, do="idle", sessions=idle_ones) as others:
            others.go()
            result = operations(bench, server, **options)
            others.prove()
        return result
    return ask


def grown(idle):
    """Small downloads by 8 sessions while others do nothing: their CPU time each must not grow."""
    def ask(bench, server):
        result = beside_idle(idle, **download(1024, 8))(bench, server)
        return {**result, "value": result["cpu"] * 1000}
    return ask


def memory(sessions):
    def ask(bench, server):
        user, kernel = measure.idle(server, bench.build, server.fresh_kib, min(sessions, server.sessions_max))
        return {"value": user, "kernel": kernel}
    return ask


BYTES = {"unit": "MB/s", "cpu_unit": "s per GiB"}
OPS = {"unit": "/s", "cpu_unit": "s per 1,000"}
SECONDS = {"unit": "s", "more_is_better": False, "cpu_unit": "s", "servers": but("null")}

# The others have a process for each session and are not asked for thousands.
MANY_SESSIONS = {"servers": ("null", "pyftpdlib", "ferryd"), "slow": True, "long": True}
TLS = {"place": "near-tls", "servers": but("null")}
FAR = {"place": "far", "long": True}
ONLY_OURS = {"servers": ("ferryd",)}


def memory_rows(prefix, title, **more):
    """With 1,000 sessions; with 10,000 of those who need no process for each."""
    shared = {"unit": "KiB", "more_is_better": False, "limits": ("socket pair",), **more}
    few = Row(f"{prefix}memory-1000", f"{title} (PSS), 1,000 of them", measure=memory(1000),
              **{"long": True, **shared})
    many = Row(f"{prefix}memory-10000", f"{title} (PSS), 10,000 of them", measure=memory(10_000),
               **{**shared, **MANY_SESSIONS})
    if "null" not in few.servers:
        many.servers = tuple(name for name in many.servers if name != "null")
    return few, many


# In each place memory comes first, while the servers are young.
ROWS = [
    *memory_rows("", "memory of an idle session"),
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
    Row("active-eprt-8", "downloads of 16 KiB, 8 sessions, active (EPRT)",
        measure=small_download(8, 16384, "eprt"), limits=("connect",), slow=True, **OPS),
    Row("small-upload-8", "uploads of 1 KiB, 8 sessions", measure=small_upload(8, 1024), limits=("connect",),
        servers=EVERYBODY + ("ferryd-nosync",), **OPS),
    Row("small-upload-disk", "uploads of 1 KiB, 8 sessions, to a disk", measure=small_upload(8, 1024),
        servers=("ferryd-disk", "ferryd-disk-nosync"), **OPS),
    Row("block-1", "downloads of 1 KiB, one block-mode connection", measure=block_download(1024, 64),
        against="small-1", **ONLY_OURS, **OPS),
    Row("logins", "anonymous logins, 8 at once", measure=logins(), limits=("connect",), **OPS),
    Row("list", "LIST of 100,000 entries", measure=listing("list"), long=True, limits=("getdents", "getdents+statx"),
        **SECONDS),
    Row("mlsd", "MLSD of 100,000 entries", measure=listing("mlsd"), long=True, limits=("getdents", "getdents+statx"),
        **{**SECONDS, "servers": but("null", "vsftpd")}),
    Row("beside-slow", "one fast reader beside 100 slow ones", "of alone", beside_slow, long=True),
    *(Row(f"grown-{n}", f"CPU of a 1 KiB download beside {n:,} idle sessions", "us", grown(n), more_is_better=False,
          **(MANY_SESSIONS if n > 1000 else {"long": n > 10})) for n in (10, 1000, 10_000)),
    Row("crowd", "downloads of 1 KiB by 1,000 sessions beside 10,000 idle ones",
        measure=beside_idle(10_000, **download(1024, 1000)), **MANY_SESSIONS, **OPS),

    # 1,000 logins under TLS take some of them half a minute.
    *memory_rows("tls-", "memory of an idle session under TLS", slow=True, **TLS),
    Row("tls-download-1", "FTPS download, 1 session", measure=large_download(1, 256 * MIB),
        limits=("SSL_write", "SSL_write 256 KiB", "AES-128-GCM"), **TLS, **BYTES),
    Row("tls-download-8", "FTPS download, 8 sessions", measure=large_download(8, 64 * MIB),
        limits=("SSL_write", "SSL_write 256 KiB", "AES-128-GCM"), **TLS, **BYTES),
    Row("tls-upload-1", "FTPS upload, 1 session", measure=large_upload(1, 256 * MIB), limits=("SSL_read+write",),
        **TLS, **BYTES),
    Row("tls-upload-8", "FTPS upload, 8 sessions", measure=large_upload(8, 64 * MIB), limits=("SSL_read+write",),
        **TLS, **BYTES),
    Row("tls-small-8", "FTPS downloads of 1 KiB, 8 sessions", measure=small_download(8, 1024),
        limits=("resumed handshakes",), **TLS, **OPS),
    Row("tls-small-upload-8", "FTPS uploads of 1 KiB, 8 sessions", measure=small_upload(8, 1024),
        limits=("resumed handshakes",), **TLS, **OPS),
    Row("tls-logins", "FTPS logins, 8 at once, full handshakes", measure=logins(), limits=("full handshakes",),
        **TLS, **OPS),
    Row("tls-logins-resumed", "FTPS logins, 8 at once, resumed handshakes", measure=logins(resume=True),
        limits=("resumed handshakes",), **TLS, **OPS),
    Row("tls-block-1", "FTPS downloads of 1 KiB, one block-mode connection", measure=block_download(1024, 64),
        against="tls-small-8", **{**TLS, **ONLY_OURS}, **OPS),

    Row("far-8", "downloads of 1 KiB, 8 sessions, 20 ms round trip", measure=small_download(8, 1024), **FAR, **OPS),
    Row("far-block-1", "downloads of 1 KiB, one block-mode connection, 20 ms round trip",
        measure=block_download(1024, 256), against="far-8", **FAR, **ONLY_OURS, **OPS),
    Row("far-tls-8", "FTPS downloads of 1 KiB, 8 sessions, 20 ms round trip", measure=small_download(8, 1024),
        **{**FAR, "place": "far-tls"}, servers=but("null"), **OPS),
    Row("far-tls-block-1", "FTPS downloads of 1 KiB, one block-mode connection, 20 ms round trip",
        measure=block_download(1024, 256), against="far-tls-8", **{**FAR, "place": "far-tls"}, **ONLY_OURS, **OPS),
]
