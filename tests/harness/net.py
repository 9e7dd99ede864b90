"""Networks for tests: a client, its router, the server's router, a server; each in a network namespace of its own.

    client e0 ---- in0 client_router wan0 ==== wan0 server_router in0 ---- e0 server

The namespaces have no names and no files: they live as long as this process holds their descriptors or a process
runs inside, so nothing is left behind, however a test ends. A thread enters one with `with namespace:`; what it
starts or opens there belongs to that network. Needs root.
"""
import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import pathlib
import random
import select
import struct
import subprocess
import threading
import time

from .peers import Vsftpd
from .server import Ferryd

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

# A host is either known to the world or hidden behind its router's address.
CLIENT_OUTER, CLIENT_INNER = "198.51.100.2", "192.168.11.2"
SERVER_OUTER, SERVER_INNER = "203.0.113.2", "192.168.22.2"
CLIENT_ROUTER, CLIENT_ROUTER_2, SERVER_ROUTER = "192.0.2.1", "192.0.2.3", "192.0.2.2"
SERVER_6 = "2001:db8:2::2"


def check(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    """A network of its own. `with namespace:` moves the calling thread into it, and back."""

    def __init__(self):
        home = own_namespace()
        try:
            check(libc.unshare(CLONE_NEWNET))
            self.fd = own_namespace()
            check(libc.setns(home, CLONE_NEWNET))
        finally:
            os.close(home)
        self.homes = threading.local()
        # Addresses are usable at once, without asking the neighbours first.
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        self.batch("link set lo up")

    def __enter__(self):
        self.homes.fd = own_namespace()
        check(libc.setns(self.fd, CLONE_NEWNET))
        return self

    def __exit__(self, *exception):
        check(libc.setns(self.homes.fd, CLONE_NEWNET))
        os.close(self.homes.fd)

    def close(self):
        os.close(self.fd)

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def feed(self, command, text):
        """Runs a command inside, with this on its standard input; returns what it prints."""
        with self:
            done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}\n{text}"
        return done.stdout

    def batch(self, *lines):
        return self.feed(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def sysctl(self, name, value):
        with self:
            pathlib.Path("/proc/sys", name).write_text(str(value))

    def rules(self, text):
        self.feed(["nft", "-f", "-"], text)


def rule_set(forward=(), dnat=(), snat=(), input=(), output=(), helper_port=None, extra=""):
    """nftables rules of a router. helper_port: where the kernel's FTP helper reads along."""
    chains = [("pass", "type filter hook forward priority 0", forward),
              ("inward", "type nat hook prerouting priority -100", dnat),
              ("outward", "type nat hook postrouting priority 100", snat),
              ("to_me", "type filter hook input priority 0", input),
              ("from_me", "type filter hook output priority 0", output)]
    text = "table inet net {\n" + extra + "\n"
    if helper_port:
        text += ('ct helper ftp4 { type "ftp" protocol tcp; l3proto ip; }\n'
                 'ct helper ftp6 { type "ftp" protocol tcp; l3proto ip6; }\n')
        chains.append(("helpers", "type filter hook prerouting priority -50",
                       [f'meta nfproto ipv4 tcp dport {helper_port} ct helper set "ftp4"',
                        f'meta nfproto ipv6 tcp dport {helper_port} ct helper set "ftp6"']))
    for name, hook, rules in chains:
        if rules:
            text += f"chain {name} {{\n{hook}; policy accept;\n" + "\n".join(rules) + "\n}\n"
    return text + "}\n"


def lacks(rules):
    """Why this kernel cannot do these rules; None if it can. Asked by loading them into an empty namespace."""
    probe = Namespace()
    try:
        probe.rules(rules)
    except AssertionError as e:
        return str(e)
    finally:
        probe.close()
    return None


TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000


def tap(namespace, name):
    """An interface inside; what it sends is read from the descriptor, and what is written there it receives."""
    with namespace:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


class Wire:
    """A cable between two namespaces that takes its time, in user space: every kernel can do that."""

    def __init__(self, a, b, name, delay, loss=0.0):
        """Seconds in each direction; the part of all frames that is lost."""
        self.delay, self.loss = delay, loss
        self.ends = tap(a, name), tap(b, name)
        self.on_its_way, self.count = [], itertools.count()
        self.stop_in, self.stop_out = os.pipe()
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def take(self, end, other):
        with contextlib.suppress(BlockingIOError):
            while frame := os.read(end, 65536):
                if random.random() >= self.loss:
                    heapq.heappush(self.on_its_way, (time.monotonic() + self.delay, next(self.count), other, frame))

    def carry(self):
        a, b = self.ends
        poll = select.poll()
        for fd in (a, b, self.stop_in):
            poll.register(fd, select.POLLIN)
        while True:
            wait = 1000 * (self.on_its_way[0][0] - time.monotonic()) if self.on_its_way else None
            ready = [fd for fd, _ in poll.poll(None if wait is None else max(wait, 0))]
            if self.stop_in in ready:
                return
            for end, other in ((a, b), (b, a)):
                if end in ready:
                    self.take(end, other)
            while self.on_its_way and self.on_its_way[0][0] <= time.monotonic():
                _, _, end, frame = heapq.heappop(self.on_its_way)
                with contextlib.suppress(OSError):
                    os.write(end, frame)

    def close(self):
        os.close(self.stop_out)
        self.thread.join()
        for fd in (*self.ends, self.stop_in):
            os.close(fd)


class World:
    """The four namespaces, connected. *_hidden: the host has an inner address, and nobody outside a route to it. delay,
    loss: of the cable between the routers."""

    def __init__(self, client_hidden=False, server_hidden=False, families=(4, 6), delay=0.0, loss=0.0):
        self.stack = contextlib.ExitStack()
        self.families = families
        for name in ("client", "client_router", "server_router", "server"):
            namespace = Namespace()
            self.stack.callback(namespace.close)
            setattr(self, name, namespace)
        cables = [(self.client, self.client_router, "e0", "in0"), (self.server, self.server_router, "e0", "in0")]
        if delay or loss:
            self.wire = Wire(self.client_router, self.server_router, "wan0", delay, loss)
            self.stack.callback(self.wire.close)
            for router in (self.client_router, self.server_router):
                router.batch("link set wan0 up")
        else:
            cables.append((self.client_router, self.server_router, "wan0", "wan0"))
        for a, b, a_name, b_name in cables:
            a.batch(f"link add {a_name} type veth peer name {b_name} netns {b.path}", f"link set {a_name} up")
            b.batch(f"link set {b_name} up")
        self.client_address = CLIENT_INNER if client_hidden else CLIENT_OUTER
        self.server_address = SERVER_INNER if server_hidden else SERVER_OUTER
        # What the client calls.
        self.target = SERVER_ROUTER if server_hidden else SERVER_OUTER
        if 4 in families:
            self.connect_ipv4(client_hidden, server_hidden)
        if 6 in families:
            self.connect_ipv6()
            if 4 not in families:
                self.target = SERVER_6

    def connect_ipv4(self, client_hidden, server_hidden):
        def net(address):
            return address.rsplit(".", 1)[0]

        client, server = net(self.client_address), net(self.server_address)
        self.client.batch(f"addr add {client}.2/24 dev e0", f"route add default via {client}.1")
        self.server.batch(f"addr add {server}.2/24 dev e0", f"route add default via {server}.1")
        # Inner addresses of the other side die at the first router.
        self.client_router.batch(
            f"addr add {client}.1/24 dev in0", f"addr add {CLIENT_ROUTER}/24 dev wan0",
            f"addr add {CLIENT_ROUTER_2}/24 dev wan0",
            f"route add unreachable {server}.0/24" if server_hidden
            else f"route add {server}.0/24 via {SERVER_ROUTER}")
        self.server_router.batch(
            f"addr add {server}.1/24 dev in0", f"addr add {SERVER_ROUTER}/24 dev wan0",
            f"route add unreachable {client}.0/24" if client_hidden
            else f"route add {client}.0/24 via {CLIENT_ROUTER}")
        for router in (self.client_router, self.server_router):
            router.sysctl("net/ipv4/ip_forward", 1)

    def connect_ipv6(self):
        for router in (self.client_router, self.server_router):
            router.sysctl("net/ipv6/conf/all/forwarding", 1)
        for host, router, n, other in ((self.client, self.client_router, 1, 2),
                                       (self.server, self.server_router, 2, 1)):
            host.batch(f"addr add 2001:db8:{n}::2/64 dev e0 nodad",
                       f"route add ::/0 via 2001:db8:{n}::1")
            router.batch(f"addr add 2001:db8:{n}::1/64 dev in0 nodad",
                         f"addr add 2001:db8:ff::{n}/64 dev wan0 nodad",
                         f"route add 2001:db8:{other}::/64 via 2001:db8:ff::{other}")

    def close(self):
        self.stack.close()


# Seconds for which a server tries to call: clearly longer than the two by which ferry tells a quick refusal from
# silence, and shorter than the patience of the clients.
CALL_SECONDS = 3


class NetFerryd(Ferryd):
    """ferryd at port 21 (or another) of the server's namespace; anonymous reads root."""
    login = ""

    def __init__(self, directory, world, build, port=21, options=None, tree=None):
        super().__init__(directory, build, tree=tree, options={
            "connect_timeout": CALL_SECONDS, "accept_timeout": 2, "pasv_min_port": 50000, "pasv_max_port": 50999,
            **(options or {})})
        self.world, self.port = world, port

    def start(self):
        with self.world.server:
            super().start()
        return self


class NetVsftpd(Vsftpd):
    """vsftpd likewise, with the one user of harness.peers."""
    login = "ftptest:secret@"

    def __init__(self, directory, world, installed, port=21, options=None, tree=None):
        super().__init__(directory, installed, port, (50000, 50999))
        # a row's options are ferryd's; what vsftpd has is named alike
        self.options = {"connect_timeout": CALL_SECONDS, "accept_timeout": 2, **(options or {})}
        self.world, self.host = world, "127.0.0.1"
        if tree:
            tree(self.root)

    def prepare(self):
        command = super().prepare()
        config = self.directory / "vsftpd.conf"
        # its way to be dual stack; with pasv_address it would then tell IPv4 clients 0.0.0.0
        listen = {"listen": "YES"} if self.world.families == (4,) else {"listen": "NO", "listen_ipv6": "YES"}
        lines = {**listen, **self.options}
        text = "".join(line + "\n" for line in config.read_text().splitlines()
                       if not line.startswith("listen_address="))
        config.write_text(text + "".join(f"{k}={v}\n" for k, v in lines.items()))
        return command

    def start(self):
        with self.world.server:
            return super().start()


SERVERS = {"ferryd": NetFerryd, "vsftpd": NetVsftpd}
