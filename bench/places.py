"""Where servers run, and how they are spoken to: on loopback or at the end of a long link, in clear or under TLS.

The long link has a network namespace at each end and a process between them (bench-link), because few kernels have
netem ready. It needs root; nothing has a name, so nothing is left behind.
"""
import contextlib
import itertools
import os
import pathlib
import subprocess

import measure
import servers
from harness import certs
from harness.net import Namespace, tap

CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
ROUND_TRIP_MS = 20
# Passive ports lie below those that the kernel gives out itself; servers of a place have one range each.
PORTS_LOW, PORTS_EACH = 24000, 600


class Unavailable(Exception):
    """A place that cannot be here, and why."""


class Cable:
    """A cable between two namespaces that takes its time: an interface of that name at both ends."""

    def __init__(self, build, name, ends, round_trip_ms):
        """ends: ((namespace, address), (namespace, address))."""
        fds = []
        for namespace, address in ends:
            fds.append(tap(namespace, name))
            namespace.batch(f"link set {name} txqueuelen 10000", f"addr add {address}/24 dev {name}",
                            f"link set {name} up")
        self.process = subprocess.Popen([str(build / "bench" / "bench-link"), *map(str, fds), str(round_trip_ms // 2)],
                                        pass_fds=fds)
        for fd in fds:
            os.close(fd)

    def close(self):
        self.process.terminate()
        self.process.wait()


class Link:
    """Two namespaces, `client` and `server`, with a cable between them."""

    def __init__(self, build, round_trip_ms=ROUND_TRIP_MS):
        if os.geteuid() != 0:
            raise Unavailable("a link with latency needs root")
        if not pathlib.Path("/dev/net/tun").exists():
            raise Unavailable("a link with latency needs /dev/net/tun")
        self.stack = contextlib.ExitStack()
        self.client, self.server = Namespace(), Namespace()
        for namespace in (self.client, self.server):
            self.stack.callback(namespace.close)
        ends = (self.client, CLIENT), (self.server, SERVER)
        self.stack.callback(Cable(build, "wan0", ends, round_trip_ms).close)

    def close(self):
        self.stack.close()


class Loopback:
    """No link at all."""
    client = server = contextlib.nullcontext()

    def close(self):
        """Nothing of it stays."""


class Place:
    """Servers of one kind, started together before the first row that needs them."""

    def __init__(self, name, bench):
        self.name, self.bench = name, bench
        self.far, self.tls = name.startswith("far"), bench.certificate if name.endswith("tls") else None
        # on loopback all share one system's ports
        self.ranges = itertools.count() if self.far else bench.ranges
        self.servers, self.errors = {}, {}
        self.directory = bench.directory / name
        self.directory.mkdir()

    def start(self, ends, wanted):
        link = Link(self.bench.build) if self.far else Loopback()
        ends.callback(link.close)
        for name in wanted:
            try:
                self.start_one(name, ends, link)
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                self.errors[name] = f"does not start: {e}"
        return self

    def start_one(self, name, ends, link):
        low = PORTS_LOW + PORTS_EACH * next(self.ranges)
        with link.server:
            server = servers.make(name, self.directory / name, self.bench.build, self.bench.installed,
                                  (low, low + PORTS_EACH - 1), self.tls)
            if self.far:
                server.host = SERVER
            server.caller = link.client
            ends.callback(server.stop)
            server.serve(self.bench.disk(ends) if "-disk" in name else self.bench.root)
        server.name, server.fresh_kib = name, measure.calm_pss_kib(server.pid)
        self.servers[name] = server


NAMES = ("near", "near-tls", "far", "far-tls")


def make_certificate(directory):
    """One for all: ECDSA P-256, which all of them take."""
    return certs.make(directory, "bench")
