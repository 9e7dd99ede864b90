"""--trace and replay: real sessions, drawn, and looked at in a real browser."""
import json
import os
import re
import signal
import subprocess

import pytest

from harness import browser as browsers
from harness.fake import FakeServer
from harness.server import BAD_WORDS, Ferryd, free_port
from harness.terminal import Terminal

USER, PASSWORD = "anna", "s3cret-Passw0rd"
FORMS = ["html", "svg", "txt", "json", "mmd"]
HOSTILE = "</code></style><script>window.broken=1</script><img src=http://192.0.2.1/x onerror=window.broken=1>\x1b[31m \ufffe\uffff ]]>"
SECONDS = 30

# Is a pixel of this colour, perhaps mixed with the paper's white?
BLUE = lambda r, g, b: b > g + 30 and g > r + 20  # noqa: E731
VIOLET = lambda r, g, b: b > r + 15 and r > g + 30  # noqa: E731
RED = lambda r, g, b: r > g + 60 and r > b + 60  # noqa: E731

# What is on the page, as a person sees it: text, and where the ink is.
LOOK = """[...document.querySelectorAll('li[data-kind]')].map(e => {
    const box = q => { const n = e.querySelector(q); if (!n) return null; const r = n.getBoundingClientRect();
                       return {left: r.left, right: r.right, top: r.top + scrollY, bottom: r.bottom + scrollY} };
    return {...e.dataset, text: (e.querySelector('.label') || e).textContent,
            notes: (e.querySelector('.notes') || {}).textContent, life: box('.between'), line: box('.shaft i'),
            head: box('.shaft b'), ours: box('.port.ours'), theirs: box('.port.theirs'), row: box('.wire')}})"""


@pytest.fixture(scope="module")
def server(build, tmp_path_factory):
    server = Ferryd(tmp_path_factory.mktemp("ferryd"), build=build,
                    tree=lambda root: (root / "report.txt").write_bytes(b"r" * 18432))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    if not browsers.program():
        pytest.skip("there is no chromium: ./dev test installs it")
    with browsers.Browser() as browser:
        yield browser


@pytest.fixture
def ferry(sanitized, tmp_path):
    def run(*args, status=0, input=""):
        done = subprocess.run([sanitized / "ferry" / "ferry", *map(str, args)], cwd=tmp_path, input=input, text=True,
                              capture_output=True, timeout=SECONDS, env=dict(os.environ, HOME=str(tmp_path)))
        text = done.stdout + done.stderr
        assert not [w for w in BAD_WORDS if w in text], text
        assert status is None or done.returncode == status, text
        return done

    run.program = str(sanitized / "ferry" / "ferry")
    return run


def url(server, path="report.txt", login=""):
    return f"ftp://{login}127.0.0.1:{server.port}/{path}"


def events(path, kind):
    return [e for e in json.loads(path.read_text())["events"] if e["event"] == kind]


# ---------------------------------------------------------------- what a person sees


def seen(browser, path, **how):
    """The rows of the page; the arrows are checked to be where their words say."""
    browser.open(path, **how)
    rows = browser.ask(LOOK)
    for row in rows:
        if "from" in row:
            check_arrow(row)
    return rows


def check_arrow(row):
    """From one lifeline to the other, the head where it points, the port beside its end."""
    left, right = row["life"]["left"], row["life"]["right"]
    begin, end = min(row["line"]["left"], row["head"]["left"]), max(row["line"]["right"], row["head"]["right"])
    if row["from"] == "you":
        assert left - 1 < begin < left + 8
    else:
        assert right - 8 < end < right + 1
    if row["to"] == "nowhere":
        assert end - begin < 0.8 * (right - left)
    else:
        assert begin < left + 8 and end > right - 8
    to_the_right = row["from"] == "you"
    assert (row["head"]["left"] > row["line"]["left"]) == to_the_right
    for port, at in (("ours", left), ("theirs", right)):
        if row[port]:
            middle = (row[port]["top"] + row[port]["bottom"]) / 2
            assert row["line"]["top"] - 8 < middle < row["line"]["bottom"] + 8
            assert row[port]["right"] <= at if port == "ours" else row[port]["left"] >= at


def arrows(rows, **wanted):
    keys = {"from_port": "fromPort", "to_port": "toPort"}
    return [r for r in rows if all(r.get(keys.get(k, k)) == v for k, v in wanted.items())]


def only(rows, **wanted):
    found = arrows(rows, **wanted)
    assert len(found) == 1, (wanted, found)
    return found[0]


def ink(browser, row, colour):
    """How much of the arrow's length has this colour in the picture."""
    box = row["line"]
    top, height = box["top"] - 3, box["bottom"] - box["top"] + 6
    picture = browsers.pixels(browser.picture(box["left"], top, box["right"] - box["left"], height))
    inked = [any(colour(*pixel) for pixel in column) for column in zip(*picture)]
    return sum(inked) / len(inked)


def in_order(rows, *kinds):
    at = -1
    for wanted in kinds:
        after = [i for i, r in enumerate(rows) if i > at and all(r.get(k) == v for k, v in wanted.items())]
        assert after, (wanted, rows)
        at = after[0]


def test_a_passive_transfer(ferry, server, browser, tmp_path):
    ferry("get", "--mode", "pasv", "--trace", "t.html", url(server))
    rows = seen(browser, tmp_path / "t.html")
    call = only(rows, kind="call", channel="data")
    reply = next(r for r in arrows(rows, kind="reply") if r["text"].partition(": ")[2].startswith("227 "))
    p1, p2 = re.search(r",(\d+),(\d+)\)", reply["text"]).groups()
    assert call["from"] == "you" and call["to"] == "server" and call["toPort"] == str(256 * int(p1) + int(p2))
    assert f"{p1} x 256 + {p2} = {call['toPort']}" in reply["notes"]
    assert browser.ask("document.querySelector('.sum').textContent") == f"{p1} x 256 + {p2} = {call['toPort']}"
    control = only(rows, kind="call", channel="control")
    assert control["to"] == "server" and control["toPort"] == str(server.port)
    data = only(rows, kind="bytes")
    assert data["from"] == "server" and data["bytes"] == "18432" and "18 432 bytes" in data["text"]
    assert (data["fromPort"], data["toPort"]) == (call["toPort"], call["fromPort"])
    in_order(rows, {"kind": "call", "channel": "control"}, {"kind": "command", "to": "server"},
             {"kind": "reply", "to": "you"}, {"kind": "call", "channel": "data"}, {"kind": "bytes"})
    assert not arrows(rows, kind="broken-call")
    assert "Done. Two calls, both made by you." in browser.ask("document.querySelector('.outcome').textContent")
    assert ink(browser, call, VIOLET) > 0.9 and ink(browser, data, VIOLET) > 0.9
    assert ink(browser, control, BLUE) > 0.9


def test_an_active_transfer(ferry, browser, tmp_path):
    with FakeServer({"f": b"x" * 1000}, below=True) as fake:
        ferry("get", "--mode", "port", "--trace", "t.html", url(fake, "f"))
    rows = seen(browser, tmp_path / "t.html")
    call = only(rows, kind="call", channel="data")
    assert (call["from"], call["to"], call["fromPort"]) == ("server", "you", str(fake.port - 1))
    port = next(r for r in arrows(rows, kind="command") if ": PORT " in r["text"])
    p1, p2 = re.search(r",(\d+),(\d+)$", port["text"]).groups()
    assert call["toPort"] == str(256 * int(p1) + int(p2))
    assert f"{p1} x 256 + {p2} = {call['toPort']}" in port["notes"]
    assert f"you open port {call['toPort']} and wait." in [r["text"] for r in rows]
    assert only(rows, kind="bytes")["to"] == "you"
    assert "ACTIVE transfer of f: the server will call you back." in browser.ask("document.body.textContent")
    assert ink(browser, call, VIOLET) > 0.9


def test_an_upload_goes_the_other_way(ferry, browser, tmp_path):
    (tmp_path / "up").write_bytes(b"1234")
    with FakeServer() as fake:
        ferry("put", "--trace", "t.html", "up", url(fake, "up"))
    data = only(seen(browser, tmp_path / "t.html"), kind="bytes")
    assert (data["from"], data["to"], data["bytes"]) == ("you", "server", "4")


def test_a_passive_transfer_that_fails(ferry, browser, tmp_path):
    shut = free_port()
    with FakeServer({"f": b"x"}, replies={"EPSV": f"229 Ok (|||{shut}|)",
                                          "PASV": f"227 Ok (10,9,8,7,{shut // 256},{shut % 256})"}) as fake:
        ferry("get", "--trace", "t.html", url(fake, "f"), status=4)
    rows = seen(browser, tmp_path / "t.html")
    broken = arrows(rows, kind="broken-call")
    assert len(broken) == 2 and not arrows(rows, kind="bytes") and not arrows(rows, kind="call", channel="data")
    for row in broken:
        assert (row["from"], row["to"], row["toPort"], row["channel"]) == ("you", "nowhere", str(shut), "data")
        assert "no such door here" in row["notes"]
        assert 0.3 < ink(browser, row, RED)
    outcome = browser.ask("document.querySelector('main .failed').textContent")
    assert "FAILED: the server's passive port refuses calls" in outcome and "P12 likely" in outcome
    assert "FAILED" in browser.ask("document.querySelector('header .failed').textContent")


def test_an_active_transfer_that_fails(ferry, browser, tmp_path):
    with FakeServer({"f": b"x"}, calls=False) as fake:
        ferry("get", "--mode", "port", "--trace", "t.html", "-T", "1", url(fake, "f"), status=4)
    rows = seen(browser, tmp_path / "t.html")
    broken = only(rows, kind="broken-call")
    assert (broken["from"], broken["to"], broken["channel"]) == ("server", "nowhere", "data")
    assert "no call of the server came there" in broken["notes"] and ink(browser, broken, RED) > 0.3


@pytest.mark.parametrize("width, how", [(1280, {}), (1280, {"dark": True}), (760, {"media": "print"}), (380, {})],
                         ids=["wide", "dark", "paper", "telephone"])
def test_it_fits_and_can_be_read(ferry, browser, tmp_path, width, how):
    long_name = "a-rather-long-name-" * 12 + ".txt"
    with FakeServer({long_name: b"x"}, greeting="220-Hello\r\n 220 more\r\n220 " + "word " * 60) as fake:
        ferry("get", "--trace", "t.html", url(fake, long_name))
    seen(browser, tmp_path / "t.html", width=width, **how)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    paper, ink_ = (browser.ask(f"getComputedStyle(document.body).{p}") for p in ("backgroundColor", "color"))
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (paper, ink_)]
    assert (light[0] < 150 and light[1] > 600) if how.get("dark") else (light[0] == 765 and light[1] < 150)


def test_it_can_be_printed(ferry, server, browser, tmp_path):
    ferry("get", "--trace", "t.html", url(server))
    seen(browser, tmp_path / "t.html")
    assert 1 <= browser.paper().count(b"/Type /Page\n") <= 4


def test_a_picture(ferry, server, browser, tmp_path):
    ferry("get", "--mode", "pasv", "--trace", "t.svg", url(server))
    browser.open(tmp_path / "t.svg")
    calls = browser.ask("[...document.querySelectorAll('g[data-kind=call]')].map(e => ({...e.dataset, x: "
                        "[...e.querySelectorAll('.shaft')].map(l => [l.x1.baseVal.value, l.x2.baseVal.value])[0]}))")
    assert [(c["channel"], c["from"], c["to"]) for c in calls] == [("control", "you", "server"), ("data", "you", "server")]
    assert all(begin < end for begin, end in (c["x"] for c in calls))
    width = browser.ask("document.documentElement.viewBox.baseVal.width")
    assert browser.ask("Math.max(...[...document.querySelectorAll('text')].map(t => t.getBBox().x + "
                       "t.getBBox().width))") <= width


# ---------------------------------------------------------------- hostile servers, and secrets


@pytest.mark.parametrize("form", ["html", "svg"])
def test_a_server_cannot_write_the_page(ferry, browser, tmp_path, form):
    with FakeServer({HOSTILE: b"x"}, greeting=f"220-{HOSTILE}\r\n220 {HOSTILE}", features=["SIZE"],
                    replies={"SIZE": f"550 {HOSTILE}", "RETR": f"550 {HOSTILE}"}) as fake:
        ferry("get", "-o", "f", "--trace", f"t.{form}", url(fake, "x%3Cscript%3Ewindow.broken=1%3C%2Fscript%3E"),
              status=5)
    browser.open(tmp_path / f"t.{form}")
    assert browser.requests == [f"file://{tmp_path}/t.{form}"]
    assert browser.ask("window.broken === undefined && document.querySelectorAll('script, img').length") == 0
    assert not browser.ask("document.querySelectorAll('parsererror').length")
    assert "<script>window.broken=1</script>" in browser.ask("document.documentElement.textContent")
    assert "\x1b" not in (tmp_path / f"t.{form}").read_text()


@pytest.mark.parametrize("form", FORMS)
def test_no_password_in_any_form(ferry, tmp_path, form):
    replies = {"PASS": f"230 Welcome {USER}, your password is {PASSWORD}",
               "SIZE": f"213-ftp://bob:other-secret@example.org/\r\n213 1"}
    with FakeServer({"f": b"x"}, replies=replies, features=["SIZE"], greeting=f"220 {PASSWORD}") as fake:
        ferry("get", "--trace", f"t.{form}", url(fake, "f", f"{USER}:{PASSWORD}@"), status=None)
        assert f"PASS {PASSWORD}" in fake.commands
    text = (tmp_path / f"t.{form}").read_text()
    assert USER in text and PASSWORD not in text and "other-secret" not in text


def test_no_password_that_was_typed(ferry, tmp_path):
    with FakeServer({"f": b"x"}, password=PASSWORD, replies={"SYST": f"215 {PASSWORD}", "ACCT": f"230 {PASSWORD}"}) as fake:
        with Terminal(ferry.program, "--trace", "t.json", "127.0.0.1", fake.port, cwd=tmp_path) as t:
            t.wait("Name (")
            t.line(USER)
            t.wait("Password:")
            t.line(PASSWORD)
            t.prompt()
            for line in ("quote SYST", "quote ACCT other-secret", "quote acct  other-secret", "bye"):
                t.line(line)
            t.end()
    text = (tmp_path / "t.json").read_text()
    assert "PASS ****" in text and "215 ****" in text and "ACCT ****" in text
    assert PASSWORD not in text and "other-secret" not in text


# ---------------------------------------------------------------- the file


def test_it_is_written_when_the_session_fails(ferry, tmp_path):
    ferry("get", "--trace", "a.txt", f"ftp://127.0.0.1:{free_port()}/f", status=2)
    assert "=======X you dial: command connection" in (tmp_path / "a.txt").read_text()
    with FakeServer(password="right") as fake:
        ferry("get", "--trace", "b.txt", url(fake, "f", "anna:wrong@"), status=3)
    assert "530" in (tmp_path / "b.txt").read_text() and "FAILED" in (tmp_path / "b.txt").read_text()
    with FakeServer({"f": b"x" * 1000}, half=True, features=["SIZE"]) as fake:
        ferry("get", "--trace", "c.txt", url(fake, "f"), status=6)
    assert "500 bytes" in (tmp_path / "c.txt").read_text() and "FAILED" in (tmp_path / "c.txt").read_text()
    with FakeServer({"f": b"x"}, replies={"RETR": None}) as fake:
        ferry("get", "--trace", "d.txt", url(fake, "f"), status=6)
    assert "the command connection is gone." in (tmp_path / "d.txt").read_text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_it_is_written_when_the_program_is_ended(ferry, tmp_path, how):
    """A session that hangs is ended by timeout(1) or by closing the window."""
    with FakeServer({"f": b"x" * 1000}, hold={"data"}) as fake:
        process = subprocess.Popen([ferry.program, "get", "--trace", "t.txt", url(fake, "f")], cwd=tmp_path,
                                   stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=str(tmp_path)))
        fake.wait_command("RETR")
        process.send_signal(how)
        assert process.wait(SECONDS) == -how
    assert "RETR f" in (tmp_path / "t.txt").read_text() and "FAILED" in (tmp_path / "t.txt").read_text()
    with FakeServer() as fake:
        with Terminal(ferry.program, "-a", "--trace", "u.txt", "127.0.0.1", fake.port, cwd=tmp_path) as t:
            t.prompt()
            os.kill(t.pid, how)
            assert t.end() == -how
    assert "you dial: command connection" in (tmp_path / "u.txt").read_text()


def test_it_is_whole_or_not_there(ferry, server, tmp_path):
    (tmp_path / "t.txt").write_text("old")
    ferry("get", "--trace", "t.txt", url(server))
    assert (tmp_path / "t.txt").read_text().startswith("FTP session with 127.0.0.1\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.txt", "t.txt"]
    # The directory goes while the session runs: nothing is left of the trace, and the exit status tells.
    (tmp_path / "d").mkdir()
    done = ferry("--trace", "d/t.txt", "127.0.0.1", server.port, "-a", input="!rmdir d\nbye\n", status=7)
    assert "d/t.txt: No such file or directory" in done.stderr


def test_it_is_refused_before_anything_is_sent(ferry, tmp_path):
    (tmp_path / "dir.html").mkdir()
    with FakeServer({"f": b"x"}) as fake:
        for name, status, words in [("t.jpg", 1, "ends in .html, .svg, .txt, .json or .mmd"), ("t", 1, ".mmd"),
                                    ("none/t.html", 7, "No such file"), ("dir.html", 7, "it is no file")]:
            assert words in ferry("get", "--trace", name, url(fake, "f"), status=status).stderr
            assert words in ferry("--trace", name, "127.0.0.1", fake.port, status=status).stderr
        assert fake.commands == []


def test_the_whole_run_of_a_prompt(ferry, server, tmp_path):
    script = f"open 127.0.0.1 {server.port}\nls\nget report.txt\nget nothing\nclose\nopen 127.0.0.1 1\nbye\n"
    ferry("-a", "--trace", "t.json", input=script, status=None)
    assert [(e["text"], e.get("path")) for e in events(tmp_path / "t.json", "plan")] == [
        ("LIST", None), ("RETR", "report.txt"), ("RETR", "nothing")]
    assert [e.get("error") for e in events(tmp_path / "t.json", "end")] == [None, None, "refused", "connect"]
    ferry("replay", "t.json", "--trace", "t.txt")
    text = (tmp_path / "t.txt").read_text()
    assert text.count("Done.") == 2 and text.count("FAILED:") == 2 and text.count("=X you dial") == 1


def test_replay_tells_it_again(ferry, server, tmp_path):
    first = ferry("get", "--explain", "--trace", "t.json", url(server)).stdout
    assert ferry("replay", "t.json").stdout == first and "ACTIVE" not in first
    assert ferry("replay", "--explain", "--trace", "t.html", "t.json").stdout == first
    assert ferry("replay", "t.json", "--trace", "again.json").stdout == ""
    assert (tmp_path / "again.json").read_text() == (tmp_path / "t.json").read_text()
    ferry("get", "--trace", "t.svg", url(server))
    assert "\033[1m" in ferry("replay", "--color", "always", "t.json").stdout
    ferry("-a", "--trace", "t.json", "127.0.0.1", server.port, input="pwd\n")
    assert "Nothing was transferred or listed" in ferry("replay", "t.json").stdout


def test_replay_trusts_nothing(ferry, tmp_path):
    for text in ["", "{", "[]", '{"format":"ferry-trace","version":9,"events":[]}', "[" * 100000, "\0"]:
        (tmp_path / "bad.json").write_text(text)
        assert "bad.json: " in ferry("replay", "bad.json", status=1).stderr
    ferry("replay", "none.json", status=7)
    ferry("replay", status=1)
    ferry("replay", "a", "b", status=1)
