"""The process between the daemon and Ray. It exits with the daemon, and if the cluster is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray

from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.inheritance import inherited
from pipeline.executors.cluster.nodes import Nodes
from pipeline.executors.cluster.protocol import (
    TOKEN_FILE,
    Command,
    Connected,
    Forget,
    Kill,
    Send,
    Settings,
    Start,
    Terms,
    Transfer,
    Trouble,
)
from pipeline.executors.cluster.remote_worker import RemoteWorker
from pipeline.executors.cluster.roll import Roll
from pipeline.executors.cluster.transfer import CARRIED_ROLES
from pipeline.executors.cluster.transfer.carrier import Carrier
from pipeline.executors.cluster.transfer.worker import CarryingWorker, PinnedWorker
from pipeline.executors.cluster.version import own_version
from pipeline.executors.worker import Link, end_with_parent, log_to
from pipeline.files import replace_file
from pipeline.messages import Died, Ready

log = logging.getLogger(__name__)


def main(connection: Connection, settings: Settings) -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon handles Ctrl-C
    end_with_parent()
    os.chdir("/")  # Ray would let workers import modules from the current folder
    link = Link(connection)
    log_to(link, settings.log_level)
    terms = _terms(settings)
    # Ray prints pages of its own state when a node dies.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            _connect(settings.address, terms)
        except Exception as error:  # Ray raises what its parts raise
            link.send(Trouble(" ".join(str(error).split())[:300]))
            return
        asyncio.run(_Bridge(connection, link, terms, settings.transfer).run())


def _connect(address: str, terms: Terms) -> None:
    """Connect to the cluster; never starts one. Actors of one spool share a namespace."""
    logging.getLogger("ray").setLevel(logging.WARNING)
    namespace = f"lipdrop-{terms.token[:12]}"
    ray.init(address=address, namespace=namespace, log_to_driver=False, configure_logging=False)


class _Bridge:
    """Carries out commands until the daemon closes the connection."""

    def __init__(self, connection: Connection, link: Link, terms: Terms, transfer: Transfer | None) -> None:
        self._connection = connection
        self._link = link
        self._workers: dict[str, RemoteWorker] = {}
        self._nodes = Nodes(link.send, terms.patience.refusal_seconds)
        self._terms = terms
        self._inherited: dict[str, Any] = {}
        """Actors of the previous bridge that are not used yet."""
        self._transfer = transfer
        self._carrier: Carrier | None = None
        """None: nodes share the spool."""

    async def run(self) -> None:
        """Run until the connection is closed."""
        self._closed = asyncio.Event()
        self._inherited = await inherited(self._terms)
        self._roll = Roll(self._terms.folder)
        if self._transfer is not None:
            self._carrier = Carrier(self._terms, self._transfer)
        self._link.send(Connected())
        watching = asyncio.create_task(self._nodes.watch())
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)
        await self._closed.wait()
        watching.cancel()
        for worker in self._workers.values():
            worker.leave()
        if self._carrier is not None:
            await self._carrier.close()
        ray.shutdown()
        os._exit(0)  # workers that are still followed must report nothing more

    def _read(self) -> None:
        try:
            while self._connection.poll():
                self._obey(self._connection.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._closed.set()

    def _obey(self, command: Command) -> None:
        match command:
            case Start(spec):
                self._workers[spec.name] = self._made(spec)
            case Send(worker, task):
                self._workers[worker].send(task)
            case Kill(worker):
                self._workers[worker].kill()
            case Forget(job):
                self._forget(job)

    def _made(self, spec: WorkerSpec) -> RemoteWorker:
        """The bridge's end of a worker, which depends on how it gets its files."""
        actor, report = self._inherited.pop(spec.name, None), self._report
        if self._carrier is None:
            return RemoteWorker(spec, self._terms, self._nodes, report, actor)
        if spec.role not in CARRIED_ROLES:
            return PinnedWorker(spec, self._terms, self._nodes, report, actor)
        return CarryingWorker(spec, self._carrier, self._nodes, report, actor)

    def _report(self, message: object) -> None:
        match message:
            case Ready(worker=name):
                self._roll.add(name)
            case Died(worker=name):
                self._roll.remove(name)
        self._link.send(message)

    def _forget(self, job: str) -> None:
        for worker in self._workers.values():
            if isinstance(worker, CarryingWorker):
                worker.forget(job)
        if self._carrier is not None:
            self._carrier.forget(job)


def _terms(settings: Settings) -> Terms:
    """What nodes must offer. A file in the folder that they must share tells it from others at the same path."""
    file = settings.folder / TOKEN_FILE
    if not file.exists():
        replace_file(file, secrets.token_hex().encode())
    return Terms(own_version(), settings.folder, file.read_text(), secrets.token_hex(), settings.patience)
