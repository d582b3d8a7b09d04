"""Small Ray clusters on this machine, each node with processes of its own."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import psutil
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from ray.cluster_utils import Cluster

from tests.warm_start import environment

SMALL: dict[str, Any] = {"num_cpus": 8, "object_store_memory": 100 << 20}
"""Settings of every node. CPUs are only counted."""


class LocalCluster:
    """A head, which runs workers too, and further nodes."""

    def __init__(self) -> None:
        self._port = _free_port()
        self._cluster: Cluster | None = None

    @property
    def address(self) -> str:
        """Of the head: the same after a restart."""
        assert self._cluster is not None
        return str(self._cluster.address)

    def start(self, **settings: Any) -> None:
        """Start the head."""
        arguments = SMALL | {"include_dashboard": False, "gcs_server_port": self._port} | settings
        with _importing_tests():
            self._cluster = Cluster(initialize_head=True, head_node_args=arguments)

    def add_node(self, environment: dict[str, str] | None = None, **settings: Any) -> Any:
        """Start another node, with variables of its own in its environment; wait until it is alive."""
        assert self._cluster is not None
        with _importing_tests(), patch.dict(os.environ, environment or {}):
            return self._cluster.add_node(**SMALL, **settings)

    @contextlib.contextmanager
    def frozen(self, node: Any) -> Iterator[None]:
        """A node whose processes all stand still for a block: it answers nothing, and loses no connection."""
        pids = [info.process.pid for processes in node.all_processes.values() for info in processes]
        family = [*map(psutil.Process, pids), *_family(node)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def kill_node(self, node: Any) -> None:
        """Kill all processes of a node."""
        assert self._cluster is not None
        self._cluster.remove_node(node, allow_graceful=False)

    def kill(self) -> None:
        """Kill all processes of all nodes, those of the head included."""
        if self._cluster is None:
            return
        nodes = (*self._cluster.worker_nodes, self._cluster.head_node)
        family = [process for node in nodes for process in _family(node)]
        for node in nodes:
            node.kill_all_processes(check_alive=False, allow_graceful=False)
        for process in family:  # agents outlive the node that started them
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster = None


@contextlib.contextmanager
def local_cluster(**settings: Any) -> Iterator[LocalCluster]:
    """A cluster with a head for a block."""
    cluster = LocalCluster()
    cluster.start(**settings)
    try:
        yield cluster
    finally:
        cluster.kill()


def _importing_tests() -> AbstractContextManager[object]:
    """Within it, nodes are started whose workers find the stages of tests."""
    return patch.dict(os.environ, environment())


def _family(node: Any) -> Iterator[psutil.Process]:
    """The descendants of a node's processes."""
    for processes in node.all_processes.values():
        for info in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield from psutil.Process(info.process.pid).children(recursive=True)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("", 0))
        port: int = listening.getsockname()[1]
        return port
