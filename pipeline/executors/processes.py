"""Workers as processes, each with its own pipe, so that killing one cannot affect the others.

`multiprocessing.Queue` shares a lock between its readers: an idle reader that is killed keeps it locked. A pipe per
worker has one reader, and reports end of file as soon as its worker dies.

The daemon's process does not import torch. The fork server imports `torch.multiprocessing`, which makes the standard
library's multiprocessing able to send tensors.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, spawn
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline
from pipeline.executors.base import WorkerSpec
from pipeline.executors.waker import Waker
from pipeline.executors.worker import process_main
from pipeline.messages import Died, Event, Task
from pipeline.programs import kill_session

if TYPE_CHECKING:
    from pipeline.config import Config

PYTHON = Path(__file__).parent / "python-for-workers"
"""Python for the fork server: dies with the daemon and ignores modules in the current folder."""

PRELOADED = ("pipeline.executors.preloaded", "torch.multiprocessing")
"""Modules that the fork server imports, once for all workers."""

EXIT_SECONDS = 3.0
"""Grace period for a worker to exit after its pipe is closed, before it is killed."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection


class ProcessExecutor:
    """Runs each worker in its own process, forked from a server that has only imported `preloaded` modules.

    CUDA and the daemon's threads rule out forking the daemon itself; starting each worker from nothing would import
    everything again in each of them.
    """

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        os.environ["LIPDROP_PACKAGE"] = pipeline.__path__[0]
        use_python_for_workers()
        is_served = _start_server(preloaded)
        self._context = multiprocessing.get_context("forkserver") if is_served else multiprocessing.get_context("spawn")
        self._workers: dict[str, _Worker] = {}
        self._waker = Waker()

    @classmethod
    def of(cls, _: Config) -> ProcessExecutor:
        """Make the executor for a configuration."""
        return cls()

    def gpu_count(self) -> int:
        """Return the number of GPUs that CUDA offers. Another process asks: it has torch already, this one has not."""
        own_end, other_end = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_send_gpu_count, args=(other_end,), name="gpu-count", daemon=True)
        _start(process)
        other_end.close()
        try:
            count: int = own_end.recv()
        except EOFError:
            logging.getLogger(__name__).warning("computing on the CPU: the process that counts the GPUs died")
            return 0
        finally:
            own_end.close()
            process.join()
        return count

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker process. Raises OSError if the system is out of memory or process slots."""
        own_end, worker_end = self._context.Pipe()
        process = self._context.Process(target=process_main, args=(worker_end, spec), name=spec.name, daemon=True)
        _start(process)
        worker_end.close()  # only the worker holds its end now, so its death closes the pipe
        self._workers[spec.name] = _Worker(process, own_end)

    def send(self, worker: str, task: Task) -> None:
        """Send a task. `wait` also notices the broken pipe of a dead worker, so errors are only logged."""
        try:
            self._workers[worker].connection.send(task)
        except OSError:
            logging.getLogger(__name__).debug("worker %s exited before it received task %d", worker, task.id)

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Collect messages from workers, and `Died` for those that have exited."""
        sources: dict[Any, str] = {worker.connection: name for name, worker in self._workers.items()}
        sources |= {worker.process.sentinel: name for name, worker in self._workers.items()}
        ready = wait([self._waker.fileno(), *sources], timeout_seconds)
        self._waker.clear()
        events: list[Event] = []
        for name in dict.fromkeys(sources[source] for source in ready if source in sources):
            events += self._collect(name)
        return events

    def _collect(self, name: str) -> list[Event]:
        """Return everything a worker has sent, then `Died` if it has exited."""
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
            events.append(Died(name, self._reap(name)))
        return events

    def _reap(self, name: str) -> int | None:
        """Clean up after a worker that has exited; return its exit code."""
        worker = self._workers.pop(name)
        worker.connection.close()
        _end(worker.process, EXIT_SECONDS)
        return worker.process.exitcode

    def offers(self) -> None:
        """There is no cluster."""

    def trouble(self) -> None:
        """Nothing is known to hinder workers from starting."""

    def wake(self) -> None:
        """Make `wait` return. Safe in signal handlers and other threads."""
        self._waker.wake()

    def kill(self, worker: str) -> None:
        """Kill a worker process; `wait` reports its exit."""
        if worker in self._workers:
            self._workers[worker].process.kill()

    def forget(self, job: str) -> None:
        """Workers keep nothing of jobs."""

    def close(self, busy: Collection[str] = ()) -> None:
        """Close every pipe, which stops idle workers; kill busy ones, and those that still run after a while."""
        for name, worker in self._workers.items():
            worker.connection.close()
            if name in busy:
                worker.process.kill()
        deadline = time.monotonic() + EXIT_SECONDS
        for worker in self._workers.values():
            _end(worker.process, deadline - time.monotonic())
        self._workers.clear()


def use_python_for_workers() -> None:
    """Start further processes with `PYTHON`."""
    if os.access(PYTHON, os.X_OK):
        os.environ["LIPDROP_PYTHON"] = sys.executable
        spawn.set_executable(str(PYTHON))
    else:  # installed on a filesystem mounted with noexec
        os.environ["PYTHONSAFEPATH"] = "1"


def _start_server(preloaded: Sequence[str]) -> bool:
    """Start the fork server; False where it cannot listen: TMPDIR is too long for a socket, full or read-only."""
    forkserver.set_forkserver_preload(list(preloaded))
    try:
        forkserver.ensure_running()
    except OSError as error:
        logging.getLogger(__name__).warning("workers start slowly: no fork server in TMPDIR: %s", error)
        return False
    return True


def _start(process: BaseProcess) -> None:
    """Start a process. Raises OSError if the system is out of memory or process slots."""
    try:
        process.start()
    except EOFError:
        raise OSError(errno.EAGAIN, "the fork server died") from None


def _send_gpu_count(connection: Connection) -> None:
    """Main function of the process that counts GPUs. Does not initialize CUDA where NVML is present."""
    import torch

    connection.send(torch.cuda.device_count())


def _end(process: BaseProcess, grace_seconds: float) -> None:
    """Wait for a process to exit, then kill it, and kill everything left in its session, such as child programs."""
    process.join(max(0.0, grace_seconds))
    if process.is_alive():
        process.kill()
        process.join()
    assert process.pid is not None
    kill_session(process.pid)
