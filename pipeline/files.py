"""Writing to disk so that a crash, a power cut or a full disk leaves the old or the new, never a half."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power cut."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file, durably: its bytes are on disk before its name is. Nothing to do when it was moved before."""
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
