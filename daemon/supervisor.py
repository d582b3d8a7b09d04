"""The supervision loop: admit jobs, keep the pipeline running, publish jobs that have ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time

from daemon import notify
from daemon.admission import Admission
from daemon.cli.exit_codes import EXIT_INTERRUPTED, EXIT_JOB_FAILED
from daemon.hooks import HookRunner
from daemon.metrics.recorder import Recorder
from daemon.outputs.report import timestamp
from daemon.publisher import Publisher
from daemon.scheduling import stages
from daemon.scheduling.estimates import learn
from daemon.scheduling.pace import PACE_FILE, Pace
from daemon.scheduling.scheduler import JobDone, Outcome, Scheduler
from daemon.spool import health
from daemon.spool.health import HealthReport, JobProgress, WorkerHealth
from daemon.spool.retention import prune
from daemon.spool.spool import Spool
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.executors.base import Executor, WorkerSpec

HEALTH_SECONDS = 0.1
"""Between two reports of the same state. The loop turns with every event, and estimating when jobs end takes time."""

PRUNE_SECONDS = 3600.0

log = logging.getLogger(__name__)


class Supervisor:
    """Owns one spool and one pipeline."""

    def __init__(self, config: Config, spool: Spool, executor: Executor, specs: list[WorkerSpec]) -> None:
        """Raises ConfigError if the configuration names a certificate that cannot sign."""
        config.check_signing()
        config.check_codec()
        self._config = config
        self._spool = spool
        self._executor = executor
        self._pace = Pace.load(spool.run / PACE_FILE)
        self._scheduler = Scheduler(executor, config, specs, self._disk_has_room, self._pace)
        self._recorder = Recorder(config, spool)
        self._hooks = HookRunner(config, spool, self._recorder.observe, executor.wake)
        self._publisher = Publisher(spool, config.web.webhook_hosts, self._hooks, self._recorder.observe)
        self._admission = Admission(config, spool, self._scheduler, self._publisher, executor.wake)
        self._next_prune_seconds = 0.0
        self._stops = 0
        """Stop signals received so far."""
        self._stop_at_seconds = float("inf")
        self._is_ready = False
        self._has_noted_stop = False
        self._reported_state: tuple[str, str] | None = None
        self._next_report_seconds = 0.0
        self._is_report_late = False
        """Whether a report was put off until `_next_report_seconds`."""

    def run(self, *, once: bool = False) -> int:
        """Run until stopped by a signal or, with `once`, until no work is left.

        Returns the exit code: 0, 1 if a job failed (with `once` only), 130 if stopped with jobs in flight, which
        the next start resumes. Raises SpoolOwned, ConfigError, BootError and OSError.
        """
        with self._spool.owned():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            try:
                previous = health.read_health(self._spool)
                self._report_health(health.STARTING, "")  # immediately: the existing file is a previous daemon's
                self._recorder.start()
                self._admission.recover(previous.monotonic_seconds if previous else 0.0)
                self._hooks.start()
                while not self._is_over(once):
                    self._iterate()
                    self._note_stop()
                self._note_end()
            except OSError:
                log.exception("I/O error, stopping")
                raise
            finally:
                self._hooks.close()
                self._admission.close()
                self._scheduler.close()
                self._report_health(health.STOPPED, "")
                self._recorder.close()
        return self._exit_code(once)

    def _exit_code(self, once: bool) -> int:
        if self._scheduler.jobs or self._admission.claimed:
            return EXIT_INTERRUPTED
        return EXIT_JOB_FAILED if self._publisher.unpublished or (once and self._publisher.failed) else 0

    def _on_signal(self, *_: object) -> None:
        """Drain on the first signal; stop at once on the second."""
        self._stops += 1
        self._stop_at_seconds = min(self._stop_at_seconds, time.monotonic() + self._config.limits.drain_seconds)
        self._executor.wake()

    def _note_stop(self) -> None:
        """Say once what a stop waits for."""
        if self._stops == 0 or self._has_noted_stop:
            return
        self._has_noted_stop = True
        endless = {flow.name for flow in self._scheduler.open_streams}
        jobs, waiting = (
            sorted(self._scheduler.jobs.keys() - endless),
            self._admission.waiting + len(self._admission.claimed),
        )
        later = f"; {waiting} more will run after the next start" if waiting else ""
        seconds = self._config.limits.drain_seconds
        if jobs:
            names = ", ".join(jobs)
            log.info("stopping: finishing %s, for up to %.0f s%s; Ctrl-C again stops now", names, seconds, later)

    def _note_end(self) -> None:
        """Say what is left if the daemon was stopped."""
        unfinished = sorted({*self._scheduler.jobs, *self._admission.claimed})
        waiting = self._admission.waiting
        if self._stops == 0:
            return
        resumed = f"; the next start resumes {', '.join(unfinished)}" if unfinished else ""
        log.info("stopped%s%s", resumed, f"; {waiting} jobs wait in the inbox" if waiting else "")

    def _is_over(self, once: bool) -> bool:
        if self._stops >= 2 or time.monotonic() >= self._stop_at_seconds:
            return True
        endless = len(self._scheduler.open_streams) if self._stops else 0  # a stop does not wait for their end
        is_busy = len(self._scheduler.jobs) > endless
        if is_busy or not (self._stops or (once and self._is_ready)) or not self._hooks.is_idle():
            return False
        return self._stops > 0 or self._admission.is_exhausted() or self._spool.is_paused()

    def _iterate(self) -> None:
        """One iteration: admit jobs, wait for an event, publish."""
        self._admission.watch()
        self._admission.cancel_requested()
        self._admission.hear_requests()
        if self._is_open():
            self._admission.claim_jobs()
        if self._may_start_jobs():
            self._admission.start_claimed()
        self._note_ready()
        self._report_health(*self._state())
        outcomes = self._scheduler.step(self._idle_seconds())
        for worker in self._scheduler.take_exits():
            self._recorder.observe(worker)
        self._publisher.show_streams()
        for outcome in outcomes:
            self._publisher.end(outcome)
            self._learn(outcome)
        self._publisher.retry()
        self._prune()

    def _learn(self, outcome: Outcome) -> None:
        """Remember what a job took, for the estimates of later ones."""
        if isinstance(outcome, JobDone) and not outcome.flow.is_open:
            learn(self._pace, outcome.flow, time.monotonic())
            with contextlib.suppress(OSError):  # e.g. disk full; saved again with the next job
                self._pace.save(self._spool.run / PACE_FILE)

    def _may_start_jobs(self) -> bool:
        return self._stops == 0 and self._scheduler.has_room()

    def _is_open(self) -> bool:
        """Whether new jobs are claimed."""
        return self._may_start_jobs() and not self._spool.is_paused()

    def _disk_has_room(self) -> bool:
        return self._spool.free_bytes() >= self._config.limits.free_megabytes << 20

    def _idle_seconds(self) -> float:
        """How long to wait for an event."""
        until_stop = self._stop_at_seconds - time.monotonic()
        next_job = self._admission.idle_seconds(is_open=self._is_open())
        until_report = self._next_report_seconds - time.monotonic() if self._is_report_late else float("inf")
        return max(0.0, min(next_job, self._publisher.idle_seconds(), until_stop, until_report))

    def _prune(self) -> None:
        now, settings = time.monotonic(), self._config.retention
        if now < self._next_prune_seconds:
            return
        self._next_prune_seconds = now + PRUNE_SECONDS
        for folder in (self._spool.done, self._spool.failed, self._spool.webhooks, self._spool.hooks):
            try:
                removed = prune(folder, days=settings.days, max_bytes=settings.megabytes << 20)
            except OSError as error:
                log.warning("cannot prune %s/: %s", folder.name, error)
                continue
            if removed:
                log.info("pruned the %d oldest entries of %s/", len(removed), folder.name)
        try:
            Avatars(self._config).forget_unused()
        except OSError as error:
            log.warning("cannot prune the avatar cache: %s", error)

    # Health

    def _note_ready(self) -> None:
        if not self._is_ready and self._scheduler.serves_every_role():
            self._is_ready = True
            notify.ready()
            log.info("ready: %s", self._spool.root)

    def _state(self) -> tuple[str, str]:
        """The daemon's state, and the reason if it is not ok."""
        if self._stops:
            return health.DRAINING, "stopping on request"
        if not self._scheduler.has_room():
            return health.PAUSED, self._why_full()
        if self._spool.is_paused():
            return health.PAUSED, "paused by `lipdrop pause`"
        impairment = self._impairment()
        if impairment is not None:
            return health.DEGRADED, impairment
        return (health.OK if self._is_ready else health.STARTING), ""

    def _impairment(self) -> str | None:
        """What does not work although jobs are processed, or soon will be."""
        failing, unpublished = self._scheduler.failing, self._publisher.unpublished
        if failing:
            return f"workers fail to start: {', '.join(failing)}"
        if unpublished:
            return f"jobs that cannot be published: {', '.join(unpublished)}"
        return self._executor.trouble()

    def _why_full(self) -> str:
        free, least = self._spool.free_bytes() >> 20, self._config.limits.free_megabytes
        if free < least:
            return f"the disk is full: {free} MB free, limits.free_megabytes is {least}"
        return f"the disk or a quota is full: {free} MB free, but a stage could not write"

    def _report_health(self, state: str, why: str) -> None:
        """Report to systemd, and through a file to `lipdrop status` and `lipdrop health`; a new state at once."""
        now = time.monotonic()
        self._is_report_late = (state, why) == self._reported_state and now < self._next_report_seconds
        if self._is_report_late:
            return
        self._reported_state, self._next_report_seconds = (state, why), now + HEALTH_SECONDS
        report = self._health(state, why)
        self._recorder.show(report)
        with contextlib.suppress(OSError):  # the next report retries
            health.write_health(self._spool, report)
        idle = sum(worker.state == "idle" for worker in report.workers.values())
        notify.alive(f"{state}: {len(report.jobs)} in flight, {report.waiting} waiting, {idle} idle")

    def _jobs(self) -> dict[str, str]:
        """The jobs in flight and the step of each, those included that cannot be started or published yet."""
        claimed, unpublished = self._admission.claimed, self._publisher.unpublished
        claims = dict.fromkeys(claimed, "queued") | dict.fromkeys(self._admission.copying, "copy")
        return claims | dict.fromkeys(unpublished, "publish") | self._scheduler.jobs

    def _progress(self) -> dict[str, JobProgress]:
        """How far they have advanced; those whose recording is copied, with that."""
        copying = {name: JobProgress(share, None) for name, share in self._admission.copying.items()}
        return copying | {name: JobProgress(**vars(found)) for name, found in self._scheduler.progress.items()}

    def _workers(self) -> dict[str, WorkerHealth]:
        """Where each worker is, and what it does."""
        workers, pids, nodes = self._scheduler.workers, self._scheduler.pids, self._scheduler.nodes
        devices, items = self._scheduler.devices, self._scheduler.items
        return {
            name: WorkerHealth(
                state=worker.value,
                pid=pids[name],
                node=nodes[name],
                device=devices[name],
                job=item.job if (item := items.get(name)) else None,
                step=stages.step(item) if item else None,
                index=item.index if item else None,
            )
            for name, worker in workers.items()
        }

    def _health(self, state: str, why: str) -> HealthReport:
        return HealthReport(
            state=state,
            why=why,
            pid=os.getpid(),
            waiting=self._admission.waiting,
            jobs=self._jobs(),
            progress=self._progress(),
            expected_ends=self._admission.expected_ends(is_open=self._is_open()),
            workers=self._workers(),
            done=self._publisher.done,
            failed=self._publisher.failed,
            monotonic_seconds=time.monotonic(),
            at=timestamp(time.time()),
        )
