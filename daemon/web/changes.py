"""Wakes coroutines when files of the spool change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from daemon.spool.watcher import observer


class Changes(FileSystemEventHandler):
    """Counts the changes in some folders. Used in one event loop."""

    def __init__(self) -> None:
        self.count = 0
        """Number of changes so far. Read it before looking at files, then wait with `after`."""
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._observer = observer()

    def watch(self, folders: Iterable[Path]) -> None:
        """Start to watch folders; those that do not exist, or that the system cannot watch, are left out."""
        self._observer.start()
        for folder in folders:
            try:
                self._observer.schedule(self, str(folder))
            except OSError:
                continue

    def close(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join()

    async def after(self, count: int, timeout_seconds: float) -> None:
        """Wait until there were more than `count` changes, or for the timeout: not every change is noticed."""
        if self.count > count:
            return
        future = self._loop.create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout_seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(future)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in the observer's thread."""
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self.count += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
