"""Write files so that a crash, a power cut or a full disk leaves the complete old file or the complete new one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file atomically and durably: it survives a power cut."""
    unfinished = _unfinished(path)
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a whole file atomically but without syncing it: a power cut may undo it."""
    unfinished = _unfinished(path)
    unfinished.write_bytes(data)
    unfinished.rename(path)


def _unfinished(path: Path) -> Path:
    """A temporary name next to `path` that no other writer uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")


def move(source: Path, target: Path) -> None:
    """Rename a file durably: its bytes reach the disk before its new name. Does nothing if it was moved before."""
    if source.exists():
        sync(source)
        source.rename(target)
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a filesystem that cannot sync folders
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file during a block; waits for the lock, and creates a missing file."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(file: IO[str], *, shared: bool = False) -> bool:
    """Try to lock an open file, without waiting. Closing the file or the process's death releases the lock."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
