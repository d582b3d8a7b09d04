"""Half a minute without a node's network, and without its shared folder, on a cluster of two nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from daemon.scheduling.worker_pool import WorkerState
from pipeline.executors.cluster.protocol import Patience
from tests.far_node import FarNode, far_node, may_make_networks
from tests.ray_cluster import LocalCluster, local_cluster
from tests.two_nodes import TwoNodes, lost

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
OUTAGE_SECONDS = 30.0


class FarSecond(TwoNodes):
    """The second node has a network of its own."""

    def __init__(self, cluster: LocalCluster, folder: Path, far: FarNode) -> None:
        self.far = far
        super().__init__(cluster, folder, Patience())

    def add_second(self) -> FarNode:
        return self.far


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(resources={"slot": 1, "main": 3}) as started:
        yield started


@pytest.mark.skipif(not may_make_networks(), reason="needs root, to cut a network")
def test_the_network_of_a_node_is_away(cluster: LocalCluster, tmp_path: Path) -> None:
    with far_node(cluster.address, tmp_path / "far.log", '{"slot": 1}') as far:
        nodes = FarSecond(cluster, tmp_path, far)
        nodes.until_ready()
        job, name = nodes.add("cut"), nodes.on_second
        nodes.until(lambda: nodes.scheduler.workers[name] is WorkerState.BUSY)
        began = time.monotonic()
        with far.cut():
            nodes.finish(job)
            nodes.until(lambda: "no room for" in (nodes.executor.trouble() or ""))
            nodes.until(lambda: time.monotonic() - began > OUTAGE_SECONDS)
        assert lost(job) == [("second", "cluster_lost")]
        nodes.until_ready()
        assert nodes.on_second
        nodes.finish(nodes.add("after"))
        nodes.scheduler.close()


def test_the_shared_folder_of_a_node_is_away(cluster: LocalCluster, tmp_path: Path) -> None:
    nodes = TwoNodes(cluster, tmp_path, Patience())
    nodes.until_ready()
    job, name = nodes.add("cut"), nodes.on_second
    nodes.until(lambda: nodes.scheduler.workers[name] is WorkerState.BUSY)
    nodes.away.touch()
    began = time.monotonic()
    nodes.finish(job)
    nodes.until(lambda: "does not have the folder" in (nodes.executor.trouble() or ""))
    nodes.until(lambda: time.monotonic() - began > OUTAGE_SECONDS)
    nodes.away.unlink()
    assert set(lost(job)) == {("second", "cluster_lost")}
    nodes.until_ready()
    assert nodes.on_second
    nodes.finish(nodes.add("after"))
    nodes.scheduler.close()
