"""Waiting for jobs to end, as `submit --wait` does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import click

from daemon.cli.exit_codes import EXIT_JOB_FAILED, EXIT_NO_DAEMON
from daemon.cli.place import hint_suffix
from daemon.outputs.report import Failure
from daemon.spool.layout import ERROR
from daemon.spool.spool import Spool

POLL_SECONDS = 0.2

Identity = tuple[int, int] | None
"""Inode and modification time of a file; None if there is none."""


@dataclass(frozen=True)
class Ending:
    """Identifies one ending of a job: differs from the ending of an earlier job of that name."""

    timing: Identity
    error: Identity


def ending(spool: Spool, name: str) -> Ending:
    """The latest ending of a job."""
    return Ending(_identity(spool.report_file(name)), _identity(spool.failed / name / ERROR))


def _identity(file: Path) -> Identity:
    try:
        info = file.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_mtime_ns


def wait(spool: Spool, before: dict[str, Ending]) -> int:
    """Print each job's video when it is done, or its error; returns the exit code.

    `before`: the jobs, each with the ending of an earlier job of that name.
    """
    waiting, missing, code = set(before), set[str](), 0
    while waiting:
        for name in sorted(waiting):
            if spool.is_under_way(name):  # an ending that exists may be an earlier job's
                continue
            found = ending(spool, name)
            if found == before[name] and name not in missing:
                missing.add(name)  # missing, or between two places: the next iteration decides
                continue
            waiting.discard(name)
            code = max(code, _report_ending(spool, name, found, before[name]))
        if waiting and not spool.has_owner():
            click.echo("the daemon has stopped; the jobs stay queued", err=True)
            return EXIT_NO_DAEMON
        time.sleep(POLL_SECONDS)
    return code


def _report_ending(spool: Spool, name: str, found: Ending, before: Ending) -> int:
    if found == before:
        click.echo(f"{name}: removed before it ended", err=True)
        return EXIT_JOB_FAILED
    if found.error in (None, before.error):
        click.echo(spool.video_file(name))
        return 0
    error = Failure.model_validate_json((spool.failed / name / ERROR).read_bytes())
    click.echo(f"{name}: failed: {error.code}: {error.message}{hint_suffix(error.hint)}", err=True)
    return EXIT_JOB_FAILED
