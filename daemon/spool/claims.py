"""Claims: list the inbox, and move a job from there into its work folder."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.spool.layout import CLAIMED, JOB, JOB_SUFFIX, TIMING, Layout
from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.spool.untrusted import open_untrusted
from pipeline.files import write_file
from pipeline.job_file import JOB_MAX_BYTES, JOB_NAME

PLACEHOLDER = ".gitkeep"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dropped:
    """A job file seen in the inbox."""

    name: str
    path: str
    bytes: int
    changed_at: float
    """Modification time, seconds since the epoch."""


class Claims(Layout):
    """Moves jobs from `inbox/NAME.json` to `work/NAME/job.json`."""

    def scan(self) -> tuple[list[Dropped], list[str]]:
        """The job files in the inbox, oldest first, and the names of all entries that are not jobs or recordings."""
        jobs, foreign = [], []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.inbox) as entries:
            for entry in entries:
                dropped = _dropped(entry)
                if dropped is not None:
                    jobs.append(dropped)
                elif Path(entry.name).suffix.lower() not in RECORDING_SUFFIXES and entry.name != PLACEHOLDER:
                    foreign.append(entry.name)
        return sorted(jobs, key=lambda job: (job.changed_at, job.name)), foreign

    def claim(self, name: str) -> bool:
        """Take a job out of the inbox; False on failure. Later changes by its writer have no effect."""
        folder = self.folder(name)
        try:
            self.create()
            folder.mkdir(mode=0o750)
        except OSError as error:
            log.warning("job %s: cannot be claimed yet: %s", name, error.strerror)
            return False
        try:
            self.dropped_file(name).rename(folder / CLAIMED)
        except OSError as error:
            folder.rmdir()
            if not isinstance(error, FileNotFoundError):
                log.warning("inbox: %s%s cannot be claimed: %s", name, JOB_SUFFIX, error.strerror)
            return False
        return self._snapshot(folder)

    def _snapshot(self, folder: Path) -> bool:
        """Copy the claimed file, since its writer may still have it open. Returns False on failure.

        An unreadable file is quarantined. If the copy cannot be written, e.g. on a full disk, the file goes back to the
        inbox.
        """
        claimed = folder / CLAIMED
        try:
            data, changed_ns = read_file(claimed), claimed.lstat().st_mtime_ns
        except OSError as error:
            log.warning("job %s: cannot be read; moved to failed/: %s", folder.name, error.strerror)
            self._quarantine(folder)
            return False
        try:
            write_file(folder / JOB, data)
        except OSError as error:
            log.warning("job %s: cannot be claimed yet: %s", folder.name, error.strerror)
            self._put_back(folder)
            return False
        os.utime(folder / JOB, ns=(changed_ns, changed_ns))
        claimed.unlink()
        return True

    def _put_back(self, folder: Path) -> None:
        """Undo a claim. If the inbox already has a new file of that name, quarantine the claimed one."""
        place = self.dropped_file(folder.name)
        if os.path.lexists(place):
            self._quarantine(folder)
        else:
            (folder / CLAIMED).rename(place)
            shutil.rmtree(folder)

    def _quarantine(self, folder: Path) -> None:
        """Move a claimed file to `failed/`, under an unused name."""
        kept = self.failed / f"{folder.name}.{time.time_ns()}"
        (folder / JOB).unlink(missing_ok=True)
        folder.rename(kept)

    def recover(self) -> list[str]:
        """Clean up `work/` after a previous daemon; return the names of the jobs in flight."""
        folders = [entry for entry in sorted(self.work.iterdir()) if entry.is_dir() and JOB_NAME.match(entry.name)]
        return [folder.name for folder in folders if self._recovered(folder)]

    def _recovered(self, folder: Path) -> bool:
        if (folder / TIMING).exists():
            return True
        if os.path.lexists(folder / CLAIMED) and not self._snapshot(folder):
            return False
        if not (folder / JOB).exists():
            shutil.rmtree(folder)
            return False
        return True

    def submitted_at(self, name: str) -> float:
        """When the file of a job in flight was written, seconds since the epoch."""
        return (self.folder(name) / JOB).stat().st_mtime

    def job_bytes(self, name: str) -> bytes:
        """The file of a job in flight."""
        return (self.folder(name) / JOB).read_bytes()

    def is_under_way(self, name: str) -> bool:
        """Whether a job is waiting or running.

        Checks in the order of the job's moves: its folder in `work/` exists before its file leaves the inbox.
        """
        places = (self.dropped_file(name), self.folder(name))
        return JOB_NAME.match(name) is not None and any(place.exists() for place in places)

    def under_way(self) -> set[str]:
        """The names of all jobs that wait or run, in the same order."""
        return {*_names(self.inbox, JOB_SUFFIX), *_names(self.work, "")}


def _names(folder: Path, suffix: str) -> list[str]:
    """The names of the jobs that have an entry in a folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name.removesuffix(suffix) for entry in entries if entry.name.endswith(suffix)]
    except FileNotFoundError:
        return []
    return [name for name in names if JOB_NAME.match(name)]


def _dropped(entry: os.DirEntry[str]) -> Dropped | None:
    """The entry as a job file; None unless it is a regular file with a valid name."""
    name = entry.name.removesuffix(JOB_SUFFIX)
    if name == entry.name or JOB_NAME.match(name) is None:
        return None
    try:
        info = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(info.st_mode):
        return None
    return Dropped(name, entry.path, info.st_size, info.st_mtime)


def read_file(path: Path) -> bytes:
    """Read an untrusted job file: never through a link, without blocking, at most one byte over the size limit."""
    with open_untrusted(path) as file:
        return file.read(JOB_MAX_BYTES + 1)
