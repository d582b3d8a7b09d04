"""The progress of jobs, as `make`, `submit --wait` and `status --watch` show it: bars on a terminal, else lines."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from daemon.cli.failures import line, warning_line
from daemon.cli.steps import WAITING, Step
from daemon.outputs.report import Failure, WarningReport

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

BARS_MAX = 12
"""More jobs than this are only counted."""

NAME_CHARACTERS_MAX = 24
LINE_SECONDS = 5.0
"""A job that stays in its stage gets a line this often."""


class View(Protocol):
    """Shows the progress of jobs, and how each ends."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, steps: Sequence[Step]) -> None:
        """Show the jobs that have not ended."""
        ...

    def done(self, name: str, video: Path, warnings: Sequence[WarningReport] = ()) -> None:
        """Show that a job has succeeded, and what its author may not expect."""
        ...

    def failed(self, name: str, error: Failure) -> None:
        """Show that a job has failed."""
        ...

    def say(self, text: str) -> None:
        """Show a line on standard error."""
        ...


class Quiet:
    """Only how each job ends: the path of its video on standard output, or its error on standard error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, steps: Sequence[Step]) -> None:
        """Nothing."""

    def done(self, name: str, video: Path, warnings: Sequence[WarningReport] = ()) -> None:
        """Print the path, and the warnings on standard error."""
        click.echo(video)
        for warning in warnings:
            click.echo(f"{name}: {warning_line(warning)}", err=True)

    def failed(self, name: str, error: Failure) -> None:
        """Print the errors."""
        for one in error.mistakes:
            click.echo(f"{name}: failed: {line(one)}", err=True)

    def say(self, text: str) -> None:
        """Print it."""
        click.echo(text, err=True)


@dataclass
class Lines(Quiet):
    """A line for every step of every job, for logs."""

    err: bool = True
    """Whether to print to standard error: if the lines are not what the command was called for."""
    _shown: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The stage of each job in its last line, and when that was printed; monotonic."""

    def show(self, steps: Sequence[Step]) -> None:
        """Print the jobs whose stage has changed, and at times the others."""
        now = time.monotonic()
        for step in steps:
            stage, printed = self._shown.get(step.job, (WAITING, now))
            if step.stage != stage or (step.has_begun and now >= printed + LINE_SECONDS):
                self._shown[step.job] = (step.stage, now)
                click.echo(f"{step.job}: {step.text()}", err=self.err)


@dataclass
class JsonLines(Quiet):
    """One JSON object per line on standard output, for scripts: `event` is progress, done or failed."""

    _shown: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """What the last line of each job has said."""

    def show(self, steps: Sequence[Step]) -> None:
        """Print the jobs that have advanced."""
        for step in steps:
            advanced = (step.stage, step.progress, step.chunks_done)
            if self._shown.get(step.job) != advanced:
                self._shown[step.job] = advanced
                self._print(step.job, "progress", **step.as_dict())

    def done(self, name: str, video: Path, warnings: Sequence[WarningReport] = ()) -> None:
        """Print the path and the warnings."""
        found = [warning.model_dump() for warning in warnings]
        self._print(name, "done", progress=100, video=str(video), warnings=found)

    def failed(self, name: str, error: Failure) -> None:
        """Print the error."""
        self._print(name, "failed", error=error.model_dump(include=set(Failure.model_fields)))

    def _print(self, name: str, event: str, **values: Any) -> None:
        click.echo(json.dumps({"job": name, "event": event, **values}, ensure_ascii=False))


class Bars(Quiet):
    """A bar for every job that runs, on a terminal."""

    def __init__(self) -> None:
        self._progress = bars()
        self._tasks: dict[str, TaskID] = {}
        self._steps: Sequence[Step] = ()
        self._total = 0
        self._ended = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, steps: Sequence[Step]) -> None:
        """Move the bars."""
        self._steps, shown = steps, steps[:BARS_MAX]
        self._total = max(self._total, self._ended + len(steps))
        for name in self._tasks.keys() - {step.job for step in shown} - {""}:
            self._progress.remove_task(self._tasks.pop(name))
        for step in shown:
            percent = step.progress if step.has_begun or step.stage == WAITING else None
            self._set(step.job, shortened(step.job), percent, step.details())
        if self._total > 1:
            self._set("", "all jobs", self._percent(steps), self._count(steps))

    def _percent(self, steps: Sequence[Step]) -> float:
        return (100 * self._ended + sum(step.progress for step in steps)) / self._total

    def _count(self, steps: Sequence[Step]) -> str:
        waiting = sum(step.stage == WAITING for step in steps)
        return f"{self._ended} of {self._total} ended" + (f", {waiting} waiting" if waiting else "")

    def _set(self, key: str, label: str, percent: float | None, details: str) -> None:
        """Move one bar; without a percentage it pulses."""
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(label, details=details)
        total = None if percent is None else 100
        self._progress.update(self._tasks[key], total=total, completed=percent or 0, details=details)

    def done(self, name: str, video: Path, warnings: Sequence[WarningReport] = ()) -> None:
        """Print the path and the warnings above the bars."""
        with self._interrupted(name):
            super().done(name, video, warnings)

    def failed(self, name: str, error: Failure) -> None:
        """Print the error above the bars."""
        with self._interrupted(name):
            super().failed(name, error)

    def say(self, text: str) -> None:
        """Print it above the bars."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def _interrupted(self, name: str) -> Iterator[None]:
        """Erase the bars during a block that prints, since they may share the terminal with standard output.

        The bars after it are new ones: restarted ones would overwrite what was printed.
        """
        self._ended += 1
        self._progress.stop()
        yield
        self._progress, self._tasks = bars(), {}
        self.show([step for step in self._steps if step.job != name])
        self._progress.start()


def bars() -> Progress:
    """Empty bars on standard error, which disappear when they are stopped."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True), markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[details]}", table_column=Column(no_wrap=True), markup=False),
        console=Console(stderr=True, highlight=False),
        refresh_per_second=5,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        expand=True,
    )


def shortened(name: str) -> str:
    """A job's name, cut in the middle: the ends tell the jobs of a batch apart."""
    if len(name) <= NAME_CHARACTERS_MAX:
        return name
    return f"{name[: NAME_CHARACTERS_MAX - 9]}…{name[-8:]}"


def view(*, quiet: bool = False, as_json: bool = False) -> View:
    """The view that a command should use."""
    if as_json:
        return JsonLines()
    if quiet:
        return Quiet()
    return Bars() if sys.stderr.isatty() else Lines()
