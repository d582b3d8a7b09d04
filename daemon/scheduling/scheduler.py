"""The scheduler: runs the flows of many jobs on a pool of workers.

It runs in the daemon's process and blocks only in `Executor.wait`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from daemon.metrics.observations import WorkerExit
from daemon.scheduling import stages
from daemon.scheduling.backlog import Backlog, Entry, job_urgency
from daemon.scheduling.budgets import Allowances, allowances
from daemon.scheduling.flow import Flow
from daemon.scheduling.forecast import Forecast, Queued
from daemon.scheduling.open_stream import OpenStream
from daemon.scheduling.pace import Pace
from daemon.scheduling.progress import CUT, Progress, frames_per_second, left, share_done
from daemon.scheduling.worker_pool import Worker, WorkerPool, WorkerState
from daemon.scheduling.workers import POOLED_ROLE, sized_specs
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.errors import CLUSTER_LOST, DISK_FULL, ErrorReport, JobError, StageError
from pipeline.executors.base import Executor, NodeOffer, WorkerSpec
from pipeline.log_context import logging_about
from pipeline.messages import Advanced, Chunk, Died, Event, Failed, Finished, Item, Ready, SoundItem, Yielded

FULL_DISK_SECONDS = 10.0
"""Pause after a disk-full error: whether a quota still blocks writes cannot be checked from outside."""

LOSSES_MAX = 8
"""How often an item may lose its node without counting it as an attempt: it may be what brings nodes down."""

JOBS_PER_WORKER = 2
"""In flight with `workers: auto`, so that short jobs keep all lip-sync workers busy."""

OVERTAKING_MAX = 32
"""Waiting jobs that are considered for the time left of those in flight, which shorter ones overtake."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobDone:
    """A job whose video is ready."""

    flow: Flow
    attempts: int


@dataclass(frozen=True)
class JobFailed:
    """A job that failed."""

    flow: Flow
    attempts: int
    error: ErrorReport


Outcome = JobDone | JobFailed


def cancelled(name: str) -> JobError:
    """The error of a job that a user cancelled."""
    return JobError("cancelled", "the job was cancelled", hint=f"run it again with: lipdrop retry {name}")


@dataclass
class _JobState:
    flow: Flow
    number: int
    allowed: Allowances
    began_seconds: float | None = None
    """When its first item was started; monotonic."""
    step: str = "queued"
    """The role of the item that was started last."""
    share: float = 0.0
    """How much of it was done when that was last asked, from 0 to 1: it never shrinks."""
    kind: str | None = None
    """The kind of workers that render its chunks, so that all are rounded alike; None: of any."""
    failure: JobFailed | None = None
    """Set when the job fails; it ends once no worker holds an item of it."""


@dataclass
class Scheduler:
    """Keeps the backlog, chooses a worker for each item, retries failed items."""

    executor: Executor
    config: Config
    specs: Sequence[WorkerSpec]
    disk_has_room: Callable[[], bool] = lambda: True
    """Whether the disk appears to have enough free space."""
    pace: Pace = field(default_factory=Pace)
    """How fast this machine works."""
    _pool: WorkerPool = field(init=False)
    _avatars: Avatars = field(init=False)
    _jobs: dict[str, _JobState] = field(init=False, default_factory=dict)
    _open_jobs: dict[str, _JobState] = field(init=False, default_factory=dict)
    """Those of them that are open streams, whose items depend on the time."""
    _backlog: Backlog = field(init=False, default_factory=Backlog)
    waiting: Sequence[Queued] = field(init=False, default=())
    """The jobs in the inbox, in the order in which they will be added; as far as their work can be estimated."""
    _outcomes: list[Outcome] = field(init=False, default_factory=list)
    _numbers: Iterator[int] = field(init=False, default_factory=itertools.count)
    _offers: Sequence[NodeOffer] = field(init=False, default=())
    """What the nodes of the cluster offered last."""
    _sized: Sequence[WorkerSpec] = field(init=False, default=())
    """The workers that they have room for."""
    _is_resized: bool = field(init=False, default=False)
    """Whether there are so many now."""
    _full_until_seconds: float = field(init=False, default=0.0)
    """Monotonic."""

    def __post_init__(self) -> None:
        self._pool = WorkerPool(self.executor, self.specs, self.config.limits.boot_seconds)
        self._avatars = Avatars(self.config)

    def add(self, flow: Flow) -> None:
        """Add a job. If its journal has results of a previous daemon, only the remaining items run."""
        allowed = allowances(self.config, avatar_is_video=any(map(self._avatars.is_video, flow.avatars)))
        state, items = _JobState(flow, next(self._numbers), allowed, kind=flow.journal.kind), flow.begin()
        self._jobs[flow.name] = state
        if flow.is_open:
            self._open_jobs[flow.name] = state
        self._enqueue(state, items)
        self._end_if_over(state)

    def has_room(self) -> bool:
        """Whether there is free disk space. Without it no item is started, and failures do not count as attempts."""
        return time.monotonic() >= self._full_until_seconds and self.disk_has_room()

    def cancel(self, name: str) -> None:
        """Cancel a job in flight and kill the workers that are busy with it."""
        state = self._jobs[name]
        if state.failure is not None:
            return
        log.info("job %s: cancelled", name)
        error = ErrorReport.of(cancelled(name), stage=state.step)
        self._fail(state, error, state.flow.journal.most_attempts)
        self._pool.kill_holders(state.flow)
        self._end_if_over(state)

    @property
    def open_streams(self) -> list[OpenStream]:
        """The open streams in flight, in which more may be said."""
        flows = (state.flow for state in self._open_jobs.values() if state.failure is None)
        return [flow for flow in flows if isinstance(flow, OpenStream)]

    @property
    def jobs(self) -> dict[str, str]:
        """The jobs in flight, each with its current step."""
        return {name: state.step for name, state in self._jobs.items()}

    @property
    def progress(self) -> dict[str, Progress]:
        """How far each job in flight has advanced."""
        now, expected = time.monotonic(), self.etas(self.waiting[:OVERTAKING_MAX])
        return {name: self._progress_of(state, expected.get(name), now) for name, state in self._jobs.items()}

    def etas(self, waiting: Sequence[Queued]) -> dict[str, float | None]:
        """Expected time until the end of each job in flight and of those that wait; None of those without estimate."""
        now = time.monotonic()
        in_flight = [
            Queued(job_urgency(state.flow), name, left(state.flow, self._pool.holders(state.flow), self.pace, now))
            for name, state in self._jobs.items()
            if not state.flow.is_open
        ]
        behind = [job for job in waiting if job.name not in self._jobs]  # it may have been taken up since
        forecast = Forecast(
            speakers=self._pool.count("tts"),
            renderers=self._pool.count(POOLED_ROLE),
            places=max(1, self.jobs_max - len(self._jobs) + len(in_flight)),
        )
        return forecast.ends(in_flight, behind)

    @property
    def jobs_max(self) -> int:
        """How many jobs may be in flight: enough for all lip-sync workers if the cluster decides how many there are."""
        limit = self.config.limits.jobs_in_flight
        return max(limit, JOBS_PER_WORKER * self._pool.count(POOLED_ROLE)) if self.config.follows_cluster else limit

    def _progress_of(self, state: _JobState, eta: float | None, now: float) -> Progress:
        """How far a job has advanced: by its time where that can be predicted, else by its work."""
        flow, share = state.flow, share_done(state.flow, self._pool.rendering(state.flow))
        elapsed = now - state.began_seconds if state.began_seconds is not None else 0.0
        if eta is not None:
            share = round(elapsed / (elapsed + eta), 3) if elapsed + eta else 0.0
        elif share > CUT:
            eta = round(elapsed / share - elapsed, 1)
        state.share = max(state.share, share)
        return Progress(
            share=state.share,
            began_seconds=state.began_seconds,
            chunks_done=len(flow.segments),
            chunks=flow.count,
            frames_per_second=frames_per_second(flow, self._pool.holders(flow), now),
            eta_seconds=eta,
        )

    @property
    def workers(self) -> dict[str, WorkerState]:
        """The state of every worker."""
        return self._pool.states

    def serves_every_role(self) -> bool:
        """Whether each role has a worker that is up."""
        return self._pool.serves_every_role()

    @property
    def failing(self) -> list[str]:
        """The workers that repeatedly failed to start, with their states."""
        return self._pool.failing

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of every worker; None for one that is not running."""
        return self._pool.pids

    @property
    def nodes(self) -> dict[str, str | None]:
        """The machine of every worker; None: the daemon's."""
        return self._pool.nodes

    @property
    def devices(self) -> dict[str, str | None]:
        """What every worker computes on; None for one that is not running."""
        return self._pool.devices

    @property
    def items(self) -> dict[str, Item]:
        """What each busy worker works on."""
        return self._pool.items

    def take_exits(self) -> list[WorkerExit]:
        """The workers that exited since the last call."""
        return self._pool.take_exits()

    def step(self, timeout_seconds: float) -> list[Outcome]:
        """Start runnable items, wait for events, and return the jobs that ended.

        Raises ConfigError if a starting worker finds the configuration unusable, BootError if the last worker of a role
        cannot be started.
        """
        now = time.monotonic()
        self._follow_cluster()
        self._pool.start_waiting(now)
        for state in self._open_jobs.values():
            self._enqueue(state, state.flow.due(now) if state.failure is None else [])
        self._dispatch(now)
        timed = [state.flow.idle_seconds(now) for state in self._open_jobs.values()]
        for event in self._pool.wait(now, 0.0 if self._outcomes else min([timeout_seconds, *timed])):
            self._handle(event)
        self._pool.kill_overdue(time.monotonic())
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _follow_cluster(self) -> None:
        """Have as many workers as the nodes of the cluster have room for, if that is configured."""
        if not self.config.follows_cluster or (offers := self.executor.offers()) is None:
            return
        if offers != self._offers:
            self._offers, self._sized, self._is_resized = offers, sized_specs(self.config, offers), False
        if not self._is_resized:
            self._is_resized = self._pool.resize(self._sized, {offer.node for offer in offers})

    def close(self) -> None:
        """Stop all workers. The items that they hold are interrupted, which does not count as an attempt."""
        for entry in self._pool.held:
            entry.flow.journal.release(entry.item)
        self._pool.close()

    # Events

    def _handle(self, event: Event) -> None:
        worker = self._pool[event.worker]
        match event:
            case Ready():
                self._pool.ready(event)
            case Yielded() if worker.entry and worker.task == event.task:
                self._advance(worker.entry.flow, event)
            case Advanced() if worker.task == event.task:
                self._pool.advance(worker, event.share, time.monotonic())
            case Finished():
                self._settle(self._pool.free(worker))
            case Failed(task=None):
                self._pool.boot_failed(event.worker, event.error)
            case Failed():
                self._settle(self._pool.free(worker), event.error)
            case Died():
                error = self._pool.died(event)
                self._settle(self._pool.free(worker), error)
                self._pool.schedule_restart(worker, is_lost=event.is_lost)

    def _advance(self, flow: Flow, event: Yielded) -> None:
        """Enqueue the items that follow a result."""
        state = self._jobs.get(flow.name)
        if state is None or state.failure is not None:
            return
        self._enqueue(state, state.flow.accept(event.result))
        self._end_if_over(state)

    def _settle(self, entry: Entry | None, error: ErrorReport | None = None) -> None:
        """Handle an item that a worker no longer holds; after an error it is retried, or its job fails."""
        state = self._jobs.get(entry.flow.name) if entry else None
        if entry is None or state is None or state.flow is not entry.flow:
            return
        if state.flow.has_results(entry.item):  # a worker that died afterwards has lost nothing
            error = None
        _record_end(state, entry.item, error)
        if error is not None and state.failure is None:
            self._retry_or_fail(state, entry, error)
        self._end_if_over(state)

    # Jobs

    def _enqueue(self, state: _JobState, items: Sequence[Item]) -> None:
        self._backlog.reorder(state.flow)
        for item in items:
            budget = stages.budget_seconds(item, state.allowed)
            self._backlog.add(Entry(state.flow, item, (state.number, item.index), budget))
        for item in items:
            if state.flow.journal.attempts(item) >= self.config.limits.attempts:
                self._fail(state, _daemon_died(item), self.config.limits.attempts)

    def _retry_or_fail(self, state: _JobState, entry: Entry, error: ErrorReport) -> None:
        log.warning("job %s: %s: %s", entry.flow.name, error.stage, error.message)
        journal = state.flow.journal
        if error.code == DISK_FULL:
            self._full_until_seconds = time.monotonic() + FULL_DISK_SECONDS
        is_lost = error.code == CLUSTER_LOST and journal.losses(entry.item) <= LOSSES_MAX
        if error.retryable and (is_lost or not self.has_room()):
            journal.release(entry.item)
        if error.retryable and journal.attempts(entry.item) < self.config.limits.attempts:
            self._backlog.add(entry)
        else:
            self._fail(state, entry.flow.located(entry.item, error), journal.attempts(entry.item))

    def _fail(self, state: _JobState, error: ErrorReport, attempts: int) -> None:
        """Mark a job as failed; it ends once no worker holds an item of it."""
        state.failure = JobFailed(state.flow, attempts, error)
        self._backlog.drop(state.flow)

    def _end_if_over(self, state: _JobState) -> None:
        flow = state.flow
        if flow.video is not None and state.failure is None:
            self._end(state, JobDone(flow, flow.journal.most_attempts))
        elif state.failure is not None and not self._held(flow):
            self._end(state, state.failure)

    def _end(self, state: _JobState, outcome: Outcome) -> None:
        del self._jobs[state.flow.name]
        self._open_jobs.pop(state.flow.name, None)
        self.executor.forget(state.flow.name)
        self._outcomes.append(outcome)

    def _held(self, flow: Flow) -> list[Item]:
        """The items of a job that workers hold."""
        return [entry.item for entry in self._pool.held if entry.flow is flow]

    # Choice

    def _dispatch(self, now: float) -> None:
        """Give every idle worker the most urgent item that it may take."""
        if not self._backlog:
            return
        idle = {role: workers for role in self._backlog.roles if (workers := self._pool.idle(role))}
        if not idle or not self.has_room():
            return
        for role, workers in idle.items():
            self._dispatch_to(workers, self._backlog.most_urgent_first(role), now)

    def _dispatch_to(self, idle: list[Worker], waiting: Iterator[Entry], now: float) -> None:
        """Give idle workers of one role the most urgent items that they may take."""
        for entry in waiting:
            if not idle:
                return
            if entry.is_suspect and any(held.is_suspect for held in self._pool.held):
                continue  # one at a time: an item that kills the daemon must not use up the attempts of others
            worker = self._choose(entry, idle)
            if worker is not None and self._assign(worker, entry, now):
                self._backlog.remove(entry)
                idle.remove(worker)

    def _choose(self, entry: Entry, idle: Sequence[Worker]) -> Worker | None:
        """One of the idle workers for the item, preferably with its model already loaded."""
        lanes = entry.flow.lanes_max
        if not isinstance(entry.item, Chunk):
            return idle[0]
        if lanes and len(self._pool.rendering(entry.flow)) >= lanes:
            return None
        kind = self._kind_of(entry.flow)
        alike = [worker for worker in idle if kind is None or worker.kind == kind]
        fitting = [worker for worker in alike if worker.spec.model == entry.item.model]
        if not fitting and entry.item.mixed and self._serving(entry.item.model, kind):
            return None  # in a job with both models, each worker renders only its own
        return next(iter(fitting or alike), None)

    def _kind_of(self, flow: Flow) -> str | None:
        """The kind of workers that render a job; None: any may, for example because those that began it are gone."""
        state = self._jobs[flow.name]
        if state.kind is not None and not (self._serving(None, state.kind) or self._pool.is_incomplete()):
            log.warning("job %s: no worker of the kind that began it is left", flow.name)
            state.kind = None
        return state.kind

    def _serving(self, model: str | None, kind: str | None) -> bool:
        """Whether a lip-sync worker of a model and kind is up or will be restarted; None: of any."""
        workers = self._pool.serving(stages.ROWS[Chunk].role, model)
        return any(kind is None or worker.kind == kind for worker in workers)

    def _assign(self, worker: Worker, entry: Entry, now: float) -> bool:
        """Send an item to a worker; False if its start cannot be recorded, e.g. on a full disk."""
        try:
            entry.flow.journal.begin(entry.item, worker.spec.name, worker.node, worker.kind)
        except OSError as error:
            log.warning("job %s: cannot write its journal, waiting: %s", entry.flow.name, error)
            return False
        state = self._jobs[entry.flow.name]
        state.began_seconds = state.began_seconds or now
        if not isinstance(entry.item, SoundItem):  # it passes by while chunks are rendered
            state.step = stages.role(entry.item)
        if isinstance(entry.item, Chunk):
            state.kind = worker.kind
        with logging_about(worker=worker.spec.name, stage=stages.role(entry.item)):
            attempts = entry.flow.journal.attempts(entry.item)
            log.debug("job %s: item %d begins, attempt %d", entry.flow.name, entry.item.index, attempts)
        self._pool.send(worker, entry, now)
        return True


def _record_end(state: _JobState, item: Item, error: ErrorReport | None) -> None:
    """Note in the job's journal how a run of an item ended. A cancelled job's workers are killed because of that."""
    if error is not None and state.failure is not None and state.failure.error.code == "cancelled":
        error = state.failure.error
    if error is None:
        state.flow.journal.end(item)
    else:
        state.flow.journal.end(item, error.code, error.message)


def _daemon_died(item: Item) -> ErrorReport:
    """The error for an item during which the daemon died on every attempt."""
    error = StageError("daemon_died", "the daemon died each time it ran this job", hint="see the log for the cause")
    return ErrorReport.of(error, stage=stages.role(item))
