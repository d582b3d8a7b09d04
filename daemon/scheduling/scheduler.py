"""The scheduler: holds the backlog, chooses the worker for each item, replaces workers that die.

It lives in the daemon's process and never blocks but in `Executor.wait`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from daemon.scheduling.job_flow import ROLES, JobFlow, budget_seconds
from pipeline.config import Config
from pipeline.errors import DISK_FULL, BootError, ConfigError, ErrorReport, JobError, StageError, WorkerDied
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.messages import Chunk, Died, Event, Failed, Finished, Item, Ready, Task, Yielded

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_LAST_SECONDS = 30.0
FULL_DISK_SECONDS = 10.0
"""After an item has found the disk full nothing is begun for so long: under a quota nobody can see when it ends."""
BOOT_FAILURES_MAX = 5
"""After so many failed starts in a row a worker is given up."""

log = logging.getLogger(__name__)


class WorkerState(Enum):
    """Where a worker stands."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting to start again"
    DOWN = "down"


@dataclass
class _Entry:
    """An item in the backlog or with a worker."""

    flow: JobFlow
    item: Item
    order: tuple[int, int]
    """Number of the job, then index of the chunk or piece."""


@dataclass
class _Worker:
    spec: WorkerSpec
    state: WorkerState = WorkerState.WAITING
    deadline: float = 0.0
    """Starting: ready by then; busy: done by then; waiting: started again then. Monotonic seconds."""
    failures: int = 0
    """Starts in a row after which it did not get ready."""
    entry: _Entry | None = None
    task: int = 0
    overdue: bool = False
    pid: int | None = None


@dataclass(frozen=True)
class Done:
    """A job whose video is ready."""

    flow: JobFlow
    attempts: int


@dataclass(frozen=True)
class Lost:
    """A job that ended badly."""

    flow: JobFlow
    attempts: int
    error: ErrorReport


Outcome = Done | Lost


def cancelled(name: str) -> JobError:
    """The error of a job that someone asked to end."""
    return JobError("cancelled", "the job was cancelled", hint=f"lipdrop retry {name} runs it after all")


@dataclass
class _JobState:
    flow: JobFlow
    number: int
    loss: Lost | None = None
    """Set when the job is lost; it ends once no worker holds an item of it any more."""


@dataclass
class Scheduler:
    """Runs the flows of many jobs on the workers of one executor."""

    executor: Executor
    config: Config
    specs: Sequence[WorkerSpec]
    disk_has_room: Callable[[], bool] = lambda: True
    """Whether the disk has room to work in, as far as that can be seen."""
    _workers: dict[str, _Worker] = field(init=False)
    _jobs: dict[str, _JobState] = field(init=False, default_factory=dict)
    _backlog: list[_Entry] = field(init=False, default_factory=list)
    _outcomes: list[Outcome] = field(init=False, default_factory=list)
    _numbers: Iterator[int] = field(init=False, default_factory=itertools.count)
    _tasks: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))
    _full_until_seconds: float = field(init=False, default=0.0)
    """Monotonic."""

    def __post_init__(self) -> None:
        self._workers = {spec.name: _Worker(spec) for spec in self.specs}

    def add(self, flow: JobFlow) -> None:
        """Take a job in, or up again where its journal tells that an earlier daemon left it."""
        state, items = _JobState(flow, next(self._numbers)), flow.begin()
        self._jobs[flow.name] = state
        self._enqueue(state, items)
        self._end_if_over(state)

    def has_room(self) -> bool:
        """Whether there is room to work in. Without it nothing is begun, and what fails has cost no attempt."""
        return time.monotonic() >= self._full_until_seconds and self.disk_has_room()

    def cancel(self, name: str) -> None:
        """Lose a job in flight; workers that are busy with it are killed, and what they run with them."""
        state = self._jobs[name]
        if state.loss is not None:
            return
        log.info("job %s: cancelled", name)
        error = ErrorReport.of(cancelled(name), stage=self._step_of(state.flow))
        self._lose(state, error, state.flow.journal.most_attempts)
        for worker in self._workers.values():
            if worker.entry is not None and worker.entry.flow is state.flow:
                self.executor.kill(worker.spec.name)
        self._end_if_over(state)

    @property
    def jobs(self) -> dict[str, str]:
        """The jobs in flight and the step each is at."""
        return {name: self._step_of(state.flow) for name, state in self._jobs.items()}

    @property
    def workers(self) -> dict[str, WorkerState]:
        """The state of every worker."""
        return {name: worker.state for name, worker in self._workers.items()}

    def serves_every_role(self) -> bool:
        """Whether each role has a worker that is ready for work."""
        up = {w.spec.role for w in self._workers.values() if w.state in (WorkerState.IDLE, WorkerState.BUSY)}
        return up == {spec.role for spec in self.specs}

    @property
    def failing(self) -> list[str]:
        """The workers that have failed to start again and again, and where each stands."""
        return [f"{name} is {worker.state.value}" for name, worker in self._workers.items() if worker.failures > 1]

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of every worker; None while there is none."""
        return {name: worker.pid for name, worker in self._workers.items()}

    def step(self, timeout_seconds: float) -> list[Outcome]:
        """Start what can start, wait for something to happen, and return the jobs that ended.

        Raises ConfigError when a worker that starts finds its configuration unusable, BootError when the last
        worker of a role is given up.
        """
        now = time.monotonic()
        self._start_workers(now)
        self._dispatch(now)
        for event in self.executor.wait(self._patience(now, timeout_seconds)):
            self._handle(event)
        self._kill_overdue(time.monotonic())
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self) -> None:
        """End all workers. What they are busy with was stopped, and did not fail: it counts as not begun."""
        for worker in self._workers.values():
            if worker.entry is not None:
                worker.entry.flow.journal.release(worker.entry.item)
            worker.state, worker.pid, worker.entry = WorkerState.DOWN, None, None
        self.executor.close()

    # Workers

    def _start_workers(self, now: float) -> None:
        for worker in self._workers.values():
            if worker.state is WorkerState.WAITING and worker.deadline <= now:
                worker.state, worker.overdue = WorkerState.STARTING, False
                worker.deadline = now + self.config.limits.boot_seconds
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        try:
            self.executor.start(worker.spec)
        except OSError as error:  # no memory or no process to be had: later there may be
            log.error("worker %s cannot be started: %s", worker.spec.name, error)
            self._schedule_restart(worker)

    def _patience(self, now: float, timeout_seconds: float) -> float:
        """The time until the next deadline, at most `timeout_seconds`; none when a job has ended already."""
        if self._outcomes:
            return 0.0
        timed = (WorkerState.STARTING, WorkerState.BUSY, WorkerState.WAITING)
        deadlines = [w.deadline for w in self._workers.values() if w.state in timed and not w.overdue]
        return max(0.0, min([timeout_seconds, *(deadline - now for deadline in deadlines)]))

    def _kill_overdue(self, now: float) -> None:
        for name, worker in self._workers.items():
            running = worker.state in (WorkerState.STARTING, WorkerState.BUSY)
            if running and worker.deadline <= now and not worker.overdue:
                log.error("worker %s is over its time and is killed", name)
                worker.overdue = True
                self.executor.kill(name)

    # Events

    def _handle(self, event: Event) -> None:
        worker = self._workers[event.worker]
        match event:
            case Ready():
                worker.state, worker.pid, worker.failures = WorkerState.IDLE, event.pid, 0
                log.info("worker %s is ready on %s", event.worker, event.device)
            case Yielded() if worker.entry and worker.task == event.task:
                self._advance(worker.entry.flow, event)
            case Finished():
                self._release(worker)
            case Failed(task=None):
                self._boot_failed(worker, event.error)
            case Failed():
                self._release(worker, event.error)
            case Died():
                self._died(worker, event)

    def _advance(self, flow: JobFlow, event: Yielded) -> None:
        state = self._jobs.get(flow.name)
        if state is None or state.loss is not None:
            return
        self._enqueue(state, state.flow.accept(event.result))
        self._end_if_over(state)

    def _release(self, worker: _Worker, error: ErrorReport | None = None) -> None:
        """Free a worker; with an error, its item is tried again or its job is lost."""
        entry, worker.entry = worker.entry, None
        worker.state = WorkerState.IDLE
        state = self._jobs.get(entry.flow.name) if entry else None
        if entry is None or state is None or state.flow is not entry.flow:
            return
        if error is not None and state.loss is None and not state.flow.has_answered(entry.item):
            self._retry_or_lose(state, entry, error)
        self._end_if_over(state)

    def _held(self, flow: JobFlow) -> list[Item]:
        """The items of a job that workers are busy with."""
        return [w.entry.item for w in self._workers.values() if w.entry is not None and w.entry.flow is flow]

    def _boot_failed(self, worker: _Worker, error: ErrorReport) -> None:
        log.error("worker %s could not start: %s\n%s", worker.spec.name, error.message, error.traceback)
        if error.fatal:
            raise ConfigError(error.code, error.message, field=error.field, hint=error.hint)

    def _died(self, worker: _Worker, event: Died) -> None:
        log.error("worker %s ended with exit code %s", event.worker, event.exitcode)
        error: StageError | WorkerDied = WorkerDied(event.worker, event.exitcode)
        if worker.overdue:
            hint = "does the machine do too much else? the job can be dropped again"
            error = StageError("timeout", f"worker {event.worker} was over its time and was killed", hint=hint)
        self._release(worker, ErrorReport.of(error, stage=worker.spec.role))
        self._schedule_restart(worker)

    def _schedule_restart(self, worker: _Worker) -> None:
        """Replace a worker at once; one that keeps dying, after ever longer pauses, then no more."""
        worker.failures += 1
        worker.state, worker.pid = WorkerState.WAITING, None
        pause = 0.0 if worker.failures == 1 else BACKOFF_FIRST_SECONDS * 2 ** (worker.failures - 2)
        worker.deadline = time.monotonic() + min(pause, BACKOFF_LAST_SECONDS)
        if worker.failures > BOOT_FAILURES_MAX:
            worker.state = WorkerState.DOWN
            log.error("worker %s is given up after %d failed starts", worker.spec.name, worker.failures)
            if not self._serving(worker.spec.role):
                raise BootError("no_worker", f"no {worker.spec.role} worker can be started")

    def _serving(self, role: str, model: str | None = None) -> list[_Worker]:
        """The workers of a role (and model) that work or will work again."""
        return [
            worker
            for worker in self._workers.values()
            if worker.spec.role == role
            and worker.state is not WorkerState.DOWN
            and (model is None or worker.spec.model == model)
        ]

    # Jobs

    def _enqueue(self, state: _JobState, items: Sequence[Item]) -> None:
        for item in items:
            self._backlog.append(_Entry(state.flow, item, (state.number, item.index)))
        for item in items:
            if state.flow.journal.attempts(item) >= self.config.limits.attempts:
                self._lose(state, self._worn_out(item), self.config.limits.attempts)

    def _worn_out(self, item: Item) -> ErrorReport:
        """The error of an item during which the daemon itself ended, every time that it was tried."""
        error = StageError("daemon_died", "the daemon died each time it ran this job", hint="see the log for why")
        return ErrorReport.of(error, stage=ROLES[type(item)])

    def _retry_or_lose(self, state: _JobState, entry: _Entry, error: ErrorReport) -> None:
        log.warning("job %s: %s: %s", entry.flow.name, error.stage, error.message)
        journal = state.flow.journal
        if error.code == DISK_FULL:
            self._full_until_seconds = time.monotonic() + FULL_DISK_SECONDS
        if error.retryable and not self.has_room():
            journal.release(entry.item)
        if error.retryable and journal.attempts(entry.item) < self.config.limits.attempts:
            self._backlog.append(entry)
        else:
            self._lose(state, error, journal.attempts(entry.item))

    def _lose(self, state: _JobState, error: ErrorReport, attempts: int) -> None:
        """Give a job up; it ends once no worker holds an item of it any more."""
        state.loss = Lost(state.flow, attempts, error)
        self._backlog = [waiting for waiting in self._backlog if waiting.flow is not state.flow]

    def _end_if_over(self, state: _JobState) -> None:
        flow = state.flow
        if flow.video is not None and state.loss is None:
            self._end(state, Done(flow, flow.journal.most_attempts))
        elif state.loss is not None and not self._held(flow):
            self._end(state, state.loss)

    def _end(self, state: _JobState, outcome: Outcome) -> None:
        del self._jobs[state.flow.name]
        self._outcomes.append(outcome)

    def _step_of(self, flow: JobFlow) -> str:
        held = self._held(flow)
        return ROLES[type(held[0])] if held else "queued"

    # Choice

    def _dispatch(self, now: float) -> None:
        """Give every idle worker the item that is due first among those it may take."""
        if not self._backlog or not self.has_room():
            return
        for entry in sorted(self._backlog, key=self._urgency):
            if self._is_suspect(entry) and any(w.entry and self._is_suspect(w.entry) for w in self._workers.values()):
                continue  # one at a time, or whatever kills the daemon would wear out the others with itself
            worker = self._choose(entry)
            if worker is not None and self._assign(worker, entry, now):
                self._backlog.remove(entry)

    def _is_suspect(self, entry: _Entry) -> bool:
        return entry.flow.journal.is_suspect(entry.item)

    def _urgency(self, entry: _Entry) -> tuple[int, float, tuple[int, int]]:
        """Higher priority first, then jobs by the time they are due, then earlier chunks.

        A job is due when it could have been watched to its end since it came. So a long one lets short newcomers
        pass, but none for longer than it lasts itself; jobs of one length keep their order.
        """
        due = entry.flow.journal.seen_seconds + entry.flow.expected_seconds
        return (-entry.flow.job.priority, due, entry.order)

    def _choose(self, entry: _Entry) -> _Worker | None:
        """An idle worker for the item: one that has its model loaded, else any that may load it."""
        role = ROLES[type(entry.item)]
        idle = [worker for worker in self._serving(role) if worker.state is WorkerState.IDLE]
        if not isinstance(entry.item, Chunk):
            return idle[0] if idle else None
        if self._lipsync_running(entry.flow) >= (entry.flow.job.num_workers or len(self._workers)):
            return None
        fitting = [worker for worker in idle if worker.spec.model == entry.item.model]
        if not fitting and entry.item.mixed and self._serving(role, entry.item.model):
            return None  # in a job that uses both models each worker keeps to its own
        return next(iter(fitting or idle), None)

    def _lipsync_running(self, flow: JobFlow) -> int:
        return sum(isinstance(item, Chunk) for item in self._held(flow))

    def _assign(self, worker: _Worker, entry: _Entry, now: float) -> bool:
        """Hand an item over; False when that it begins cannot be written down, as on a full disk."""
        try:
            entry.flow.journal.begin(entry.item)
        except OSError as error:
            log.warning("job %s: has to wait: %s", entry.flow.name, error)
            return False
        worker.state, worker.entry, worker.task = WorkerState.BUSY, entry, next(self._tasks)
        worker.deadline = now + budget_seconds(entry.item, self.config)
        self.executor.send(worker.spec.name, Task(worker.task, entry.item))
        return True
