"""The documents name what there is, and nothing that is not: options, commands of the prompt, files."""
import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parent.parent.parent
DOCUMENTS = ["ARCHITECTURE.md", "README.md", "HACKING.md"]
NOT_OURS = {".git", "build", "build-asan", "build-fuzz", ".dev"}
# What an example says, and no file of ours.
EXAMPLES = {"vsftpd.conf"}


def text_of(name):
    return (TOP / name).read_text(encoding="utf-8")


def marked(page, macro):
    """The words that stand behind an mdoc macro (Fl, Ic) in a manual page."""
    words = set()
    for line in text_of(page).splitlines():
        if not line.startswith("."):
            continue
        active = False
        for token in line[1:].split():
            if re.fullmatch(r"[A-Z][a-z]", token):
                active = token == macro
            elif active:
                words.add(token.replace("\\&", ""))
    return words


def missing(wanted, page, macro):
    there = marked(page, macro)
    return sorted(w for w in wanted if w not in there)


def test_ferry_1_names_every_option():
    rows = re.findall(r"^    \{(?:'(.)'|0), \"([\w-]+)\",", text_of("ferry/options.c"), re.M)
    letters = [letter for letter, _ in rows if letter]
    assert len(rows) > 25
    assert not missing(letters + ["-" + name for _, name in rows], "man/ferry.1", "Fl")


def test_ferry_1_names_every_verdict():
    rows = re.findall(r"^VERDICT\((\w+), \w+, \"(.*)\"\)", text_of("ferry/verdict.def"), re.M)
    page = text_of("man/ferry.1")
    assert len(rows) > 40
    assert not [code for code, headline in rows if f".It Li {code}\n{headline[0].upper()}{headline[1:]}.\n" not in page]


def test_ferry_1_names_every_command():
    rows = re.findall(r"^COMMAND\((\S+),", text_of("ferry/commands.def"), re.M)
    assert len(rows) > 60
    assert not missing(rows, "man/ferry.1", "Ic")


def test_ferryd_8_names_every_option():
    rows = re.findall(r"^    \{\{\"([\w-]+)\",", text_of("ferryd/master/cmdline.c"), re.M)
    assert len(rows) > 10
    assert not missing(["-" + name for name in rows], "man/ferryd.8", "Fl")


def test_ferry_trace_5_names_every_event_and_member():
    source = text_of("ferry/record_json.c")
    names = re.findall(r"^EVENT\(\w+, \"([\w-]+)\"\)", text_of("ferry/event.def"), re.M)
    names += re.findall(r"\[RECORD_\w+\] = \"([\w-]+)\"", source)
    members = re.findall(r"^    \{\"(\w+)\", MEMBER_", source, re.M)
    assert len(names) > 20 and len(members) > 15
    assert not missing(names + members, "man/ferry-trace.5", "Cm")


def test_libferry_3_names_every_callback():
    names = re.findall(r"^FERRY_API void (ferry_on_\w+)\(", text_of("include/ferry/ferry.h"), re.M)
    assert len(names) > 1
    assert not missing(names, "man/libferry.3", "Fn")


def files_of(top):
    for path in top.iterdir():
        if path.name in NOT_OURS:
            continue
        yield path.relative_to(TOP).as_posix()
        if path.is_dir():
            yield from files_of(path)


def names_a_file(word):
    """`lib/ascii.c`, `jail.c`, `ferryd/wire/`, `cmd_*.c`: with a folder or an ending that sources have."""
    if word in EXAMPLES or not re.fullmatch(r"[\w./*-]+", word):
        return False
    return "/" in word.strip("./") or word.endswith(("/", ".c", ".h", ".def", ".py", ".md", ".sh"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document):
    text = text_of(document)
    words = set(re.findall(r"`([^`\s]+)`", text)) | set(re.findall(r"\]\(([^)#:\s]+)\)", text))
    words |= set(re.findall(r"^([\w./-]+/) {2,}", text, re.M))  # the layout
    named = {w for w in words if names_a_file(w)}
    ours = ["/" + f for f in files_of(TOP)]
    lost = []
    for word in sorted(named):
        wanted = re.escape("/" + word.removeprefix("./").strip("/")).replace(r"\*", "[^/]*")
        if not any(re.search(wanted + "$", f) for f in ours):
            lost.append(word)
    assert len(named) > 2 and not lost, f"{document} names what is not there: {lost}"
