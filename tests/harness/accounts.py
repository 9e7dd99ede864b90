"""Accounts and a PAM service that exist only for the server under test: it runs in a mount namespace of its own with
an overlay on /etc. Root needed."""
import os

from harness.peers import crypted

ACCOUNTS = {"carol": 64990, "dave": 64991, "depot": 64992}


class World:
    """An /etc with carol, dave and depot (for guests), and a PAM service that knows their passwords."""

    def __init__(self, directory, account="pam_permit.so"):
        """account: the PAM module that judges accounts."""
        self.directory = directory
        self.homes = directory / "homes"
        self.homes.mkdir()
        upper, work = directory / "etc", directory / "work"
        (upper / "pam.d").mkdir(parents=True)
        work.mkdir()
        passwd, group = open("/etc/passwd").read(), open("/etc/group").read()
        for name, uid in ACCOUNTS.items():
            home = self.homes / name
            home.mkdir()
            os.chown(home, uid, uid)
            home.chmod(0o700)
            passwd += f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n"
            group += f"{name}:x:{uid}:\n"
        (upper / "passwd").write_text(passwd)
        (upper / "group").write_text(group)
        secrets = upper / "ferry.passwords"
        secrets.touch(mode=0o600)
        # eve and mallory are no accounts: guests only. root is one that must never come in.
        secrets.write_text("".join(f"{name}:{crypted(name + '-pw')}\n"
                                   for name in ("carol", "dave", "eve", "mallory", "root")))
        (upper / "pam.d/ferry-test").write_text(
            "auth required pam_pwdfile.so pwdfile=/etc/ferry.passwords\n"
            f"account required {account}\nsession required pam_permit.so\n")
        self.etc = upper
        for path in (directory, directory.parent, self.homes):
            path.chmod(0o755)
        self.prefix = ["unshare", "-m", "sh", "-c",
                       f"mount -t overlay overlay -o lowerdir=/etc,upperdir={upper},workdir={work} /etc && "
                       'exec "$@"', "sh"]
