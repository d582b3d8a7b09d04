"""Health reports: written by the supervisor, and checked for staleness by readers."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from daemon.spool.front import Front

T = TypeVar("T")

STARTING, OK, DEGRADED, PAUSED, DRAINING, STOPPED = "starting", "ok", "degraded", "paused", "draining", "stopped"

HEALTHY = frozenset({STARTING, OK, DEGRADED, DRAINING})
"""States in which jobs are processed, or soon will be."""

STALE_SECONDS = 10.0
"""The supervisor writes at least every two seconds; after this long without a report, it hangs."""

FILE_BYTES = 4096
"""Minimum size of the health file: one block on most disks."""


@dataclass(frozen=True)
class WorkerHealth:
    """One worker."""

    state: str
    """starting, idle, busy, waiting to restart or down."""
    pid: int | None
    """Process id; null if no process is running."""
    node: str | None = None
    """The node of the cluster that it runs on; null: the daemon's machine."""
    device: str | None = None
    """What it computes on: cpu or cuda:N, of those that it sees; null: it has not started."""
    job: str | None = None
    """The job that it works on."""
    step: str | None = None
    """What it does for that job: tts, align, split, lipsync, pack or merge."""
    index: int | None = None
    """The number of the chunk or piece, from 0."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job in flight has advanced."""

    share: float
    """How much of its work is done, from 0 to 1; in the stage `copy`, how much of its recording is copied."""
    began_seconds: float | None
    """When its first item was started, on the machine's monotonic clock; null before."""
    chunks_done: int = 0
    """Chunks that are rendered."""
    chunks: int | None = None
    """Number of chunks; null until the speech is cut."""
    frames_per_second: float | None = None
    """How fast it is being rendered; null before."""
    eta_seconds: float | None = None
    """Expected time from this report until the job ends; null while that is unknown."""

    @property
    def percent(self) -> int:
        """How much of its work is done, from 0 to 100."""
        return int(self.share * 100)


@dataclass(frozen=True)
class HealthReport:
    """The content of `run/health.json`. Keys unknown to this version are ignored on reading."""

    # No pydantic model: that would take `lipdrop status` as long as everything else, and only the supervisor writes it.

    state: str
    """starting, ok, degraded, paused, draining or stopped."""
    why: str
    """The reason if the state is not ok."""
    pid: int
    """Process id of the daemon."""
    waiting: int
    """Jobs in the inbox."""
    jobs: dict[str, str]
    """Jobs in flight and the stage of each."""
    workers: dict[str, WorkerHealth]
    done: int
    """Jobs done since the daemon started."""
    failed: int
    """Jobs failed since the daemon started."""
    monotonic_seconds: float
    """When the report was written, on the machine's monotonic clock."""
    at: str
    """When the report was written. RFC 3339, UTC."""
    progress: dict[str, JobProgress] = field(default_factory=dict)
    """How far each job in flight has advanced."""
    expected_ends: dict[str, float] = field(default_factory=dict)
    """When jobs in the inbox are expected to have ended, on the machine's monotonic clock: at most 1000, in the order
    in which they will be taken, up to the first of which too little is known."""

    def left_seconds(self, name: str) -> float | None:
        """Expected time from now until a job ends; None while that is unknown."""
        found = self.progress.get(name)
        if found is None or found.eta_seconds is None:
            end_seconds = None if name in self.jobs else self.expected_ends.get(name)
        else:
            end_seconds = self.monotonic_seconds + found.eta_seconds
        return None if end_seconds is None else round(max(0.0, end_seconds - time.monotonic()), 1)


@dataclass(frozen=True)
class Health:
    """The state of a spool's daemon, as a reader sees it."""

    state: str
    """One of the states above except `stopped`, or `stale` or `down`."""
    why: str
    report: HealthReport | None
    """The daemon's report; None if there is no current one."""

    @property
    def is_healthy(self) -> bool:
        """Whether jobs are processed."""
        return self.state in HEALTHY


def health(spool: Front) -> Health:
    """Check a spool, whether or not a daemon owns it.

    The report's age is measured on the monotonic clock, which is the same for all processes and cannot be set.
    """
    if not spool.has_owner():
        return Health("down", f"no daemon is running on {spool.root}", None)
    report = read_health(spool)
    age_seconds = time.monotonic() - report.monotonic_seconds if report else 0
    if report is None or report.state == STOPPED or age_seconds < 0:  # from a previous daemon or boot
        return Health(STARTING, "", None)
    if age_seconds > STALE_SECONDS:
        return Health("stale", f"no report from the daemon (pid {report.pid}) for {age_seconds:.0f} s", report)
    return Health(report.state, report.why, report)


def read_health(spool: Front) -> HealthReport | None:
    """The health file; None if it is missing or not written by lipdrop."""
    try:
        return _report(json.loads(_file(spool).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return None


def _report(content: dict[str, Any]) -> HealthReport:
    """A report from its JSON. Raises TypeError and AttributeError if a key is missing."""
    workers = {name: _known(WorkerHealth, worker) for name, worker in content.get("workers", {}).items()}
    progress = {name: _known(JobProgress, job) for name, job in content.get("progress", {}).items()}
    return _known(HealthReport, {**content, "workers": workers, "progress": progress})


def _known(kind: type[T], content: dict[str, Any]) -> T:
    """A dataclass from JSON; keys unknown to this version are ignored."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in content.items() if key in names})


def write_health(spool: Front, report: HealthReport) -> None:
    """Replace the health file. It describes the present and need not survive a power cut. Raises OSError.

    Alternates between two preallocated files, so that a full disk can still be reported.
    """
    current, spare, last = _file(spool), spool.run / "health.spare", spool.run / "health.last"
    with spare.open("r+b" if spare.exists() else "wb") as file:
        file.write(json.dumps(report, default=vars).encode().ljust(FILE_BYTES))
        file.truncate()
    last.unlink(missing_ok=True)
    if current.exists():
        os.link(current, last)
    spare.rename(current)
    if last.exists():
        last.rename(spare)


def _file(spool: Front) -> Path:
    return spool.run / "health.json"
