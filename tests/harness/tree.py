"""Trees of many files."""
import os


def make_tree(top, files, per_directory=100):
    top.mkdir()
    for i in range(files):
        directory = top / f"d{i // per_directory:03}" / ("deep" if i % 7 == 0 else "")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"file {i:05} é.txt").write_bytes(os.urandom(i % 3000))


def contents(top):
    found = {}
    for path, dirs, files in os.walk(top):
        for name in files:
            full = os.path.join(path, name)
            with open(full, "rb") as f:
                found[os.path.relpath(full, top)] = f.read()
    return found


def trees_equal(a, b):
    return contents(a) == contents(b)
