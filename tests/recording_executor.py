"""An executor without workers: it records the scheduler's calls, and tests supply the events; flows to run on it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from daemon.scheduling.flow import Flow
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.scheduler import Outcome, Scheduler
from pipeline.config import Config
from pipeline.errors import ErrorReport
from pipeline.executors.base import NodeOffer, WorkerSpec
from pipeline.job import Job
from pipeline.messages import Died, Event, Failed, Finished, Item, Ready, Result, Task, Yielded


class RecordingExecutor:
    """Its workers are ready immediately; `complete` finishes the item that a worker holds."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.log = log if log is not None else []
        """Every item that was sent, in order; a test may add its own events."""
        self.held: dict[str, Task] = {}
        self.killed: list[str] = []
        self.is_closed = False
        self.patience_seconds: list[float] = []
        """How long the scheduler waited, each time."""
        self.offered: Sequence[NodeOffer] | None = None
        self._events: list[Event] = []

    def gpu_count(self) -> int:
        return 0

    def start(self, spec: WorkerSpec) -> None:
        self._events.append(Ready(spec.name, spec.device, 1))

    def send(self, worker: str, task: Task) -> None:
        assert worker not in self.held, f"{worker} is busy"
        self.held[worker] = task
        self.log.append(task.item)

    def complete(self, worker: str, *results: Result) -> Item:
        """Let a worker yield results and finish; return its item."""
        task = self.held.pop(worker)
        self._events += [Yielded(worker, task.id, result) for result in results]
        self._events.append(Finished(worker, task.id))
        return task.item

    def report(self, *events: Event) -> None:
        """Let the next `wait` return events."""
        self._events += events

    def fail(self, worker: str, error: ErrorReport) -> Item:
        """Let the item that a worker holds fail; return it."""
        task = self.held.pop(worker)
        self.report(Failed(worker, task.id, error))
        return task.item

    def die(self, worker: str) -> None:
        """Let a worker die, with whatever it holds."""
        self.held.pop(worker, None)
        self.report(Died(worker, -9))

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        self.patience_seconds.append(timeout_seconds)
        events, self._events = self._events, []
        return events

    def trouble(self) -> None: ...

    def offers(self) -> Sequence[NodeOffer] | None:
        return self.offered

    def wake(self) -> None: ...

    def forget(self, job: str) -> None: ...

    def kill(self, worker: str) -> None:
        self.killed.append(worker)

    def close(self, busy: Collection[str] = ()) -> None:
        self.is_closed = True


def settle(scheduler: Scheduler) -> list[Outcome]:
    """Let the scheduler start workers, handle their events and send items."""
    return [outcome for _ in range(3) for outcome in scheduler.step(0)]


def flow(tmp_path: Path, name: str = "job", **keys: object) -> Flow:
    """The flow of a text job; another one of the same name continues its journal."""
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    job, journal = Job.model_validate({"text": "hello", **keys}), Journal(folder, "fingerprint", time.monotonic())
    return make_flow(name, job, folder=folder, recordings={}, config=Config(), journal=journal)
