"""Every verb that ferryd knows, and every reply that it may give (RFC 959 5.4, PROTOCOL), has a conversation that
expects exactly that. Which conversation it is, `python3 tests/talk/replies.py` tells."""
import pytest

import replies

TABLE = replies.table()
VERBS = replies.verbs()

# Verb -> the replies that a conversation can bring about. Not here: 421, and what needs a failing disk or a
# lack of memory or ports (451, 452, 552, 425 of PASV; tests/faults and tests/unit have them).
MAY = {
    "USER": "230 331 501 530",
    "PASS": "230 501 503 530",
    "ACCT": "202",
    "CWD": "250 501 530 550",
    "XCWD": "250 501 530 550",
    "CDUP": "250 501 530 550",
    "XCUP": "250 501 530 550",
    "REIN": "220 501",
    "QUIT": "221 501",
    "PORT": "200 500 501 502 504 530 550",
    "EPRT": "200 500 501 502 504 522 530 550",
    "PASV": "227 501 502 530 550",
    "EPSV": "200 229 501 502 522 530 550",
    "TYPE": "200 501 504 530 550",
    "STRU": "200 501 504 530 550",
    "MODE": "200 501 504 530 550",
    "RETR": "150 226 425 426 501 530 550 554",
    "STOR": "150 226 425 426 501 530 550 553 554",
    "STOU": "150 226 425 426 501 503 530 550 553",
    "APPE": "150 226 425 426 501 503 530 550 553",
    "ALLO": "200 501 530 550",
    "REST": "350 501 504 530 550",
    "RNFR": "350 501 530 550",
    "RNTO": "250 501 503 530 550 553",
    "ABOR": "225 226 501 530 550",
    "DELE": "250 501 530 550",
    "RMD": "250 501 530 550",
    "XRMD": "250 501 530 550",
    "MKD": "257 501 530 550",
    "XMKD": "257 501 530 550",
    "PWD": "257 501 530 550",
    "XPWD": "257 501 530 550",
    "LIST": "150 226 425 426 450 501 530 550",
    "NLST": "150 226 425 426 450 501 530 550",
    "MLSD": "150 226 425 426 501 530 550",
    "SITE": "150 200 214 226 425 500 501 504 530 550",
    "SYST": "215 501",
    "STAT": "211 212 213 450 501 530",
    "HELP": "214 501",
    "NOOP": "200 501",
    "FEAT": "211 501",
    "OPTS": "200 501",
    "SIZE": "213 501 530 550",
    "MDTM": "213 501 530 550",
    "MFMT": "213 501 530 550",
    "MLST": "250 501 530 550",
}


@pytest.mark.parametrize("verb", VERBS)
def test_verb(verb):
    assert TABLE[verb], f"no conversation expects a reply with an exact code to {verb}"
    missing = set(MAY.get(verb, "").split()) - set(TABLE[verb])
    assert not missing, f"no conversation expects {sorted(missing)} of {verb}"


def test_the_rows_are_verbs():
    assert len(VERBS) > 40 and not set(MAY) - set(VERBS)


# What the reader of conversations makes of the order of replies.
ORDER = [
    ([(">", "STOR f"), ("<", "150 *"), (">", "NOOP"), ("<", "200 *"), (">", "PWD"), ("<", "226 *"), ("<", "257 *")],
     {("STOR", "150"), ("NOOP", "200"), ("STOR", "226"), ("PWD", "257")}),
    ([(">>", "PW"), (">>", "D\\r\\nSYST\\r\\n"), ("<", "257*"), ("<", "2*")], {("PWD", "257"), ("SYST", "2*")}),
    ([(">", "FEAT"), ("<", "211-*"), ("<", " 226 x"), ("<...", "211 *"), (">", "SYST"), ("<", "215 *")],
     {("FEAT", "211"), ("SYST", "215")}),
    ([("<", "220 *"), (">", "QUIT"), ("<", "221 *")], {("QUIT", "221")}),
]


@pytest.mark.parametrize("steps,pairs", ORDER)
def test_order(steps, pairs):
    conversation = replies.Replies()
    for word, text in steps:
        if word in (">", ">>"):
            conversation.send(replies.unescaped(text) + (b"\r\n" if word == ">" else b""))
        else:
            conversation.expect(text)
    assert conversation.pairs == pairs
