"""A headless Chromium driven over a pipe (Chrome DevTools Protocol) without a library."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--hide-scrollbars", "--no-first-run"),
    # Without them every window renders two hidden pages for its address bar, which costs most of a short test.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,MediaRouter,OptimizationHints,HttpsUpgrades",
)
ANSWER_SECONDS = 60


def _pipe() -> tuple[int, int]:
    """A pipe with descriptors from 10 on, since the browser uses 3 and 4."""
    low = os.pipe()
    high = fcntl.fcntl(low[0], fcntl.F_DUPFD_CLOEXEC, 10), fcntl.fcntl(low[1], fcntl.F_DUPFD_CLOEXEC, 10)
    for descriptor in low:
        os.close(descriptor)
    return high


class Refused(Exception):
    """The browser cannot run the command now."""


class Browser:
    """One page in its own browser process."""

    def __init__(self, profile: Path, size: tuple[int, int] = (900, 960)) -> None:
        assert CHROMIUM is not None
        (browser_in, self._out), (self._in, browser_out) = _pipe(), _pipe()
        options = (*OPTIONS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}")
        autoplay = "--autoplay-policy=no-user-gesture-required"
        # The browser reads from descriptor 3 and writes to 4.
        script = f'exec "$0" "$@" 3<&{browser_in} 4>&{browser_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, CHROMIUM, *options, autoplay, "--remote-debugging-pipe", "about:blank"],
            pass_fds=(browser_in, browser_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_in)
        os.close(browser_out)
        self._buffer = b""
        self._number = 0
        self.errors: list[str] = []
        """Errors that the page wrote to its console."""
        self.requests: list[str] = []
        """URLs that the page requested."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method on the page."""
        return self._ask(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Evaluate a JavaScript expression on the page; None if there is no page yet."""
        try:
            answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        except Refused:  # while it loads another page
            return None
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write a picture of the page as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        os.write(self._out, json.dumps(question | ({"sessionId": session} if session else {})).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while (message := self._receive(deadline)).get("id") != self._number:
            self._note(message)
        if "result" not in message:
            raise Refused(message)
        result: dict[str, Any] = message["result"]
        return result

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            block = os.read(self._in, 1 << 16) if ready else b""
            assert block, "no answer from the browser"
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] == "error":
                self.errors.append(json.dumps(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._in)
        os.close(self._out)
