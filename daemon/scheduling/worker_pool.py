"""The workers of one executor: starts them, replaces dead ones, kills hung ones."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf

from daemon.metrics.observations import WorkerExit
from daemon.scheduling.backlog import Entry
from daemon.scheduling.budgets import BASE_SECONDS
from daemon.scheduling.flow import Flow
from daemon.scheduling.workers import POOLED_ROLE
from pipeline.errors import BootError, ConfigError, ErrorReport, StageError, WorkerDied
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.log_context import logging_about
from pipeline.messages import Chunk, Died, Event, Ready, Task

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_LAST_SECONDS = 30.0
BOOT_FAILURES_MAX = 5
"""A worker is not restarted after more consecutive failed starts than this."""

log = logging.getLogger(__name__)


class WorkerState(Enum):
    """State of a worker."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting to restart"
    DOWN = "down"


TIMED = (WorkerState.STARTING, WorkerState.BUSY, WorkerState.WAITING)
"""States with a deadline."""


@dataclass
class Worker:
    """One worker and what it is doing."""

    spec: WorkerSpec
    state: WorkerState = WorkerState.WAITING
    deadline: float = 0.0
    """Starting: must be ready by then; busy: must be done by then; waiting: restart time. Monotonic seconds."""
    failures: int = 0
    """Consecutive failed starts."""
    entry: Entry | None = None
    """The item it holds."""
    sent_seconds: float = 0.0
    """When it was given that item; monotonic."""
    share: float = 0.0
    """How much of that item is done, from 0 to 1."""
    task: int = 0
    """Number of its current or last task."""
    overdue: bool = False
    """Whether it was killed because it exceeded its deadline."""
    is_cancelled: bool = False
    """Whether it was killed because the job of its item was cancelled."""
    has_been_up: bool = False
    """Whether it has started once, or has failed to."""
    pid: int | None = None
    node: str | None = None
    """The machine that it runs on; None: the daemon's."""
    kind: str | None = None
    """Workers of one kind compute the same bits; None: it is not up, or all are alike."""


class WorkerPool:
    """Owns the executor and the state of every worker. The scheduler chooses the items."""

    def __init__(self, executor: Executor, specs: Sequence[WorkerSpec], boot_seconds: float) -> None:
        self._executor = executor
        self._boot_seconds = boot_seconds
        self._workers = {spec.name: Worker(spec) for spec in specs}
        self._tasks = itertools.count(1)
        self._exits: list[WorkerExit] = []
        self._next_deadline = -inf
        """No deadline of a worker is earlier. With hundreds of them, looking at each in every turn would take long."""

    def __getitem__(self, name: str) -> Worker:
        """Return a worker by its name."""
        return self._workers[name]

    @property
    def states(self) -> dict[str, WorkerState]:
        """The state of every worker."""
        return {name: worker.state for name, worker in self._workers.items()}

    @property
    def pids(self) -> dict[str, int | None]:
        """The process of every worker; None for one that is not running."""
        return {name: worker.pid for name, worker in self._workers.items()}

    @property
    def nodes(self) -> dict[str, str | None]:
        """The machine of every worker; None: the daemon's."""
        return {name: worker.node for name, worker in self._workers.items()}

    @property
    def failing(self) -> list[str]:
        """The workers that repeatedly failed to start, with their states."""
        return [f"{name} is {worker.state.value}" for name, worker in self._workers.items() if worker.failures > 1]

    @property
    def held(self) -> list[Entry]:
        """The items that workers hold."""
        return [worker.entry for worker in self._workers.values() if worker.entry is not None]

    def rendering(self, flow: Flow) -> list[float]:
        """How much is done of each chunk of a job that is being rendered, from 0 to 1."""
        return [w.share for w in self.holders(flow) if w.entry is not None and isinstance(w.entry.item, Chunk)]

    def holders(self, flow: Flow) -> list[Worker]:
        """The workers that hold an item of a job."""
        return [worker for worker in self._workers.values() if worker.entry is not None and worker.entry.flow is flow]

    def serves_every_role(self) -> bool:
        """Whether each role has a worker that is up."""
        workers = self._workers.values()
        up = {worker.spec.role for worker in workers if worker.state in (WorkerState.IDLE, WorkerState.BUSY)}
        return up == {worker.spec.role for worker in workers}

    def is_incomplete(self) -> bool:
        """Whether a worker may still come up for the first time."""
        return self._executor.trouble() is None and any(not worker.has_been_up for worker in self.serving(POOLED_ROLE))

    def serving(self, role: str, model: str | None = None) -> list[Worker]:
        """The workers of a role (and model) that are up or will be restarted."""
        return [
            worker
            for worker in self._workers.values()
            if worker.spec.role == role
            and worker.state is not WorkerState.DOWN
            and (model is None or worker.spec.model == model)
        ]

    def idle(self) -> dict[str, list[Worker]]:
        """The idle workers of each role that has some."""
        found: dict[str, list[Worker]] = {}
        for worker in self._workers.values():
            if worker.state is WorkerState.IDLE:
                found.setdefault(worker.spec.role, []).append(worker)
        return found

    def start_waiting(self, now: float) -> None:
        """Start the workers whose restart time has come."""
        if now < self._next_deadline:
            return
        for worker in self._workers.values():
            if worker.state is WorkerState.WAITING and worker.deadline <= now:
                worker.state, worker.overdue, worker.is_cancelled = WorkerState.STARTING, False, False
                worker.deadline = now + self._boot_seconds
                self._start(worker)

    def _start(self, worker: Worker) -> None:
        try:
            self._executor.start(worker.spec)
        except OSError as error:  # out of memory or process slots, perhaps only for now
            log.error("cannot start worker %s: %s", worker.spec.name, error)
            self.schedule_restart(worker)

    def wait(self, now: float, timeout_seconds: float) -> Sequence[Event]:
        """Wait for events, until the next deadline or the timeout."""
        timed = [worker.deadline for worker in self._workers.values() if worker.state in TIMED and not worker.overdue]
        self._next_deadline = min(timed, default=inf)
        return self._executor.wait(max(0.0, min(timeout_seconds, self._next_deadline - now)))

    def kill_overdue(self, now: float) -> None:
        """Kill the workers that have exceeded their deadline."""
        if now < self._next_deadline:
            return
        is_hindered = self._executor.trouble() is not None
        for name, worker in self._workers.items():
            if worker.deadline > now or worker.overdue:
                continue
            if is_hindered and worker.state is WorkerState.STARTING:
                worker.deadline = now + self._boot_seconds
            elif worker.state in (WorkerState.STARTING, WorkerState.BUSY):
                log.error("worker %s exceeded its deadline; killing it", name)
                worker.overdue = True
                self._executor.kill(name)

    def kill_holders(self, flow: Flow) -> None:
        """Kill the workers that are busy with a job."""
        for worker in self.holders(flow):
            worker.is_cancelled = True
            self._executor.kill(worker.spec.name)

    def advance(self, worker: Worker, share: float, now: float) -> None:
        """Note how far a worker's item has advanced. A worker that goes on is not hung, however slow its model is."""
        if share > worker.share:
            worker.deadline = max(worker.deadline, now + BASE_SECONDS)
        worker.share = share

    def send(self, worker: Worker, entry: Entry, now: float) -> None:
        """Give an item to an idle worker."""
        worker.state, worker.entry, worker.task, worker.share = WorkerState.BUSY, entry, next(self._tasks), 0.0
        worker.sent_seconds, worker.deadline = now, now + entry.budget_seconds
        self._next_deadline = min(self._next_deadline, worker.deadline)
        self._executor.send(worker.spec.name, Task(worker.task, entry.item))

    def free(self, worker: Worker) -> Entry | None:
        """Mark a worker as idle; return the item it held."""
        entry, worker.entry = worker.entry, None
        worker.state = WorkerState.IDLE
        return entry

    def ready(self, event: Ready) -> None:
        """Record that a worker has started."""
        worker = self._workers[event.worker]
        worker.state, worker.pid, worker.failures, worker.has_been_up = WorkerState.IDLE, event.pid, 0, True
        worker.node, worker.kind = event.node, event.kind
        log.info("worker %s is ready on %s%s", event.worker, event.device, f" of {event.node}" if event.node else "")

    def boot_failed(self, name: str, error: ErrorReport) -> None:
        """Log a failed start; `Died` follows. Raises ConfigError if the configuration is at fault."""
        if error.fatal:  # a traceback would only hide the message
            raise ConfigError(error.code, error.message, field=error.field, hint=error.hint)
        log.error("worker %s failed to start: %s\n%s", name, error.message, error.traceback)

    def died(self, event: Died) -> ErrorReport:
        """Return the error of the item that a dead worker held."""
        worker = self._workers[event.worker]
        self._note_exit(worker, event)
        error: StageError | WorkerDied = WorkerDied(event.worker, event.exitcode)
        if event.is_lost:
            error = StageError("cluster_lost", f"worker {event.worker} was lost with its node")
        if worker.overdue:
            hint = "is the machine overloaded? resubmit the job"
            error = StageError("timeout", f"worker {event.worker} exceeded its deadline and was killed", hint=hint)
        return ErrorReport.of(error, stage=worker.spec.role)

    def _note_exit(self, worker: Worker, event: Died) -> None:
        job = worker.entry.flow.name if worker.entry is not None else None
        with logging_about(worker=worker.spec.name, stage=worker.spec.role, job=job):
            self._log_exit(worker, event)

    def _log_exit(self, worker: Worker, event: Died) -> None:
        name = worker.spec.name
        if worker.is_cancelled and not worker.overdue:
            log.info("worker %s was stopped with its job", name)
            self._exits.append(WorkerExit(name, "cancel"))
            return
        if event.is_lost:
            log.error("worker %s was lost with its node", name)
            self._exits.append(WorkerExit(name, "lost"))
            return
        log.error("worker %s exited with code %s", name, event.exitcode)
        is_starting = worker.state is WorkerState.STARTING
        self._exits.append(WorkerExit(name, "deadline" if worker.overdue else "start" if is_starting else "crash"))

    def take_exits(self) -> list[WorkerExit]:
        """The workers that exited since the last call."""
        exits, self._exits = self._exits, []
        return exits

    def schedule_restart(self, worker: Worker, *, is_lost: bool = False) -> None:
        """Restart a dead worker: at once, then with growing delays, and not at all after too many failed starts.

        One that was lost with its node did not fail. Raises BootError if it was the last worker of its role.
        """
        worker.failures += not is_lost
        worker.has_been_up = True
        worker.state, worker.pid, worker.node, worker.kind = WorkerState.WAITING, None, None, None
        pause = 0.0 if worker.failures <= 1 else BACKOFF_FIRST_SECONDS * 2 ** (worker.failures - 2)
        worker.deadline = time.monotonic() + min(pause, BACKOFF_LAST_SECONDS)
        self._next_deadline = min(self._next_deadline, worker.deadline)
        if worker.failures > BOOT_FAILURES_MAX:
            worker.state = WorkerState.DOWN
            log.error("worker %s failed to start %d times; not restarting it", worker.spec.name, worker.failures)
            if not self.serving(worker.spec.role):
                raise BootError("no_worker", f"no {worker.spec.role} worker can be started")

    def close(self) -> None:
        """Stop all workers; those that start or work do not finish."""
        busy = [
            name for name, worker in self._workers.items() if worker.state in (WorkerState.STARTING, WorkerState.BUSY)
        ]
        for worker in self._workers.values():
            worker.state, worker.pid, worker.entry = WorkerState.DOWN, None, None
        self._executor.close(busy)
