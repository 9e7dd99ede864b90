"""The FTP clients that are measured, each as its own manual makes it fastest: in parallel and pipelined where
it can, without questions that it can spare.

A client moves job.name from the server's directory job.there into job.here, or the other way round: one file,
or a tree (job.files, relative names). It is given names beforehand only where it cannot list a tree.
"""
import dataclasses
import os
import pathlib
import subprocess

PARALLEL = 16  # sessions, for those that have to be told a number


@dataclasses.dataclass
class Job:
    host: str
    port: int
    user: str
    password: str
    tls: bool
    upload: bool
    name: str
    here: pathlib.Path
    there: str
    files: list      # of a tree, "d00/f000"; empty: one file
    scratch: pathlib.Path
    build: pathlib.Path

    @property
    def remote(self):
        return f"{self.there}/{self.name}" if self.there else self.name

    @property
    def local(self):
        return self.here / self.name

    @property
    def directories(self):
        return sorted({name.rsplit("/", 1)[0] for name in self.files})

    def write(self, name, text):
        path = self.scratch / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


@dataclasses.dataclass
class Run:
    """How a client is started."""
    command: list
    stdin: str = ""
    env: dict = dataclasses.field(default_factory=dict)


def ferry(job):
    secret = job.write("password", job.password + "\n")
    command = [job.build / "ferry" / "ferry", "put" if job.upload else "get", "-q", "--no-netrc", "--no-memory",
               "--user", job.user, "--password-file", secret, "--accept-new",
               "--known-hosts", job.scratch / "known", "--tls" if job.tls else "--plain"]
    url = f"ftp://{job.host}:{job.port}/{job.remote}"
    if job.files:
        return Run(command + ["-r", *([job.local, url] if job.upload else [url, job.local])])
    return Run(command + ([job.local, url] if job.upload else ["-o", job.local, url]))


def lftp(job, tree, single="get"):
    settings = ["cmd:fail-exit yes", "xfer:log no", "net:connection-limit 0", "net:max-retries 3",
                "ftp:sync-mode off", "ftp:use-site-utime no", "ftp:use-site-utime2 no", "ftp:use-site-chmod no",
                "ssl:verify-certificate no", "cmd:save-cwd-history no", "cmd:save-rl-history no", "ftp:use-mode-z no",
                *(["ftp:ssl-force yes", "ftp:ssl-protect-data yes"] if job.tls else ["ftp:ssl-allow no"])]
    if job.files:
        deed = f"mirror {'-R ' if job.upload else ''}--no-perms --parallel={tree} " + (
            f"{job.local} {job.remote}" if job.upload else f"{job.remote} {job.local}")
    elif job.upload:
        deed = f"put {job.local} -o {job.remote}"
    else:
        deed = f"{single} {job.remote} -o {job.local}"
    script = "".join(f"set {line}\n" for line in settings)
    script += f"open -u {job.user},{job.password} ftp://{job.host}:{job.port}\n{deed}\n"
    return Run(["lftp", "-f", job.write("lftp", script)])


def curl(job):
    """-K: a list of transfers, so the names are told to it. Under TLS one by one: 7.88 cuts files short else."""
    url = f"ftp://{job.host}:{job.port}/"
    names = [f"{job.name}/{name}" for name in job.files] or [job.name]
    lines = []
    for name in names:
        far = url + (f"{job.there}/{name}" if job.there else name)
        lines += [f'url = "{far}"', f'{"upload-file" if job.upload else "output"} = "{job.here / name}"']
    config = job.write("curl", "\n".join([f'user = "{job.user}:{job.password}"', *lines]) + "\n")
    return Run(["curl", "-sS", "-K", config, "--no-progress-meter", "--create-dirs", "--ftp-create-dirs",
                "--ftp-method", "multicwd" if job.upload else "nocwd",  # who shall make directories has to enter them
                *(["--ssl-reqd", "-k"] if job.tls else ["--parallel", "--parallel-max", str(PARALLEL)])])


def wget(job):
    scheme = "ftps" if job.tls else "ftp"
    path = job.remote + ("/" if job.files else "")
    cut = job.there.count("/") + 1 if job.there else 0
    return Run(["wget", "-q", "--no-check-certificate", "-nH", f"--cut-dirs={cut}", "-P", job.here,
                *(["-r", "-l", "inf"] if job.files else []), f"--user={job.user}", f"--password={job.password}",
                f"{scheme}://{job.host}:{job.port}/{path}"])


def ncftp(job):
    login = job.write("ncftp", f"host {job.host}\nuser {job.user}\npass {job.password}\n")
    flags = ["-f", login, "-P", str(job.port), "-V", "-t", "60", *(["-R"] if job.files else [])]
    if job.upload:
        return Run(["ncftpput", *flags, job.there, job.local])
    return Run(["ncftpget", *flags, "-T", job.here, job.remote])  # -T: no tar


def tnftp(job):
    """One session; it knows no trees, so it is led through the directories."""
    lines = [f"user {job.user} {job.password}", "binary"]
    deed = ("mput" if job.upload else "mget") + " *"
    if not job.files:
        lines.append(f"put {job.local} {job.remote}" if job.upload else f"get {job.remote} {job.local}")
    if job.upload and job.files:
        lines.append(f"mkdir {job.remote}")
    for directory in job.directories:
        near = job.local / directory
        near.mkdir(parents=True, exist_ok=True)
        if job.upload:
            lines.append(f"mkdir /{job.remote}/{directory}")
        lines += [f"lcd {near}", f"cd /{job.remote}/{directory}", deed]
    return Run(["tnftp", "-n", "-i", "-p", "-V", job.host, str(job.port)], stdin="\n".join([*lines, "bye", ""]))


def rclone(job):
    hidden = subprocess.run(["rclone", "obscure", "-"], input=job.password, check=True, capture_output=True,
                            text=True).stdout.strip()
    env = {"RCLONE_FTP_HOST": job.host, "RCLONE_FTP_PORT": str(job.port), "RCLONE_FTP_USER": job.user,
           "RCLONE_FTP_PASS": hidden, "RCLONE_FTP_NO_CHECK_CERTIFICATE": "true", "RCLONE_CONFIG": "/dev/null"}
    if job.tls:
        env.update(RCLONE_FTP_EXPLICIT_TLS="true", RCLONE_FTP_DISABLE_TLS13="true")
    ends = [str(job.local), f":ftp:{job.remote}"]
    return Run(["rclone", "copy" if job.files else "copyto", "-q", "--multi-thread-streams", "0",
                "--transfers", str(PARALLEL), "--checkers", str(PARALLEL), *(ends if job.upload else reversed(ends))], env=env)


@dataclasses.dataclass
class Client:
    package: str
    make: object
    tls: bool = True
    upload: bool = True
    tree: bool = True     # measured with trees
    single: bool = True   # with one file
    slow: bool = False    # one file after the other: at a distance a tenth of the files has to do
    slow_tls: bool = False  # the same under TLS
    quick: bool = True    # has its turn in --quick, too


CLIENTS = {
    "ferry": Client("", ferry),
    "lftp": Client("lftp", lambda job: lftp(job, 1), tree=False),
    "lftp pget": Client("lftp", lambda job: lftp(job, 1, "pget -n 4"), tree=False, upload=False),
    "lftp -P8": Client("lftp", lambda job: lftp(job, 8), single=False, quick=False),
    "lftp -P16": Client("lftp", lambda job: lftp(job, 16), single=False),
    "lftp -P32": Client("lftp", lambda job: lftp(job, 32), single=False, quick=False),
    "curl": Client("curl", curl, slow_tls=True),
    "rclone": Client("rclone", rclone),
    "wget": Client("wget", wget, upload=False, slow=True),
    "ncftp": Client("ncftp", ncftp, tls=False, slow=True),
    "tnftp": Client("tnftp", tnftp, tls=False, slow=True),
}


def can(name, row, quick):
    """Has this client a figure in that row?"""
    client = CLIENTS[name]
    if quick and (not client.quick or (client.slow and row.ms) or ((client.slow or client.slow_tls) and row.tls)):
        return False
    return (client.tls or not row.tls) and (client.upload or not row.upload) and \
        (client.tree if row.tree else client.single)


def version(name, build):
    package = CLIENTS[name].package
    if not package:
        return subprocess.run([build / "ferry" / "ferry", "--version"], check=True, capture_output=True,
                              text=True).stdout.split()[-1]
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def start(name, job):
    """The process, with what it says in job.scratch / "said"."""
    run = CLIENTS[name].make(job)
    script = job.write("stdin", run.stdin)
    env = {"PATH": os.environ["PATH"], "HOME": str(job.scratch), "LC_ALL": "C.UTF-8", **run.env}
    with open(script, "rb") as stdin, open(job.scratch / "said", "wb") as said:
        return subprocess.Popen([str(word) for word in run.command], stdin=stdin, stdout=said, stderr=said, env=env,
                                cwd=job.scratch)
