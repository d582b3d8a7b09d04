"""Cached results of avatar analysis, by content: built once for all processes, evicted least recently used first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline import files
from pipeline.errors import DISK_FULL, StageError, is_full

LOCK = ".lock"
"""Suffix of lock files. They are never removed: a process waiting on a removed lock would not exclude later ones."""
UNFINISHED = ".part"
SECONDS_PER_DAY = 86_400


class Cache:
    """A folder of files, each built once by the first process that needs it."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        """`bytes_max`: above this total, the least recently used files are removed."""
        self._folder = folder
        self.bytes_max = bytes_max

    def open(self, name: str, build: Callable[[Path], None]) -> BinaryIO:
        """Open a cached file for reading. If it is missing, `build` writes it while other processes wait.

        The open file stays readable even if it is evicted. Raises StageError if the folder cannot be used.
        """
        path = self._folder / name
        try:
            return _opened(path) or self._locked(path, build)
        except OSError as error:
            message = f"cannot cache avatars in {self._folder}: {error.strerror or error}"
            code = DISK_FULL if is_full(error) else "cache"
            raise StageError(code, message, hint="make it writable, with space left on its disk") from error

    def remove_unused(self, days: float) -> None:
        """Remove files that have not been used for `days`. Raises OSError."""
        oldest = time.time() - days * SECONDS_PER_DAY
        for info, file in self._files():
            if info.st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _locked(self, path: Path, build: Callable[[Path], None]) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        with files.locked(_lock_of(path)):
            return _opened(path) or self._built(path, build)

    def _built(self, path: Path, build: Callable[[Path], None]) -> BinaryIO:
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            build(unfinished)
            file = unfinished.open("rb")  # before the rename: after it another process may evict the file
            files.move(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._remove_abandoned()
        self._evict(path)
        return file

    def _remove_abandoned(self) -> None:
        """Remove the unfinished files of killed builders: their locks are free."""
        for unfinished in self._folder.glob(f"*{UNFINISHED}"):
            with _lock_of(unfinished.with_suffix("")).open("a") as lock:
                if files.try_lock(lock):
                    unfinished.unlink(missing_ok=True)

    def _evict(self, newest: Path) -> None:
        kept = sorted(self._files(), key=lambda entry: entry[0].st_mtime_ns)
        total = sum(info.st_size for info, _ in kept)
        for info, file in kept:
            if total <= self.bytes_max:
                return
            if file != newest:
                file.unlink(missing_ok=True)
                total -= info.st_size

    def _files(self) -> Iterator[tuple[os.stat_result, Path]]:
        """The finished files; other processes may remove some of them at any time."""
        for file in self._folder.iterdir() if self._folder.exists() else ():
            if file.suffix not in (LOCK, UNFINISHED):
                with suppress(FileNotFoundError):
                    yield file.stat(), file


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + LOCK)


def _opened(path: Path) -> BinaryIO | None:
    """Open the file if it exists, and mark it as just used."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with suppress(PermissionError):  # another user's file can still be read
        os.utime(file.fileno())
    return file
