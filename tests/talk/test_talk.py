"""Conversations as data: see README.md beside this file."""
import pathlib
import re

import pytest

from harness.talk import ClientTalk, ServerTalk

HERE = pathlib.Path(__file__).parent
TOP = HERE.parent.parent
SERVER = sorted((HERE / "server").glob("*.talk"))
CLIENT = sorted((HERE / "client").glob("*.talk"))


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", SERVER, ids=lambda p: p.stem)
def test_server(path, slowly, ferryd, sanitized):
    talk = ServerTalk(path, slowly)
    server = ferryd(build=sanitized, tree=talk.prepare, **talk.options())
    talk.play(server)


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", CLIENT, ids=lambda p: p.stem)
def test_client(path, slowly, sanitized, tmp_path):
    ClientTalk(path, sanitized / "ferry" / "ferry", tmp_path, slowly).play()


def test_every_verb_has_a_conversation():
    verbs = re.findall(r"^VERB\((\w+),", (TOP / "lib/verbs.def").read_text(), re.M)
    spoken = "\n".join(p.read_text(encoding="utf-8").upper() for p in SERVER)
    missing = [v for v in verbs if not re.search(rf"^\s*>>? ?{v}\b", spoken, re.M)]
    assert len(verbs) > 40 and not missing, missing
