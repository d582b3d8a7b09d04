"""What was worked out about avatars, kept by content: built once, whoever asks; the least used goes first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

LOCK = ".lock"
UNFINISHED = ".part"


class Cache:
    """A folder of files, each made once by whichever process needs it first."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        """`bytes_max`: when there is more, the files that were not used for the longest time are removed."""
        self._folder = folder
        self._bytes_max = bytes_max

    def file(self, name: str, build: Callable[[Path], None]) -> Path:
        """The file of that name. Where there is none, `build` writes it; others who ask wait meanwhile."""
        path = self._folder / name
        if not _used(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}{LOCK}"):
                if not _used(path):
                    self._build(path, build)
        return path

    def _build(self, path: Path, build: Callable[[Path], None]) -> None:
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            build(unfinished)
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._evict(path)

    def _evict(self, newest: Path) -> None:
        """Who still reads a file that is removed here keeps it until he closes it."""
        files = [(file.stat(), file) for file in self._folder.iterdir() if file.suffix not in (LOCK, UNFINISHED)]
        total = sum(info.st_size for info, _ in files)
        for info, file in sorted(files, key=lambda entry: entry[0].st_mtime_ns):
            if total <= self._bytes_max:
                return
            if file != newest:
                file.unlink(missing_ok=True)
                file.with_name(file.name + LOCK).unlink(missing_ok=True)
                total -= info.st_size


def _used(path: Path) -> bool:
    """Whether the file is there; it is marked as just used."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
