"""Claims: list the inbox, and move a job from there into its work folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.spool.layout import CLAIMED, DROPPED_AS, JOB, JOB_SUFFIX, TIMING, Layout
from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.spool.untrusted import open_untrusted
from pipeline.files import write_file
from pipeline.job_file import JOB_MAX_BYTES, JOB_NAME
from pipeline.job_names import distinct_name, legal_name

PLACEHOLDER = ".gitkeep"

JOB_FILE = re.compile(r"(?![.]|~[$])(.*)\.json(\.txt)?[ .]*\Z", re.IGNORECASE | re.DOTALL)
"""Names of job files as people make them; Windows hides a `.txt` at the end. Names that begin with a dot or `~$` are
scratch files of programs that are still writing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dropped:
    """A job file seen in the inbox."""

    name: str
    """The job's."""
    file: str
    """The file's: `NAME.json`, or another one from which the job's name is made."""
    path: str
    bytes: int
    changed_at: float
    """Modification time, seconds since the epoch."""


class Claims(Layout):
    """Moves jobs from `inbox/NAME.json` to `work/NAME/job.json`."""

    def scan(self) -> tuple[list[Dropped], list[str]]:
        """The job files in the inbox, oldest first, and the names of all entries that are not jobs or recordings."""
        found, foreign = [], []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.inbox) as entries:
            for entry in entries:
                info = _job_file_info(entry)
                if info is not None:
                    found.append((entry, info))
                elif Path(entry.name).suffix.lower() not in RECORDING_SUFFIXES and entry.name != PLACEHOLDER:
                    foreign.append(entry.name)
        names = self._job_names([entry.name for entry, _ in found])
        jobs = [
            Dropped(names[entry.name], entry.name, entry.path, info.st_size, info.st_mtime) for entry, info in found
        ]
        return sorted(jobs, key=lambda job: (job.changed_at, job.name)), foreign

    def _job_names(self, files: list[str]) -> dict[str, str]:
        """The job's name for each of the job files in the inbox. No two are the same."""
        names = {file: file.removesuffix(JOB_SUFFIX) for file in files if _is_plain(file)}
        taken = set(names.values())
        for file in sorted(set(files) - names.keys()):
            name = legal_name(_title(file))
            if name in taken or self._is_of_another_file(name, file):
                name = distinct_name(_title(file))
            names[file] = name
            taken.add(name)
        return names

    def _is_of_another_file(self, name: str, file: str) -> bool:
        """Whether a job of this name is in flight or has ended that was not dropped as `file`."""
        if self.folder(name).exists():
            return self.dropped_as(name) != file
        try:
            report = json.loads(self.report_file(name).read_bytes())
        except FileNotFoundError:
            return self.video_file(name).exists()
        except (OSError, ValueError, RecursionError):  # a user has overwritten it
            return True
        return not isinstance(report, dict) or report.get("dropped_as") != shown_file_name(file)

    def dropped_as(self, name: str) -> str | None:
        """The name of the file as which a job in flight was dropped; None if it is the job's own."""
        try:
            return os.fsdecode((self.folder(name) / DROPPED_AS).read_bytes())
        except FileNotFoundError:
            return None

    def file_of(self, name: str) -> str | None:
        """The name of a waiting job's file in the inbox; None if no such job waits."""
        if self.dropped_file(name).exists():
            return self.dropped_file(name).name
        return next((job.file for job in self.scan()[0] if job.name == name), None)

    def find(self, given: str) -> str | None:
        """The name of a job that waits or runs: given its name, or that of the file that was dropped; else None."""
        if self.is_under_way(given):
            return given
        files = {job.name: job.file for job in self.scan()[0]}
        running = _names(self.work, "")
        files |= {name: file for name in running if (file := self.dropped_as(name)) is not None}
        matches = (name for name, file in files.items() if given in (name, shown_file_name(file), _title(file)))
        return next(matches, None)

    def claim(self, name: str, file: str | None = None) -> bool:
        """Take a job out of the inbox; False on failure. Later changes by its writer have no effect.

        `file`: the name of its file; default: the job's own.
        """
        folder, dropped = self.folder(name), self.dropped_file(name) if file is None else self.inbox / file
        try:
            self.create()
            folder.mkdir(mode=0o750)
        except OSError as error:
            log.warning("job %s: cannot be claimed yet: %s", name, error.strerror)
            return False
        try:
            if dropped != self.dropped_file(name):  # written first: after the rename nothing else has this name
                write_file(folder / DROPPED_AS, os.fsencode(dropped.name))
            dropped.rename(folder / CLAIMED)
        except OSError as error:
            shutil.rmtree(folder)
            if not isinstance(error, FileNotFoundError):
                log.warning("inbox: %s cannot be claimed: %s", ascii(dropped.name)[1:-1], error.strerror)
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
        self._recall_file(folder, data)
        return True

    def _recall_file(self, folder: Path, data: bytes) -> None:
        """Note again as which file a job was dropped that failed and is retried."""
        kept = self.failed / folder.name
        with contextlib.suppress(OSError):
            if not (folder / DROPPED_AS).exists() and (kept / JOB).read_bytes() == data:
                write_file(folder / DROPPED_AS, (kept / DROPPED_AS).read_bytes())

    def _put_back(self, folder: Path) -> None:
        """Undo a claim. If the inbox already has a new file of that name, quarantine the claimed one."""
        place = self.inbox / (self.dropped_as(folder.name) or self.dropped_file(folder.name).name)
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


def _is_plain(file: str) -> bool:
    """Whether a file is named after its job."""
    return file.endswith(JOB_SUFFIX) and JOB_NAME.match(file.removesuffix(JOB_SUFFIX)) is not None


def _title(file: str) -> str:
    """The name of a job file without its suffix."""
    found = JOB_FILE.match(file)
    assert found is not None
    return found[1]


def shown_file_name(file: str) -> str:
    """The name of a file as text: bytes that are not UTF-8 become escapes."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _job_file_info(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The properties of a job file; None unless the entry is a regular file that is named like one."""
    if JOB_FILE.match(entry.name) is None:
        return None
    try:
        info = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return info if stat.S_ISREG(info.st_mode) else None


def read_file(path: Path) -> bytes:
    """Read an untrusted job file: never through a link, without blocking, at most one byte over the size limit."""
    with open_untrusted(path) as file:
        return file.read(JOB_MAX_BYTES + 1)
