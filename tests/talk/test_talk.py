"""Conversations as data: see README.md beside this file."""
import pathlib

import pytest

from harness.talk import ClientTalk, ServerTalk

HERE = pathlib.Path(__file__).parent
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
