"""Files for transfer tests: sizes that hurt and names that hurt."""
import hashlib
import os

GIB = 1 << 30
# A name with blanks, quotes and UTF-8; nothing; one byte; around the buffers; a whole GiB.
SIZES = {
    "empty": 0,
    "one": 1,
    "it's a \"naïve\" 名前.txt": 70_001,
    "buffer": 1 << 18,
    "large.bin": GIB,
}


def make_files(directory, sizes):
    """Random content, sparse beyond 4 MiB (the same sums, less time). Returns the names."""
    for name, size in sizes.items():
        with open(directory / name, "wb") as f:
            f.write(os.urandom(min(size, 4 << 20)))
            if size > 8 << 20:
                f.seek(size - (4 << 20))
                f.write(os.urandom(4 << 20))
    return list(sizes)


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while piece := f.read(1 << 22):
            h.update(piece)
    return h.hexdigest()


def same(a, b):
    return os.path.getsize(a) == os.path.getsize(b) and digest(a) == digest(b)
