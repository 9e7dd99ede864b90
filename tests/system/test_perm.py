"""The perm fact of MLSD (RFC 3659 7.5.5) is what the system says, for every mode, every kind of owner, with ACLs and
immutable files: the agent does not ask about all of it, so somebody else does here."""
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import struct
import tempfile

import pytest

from harness import ftp
from harness.server import Ferryd

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of several owners")

NOBODY = pwd.getpwnam("nobody")
OWNERS = {"mine": (NOBODY.pw_uid, NOBODY.pw_gid), "group": (0, NOBODY.pw_gid), "other": (0, 0)}
OPTIONS = {"write_enable": "YES", "anon_upload_enable": "YES", "anon_other_write_enable": "YES",
           "anon_mkdir_write_enable": "YES", "anon_world_readable_only": "NO"}
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 1, 2, 4, 16, 32
NO_ID = 0xffffffff
# Each: what the file is made with, and the ACL's entries behind it.
ACLS = {
    "denied": (0o666, [(USER_OBJ, 6, NO_ID), (USER, 0, NOBODY.pw_uid), (GROUP_OBJ, 6, NO_ID), (MASK, 6, NO_ID),
                       (OTHER, 6, NO_ID)]),
    "granted": (0o600, [(USER_OBJ, 6, NO_ID), (USER, 6, NOBODY.pw_uid), (GROUP_OBJ, 0, NO_ID), (MASK, 6, NO_ID),
                        (OTHER, 0, NO_ID)]),
    "masked": (0o600, [(USER_OBJ, 6, NO_ID), (USER, 6, NOBODY.pw_uid), (GROUP_OBJ, 6, NO_ID), (MASK, 4, NO_ID),
                       (OTHER, 6, NO_ID)]),
    "shut": (0o600, [(USER_OBJ, 6, NO_ID), (USER, 6, NOBODY.pw_uid), (GROUP_OBJ, 0, NO_ID), (MASK, 0, NO_ID),
                     (OTHER, 0, NO_ID)]),
}
GET_FLAGS, SET_FLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10


def make_modes(root):
    for name, owner in OWNERS.items():
        for mode in range(0o1000):
            path = root / f"f-{name}-{mode:03o}"
            path.touch()
            os.chown(path, *owner)
            path.chmod(mode)
            path = root / f"d-{name}-{mode:03o}"
            path.mkdir()
            os.chown(path, *owner)
            path.chmod(mode)


def make_acls(root):
    for name, (mode, entries) in ACLS.items():
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        for owner in ("group", "other"):
            path = root / f"f-acl-{name}-{owner}"
            path.touch()
            os.chown(path, *OWNERS[owner])
            path.chmod(mode)
            try:
                os.setxattr(path, "system.posix_acl_access", acl)
            except OSError:
                path.unlink()


def set_immutable(path, on):
    """False where the file system knows no such thing."""
    with open(path) as f:
        try:
            flags = struct.unpack("l", fcntl.ioctl(f, GET_FLAGS, struct.pack("l", 0)))[0]
            flags = flags | IMMUTABLE if on else flags & ~IMMUTABLE
            fcntl.ioctl(f, SET_FLAGS, struct.pack("l", flags))
        except OSError:
            return False
    return True


@pytest.fixture(params=["disk", "memory"])
def server(request, build, tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm:
        server = Ferryd(tmp_path, build, options=OPTIONS)
        if request.param == "memory":
            os.chmod(shm, 0o755)
            server.root = pathlib.Path(shm)
        # The owners are the test's business.
        server.give_away = lambda: None
        os.chown(server.root, NOBODY.pw_uid, NOBODY.pw_gid)
        make_modes(server.root)
        make_acls(server.root)
        hard = server.root / "f-immutable"
        hard.touch()
        os.chown(hard, NOBODY.pw_uid, NOBODY.pw_gid)
        set_immutable(hard, True)
        server.start()
        yield server
        server.stop()
        set_immutable(hard, False)
        for path in server.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def asked(root):
    """What nobody may do with each entry, asked by a process that is nobody: {name: (read, write, execute)}."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(NOBODY.pw_gid)
        os.setuid(NOBODY.pw_uid)
        found = {e.name: [os.access(e.path, bit) for bit in (os.R_OK, os.W_OK, os.X_OK)] for e in os.scandir(root)}
        with open(writing, "w") as f:
            json.dump(found, f)
        os._exit(0)
    os.close(writing)
    with open(reading) as f:
        found = json.load(f)
    os.wait()
    return found


def letters(name, may):
    r, w, x = may
    if name.startswith("d"):
        has = {"c": w and x, "d": True, "e": x, "f": True, "l": r and x, "m": w and x, "p": w and x}
    else:
        has = {"a": w, "d": True, "f": True, "r": r, "w": w}
    return "".join(letter for letter, there in has.items() if there)


def test_perm_is_what_the_system_says(server):
    with ftp.Session(server.port) as s:
        s.login()
        lines = s.retrieve("MLSD").decode().splitlines()
    told = {}
    for line in lines:
        facts, name = line.split(" ", 1)
        facts = dict(fact.split("=", 1) for fact in facts.rstrip(";").split(";"))
        if facts["type"] in ("file", "dir"):
            told[name] = facts["perm"]
    true = {name: letters(name, may) for name, may in asked(server.root).items()}
    assert len(true) > 2 * len(OWNERS) * 0o1000
    assert told == true
