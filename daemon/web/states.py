"""The state of jobs as the gateway shows it, read from the spool's folders and the health file."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from daemon.outputs.report import DoneReport, FailedReport, JobReport, read_report, timestamp
from daemon.spool.health import Health, health
from daemon.spool.layout import CAPTION_SUFFIXES, JOB_SUFFIX, PLAYLIST
from daemon.spool.spool import Spool
from daemon.web.playlists import read_playlist
from pipeline.extras import SUFFIXES
from pipeline.job_file import JOB_NAME

Status = Literal["queued", "running", "done", "failed"]


class JobState(BaseModel):
    """One job."""

    job: str
    """The job's name."""
    status: Status
    stage: str | None = None
    """While it runs: tts, split, lipsync or merge."""
    progress: int = 0
    """How much of the work is done, in percent."""
    eta_seconds: float | None = None
    """Expected time until it ends; null while that is unknown."""
    updated_at: str | None = None
    """When it was dropped, or when it ended. RFC 3339, UTC."""
    report: dict[str, Any] | None = None
    """The timing JSON, once the job has ended."""
    links: dict[str, str] = {}
    """URLs of what exists of the job."""

    @property
    def has_ended(self) -> bool:
        """Whether the job is done or has failed."""
        return self.status in ("done", "failed")


class JobPage(BaseModel):
    """Some of the jobs."""

    jobs: list[JobState]
    next: str | None = None
    """Cursor of the next page; null on the last one."""


@dataclass(frozen=True)
class Ending:
    """Identifies one ending of a job: differs from the ending of an earlier job of that name."""

    inode: int
    changed_ns: int


class States:
    """Reads the states of a spool's jobs. Every method reads the disk, none blocks for long but `page`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def health(self) -> Health:
        """The daemon's state."""
        return health(self._spool)

    def ending(self, name: str) -> Ending | None:
        """The latest ending of a job; None if it has never ended."""
        try:
            info = self._spool.report_file(name).stat()
        except FileNotFoundError:
            return None
        return Ending(info.st_ino, info.st_mtime_ns)

    def report(self, name: str) -> JobReport | None:
        """The timing JSON of a job that has ended; None if there is none that lipdrop could have written."""
        try:
            return read_report(self._spool.report_file(name).read_bytes())
        except (OSError, ValidationError):
            return None

    def find(self, name: str) -> JobState | None:
        """The state of a job; None if there is no such job.

        Looks where a job is in the order of its moves, so that it is not missed while it moves.
        """
        if JOB_NAME.match(name) is None:
            return None
        dropped = self._spool.dropped_file(name)
        try:
            updated_at = timestamp(dropped.stat().st_mtime)
        except FileNotFoundError:
            pass
        else:
            return JobState(job=name, status="queued", updated_at=updated_at, eta_seconds=self._left_seconds(name))
        if self._spool.folder(name).exists():
            return self._running(name, self.health())
        report = self.report(name)
        return _ended(report) if report is not None and report.job == name else None

    def waiting(self) -> int:
        """How many jobs wait in the inbox."""
        try:
            with os.scandir(self._spool.inbox) as entries:
                return sum(entry.name.endswith(JOB_SUFFIX) and entry.name[0] != "." for entry in entries)
        except FileNotFoundError:
            return 0

    def page(self, cursor: str | None, limit: int, status: Status | None) -> JobPage:
        """Jobs that wait, jobs that run, then those that have ended, the latest first.

        Raises ValueError if the cursor is not one of an earlier page.
        """
        after = None if cursor is None else _position(cursor)
        jobs: list[JobState] = []
        last = None
        for position, name in self._ordered(after):
            state = self.find(name)
            if state is None or status not in (None, state.status):
                continue
            if len(jobs) == limit:
                return JobPage(jobs=jobs, next=last)
            jobs.append(state)
            last = _cursor(position)
        return JobPage(jobs=jobs)

    def named(self, prefix: str) -> set[str]:
        """The names of all jobs that begin with a prefix."""
        return {name for name, _ in self._names() if name.startswith(prefix)}

    def playable_pieces(self, name: str) -> int:
        """Number of a stream's pieces that can be played."""
        playlist = read_playlist(self._spool.outbox / name)
        return playlist.playable if playlist else 0

    def outputs(self, name: str) -> list[str]:
        """What exists of a job's results: video, srt, vtt, stream, and extras by their kinds."""
        places = {"video": self._spool.video_file(name), "stream": self._spool.outbox / name / PLAYLIST}
        places |= {suffix[1:]: self._spool.outbox / f"{name}{suffix}" for suffix in CAPTION_SUFFIXES}
        places |= {kind: self._spool.outbox / f"{name}{suffix}" for kind, suffix in SUFFIXES.items()}
        return [kind for kind, path in places.items() if path.is_file()]

    def _running(self, name: str, found: Health) -> JobState:
        report = found.report
        stage = report.jobs.get(name, "queued") if report else "queued"
        progress = report.progress.get(name) if report else None
        if progress is None or progress.began_seconds is None:
            return JobState(job=name, status="running" if stage != "queued" else "queued", stage=stage)
        left = report.left_seconds(name) if report else None
        return JobState(job=name, status="running", stage=stage, progress=progress.percent, eta_seconds=left)

    def _left_seconds(self, name: str) -> float | None:
        """Expected time until a job that waits has ended; None while that is unknown."""
        report = self.health().report
        return None if report is None else report.left_seconds(name)

    def _ordered(self, after: tuple[int, str] | None) -> Iterator[tuple[tuple[int, str], str]]:
        """Positions and names of all jobs behind a position. A position is (negative time, name)."""
        found = {name: (-changed, name) for name, changed in self._names()}
        for position, name in sorted((position, name) for name, position in found.items()):
            if after is None or position > after:
                yield position, name

    def _names(self) -> Iterator[tuple[str, int]]:
        """All jobs, each with the time of its last change, in nanoseconds; those under way last, to win."""
        yield from _listed(self._spool.outbox, JOB_SUFFIX)
        yield from _listed(self._spool.work, "")
        yield from _listed(self._spool.inbox, JOB_SUFFIX)


def _listed(folder: os.PathLike[str], suffix: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name.removesuffix(suffix)
                if entry.name.endswith(suffix) and JOB_NAME.match(name):
                    try:
                        yield name, entry.stat(follow_symlinks=False).st_mtime_ns
                    except FileNotFoundError:
                        continue
    except (FileNotFoundError, PermissionError):
        return


def _ended(report: DoneReport | FailedReport) -> JobState:
    return JobState(
        job=report.job,
        status=report.status,
        progress=100,
        eta_seconds=0.0,
        updated_at=report.finished_at,
        report=report.model_dump(exclude_unset=True),
    )


def _cursor(position: tuple[int, str]) -> str:
    return base64.urlsafe_b64encode(f"{position[0]} {position[1]}".encode()).decode()


def _position(cursor: str) -> tuple[int, str]:
    try:
        number, _, name = base64.b64decode(cursor, "-_", validate=True).decode("ascii").partition(" ")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(cursor) from error
    return int(number), name
