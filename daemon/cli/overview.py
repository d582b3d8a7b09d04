"""The state of a spool, read from its folders and the daemon's health file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click
from pydantic import ValidationError

from daemon.outputs.report import read_report
from daemon.spool.health import WorkerHealth, health
from daemon.spool.spool import Spool

REFRESH_SECONDS = 0.5


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
    workers: dict[str, WorkerHealth]
    """State and process id of each."""
    done: int
    """Jobs done since the daemon started."""
    failed: int

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for `--json`."""
        return {**asdict(self), "workers": {name: worker.model_dump() for name, worker in self.workers.items()}}

    def show(self) -> None:
        """Print as text."""
        click.echo(self.text())

    def text(self) -> str:
        """Two columns, the details dimmed: ANSI escapes, which `click.echo` removes if the output is not a terminal.

        Formatted by hand: importing rich would take as long as the rest of the command.
        """
        rows = list(self._rows())
        width = max(len(label) for label, _, _ in rows)
        lines = (
            f" {label:<{width}}  {value}" + (f"  {click.style(detail, dim=True)}" if detail else "")
            for label, value, detail in rows
        )
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        """Label, value and detail of each line."""
        yield "daemon", self.daemon, self.why
        yield "waiting", str(self.waiting), ""
        yield "in flight", str(len(self.jobs)), ""
        yield from (("", name, stage) for name, stage in sorted(self.jobs.items()))
        yield "done, failed", f"{self.done}, {self.failed} since the start", ""
        for name, worker in self.workers.items():
            yield f"worker {name}", worker.state, f"pid {worker.pid}"

    def of_job(self, spool: Spool, name: str) -> dict[str, Any] | None:
        """The state of one job, with its timing JSON once it has ended; None if the job is unknown."""
        if name in self.jobs:
            return {"job": name, "state": self.jobs[name]}
        if spool.dropped_file(name).exists():
            return {"job": name, "state": "waiting"}
        try:
            return _ended(name, spool.report_file(name).read_bytes())
        except FileNotFoundError:
            return {"job": name, "state": "queued"} if spool.is_under_way(name) else None


def _ended(name: str, data: bytes) -> dict[str, Any]:
    """A job's timing JSON with its state. Untrusted: other users may have overwritten it in the outbox."""
    try:
        report = read_report(data)
    except ValidationError:
        return {"job": name, "state": "unreadable"}
    return {**report.model_dump(exclude_unset=True), "state": report.status}


def overview(spool: Spool) -> Overview:
    """Read the state of a spool, whether or not a daemon is running on it."""
    waiting, found = len(spool.scan()[0]), health(spool)
    report = found.report
    if report is None:
        in_flight = [folder.name for folder in spool.work.iterdir()] if spool.work.is_dir() else []
        return Overview(found.state, found.why, waiting, dict.fromkeys(in_flight, "queued"), {}, 0, 0)
    return Overview(found.state, found.why, waiting, report.jobs, report.workers, report.done, report.failed)


def live_view(spool: Spool) -> None:
    """Show the overview until interrupted."""
    from rich.live import Live
    from rich.text import Text

    with Live(Text.from_ansi(overview(spool).text()), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(Text.from_ansi(overview(spool).text()), refresh=True)
