"""The worker's end: an actor that runs the worker loop in a thread and keeps its events until they are fetched.

Its own thread lets Ray deliver tasks and fetch events while a stage computes. The actor outlives its daemon for a
while: the next one takes it over, with its model loaded, once it has nothing left to do for the last.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import ray
from threadpoolctl import threadpool_limits

from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.clock import boot_id
from pipeline.executors.cluster.outbox import SETTLE_SECONDS, Outbox
from pipeline.executors.cluster.protocol import FIRST_LEASE_SECONDS, TOKEN_FILE, Hello, Refusal, Terms
from pipeline.executors.cluster.version import own_version, worker_kind
from pipeline.executors.worker import THREAD_VARIABLES, Link, log_to, work
from pipeline.messages import Task

CALLS = 5
"""Methods of an actor that run at the same time: two wait for messages while its owner changes."""


class Lease:
    """Calls `lapsed` whenever it is not renewed in time."""

    def __init__(self, first_seconds: float, lapsed: Callable[[], None]) -> None:
        """`first_seconds`: until it is renewed for the first time."""
        self._lapsed = lapsed
        self._end_seconds = time.monotonic() + first_seconds
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def renew(self, seconds: float) -> None:
        """Let it last so long from now on."""
        self._end_seconds = time.monotonic() + seconds

    def _watch(self) -> None:
        while True:
            while (left := self._end_seconds - time.monotonic()) > 0:
                time.sleep(min(left, 1.0))
            self._lapsed()


class WorkerActor:
    """One worker. `begin` is called once, then `messages` again and again; for a next daemon, `settle` and `rejoin`."""

    def __init__(self) -> None:
        self._lease = Lease(FIRST_LEASE_SECONDS, self.leave)
        self._outbox: Outbox | None = None
        self._is_orphan = False

    def begin(self, spec: WorkerSpec, terms: Terms) -> Hello | Refusal:
        """Start the worker, unless this node lacks something."""
        node_id, why = ray.get_runtime_context().get_node_id(), self._unmet(terms)
        if why is not None:
            return Refusal(node_id, why)
        self._spec, self._terms, self._hello = spec, terms, Hello(node_id, boot_id(), worker_kind(spec))
        self._renew()
        self._start(spec)
        return self._hello

    def _unmet(self, terms: Terms) -> str | None:
        return unmet(terms)

    def _start(self, spec: WorkerSpec) -> None:
        own_end, worker_end = Pipe()
        self._outbox = Outbox(own_end, self._terms.owner, self._unfit)
        threading.Thread(target=_work, args=(worker_end, spec), name=spec.name, daemon=True).start()

    def _unfit(self) -> Refusal | None:
        why = self._unmet(self._terms)
        return None if why is None else Refusal(self._hello.node_id, why)

    def settle(self, owner: str) -> bool:
        """Obey another bridge, and only that, from now on; whether the worker is idle and can be used by it."""
        if self._outbox is None:
            return False
        self._renew()
        return self._outbox.settle(owner, SETTLE_SECONDS)

    def rejoin(self, spec: WorkerSpec, terms: Terms) -> Hello | None:
        """Work for the bridge for which this actor has settled; None if another worker is needed."""
        if self._outbox is None or spec != self._spec or self._unmet(terms) is not None:
            return None
        self._terms = terms
        self._renew()
        return self._hello

    def leave(self) -> None:
        """Obey nobody until another bridge comes, and exit if that lasts too long; at once if there is work to drop."""
        is_idle = self._outbox is not None and self._outbox.settle(None, 0.0)
        if self._is_orphan or not is_idle:
            self._end(1)
        self._is_orphan = True
        self._lease.renew(self._terms.patience.orphan_seconds - self._terms.patience.lease_seconds)

    def _renew(self) -> None:
        self._is_orphan = False
        self._lease.renew(self._terms.patience.lease_seconds)

    def clock(self) -> float:
        """This machine's monotonic clock."""
        return time.monotonic()

    def send(self, task: Task, owner: str) -> None:
        """Pass a task to the worker, unless another bridge has come."""
        assert self._outbox is not None
        self._outbox.send(task, owner)

    def messages(self, owner: str) -> list[Any]:
        """Events and log records, as soon as there are any; none after a while. The last is `Died` or a `Refusal`."""
        assert self._outbox is not None
        if self._outbox.is_owned_by(owner):
            self._renew()
        found = self._outbox.take(owner, self._terms.patience.poll_seconds)
        if self._outbox.is_owned_by(owner):
            self._renew()
        return found

    def exit(self) -> None:
        """End this process at once."""
        self._end(0)

    def _end(self, code: int) -> None:
        os._exit(code)  # the stage's thread cannot be stopped otherwise


def unmet(terms: Terms) -> str | None:
    """What this node lacks; None if nothing."""
    why = version_unmet(terms)
    if why is not None:
        return why
    try:
        token = (terms.folder / TOKEN_FILE).read_text()
    except OSError:
        return f"it does not have the folder {terms.folder}"
    return None if token == terms.token else f"its folder {terms.folder} is not the daemon's"


def version_unmet(terms: Terms) -> str | None:
    """What is wrong with this node's lipdrop; None if nothing."""
    return None if own_version() == terms.version else "it has another version of lipdrop than the daemon"


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
