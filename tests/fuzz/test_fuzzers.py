"""Each fuzzer for a short time over its kept corpus. ./dev fuzz runs them for long."""
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).parent.parent.parent
SECONDS = 3


def fuzzers():
    return sorted(p for p in (TOP / "build-fuzz/tests/fuzz").glob("fuzz_*") if p.is_file() and p.suffix == "")


def test_the_dictionary_has_every_verb():
    verbs = re.findall(r"^VERB\((\w+),", (TOP / "lib/verbs.def").read_text(), re.M)
    words = re.findall(r'^"(\w+)"$', (TOP / "tests/fuzz/session.dict").read_text(), re.M)
    assert len(verbs) > 40 and not set(verbs) - set(words)


def test_there_are_fuzzers_of_whole_programs():
    assert {"fuzz_session", "fuzz_client"} <= {p.name for p in fuzzers()}


@pytest.mark.parametrize("program", fuzzers(), ids=lambda p: p.name)
def test_fuzzer(program, tmp_path):
    subject = program.name.removeprefix("fuzz_")
    corpus = TOP / "tests/fuzz/corpus" / subject
    assert any(corpus.iterdir()), f"no corpus for {subject}"
    command = [program, f"-max_total_time={SECONDS}", "-verbosity=0", f"-artifact_prefix={tmp_path}/"]
    dictionary = TOP / f"tests/fuzz/{subject}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    found = tmp_path / "found"
    found.mkdir()
    run = subprocess.run(command + [found, corpus], capture_output=True, timeout=SECONDS + 120)
    assert run.returncode == 0, run.stderr.decode(errors="replace")[-20000:]


def test_there_are_fuzzers():
    names = {p.name for p in fuzzers()}
    assert {"fuzz_block", "fuzz_line", "fuzz_reply", "fuzz_endpoint", "fuzz_listing", "fuzz_conf", "fuzz_msg"} <= names
