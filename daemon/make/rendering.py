"""The daemon of one video, and the wait for its job."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from daemon.cli.exit_codes import EXIT_BOOT
from daemon.cli.steps import STARTING, Step, step_of
from daemon.make import program
from daemon.make.request import NAME
from daemon.outputs.report import JobReport, read_report
from daemon.spool.health import PAUSED, health
from daemon.spool.spool import Spool
from pipeline import programs
from pipeline.errors import DISK_FULL, StageError

POLL_SECONDS = 0.1
LOG = "log"
"""The daemon's log, in the spool."""

Watch = Callable[[Step], None]
"""Called again and again while the job has not ended."""


class DaemonEnded(Exception):
    """The daemon ended by itself."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
        self.reason = reason
        """A line for people."""


@contextlib.contextmanager
def running(
    spool: Spool, config_file: Path | None, avatars: Path | None, *, verbose: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon on a new spool. `verbose`: its log goes to standard error. It is killed at the end of the block."""
    spool.create()
    with (spool.root / LOG).open("wb") as log:
        argv = program.argv(spool.root, config_file, avatars)
        process = programs.start(argv, subprocess.DEVNULL, stderr=sys.stderr.fileno() if verbose else log)
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()  # its job has ended, or nobody wants it any more
    finally:
        programs.kill_group(process)


def follow(process: subprocess.Popen[bytes], spool: Spool, watch: Watch) -> JobReport:
    """Wait for the job's report. Raises DaemonEnded, and StageError if the disk is full."""
    file = spool.report_file(NAME)
    while not file.exists():
        if (code := process.poll()) is not None:
            raise _ended(code, spool.root / LOG)
        found = health(spool)
        if found.state == PAUSED:
            raise StageError(DISK_FULL, found.why, hint="set TMPDIR to a folder on another disk")
        report = found.report
        watch(step_of(report, NAME) if report and NAME in report.jobs else Step(NAME, STARTING))
        time.sleep(POLL_SECONDS)
    return read_report(file.read_bytes())


def _ended(code: int, log: Path) -> DaemonEnded:
    """Why the daemon ended: the last line of its log, unless it was killed or the log is on standard error."""
    if code < 0:
        return DaemonEnded(EXIT_BOOT, f"lipdrop: the daemon was killed by signal {-code}; is there enough memory?")
    return DaemonEnded(code, log.read_text("utf-8", "replace").strip().rpartition("\n")[2])
