"""Workers as actors of a Ray cluster: the daemon's end, which connects again whenever the cluster was lost."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.executors.base import NodeOffer, WorkerSpec
from pipeline.executors.cluster.protocol import (
    Command,
    Connected,
    Forget,
    Kill,
    Offered,
    Patience,
    Send,
    Settings,
    Start,
    Transfer,
    Trouble,
)
from pipeline.executors.cluster.roll import note_end
from pipeline.executors.processes import use_python_for_workers
from pipeline.executors.waker import Waker
from pipeline.messages import Died, Event, Ready, Task

if TYPE_CHECKING:
    from pipeline.config import Config

CONNECT_SECONDS = 90.0
"""Time for a bridge to connect."""
EXIT_SECONDS = 5.0
"""Grace period for a bridge to leave its actors, before it is killed."""
RETRY_FIRST_SECONDS = 1.0
RETRY_LAST_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass
class _Bridge:
    process: BaseProcess
    connection: Connection
    deadline: float
    """It must be connected by then; monotonic."""


class RayExecutor:
    """Runs each worker as an actor of a Ray cluster.

    Without a connection, workers that are started wait for it, and `trouble` says why.
    """

    def __init__(
        self,
        address: str,
        folder: Path,
        log_level: str = "info",
        patience: Patience | None = None,
        transfer: Transfer | None = None,
    ) -> None:
        """`folder`: the spool's `run/`, which the nodes share without a `transfer`.

        Raises ConfigError if a package is not installed.
        """
        _check_packages(transfer)
        use_python_for_workers()
        self._context = multiprocessing.get_context("spawn")
        self._settings = Settings(address, folder, log_level, patience or Patience(), transfer)
        self._waker = Waker()
        self._bridge: _Bridge | None = None
        self._is_connected = False
        self._specs: dict[str, WorkerSpec] = {}
        """The workers that were started and have not died."""
        self._up: set[str] = set()
        """Those that are ready."""
        self._events: list[Event] = []
        self._trouble: str | None = None
        self._offers: Sequence[NodeOffer] | None = None
        self._failures = 0
        """Consecutive failures to connect."""
        self._retry_seconds = 0.0
        """When to connect again; monotonic."""

    @classmethod
    def of(cls, config: Config) -> RayExecutor:
        """Make the executor for a configuration. Raises ConfigError."""
        folder, level = config.path(config.spool) / "run", config.log.level
        return cls(config.ray.address, folder, level, transfer=_transfer(config))

    def gpu_count(self) -> int:
        """None is assigned by number: `place.num_gpus` says how many a worker needs, and Ray assigns them."""
        return 0

    def start(self, spec: WorkerSpec) -> None:
        """Start a worker, now or once there is a connection."""
        self._specs[spec.name] = spec
        self._command(Start(spec))

    def send(self, worker: str, task: Task) -> None:
        """Send a task. If the cluster was lost, `wait` reports that."""
        self._command(Send(worker, task))

    def kill(self, worker: str) -> None:
        """Kill a worker; `wait` reports its exit."""
        if self._is_connected:
            self._command(Kill(worker))
        elif self._specs.pop(worker, None) is not None:
            self._events.append(Died(worker, None))
            self.wake()

    def forget(self, job: str) -> None:
        """Have the files of a job removed that are on nodes, and on the way."""
        self._command(Forget(job))

    def _command(self, command: Command) -> None:
        if self._bridge is None or not self._is_connected:
            return
        try:
            self._bridge.connection.send(command)
        except OSError:
            log.debug("the connection to Ray ended before a command was sent")

    def trouble(self) -> str | None:
        """Why workers cannot start; None if they can, or if the first attempt to connect is under way."""
        if self._is_connected or self._trouble is None:
            return self._trouble
        return f"no connection to the Ray cluster ({self._settings.address}): {self._trouble}"

    def offers(self) -> Sequence[NodeOffer] | None:
        """What the nodes offer, those that lack something left out; None before the first connection."""
        return self._offers

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Collect events; connect if there is no connection."""
        now = time.monotonic()
        if self._bridge is None and now >= self._retry_seconds:
            self._start_bridge(now)
        due = self._retry_seconds if self._bridge is None else self._bridge.deadline
        sources: list[Any] = [self._waker.fileno()]
        if self._bridge is not None:
            sources += [self._bridge.connection, self._bridge.process.sentinel]
        timeout = 0.0 if self._events else min(timeout_seconds, max(0.0, due - now))
        wait(sources, timeout)
        self._waker.clear()
        self._collect()
        events, self._events = self._events, []
        return events

    def _start_bridge(self, now: float) -> None:
        own_end, other_end = self._context.Pipe()
        process = self._context.Process(
            target=_bridge_main, args=(other_end, self._settings), name="ray-bridge", daemon=True
        )
        process.start()
        other_end.close()
        self._bridge = _Bridge(process, own_end, now + CONNECT_SECONDS)

    def _collect(self) -> None:
        """Handle everything that the bridge has sent, and its end."""
        if self._bridge is None:
            return
        is_late = not self._is_connected and time.monotonic() >= self._bridge.deadline
        ended = is_late or not self._bridge.process.is_alive()
        try:
            while self._bridge.connection.poll():
                self._handle(self._bridge.connection.recv())
        except (EOFError, OSError):
            ended = True
        if ended:
            self._lose()

    def _handle(self, message: object) -> None:
        match message:
            case logging.LogRecord():
                logging.getLogger(message.name).handle(message)
            case Connected():
                self._note_connected()
            case Trouble():
                self._trouble = message.why
                if self._is_connected and message.why is not None:
                    log.warning("%s", message.why)
            case Offered():
                self._offers = message.nodes
            case Ready():
                self._up.add(message.worker)
                self._events.append(message)
            case Died():
                self._up.discard(message.worker)
                self._specs.pop(message.worker, None)
                self._events.append(message)
            case _:
                self._events.append(message)  # type: ignore[arg-type]

    def _note_connected(self) -> None:
        log.info("connected to the Ray cluster (%s)", self._settings.address)
        assert self._bridge is not None
        self._is_connected, self._trouble, self._failures = True, None, 0
        self._bridge.deadline = float("inf")
        for spec in self._specs.values():
            self._command(Start(spec))

    def _lose(self) -> None:
        """Note the end of the bridge. Workers that were up are lost; those that were starting wait."""
        self._end_bridge(0.0)
        if self._is_connected or self._trouble is None:
            self._trouble = "it was lost" if self._is_connected else "it does not answer"
        pause = min(RETRY_FIRST_SECONDS * 2**self._failures, RETRY_LAST_SECONDS)
        self._failures += 1
        self._is_connected = False
        self._retry_seconds = time.monotonic() + pause
        log.warning("%s; trying again in %.0f s", self.trouble(), pause)
        self._events += [Died(name, None, is_lost=True) for name in self._up]
        self._specs = {name: spec for name, spec in self._specs.items() if name not in self._up}
        self._up.clear()

    def _end_bridge(self, grace_seconds: float) -> None:
        if self._bridge is None:
            return
        self._bridge.connection.close()
        self._bridge.process.join(grace_seconds)
        self._bridge.process.kill()
        self._bridge.process.join()
        self._bridge = None
        note_end(self._settings.folder)

    def wake(self) -> None:
        """Make `wait` return. Safe in signal handlers and other threads."""
        self._waker.wake()

    def close(self, busy: Collection[str] = ()) -> None:
        """End all actors that are busy. Idle ones wait a while for the next daemon, then exit."""
        self._end_bridge(EXIT_SECONDS)
        self._specs.clear()
        self._up.clear()


def _transfer(config: Config) -> Transfer | None:
    """How files travel; None: through the folder that nodes share."""
    if config.ray.transfer == "shared_folder":
        return None
    bucket = config.ray.s3 if config.ray.transfer == "s3" else None
    return Transfer(config.ray.node_folder, config.avatars.cache_bytes, bucket)


def _check_packages(transfer: Transfer | None) -> None:
    """Raise ConfigError if a package is missing."""
    if find_spec("ray") is None:
        hint = "pip install 'lipdrop[ray]'"
        raise ConfigError("ray_missing", "executor: ray needs the package ray", field="executor", hint=hint)
    if transfer is not None and transfer.bucket is not None and find_spec("obstore") is None:
        hint = "pip install 'lipdrop[s3]'"
        raise ConfigError("s3_missing", "transfer: s3 needs the package obstore", field="ray.transfer", hint=hint)


def _bridge_main(connection: Connection, settings: Settings) -> None:
    from pipeline.executors.cluster.bridge import main  # imports Ray, which the daemon must not

    main(connection, settings)
