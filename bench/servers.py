"""The servers that are measured, each tuned as its own manual advises: the kernel moves the bytes, no names
are looked up, nothing is logged, no limit is in the way. Protections that are on by default stay on.

All of them serve the same tree; each has a directory of its own in it for uploads.
"""
import os
import pathlib
import subprocess

from harness import peers
from harness.server import Ferryd, free_port, wait_until

VERSIONS = {
    "vsftpd": ("vsftpd", "usr/share/doc/vsftpd"),
    "proftpd": ("proftpd-core", "usr/share/doc/proftpd-core"),
    "pureftpd": ("pure-ftpd", "usr/share/doc/pure-ftpd"),
}
SESSIONS_MAX = 20000
# Accounts of the namespaces in which the servers that know only passwd run.
ANONYMOUS = "ftp"


class Tuned:
    """What all peers here have in common: the shared tree as their root, logins for both kinds of row. Under TLS
    everything has to be encrypted, and who can ask for it insists that data connections resume the session."""
    user, password = peers.USER, peers.PASSWORD
    sessions_max = SESSIONS_MAX

    def serve(self, root):
        self.root.rmdir()
        self.root = root
        self.start()
        os.chown(root, 0, 0)  # vsftpd shuts no anonymous user into a directory that is his
        return self

    @property
    def pid(self):
        return self.process.pid

    def make_accounts(self):
        """Both accounts, for a namespace with an /etc of its own."""
        accounts = "".join(f"{name}:x:{peers.UID}:{peers.UID}::{self.root}:/bin/sh\n"
                           for name in (peers.USER, ANONYMOUS))
        others = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines(True)
                  if line.split(":")[0] not in (peers.USER, ANONYMOUS)]
        self.write("etc/passwd", "".join(others) + accounts, 0o644)

    def in_namespace(self):
        """The shell script that turns to that /etc and becomes its arguments."""
        d = self.directory
        (d / "work").mkdir()
        self.make_accounts()
        return (f"mount -t overlay overlay -o lowerdir=/etc,upperdir={d}/etc,workdir={d}/work /etc && "
                "exec \"$@\"")


class Vsftpd(Tuned, peers.Vsftpd):
    def prepare(self):
        command = super().prepare()
        self.make_accounts()
        config = self.directory / "vsftpd.conf"
        config.write_text(config.read_text() + f"""anonymous_enable=YES
ftp_username={ANONYMOUS}
anon_root={self.root}
use_sendfile=YES
tcp_wrappers=NO
session_support=NO
max_clients={SESSIONS_MAX}
max_per_ip={SESSIONS_MAX}
{"allow_anon_ssl=YES" if self.tls else ""}
""")
        return command


class Proftpd(Tuned, peers.Proftpd):
    def prepare(self):
        command = super().prepare()
        # An account of its own, or the user of the other rows would be taken for anonymous.
        passwords = self.directory / "passwords"
        passwords.write_text(passwords.read_text()
                             + f"{ANONYMOUS}:!:{peers.UID}:{peers.UID}::{self.root}:/bin/false\n")
        config = self.directory / "proftpd.conf"
        # Sessions that find the scoreboard locked wait for 0.2 s; it serves ftpwho and limits, which nobody needs here.
        lines = [line for line in config.read_text().splitlines(True) if not line.startswith("ScoreboardFile ")]
        config.write_text("".join(lines) + f"""ScoreboardFile off
UseSendfile on
DelayEngine off
MaxInstances {SESSIONS_MAX}
TCPBacklog 255
<Anonymous {self.root}>
  User {ANONYMOUS}
  UserAlias anonymous {ANONYMOUS}
  RequireValidShell off
</Anonymous>
""")
        return command


class Pureftpd(Tuned, peers.Pureftpd):
    def prepare(self):
        command = [word for word in super().prepare() if word != "-E"]
        # With a range of passive ports it takes half as many sessions as the range has ports, whatever -c says.
        at = command.index("-p")
        del command[at:at + 2]
        command += ["-f", "none", "-c", str(SESSIONS_MAX), "-L", "1000000:10"]
        return ["unshare", "-m", "sh", "-c", self.in_namespace(), "sh"] + command


class Pyftpdlib(Tuned, peers.Pyftpdlib):
    """One process: with several (worker_processes) version 1.5.7 now and then leaves a transfer hanging."""

    def prepare(self):
        low, high = self.passive
        script = self.write("serve.py", f"""
import logging
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {"TLS_FTPHandler" if self.tls else "FTPHandler"} as FTPHandler
from pyftpdlib.servers import FTPServer
logging.basicConfig(level=logging.ERROR)
users = DummyAuthorizer()
users.add_user({peers.USER!r}, {peers.PASSWORD!r}, {str(self.root)!r}, perm="elradfmwMT")
users.add_anonymous({str(self.root)!r})
FTPHandler.authorizer = users
FTPHandler.passive_ports = range({low}, {high + 1})
{f"FTPHandler.certfile = {str(self.pem())!r}" if self.tls else ""}
FTPHandler.tls_control_required = FTPHandler.tls_data_required = {bool(self.tls)}
server = FTPServer(({self.host!r}, {self.port}), FTPHandler, backlog=1024)
server.max_cons = {SESSIONS_MAX}
server.serve_forever()
""")
        return ["/usr/bin/python3", str(script)]


class FerrydTuned(Ferryd):
    """ferryd as it comes, with anonymous writing allowed."""
    user, password = "anonymous", "bench@"
    sessions_max = SESSIONS_MAX
    host = "127.0.0.1"

    def serve(self, root):
        self.root = root
        self.start()
        return self

    def give_away(self):
        """The tree belongs to nobody in particular."""


class Null:
    """Answers and touches no file: what talking alone costs."""
    user, password = "anonymous", "bench@"
    sessions_max = SESSIONS_MAX
    host = "127.0.0.1"
    tls = None

    def __init__(self, build):
        self.build, self.port = build, free_port()

    def serve(self, root):
        self.root = root  # where uploads would be
        self.process = subprocess.Popen([str(self.build / "bench" / "bench-null"), str(self.port), self.host])
        wait_until(lambda: self.process.poll() is not None or peers.Peer.answers(self), "no null server")
        assert self.process.poll() is None, "the null server has ended"
        return self

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait()


PEERS = {"vsftpd": Vsftpd, "proftpd": Proftpd, "pureftpd": Pureftpd, "pyftpdlib": Pyftpdlib}
# ferryd as it comes; without the fsync before 226, which no peer does; and both on a disk, where it costs something.
FERRYD = {
    "ferryd": {},
    "ferryd-nosync": {"durable_uploads": "NO"},
    "ferryd-disk": {},
    "ferryd-disk-nosync": {"durable_uploads": "NO"},
}
NAMES = ["null"] + list(PEERS) + list(FERRYD)


def make(name, directory, build, installed, ports, tls=None):
    """A server by its name, not started. ports: the range of its passive ports, out of the kernel's way. tls:
    (certificate, key)."""
    if name == "null":
        return Null(build)
    directory.mkdir()
    if name in PEERS:
        return PEERS[name](directory, installed, free_port(), ports, tls)
    options = {"write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
               "anon_umask": "022", "ftp_username": "nobody", "idle_session_timeout": 3600,
               "pasv_min_port": ports[0], "pasv_max_port": ports[1], "listen_ipv6": "NO",
               **FERRYD[name], **(encryption(tls) if tls else {})}
    server = FerrydTuned(directory, build, options=options)
    server.tls = tls
    return server


def encryption(tls):
    return {"ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_logins_ssl": "YES",
            "force_anon_data_ssl": "YES", "rsa_cert_file": tls[0], "rsa_private_key_file": tls[1]}


def version(name, build, installed):
    if name in FERRYD:
        return subprocess.run([str(build / "ferryd" / "ferryd"), "--version"], check=True, capture_output=True,
                              text=True).stdout.strip()
    if name == "null":
        return "of this tree"
    if name == "pyftpdlib":
        command = ["dpkg-query", "-W", "-f", "${Version}", "python3-pyftpdlib"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    package = VERSIONS[name][0]
    found = list((installed / "packages").glob(f"{package}_*.deb"))
    return found[0].name.split("_")[1].replace("%3a", ":") if found else "unknown"
