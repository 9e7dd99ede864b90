"""Shared fixtures: where the programs are, a ferryd per test, bounded time for everything."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.server import Ferryd  # noqa: E402

TOP = pathlib.Path(__file__).parent.parent


def pytest_configure(config):
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    # what ferry remembers belongs into the test's own HOME
    os.environ.pop("XDG_STATE_HOME", None)


@pytest.fixture(scope="session")
def build():
    """The plain build: what users run."""
    return TOP / "build"


@pytest.fixture(scope="session", params=["build-asan"])
def sanitized(request):
    """The build with AddressSanitizer and UndefinedBehaviorSanitizer."""
    return TOP / request.param


@pytest.fixture
def ferryd(build, tmp_path_factory):
    """A function that starts servers; all of them are ended, and their logs checked, after the test."""
    started = []

    def start(**kwargs):
        kwargs.setdefault("build", build)
        server = Ferryd(tmp_path_factory.mktemp("ferryd"), **kwargs)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
