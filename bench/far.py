"""Where the client's benchmark takes place: the servers in one network namespace, clients beside them or in
namespaces of their own, each at the end of a long link. Needs root; leaves nothing behind.
"""
import errno
import os
import socket

from places import Cable
from harness import peers
from harness.net import Namespace
from harness.server import Ferryd, free_port, wait_until

USER, PASSWORD = peers.USER, peers.PASSWORD
SESSIONS_MAX = 1000


class Place:
    """Where a client runs, and what address the servers have from there."""

    def __init__(self, namespace, host):
        self.namespace, self.host = namespace, host

    def is_reached(self):
        """The first packet of a link may be lost; afterwards the neighbours know each other."""
        with socket.socket() as s:
            s.settimeout(0.5)
            return s.connect_ex((self.host, 1)) == errno.ECONNREFUSED


class World:
    """Places by round trip in milliseconds; 0: beside the servers."""

    def __init__(self, ends, build, round_trips):
        self.build = build
        self.servers = Namespace()
        ends.callback(self.servers.close)
        self.places = {0: Place(self.servers, "127.0.0.1")}
        for number, ms in enumerate(sorted(set(round_trips) - {0})):
            self.places[ms] = self.connect(ends, number, ms)

    def connect(self, ends, number, ms):
        client, net = Namespace(), f"10.77.{number}"
        ends.callback(client.close)
        cable = Cable(self.build, f"far{ms}", ((client, f"{net}.1"), (self.servers, f"{net}.2")), ms)
        ends.callback(cable.close)
        place = Place(client, f"{net}.2")
        with client:
            wait_until(place.is_reached, f"no way over a link of {ms} ms")
        return place


class Vsftpd(peers.Vsftpd):
    """As its manual advises, and open to every address of its namespace."""
    def prepare(self):
        command = super().prepare()
        config = self.directory / "vsftpd.conf"
        text = config.read_text().replace(f"listen_address={self.host}\n", "")
        config.write_text(text + f"""use_sendfile=YES
tcp_wrappers=NO
session_support=NO
max_clients={SESSIONS_MAX}
max_per_ip={SESSIONS_MAX}
""")
        return command


class FerrydServing(Ferryd):
    """ferryd as it comes: uploads are durable before they are confirmed."""

    def __init__(self, directory, build, passive, tls):
        options = {"pasv_min_port": passive[0], "pasv_max_port": passive[1]}
        if tls:
            options.update(ssl_enable="YES", rsa_cert_file=tls[0], rsa_private_key_file=tls[1])
        super().__init__(directory, build, options=options, served=True, user=USER, password=PASSWORD)


NAMES = ("vsftpd", "ferryd")


def serve(name, world, directory, build, installed, number, tls):
    """A server that runs. tls: (certificate, key), or None."""
    low = 30000 + 2000 * number
    directory.mkdir()
    with world.servers:
        if name == "vsftpd":
            server = Vsftpd(directory, installed, free_port(), (low, low + 1999), tls=tls)
        else:
            server = FerrydServing(directory, build, (low, low + 1999), tls)
        server.start()
    os.chmod(server.root, 0o777)
    return server
