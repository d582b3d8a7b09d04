"""How far jobs have advanced, as people and scripts read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from daemon.spool.front import Front
from daemon.spool.health import HealthReport, JobProgress, health

WAITING, QUEUED, RENDERING, STARTING = "waiting", "queued", "lipsync", "starting"

WORDS = {
    "copy": "copying the recording",
    "tts": "speaking",
    "split": "preparing",
    RENDERING: "rendering",
    "pack": "rendering",
    "merge": "joining",
    "publish": "saving",
}
"""What people read for a stage; the others are called what they are."""


@dataclass(frozen=True)
class Step:
    """How far one job has advanced."""

    job: str
    stage: str
    """waiting (in the inbox), starting (as its daemon is), queued, or the stage it is in."""
    progress: int = 0
    """How much of its work is done, in percent."""
    eta_seconds: float | None = None
    """Expected time until it ends; None while that is unknown."""
    chunks_done: int = 0
    chunks: int | None = None
    """Number of chunks; None until the speech is cut."""
    frames_per_second: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything but the job's name, for JSON."""
        return {key: value for key, value in vars(self).items() if key != "job"}

    def text(self) -> str:
        """The stage and everything else that is known."""
        return self.details(*([f"{self.progress} %"] if self.has_begun else []))

    @property
    def has_begun(self) -> bool:
        """Whether a worker has taken it."""
        return self.stage not in (WAITING, QUEUED, STARTING)

    def details(self, *more: str) -> str:
        """The stage, `more`, the chunks, the speed and the time left, as far as they are known."""
        parts = [WORDS.get(self.stage, self.stage), *more]
        if self.stage == RENDERING and self.chunks is not None and self.chunks > 1:
            parts.append(f"chunk {min(self.chunks_done + 1, self.chunks)} of {self.chunks}")
        if self.frames_per_second is not None and self.stage == RENDERING:
            parts.append(f"{self.frames_per_second:.0f} frames/s")
        if self.eta_seconds is not None:
            parts.append(f"{duration(max(1.0, self.eta_seconds))} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A duration for people: `12 s`, `3:05`, `1:02:03`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def step_of(report: HealthReport, name: str) -> Step:
    """A job that the daemon has taken."""
    stage, found = report.jobs.get(name, QUEUED), report.progress.get(name) or JobProgress(share=0, began_seconds=None)
    return Step(
        job=name,
        stage=stage,
        progress=found.percent,
        eta_seconds=report.left_seconds(name),
        chunks_done=found.chunks_done,
        chunks=found.chunks,
        frames_per_second=found.frames_per_second,
    )


def steps(spool: Front, names: Collection[str]) -> list[Step]:
    """The jobs of these names that run, then those that wait, each in the order of their names."""
    report = health(spool).report
    if report is None:
        return [Step(name, WAITING) for name in sorted(names)]
    running = [step_of(report, name) for name in sorted(names) if name in report.jobs]
    waiting = (name for name in sorted(names) if name not in report.jobs)
    return [*running, *(Step(name, WAITING, eta_seconds=report.left_seconds(name)) for name in waiting)]
