"""Read untrusted files of other users: never through a link, without blocking on a FIFO."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

UNLINKABLE = {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Reasons why a file cannot be linked although it may be readable."""

FICLONE = 0x40049409
"""Request number of ioctl: share all blocks of another file. Btrfs, XFS and bcachefs can."""

STEP_BYTES = 8 << 20
"""Copied between two reports of how far a copy has advanced."""


def open_untrusted(path: Path) -> BinaryIO:
    """Open a file for reading. Raises OSError for a link."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file, or copy it where linking is not allowed. Raises OSError."""
    if not link(source, target):
        copy(source, target)


def link(source: Path, target: Path) -> bool:
    """Link a file, or share its blocks with a new one: at once, however large it is.

    Returns False where only copying helps. Raises OSError.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in UNLINKABLE:
            raise
        return _written(source, target, _share_blocks)
    return True


def copy(source: Path, target: Path, advanced: Callable[[float], None] = lambda share: None) -> None:
    """Copy a file as it is now, with its times. Raises OSError.

    `advanced` gets the share that is copied, from 0 to 1, again and again; what it raises ends the copy.
    """
    _written(source, target, lambda reader, writer: _copy_blocks(reader, writer, advanced))


def _written(source: Path, target: Path, write: Callable[[BinaryIO, BinaryIO], bool]) -> bool:
    """Let `write` fill a file that becomes the target if it returns True."""
    unfinished = target.with_suffix(".part")
    try:
        with open_untrusted(source) as reader, unfinished.open("wb") as writer:
            info = os.fstat(reader.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            is_written = write(reader, writer)
        if is_written:
            os.utime(unfinished, ns=(info.st_atime_ns, info.st_mtime_ns))
            unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return is_written


def _share_blocks(reader: BinaryIO, writer: BinaryIO) -> bool:
    try:
        fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
    except OSError:  # not on this filesystem, or not between these
        return False
    return True


def _copy_blocks(reader: BinaryIO, writer: BinaryIO, advanced: Callable[[float], None]) -> bool:
    """Space is allocated first, so that a copy that does not fit fails at once. What is appended later is left out."""
    size = os.fstat(reader.fileno()).st_size
    if size > 0:
        os.posix_fallocate(writer.fileno(), 0, size)
    copied = 0
    while block := reader.read(min(STEP_BYTES, size - copied)):
        writer.write(block)
        copied += len(block)
        advanced(copied / size)
    writer.truncate(copied)
    return True
