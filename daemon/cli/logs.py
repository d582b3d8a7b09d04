"""The command `logs`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click

from daemon.cli.place import ArgumentError, at_spool
from daemon.logs import newest, text_line
from daemon.spool.front import Front
from pipeline.job_file import JOB_NAME

POLL_SECONDS = 0.2
DAEMON_LINES = 200
"""Of the daemon's log, unless asked otherwise."""
COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@click.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines: until the job has ended, or Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), help="Only the last N lines; default: 200, or all of a job.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@at_spool
def logs(spool: Front, name: str | None, follow: bool, lines: int | None, as_json: bool) -> None:
    """Show what the daemon has logged lately, or everything about the job NAME."""
    if name is None:
        found = _of_daemon(spool, DAEMON_LINES if lines is None else lines, follow=follow)
    else:
        found = _of_job(spool, name, lines, follow=follow)
    try:
        for line in found:
            click.echo(line if as_json else _shown(line))
    except BrokenPipeError:  # of `lipdrop logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_daemon(spool: Front, lines: int, *, follow: bool) -> Iterator[str]:
    """The last lines of the daemon's log, then new ones if asked; the file is replaced when it is full."""
    current, earlier = spool.log_file, spool.log_file.with_name(f"{spool.log_file.name}.1")
    file = _opened(current)
    yield from _last([*_lines(earlier), *(_new_lines(file) if file else ())], lines)
    while follow:
        if file is None or _is_replaced(file, current):
            if file is not None:
                yield from _new_lines(file)
                file.close()
            file = _opened(current)
        if file is not None:
            yield from _new_lines(file)
        time.sleep(POLL_SECONDS)


def _of_job(spool: Front, name: str, lines: int | None, *, follow: bool) -> Iterator[str]:
    """The lines about a job. A file that is moved while it is read stays readable."""
    while (file := _job_log(spool, name)) is None:
        if not spool.is_under_way(name):
            raise ArgumentError(f"there is no log of a job {name}")
        if not follow:
            click.echo(f"nothing is logged about {name} yet: it waits in the inbox", err=True)
            return
        time.sleep(POLL_SECONDS)
    with file:
        yield from _last(_new_lines(file), lines)
        while follow:
            is_over = not spool.is_under_way(name)  # asked first: the last lines are written before the end
            yield from _new_lines(file)
            if is_over:
                return
            time.sleep(POLL_SECONDS)


def _job_log(spool: Front, name: str) -> IO[str] | None:
    """The log of a job under way, or else of the last job of that name; None if there is none (yet)."""
    if JOB_NAME.match(name) is None:
        return None
    running, *kept = spool.logs(name)
    path = running if spool.is_under_way(name) else newest(*kept)
    return _opened(path) if path is not None else None


def _opened(path: Path) -> IO[str] | None:
    try:
        return path.open("r", encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _is_replaced(file: IO[str], path: Path) -> bool:
    return not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino


def _lines(path: Path) -> list[str]:
    file = _opened(path)
    if file is None:
        return []
    with file:
        return list(_new_lines(file))


def _last(lines: Iterable[str], count: int | None) -> Iterable[str]:
    return deque(lines, count) if count is not None else lines


def _new_lines(file: IO[str]) -> Iterator[str]:
    """The complete lines from the position on; one that is being written is left for the next time."""
    while True:
        position = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(position)
            return
        yield line.rstrip("\n")


def _shown(line: str) -> str:
    """A line for people; as it is if it was not written by lipdrop."""
    try:
        fields = json.loads(line)
        text = text_line(fields)
    except (ValueError, KeyError, TypeError):
        return line
    return click.style(text, fg=COLOURS[fields["level"]]) if fields["level"] in COLOURS else text
