"""Files that clients upload for one job, named after their content; they are removed some time after their use.

Only a file whose name is the hash of its content is ever removed: the gateway wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daemon.spool.claims import JOB_FILE, read_file
from daemon.spool.layout import CLAIMED, JOB
from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.spool.retention import SECONDS_PER_DAY
from daemon.spool.spool import Spool
from daemon.spool.untrusted import open_untrusted
from pipeline.config import RetentionSettings

PREFIX = "upload-"
PORTRAIT_NAME = re.compile(r"upload-[0-9a-f]{32}\Z")
"""The avatar made of an uploaded portrait."""
RECORDING_NAME = re.compile(r"upload-[0-9a-f]{32}\.[a-z0-9]{3,4}\Z")
"""An uploaded recording in the inbox."""
FRESH_SECONDS = 3600
"""A file is kept for at least this time: the job that names it may not have been dropped yet."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Upload:
    path: Path
    """A file, or the folder of an avatar."""
    used_at: float
    """Wall clock."""
    bytes: int


def content_hash(content: BinaryIO) -> str:
    """The SHA-256 of a file that has not been read yet, in hexadecimal. Blocks."""
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    content.seek(0)
    return digest


def content_name(content: BinaryIO) -> str:
    """The name of an upload: a hash of its content. Blocks."""
    return PREFIX + content_hash(content)[:32]


def store_recording(inbox: Path, suffix: str, content: BinaryIO) -> str:
    """Copy an upload into the inbox; returns the file's name. Blocks."""
    target = inbox / (content_name(content) + suffix)
    unfinished = inbox / f".{target.stem}.{secrets.token_hex(4)}.part"
    try:
        with unfinished.open("xb") as file:
            shutil.copyfileobj(content, file)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target.name


def remove_unused(spool: Spool, avatars: Path, retention: RetentionSettings) -> None:
    """Remove uploads that no waiting job names: those that are too old, then the oldest until the rest fits. Blocks.

    Raises OSError if the jobs cannot be listed.
    """
    named = _waiting_jobs(spool)
    for found in (_portraits(avatars), _recordings(spool.inbox)):
        unused = [upload for upload in found if upload.path.name.encode() not in named]
        for path in _expired(unused, retention):
            with contextlib.suppress(OSError):
                _remove(path)


def _waiting_jobs(spool: Spool) -> bytes:
    """All jobs that wait or run, one after the other. The inbox is read first: jobs move from there to the work folder.

    Raises OSError if one of them cannot be read by this user.
    """
    waiting = [_content(path) for path in spool.inbox.iterdir() if JOB_FILE.match(path.name)]
    running = [_content(folder / name) for folder in spool.work.iterdir() for name in (CLAIMED, JOB)]
    return b"\n".join(waiting + running)


def _content(file: Path) -> bytes:
    try:
        return read_file(file)
    except PermissionError:
        raise
    except OSError:  # it has moved, or is not a file
        return b""


def _recordings(inbox: Path) -> Iterator[_Upload]:
    for path in _entries(inbox):
        if RECORDING_NAME.match(path.name) and path.suffix in RECORDING_SUFFIXES:
            with contextlib.suppress(OSError):
                info = path.lstat()
                yield _Upload(path, info.st_mtime, info.st_size)


def _portraits(avatars: Path) -> Iterator[_Upload]:
    for path in _entries(avatars):
        if PORTRAIT_NAME.match(path.name):
            with contextlib.suppress(OSError):
                yield _Upload(path, path.lstat().st_mtime, sum(file.lstat().st_size for file in path.iterdir()))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _expired(uploads: Iterable[_Upload], retention: RetentionSettings) -> Iterator[Path]:
    now, room = time.time(), retention.megabytes << 20
    for upload in sorted(uploads, key=lambda upload: upload.used_at, reverse=True):
        age = now - upload.used_at
        room -= upload.bytes
        if age > FRESH_SECONDS and (room < 0 or age > retention.days * SECONDS_PER_DAY):
            yield upload.path


def _remove(path: Path) -> None:
    """Remove an upload if its name is the hash of its content."""
    file = path
    if path.is_dir() and not path.is_symlink():
        files = list(path.iterdir())
        if len(files) != 1:
            return
        file = files[0]
    if file.is_symlink() or not file.is_file():
        return
    with open_untrusted(file) as content:
        if content_name(content) != path.name.partition(".")[0]:
            return
    file.unlink()
    if path != file:
        path.rmdir()
    log.info("removed %s", os.fspath(path))
