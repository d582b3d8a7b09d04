"""Read untrusted files of other users: never through a link, without blocking on a FIFO."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO


def open_untrusted(path: Path) -> BinaryIO:
    """Open a file for reading. Raises OSError for a link."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file, or copy it where linking is not allowed."""
    try:
        os.link(source, target, follow_symlinks=False)
    except PermissionError:
        unfinished = target.with_suffix(".part")
        try:
            _copy(source, unfinished)
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its times. Space is allocated first, so that a copy that does not fit fails at once."""
    with open_untrusted(source) as reader, target.open("wb") as writer:
        info = os.fstat(reader.fileno())
        if info.st_size > 0:
            os.posix_fallocate(writer.fileno(), 0, info.st_size)
        shutil.copyfileobj(reader, writer)
        writer.truncate()
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
