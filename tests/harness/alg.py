"""A router that reads FTP along and changes what it likes: an application level gateway, as firewalls have them.

It stands between client and server without either of them seeing it (TPROXY), and sees commands and replies in clear
only. Give it to net.World's client_router or server_router.
"""
import contextlib
import socket
import threading

IP_TRANSPARENT = 19
MARK, TABLE, PORT = 1, 100, 2121

RULES = f"""table inet alg {{
chain catch {{
type filter hook prerouting priority mangle; policy accept;
meta l4proto tcp socket transparent 1 meta mark set {MARK} accept
meta nfproto ipv4 tcp dport 21 tproxy ip to :{PORT} meta mark set {MARK} accept
}}
}}
"""

CUT = object()  # the connection ends here


def same(line):
    return line


class Gateway:
    """command, reply: functions from a line to the line that goes on, None (swallowed) or CUT."""

    def __init__(self, router, command=same, reply=same):
        self.router, self.open = router, []
        self.change = {True: command, False: reply}
        router.batch(f"rule add fwmark {MARK} lookup {TABLE}", f"route add local 0.0.0.0/0 dev lo table {TABLE}")
        router.rules(RULES)
        with router:
            self.listener = self.transparent(("0.0.0.0", PORT))
            self.listener.listen(50)
        threading.Thread(target=self.serve, daemon=True).start()

    def transparent(self, address):
        s = socket.socket()
        self.open.append(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
        s.bind(address)
        return s

    def serve(self):
        with self.router, contextlib.suppress(OSError):  # closed
            while True:
                near, peer = self.listener.accept()
                self.open.append(near)
                far = self.transparent((peer[0], 0))
                far.connect(near.getsockname())
                for a, b, up in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self.pump, args=(a, b, self.change[up]), daemon=True).start()

    @staticmethod
    def pump(a, b, change):
        with contextlib.suppress(OSError), a.makefile("rb") as lines:
            for line in lines:
                line = change(line)
                if line is CUT:
                    break
                if line is not None:
                    b.sendall(line)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def close(self):
        for s in self.open:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
