"""Retention: limits the age and total size of the files kept from ended jobs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class _Kept:
    path: Path
    changed_at: float
    bytes: int


def prune(folder: Path, *, days: float, max_bytes: int) -> list[Path]:
    """Remove entries of a folder that are too old, then the oldest until the rest fits. Returns those removed.

    Ages are measured on the wall clock, because they exceed the machine's uptime.
    """
    oldest = time.time() - days * SECONDS_PER_DAY
    room, removed = max_bytes, []
    for kept in sorted(_entries(folder), key=lambda kept: kept.changed_at, reverse=True):
        room -= kept.bytes
        if room < 0 or kept.changed_at < oldest:
            _remove(kept.path)
            removed.append(kept.path)
    return removed


def _entries(folder: Path) -> Iterator[_Kept]:
    for path in folder.iterdir():
        info = path.lstat()
        files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
        yield _Kept(path, info.st_mtime, sum(file.lstat().st_size for file in files))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
