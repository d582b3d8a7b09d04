"""What people see while a video is made. All of it goes to standard error."""

from __future__ import annotations

import sys
from typing import Protocol, Self

import click

STEPS = {
    "queued": "starting",
    "tts": "speaking",
    "split": "preparing",
    "lipsync": "rendering",
    "pack": "rendering",
    "merge": "joining",
    "publish": "saving",
}
"""A job's steps in words."""

QUARTERS = 4


class View(Protocol):
    """A context manager that shows progress."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, step: str, share: float) -> None:
        """Show the step that the job is in, and how much of its work is done, from 0 to 1."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...

    def announce(self, text: str) -> None:
        """Show a line even to those who want no progress."""
        ...


class Quiet:
    """Shows only what must be known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, step: str, share: float) -> None:
        """See `View`."""

    def say(self, text: str) -> None:
        """See `View`."""

    def announce(self, text: str) -> None:
        """See `View`."""
        click.echo(text, err=True)


class Lines(Quiet):
    """For logs and pipes: a line for each step and each quarter of the work."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, step: str, share: float) -> None:
        """See `View`."""
        percent = int(share * QUARTERS) * 100 // QUARTERS
        line = STEPS.get(step, step) + (f" {percent}%" if percent else "")
        if line != self._last:
            self._last = line
            self.say(line)

    def say(self, text: str) -> None:
        """See `View`."""
        click.echo(text, err=True)


class Messages(Lines):
    """Only lines, for use beside the daemon's log."""

    def show(self, step: str, share: float) -> None:
        """See `View`."""


class Bar:
    """For terminals: a bar that disappears at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._console = Console(stderr=True)
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task(STEPS["queued"], total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, step: str, share: float) -> None:
        """See `View`."""
        total = 1.0 if share else None  # a pulsing bar
        self._progress.update(self._task, description=STEPS.get(step, step), completed=share, total=total)

    def say(self, text: str) -> None:
        """See `View`."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def announce(self, text: str) -> None:
        """See `View`."""
        self.say(text)


def chosen(*, quiet: bool, verbose: bool) -> View:
    """The view for this standard error."""
    if quiet:
        return Quiet()
    if verbose:
        return Messages()
    return Bar() if sys.stderr.isatty() else Lines()
