"""ferry doctor on loopback: sessions, consent and secrets, and servers that no honest network has. What it finds in
networks is in tests/net/test_doctor.py."""
import json
import os
import subprocess

import pytest

from harness.authority import Authority, context
from harness.fake import FakeServer
from harness.server import BAD_WORDS
from harness.terminal import Terminal

SECONDS = 90
BIG = {"big": bytes(range(256)) * 64}
FACTS = [b"type=file;size=16384; big", b"type=file;size=9; small"]


@pytest.fixture
def doctor(sanitized, tmp_path):
    """Runs it with --json: the result, with what was on the screen in addition."""
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def run(server, *args, url=None, password=None):
        command = [sanitized / "ferry" / "ferry", "doctor", "--json", *args, url or f"ftp://127.0.0.1:{server.port}/"]
        done = subprocess.run(command, capture_output=True, env=env, timeout=SECONDS, cwd=tmp_path, text=True,
                              input=password or "")
        assert not [word for word in BAD_WORDS if word in done.stderr], done.stderr
        result = json.loads(done.stdout)
        assert result["exit"] == done.returncode and result["seconds"] < 60
        result["screen"] = done.stderr + done.stdout
        result["codes"] = [finding["code"] for finding in result["findings"]]
        return result

    run.program, run.env = sanitized / "ferry" / "ferry", env
    return run


def verbs(server):
    return [command.split()[0] for command in server.commands]


def test_all_is_well(doctor):
    """Few commands, and nothing is written."""
    with FakeServer(files=BIG, facts=FACTS, features=["EPSV", "MLST type*;size*;"], names=[b"big"]) as server:
        result = doctor(server, "--allow-active")
    assert result["codes"] == [] and result["exit"] == 0
    assert result["passive_works"] and result["active_works"]
    assert [a["mode"] for a in result["attempts"]] == ["EPSV"] * 8 + ["PASV"] * 2 + ["PORT"]
    assert [a["large"] for a in result["attempts"]] == [False] * 9 + [True, False]
    assert verbs(server).count("USER") == 1 and len(server.commands) < 40
    assert not {"STOR", "APPE", "MKD", "DELE", "RMD", "SITE"} & set(verbs(server))


# What a server does or says, and what is found: codes, exit status.
STRANGE = [
    ("garbled", {"replies": {"EPSV": "229 \x1b[31mport\x9b", "PASV": "227 \x1b]0;x\x07"}}, ["P09"], 4),
    ("low port", {"replies": {"EPSV": "229 ok (|||22|)", "PASV": "227 ok (127,0,0,1,0,22)"}}, ["P09"], 4),
    ("full", {"replies": {"EPSV": "425 All of my passive ports (1-2) are taken.", "PASV": "421 No free port"}},
     ["P15", "P23"], 4),
    ("declined", {"replies": {"EPSV": "500 no", "PASV": "502 no"}}, ["P23"], 4),
    ("foreign", {"replies": {"NLST": "425 Rejected data connection from foreign address 172.17.0.1:3."}}, ["H11"], 4),
    ("masked", {"replies": {"SYST": "215 XXXXXXXX XX"}}, ["M03"], 13),
    ("gone", {"replies": {"SYST": None}}, ["C06"], 6),
    ("gone later", {"replies": {"EPSV": None, "PASV": None}}, ["M05"], 4),
    ("other address", {"replies": {"PASV": "227 ok (192,0,2,9,200,200)"}}, ["P20"], None),
    ("gone when asked", {"features": ["FERRY-DIAG"], "replies": {"SITE": None}}, ["C06"], 6),
    ("telling nonsense", {"features": ["FERRY-DIAG"], "replies": {
        "SITE": "200 peer=\x1b[31m:1 local=[::1 range=9-1 mode=EPSV port=99999 result=\x9b ms=-1",
        "NLST": "425 Nobody came."}}, ["P25"], 4),
    ("telling nothing", {"features": ["FERRY-DIAG"], "replies": {"SITE": "550 Switched off."}}, [], 0),
    ("too many", {"greeting": "421 There are too many connected users"}, ["L04"], 10),
    ("SSH", {"greeting": "SSH-2.0-OpenSSH_9.2"}, ["J03"], 9),
    ("no login", {"replies": {"USER": "530 no anonymous"}}, ["C05"], 3),
]


@pytest.mark.parametrize("row", STRANGE, ids=lambda row: row[0].replace(" ", "-"))
def test_strange_servers(doctor, row):
    _, server, codes, status = row
    with FakeServer(**server) as server:
        result = doctor(server)
    assert result["codes"][:len(codes)] == codes, result
    assert status is None or result["exit"] == status, result
    # what a server says steers no terminal
    assert not [c for c in result["screen"] if c in "\x1b\x07\x9b"]
    assert verbs(server).count("USER") <= 2


def test_a_server_that_lies(doctor):
    """Whatever it says it saw: it makes us call nobody, certain of nothing, and ask no more often."""
    def lie(session, arg):
        word = arg.split()[1]
        return {"WHOAMI": "200 peer=203.0.113.9:1 local=203.0.113.10:21", "INFO": "200 range=1-65535 srcport=22",
                "LASTDATA": f"200 mode=PORT to=203.0.113.9:1 result=ETIMEDOUT src=203.0.113.10:{session.server.port}",
                "LASTPORT": "200 received=none", "PROBE": "200 to=203.0.113.9 port=1 result=OK ms=0 src=203.0.113.10:1",
                "BLOB": "550 No."}[word]

    def call_nobody(session, arg):
        if session.told:
            return "425 Failed to establish connection."
        return session.do_NLST(arg)

    with FakeServer(features=["FERRY-DIAG"], replies={"SITE": lie, "NLST": call_nobody}, names=[b"x"]) as server:
        result = doctor(server, "--allow-active")
        asked = [command for command in server.commands if command.startswith("SITE")]
    active = [(f["code"], f["certainty"]) for f in result["findings"] if f["code"][0] == "A"]
    assert active == [("A02", "likely")] and result["passive_works"], result
    assert len(asked) <= 8 and all(command.startswith("SITE FERRY ") for command in asked), asked


def test_large_packets_without_a_file(ferryd, doctor):
    """ferryd sends bytes of no file."""
    result = doctor(ferryd(options={"anon_diagnosis_enable": "YES"}))
    assert result["codes"] == [] and not result["not_tested"][1:], result
    assert [a["outcome"] for a in result["attempts"] if a["large"]] == ["works"], result


def test_a_server_that_never_answers(doctor):
    with FakeServer(hold={"greeting"}) as server:
        result = doctor(server, "-T", "1")
    assert result["codes"] == ["C06"] and result["exit"] == 8, result


def test_a_closed_port(doctor):
    with FakeServer() as server:
        pass
    result = doctor(server)
    assert result["codes"] == ["C03"] and result["exit"] == 2


def test_a_wrong_target(doctor):
    done = subprocess.run([doctor.program, "doctor", "ftp://"], capture_output=True, env=doctor.env, text=True)
    assert done.returncode == 1 and "ferry: doctor: " in done.stderr


# ---------------------------------------------------------------- encryption and secrets

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("server")


def sessions(server):
    """The commands of each session: from the first FEAT or USER to QUIT."""
    all, now = [], []
    for command in server.commands:
        now.append(command)
        if command == "QUIT":
            all.append(now)
            now = []
    return all + ([now] if now else [])


def test_anonymous_is_compared_in_clear(doctor, authority, certificate):
    with FakeServer(tls=context(certificate)) as server:
        result = doctor(server, "--cacert", authority.file)
    assert result["codes"] == [], result
    first, second = sessions(server)
    assert "AUTH TLS" in first and "PROT P" in first
    assert "AUTH TLS" not in second and "USER anonymous" in second
    assert {a["tls"] for a in result["attempts"]} == {True, False}


def test_a_password_never_goes_in_clear_by_itself(doctor, authority, certificate):
    """... nor is it shown. With --allow-plaintext it goes."""
    with FakeServer(tls=context(certificate), replies={"EPSV": "425 no", "PASV": "425 no"}) as server:
        target = f"ftp://anna:geheim@127.0.0.1:{server.port}/"
        result = doctor(server, "--cacert", authority.file, url=target)
        assert sum(c == "PASS geheim" for c in server.commands) == 1 and len(sessions(server)) == 1
        assert any("--allow-plaintext" in text for text in result["not_tested"]) and "geheim" not in result["screen"]
        server.commands.clear()
        result = doctor(server, "--cacert", authority.file, "--allow-plaintext", "-v", url=target)
        assert sum(c == "PASS geheim" for c in server.commands) == 2 and len(sessions(server)) == 2
        assert "geheim" not in result["screen"]


def test_a_trace_of_it(doctor, tmp_path):
    """All that was said, for a ticket; no password."""
    with FakeServer(password="geheim", replies={"EPSV": "425 geheim", "PASV": "425 no"}) as server:
        doctor(server, "--allow-active", "--trace", "seen.txt", url=f"ftp://anna:geheim@127.0.0.1:{server.port}/")
    text = (tmp_path / "seen.txt").read_text()
    assert "USER anna" in text and "-- EPSV" in text and "the SERVER dials you" in text and "geheim" not in text


def test_a_certificate_that_is_not_trusted(doctor, certificate):
    """Whoever is anonymous is examined in clear all the same."""
    with FakeServer(tls=context(certificate)) as server:
        result = doctor(server, "--known-hosts", "none")
        assert result["codes"] == ["T08"] and result["passive_works"], result
        result = doctor(server, "--known-hosts", "none", url=f"ftp://anna:x@127.0.0.1:{server.port}/")
        assert result["codes"] == ["T08"] and result["exit"] == 12 and "USER anna" not in server.commands


def test_one_line_of_a_descriptor_is_enough_for_all_sessions(doctor, authority, certificate):
    with FakeServer(tls=context(certificate), password="geheim") as server:
        result = doctor(server, "--cacert", authority.file, "--allow-plaintext", "--password-fd", "0", "-u", "anna",
                        password="geheim\n")
    assert result["codes"] == [] and len(sessions(server)) == 2, result


# ---------------------------------------------------------------- a person at a terminal

def test_a_person_is_asked_for_consent_and_once_for_the_password(doctor, authority, certificate, tmp_path):
    question = "For the test of active mode the server calls this machine"
    with FakeServer(tls=context(certificate), password="geheim") as server:
        args = ("doctor", "--cacert", authority.file, "--allow-plaintext", "-u", "anna",
                f"ftp://127.0.0.1:{server.port}/")
        with Terminal(doctor.program, *args, cwd=tmp_path) as t:
            t.wait(question)
            t.wait("[y/n] ")
            t.line("y")
            t.wait("Password: ")
            t.line("geheim")
            t.wait("VERDICT: all is well, in passive and in active mode.")
            t.child.wait()
            assert t.child.exitstatus == 0 and t.seen().count("Password:") == 1 and "geheim" not in t.seen()
        assert len(sessions(server)) == 2 and "PORT" in verbs(server)
        server.commands.clear()
        with Terminal(doctor.program, *args, cwd=tmp_path) as t:
            t.wait("[y/n] ")
            t.line("n")
            t.wait("Password: ")
            t.line("geheim")
            t.wait("--allow-active")
            t.child.wait()
        assert "PORT" not in verbs(server) and "EPRT" not in verbs(server)


def test_an_interrupt_ends_it(doctor, tmp_path):
    with FakeServer(hold={"NLST"}) as server, \
            Terminal(doctor.program, "doctor", "--allow-active", f"ftp://127.0.0.1:{server.port}/", cwd=tmp_path) as t:
        server.wait_command("NLST")
        t.type("\x03")
        t.wait("doctor: ")
        t.child.wait()
        assert t.child.exitstatus == 130
