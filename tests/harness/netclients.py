"""FTP clients of others, and ferry, each told to fetch one file in one way; what happened is read off their own trace.

A way is one letter: E EPSV, P PASV, e EPRT, p PORT, D the client's defaults. What is said about a run: it worked if
the file is whole and the command that the letter stands for was the last of its kind that the client sent.
"""
import pathlib
import re
import subprocess
import time

VERBS = {"E": "EPSV", "P": "PASV", "e": "EPRT", "p": "PORT"}
# Silence of a filter is believed after so many seconds. Long enough for a loaded machine, since all waits overlap.
PATIENCE = 4
LIMIT = 90  # seconds until a client that hangs is a failure of the test

FERRY_MODES = {"D": "auto", "E": "epsv", "P": "pasv", "e": "eprt", "p": "port"}
CURL = {"D": (), "E": (), "P": ("--disable-epsv",), "e": ("-P", "-"), "p": ("-P", "-", "--disable-eprt")}
LFTP = {"D": "", "E": "set ftp:passive-mode yes; set ftp:prefer-epsv yes; set ftp:auto-passive-mode no;",
        "P": "set ftp:passive-mode yes; set ftp:prefer-epsv no; set ftp:auto-passive-mode no;",
        # over IPv4 it has PORT only, over IPv6 EPRT only
        "e": "set ftp:passive-mode no; set ftp:auto-passive-mode no;",
        "p": "set ftp:passive-mode no; set ftp:auto-passive-mode no;"}
TNFTP = {"D": (), "E": ("-p",), "P": ("-p",), "e": ("-A",), "p": ("-A",)}
# Encrypted: both connections, or nothing. In clear: even if the server offers more. Whose certificate it is does not
# matter here.
FERRY_TLS = {False: ["--plain"], True: ["--tls", "--accept-new", "--known-hosts", "none"]}
CURL_TLS = {False: [], True: ["--ssl-reqd", "-k"]}
LFTP_TLS = {False: "set ftp:ssl-allow no;",
            True: "set ftp:ssl-allow-anonymous yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:verify-certificate no;"}


def known_as(name, addresses, hosts):
    """A prefix for commands to which the name has these addresses. hosts: a file to be written."""
    hosts.write_text("".join(f"{address} {name}\n" for address in addresses))
    return ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts))


class Run:
    """What one client did: status, out, err, the verbs it sent, and whether the file arrived."""

    def __init__(self, way, done, arrived, seconds):
        self.way, self.status, self.seconds = way, done.returncode, seconds
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")
        self.verbs = re.findall(r"^(?:> |-+> )(EPSV|PASV|EPRT|PORT)\b", self.out + "\n" + self.err, re.M)
        self.arrived = arrived
        self.worked = arrived and (way not in VERBS or self.verbs[-1:] == [VERBS[way]])

    def __str__(self):
        return (f"way {self.way}, {self.seconds:.1f} s, status {self.status}, arrived {self.arrived}\n"
                f"{self.out}\n{self.err}")

    __repr__ = __str__


class Client:
    """All clients of one person: url is that of the file, with the login in it; home is an empty directory."""

    def __init__(self, host, port, login, home, prefix=()):
        self.host, self.port, self.login, self.prefix = host, port, login, list(prefix)
        self.home = pathlib.Path(home)
        place = f"[{host}]" if ":" in host else host
        self.url = f"ftp://{login}{place}:{port}/f"

    def run(self, way, command, target, content, input=b""):
        begun = time.monotonic()
        try:
            done = subprocess.run(self.prefix + command, input=input, capture_output=True, timeout=LIMIT,
                                  cwd=self.home, env={"HOME": str(self.home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                                      "LC_ALL": "C.UTF-8", "TERM": "dumb"})
        except subprocess.TimeoutExpired as e:
            done = subprocess.CompletedProcess(command, "hangs", e.stdout or b"", e.stderr or b"")
        arrived = target.exists() and target.read_bytes() == content
        return Run(way, done, arrived, time.monotonic() - begun)

    def ferry(self, program, way, content, args=(), name="ferry", memory=False):
        """memory: what other runs have found out about the network counts."""
        target = self.home / f"{name}.{way}"
        target.unlink(missing_ok=True)
        known = [] if memory else ["--no-memory"]
        return self.run(way, [str(program), "get", "-v", "-T", str(PATIENCE), "--mode", FERRY_MODES[way], *known, *args,
                              "-o", str(target), self.url], target, content)

    def curl(self, way, content, tls=False):
        target = self.home / f"curl{'.tls' * tls}.{way}"
        # EPSV and PASV share one time budget, so that silence of EPSV leaves nothing for PASV
        return self.run(way, ["curl", "-sv", "--connect-timeout", str(PATIENCE), *CURL[way], *CURL_TLS[tls], "-o", str(target),
                              self.url], target, content)

    def lftp(self, way, content, tls=False):
        target = self.home / f"lftp{'.tls' * tls}.{way}"
        # one try for each way that it may think of
        script = (f"set net:timeout {PATIENCE}; set net:max-retries {2 if way == 'D' else 1}; "
                  f"set net:reconnect-interval-base 1; set net:persist-retries 0; {LFTP[way]} {LFTP_TLS[tls]} "
                  f"set cmd:fail-exit yes; open {self.url.rsplit('/', 1)[0]}; get f -o {target}")
        return self.run(way, ["lftp", "-d", "-c", script], target, content)

    def tnftp(self, way, content):
        target = self.home / f"tnftp.{way}"
        if way != "P" and way != "p":
            return self.run(way, ["tnftp", "-vd", *TNFTP[way], "-q", str(PATIENCE), "-o", str(target), self.url],
                            target, content)
        user, password = self.login.rstrip("@").split(":") if self.login else ("anonymous", "a@")
        script = f"user {user} {password}\nepsv4 off\nepsv off\nbinary\nget f {target}\nquit\n"
        return self.run(way, ["tnftp", "-vdn", *TNFTP[way], "-q", str(PATIENCE), self.host, str(self.port)],
                        target, content, script.encode())
