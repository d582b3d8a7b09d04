"""Workers as processes: each has its own pipe with one reader, so a killed one harms no other.

`multiprocessing.Queue` shares a lock between its readers, which an idle reader takes along when it is killed;
a pipe for each worker ends with its worker and says so at once.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch.multiprocessing as mp

from pipeline.executors.base import WorkerSpec
from pipeline.executors.waker import Waker
from pipeline.executors.worker import process_main
from pipeline.messages import Died, Event, Task
from pipeline.programs import kill_session

PYTHON = Path(__file__).parent / "python-for-workers"
"""Ends with the daemon (a worker's own tie starts only after its imports) and ignores modules in the current folder."""

EXIT_SECONDS = 3.0
"""How long a worker may take to end by itself once its pipe is closed."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection


class ProcessExecutor:
    """Runs each worker in a process of its own, made with `spawn` (CUDA and threads forbid `fork`)."""

    def __init__(self) -> None:
        self._context = mp.get_context("spawn")
        if os.access(PYTHON, os.X_OK):
            os.environ["LIPDROP_PYTHON"] = sys.executable
            self._context.set_executable(str(PYTHON))
        else:  # installed on a filesystem that forbids programs
            os.environ["PYTHONSAFEPATH"] = "1"
        self._workers: dict[str, _Worker] = {}
        self._waker = Waker()

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=process_main, args=(theirs, spec), name=spec.name, daemon=True)
        process.start()
        theirs.close()  # with only the worker holding its end, its death ends the pipe
        self._workers[spec.name] = _Worker(process, ours)

    def send(self, worker: str, task: Task) -> None:
        """Hand a task over; the pipe of a dead worker is found broken by `wait` too."""
        try:
            self._workers[worker].connection.send(task)
        except OSError:
            logging.getLogger(__name__).debug("worker %s is gone before task %d", worker, task.id)

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Collect what the workers sent and which of them ended."""
        sources: dict[Any, str] = {worker.connection: name for name, worker in self._workers.items()}
        sources |= {worker.process.sentinel: name for name, worker in self._workers.items()}
        ready = wait([self._waker.fileno(), *sources], timeout_seconds)
        self._waker.clear()
        events: list[Event] = []
        for name in dict.fromkeys(sources[source] for source in ready if source in sources):
            events += self._collect(name)
        return events

    def _collect(self, name: str) -> list[Event]:
        """All that a worker has sent; then, if it has ended, its death."""
        worker = self._workers[name]
        ended = not worker.process.is_alive()
        events: list[Event] = []
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, logging.LogRecord):
                    logging.getLogger(message.name).handle(message)
                else:
                    events.append(message)
        except (EOFError, OSError):
            ended = True
        if ended:
            events.append(Died(name, self._bury(name)))
        return events

    def _bury(self, name: str) -> int | None:
        worker = self._workers.pop(name)
        worker.connection.close()
        _end(worker.process, EXIT_SECONDS)
        return worker.process.exitcode

    def wake(self) -> None:
        """Make `wait` return; safe in signal handlers and other threads."""
        self._waker.wake()

    def kill(self, worker: str) -> None:
        """Kill a worker process; `wait` tells its death."""
        if worker in self._workers:
            self._workers[worker].process.kill()

    def close(self) -> None:
        """Close every pipe, which ends idle workers; kill those that are still busy."""
        for worker in self._workers.values():
            worker.connection.close()
        deadline = time.monotonic() + EXIT_SECONDS
        for worker in self._workers.values():
            _end(worker.process, deadline - time.monotonic())
        self._workers.clear()


def _end(process: BaseProcess, patience_seconds: float) -> None:
    """Wait for a process to end by itself, then kill it; and what it leaves behind, such as a program's children."""
    process.join(max(0.0, patience_seconds))
    if process.is_alive():
        process.kill()
        process.join()
    assert process.pid is not None
    kill_session(process.pid)
