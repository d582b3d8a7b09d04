"""Recording which files of a folder are opened, and which connections an address gets."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path

from watchdog.events import FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

PATIENCE_SECONDS = 20
SENTINEL = "sentinel.wav"
"""Not reported as a foreign file in an inbox: it could be a recording that a job names."""


class Witness(FileSystemEventHandler):
    """A context manager. The kernel reports events in order, so `seen` misses none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: queue.Queue[str] = queue.Queue()
        self._observer = Observer()
        self._observer.schedule(self, str(folder), event_filter=[FileOpenedEvent])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._answer, daemon=True)

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._opened.put(Path(str(event.src_path)).name)

    def __enter__(self) -> Witness:
        self._observer.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._observer.stop()
        self._observer.join()

    def _answer(self) -> None:
        """Close every connection at once; only the attempt counts."""
        while True:
            try:
                connection, (_, port) = self._listener.accept()
            except OSError:
                return
            connection.close()
            self._opened.put(f"network:{port}")

    def seen(self) -> set[str]:
        """The names of the opened files, and "network:PORT" for each connection, since the last call."""
        (self._folder / SENTINEL).write_bytes(b"")
        with socket.create_connection(self._listener.getsockname()) as ours:
            last = {SENTINEL, f"network:{ours.getsockname()[1]}"}  # all earlier events come before these
        found: set[str] = set()
        while not last <= found:
            found.add(self._opened.get(timeout=PATIENCE_SECONDS))
        return found - last
