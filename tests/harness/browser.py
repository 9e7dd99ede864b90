"""A real browser without a screen: opens a file, tells what is on the page and where, takes pictures of it.

Chromium is driven over two pipes (DevTools protocol), so that nothing listens and one start serves many pages."""
import base64
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib

SECONDS = 60

# The protocol is spoken on descriptors 3 and 4.
START = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"


def program():
    return shutil.which("chromium")


def high_pipe():
    """Both ends well above 3 and 4."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in ends)
    for fd in ends:
        os.close(fd)
    return high


def unfilter(kind, line, above, step):
    """One line of a PNG (its section 9), in place."""
    for i in range(len(line)):
        left, up = line[i - step] if i >= step else 0, above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + up - corner
            up = min((left, up, corner), key=lambda v: abs(guess - v))
        line[i] = line[i] + (0, left, up, (left + up) // 2, up)[kind] & 255


def pixels(png):
    """The rows of (red, green, blue) in a PNG as Chromium makes it."""
    at, data, width, step = 8, b"", 0, 0
    while at < len(png):
        size, name = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        body = png[at + 8:at + 8 + size]
        if name == b"IHDR":
            width, step = int.from_bytes(body[:4], "big"), {2: 3, 6: 4}[body[9]]
        elif name == b"IDAT":
            data += body
        at += 12 + size
    data, rows, above = zlib.decompress(data), [], bytearray(width * step)
    for start in range(0, len(data), 1 + width * step):
        line = bytearray(data[start + 1:start + 1 + width * step])
        unfilter(data[start], line, above, step)
        rows.append([tuple(line[i:i + 3]) for i in range(0, len(line), step)])
        above = line
    return rows


class Browser:
    """Use it with `with`. requests: every address that the pages asked for."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="ferry-browser-", ignore_cleanup_errors=True)
        theirs_in, self.out = high_pipe()
        self.inp, theirs_out = high_pipe()
        # Root in a container has no sandbox and little shared memory.
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs_in), str(theirs_out), program(), "--headless", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={self.home.name}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=self.home.name), start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.number, self.events, self.requests = b"", 0, [], []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        os.close(self.out)
        # With all that it started: they write into its directory.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.inp)
        self.home.cleanup()

    def read(self):
        """The next message of the browser."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.inp, selectors.EVENT_READ)
            while b"\0" not in self.buffer:
                assert selector.select(SECONDS), "the browser is silent"
                more = os.read(self.inp, 1 << 20)
                assert more, "the browser is gone"
                self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        self.events.append(message)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.note(answer)

    def open(self, path, width=1280, height=900, dark=False, media="screen"):
        """Shows a file and waits until it is loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events, self.requests = [], []
        self.call("Page.navigate", url=f"file://{path}")
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.note(self.read())

    def ask(self, expression):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, x=0, y=0, width=None, height=None):
        """PNG of the whole page, or of a part of it."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": x, "y": y, "width": width or size["width"], "height": height or size["height"], "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"])

    def paper(self):
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])
