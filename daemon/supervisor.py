"""The supervision loop: take jobs in, keep the pipeline going, publish what ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import Any

from daemon import captions, notify, report
from daemon.intake import Intake
from daemon.report import Submission
from daemon.spool import Spool
from daemon.watcher import Watcher
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.errors import ErrorReport, JobError
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.flow import JobFlow
from pipeline.job import parse_job
from pipeline.scheduler import Done, Outcome, Scheduler

SCAN_SECONDS = 2.0
"""The inbox is listed at least this often, whatever the watcher tells."""

log = logging.getLogger(__name__)


class Supervisor:
    """Owns one spool and one pipeline."""

    def __init__(self, config: Config, spool: Spool, executor: Executor, specs: list[WorkerSpec]) -> None:
        self._config = config
        self._spool = spool
        self._executor = executor
        self._scheduler = Scheduler(executor, config, specs)
        self._avatars = Avatars(config)
        self._intake = Intake(spool, config.limits.quiet_seconds)
        self._watcher = Watcher(spool.inbox, executor.wake)
        self._submissions: dict[str, Submission] = {}
        self._unpublished: dict[str, dict[str, Any]] = {}
        """Timing JSONs of jobs that have ended but could not be published yet, as on a full disk."""
        self._next_look_seconds = 0.0
        self._stops = 0
        self._ready = False
        self._status: dict[str, Any] = {}
        self._counts = {"done": 0, "failed": 0}

    def run(self, *, once: bool = False) -> int:
        """Work until told to stop, or, with `once`, until nothing is left to do.

        Returns the exit code: 0 well, 1 a job failed (with `once` only), 130 stopped with jobs in flight,
        which the next start takes up again. Raises SpoolOwned, ConfigError and BootError.
        """
        with self._spool.owned():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            try:
                self._recover()
                while not self._ended(once):
                    self._turn()
            except OSError:
                log.exception("the machine refuses to go on")
                raise
            finally:
                self._watcher.close()
                self._scheduler.close()
                self._spool.status.unlink(missing_ok=True)
        if self._scheduler.jobs:
            return 130
        return 1 if self._unpublished or (once and self._counts["failed"]) else 0

    def _on_signal(self, *_: object) -> None:
        """The first signal drains, the second stops now."""
        self._stops += 1
        self._executor.wake()

    def _ended(self, once: bool) -> bool:
        if self._stops >= 2:
            return True
        if self._scheduler.jobs or not (self._stops or (once and self._ready)):
            return False
        self._intake.look()
        return self._stops > 0 or self._intake.waiting == 0

    def _turn(self) -> None:
        """One round: take in, wait for something to happen, publish."""
        if self._stops == 0:
            self._watcher.refresh()
            self._take_in()
        self._tell()
        for outcome in self._scheduler.step(SCAN_SECONDS / 4 if self._intake.unsettled() else SCAN_SECONDS):
            self._end(outcome)
        for name, timing in list(self._unpublished.items()):
            self._publish(name, timing)

    # Intake

    def _recover(self) -> None:
        for name in self._spool.recover():
            log.info("job %s: taken up again", name)
            self._admit(name, time.monotonic())

    def _take_in(self) -> None:
        """Claim jobs while there is room for them. The inbox is listed when it has changed, and now and then."""
        now = time.monotonic()
        if self._watcher.changed() or self._intake.unsettled() or now >= self._next_look_seconds:
            self._intake.look()
            self._next_look_seconds = now + SCAN_SECONDS
        while len(self._in_flight()) < self._config.limits.jobs_in_flight:
            name = self._intake.next(self._in_flight())
            if name is None:
                return
            seen = self._intake.take(name)
            if self._spool.claim(name):
                self._admit(name, seen)

    def _in_flight(self) -> set[str]:
        """The names that a newcomer has to wait for."""
        return {*self._scheduler.jobs, *self._unpublished}

    def _admit(self, name: str, seen_seconds: float) -> None:
        """Check a claimed job and start it, unless it is bad or was done before."""
        submission = Submission(self._spool.submitted_at(name), seen_seconds)
        earlier = self._spool.is_repeat(name)
        if earlier is not None:
            log.info("job %s: done before", name)
            self._publish(name, report.repeated_report(earlier, submission))
            return
        if self._config.on_conflict == "refuse" and self._spool.was_done(name):
            self._refuse(name, submission)
            return
        try:
            flow = self._checked(name)
        except JobError as error:
            self._fail(name, ErrorReport.of(error, stage="intake"), submission, 1, {})
            return
        log.info("job %s: taken in", name)
        self._submissions[name] = submission
        self._scheduler.add(flow)

    def _checked(self, name: str) -> JobFlow:
        job = parse_job(self._spool.job_bytes(name), self._config, self._avatars.names())
        recording = self._spool.take_recording(name, job.audio) if job.audio is not None else None
        return JobFlow(name, job, self._spool.folder(name), recording, self._config)

    def _refuse(self, name: str, submission: Submission) -> None:
        """Turn away another job under a name that is taken; the outputs that are there stay as they are."""
        error = JobError("conflict", f"a job {name} was done before", hint="drop it under another name")
        log.warning("job %s: refused: %s", name, error.message)
        timing = report.failed_report(name, ErrorReport.of(error, stage="intake"), submission, 1, {})
        self._spool.keep_failed(name, timing)
        self._spool.discard(name)
        self._counts["failed"] += 1

    # Publishing

    def _end(self, outcome: Outcome) -> None:
        name = outcome.flow.name
        submission = self._submissions.pop(name)
        if not isinstance(outcome, Done):
            self._fail(name, outcome.error, submission, outcome.attempts, outcome.flow.job.metadata)
            return
        timing = report.done_report(outcome.flow, submission, outcome.attempts)
        self._counts["done"] += 1
        log.info("job %s: done in %.2f s", name, timing["timing"]["total_seconds"])
        self._publish(name, timing)

    def _publish(self, name: str, timing: dict[str, Any]) -> None:
        """Publish a job that has ended. What the machine refuses now, as with a full disk, is tried again."""
        try:
            if timing.get("captions"):
                captions.write(self._spool.folder(name), timing)
            self._spool.publish(name, timing)
        except OSError as error:
            if name not in self._unpublished:
                log.error("job %s: cannot be published yet: %s", name, error)
            self._unpublished[name] = timing
        else:
            self._unpublished.pop(name, None)

    def _fail(
        self, name: str, error: ErrorReport, submission: Submission, attempts: int, metadata: dict[str, Any]
    ) -> None:
        self._counts["failed"] += 1
        log.warning("job %s: failed: %s: %s", name, error.code, ascii(error.message))
        if error.traceback:
            log.warning("job %s: %s", name, error.traceback)
        self._publish(name, report.failed_report(name, error, submission, attempts, metadata))

    # Telling

    def _tell(self) -> None:
        """Say how things stand: to systemd, and to `lipdrop status` through a file."""
        states, pids = self._scheduler.workers, self._scheduler.pids
        if not self._ready and self._scheduler.serves_every_role():
            self._ready = True
            notify.ready()
            log.info("ready: %s", self._spool.root)
        status = {
            "pid": os.getpid(),
            "state": "draining" if self._stops else "ready" if self._ready else "starting",
            "waiting": self._intake.waiting,
            "jobs": self._scheduler.jobs,
            "workers": {name: {"state": state.value, "pid": pids[name]} for name, state in states.items()},
            **self._counts,
        }
        if status != self._status:
            self._status = status
            with contextlib.suppress(OSError):  # a full disk hides the status for a while, no more
                self._spool.tell(status)
        notify.alive(f"{len(self._scheduler.jobs)} in flight, {self._intake.waiting} waiting")
