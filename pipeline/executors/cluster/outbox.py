"""The events of an actor's worker, kept until the actor's owner fetches them. Only its latest owner gets any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from pipeline.executors.cluster.protocol import Refusal
from pipeline.messages import Died, Failed, Finished, Ready, Task, Yielded

SETTLE_SECONDS = 5.0
"""How long a worker may go on with what it does when its owner changes, before it is ended."""


class Outbox:
    """Connects a worker to its owner, which is the bridge of one daemon, known by its token."""

    def __init__(self, connection: Connection, owner: str, unfit: Callable[[], Refusal | None]) -> None:
        """`unfit` says why the node offers no longer what it must: then nothing that the worker reports counts."""
        self._connection = connection
        self._unfit = unfit
        self._owner: str | None = owner
        self._events: list[Any] = []
        self._ready: Ready | None = None
        self._is_busy = self._is_over = False
        self._changed = threading.Condition()
        threading.Thread(target=self._collect, name="outbox", daemon=True).start()

    def is_owned_by(self, owner: str) -> bool:
        """Whether this is its latest owner."""
        return owner == self._owner

    def send(self, task: Task, owner: str) -> None:
        """Pass a task to the worker, unless it has another owner by now."""
        with self._changed:
            if owner == self._owner:
                self._is_busy = True
                self._connection.send(task)

    def take(self, owner: str, seconds: float) -> list[Any]:
        """Wait for events; only `Died` for one who is not the owner."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or owner != self._owner, seconds)
            if owner != self._owner:
                return [Died("", None)]
            found, self._events = self._events, []
            return found

    def settle(self, owner: str | None, seconds: float) -> bool:
        """Change the owner, and wait until the worker is idle; whether it is. Its results so far are dropped."""
        with self._changed:
            self._owner = owner
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._is_busy, seconds)
            self._events = [self._ready] if self._ready is not None else []
            return not (self._is_busy or self._is_over)

    def _collect(self) -> None:
        """Collect the worker's messages until it ends."""
        while not self._is_over:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                message = Died("", None)
            if isinstance(message, Yielded | Failed):  # slow or hung if the shared folder is
                message = self._unfit() or message
            with self._changed:
                self._note(message)
                self._changed.notify_all()

    def _note(self, message: object) -> None:
        match message:
            case Ready():
                self._ready = message
            case Finished() | Failed():
                self._is_busy = False
            case Died() | Refusal():
                self._is_over = True
        self._events.append(message)
