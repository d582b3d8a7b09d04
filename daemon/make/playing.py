"""The player of `make --play`: shows the video in a browser while it renders."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

from daemon.make.request import NAME
from daemon.outputs import player_server
from daemon.spool.spool import Spool


class Player:
    """Serves the job's stream as soon as there is one."""

    def __init__(self, spool: Spool, say: Callable[[str], None]) -> None:
        """`say` shows a line to the user."""
        self._spool = spool
        self._say = say
        self._server: ThreadingHTTPServer | None = None

    def open(self) -> None:
        """Open the player once there is something to play."""
        folder = self._spool.stream(NAME) if self._server is None else None
        if folder is None:
            return
        self._server = player_server.serve(folder, 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = player_server.address(self._server)
        self._say(f"playing at {address}")
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):  # otherwise it would take the terminal
            webbrowser.open(address)

    @contextlib.contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """Serve after a block, until Ctrl-C."""
        with contextlib.suppress(KeyboardInterrupt):
            yield
            self._say("Ctrl-C ends the player")
            while True:
                time.sleep(3600)
