"""./dev bench client: rows come about from end to end, and what did not arrive is never a figure."""
import json
import os
import subprocess
import sys

import pytest

from conftest import TOP

sys.path.insert(0, str(TOP / "bench"))
import client  # noqa: E402
import clients  # noqa: E402


def bench(build, *args):
    return subprocess.run([sys.executable, str(TOP / "bench" / "client.py"), "--build", str(build), "--small",
                           "--json", "--servers", "ferryd", "--clients", "ferry", *args],
                          capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_rows_from_end_to_end(build):
    rows = ["large-get", "tree-20ms-put", "tree-get-tls"]
    done = bench(build, "--rounds", "2", *(word for row in rows for word in ("--only", row)))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["rows"]) == set(rows)
    for row in found["rows"].values():
        figure = row["servers"]["ferryd"]["ferry"]
        assert figure["value"] > 0 and len(figure["rounds"]) == 2
    assert found["rows"]["large-get"]["bare"] > 0


EXPECTED = {"d0/a": (3, "x"), "d0/b": (3, "y")}


@pytest.mark.parametrize("found", [
    {}, {"d0/a": (3, "x")}, {**EXPECTED, "d0/b": (3, "z")}, {**EXPECTED, "d0/b": (2, "y")}, {**EXPECTED, "c": (1, "c")},
])
def test_what_is_not_the_same_is_no_result(found):
    client.compare(dict(EXPECTED), EXPECTED)
    with pytest.raises(client.Wrong):
        client.compare(found, EXPECTED)


def test_contents_are_sizes_and_sums(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"abc")
    size, sum_of_it = client.contents(tmp_path)["d/f"]
    assert size == 3 and sum_of_it.startswith("ba7816bf")
    assert client.contents(tmp_path / "d/f") == {"": (size, sum_of_it)}


def test_every_row_has_ferry_and_another(build):
    for row in client.ROWS:
        able = [name for name in clients.CLIENTS if clients.can(name, row, quick=False)]
        assert "ferry" in able and len(able) > 3, row.name
