"""The process between the daemon and Ray. It exits with the daemon, and if the cluster is lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import ray

from pipeline.executors.cluster.nodes import Nodes
from pipeline.executors.cluster.protocol import (
    TOKEN_FILE,
    Command,
    Connected,
    Kill,
    Send,
    Settings,
    Start,
    Terms,
    Trouble,
)
from pipeline.executors.cluster.remote_worker import RemoteWorker
from pipeline.executors.cluster.version import own_version
from pipeline.executors.worker import Link, end_with_parent, log_to
from pipeline.files import replace_file

log = logging.getLogger(__name__)


def main(connection: Connection, settings: Settings) -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon handles Ctrl-C
    end_with_parent()
    os.chdir("/")  # Ray would let workers import modules from the current folder
    link = Link(connection)
    log_to(link, settings.log_level)
    # Ray prints pages of its own state when a node dies.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            _connect(settings)
        except Exception as error:  # Ray raises what its parts raise
            link.send(Trouble(" ".join(str(error).split())[:300]))
            return
        link.send(Connected())
        asyncio.run(_Bridge(connection, link, settings.folder).run())


def _connect(settings: Settings) -> None:
    """Connect to the cluster; never starts one. Actors of one spool share a namespace."""
    namespace = f"lipdrop-{hashlib.sha256(bytes(settings.folder)).hexdigest()[:12]}"
    logging.getLogger("ray").setLevel(logging.WARNING)
    ray.init(address=settings.address, namespace=namespace, log_to_driver=False, configure_logging=False)


class _Bridge:
    """Carries out commands until the daemon closes the connection."""

    def __init__(self, connection: Connection, link: Link, folder: Path) -> None:
        self._connection = connection
        self._link = link
        self._workers: dict[str, RemoteWorker] = {}
        self._nodes = Nodes(lambda why: link.send(Trouble(why)))
        self._terms = _terms(folder)

    async def run(self) -> None:
        """Run until the connection is closed."""
        self._closed = asyncio.Event()
        watching = asyncio.create_task(self._nodes.watch())
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)
        await self._closed.wait()
        watching.cancel()
        for worker in self._workers.values():
            worker.exit()
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
                self._workers[spec.name] = RemoteWorker(spec, self._terms, self._nodes, self._link.send)
            case Send(worker, task):
                self._workers[worker].send(task)
            case Kill(worker):
                self._workers[worker].kill()


def _terms(folder: Path) -> Terms:
    """What nodes must offer; leaves a file in the folder that they must share."""
    token = secrets.token_hex()
    replace_file(folder / TOKEN_FILE, token.encode())
    return Terms(own_version(), folder, token)
