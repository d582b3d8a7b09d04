"""The state of a spool, read from its folders and the daemon's health file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import click

from daemon.cli.called import as_called
from daemon.cli.failures import line, warning_line
from daemon.cli.steps import QUEUED, WAITING, Step, step_of, steps
from daemon.spool.front import Front
from daemon.spool.health import WorkerHealth, health
from daemon.spool.layout import ERROR
from pipeline.job_file import JOB_NAME, printable


def _where(worker: WorkerHealth) -> str:
    """Where a worker is, and what it does."""
    place = f"pid {worker.pid}" + (f" on {worker.node}" if worker.node else "")
    if worker.job is None or worker.index is None:
        return place
    return f"{place}: {printable(worker.job)}, {worker.step} {worker.index + 1}"


@dataclass(frozen=True)
class Overview:
    """A spool at a glance."""

    daemon: str
    """starting, ok, degraded, paused, draining, stale or down."""
    why: str
    """The reason if it is not ok."""
    waiting: int
    """Jobs in the inbox."""
    jobs: dict[str, str]
    """Jobs in flight and the stage of each."""
    progress: dict[str, Step]
    """How far each of them has advanced."""
    workers: dict[str, WorkerHealth]
    """State and process id of each."""
    done: int
    """Jobs done since the daemon started."""
    failed: int

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for `--json`."""
        progress = {name: step.as_dict() for name, step in self.progress.items()}
        return {**asdict(self), "progress": progress}

    def show(self) -> None:
        """Print as text."""
        click.echo(self.text())

    def text(self, *, with_jobs: bool = True) -> str:
        """Two columns, the details dimmed: ANSI escapes, which `click.echo` removes if the output is not a terminal.

        Formatted by hand: importing rich would take as long as the rest of the command.
        """
        rows = list(self._rows(with_jobs))
        width = max(len(label) for label, _, _ in rows)
        lines = (
            f" {label:<{width}}  {value}" + (f"  {_dim(detail)}" if detail else "") for label, value, detail in rows
        )
        return "\n".join(lines)

    def _rows(self, with_jobs: bool) -> Iterator[tuple[str, str, str]]:
        """Label, value and detail of each line."""
        yield "daemon", self.daemon, self.why
        yield "waiting", str(self.waiting), ""
        yield "in flight", str(len(self.jobs)), ""
        if with_jobs:
            width = max(map(len, self.jobs), default=0)
            yield from (("", name.ljust(width), self.progress[name].text()) for name in sorted(self.jobs))
        yield "done, failed", f"{self.done}, {self.failed} since the start", ""
        for name, worker in self.workers.items():
            yield f"worker {name}", worker.state, _where(worker)

    def of_job(self, spool: Front, name: str) -> dict[str, Any] | None:
        """The state of one job, with its timing JSON once it has ended; None if the job is unknown."""
        if name in self.jobs:
            return _under_way(self.progress[name], self.jobs[name])
        if spool.file_of(name) is not None:
            return _under_way(steps(spool, [name])[0], WAITING)
        try:
            return _ended(name, spool.report_file(name).read_bytes())
        except FileNotFoundError:
            return _under_way(Step(name, QUEUED), QUEUED) if spool.is_under_way(name) else _failed(spool, name)


def _dim(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, dim=True)


def _under_way(step: Step, state: str) -> dict[str, Any]:
    return {"job": step.job, "state": state, **step.as_dict()}


def _ended(name: str, data: bytes) -> dict[str, Any]:
    """A job's timing JSON with its state. Untrusted: other users may have overwritten it in the outbox."""
    from pydantic import ValidationError  # these are slow, and only needed for jobs that have ended

    from daemon.outputs.report import read_report

    try:
        report = read_report(data)
    except ValidationError:
        return {"job": name, "state": "unreadable"}
    return {**report.model_dump(exclude_unset=True), "state": report.status, "progress": 100, "eta_seconds": 0}


def _failed(spool: Front, name: str) -> dict[str, Any] | None:
    """A failed job without a timing JSON: it was removed, or kept for an earlier job of that name."""
    from pydantic import ValidationError

    from daemon.outputs.report import Failure

    if JOB_NAME.match(name) is None:
        return None
    try:
        error = Failure.model_validate_json((spool.failed / name / ERROR).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return {"job": name, "state": "failed", "progress": 100, "eta_seconds": 0, "error": error.model_dump()}


def job_text(found: dict[str, Any]) -> str:
    """The state of one job as text, from `Overview.of_job`. A job that has failed: why, and what to do."""
    name, state = found["job"], found["state"]
    shown = f"{name} (from {printable(found['dropped_as'])})" if found.get("dropped_as") else name
    if state == "failed":
        from daemon.outputs.report import Failure

        error = Failure.model_validate(found["error"])
        reason = "\n".join(f"{shown}: failed: {line(one)}" for one in error.mistakes)
        again = as_called(f"lipdrop retry {name}")
        return reason if again in reason else f"{reason}\nrun it again with: {again}"
    if "stage" in found:
        return f"{name}: {Step(name, **{key: found[key] for key in STEP_KEYS}).text()}"
    from daemon.outputs.report import WarningReport

    warnings = [warning_line(WarningReport.model_validate(one)) for one in found.get("warnings", ())]
    return "\n".join([f"{shown}: {state}", *warnings])


STEP_KEYS = [field.name for field in fields(Step) if field.name != "job"]


def overview(spool: Front) -> Overview:
    """Read the state of a spool, whether or not a daemon is running on it."""
    waiting, found = len(spool.scan()[0]), health(spool)
    report = found.report
    if report is None:
        in_flight = [folder.name for folder in spool.work.iterdir()] if spool.work.is_dir() else []
        stages, progress = dict.fromkeys(in_flight, QUEUED), {name: Step(name, QUEUED) for name in in_flight}
        return Overview(found.state, found.why, waiting, stages, progress, {}, 0, 0)
    progress = {name: step_of(report, name) for name in report.jobs}
    return Overview(found.state, found.why, waiting, report.jobs, progress, report.workers, report.done, report.failed)
