"""ferryd check in networks: it names the port that the machine's own packet filter shuts, what it says to do helps, and
--watch tells calls that never arrive from those that arrive and are dropped."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import pytest

from harness import net
from networks import RANGE, only_to

TOP = pathlib.Path(__file__).parent.parent.parent
FERRYD = TOP / "build" / "ferryd" / "ferryd"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

# The rules of a machine of its own, as an administrator would write them.
OWN = """table inet filter {
chain input { type filter hook input priority filter; policy drop;
iif "lo" accept
ct state established,related accept
meta l4proto { icmp, ipv6-icmp } accept
%s
}
}
"""


@pytest.fixture
def place():
    """ferryd in a server's namespace; own: rules there, router: of the router in front."""
    with contextlib.ExitStack() as stack:
        def make(own=None, router=None, options=None):
            directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-check-")))
            directory.chmod(0o755)
            (directory / "server").mkdir()
            world = net.World()
            stack.callback(world.close)
            if router:
                world.server_router.rules(router.rules())
            server = net.NetFerryd(directory / "server", world, TOP / "build", options=options).start()
            stack.callback(server.stop)
            if own:
                world.server.rules(OWN % own)
            return world, server
        yield make


def config(server):
    return ["--config", str(server.directory / "ferryd.conf")]


def check(world, server):
    with world.server:
        done = subprocess.run([FERRYD, "check", "--json", *config(server)], capture_output=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    assert found["status"] == done.returncode, done
    return found


def about_filter(found, *levels):
    return [row for row in found["findings"] if "packet filter" in row["text"] and row["level"] in levels]


@pytest.mark.parametrize("no, words", [(None, "is refused"), ("drop", "gets no answer")])
def test_a_call_to_the_announced_address_proves_nothing(place, no, words):
    world, server = place(options={"pasv_address": "11.0.0.9"})
    world.server_router.batch("addr add 11.0.0.9/32 dev wan0")
    if no:
        world.server_router.rules(net.rule_set(input=[f"tcp dport 21 {no}"]))
    rows = [row for row in check(world, server)["findings"] if "call from this machine itself" in row["text"]]
    assert len(rows) == 1 and words in rows[0]["text"] and rows[0]["level"] == "unknown", rows


@pytest.mark.parametrize("port, codes", [("21", {"P11"}), (RANGE, {"P11"})])
def test_check_says_what_to_do_and_it_helps(place, port, codes):
    other = {"21": RANGE, RANGE: "21"}[port]
    world, server = place(own=f"tcp dport {other} ct state new accept")
    found = check(world, server)
    assert found["status"] == 2, found
    wrong = about_filter(found, "error")
    assert {row["codes"] for row in wrong} == codes and all(port in row["text"] for row in wrong), wrong
    with world.server:
        for command in {row["advice"] for row in wrong}:
            subprocess.run(command, shell=True, check=True, timeout=60)
    found = check(world, server)
    assert not about_filter(found, "error", "warning", "unknown"), found
    assert len(about_filter(found, "ok")) == 4, found


def test_check_knows_the_family(place):
    world, server = place(own="tcp dport 21 ct state new accept\n"
                              f"meta nfproto ipv4 tcp dport {RANGE} ct state new accept")
    wrong = about_filter(check(world, server), "error")
    assert [row["codes"] for row in wrong] == ["P11 V03"] and "over IPv6" in wrong[0]["text"], wrong


def test_check_sees_that_only_the_helper_opens_ports(place):
    world, server = place(options={"ssl_enable": "NO"}, own='tcp dport 21 ct state new accept\n'
                          '}\nct helper f { type "ftp" protocol tcp; l3proto ip; }\n'
                          'chain helpers { type filter hook prerouting priority -50;\ntcp dport 21 ct helper set "f"')
    rows = [row for row in check(world, server)["findings"] if "FTP helper only" in row["text"]]
    assert {row["codes"] for row in rows} == {"P18 P19"} and {row["level"] for row in rows} == {"warning"}, rows


def test_check_changes_nothing(place):
    world, server = place(own="tcp dport 21 ct state new accept")
    before = world.server.feed(["nft", "list", "ruleset"], "")
    check(world, server)
    assert world.server.feed(["nft", "list", "ruleset"], "") == before


# ---- --watch ----

@contextlib.contextmanager
def watching(world, server, *args):
    """The lines that it has printed stand in the list, behind the end."""
    lines = []
    with world.server:
        process = subprocess.Popen([FERRYD, "check", "--watch", *args, *config(server)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
    try:
        assert "Watching for calls" in process.stdout.readline()
        yield lines
        process.send_signal(signal.SIGINT)
        lines += process.communicate(timeout=60)[0].splitlines()
        assert process.returncode == 0, lines
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def call(world, port, target=None, caller=None):
    """As a client does, not waiting for long."""
    target = target or world.target
    with caller or world.client, socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET) as s:
        s.settimeout(0.3)
        with contextlib.suppress(OSError):
            s.connect((target, port))


STORIES = [
    ("open", None, None, "answered", "gets through"),
    ("dropped here", "tcp dport 21 ct state new accept", None, "no answer: dropped by this machine", "its own packet filter"),
    ("sent away here", f"tcp dport 21 ct state new accept\ntcp dport {RANGE} reject with icmpx admin-prohibited", None,
     "sent away by this machine", "its own packet filter"),
    ("reset here", f"tcp dport 21 ct state new accept\ntcp dport {RANGE} reject with tcp reset", None,
     "refused", "nothing listens"),
    ("dropped in front", None, only_to("21"), None, "in front of this machine keeps them out"),
    ("all dropped in front", None, only_to("22"), None, "No call has arrived at all"),
]


@pytest.mark.parametrize("name, own, router, fate, words", STORIES, ids=[s[0].replace(" ", "-") for s in STORIES])
def test_watch_tells_where_calls_end(place, name, own, router, fate, words):
    world, server = place(own=own, router=router)
    rules = world.server.feed(["nft", "list", "ruleset"], "")
    with watching(world, server) as lines:
        # the machine's own calls are not from outside
        call(world, 21, caller=world.server)
        call(world, 21)
        if name == "open":
            # one that listens, since nobody is to be refused
            with world.server:
                listener = socket.create_server(("", 50999))
            call(world, 50999)
            listener.close()
        else:
            call(world, 50999)
    text = "\n".join(lines)
    control = re.findall(r"-> control port 21: (.*)", text)
    passive = re.findall(r"-> passive port 50999: (.*)", text)
    assert [c.split(":")[0] for c in control] == ([] if name.startswith("all") else ["answered"]), text
    assert len(passive) == (1 if fate else 0) and all(p.startswith(fate) for p in passive), text
    assert re.search(words, text), text
    assert all(net.CLIENT_OUTER in line for line in lines if " -> " in line), text
    assert world.server.feed(["nft", "list", "ruleset"], "") == rules


def test_watch_ends_by_itself_and_prints_json(place):
    world, server = place()
    with world.server:
        process = subprocess.Popen([FERRYD, "check", "--watch", "--json", "--seconds", "1", *config(server)],
                                   stdout=subprocess.PIPE, text=True)
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    last = json.loads(out.splitlines()[-1])
    assert last["control"] == last["passive"] == 0 and last["codes"] == "P11 H12", out


def test_watch_sees_ipv6(place):
    world, server = place(own="tcp dport 21 ct state new accept")
    with watching(world, server) as lines:
        call(world, 21, net.SERVER_6)
        call(world, 50999, net.SERVER_6)
    text = "\n".join(lines)
    assert re.search(r"\[2001:db8:1::2\]:\d+ -> control port 21: answered", text), text
    assert re.search(r"\[2001:db8:1::2\]:\d+ -> passive port 50999: no answer", text), text
