"""A worker's mirror of the spool, and what a node keeps for its workers.

    FOLDER/SPOOL/content/SHA256             files that outlive jobs: avatars, backgrounds, checkpoints
    FOLDER/SPOOL/cache/                     what workers have found out about avatars
    FOLDER/SPOOL/jobs-SESSION/JOB/SHA256    files of jobs, removed when the job ends
    FOLDER/SPOOL/workers/WORKER/            a mirror: links to these, and what its worker writes

A session is the time for which a bridge is connected. A mirror belongs to the process that holds its lock. The next
worker that starts on the node removes the mirrors of processes that died, and the jobs of other sessions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.avatars.library import CACHE_FOLDER
from pipeline.executors.cluster.protocol import MirrorTerms
from pipeline.executors.cluster.transfer.arriving import Arriving
from pipeline.executors.cluster.transfer.cargo import Cargo, Parcel, describe
from pipeline.files import locked, try_lock

WORK = "work"
"""Folder of the spool with those of jobs."""
LOCK = ".lock"
"""Suffix of lock files."""
JOBS = "jobs-"
"""Prefix of the folder with a session's jobs."""
KEPT_SECONDS = 3600.0
"""Content that was used within this time is never evicted: links may lead to it."""


class Mirror:
    """The mirror of this process."""

    def __init__(self, terms: MirrorTerms, worker: str) -> None:
        """Make an empty one, and remove those of processes that died. Raises OSError."""
        self._home = Path(terms.folder).expanduser().absolute() / terms.spool
        self._content = self._home / "content"
        self._bytes_max = terms.bytes_max
        self.folder = self._home / "workers" / f"{worker}-{os.getpid()}"
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.join(terms.session)
        with self._alone():
            self.folder.mkdir(parents=True)
            self._lock = _lock_of(self.folder).open("w")
            try_lock(self._lock)
        for folder in (self._content, self._home / CACHE_FOLDER):
            folder.mkdir(exist_ok=True)
        (self.folder / CACHE_FOLDER).symlink_to(self._home / CACHE_FOLDER)

    def join(self, session: str) -> None:
        """Serve a session, and remove what others have left."""
        self._jobs = self._home / f"{JOBS}{session}"
        with self._alone():
            self._sweep()
            for jobs in set(self._home.glob(f"{JOBS}*")) - {self._jobs}:
                shutil.rmtree(jobs, ignore_errors=True)

    def lacking(self, cargo: Cargo) -> list[Parcel]:
        """The files that the node does not have yet; marks the others as used."""
        wanted = {self._stored(parcel): parcel for parcel in cargo.parcels}
        return [parcel for file, parcel in wanted.items() if not _touched(file)]

    def arriving(self, parcel: Parcel) -> Arriving:
        """Receive a file. Raises OSError."""
        target = self._stored(parcel)
        target.parent.mkdir(parents=True, exist_ok=True)
        return Arriving(target, parcel)

    def arrange(self, cargo: Cargo) -> None:
        """Have what an item needs in the mirror, and nothing of the item before it. Raises OSError."""
        shutil.rmtree(self.folder / WORK, ignore_errors=True)
        self._evict()
        for place in cargo.absent:
            shutil.rmtree(self.folder / place, ignore_errors=True)
        wanted = {self.folder / parcel.place: self._stored(parcel) for parcel in cargo.parcels}
        for folder in (self.folder / place for place in cargo.folders):
            folder.mkdir(parents=True, exist_ok=True)
            for entry in set(folder.iterdir()) - wanted.keys():
                entry.unlink()
        for link, file in wanted.items():
            _link(link, file)

    def described(self, places: Sequence[str], job: str) -> list[Parcel]:
        """Files that a result names. Raises OSError."""
        return [describe(self.folder / place, place, job) for place in places]

    def read(self, place: str, start: int, size: int) -> bytes:
        """A part of a file in the mirror. Raises OSError."""
        with (self.folder / place).open("rb") as file:
            file.seek(start)
            return file.read(size)

    def forget(self, job: str) -> None:
        """Remove the files of a job that has ended, also those that dead workers left."""
        shutil.rmtree(self._jobs / job, ignore_errors=True)
        for mirror in self._home.glob("workers/*"):
            shutil.rmtree(mirror / WORK / job, ignore_errors=True)

    def remove(self) -> None:
        """Remove the mirror, and the files of jobs if it was the last one."""
        with self._alone():
            self._lock.close()
            self._sweep()

    def _stored(self, parcel: Parcel) -> Path:
        folder = self._content if parcel.job is None else self._jobs / parcel.job
        return folder / parcel.digest

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Nothing else makes or removes mirrors within it."""
        return locked(self._home / LOCK)

    def _sweep(self) -> None:
        """Remove mirrors that belong to no process; without any, also the files of jobs."""
        for lock in self._home.glob(f"workers/*{LOCK}"):
            with lock.open("a") as file:
                if try_lock(file):
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()
        if not any(self._home.glob(f"workers/*{LOCK}")):
            for jobs in self._home.glob(f"{JOBS}*"):
                shutil.rmtree(jobs, ignore_errors=True)

    def _evict(self) -> None:
        """Remove the content that was not used for longest, above the limit, and what never arrived completely."""
        kept = sorted(_files(self._content), key=lambda entry: entry[0].st_mtime_ns)
        total, oldest = sum(info.st_size for info, _ in kept), time.time() - KEPT_SECONDS
        for info, file in kept:
            if info.st_mtime < oldest and (total > self._bytes_max or file.name.startswith(".")):
                file.unlink(missing_ok=True)
                total -= info.st_size


def _lock_of(mirror: Path) -> Path:
    return mirror.with_name(mirror.name + LOCK)


def _touched(file: Path) -> bool:
    """Whether a file exists; marks it as used."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True


def _link(link: Path, file: Path) -> None:
    """Have a link to a file. One that leads there already stays: what was read through it is still valid."""
    if link.is_symlink() and link.readlink() == file:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(file)


def _files(folder: Path) -> Iterator[tuple[os.stat_result, Path]]:
    """The files of a folder; other processes may remove some of them at any time."""
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield file.stat(), file
