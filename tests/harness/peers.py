"""Other people's FTP servers on loopback, for ferry to talk to. One user, ftptest, in a tree of its own.

No real account is used: vsftpd, which knows only PAM and passwd, runs in a mount namespace with an overlay on
/etc; the others have password files.
"""
import os
import pathlib
import socket
import subprocess

from .server import wait_until

USER, PASSWORD = "ftptest", "secret"
UID = 64999


def crypted(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True,
                          text=True).stdout.strip()


class Peer:
    """A server in a directory; port and root are public. Subclasses write its files and name its command.

    tls: (certificate, key): sessions and data connections must be encrypted then, and where the server knows how to
    ask for it, data connections must resume the session. implicit: TLS from the first byte, for those that can.
    """
    host = "127.0.0.1"
    ipv6 = False

    def __init__(self, directory, installed, port, passive, tls=None, implicit=False):
        self.tls, self.implicit = tls, implicit
        self.directory = pathlib.Path(directory)
        self.installed = pathlib.Path(installed)
        self.port, self.passive = port, passive
        self.root = self.directory / "root"
        self.root.mkdir()
        self.process = None

    def start(self):
        path = self.directory
        while path != path.parent and path != pathlib.Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
            path = path.parent
        os.chown(self.root, UID, UID)
        command = self.prepare()
        self.log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or self.answers(), f"{command} does not start", 20)
        assert self.process.poll() is None, f"{command}: {(self.directory / 'log').read_text()}"
        return self

    def answers(self):
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()

    def write(self, name, text, mode=0o600):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def pem(self):
        """Certificate and key in one file."""
        return self.write("both.pem", "".join(pathlib.Path(p).read_text() for p in self.tls))


class Vsftpd(Peer):
    def prepare(self):
        d = self.directory
        (d / "work").mkdir()
        (d / "empty").mkdir()
        self.write("etc/passwd", pathlib.Path("/etc/passwd").read_text()
                   + f"{USER}:x:{UID}:{UID}::{self.root}:/bin/sh\n", 0o644)
        self.write("etc/group", pathlib.Path("/etc/group").read_text() + f"{USER}:x:{UID}:\n", 0o644)
        self.write("etc/ftp.passwords", f"{USER}:{crypted(PASSWORD)}\n")
        self.write("etc/pam.d/ferry-peer",
                   "auth required pam_pwdfile.so pwdfile=/etc/ftp.passwords\n"
                   "account required pam_permit.so\nsession required pam_permit.so\n", 0o644)
        low, high = self.passive
        config = self.write("vsftpd.conf", f"""listen=YES
listen_address={self.host}
listen_port={self.port}
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
local_umask=022
pam_service_name=ferry-peer
chroot_local_user=YES
allow_writeable_chroot=YES
secure_chroot_dir={d}/empty
pasv_min_port={low}
pasv_max_port={high}
seccomp_sandbox=NO
xferlog_enable=NO
{self.encryption()}""")
        program = self.installed / "usr/sbin/vsftpd"
        return ["unshare", "-m", "sh", "-c",
                f"mount -t overlay overlay -o lowerdir=/etc,upperdir={d}/etc,workdir={d}/work /etc && "
                f"exec {program} {config}"]


    def encryption(self):
        if self.tls is None:
            return ""
        return f"""ssl_enable=YES
rsa_cert_file={self.tls[0]}
rsa_private_key_file={self.tls[1]}
ssl_tlsv1=YES
ssl_ciphers=HIGH
require_ssl_reuse=YES
strict_ssl_read_eof=YES
force_local_logins_ssl=YES
force_local_data_ssl=YES
implicit_ssl={"YES" if self.implicit else "NO"}
"""


class Proftpd(Peer):
    def prepare(self):
        d = self.directory
        passwords = self.write("passwords", f"{USER}:{crypted(PASSWORD)}:{UID}:{UID}::{self.root}:/bin/false\n")
        low, high = self.passive
        config = self.write("proftpd.conf", f"""ServerName test
ServerType standalone
DefaultServer on
DefaultAddress {self.host}
UseIPv6 off
Port {self.port}
User nobody
Group nogroup
PidFile {d}/pid
ScoreboardFile {d}/scoreboard
DelayTable none
WtmpLog off
TransferLog none
SystemLog {d}/system.log
UseReverseDNS off
PassivePorts {low} {high}
AuthOrder mod_auth_file.c
AuthUserFile {passwords}
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
{self.encryption()}""")
        return [str(self.installed / "usr/sbin/proftpd"), "-n", "-c", str(config)]


    def encryption(self):
        if self.tls is None:
            return ""
        return f"""ModulePath {self.installed}/usr/lib/proftpd
LoadModule mod_tls.c
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {self.tls[0]}
TLSECCertificateKeyFile {self.tls[1]}
TLSLog {self.directory}/tls.log
{"TLSOptions UseImplicitSSL" if self.implicit else ""}
"""


class Pureftpd(Peer):
    def prepare(self):
        d = self.directory
        passwords = self.write("passwords", f"{USER}:{crypted(PASSWORD)}:{UID}:{UID}::{self.root}/./::::::::::::\n")
        subprocess.run([str(self.installed / "usr/bin/pure-pw"), "mkdb", str(d / "users.pdb"), "-f",
                        str(passwords)], check=True)
        low, high = self.passive
        return [str(self.installed / "usr/sbin/pure-ftpd"), "-S", f"{self.host},{self.port}", "-l",
                f"puredb:{d}/users.pdb", "-E", "-A", "-H", "-p", f"{low}:{high}", "-g", f"{d}/pid", "-u", "1000",
                *(["-Y", "3", "-2", str(self.pem())] if self.tls else [])]


class Pyftpdlib(Peer):
    def prepare(self):
        low, high = self.passive
        handler = "TLS_FTPHandler" if self.tls else "FTPHandler"
        encryption = f"FTPHandler.certfile = {str(self.pem())!r}" if self.tls else ""
        if self.tls:
            encryption += "\nFTPHandler.tls_control_required = FTPHandler.tls_data_required = True"
        script = self.write("serve.py", f"""
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {handler} as FTPHandler
from pyftpdlib.servers import FTPServer
users = DummyAuthorizer()
users.add_user({USER!r}, {PASSWORD!r}, {str(self.root)!r}, perm="elradfmwMT")
FTPHandler.authorizer = users
FTPHandler.passive_ports = range({low}, {high + 1})
{encryption}
FTPServer(({self.host!r}, {self.port}), FTPHandler).serve_forever()
""")
        return ["/usr/bin/python3", str(script)]


PEERS = {"vsftpd": Vsftpd, "proftpd": Proftpd, "pureftpd": Pureftpd, "pyftpdlib": Pyftpdlib}
