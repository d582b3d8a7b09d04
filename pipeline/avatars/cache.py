"""What was worked out about avatars, kept by content: built once, whoever asks; the least used goes first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from pipeline.errors import DISK_FULL, StageError, is_full

LOCK = ".lock"
"""Never removed: who waits for a lock that is no longer there would not wait for those who come later."""
UNFINISHED = ".part"
SECONDS_PER_DAY = 86_400


class Cache:
    """A folder of files, each made once by whichever process needs it first."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        """`bytes_max`: when there is more, the files that were not used for the longest time are removed."""
        self._folder = folder
        self.bytes_max = bytes_max

    def open(self, name: str, build: Callable[[Path], None]) -> BinaryIO:
        """The file of that name, to be read. Where there is none, `build` writes it; others who ask wait meanwhile.

        Who has opened it keeps it, even if it is removed. Raises StageError when the folder cannot be used.
        """
        path = self._folder / name
        try:
            return _opened(path) or self._locked(path, build)
        except OSError as error:
            message = f"avatars cannot be kept in {self._folder}: {error.strerror or error}"
            code = DISK_FULL if is_full(error) else "cache"
            raise StageError(code, message, hint="it must be writable, and its disk not full") from error

    def forget(self, days: float) -> None:
        """Remove what was not used for so long. Raises OSError."""
        oldest = time.time() - days * SECONDS_PER_DAY
        for info, file in self._files():
            if info.st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _locked(self, path: Path, build: Callable[[Path], None]) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}{LOCK}"):
            return _opened(path) or self._built(path, build)

    def _built(self, path: Path, build: Callable[[Path], None]) -> BinaryIO:
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            build(unfinished)
            file = unfinished.open("rb")
            os.fsync(file.fileno())  # or a power cut could leave an empty file under its name
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._clear_up()
        self._evict(path)
        return file

    def _clear_up(self) -> None:
        """Remove what was left by those who were killed while they built: nobody holds its lock."""
        for unfinished in self._folder.glob(f"*{UNFINISHED}"):
            with suppress(Timeout), FileLock(f"{unfinished.with_suffix('')}{LOCK}", blocking=False):
                unfinished.unlink(missing_ok=True)

    def _evict(self, newest: Path) -> None:
        files = sorted(self._files(), key=lambda entry: entry[0].st_mtime_ns)
        total = sum(info.st_size for info, _ in files)
        for info, file in files:
            if total <= self.bytes_max:
                return
            if file != newest:
                file.unlink(missing_ok=True)
                total -= info.st_size

    def _files(self) -> Iterator[tuple[os.stat_result, Path]]:
        """What is finished; others may remove some of it meanwhile."""
        for file in self._folder.iterdir() if self._folder.exists() else ():
            if file.suffix not in (LOCK, UNFINISHED):
                with suppress(FileNotFoundError):
                    yield file.stat(), file


def _opened(path: Path) -> BinaryIO | None:
    """The file if it is there; it is marked as just used."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with suppress(PermissionError):  # another user's, which may be read all the same
        os.utime(file.fileno())
    return file
