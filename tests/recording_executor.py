"""An executor without workers: it records the scheduler's calls, and tests supply the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.executors.base import WorkerSpec
from pipeline.messages import Event, Finished, Item, Ready, Result, Task, Yielded


class RecordingExecutor:
    """Its workers are ready immediately; `complete` finishes the item that a worker holds."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.log = log if log is not None else []
        """Every item that was sent, in order; a test may add its own events."""
        self.held: dict[str, Task] = {}
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

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def wake(self) -> None: ...

    def kill(self, worker: str) -> None: ...

    def close(self) -> None: ...
