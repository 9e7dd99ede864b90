"""Every test program of the plain and of the sanitized build, one case each."""
import json
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).parent.parent.parent


def programs():
    for build in ("build", "build-asan"):
        listing = subprocess.run(["meson", "introspect", "--tests", build], cwd=TOP, check=True,
                                 capture_output=True, text=True)
        for test in json.loads(listing.stdout):
            yield pytest.param(build, test, id=f"{build}-{test['name'].replace(' ', '-')}")


@pytest.mark.parametrize("build,test", programs())
def test_program(build, test):
    env = dict(os.environ, **test["env"])
    run = subprocess.run(test["cmd"], cwd=test["workdir"] or TOP / build, env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=test["timeout"] * 2)
    text = run.stdout.decode(errors="replace")
    if run.returncode == 77:
        pytest.skip(text.strip().splitlines()[-1] if text.strip() else "it says 77 and no reason")
    assert run.returncode == 0, text[-20000:]
