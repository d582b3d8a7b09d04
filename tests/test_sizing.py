"""`workers: auto`: how many workers a cluster has room for, and what happens when its nodes come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.scheduler import JobDone, Scheduler
from daemon.scheduling.sizing import homeless, sizes
from daemon.scheduling.worker_pool import WorkerState
from daemon.scheduling.workers import worker_specs
from pipeline.config import AUTO_RENDERERS, Config, PlaceSettings, load_config
from pipeline.errors import ConfigError
from pipeline.executors.base import NodeOffer, WorkerSpec
from pipeline.messages import Chunk, Died, Item, MergeItem, Ready, Result, SoundItem, SplitItem, TtsItem
from tests.faults import CheapMerge, CheapSplit, CheapTts, SlowLipSync
from tests.recording_executor import RecordingExecutor, flow, settle

HEAD = NodeOffer("head", {"CPU": 4.0, "memory": 1e9}, {})


def node(name: str, cpus: float = 0.0, labels: dict[str, str] | None = None, **resources: float) -> NodeOffer:
    return NodeOffer(name, {"CPU": cpus, "memory": 1e9, **resources}, labels or {})


def auto(**ray: Any) -> Config:
    return Config.model_validate({"executor": "ray", "workers": "auto", "ray": ray})


@pytest.mark.parametrize(
    ("offers", "ray", "expected"),
    [
        ([], {}, (1, 1, 1, 1)),
        ([HEAD], {}, (1, 1, 1, 1)),
        ([node("a", 8)], {}, (4, 2, 1, 1)),
        ([node("a", 32)], {}, (21, 7, 1, 3)),
        ([node("a", 16), node("b", 16)], {}, (21, 7, 1, 3)),
        ([node("a", 8, GPU=2.0)], {"place": {"num_gpus": 1}}, (2, 1, 1, 1)),
        ([node("a", 8, GPU=2.0)], {"place": {"num_gpus": 0.5}}, (4, 2, 1, 1)),
        ([node("a", 7), node("b", 7)], {"place": {"num_cpus": 4}}, (2, 1, 1, 1)),
        ([node("a", 8), node("b", 64, {"disk": "fast"})], {"place": {"labels": {"disk": "slow"}}}, (1, 1, 1, 1)),
        ([node("a", 8), node("b", 3, {"disk": "fast"})], {"place": {"labels": {"disk": "fast"}}}, (3, 1, 1, 1)),
        ([node("a", 8, slot=5.0)], {"place": {"num_cpus": 0, "resources": {"slot": 0.5}}}, (10, 3, 1, 1)),
        ([node("a", 32)], {"transfer": "object_store"}, (24, 8, 1, 3)),
        ([node("a", 8)], {"place": {"num_cpus": 2}}, (2, 1, 1, 1)),
        ([node("a", 100_000)], {}, (1024, 308, 28, 103)),
        ([node("a")], {"place": {"num_cpus": 0}, "other_place": {"num_cpus": 0}}, (1024, 308, 28, 103)),
    ],
)
def test_there_are_as_many_workers_as_have_room(
    offers: Sequence[NodeOffer], ray: dict[str, Any], expected: tuple[int, ...]
) -> None:
    found = sizes(auto(**ray), offers)
    assert tuple(found[role] for role in ("lipsync", "tts", "split", "merge")) == expected


def test_workers_that_need_what_no_node_has_are_homeless() -> None:
    place = PlaceSettings(resources={"slot": 0.5})
    specs = [WorkerSpec(name, "lipsync", "", auto(), place=place) for name in ("gan-0", "gan-1")]
    assert homeless(specs, [HEAD]) == ["gan-0", "gan-1"]
    assert homeless(specs, [HEAD, node("a", 1, slot=0.5)]) == ["gan-1"]


def test_configured_numbers_of_the_others_are_the_least() -> None:
    config = Config.model_validate({"executor": "ray", "workers": "auto", "tts_workers": 3})
    assert sizes(config, [node("a", 8)]) == {"lipsync": 3, "tts": 3, "split": 1, "merge": 1}


def test_auto_is_one_entry_with_the_first_model_and_can_have_a_place() -> None:
    assert [(worker.model, worker.count) for worker in auto().workers] == [("gan", "auto")]
    config = Config.model_validate(
        {"executor": "ray", "workers": [{"model": "nogan", "count": "auto", "place": {"num_cpus": 2}}]}
    )
    assert [(spec.name, spec.threads) for spec in worker_specs(config, 0) if spec.role == "lipsync"] == [("nogan-0", 2)]
    assert (config.follows_cluster, config.renderers) == (True, AUTO_RENDERERS)
    assert config.worker_turns == config.worker_models * AUTO_RENDERERS
    assert (Config().follows_cluster, Config().renderers) == (False, 2)
    assert [worker.count for worker in config.without_effects().workers] == [1]


@pytest.mark.parametrize(
    ("yaml", "field", "message"),
    [
        ("workers: auto", "workers", "only on a cluster"),
        (
            "executor: ray\nworkers: [{model: gan, count: auto}, {model: nogan}]",
            "workers.0.count",
            "auto stands for all",
        ),
        ("executor: ray\nworkers: some", "workers", "must be a list"),
    ],
)
def test_auto_is_refused_where_it_means_nothing(yaml: str, field: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(tmp_path / "config.yaml")
    assert caught.value.field == field


class Cluster:
    """A scheduler and its nodes, each with some cores."""

    def __init__(self, **cpus: float) -> None:
        self.executor = RecordingExecutor()
        self.scheduler = Scheduler(self.executor, auto(), worker_specs(auto(), 0))
        self.offer(**cpus)

    def offer(self, **cpus: float) -> None:
        """Change the nodes."""
        self.executor.offered = [node(name, count) for name, count in cpus.items()]
        settle(self.scheduler)

    def place(self, name: str, on: str) -> None:
        """Note the node of a worker."""
        self.executor.report(Ready(name, "cpu", 1, on))
        settle(self.scheduler)

    @property
    def sizes(self) -> Counter[str]:
        """How many workers of each role are up."""
        up = [name for name, state in self.scheduler.workers.items() if state is not WorkerState.DOWN]
        return Counter(name.partition("-")[0] for name in up)


def results(item: Item) -> Sequence[Result]:
    """What a worker yields for an item."""
    stages: dict[type, Any] = {TtsItem: CheapTts, SplitItem: CheapSplit, Chunk: SlowLipSync, SoundItem: CheapMerge}
    stages[MergeItem] = CheapMerge
    [spec] = [spec for spec in worker_specs(auto(), 0) if spec.role == "lipsync"]
    stage = stages[type(item)](spec)
    stage.work = lambda item: None
    return list(stage.process(item))


def test_workers_come_and_go_with_nodes_and_no_busy_one_is_stopped(tmp_path: Path) -> None:
    cluster = Cluster(a=4)
    executor, scheduler = cluster.executor, cluster.scheduler
    assert cluster.sizes == {"gan": 1, "tts": 1, "split": 1, "merge": 1}
    cluster.offer(a=4, b=4)
    assert cluster.sizes == {"gan": 4, "tts": 2, "split": 1, "merge": 1}
    scheduler.add(flow(tmp_path))
    for stage in ("tts-0", "split-0"):
        settle(scheduler)
        executor.complete(stage, *results(executor.held[stage].item))
    settle(scheduler)
    executor.complete("merge-0", *results(executor.held["merge-0"].item))
    settle(scheduler)
    assert sorted(executor.held) == ["gan-0", "gan-1", "gan-2", "gan-3"]
    cluster.offer(a=4)
    assert executor.killed == ["tts-1"], "it is idle; the others are busy"
    for name in sorted(executor.held):
        executor.complete(name, *results(executor.held[name].item))
    settle(scheduler)
    assert executor.killed == ["tts-1", "gan-3", "gan-2", "gan-1"]
    executor.report(*(Died(name, None) for name in executor.killed))
    executor.complete("merge-0", *results(executor.held["merge-0"].item))
    [outcome] = settle(scheduler)
    assert isinstance(outcome, JobDone)
    assert sorted(scheduler.workers) == ["gan-0", "merge-0", "split-0", "tts-0"]
    cluster.offer(a=4, b=4)
    assert sorted(name for name in scheduler.workers if "gan" in name) == ["gan-0", "gan-1", "gan-2", "gan-3"]


def test_workers_of_a_node_that_is_gone_are_removed_first() -> None:
    cluster = Cluster(a=4, b=4)
    for name, place in (("gan-0", "b"), ("gan-1", "a"), ("gan-2", "b"), ("gan-3", "b")):
        cluster.place(name, place)
    cluster.offer(a=4)
    assert set(cluster.executor.killed) == {"gan-0", "gan-2", "gan-3", "tts-1"}
    cluster.executor.report(Ready("gan-0", "cpu", 1), *(Died(name, None) for name in cluster.executor.killed))
    settle(cluster.scheduler)
    assert sorted(cluster.scheduler.workers) == ["gan-1", "merge-0", "split-0", "tts-0"]
    assert cluster.scheduler.take_exits() == [], "nothing went wrong"


def test_there_are_enough_jobs_in_flight_for_all_workers() -> None:
    assert Cluster(a=4).scheduler.jobs_max == 8
    assert Cluster(a=32).scheduler.jobs_max == 42
    fixed = Config(workers=Config().workers * 20)
    assert Scheduler(RecordingExecutor(), fixed, worker_specs(fixed, 0)).jobs_max == 8
