"""How things stand on a spool, read from its folders and the daemon's health file."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

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
    """Why it is no better."""
    waiting: int
    """Jobs in the inbox."""
    jobs: dict[str, str]
    """Jobs in flight and the stage each is at."""
    workers: dict[str, WorkerHealth]
    """State and process id of each."""
    done: int
    """Jobs done since the daemon started."""
    failed: int

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "workers": {name: worker.model_dump() for name, worker in self.workers.items()}}

    def show(self) -> None:
        """Print for a person."""
        Console().print(self.table())

    def table(self) -> Table:
        """As a table with two columns."""
        table = Table(show_header=False, box=None)
        table.add_row("daemon", f"{self.daemon}  [dim]{escape(self.why)}[/dim]")
        table.add_row("waiting", str(self.waiting))
        table.add_row("in flight", str(len(self.jobs)))
        for name, stage in sorted(self.jobs.items()):
            table.add_row("", f"{name}  [dim]{stage}[/dim]")
        table.add_row("done, failed", f"{self.done}, {self.failed} since the start")
        for name, worker in self.workers.items():
            table.add_row(f"worker {name}", f"{worker.state}  [dim]pid {worker.pid}[/dim]")
        return table

    def of_job(self, spool: Spool, name: str) -> dict[str, Any] | None:
        """Where one job is; its timing JSON once it has ended; None when nobody knows it."""
        if name in self.jobs:
            return {"job": name, "state": self.jobs[name]}
        if spool.dropped_file(name).exists():
            return {"job": name, "state": "waiting"}
        try:
            return _ended(name, spool.report_file(name).read_bytes())
        except FileNotFoundError:
            return {"job": name, "state": "queued"} if spool.is_under_way(name) else None


def _ended(name: str, data: bytes) -> dict[str, Any]:
    """A job's timing JSON with its state; anyone may have written over it in the outbox."""
    try:
        report = read_report(data)
    except ValidationError:
        return {"job": name, "state": "unreadable"}
    return {**report.model_dump(exclude_unset=True), "state": report.status}


def overview(spool: Spool) -> Overview:
    """Look at a spool, whether or not a daemon owns it."""
    waiting, found = len(spool.scan()[0]), health(spool)
    report = found.report
    if report is None:
        in_flight = [folder.name for folder in spool.work.iterdir()] if spool.work.is_dir() else []
        return Overview(found.state, found.why, waiting, dict.fromkeys(in_flight, "queued"), {}, 0, 0)
    return Overview(found.state, found.why, waiting, report.jobs, report.workers, report.done, report.failed)


def live_view(spool: Spool) -> None:
    """Show the overview until interrupted."""
    with Live(overview(spool).table(), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(overview(spool).table(), refresh=True)
