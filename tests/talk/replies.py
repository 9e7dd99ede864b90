"""Which replies the conversations with ferryd ask for: pairs of verb and code, read out of the .talk files.
`python3 tests/talk/replies.py` prints them as a table."""
import collections
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from harness.talk import steps, unescaped  # noqa: E402

AT_ONCE = {"NOOP": "200", "STAT": "211"}  # answered while a transfer runs and nothing waits before them
IN_DATA = {"EPSV": "229", "PASV": "227", "PORT": "200", "EPRT": "200"}


class Replies:
    """What one conversation expects, in order: the first command that waits gets the next final reply."""

    def __init__(self):
        self.pairs = set()
        self.waiting = []
        self.begun = False  # the first of them has got its 1xx
        self.inside = None  # code of a reply of several lines
        self.typed = b""

    def send(self, data):
        self.typed += data
        *lines, self.typed = self.typed.split(b"\r\n")
        for line in lines:
            word = re.sub(rb"\xff[\xf0-\xff]", b"", line).split(b" ")[0]
            self.waiting.append(word.decode("latin-1").upper())

    def take(self, code):
        at = 0
        if self.begun and len(self.waiting) > 1 and AT_ONCE.get(self.waiting[1]) == code:
            at = 1
        self.pairs.add((self.waiting[at], code))
        if code.startswith("1"):
            self.begun = True
        else:
            self.waiting.pop(at)
            self.begun = self.begun and at == 1

    def expect(self, pattern):
        """One step that reads. A pattern without an exact code answers a command and proves nothing."""
        match = re.match(r"([0-9*]{1,3})([ -])?", pattern)
        if not self.waiting or not match or pattern.startswith(" "):
            return
        code, last = match.groups()
        if last == "-":
            self.inside = code
        elif self.inside in (None, code):
            self.inside = None
            self.take(code)


def conversation(path):
    replies = Replies()
    for _, word, rest in steps(path):
        if word == ">":
            replies.send(unescaped(rest) + b"\r\n")
        elif word in (">>", "urgent"):
            replies.send(unescaped(rest))
        elif word in ("<", "<..."):
            replies.expect(rest)
        elif word == "open":
            replies.pairs.add((rest, IN_DATA[rest]))
    return replies.pairs


def table():
    """Verb -> its codes, each with the conversations that expect it."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sorted((HERE / "server").glob("*.talk")):
        for verb, code in conversation(path):
            if re.fullmatch(r"[1-5]\d\d", code):
                found[verb][code].append(path.stem)
    return found


def verbs():
    return re.findall(r"^VERB\((\w+),", (HERE.parent.parent / "lib/verbs.def").read_text(), re.M)


if __name__ == "__main__":
    found = table()
    for verb in verbs():
        print(verb, *(f"{code}({found[verb][code][0]})" for code in sorted(found[verb])))
