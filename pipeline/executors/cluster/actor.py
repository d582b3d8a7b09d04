"""The worker's end: an actor that runs the worker loop in a thread and keeps its events until they are fetched.

Its own thread lets Ray deliver tasks and fetch events while a stage computes.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import ray
from threadpoolctl import threadpool_limits

from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.clock import boot_id
from pipeline.executors.cluster.protocol import (
    FIRST_LEASE_SECONDS,
    LEASE_SECONDS,
    POLL_SECONDS,
    TOKEN_FILE,
    Hello,
    Refusal,
    Terms,
)
from pipeline.executors.cluster.version import own_version, worker_kind
from pipeline.executors.worker import THREAD_VARIABLES, Link, log_to, work
from pipeline.messages import Died, Task

CALLS = 4
"""Methods of an actor that run at the same time: one waits for messages, others send, stop and read the clock."""


class Lease:
    """Ends this process unless it is renewed in time."""

    def __init__(self, first_seconds: float, seconds: float) -> None:
        """`first_seconds`: until it is renewed for the first time."""
        self._seconds = seconds
        self._end_seconds = time.monotonic() + first_seconds
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def renew(self) -> None:
        """Start the time anew."""
        self._end_seconds = time.monotonic() + self._seconds

    def _watch(self) -> None:
        while (left := self._end_seconds - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
        os._exit(1)  # the stage's thread cannot be stopped otherwise


class WorkerActor:
    """One worker. `begin` is called once, then `messages` again and again."""

    def __init__(self) -> None:
        self._lease = Lease(FIRST_LEASE_SECONDS, LEASE_SECONDS)
        self._connection: Connection | None = None

    def begin(self, spec: WorkerSpec, terms: Terms) -> Hello | Refusal:
        """Start the worker, unless this node lacks something."""
        node_id, why = ray.get_runtime_context().get_node_id(), unmet(terms)
        if why is not None:
            return Refusal(node_id, why)
        self._lease.renew()
        self._connection, worker_end = Pipe()
        threading.Thread(target=_work, args=(worker_end, spec), name=spec.name, daemon=True).start()
        return Hello(node_id, boot_id(), worker_kind(spec))

    def clock(self) -> float:
        """This machine's monotonic clock."""
        return time.monotonic()

    def send(self, task: Task) -> None:
        """Pass a task to the worker."""
        assert self._connection is not None
        self._connection.send(task)

    def messages(self) -> list[Any]:
        """Events and log records, as soon as there are any; none after a while. The last one is `Died`."""
        assert self._connection is not None
        self._lease.renew()
        found: list[Any] = []
        try:
            if self._connection.poll(POLL_SECONDS):
                found.append(self._connection.recv())
            while found and self._connection.poll():
                found.append(self._connection.recv())
        except (EOFError, OSError):
            found.append(Died("", None))
        self._lease.renew()
        return found

    def exit(self) -> None:
        """End this process at once."""
        os._exit(0)


def unmet(terms: Terms) -> str | None:
    """What this node lacks; None if nothing."""
    if own_version() != terms.version:
        return "it has another version of lipdrop than the daemon"
    try:
        token = (terms.folder / TOKEN_FILE).read_text()
    except OSError:
        return f"it does not have the folder {terms.folder}"
    return None if token == terms.token else f"its folder {terms.folder} is not the daemon's"


def _work(connection: Connection, spec: WorkerSpec) -> None:
    faulthandler.enable()
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(spec.threads)
    threadpool_limits(spec.threads)
    link = Link(connection)
    log_to(link, spec.log_level)
    try:
        work(link, spec)
    finally:
        logging.getLogger().handlers = []
        connection.close()
