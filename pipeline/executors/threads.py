"""Workers as threads of this process, for tests and for stepping through a stage in a debugger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from pipeline.executors.base import WorkerSpec
from pipeline.executors.waker import Waker
from pipeline.executors.worker import Link, work
from pipeline.messages import Died, Event, Task

if TYPE_CHECKING:
    from pipeline.config import Config


class ThreadExecutor:
    """Runs the same worker loop over the same kind of pipe, without processes, pinning or isolation."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._abandoned: list[Event] = []
        self._waker = Waker()

    @classmethod
    def of(cls, _: Config) -> ThreadExecutor:
        """Make the executor for a configuration."""
        return cls()

    def gpu_count(self) -> int:
        """Return the number of GPUs that CUDA offers this process."""
        import torch  # not at module level: stages import it into this process anyway, but only when they run

        return torch.cuda.device_count()

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker thread."""
        own_end, worker_end = Pipe()
        thread = threading.Thread(target=_thread_main, args=(worker_end, spec), name=spec.name, daemon=True)
        self._connections[spec.name], self._threads[spec.name] = own_end, thread
        thread.start()

    def send(self, worker: str, task: Task) -> None:
        """Send a task."""
        self._connections[worker].send(task)

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Collect messages from workers, and `Died` for those that have stopped."""
        names: dict[Any, str] = {connection: name for name, connection in self._connections.items()}
        ready = wait([self._waker.fileno(), *names], timeout_seconds)
        self._waker.clear()
        events, self._abandoned = self._abandoned, []
        return events + [event for source in ready if source in names for event in self._collect(names[source])]

    def _collect(self, name: str) -> list[Event]:
        try:
            return [self._connections[name].recv()]
        except (EOFError, OSError):
            del self._connections[name]
            return [Died(name, None)]

    def offers(self) -> None:
        """There is no cluster."""

    def trouble(self) -> None:
        """Nothing is known to hinder workers from starting."""

    def wake(self) -> None:
        """Make `wait` return."""
        self._waker.wake()

    def kill(self, worker: str) -> None:
        """Abandon a worker: a thread cannot be killed, so it keeps running, but its results are ignored."""
        if worker not in self._connections:
            return
        logging.getLogger(__name__).warning("worker %s is a thread and cannot be killed; abandoning it", worker)
        self._connections.pop(worker).close()
        self._threads.pop(worker)
        self._abandoned.append(Died(worker, None))
        self._waker.wake()

    def forget(self, job: str) -> None:
        """Workers keep nothing of jobs."""

    def close(self, busy: Collection[str] = ()) -> None:
        """Stop all workers; each finishes its current item first, since a thread cannot be killed."""
        for connection in self._connections.values():
            connection.close()
        for thread in self._threads.values():
            thread.join()
        self._connections.clear()


def _thread_main(connection: Connection, spec: WorkerSpec) -> None:
    try:
        work(Link(connection), spec)
    except OSError:
        logging.getLogger(__name__).debug("abandoned worker %s has ended", spec.name)
    finally:
        connection.close()
