"""A scheduler on a cluster of two nodes, of which one has faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from daemon.scheduling.flow import Flow
from daemon.scheduling.scheduler import JobDone, Outcome, Scheduler
from daemon.scheduling.worker_pool import WorkerState
from pipeline.config import Config, PlaceSettings
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.cluster.protocol import Patience
from tests.cheap_daemon import cheap_specs
from tests.ray_cluster import LocalCluster
from tests.recording_executor import flow
from tests.shims import AWAY, compiled

SECONDS = 240


class TwoNodes:
    """A cluster whose nodes have a lip-sync worker each, the head all others too; and a scheduler for it."""

    def __init__(self, cluster: LocalCluster, folder: Path, patience: Patience) -> None:
        self.cluster = cluster
        self._patience = patience
        self.shared, self.away = folder / "shared", folder / "away"
        self.shared.mkdir()
        self._shim = {"LD_PRELOAD": compiled(AWAY, folder), "SHARED": str(self.shared), "AWAY": str(self.away)}
        self.second = self.add_second()
        self.start()

    def add_second(self) -> Any:
        """Start the second node."""
        return self.cluster.add_node(self._shim, resources={"slot": 1}, node_name="second")

    def start(self, workers: Sequence[WorkerSpec] | None = None) -> None:
        """Start a scheduler, with the usual workers or others."""
        self.executor = RayExecutor(self.cluster.address, self.shared, patience=self._patience)
        self.scheduler = Scheduler(self.executor, Config(), workers or specs())

    def until(self, holds: Callable[[], bool]) -> list[Outcome]:
        """Run the scheduler until something holds; returns the jobs that ended."""
        ended: list[Outcome] = []
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, (self.scheduler.workers, self.executor.trouble())
            ended += self.scheduler.step(0.2)
        return ended

    def until_ready(self) -> None:
        """Run the scheduler until all workers are ready."""
        self.until(lambda: set(self.scheduler.workers.values()) == {WorkerState.IDLE})
        assert self.executor.trouble() is None

    def add(self, name: str, *, held: bool = False) -> Flow:
        """Give the scheduler a job; one that is held is not lip-synced until its file `hold` is removed."""
        added = flow(self.shared, name)
        if held:
            (added.folder / "hold").touch()
        self.scheduler.add(added)
        return added

    def finish(self, job: Flow) -> None:
        """Run the scheduler until the job has ended well, at the first attempt."""
        [outcome] = self.until(lambda: job.name not in self.scheduler.jobs)
        assert isinstance(outcome, JobDone)
        assert outcome.attempts == 1

    @property
    def on_second(self) -> str:
        """The lip-sync worker of the second node."""
        [name] = [name for name, node in self.scheduler.nodes.items() if node == "second"]
        return name


def specs() -> list[WorkerSpec]:
    """The workers of two nodes."""
    stages = {"tts": "CheapTts", "split": "CheapSplit", "lipsync": "SlowLipSync", "merge": "CheapMerge"}
    [tts, split, gan, _, merge] = cheap_specs(Config(), **stages)
    places = {True: PlaceSettings(resources={"slot": 1}), False: PlaceSettings(resources={"main": 1})}
    workers = [tts, split, gan, replace(gan, name="gan-1"), merge]
    return [replace(spec, place=places[spec.role == "lipsync"]) for spec in workers]


def lost(job: Flow) -> list[tuple[str | None, str | None]]:
    """The nodes of the runs that were not the last of their item, with the code of their end."""
    return [(run.node, run.code) for run in job.journal.history.runs if run.code is not None]
