"""Where workers run: cores, GPUs, environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from daemon.scheduling import workers
from daemon.scheduling.stages import ROLES
from daemon.scheduling.workers import worker_specs
from pipeline.config import Config, PlaceSettings, WorkerSettings
from pipeline.errors import ConfigError
from pipeline.executors import worker
from pipeline.executors.base import WorkerSpec
from pipeline.executors.worker import Link, visible_gpu, work
from pipeline.messages import Item, Result, Task, TtsItem


def lipsync_devices(gpus: int, *devices: str) -> list[str]:
    config = Config(workers=tuple(WorkerSettings(model="gan", device=device) for device in devices))
    return [spec.device for spec in worker_specs(config, gpus) if spec.role == "lipsync"]


@pytest.mark.parametrize(
    ("gpus", "devices"), [(0, ["cpu", "cpu"]), (1, ["cuda:0", "cuda:0"]), (2, ["cuda:0", "cuda:1"])]
)
def test_auto_assigns_gpus_round_robin(gpus: int, devices: list[str]) -> None:
    assert lipsync_devices(gpus, "auto", "auto") == devices


def test_each_role_has_its_own_stage_and_only_lip_sync_has_several_workers() -> None:
    specs = worker_specs(Config(), 0)
    assert [(spec.name, spec.role) for spec in specs] == [
        ("tts-0", "tts"),
        ("split-0", "split"),
        ("gan-0", "lipsync"),
        ("nogan-1", "lipsync"),
        ("merge-0", "merge"),
    ]
    assert [spec.stage for spec in specs] == [ROLES[spec.role] for spec in specs]
    assert [spec.model for spec in specs if spec.role == "lipsync"] == ["gan", "nogan"]


def test_single_stages_compute_on_all_cores_and_lip_sync_on_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", {0: {0, 1, 2, 3}}.__getitem__)
    specs = worker_specs(Config(), 0)
    assert [spec.threads for spec in specs] == [4, 4, 2, 2, 4]


def test_roles_have_as_many_workers_as_are_configured() -> None:
    counted = [{"model": "nogan", "count": 2}, {"model": "gan"}]
    settings = {"workers": counted, "tts_workers": 3, "split_workers": 2, "merge_workers": 2}
    for executor in ("processes", "ray"):
        specs = worker_specs(Config.model_validate({"executor": executor, **settings}), 0)
        assert [spec.name for spec in specs] == [
            *("tts-0", "tts-1", "tts-2", "split-0", "split-1"),
            *("nogan-0", "nogan-1", "gan-2", "merge-0", "merge-1"),
        ]


def test_workers_of_a_cluster_compute_where_and_as_fast_as_their_places_say() -> None:
    settings = {
        "executor": "ray",
        "log": {"level": "warning"},
        "ray": {"place": {"num_cpus": 3}, "other_place": {"num_cpus": 2, "labels": {"disk": "fast"}}},
        "workers": [{"model": "nogan"}, {"model": "gan", "place": {"num_cpus": 4, "num_gpus": 0.5}}],
    }
    specs = worker_specs(Config.model_validate(settings), 0)
    found = {spec.name: (spec.role, spec.stage, spec.threads, spec.encoder_threads, spec.place) for spec in specs}
    elsewhere = PlaceSettings(num_cpus=2, labels={"disk": "fast"})
    assert found == {
        "tts-0": ("tts", ROLES["tts"], 2, 2, elsewhere),
        "split-0": ("split", ROLES["split"], 2, 2, elsewhere),
        "nogan-0": ("lipsync", ROLES["lipsync"], 3, 3, PlaceSettings(num_cpus=3)),
        "gan-1": ("lipsync", ROLES["lipsync"], 4, 4, PlaceSettings(num_cpus=4, num_gpus=0.5)),
        "merge-0": ("merge", ROLES["merge"], 2, 2, elsewhere),
    }
    lipsync = [(spec.model, spec.device) for spec in specs if spec.role == "lipsync"]
    assert lipsync == [("nogan", "cpu"), ("gan", "cuda:0")]
    assert {spec.log_level for spec in specs} == {"warning"}


def test_a_cluster_chooses_the_gpus_itself() -> None:
    workers = [{"model": "gan", "device": "cpu"}, {"model": "gan", "device": "cuda:1"}]
    with pytest.raises(ConfigError) as caught:
        worker_specs(Config.model_validate({"executor": "ray", "workers": workers}), 0)
    assert (caught.value.code, caught.value.field) == ("no_device", "workers.1.device")
    assert caught.value.message == "Ray chooses the GPU of a worker"
    assert caught.value.hint == "set place.num_gpus: 1 instead, and leave out device"


@pytest.mark.parametrize(
    ("gpus", "has", "usable"),
    [
        (0, "no GPU that torch can use", "auto, cpu"),
        (1, "1 GPU", "auto, cpu, cuda:0"),
        (2, "2 GPUs", "auto, cpu, cuda:0, cuda:1"),
    ],
)
def test_a_missing_gpu_is_refused(gpus: int, has: str, usable: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lipsync_devices(gpus, "cpu", f"cuda:{gpus}")
    assert (caught.value.code, caught.value.field) == ("no_device", "workers.1.device")
    assert caught.value.message == f"no such device: cuda:{gpus}; this machine has {has}"
    assert caught.value.hint == f"use one of {usable}"


@pytest.mark.parametrize(
    ("cores", "count", "shares"),
    [
        ([0, 1], 2, [[0], [1]]),
        ([2, 5, 7, 8], 2, [[2, 5], [7, 8]]),
        ([0, 1, 2], 2, [[0], [1]]),
        ([3], 2, [[3], [3]]),
    ],
)
def test_cores_are_divided_equally(cores: list[int], count: int, shares: list[list[int]]) -> None:
    """Frames are only bit-identical with the same number of threads."""
    assert workers._core_shares(cores, count) == shares


@pytest.mark.parametrize(
    ("device", "inherited", "visible"),
    [
        ("cpu", None, ""),
        ("cpu", "0,1", ""),
        ("cuda:1", None, "1"),
        ("cuda:1", "2,3", "3"),
        ("cuda:0", "GPU-8f2e", "GPU-8f2e"),
    ],
)
def test_a_worker_sees_only_its_own_gpu(device: str, inherited: str | None, visible: str) -> None:
    assert visible_gpu(device, inherited) == visible


def test_encoders_may_run_on_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    specs = [spec for spec in worker_specs(Config(), 0) if spec.role == "lipsync"]
    assert [(spec.cpus, spec.encoder_cpus) for spec in specs] == [((0, 1), (0, 1, 2, 3)), ((2, 3), (0, 1, 2, 3))]


class PreparingStage:
    """A task comes during the first step of its preparations and another one during the second, which may fail."""

    def __init__(self, daemon: Connection, *, fails: bool) -> None:
        self.happened: list[str] = []
        self._daemon = daemon
        self._fails = fails

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def prepare(self) -> Iterator[None]:
        for step in ("first step", "second step"):
            self.happened.append(step)
            self._daemon.send(Task(1, TtsItem("job", Path(), "Hello.", "en", None, 1.0)))
            if step == "second step" and self._fails:
                raise OSError
            yield

    def process(self, item: Item) -> Iterable[Result]:
        self.happened.append("task")
        if self.happened.count("task") == 2:
            self._daemon.close()
        return ()


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_prepares_only_while_it_has_no_task(monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    """A task waits for one step at most, and a step that fails stops nothing."""
    daemons_end, workers_end = Pipe()
    stage = PreparingStage(daemons_end, fails=fails)
    monkeypatch.setattr(worker, "PREPARE_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_make_stage", lambda spec: stage)
    with contextlib.suppress(BrokenPipeError):  # the daemon has closed its end
        work(Link(workers_end), WorkerSpec("tts-0", "tts", "", Config()))
    assert stage.happened == ["first step", "task", "second step", "task"]
