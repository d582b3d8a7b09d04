"""Waiting for jobs to end, as `submit --wait` does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import ValidationError

from daemon.cli.exit_codes import EXIT_JOB_FAILED, EXIT_NO_DAEMON
from daemon.cli.steps import steps
from daemon.cli.views import View
from daemon.cli.views import view as default_view
from daemon.outputs.report import DoneReport, Failure, WarningReport, read_report
from daemon.spool.front import Front
from daemon.spool.layout import ERROR
from pipeline.job import FORESEEN

POLL_SECONDS = 0.2

Identity = tuple[int, int] | None
"""Inode and modification time of a file; None if there is none."""


@dataclass(frozen=True)
class Ending:
    """Identifies one ending of a job: differs from the ending of an earlier job of that name."""

    timing: Identity
    error: Identity


def ending(spool: Front, name: str) -> Ending:
    """The latest ending of a job."""
    return Ending(_identity(spool.report_file(name)), _identity(spool.failed / name / ERROR))


def _identity(file: Path) -> Identity:
    try:
        info = file.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_mtime_ns


def wait(spool: Front, before: dict[str, Ending], view: View | None = None) -> int:
    """Show the progress of jobs, and each one's video or error when it has ended; returns the exit code.

    `before`: the jobs, each with the ending of an earlier job of that name. `view`: default: fit for the terminal.
    """
    waiting, missing, code = set(before), set[str](), 0
    with view or default_view() as shown:
        while waiting:
            for name in sorted(waiting - spool.under_way()):  # of others, an ending may be an earlier job's
                found = ending(spool, name)
                if found == before[name] and name not in missing:
                    missing.add(name)  # missing, or between two places: the next iteration decides
                    continue
                waiting.discard(name)
                code = max(code, _show_ending(shown, spool, name, found, before[name]))
            if waiting and not spool.has_owner():
                click.echo("the daemon has stopped; the jobs stay queued", err=True)
                return EXIT_NO_DAEMON
            if waiting:
                shown.show(steps(spool, waiting))
                time.sleep(POLL_SECONDS)
    return code


def _show_ending(shown: View, spool: Front, name: str, found: Ending, before: Ending) -> int:
    if found == before:
        shown.failed(name, Failure(code="removed", message="it was removed before it ended"))
        return EXIT_JOB_FAILED
    if found.error in (None, before.error):
        shown.done(name, spool.video_file(name), _warnings(spool, name))
        return 0
    shown.failed(name, Failure.model_validate_json((spool.failed / name / ERROR).read_bytes()))
    return EXIT_JOB_FAILED


def _warnings(spool: Front, name: str) -> list[WarningReport]:
    """The warnings of a job that has succeeded, without those that were printed before it began."""
    try:
        report = read_report(spool.report_file(name).read_bytes())
    except (OSError, ValidationError):  # others may have removed or overwritten it
        return []
    found = report.warnings if isinstance(report, DoneReport) else []
    return [warning for warning in found if warning.code not in FORESEEN]
