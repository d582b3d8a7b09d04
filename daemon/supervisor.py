"""The supervision loop: take jobs in, keep the pipeline going, publish what ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from daemon import notify
from daemon.outputs import captions, report
from daemon.outputs import hls as streams
from daemon.outputs.hls import Stream
from daemon.outputs.report import Submission
from daemon.scheduling.flow import Flow
from daemon.scheduling.journal import Journal, fingerprint
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.scheduler import Done, Outcome, Scheduler, cancelled
from daemon.scheduling.stream_flow import StreamFlow
from daemon.spool import health
from daemon.spool.intake import Intake
from daemon.spool.retention import prune
from daemon.spool.spool import Spool
from daemon.spool.watcher import Watcher
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.errors import ErrorReport, JobError
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.job import parse_job

SCAN_SECONDS = 2.0
"""The inbox is listed at least this often, whatever the watcher tells."""

LOOK_REST = 10
"""After listing the inbox, so many times as long is spent on other things."""

TELL_SECONDS = 1.0
"""The health file is written no more often than this, unless something has changed."""

PRUNE_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass
class _Claimed:
    """A job that is claimed and not started. Monotonic seconds."""

    seen_seconds: float
    next_try_seconds: float = 0.0


class Supervisor:
    """Owns one spool and one pipeline."""

    def __init__(self, config: Config, spool: Spool, executor: Executor, specs: list[WorkerSpec]) -> None:
        self._config = config
        self._spool = spool
        self._executor = executor
        self._scheduler = Scheduler(executor, config, specs, self._disk_has_room)
        self._avatars = Avatars(config)
        self._intake = Intake(spool, config.limits.quiet_seconds)
        self._watcher = Watcher(spool.inbox, executor.wake)
        self._claimed: dict[str, _Claimed] = {}
        """Jobs that are claimed and not started: a full disk may keep them waiting."""
        self._submissions: dict[str, Submission] = {}
        self._streams: dict[str, Stream] = {}
        """Jobs that are played while they render."""
        self._unpublished: dict[str, dict[str, Any]] = {}
        """Timing JSONs of jobs that have ended but could not be published yet, as on a full disk."""
        self._next_look_seconds = self._rested_seconds = 0.0
        self._next_prune_seconds = 0.0
        self._stops = 0
        self._stop_at_seconds = float("inf")
        self._ready = False
        self._told: dict[str, Any] = {}
        self._told_seconds = 0.0
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
                self._tell(health.STARTING, "")  # at once: the file that is there is of the daemon before
                self._recover()
                while not self._ended(once):
                    self._turn()
            except OSError:
                log.exception("the machine refuses to go on")
                raise
            finally:
                self._watcher.close()
                self._scheduler.close()
                self._tell(health.STOPPED, "")
        if self._scheduler.jobs or self._claimed:
            return 130
        return 1 if self._unpublished or (once and self._counts["failed"]) else 0

    def _on_signal(self, *_: object) -> None:
        """The first signal drains, the second stops now."""
        self._stops += 1
        self._stop_at_seconds = min(self._stop_at_seconds, time.monotonic() + self._config.limits.drain_seconds)
        self._executor.wake()

    def _ended(self, once: bool) -> bool:
        if self._stops >= 2 or time.monotonic() >= self._stop_at_seconds:
            return True
        if self._scheduler.jobs or not (self._stops or (once and self._ready)):
            return False
        self._intake.look()
        return self._stops > 0 or not (self._claimed or self._intake.waiting) or self._spool.is_paused()

    def _turn(self) -> None:
        """One round: take in, wait for something to happen, publish."""
        self._cancel()
        if self._takes_in():
            self._watcher.refresh()
            self._take_in()
        self._admit_claimed()
        self._note_ready()
        self._tell(*self._health())
        outcomes = self._scheduler.step(self._patience())
        self._show_streams()
        for outcome in outcomes:
            with self._defects_end(outcome.flow.name, "publish"):
                self._end(outcome)
        for name, timing in list(self._unpublished.items()):
            self._publish(name, timing)
        self._prune()

    def _patience(self) -> float:
        """How long to wait for something to happen: not at all while there are jobs to take in and room for them."""
        if self._takes_in() and self._has_place() and self._intake.next(self._in_flight()):
            return 0.0
        now, pause = time.monotonic(), SCAN_SECONDS / 4 if self._intake.unsettled() else SCAN_SECONDS
        if now < self._rested_seconds:  # what changes meanwhile is looked at after
            pause = min(pause, self._rested_seconds - now)
        begins = (stream.flow.begin_seconds - now for stream in self._streams.values() if not stream.shown)
        return max(0.0, min([pause, self._stop_at_seconds - now, *(begin for begin in begins if begin > 0)]))

    def _prune(self) -> None:
        now, settings = time.monotonic(), self._config.retention
        if now < self._next_prune_seconds:
            return
        self._next_prune_seconds = now + PRUNE_SECONDS
        for folder in (self._spool.done, self._spool.failed):
            try:
                removed = prune(folder, days=settings.days, max_bytes=settings.megabytes << 20)
            except OSError as error:
                log.warning("%s: cannot be pruned: %s", folder.name, error)
                continue
            if removed:
                log.info("%s: the %d oldest entries are removed", folder.name, len(removed))
        try:
            self._avatars.forget_unused()
        except OSError as error:
            log.warning("the avatars' cache cannot be pruned: %s", error)

    # Intake

    def _recover(self) -> None:
        for name in self._spool.recover():
            sealed = self._spool.sealed(name)
            if sealed is None:
                log.info("job %s: taken up again", name)
                self._claimed[name] = _Claimed(time.monotonic())
            else:
                self._unpublished[name] = sealed

    def _takes_in(self) -> bool:
        return self._stops == 0 and not self._spool.is_paused() and self._scheduler.has_room()

    def _disk_has_room(self) -> bool:
        return self._spool.free_bytes() >= self._config.limits.free_megabytes << 20

    def _has_place(self) -> bool:
        return len(self._in_flight()) < self._config.limits.jobs_in_flight

    def _take_in(self) -> None:
        """Claim jobs while there is place for them."""
        self._look()
        while self._has_place():
            name = self._intake.next(self._in_flight())
            if name is None:
                return
            seen = self._intake.take(name)
            if self._spool.claim(name):
                self._claimed[name] = _Claimed(seen)

    def _look(self) -> None:
        """List the inbox when it has changed, and now and then.

        A long one is let rest, for listing it takes time; not while files in it are unread.
        """
        start = time.monotonic()
        if start < self._rested_seconds:
            return
        if self._watcher.changed() or self._intake.unsettled() or start >= self._next_look_seconds:
            with contextlib.suppress(OSError):  # as on a full disk: the next look tries again
                self._spool.keep_inbox()
            self._intake.look()
            end = time.monotonic()
            self._rested_seconds = end if self._intake.behind() else end + LOOK_REST * (end - start)
            self._next_look_seconds = end + SCAN_SECONDS

    def _in_flight(self) -> set[str]:
        """The names that a newcomer has to wait for."""
        return {*self._scheduler.jobs, *self._claimed, *self._unpublished}

    def _admit_claimed(self) -> None:
        if self._stops or not self._scheduler.has_room():
            return
        now = time.monotonic()
        for name, claimed in list(self._claimed.items()):
            if now < claimed.next_try_seconds:
                continue
            try:
                with self._defects_end(name, "intake"):
                    self._admit(name, claimed.seen_seconds)
            except FileNotFoundError:
                log.exception("job %s: its files in work/ are gone", name)
                self._submissions.pop(name, None)
            except OSError as error:
                log.warning("job %s: has to wait: %s", name, error)
                claimed.next_try_seconds = now + SCAN_SECONDS
                continue
            del self._claimed[name]

    def _admit(self, name: str, seen_seconds: float) -> None:
        """Check a claimed job and start it, unless it is bad or was done before. Raises OSError."""
        submission = self._submissions[name] = Submission(self._spool.submitted_at(name), seen_seconds)
        earlier = self._spool.is_repeat(name)
        if earlier is not None:
            log.info("job %s: done before", name)
            self._publish(name, report.repeated_report(earlier, submission))
            return
        if self._config.on_conflict == "refuse" and self._spool.was_done(name):
            self._refuse(name)
            return
        flow = self._checked(name, seen_seconds)
        self._open_stream(flow)
        log.info("job %s: taken in", name)
        self._submissions[name] = replace(submission, seen_seconds=flow.journal.seen_seconds)
        self._scheduler.add(flow)

    def _checked(self, name: str, seen_seconds: float) -> Flow:
        """The job's flow, with what an earlier daemon has done of it; what that left half done is removed."""
        data, folder, config = self._spool.job_bytes(name), self._spool.folder(name), self._config
        job = parse_job(data, config, self._avatars.names())
        recording = self._spool.take_recording(name, job.audio) if job.audio is not None else None
        mark = fingerprint(data, config, job.avatar or config.avatars.default, recording)
        journal = Journal(folder, mark, seen_seconds)
        self._spool.clear(name, journal.files)
        return make_flow(name, job, folder=folder, recording=recording, config=config, journal=journal)

    def _refuse(self, name: str) -> None:
        """Turn away another job under a name that is taken; the outputs that are there stay as they are."""
        error = JobError("conflict", f"a job {name} was done before", hint="drop it under another name")
        log.warning("job %s: refused: %s", name, error.message)
        timing = report.failed_report(name, ErrorReport.of(error, stage="intake"), self._submissions.pop(name), 1, {})
        self._spool.refuse(name, timing["error"])
        self._counts["failed"] += 1

    def _cancel(self) -> None:
        """End the jobs that someone has asked to end: in flight, claimed or still in the inbox."""
        for name in self._spool.cancel_requests():
            if name in self._scheduler.jobs:
                self._scheduler.cancel(name)
            elif name in self._claimed or self._spool.claim(name):
                self._claimed.pop(name, None)
                self._submissions[name] = Submission(self._spool.submitted_at(name), time.monotonic())
                self._fail(name, ErrorReport.of(cancelled(name), stage="queued"))
            elif not self._spool.is_under_way(name):  # else it is tried again: a full disk lets nothing be claimed
                self._spool.forget_cancelling(name)

    # Streams

    def _open_stream(self, flow: Flow) -> None:
        """Begin to show a stream; one of an earlier daemon goes on. Raises JobError and OSError."""
        if isinstance(flow, StreamFlow):
            streams.check_name(flow.name)
            self._spool.open_stream(flow.name, streams.ASSETS, anew=not flow.journal.results)
            self._streams[flow.name] = Stream(flow)

    def _show_streams(self) -> None:
        """Show what has become playable. What the machine refuses now, as with a full disk, is tried again."""
        for name, stream in self._streams.items():
            try:
                self._show(name, stream)
            except OSError as error:
                log.warning("job %s: its stream has to wait: %s", name, error)

    def _show(self, name: str, stream: Stream) -> None:
        if stream.has_news():
            self._spool.show(name, stream.files(), stream.texts())
            stream.mark_shown()

    def _end_stream(self, name: str, timing: dict[str, Any]) -> None:
        """Show the whole stream; of a job that ended badly nothing is kept. Raises OSError."""
        stream = self._streams.get(name)
        if stream is not None and timing["status"] == "done":
            self._show(name, stream)
        elif stream is not None:
            self._spool.remove_stream(name)
        self._streams.pop(name, None)

    # Publishing

    @contextlib.contextmanager
    def _defects_end(self, name: str, stage: str) -> Iterator[None]:
        """What goes wrong with a job in the block ends that job alone: of it the next daemon would die as well.

        OSError is the machine's fault, and passes.
        """
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            report = ErrorReport.of(error, stage=stage, traceback=traceback.format_exc())
            self._fail(name, report)

    def _end(self, outcome: Outcome) -> None:
        name = outcome.flow.name
        if not isinstance(outcome, Done):
            self._fail(name, outcome.error, outcome.attempts, outcome.flow.job.metadata)
            return
        timing = report.done_report(outcome.flow, self._submissions[name], outcome.attempts)
        self._counts["done"] += 1
        log.info("job %s: done in %.2f s", name, timing["timing"]["total_seconds"])
        self._publish(name, timing)

    def _publish(self, name: str, timing: dict[str, Any]) -> None:
        """Publish a job that has ended. What the machine refuses now, as with a full disk, is tried again."""
        try:
            if timing.get("captions"):
                captions.write(self._spool.folder(name), timing)
            self._end_stream(name, timing)
            self._spool.publish(name, timing)
        except OSError as error:
            if name not in self._unpublished:
                log.error("job %s: cannot be published yet: %s", name, error)
            self._unpublished[name] = timing
        else:
            self._unpublished.pop(name, None)
            self._submissions.pop(name, None)

    def _fail(self, name: str, error: ErrorReport, attempts: int = 1, metadata: dict[str, Any] | None = None) -> None:
        self._counts["failed"] += 1
        log.warning("job %s: failed: %s: %s", name, error.code, ascii(error.message))
        if error.traceback:
            log.warning("job %s: %s", name, error.traceback)
        self._publish(name, report.failed_report(name, error, self._submissions[name], attempts, metadata or {}))

    # Telling

    def _note_ready(self) -> None:
        if not self._ready and self._scheduler.serves_every_role():
            self._ready = True
            notify.ready()
            log.info("ready: %s", self._spool.root)

    def _health(self) -> tuple[str, str]:
        """The state, and why it is no better."""
        failing = self._scheduler.failing
        if self._stops:
            return health.DRAINING, "told to stop"
        if not self._scheduler.has_room():
            return health.PAUSED, self._why_full()
        if self._spool.is_paused():
            return health.PAUSED, "told to by `lipdrop pause`"
        if failing:
            return health.DEGRADED, f"workers that do not start: {', '.join(failing)}"
        if self._unpublished:
            return health.DEGRADED, f"jobs that cannot be published: {', '.join(self._unpublished)}"
        return (health.OK if self._ready else health.STARTING), ""

    def _why_full(self) -> str:
        free, least = self._spool.free_bytes() >> 20, self._config.limits.free_megabytes
        if free < least:
            return f"the disk is full: {free} MB free, limits.free_megabytes is {least}"
        return f"the disk is full, or a quota: {free} MB are free, and a stage could not write"

    def _tell(self, state: str, why: str) -> None:
        """Say how things stand: to systemd, and to `lipdrop status` and `lipdrop health` through a file."""
        workers, pids = self._scheduler.workers, self._scheduler.pids
        told = {
            "state": state,
            "why": why,
            "pid": os.getpid(),
            "waiting": self._intake.waiting,
            "jobs": self._scheduler.jobs,
            "workers": {name: {"state": worker.value, "pid": pids[name]} for name, worker in workers.items()},
            **self._counts,
        }
        now = time.monotonic()
        if told != self._told or now >= self._told_seconds + TELL_SECONDS:
            self._told, self._told_seconds = told, now
            stamps = {"monotonic_seconds": now, "at": report.timestamp(time.time())}
            with contextlib.suppress(OSError):  # a full disk hides the health for a while, no more
                self._spool.tell({**told, **stamps})
        idle = sum(worker.value == "idle" for worker in workers.values())
        notify.alive(f"{state}: {len(self._scheduler.jobs)} in flight, {self._intake.waiting} waiting, {idle} idle")
