"""The worker loop: what every worker runs, in a process or in a thread.

Both halves of the protocol meet here: the loop receives `Task`s from its connection and answers with
`Ready`, `Yielded`, `Finished` and `Failed`; log records travel the same way, so that one process writes the log.
This module must not import torch: `prepare_process` sets the environment that torch reads when it is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import logging.handlers
import os
import queue
import signal
import threading
import traceback
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Protocol

from pipeline.errors import ErrorReport, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.messages import Failed, Finished, Item, Ready, Result, Task, Yielded

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""

log = logging.getLogger(__name__)


class Stage(Protocol):
    """What a worker runs. Made with its spec; knows nothing of processes or queues."""

    def setup(self, device: str) -> None:
        """Load and warm up. Called once, before the first item."""
        ...

    def process(self, item: Item) -> Iterable[Result]:
        """Do the work on one item; yield each result as soon as it is there."""
        ...


class Link:
    """The worker's end of its connection; threads may send at the same time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Send one message, whole."""
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Task | None:
        """The next task; None when there will be no more."""
        try:
            task: Task | None = self._connection.recv()
        except (EOFError, OSError):
            return None
        return task


class LinkHandler(logging.handlers.QueueHandler):
    """Sends log records to the process that writes the log."""

    def __init__(self, link: Link) -> None:
        super().__init__(queue.SimpleQueue())
        self._link = link

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send the record instead of queueing it."""
        self._link.send(record)


def process_main(connection: Connection, spec: WorkerSpec) -> None:
    """What a worker process runs from its first to its last line."""
    faulthandler.enable()  # a crash in native code is told in the daemon's log
    prepare_process(spec)
    link = Link(connection)
    root = logging.getLogger()
    root.handlers = [LinkHandler(link)]
    root.setLevel(logging.INFO)
    work(link, spec)


def prepare_process(spec: WorkerSpec) -> None:
    """Pin this process to its device and cores, and tie its life to its parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to handle
    os.setsid()  # by its session the daemon finds what a dead worker has left behind
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(spec.threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(spec.device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if spec.cpus:
        os.sched_setaffinity(0, spec.cpus)
    end_with_parent()


def visible_gpu(device: str, inherited: str | None) -> str:
    """What `CUDA_VISIBLE_DEVICES` must be for a worker on `device`, counted among the GPUs the daemon may use."""
    kind, _, ordinal = device.partition(":")
    if kind != "cuda":
        return ""
    return inherited.split(",")[int(ordinal)] if inherited else ordinal


def end_with_parent() -> None:
    """Have the kernel kill this process when the daemon is gone, however it went: at once, even if it hangs."""
    parent = parent_process()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent.pid:  # gone before the call
        os._exit(1)


def work(link: Link, spec: WorkerSpec) -> None:
    """Make the stage, say when it is ready, then work until the connection ends."""
    try:
        stage = _make_stage(spec)
    except Exception as error:
        report = _report(error, spec)
        if isinstance(error, JobError):  # before any job: a default in the configuration is at fault
            report = replace(report, fatal=True)
        link.send(Failed(spec.name, None, report))
        return
    link.send(Ready(spec.name, spec.device, os.getpid()))
    while (task := link.receive()) is not None:
        _run(stage, task, link, spec)


def _make_stage(spec: WorkerSpec) -> Stage:
    module, _, name = spec.stage.partition(":")
    stage: Stage = getattr(import_module(module), name)(spec)
    # Inside the process the only visible GPU is number 0, whichever it is outside.
    stage.setup("cuda:0" if spec.device.startswith("cuda") else "cpu")
    return stage


def _run(stage: Stage, task: Task, link: Link, spec: WorkerSpec) -> None:
    try:
        for result in stage.process(task.item):
            link.send(Yielded(spec.name, task.id, result))
    except Exception as error:
        link.send(Failed(spec.name, task.id, _report(error, spec)))
    else:
        link.send(Finished(spec.name, task.id))


def _report(error: Exception, spec: WorkerSpec) -> ErrorReport:
    return ErrorReport.of(error, stage=spec.role, traceback=traceback.format_exc())
