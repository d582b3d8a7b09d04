"""Watches the inbox and the requests. Events only trigger a scan; the folders' listings are authoritative."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask

ARRIVALS = (
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
)


class ArrivalsEmitter(InotifyEmitter):
    """Reports only what arrives in a folder or is written there, and reports it at once.

    watchdog's own emitter holds back all events for half a second after a file was moved out, in case it was renamed;
    every claim moves a file out of the inbox.
    """

    def get_event_mask_from_filter(self) -> Mask:
        """Return the events that the kernel reports."""
        return Mask(ARRIVALS)


def observer() -> BaseObserver:
    """A thread that reports what arrives in folders."""
    return BaseObserver(ArrivalsEmitter)


class Watcher(FileSystemEventHandler):
    """Calls `wake` when something arrives in one of the folders. A missed event delays a job, but never loses it."""

    def __init__(self, folders: Sequence[Path], wake: Callable[[], None]) -> None:
        self._folders = folders
        self._wake = wake
        self._observer: BaseObserver | None = None
        self._inodes: list[int | None] = [None] * len(folders)
        self._changed = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Trigger a scan if a file may have arrived."""
        if not event.is_directory:
            self._changed.set()
            self._wake()

    def changed(self) -> bool:
        """Whether something has changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def refresh(self) -> None:
        """Watch the folders again if one was recreated, which silently ends its watch."""
        inodes = [_inode(folder) for folder in self._folders]
        if inodes == self._inodes:
            return
        self.close()
        with contextlib.suppress(OSError):  # no inotify watches left: the periodic scan still finds every job
            self._observer = observer()
            for folder, inode in zip(self._folders, inodes, strict=True):
                if inode is not None:
                    self._observer.schedule(self, str(folder))
            self._observer.start()
        self._inodes = inodes

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join()
        self._observer, self._inodes = None, [None] * len(self._folders)


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None
