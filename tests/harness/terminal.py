"""ferry at a terminal: what a person types, and what the screen shows."""
import io
import os
import re
import termios

import pexpect

from .server import BAD_WORDS, wait_until

SECONDS = 20
PROMPT = "ftp> "


class Terminal:
    """One run of ferry. Everything that reached the screen is in seen()."""

    def __init__(self, ferry, *args, cwd, home=None, env=None, width=200):
        environment = {"HOME": str(home or cwd), "PATH": os.environ["PATH"], "TERM": "dumb",
                       "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"}
        environment.update(env or {})
        self.screen = io.BytesIO()
        self.child = pexpect.spawn(str(ferry), [str(a) for a in args], cwd=str(cwd), timeout=SECONDS,
                                   env=environment, dimensions=(24, width))
        # Nobody types that fast; ferry asks for the password with its echo off before it asks.
        self.child.delaybeforesend = None
        self.child.logfile_read = self.screen

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.child.close(force=True)
        if exception[0] is None:
            bad = [w for w in BAD_WORDS if w in self.seen()]
            assert not bad, f"{bad} on the screen:\n{self.seen()}"

    @property
    def pid(self):
        return self.child.pid

    def raw(self):
        return self.screen.getvalue()

    def seen(self):
        return self.raw().decode(errors="backslashreplace")

    def wait(self, text):
        """Waits for this text (or compiled expression); returns what stood before it."""
        pattern = text.pattern if isinstance(text, re.Pattern) else re.escape(text)
        try:
            self.child.expect(pattern.encode())
        except pexpect.ExceptionPexpect as e:
            raise AssertionError(f"no {text!r}; the screen:\n{self.seen()}") from e
        return self.child.before.decode(errors="backslashreplace").replace("\r\n", "\n")

    def prompt(self):
        """Waits for the prompt at the begin of a line; returns what stood before it."""
        return self.wait("\r\n" + PROMPT) + "\n"

    def type(self, text):
        self.child.send(text)

    def keys(self, keys):
        """Keys for the line editor: it turns the terminal over to itself only after it has shown the prompt."""
        wait_until(lambda: not termios.tcgetattr(self.child.child_fd)[3] & termios.ICANON, "no line editor")
        self.type(keys)

    def line(self, text):
        self.type(text + "\n")

    def do(self, command):
        """A command at the prompt; returns what it printed."""
        self.line(command)
        self.wait(command.encode().decode(errors="backslashreplace") + "\r\n")
        # Nothing printed: the prompt follows the echoed line end at once.
        return self.wait(re.compile("(?:^|\r\n)" + re.escape(PROMPT))) + "\n"

    def press_until_prompt(self, key):
        """A key again and again, as long as there is no prompt; returns what was shown."""
        for _ in range(100):
            self.type(key)
            if self.child.expect([re.escape("\r\n" + PROMPT).encode(), pexpect.TIMEOUT], timeout=0.2) == 0:
                return self.child.before.decode(errors="backslashreplace")
        raise AssertionError(f"no prompt; the screen:\n{self.seen()}")

    def login(self, user="anonymous", password="me@"):
        self.wait(re.compile(r"Name \(.*?\): "))
        self.line(user)
        self.wait("Password: ")
        self.line(password)
        return self.prompt()

    def end(self):
        """Waits until ferry has ended; returns its exit status (or minus the signal)."""
        try:
            self.child.expect(pexpect.EOF)
        except pexpect.ExceptionPexpect as e:
            raise AssertionError(f"ferry does not end; the screen:\n{self.seen()}") from e
        self.child.close()
        if self.child.exitstatus is None:
            return -self.child.signalstatus
        return self.child.exitstatus
