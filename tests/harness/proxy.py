"""The PROXY protocol: headers, and a proxy that sends them ahead of what it relays."""
import socket
import struct
import threading

LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"  # version 2, a health check


def v1(source, target, port=40211, target_port=21):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {target} {port} {target_port}\r\n".encode()


def v2(source, target, port=40211, target_port=21, command=1, tlv=b"\x04\x00\x03xyz"):
    kind, family = (0x21, socket.AF_INET6) if ":" in source else (0x11, socket.AF_INET)
    body = (socket.inet_pton(family, source) + socket.inet_pton(family, target) +
            struct.pack(">HH", port, target_port) + tlv)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes((0x20 | command, kind)) + struct.pack(">H", len(body)) + body


def pump(a, b):
    try:
        while piece := a.recv(1 << 16):
            b.sendall(piece)
        b.shutdown(socket.SHUT_WR)
    except OSError:  # one of the two has gone: so does the other
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Relay:
    """Listens at these ports of a namespace (harness.net) and relays each to the same port of the target."""

    def __init__(self, namespace, target, ports, header=v2):
        self.namespace, self.target, self.header = namespace, target, header
        with namespace:
            self.listeners = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
                              for port in ports]
        for listener in self.listeners:
            threading.Thread(target=self.serve, args=(listener,), daemon=True).start()

    def serve(self, listener):
        port = listener.getsockname()[1]
        with self.namespace:
            while True:
                try:
                    near, peer = listener.accept()
                except OSError:  # closed
                    return
                own = near.getsockname()
                far = socket.create_connection((self.target, port), timeout=20)
                ends = [a.removeprefix("::ffff:") for a in (peer[0], own[0])]
                far.sendall(self.header(*ends, peer[1], own[1]))
                threading.Thread(target=self.relay, args=(near, far), daemon=True).start()

    @staticmethod
    def relay(near, far):
        with near, far:
            far.settimeout(None)
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
