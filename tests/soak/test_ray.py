"""The daemon on a Ray cluster: the same frames, many jobs with nodes and the head killed half-way, much work."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil
import pytest

from daemon.scheduling.scheduler import JobDone, Outcome, Scheduler
from daemon.scheduling.worker_pool import WorkerState
from pipeline.config import Config, PlaceSettings
from pipeline.executors.base import Executor
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.processes import ProcessExecutor
from tests.cheap_daemon import cheap_specs
from tests.ray_cluster import LocalCluster, local_cluster
from tests.recording_executor import flow
from tests.running import ROOT, CheapDaemon, RunningDaemon, frames_hash, until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

JOBS = 40
SOAK_SECONDS = 900


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with local_cluster() as started:
        yield started


def test_both_executors_render_the_same_frames(cluster: LocalCluster, tmp_path: Path) -> None:
    """The English demo, and a recording of two chunks. (espeak-ng varies with each
    call, and so do the times of voices that are aligned with it.)"""
    hashes = {}
    for executor in ("processes", "ray"):
        with RunningDaemon(tmp_path / executor, executor=executor, ray={"address": cluster.address}) as daemon:
            daemon.start().ready()
            english = json.loads((ROOT / "scripts" / "demo" / "english.json").read_bytes())
            daemon.drop("english", **english, voice="hibari:heart")
            daemon.record("voice.wav", 12)
            daemon.drop("recorded", audio="voice.wav")
            endings = daemon.endings(["english", "recorded"])
            assert [(ending["status"], len(ending["chunks"])) for ending in endings] == [("done", 2), ("done", 2)]
            hashes[executor] = [frames_hash(daemon.video(ending["job"])) for ending in endings]
    assert hashes["ray"] == hashes["processes"]


def test_forty_jobs_with_a_node_killed_half_way(cluster: LocalCluster, tmp_path: Path) -> None:
    second = cluster.add_node(resources={"second": 2})
    with ray_daemon(tmp_path, cluster) as daemon:
        names = half_way(daemon)
        cluster.kill_node(second)
        assert_done_once(daemon, names, excess=5)


def test_forty_jobs_with_the_head_killed_half_way(cluster: LocalCluster, tmp_path: Path) -> None:
    with ray_daemon(tmp_path, cluster) as daemon:
        names = half_way(daemon)
        cluster.kill()
        status = until(lambda: daemon.status() if daemon.status()["state"] == "degraded" else None, "bad health", 60)
        assert "Ray cluster" in status["why"]
        cluster.start()
        assert_done_once(daemon, names, excess=5)
        assert daemon.ready().status()["why"] == ""


def test_a_killed_daemon_leaves_its_workers_to_the_next(cluster: LocalCluster, tmp_path: Path) -> None:
    with ray_daemon(tmp_path, cluster) as daemon:
        daemon.ready()
        names = half_way(daemon)
        before = process_ids(daemon)
        daemon.restarted().ready()
        until(lambda: None not in process_ids(daemon).values() or None, "not all workers are up", 60)
        after = process_ids(daemon)
        kept = [name for name in before if after[name] == before[name]]
        assert len(kept) >= 3, "only those that were busy have exited"
        assert_done_once(daemon, names, excess=5)


def process_ids(daemon: CheapDaemon) -> dict[str, int | None]:
    return {name: worker["pid"] for name, worker in daemon.status()["workers"].items()}


def test_fifty_thousand_items_do_not_fill_the_heads_memory(cluster: LocalCluster, tmp_path: Path) -> None:
    """Through all stages: 2,000 jobs of 22 chunks and four other items."""
    with ray_daemon(tmp_path, cluster, lipsync="InstantLipSync") as daemon:
        used = []
        for batch in range(5):
            names = [f"batch-{batch}-{number:03d}" for number in range(400)]
            for name in names:
                daemon.drop(name, text="22 hello")
            until(
                lambda: all((daemon.spool / "outbox" / f"{name}.json").exists() for name in names) or None,  # noqa: B023
                "batch",
                SOAK_SECONDS,
            )
            used.append(head_megabytes(cluster))
        assert used[-1] - used[0] < 50


def test_four_nodes_do_four_times_as_much_as_one(cluster: LocalCluster, tmp_path: Path) -> None:
    """With an engine that only sleeps: 0.4 s for each chunk, two workers on each node."""
    seconds: dict[int, float] = {}
    for nodes in (1, 4):
        for _ in range(nodes - len(seconds)):
            cluster.add_node(resources={"slots": 2})
        with started(RayExecutor(cluster.address, tmp_path), 2 * nodes, slots=1) as scheduler:
            run_jobs(scheduler, tmp_path / f"warm-{nodes}", nodes)
            seconds[nodes] = run_jobs(scheduler, tmp_path / f"{nodes}", 20 * nodes)
    efficiency = seconds[1] / seconds[4]  # each node had the same work
    assert efficiency >= 0.85, seconds


def test_the_first_segment_comes_as_soon_as_from_a_process(cluster: LocalCluster, tmp_path: Path) -> None:
    seconds = {}
    for executor in (ProcessExecutor(), RayExecutor(cluster.address, tmp_path)):
        name = type(executor).__name__
        with started(executor, 2) as scheduler:
            run_jobs(scheduler, tmp_path / f"{name}-warm", 1)
            firsts = [first_segment_seconds(scheduler, tmp_path / f"{name}-{number}") for number in range(5)]
            seconds[name] = median(firsts)
    assert seconds["RayExecutor"] < seconds["ProcessExecutor"] + 0.3, seconds


@contextlib.contextmanager
def started(executor: Executor, lipsync: int, **resources: float) -> Iterator[Scheduler]:
    """A scheduler with so many sleeping lip-sync workers, each of which needs resources, when all are ready."""
    stages = {"tts": "CheapTts", "split": "CheapSplit", "lipsync": "SlowLipSync", "merge": "CheapMerge"}
    [tts, split, model, _, merge] = cheap_specs(Config(), **stages)
    slot = PlaceSettings(num_cpus=0, resources=resources)
    others = [replace(spec, place=PlaceSettings(num_cpus=0)) for spec in (tts, split, merge)]
    specs = [*others, *(replace(model, name=f"gan-{number}", place=slot) for number in range(lipsync))]
    scheduler = Scheduler(executor, Config(), specs)
    try:
        while any(state is not WorkerState.IDLE for state in scheduler.workers.values()):
            scheduler.step(0.5)
        yield scheduler
    finally:
        scheduler.close()


def run_jobs(scheduler: Scheduler, folder: Path, count: int) -> float:
    """Run jobs of four chunks; return the time that they take."""
    folder.mkdir()
    began = time.monotonic()
    for number in range(count):
        scheduler.add(flow(folder, f"job-{number}"))
    ended: list[Outcome] = []
    while len(ended) < count:
        ended += scheduler.step(0.5)
    assert all(isinstance(outcome, JobDone) for outcome in ended)
    return time.monotonic() - began


def first_segment_seconds(scheduler: Scheduler, folder: Path) -> float:
    """Time from adding a job to its first segment."""
    folder.mkdir()
    began, job = time.monotonic(), flow(folder)
    scheduler.add(job)
    while not job.segments:
        scheduler.step(0.5)
    seconds = time.monotonic() - began
    while scheduler.jobs:
        scheduler.step(0.5)
    return seconds


def ray_daemon(tmp_path: Path, cluster: LocalCluster, **stages: str) -> CheapDaemon:
    return CheapDaemon(tmp_path / "spool", executor="ray", ray={"address": cluster.address}).start(
        *(f"{role}={stage}" for role, stage in stages.items())
    )


def half_way(daemon: CheapDaemon) -> list[str]:
    """Drop jobs and wait until half of them have ended."""
    names = daemon.drop_many(JOBS, text="4 hello")
    outbox = daemon.spool / "outbox"
    until(lambda: len(list(outbox.glob("*.json"))) >= JOBS // 2 or None, "half of the jobs", SOAK_SECONDS)
    return names


def assert_done_once(daemon: CheapDaemon, names: list[str], excess: int) -> None:
    """Every job is done, and no more items ran twice than workers were lost."""
    assert {daemon.ending(name, SOAK_SECONDS)["status"] for name in names} == {"done"}
    daemon.until_work_is_clear()
    runs = Counter(daemon.ran())
    assert len(runs) == JOBS * 7
    assert sum(runs.values()) <= JOBS * 7 + excess
    assert len(list((daemon.spool / "done").glob("*.json"))) == JOBS


def head_megabytes(cluster: LocalCluster) -> float:
    """Memory of the cluster's head service, without files that it maps."""
    heads = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "gcs_server"]
    port = cluster.address.partition(":")[2]
    [head] = [process for process in heads if any(word.endswith(f"port={port}") for word in process.cmdline())]
    memory = head.memory_info()
    return float(memory.rss - memory.shared) / 1e6
