"""The worker loop, the same in a process, in a thread and in an actor of Ray.

The loop receives `Task`s from its connection and answers with `Ready`, `Yielded`, `Finished` and `Failed`. Log records
use the same connection, so that one process writes the log. This module must not import torch: workers without it are
small.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import logging.handlers
import os
import queue
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Protocol, runtime_checkable

from threadpoolctl import threadpool_limits

from pipeline.errors import ErrorReport, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.log_context import ContextFilter, logging_about
from pipeline.messages import Advance, Advanced, Failed, Finished, Item, Ready, Result, Task, Yielded

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""

PREPARE_AFTER_SECONDS = 4.0
"""How long a worker waits for a task before it prepares for later ones: until then the others may need the cores, to
start or for the job at hand."""

log = logging.getLogger(__name__)


class Stage(Protocol):
    """The work of one kind of worker. Constructed with the `WorkerSpec`; independent of processes and queues."""

    def setup(self, device: str) -> None:
        """Load and warm up. Called once, before the first item."""
        ...

    def process(self, item: Item) -> Iterable[Result | Advance]:
        """Process one item; yield each result as soon as it is complete, and how far a long item has advanced."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """What a stage may offer besides: preparing for later items while there is none."""

    def prepare(self) -> Iterator[None]:
        """Load what some items will need, in steps of a fraction of a second, for which a task may have to wait."""
        ...


class Link:
    """The worker's end of its connection. `send` is thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Send one message atomically."""
        with self._lock:
            self._connection.send(message)

    def has_task(self, timeout_seconds: float) -> bool:
        """Wait for the next task; whether there is one, or the connection is closed."""
        return self._connection.poll(timeout_seconds)

    def receive(self) -> Task | None:
        """Wait for the next task; None when the connection is closed."""
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
        with contextlib.suppress(BrokenPipeError):  # the daemon is gone
            self._link.send(record)


def process_main(connection: Connection, spec: WorkerSpec) -> None:
    """Entry point of a worker process."""
    faulthandler.enable()  # prints a traceback to the daemon's log when native code crashes
    prepare_process(spec)
    link = Link(connection)
    log_to(link, spec.log_level)
    with contextlib.suppress(BrokenPipeError):  # the daemon stops while this worker starts or works
        work(link, spec)


def log_to(link: Link, log_level: str) -> None:
    """Send this process's log records over its link."""
    root = logging.getLogger()
    root.handlers = [LinkHandler(link)]
    root.handlers[0].addFilter(ContextFilter())
    level = logging.getLevelNamesMapping()[log_level.upper()]
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("pipeline").setLevel(level)
    logging.getLogger("pymorphy3").setLevel(max(level, logging.WARNING))  # it tells everybody where its files are


def prepare_process(spec: WorkerSpec) -> None:
    """Pin this process to its device and cores, and make it die with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon handles Ctrl-C
    if os.getsid(0) != os.getpid():  # a spawned one has a session already
        os.setsid()  # the daemon finds and kills a dead worker's children by their session
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(spec.threads)
    threadpool_limits(spec.threads)  # libraries that the fork server has loaded do not look at the variables again
    os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(spec.device, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if spec.cpus:
        os.sched_setaffinity(0, spec.cpus)
    end_with_parent()


def visible_gpu(device: str, inherited: str | None) -> str:
    """Value of `CUDA_VISIBLE_DEVICES` for a worker on `device`, an index into the daemon's own value."""
    kind, _, ordinal = device.partition(":")
    if kind != "cuda":
        return ""
    return inherited.split(",")[int(ordinal)] if inherited else ordinal


def end_with_parent() -> None:
    """Have the kernel kill this process as soon as the daemon exits, for any reason and even if this process hangs."""
    daemon = parent_process()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if daemon is not None and not daemon.is_alive():  # it died before prctl, and the fork server with it
        os._exit(1)


def work(link: Link, spec: WorkerSpec) -> None:
    """Set up the stage, report `Ready`, then process tasks until the connection closes."""
    with logging_about(worker=spec.name, stage=spec.role):
        _work(link, spec)


def _work(link: Link, spec: WorkerSpec) -> None:
    try:
        stage = _make_stage(spec)
    except Exception as error:
        report = _report(error, spec)
        if isinstance(error, JobError):  # no job is running yet, so a default in the configuration is at fault
            report = replace(report, fatal=True)
        link.send(Failed(spec.name, None, report))
        return
    link.send(Ready(spec.name, spec.device, os.getpid()))
    preparations = _preparations(stage)
    while (task := _next_task(link, preparations)) is not None:
        with logging_about(job=task.item.job):
            _run(stage, task, link, spec)


def _preparations(stage: Stage) -> Iterator[None]:
    """The stage's preparations. A job that needs one that has failed will report the error."""
    try:
        if isinstance(stage, Preparing):
            yield from stage.prepare()
    except Exception as error:
        log.warning("preparing for later jobs failed: %s", error)


def _next_task(link: Link, preparations: Iterator[None]) -> Task | None:
    """Wait for the next task, and continue the preparations while there is none."""
    if not link.has_task(PREPARE_AFTER_SECONDS):
        for _ in preparations:
            if link.has_task(0):
                break
    return link.receive()


def _make_stage(spec: WorkerSpec) -> Stage:
    module, _, name = spec.stage.partition(":")
    stage: Stage = getattr(import_module(module), name)(spec)
    # The process sees only its own GPU, as number 0.
    stage.setup("cuda:0" if spec.device.startswith("cuda") else "cpu")
    return stage


def _run(stage: Stage, task: Task, link: Link, spec: WorkerSpec) -> None:
    try:
        for result in stage.process(task.item):
            link.send(
                Advanced(spec.name, task.id, result.share)
                if isinstance(result, Advance)
                else Yielded(spec.name, task.id, result)
            )
    except Exception as error:
        link.send(Failed(spec.name, task.id, _report(error, spec)))
    else:
        link.send(Finished(spec.name, task.id))


def _report(error: Exception, spec: WorkerSpec) -> ErrorReport:
    return ErrorReport.of(error, stage=spec.role, traceback=traceback.format_exc())
