"""ferry get -r and put -r: trees, against ferryd and against a server that does what no honest one does."""
import os
import pathlib
import subprocess

import pytest

from harness.fake import FakeServer
from harness.server import BAD_WORDS, Ferryd

SECONDS = 60
TREE = {f"d{d}/e/f{i}": os.urandom((d * 31 + i) * 97 % 9000) for d in range(5) for i in range(30)}
TREE.update({"top": b"x" * 300_000, "empty": b"", "d0/a b [c]*": b"name", "d0/-R": b"option", ".hidden": b"dot"})


def fill(root):
    for name, data in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1_000_000_000, 1_000_000_000 + len(data)))
    (root / "nothing here").mkdir()
    (root / "link").symlink_to(".")
    (root / "d0" / "out").symlink_to("/etc")


def files_of(top):
    """{relative path: bytes}, without links."""
    top = pathlib.Path(top)
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file() and not p.is_symlink()
            and not any(q.is_symlink() for q in p.parents)}


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    def tree(root):
        (root / "tree").mkdir()
        fill(root / "tree")

    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build, tree=tree, served=True, user="anna",
                    password="secret")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ferry(sanitized, tmp_path):
    """ferry(ARGS): its output; what it leaves is in tmp_path."""
    def run(*args, status=0):
        done = subprocess.run([sanitized / "ferry/ferry", *args], cwd=tmp_path, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, HOME=str(tmp_path)))
        said = done.stdout.decode(errors="replace")
        assert not any(word in said for word in BAD_WORDS), said
        assert done.returncode in (status if isinstance(status, tuple) else (status,)), said
        return said

    return run


def url(server, path="", login="anna:secret@"):
    return f"ftp://{login}127.0.0.1:{server.port}/{path}"


# ---- ferryd ----

@pytest.mark.parametrize("how", [[], ["-j1"], ["-j5"], ["-j3", "-z"]], ids=" ".join)
def test_a_tree_comes(ferry, server, tmp_path, how):
    said = ferry("get", "-r", *how, url(server, "tree"), "here")
    assert files_of(tmp_path / "here") == TREE
    assert (tmp_path / "here/nothing here").is_dir()
    assert not list((tmp_path / "here").rglob("*.ferry-part"))
    assert (tmp_path / "here/top").stat().st_mtime == 1_000_300_000
    assert not (tmp_path / "here/link").exists()
    assert "2 left out" in said
    assert f"{len(TREE)} files" in said


def test_it_has_the_name_of_the_directory(ferry, server, tmp_path):
    ferry("get", "-rq", url(server, "tree/d1/"))
    assert files_of(tmp_path / "d1") == {n[3:]: d for n, d in TREE.items() if n.startswith("d1/")}


@pytest.mark.parametrize("how", [[], ["-j1"], ["-j4"], ["-z", "-j2"]], ids=" ".join)
def test_a_tree_goes(ferry, server, tmp_path, how):
    fill(tmp_path)
    (tmp_path / "top").chmod(0o600)
    goal = "up" + "".join(how).strip("-")
    said = ferry("put", "-r", *how, str(tmp_path), url(server, goal))
    assert files_of(server.root / goal) == TREE
    assert (server.root / goal / "nothing here").is_dir()
    assert not (server.root / goal / "link").exists()
    assert "2 left out" in said
    # again: the directories are there
    ferry("put", "-r", *how, str(tmp_path), url(server, goal))


def test_into_a_directory(ferry, server, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/f").write_bytes(b"1")
    ferry("put", "-r", "mine", url(server))
    assert (server.root / "mine/f").read_bytes() == b"1"


def test_continued_down(ferry, server, tmp_path):
    ferry("get", "-rq", url(server, "tree"), "here")
    here = tmp_path / "here"
    (here / "d1/e/f3").unlink()                      # missing
    (here / "top").rename(here / ".top.ferry-part")  # begun
    os.truncate(here / ".top.ferry-part", 1000)
    os.utime(here / "d2/e/f4", (0, 0))               # older than the server's
    (here / "d2/e/f5").write_bytes(b"other")         # another size
    said = ferry("get", "-rc", url(server, "tree"), "here")
    assert files_of(here) == TREE
    assert f"{len(TREE) - 4} complete already" in said
    assert (here / "top").stat().st_mtime == 1_000_300_000


def test_continued_up(ferry, server, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    fill(tree)
    ferry("put", "-rq", "tree", url(server, "again"))
    there = server.root / "again"
    (there / "d1/e/f3").unlink()
    os.truncate(there / "top", 1000)
    (there / "d2/e/f5").write_bytes(b"y" * 9999)
    said = ferry("put", "-rc", "-j2", "tree", url(server, "again"))
    assert files_of(there) == TREE
    assert f"{len(TREE) - 3} complete already" in said


def test_links_here_are_not_followed(ferry, server, tmp_path):
    outside, here = tmp_path / "outside", tmp_path / "here"
    outside.mkdir()
    here.mkdir()
    (here / "d0").symlink_to(outside)
    (outside / "victim").write_bytes(b"mine")
    (here / "top").symlink_to(outside / "victim")
    said = ferry("get", "-r", url(server, "tree"), "here", status=7)
    assert "d0: is a link or a file, no directory" in said
    assert os.listdir(outside) == ["victim"]
    assert (outside / "victim").read_bytes() == b"mine"
    assert (here / "top").read_bytes() == TREE["top"]
    assert (here / "d1/e/f1").read_bytes() == TREE["d1/e/f1"]


def test_one_that_fails_harms_no_other(ferry, server, tmp_path):
    secret = server.root / "tree/d3/e/f1"
    secret.chmod(0)
    (tmp_path / "here/d4/e/f2").mkdir(parents=True)
    try:
        # which of the two is met first, the sessions decide
        said = ferry("get", "-r", url(server, "tree"), "here", status=(5, 7))
    finally:
        secret.chmod(0o644)
    assert "d4/e/f2: is a directory" in said
    got = files_of(tmp_path / "here")
    missing = {n for n in TREE if n not in got}
    assert missing in ({"d4/e/f2"}, {"d4/e/f2", "d3/e/f1"})
    assert all(got[n] == TREE[n] for n in got)


def test_no_such_tree(ferry, server, tmp_path):
    said = ferry("get", "-r", url(server, "nowhere"), "here", status=5)
    assert "0 files" in said
    said = ferry("put", "-r", "missing", url(server, "x"), status=7)
    assert "missing: No such file" in said


@pytest.mark.parametrize("args", [["get", "-r", "U", "a", "b"], ["put", "-r", "U"], ["put", "-r", "a", "b", "U"],
                                  ["get", "-r", "-j0", "U"], ["get", "-r", "-j65", "U"]], ids=" ".join)
def test_usage(ferry, server, args):
    ferry(*[url(server) if a == "U" else a for a in args], status=1)


# ---- a server that breaks the rules ----

class Tree(FakeServer):
    """Lists by path: lists is {path: [lines]}; LIST has the same lines. most: sessions before 421."""

    def __init__(self, lists, most=None, **how):
        super().__init__(features=how.pop("features", ["MLST type*;size*;modify*;", "SIZE", "MDTM", "EPSV"]),
                         replies={"MLSD": self.listing, "LIST": self.listing, **how.pop("replies", {})}, **how)
        self.lists, self.most, self.logins = lists, most, 0
        if most is not None:
            self.replies["USER"] = self.login

    def listing(self, session, arg):
        lines = self.lists.get(arg.rstrip("/"), None)
        if lines is None:
            return "550 no such directory"
        session.send(b"".join(n + b"\r\n" for n in lines))
        return None

    def login(self, session, arg):
        self.logins += 1
        return "421 too many of you" if self.logins > self.most else "331 the password"


def entry(name, size, kind="file"):
    return b"type=%s;size=%d;modify=20200101000000; %s" % (kind.encode(), size, name)


def flat(n, size=100):
    files = {f"t/f{i}": os.urandom(size) for i in range(n)}
    return files, {"t": [entry(name[2:].encode(), size) for name in files]}


def test_hostile_names(ferry, tmp_path):
    files, lists = flat(3)
    bad = [b"..", b"../x", b"/etc/x", b"a/b", b"a\x1b[2J", b"a\rb", b"\x7f"]
    lists["t"] += [entry(name, 5) for name in bad] + [entry(name, 5, "dir") for name in bad]
    lists["t"] += [entry(b"link", 5, "OS.unix=slink:/etc"), entry(b"pipe", 0, "OS.unix=fifo")]
    (tmp_path / "in").mkdir()
    with Tree(lists, files=files) as server:
        said = ferry("get", "-r", "-j2", url(server, "t"), "in/here", status=7)
        asked = [c for c in server.commands if c.startswith(("RETR", "MLSD"))]
    assert files_of(tmp_path) == {f"in/here/{n[2:]}": d for n, d in files.items()}
    # ".." is in every listing, and not a name
    assert f"{2 * len(bad) - 2} failed" in said and "2 left out" in said
    assert len(asked) == 4
    assert "\x1b" not in said


def test_421_at_the_third_session(ferry, tmp_path):
    files, lists = flat(60)
    with Tree(lists, most=2, files=files) as server:
        said = ferry("get", "-r", "-j6", url(server, "t"))
    assert files_of(tmp_path) == files
    assert "2 sessions" in said or "1 session" in said


def test_one_file_is_refused(ferry, tmp_path):
    files, lists = flat(20)
    lists["t"].append(entry(b"gone", 5))
    with Tree(lists, files=files) as server:
        said = ferry("get", "-r", url(server, "t"), status=5)
    assert files_of(tmp_path) == files
    assert "ferry: gone: " in said and "550 no such file" in said
    assert "20 files" in said and "1 failed" in said


def test_the_listing_told_another_size(ferry, tmp_path):
    files, lists = flat(10)
    lists["t"][3] = entry(b"f3", 50)
    with Tree(lists, files=files) as server:
        ferry("get", "-r", "-j1", url(server, "t"))
        sizes = [c for c in server.commands if c.startswith("SIZE t/")]
        assert sizes == ["SIZE t/f3"]
        assert not [c for c in server.commands if c.startswith("MDTM") and c != "MDTM t/f3"]
    assert files_of(tmp_path) == files
    assert (tmp_path / "t/f1").stat().st_mtime == 1577836800


def test_half_of_every_file(ferry, tmp_path):
    files, lists = flat(5)
    with Tree(lists, files=files, half=True) as server:
        said = ferry("get", "-r", url(server, "t"), status=6)
    assert "5 failed" in said
    assert not [n for n in files_of(tmp_path) if not n.endswith(".ferry-part")]


class Endless(dict):
    def get(self, path, default=None):
        return [entry(b"a", 0, "dir"), entry(b"f", 3)]


class Everything(dict):
    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return b"abc"


def test_a_tree_without_end(ferry, tmp_path):
    with Tree(Endless()) as server:
        server.files = Everything()
        said = ferry("get", "-r", "-j2", url(server, "t"), status=7)
    assert "the tree is too deep here" in said
    assert len(files_of(tmp_path)) == 100


def test_without_mlsd(ferry, tmp_path):
    files, _ = flat(5)
    lists = {"t": [b"total 5"] + [b"-rw-r--r-- 1 u g 100 Jan 01 2019 f%d" % i for i in range(5)] +
             [b"lrwxrwxrwx 1 u g 4 Jan 01 2019 l -> /etc", b"drwxr-xr-x 2 u g 4 Jan 01 2019 d"], "t/d": []}
    with Tree(lists, files=files, features=["SIZE", "MDTM", "EPSV"],
              replies={"MDTM": "213 20200101000000"}) as server:
        ferry("get", "-r", url(server, "t"))
        assert not [c for c in server.commands if c.startswith("SIZE t/")]
    assert files_of(tmp_path) == files
    assert (tmp_path / "t/f1").stat().st_mtime == 1577836800
    assert (tmp_path / "t/d").is_dir()


@pytest.mark.parametrize("sessions", ["1", "3"])
def test_the_connection_is_lost(ferry, tmp_path, sessions):
    files, lists = flat(40)
    lost = []

    def retr(session, arg):
        if arg in ("t/f7", "t/f20") and arg not in lost:
            lost.append(arg)
            raise OSError
        session.do_RETR(arg)

    with Tree(lists, files=files, replies={"RETR": retr}) as server:
        ferry("get", "-r", "-j" + sessions, url(server, "t"))
    assert files_of(tmp_path) == files
    assert len(lost) == 2


def test_interrupted(sanitized, tmp_path):
    files, lists = flat(20, 3000)
    with Tree(lists, files=files, hold=["data"]) as server:
        child = subprocess.Popen([sanitized / "ferry/ferry", "get", "-r", "-j3", url(server, "t")], cwd=tmp_path,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 env=dict(os.environ, HOME=str(tmp_path)))
        server.wait_command("RETR")
        child.send_signal(2)
        with server.changed:
            assert server.changed.wait_for(lambda: any("ABOR" in c for c in server.commands) or
                                           child.poll() is not None, SECONDS)
        server.release()
        said = child.communicate(timeout=SECONDS)[0].decode()
        assert child.returncode == 130, said
    assert not [n for n in files_of(tmp_path) if not n.endswith(".ferry-part")]


def put_tree(tmp_path, n):
    (tmp_path / "mine/sub").mkdir(parents=True)
    for i in range(n):
        (tmp_path / f"mine/sub/f{i}").write_bytes(b"%d" % i * 50)


def test_the_server_keeps_another_size(ferry, tmp_path):
    put_tree(tmp_path, 5)
    lists = {"x": [], "x/sub": [entry(b"f%d" % i, 50 if i != 3 else 49) for i in range(5)]}
    with Tree(lists, replies={"MKD": "257 \"x\""}) as server:
        said = ferry("put", "-r", "mine", url(server, "x"), status=6)
        assert len(server.uploads) == 5
    assert "sub/f3: 50 bytes were sent, but the server has 49" in said
    assert "4 files" in said and "1 failed" in said


def test_a_directory_that_cannot_be_made(ferry, tmp_path):
    put_tree(tmp_path, 2)
    (tmp_path / "mine/g").write_bytes(b"g")

    def mkd(session, arg):
        return '257 "x"' if arg == "x" else "550 not here"

    with Tree({"x": []}, replies={"MKD": mkd, "MLST": "550 no such thing"}) as server:
        said = ferry("put", "-r", "mine", url(server, "x"), status=5)
        assert set(server.uploads) == {"x/g"}
    assert "ferry: sub: " in said and "550 not here" in said


def test_one_upload_fails(ferry, tmp_path):
    put_tree(tmp_path, 8)

    def stor(session, arg):
        if arg.endswith("f3"):
            return "553 not that one"
        session.do_STOR(arg)

    with Tree({}, replies={"MKD": "257 \"x\"", "STOR": stor}) as server:
        said = ferry("put", "-r", "-j3", "mine", url(server, "x"), status=5)
        assert len(server.uploads) == 7
    assert "sub/f3: " in said and "553 not that one" in said


@pytest.mark.parametrize("sessions", ["1", "3"])
def test_the_connection_is_lost_on_the_way_up(ferry, tmp_path, sessions):
    put_tree(tmp_path, 40)
    lost = []

    def stor(session, arg):
        if arg in ("x/sub/f7", "x/sub/f20") and arg not in lost:
            lost.append(arg)
            raise OSError
        session.do_STOR(arg)

    with Tree({}, replies={"MKD": "257 \"x\"", "STOR": stor}) as server:
        ferry("put", "-r", "-j" + sessions, "mine", url(server, "x"))
        assert server.uploads == {f"x/sub/f{i}": b"%d" % i * 50 for i in range(40)}
    assert len(lost) == 2


@pytest.mark.parametrize("sessions", ["1", "4"])
def test_a_refused_upload_gives_no_other_file_its_bytes(ferry, server, tmp_path, sessions):
    put_tree(tmp_path, 30)
    goal = server.root / f"refused{sessions}"
    for name in ("f3", "f4", "f29"):
        (goal / "sub" / name).mkdir(parents=True)
    said = ferry("put", "-r", "-j" + sessions, "mine", url(server, goal.name), status=5)
    assert "27 files" in said and "3 failed" in said
    assert files_of(goal) == {f"sub/f{i}": b"%d" % i * 50 for i in range(30) if i not in (3, 4, 29)}


def test_further_sessions_need_not_ask_again(ferry, tmp_path):
    files, lists = flat(60)

    def retr(session, arg):
        """Not before all of them are there."""
        def come():
            return sum(c.startswith("PASS") for c in server.commands) == 3

        with server.changed:
            assert server.changed.wait_for(come, SECONDS)
        session.do_RETR(arg)

    with Tree(lists, files=files, replies={"RETR": retr}) as server:
        ferry("get", "-r", "-j3", url(server, "t"))
        commands = [c.split()[0] for c in server.commands]
    assert files_of(tmp_path) == files
    assert commands.count("FEAT") == 2  # of the first: before it encrypts, had that been offered, and after
