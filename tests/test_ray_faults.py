"""What a scheduler on a cluster of two nodes does while one of them is away; and workers that outlive their daemon.

`soak/test_ray.py` does the same for longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from daemon.scheduling.flow import Flow
from daemon.scheduling.worker_pool import WorkerState
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.cluster.protocol import Patience
from tests.faults import CHUNKS, runs
from tests.ray_cluster import LocalCluster, local_cluster
from tests.shims import needs_compiler
from tests.two_nodes import TwoNodes, lost, specs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_compiler]
BRIEF = Patience(poll_seconds=0.5, lease_seconds=8.0, margin_seconds=0.5, refusal_seconds=2.0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(resources={"slot": 1, "main": 3}) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    made = TwoNodes(cluster, tmp_path_factory.mktemp("nodes"), BRIEF)
    yield made
    made.scheduler.close()


def test_the_folder_of_a_node_is_away(nodes: TwoNodes) -> None:
    """Its chunk is rendered elsewhere. Health says why a worker waits, and the node is used again afterwards."""
    nodes.until_ready()
    name = nodes.on_second
    nodes.away.touch()
    job = nodes.add("folder-away")
    nodes.finish(job)
    assert lost(job) == [("second", "cluster_lost")]
    why = f"node second is not used: it does not have the folder {nodes.shared}"
    nodes.until(lambda: why in (nodes.executor.trouble() or ""))
    assert f"no room for {name} (CPU 1, slot 1)" in (nodes.executor.trouble() or "")
    nodes.away.unlink()
    nodes.until_ready()
    assert nodes.on_second == name


def test_a_node_does_not_answer_for_a_while(nodes: TwoNodes) -> None:
    """Its chunk is rendered elsewhere once its worker has certainly stopped; nothing is rendered there afterwards."""
    nodes.until_ready()
    name = nodes.on_second
    job = nodes.add("frozen", held=True)
    nodes.until(lambda: nodes.scheduler.workers[name] is WorkerState.BUSY)
    with nodes.cluster.frozen(nodes.second):
        release(job)
        nodes.finish(job)
        assert lost(job) == [("second", "cluster_lost")]
        nodes.until(lambda: "no room for" in (nodes.executor.trouble() or ""))
    ran = [line for index in range(CHUNKS) for line in runs(job.folder, index)]
    nodes.until_ready()
    assert nodes.on_second == name
    assert [line for index in range(CHUNKS) for line in runs(job.folder, index)] == ran


def test_a_killed_node_costs_no_attempt(nodes: TwoNodes) -> None:
    """Another one that joins is offered and used."""
    nodes.until_ready()
    job = nodes.add("killed", held=True)
    nodes.until(lambda: nodes.scheduler.workers[nodes.on_second] is WorkerState.BUSY)
    nodes.cluster.kill_node(nodes.second)
    release(job)
    nodes.finish(job)
    assert lost(job) == [("second", "cluster_lost")]
    nodes.until(lambda: "second" not in offered(nodes))
    nodes.second = nodes.add_second()
    nodes.until(lambda: "second" in offered(nodes))
    nodes.until_ready()
    assert nodes.on_second


def release(job: Flow) -> None:
    """Let a held job go on."""
    (job.folder / "hold").unlink()


def offered(nodes: TwoNodes) -> list[str]:
    """The nodes that `workers: auto` would count on."""
    return [offer.node for offer in nodes.executor.offers() or ()]


def test_the_next_daemon_takes_over_workers_that_are_up(nodes: TwoNodes) -> None:
    """Also one that was busy, once it has finished. Their processes stay the same, and so do their models."""
    nodes.until_ready()
    job, pids = nodes.add("interrupted"), nodes.scheduler.pids
    nodes.until(lambda: nodes.scheduler.workers[nodes.on_second] is WorkerState.BUSY)
    kill_bridge(nodes.executor)  # as if the daemon was killed
    before = {index: runs(job.folder, index) for index in range(CHUNKS) if (job.folder / f"log-{index}").exists()}
    nodes.start()
    nodes.until_ready()
    assert nodes.scheduler.pids == pids
    assert {index: runs(job.folder, index) for index in before} == before
    nodes.finish(nodes.add("next"))


def test_a_worker_that_is_another_one_now_starts_anew(nodes: TwoNodes) -> None:
    nodes.until_ready()
    pids = nodes.scheduler.pids
    nodes.scheduler.close()
    changed = [replace(spec, threads=2) if spec.name == "tts-0" else spec for spec in specs()]
    nodes.start(changed)
    nodes.until_ready()
    assert {name for name, pid in nodes.scheduler.pids.items() if pid != pids[name]} == {"tts-0"}


def kill_bridge(executor: RayExecutor) -> None:
    """Kill the process that a daemon takes with it."""
    bridge: Any = executor._bridge
    bridge.process.kill()
    bridge.process.join()
