"""Watching a spool until interrupted, or one job until it has ended: `status --watch`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import click

from daemon.cli.overview import Overview, overview
from daemon.cli.views import Lines, bars, shortened, view
from daemon.cli.waiting import Ending, wait
from daemon.spool.front import Front

REFRESH_SECONDS = 0.5


def watch(spool: Front, *, as_json: bool, quiet: bool) -> None:
    """Show the state of a spool until interrupted: the overview with a bar for each job, else lines."""
    if as_json:
        _json_lines(spool)
    elif sys.stdout.isatty() and not quiet:
        _live(spool)
    else:
        _lines(spool)


def watch_job(spool: Front, name: str, before: Ending, *, as_json: bool, quiet: bool) -> int:
    """Show the progress of a job that waits or runs until it has ended; returns the exit code."""
    return wait(spool, {name: before}, view(as_json=as_json, quiet=quiet))


def _overviews(spool: Front) -> Iterator[Overview]:
    while True:
        yield overview(spool)
        time.sleep(REFRESH_SECONDS)


def _json_lines(spool: Front) -> None:
    """The overview as one line of JSON, whenever it has changed."""
    last = ""
    for found in _overviews(spool):
        line = json.dumps(found.as_dict())
        if line != last:
            click.echo(line)
            last = line


def _lines(spool: Front) -> None:
    """A line when the daemon's state changes, and for every step of every job."""
    lines, last = Lines(err=False), ""
    for found in _overviews(spool):
        state = ", ".join(filter(None, (f"daemon: {found.daemon}", found.why)))
        counts = f"{found.waiting} waiting, {len(found.jobs)} in flight, {found.done} done, {found.failed} failed"
        if f"{state}; {counts}" != last:
            last = f"{state}; {counts}"
            click.echo(last)
        lines.show([found.progress[name] for name in sorted(found.jobs)])


def _live(spool: Front) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        for found in _overviews(spool):
            shown = bars()
            for name in sorted(found.jobs):
                step = found.progress[name]
                shown.add_task(shortened(name), total=100, completed=step.progress, details=step.details())
            live.update(Group(Text.from_ansi(found.text(with_jobs=False)), shown.get_renderable()), refresh=True)
