"""Watches the inbox. Events only trigger a scan; the folder's listing is authoritative."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver


class Watcher(FileSystemEventHandler):
    """Calls `wake` when something changes in a folder. A missed event delays a job, but never loses it."""

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        self._folder = folder
        self._wake = wake
        self._observer: BaseObserver | None = None
        self._inode: int | None = None
        self._changed = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Trigger a scan if a file may have arrived. Reads and removals are ignored: every claim causes them."""
        if event.event_type in ("created", "moved", "modified", "closed") and not event.is_directory:
            self._changed.set()
            self._wake()

    def changed(self) -> bool:
        """Whether something has changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def refresh(self) -> None:
        """Watch the folder again if it was recreated, which silently ends the watch."""
        inode = _inode(self._folder)
        if inode == self._inode:
            return
        self.close()
        if inode is not None:
            with contextlib.suppress(OSError):  # no inotify watches left: the periodic scan still finds every job
                self._observer = Observer()
                self._observer.schedule(self, str(self._folder))
                self._observer.start()
            self._inode = inode

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None and self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        self._observer, self._inode = None, None


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None
