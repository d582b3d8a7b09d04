"""The workers of one executor: starts them, replaces dead ones, kills hung ones."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
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
from pipeline.messages import Chunk, Died, Event, Item, Ready, Task

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


SERVING = (WorkerState.IDLE, WorkerState.BUSY)
"""States of a worker that is up."""

TIMED = (WorkerState.STARTING, WorkerState.BUSY, WorkerState.WAITING)
"""States with a deadline."""


@dataclass
class Worker:
    """One worker and what it is doing."""

    spec: WorkerSpec
    number: int = 0
    """Those with a lower one are used first."""
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
    is_surplus: bool = False
    """Whether it was killed because there is no room for it; it is forgotten once it has exited."""
    is_cancelled: bool = False
    """Whether it was killed because the job of its item was cancelled."""
    has_been_up: bool = False
    """Whether it has started once, or has failed to."""
    pid: int | None = None
    device: str | None = None
    """What it computes on; None: it is not up."""
    node: str | None = None
    """The machine that it runs on; None: the daemon's."""
    kind: str | None = None
    """Workers of one kind compute the same bits; None: it is not up, or all are alike."""


class WorkerPool:
    """Owns the executor and the state of every worker. The scheduler chooses the items."""

    def __init__(self, executor: Executor, specs: Sequence[WorkerSpec], boot_seconds: float) -> None:
        self._executor = executor
        self._boot_seconds = boot_seconds
        self._numbers = itertools.count()
        self._workers = {spec.name: Worker(spec, next(self._numbers)) for spec in specs}
        self._freed: defaultdict[str, dict[int, Worker]] = defaultdict(dict)
        """The workers of each role that are idle, and some that were, by number: of hundreds, most are busy."""
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
    def devices(self) -> dict[str, str | None]:
        """What every worker computes on; None for one that is not running."""
        return {name: worker.device for name, worker in self._workers.items()}

    @property
    def items(self) -> dict[str, Item]:
        """What each busy worker works on."""
        return {name: worker.entry.item for name, worker in self._workers.items() if worker.entry is not None}

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
        up = {worker.spec.role for worker in workers if worker.state in SERVING}
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

    def count(self, role: str) -> int:
        """How many workers a role has, those that are down included."""
        return sum(worker.spec.role == role for worker in self._remaining())

    def _remaining(self) -> Iterator[Worker]:
        return (worker for worker in self._workers.values() if not worker.is_surplus)

    def resize(self, specs: Sequence[WorkerSpec], nodes: Collection[str]) -> bool:
        """Add workers, or remove some that are not busy; whether there are as many of each role as in `specs` now.

        Those whose node is not one of `nodes` are about to be lost: they go first.
        """
        wanted = Counter(spec.role for spec in specs)
        for role, count in wanted.items():
            surplus = self.count(role) - count
            if surplus > 0:
                self._shrink(role, surplus, nodes)
            elif surplus < 0:
                self._grow([spec for spec in specs if spec.role == role and spec.name not in self._workers][:-surplus])
        return all(self.count(role) == count for role, count in wanted.items())

    def _grow(self, specs: Sequence[WorkerSpec]) -> None:
        for spec in specs:
            log.info("worker %s is added: there is room for it", spec.name)
            self._workers[spec.name] = Worker(spec, next(self._numbers))
            self._next_deadline = -inf

    def _shrink(self, role: str, surplus: int, nodes: Collection[str]) -> None:
        """Remove workers of a role: first those of nodes that are gone, then those that are not up, idle ones last."""
        of_role = [worker for worker in reversed(list(self._remaining())) if worker.spec.role == role]
        of_role.sort(key=lambda worker: (worker.node is None or worker.node in nodes, worker.state in SERVING))
        for worker in of_role[:surplus]:
            if worker.state is not WorkerState.BUSY:
                self._remove(worker)

    def _remove(self, worker: Worker) -> None:
        name = worker.spec.name
        log.info("worker %s is removed: there is no room for it any more", name)
        if worker.state in (WorkerState.STARTING, WorkerState.IDLE):
            worker.is_surplus, worker.state = True, WorkerState.DOWN
            self._executor.kill(name)
        else:
            del self._workers[name]

    def idle(self, role: str) -> list[Worker]:
        """The idle workers of a role."""
        self._freed[role] = {n: worker for n, worker in self._freed[role].items() if worker.state is WorkerState.IDLE}
        return [worker for _, worker in sorted(self._freed[role].items())]

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
        """Wait for events, until the next deadline or the timeout, or somewhat shorter."""
        if now >= self._next_deadline:
            timed = [w.deadline for w in self._workers.values() if w.state in TIMED and not w.overdue]
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
        self._freed[worker.spec.role][worker.number] = worker
        return entry

    def ready(self, event: Ready) -> None:
        """Record that a worker has started."""
        worker = self._workers[event.worker]
        if worker.is_surplus:  # it was killed while it started
            return
        worker.state, worker.pid, worker.failures, worker.has_been_up = WorkerState.IDLE, event.pid, 0, True
        worker.device, worker.node, worker.kind = event.device, event.node, event.kind
        self._freed[worker.spec.role][worker.number] = worker
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
        if worker.is_surplus:
            return
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
        if worker.is_surplus:
            del self._workers[worker.spec.name]
            return
        worker.failures += not is_lost
        worker.has_been_up = True
        worker.state, worker.pid = WorkerState.WAITING, None
        worker.device = worker.node = worker.kind = None
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
