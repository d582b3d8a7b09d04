"""Small Ray clusters on this machine, each node with processes of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from ray.cluster_utils import Cluster

from tests.warm_start import environment

SMALL: dict[str, Any] = {"num_cpus": 8, "object_store_memory": 100 << 20}
"""Settings of every node. CPUs are only counted."""


STARTS = 4
"""Attempts at starting a node."""

BLIND = """
mount -t tmpfs none "$1" && mount --bind "$2" "$3" && shift 3 && exec "$@"
"""
"""Shell: hide a folder, put another one in the place of a third, then run a program."""


@cache
def can_blind() -> bool:
    """Whether nodes can be started that do not see a folder: root may, where the kernel or the container allows it."""
    argv = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


class BlindNode:
    """A node in a mount namespace of its own: like another machine, it sees neither the daemon's files nor those that
    other nodes keep."""

    def __init__(self, head: str, number: int, hidden: Path, kept: Path, seen_as: Path) -> None:
        """`hidden`: the daemon's folder; `kept`: where the node's files are, for us; `seen_as`: the same, for it."""
        self.name = f"127.0.0.{number}"
        ray = ["--address", head, "--node-ip-address", self.name, "--num-cpus", "2", "--block"]
        ray += ["--dashboard-agent-listen-port", "0"]  # the usual one is another node's
        store = ["--object-store-memory", str(SMALL["object_store_memory"])]
        start = [str(Path(sys.executable).with_name("ray")), "start", *ray, *store]
        self.files = kept
        self._process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", BLIND, "sh", str(hidden), str(kept), str(seen_as), *start],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def runs(self) -> bool:
        """Whether it has not exited."""
        return self._process.poll() is None

    def sees(self, path: Path) -> bool:
        """Whether its processes see a file."""
        return Path(f"/proc/{self._process.pid}/root{path}").exists()

    def kill(self) -> None:
        """Kill all its processes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            for process in [*parent.children(recursive=True), parent]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()


class LocalCluster:
    """A head, which runs workers too, and further nodes."""

    def __init__(self) -> None:
        self._port = _free_port()
        self._cluster: Cluster | None = None
        self._blind: list[BlindNode] = []
        self._numbers = count(2)

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

    def add_blind_node(self, hidden: Path, folder: Path) -> BlindNode:
        """Start a node that does not see the folder `hidden` and keeps files of its own in `folder`; wait until it is
        alive. One that cannot have the ports that it chose exits, and is started again."""
        assert self._cluster is not None
        number = next(self._numbers)
        kept = folder.with_name(f"{folder.name}-{number}")
        for each in (kept, folder):
            each.mkdir(exist_ok=True)
        for _ in range(STARTS):
            node = BlindNode(self.address, number, hidden, kept, folder)
            self._blind.append(node)
            while node.runs():
                if any(
                    each["NodeName"] == node.name and each["Alive"] for each in self._cluster.global_state.node_table()
                ):
                    return node
                time.sleep(0.2)
        raise AssertionError("the node does not start")

    def kill_node(self, node: Any) -> None:
        """Kill all processes of a node."""
        assert self._cluster is not None
        self._cluster.remove_node(node, allow_graceful=False)

    def kill(self) -> None:
        """Kill all processes of all nodes, those of the head included."""
        for blind in self._blind:
            blind.kill()
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
