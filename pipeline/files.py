"""Writing files so that a crash, power cut or full disk leaves either the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_file(path: Path, data: bytes) -> None:
    """Write a file atomically and durably: it survives a power cut."""
    unfinished = _unfinished(path)
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file atomically but without syncing it: a power cut may undo it. `mode`: None leaves it to the umask."""
    unfinished = _unfinished(path)
    unfinished.write_bytes(data)
    if mode is not None:
        unfinished.chmod(mode)
    unfinished.rename(path)


def _unfinished(path: Path) -> Path:
    """A unique temporary name in the same folder."""
    return path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")


def move(source: Path, target: Path) -> None:
    """Rename a file durably: its bytes reach the disk before its new name. Does nothing if it was already moved."""
    if source.exists():
        sync(source)
        source.rename(target)
        sync(target.parent)


def sync(path: Path) -> None:
    """Flush a file's contents, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the filesystem cannot sync folders
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file during a block; wait for the lock, and create the file if it is missing."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(file: IO[str], *, shared: bool = False) -> bool:
    """Try to lock an open file without waiting. Closing the file, or the death of the process, releases the lock."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def visible_files(folder: Path) -> list[str]:
    """The names of the files in a folder that are not hidden, sorted. A missing or unreadable folder has none."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return []
    # os.path.isfile: Path.is_file raises PermissionError inside unreadable folders.
    shown = (entry.name for entry in entries if os.path.isfile(entry))  # noqa: PTH113
    return sorted(unicodedata.normalize("NFC", name) for name in shown if not name.startswith("."))


def as_spelt(folder: Path, name: str) -> Path:
    """The entry of a folder with a name, however its accented letters are composed: macOS decomposes them, most
    editors do not.

    If there is none, the path that it would have.
    """
    path = folder / name
    if name.isascii() or os.path.lexists(path):
        return path
    composed = unicodedata.normalize("NFC", name)
    with contextlib.suppress(OSError):
        return next((entry for entry in folder.iterdir() if unicodedata.normalize("NFC", entry.name) == composed), path)
    return path
