"""Where workers run: cores, GPUs, environment."""

from __future__ import annotations

import os

import pytest
import torch

from daemon.scheduling import workers
from daemon.scheduling.workers import worker_specs
from pipeline.config import Config, WorkerSettings
from pipeline.errors import ConfigError
from pipeline.executors.worker import visible_gpu


def lipsync_devices(monkeypatch: pytest.MonkeyPatch, gpus: int, *devices: str) -> list[str]:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    config = Config(workers=tuple(WorkerSettings(model="gan", device=device) for device in devices))
    return [spec.device for spec in worker_specs(config) if spec.role == "lipsync"]


@pytest.mark.parametrize(
    ("gpus", "devices"), [(0, ["cpu", "cpu"]), (1, ["cuda:0", "cuda:0"]), (2, ["cuda:0", "cuda:1"])]
)
def test_auto_deals_the_gpus_out(gpus: int, devices: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert lipsync_devices(monkeypatch, gpus, "auto", "auto") == devices


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        lipsync_devices(monkeypatch, 1, "cuda:0", "cuda:1")
    assert caught.value.field == "workers.1.device"


@pytest.mark.parametrize(
    ("cores", "count", "shares"),
    [
        ([0, 1], 2, [[0], [1]]),
        ([2, 5, 7, 8], 2, [[2, 5], [7, 8]]),
        ([0, 1, 2], 2, [[0], [1]]),
        ([3], 2, [[3], [3]]),
    ],
)
def test_cores_are_shared_out_equally(cores: list[int], count: int, shares: list[list[int]]) -> None:
    """Equally, because frames are the same to the bit only with the same number of threads."""
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
def test_a_worker_sees_its_own_gpu_only(device: str, inherited: str | None, visible: str) -> None:
    assert visible_gpu(device, inherited) == visible


def test_encoders_may_run_on_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    specs = [spec for spec in worker_specs(Config()) if spec.role == "lipsync"]
    assert [(spec.cpus, spec.encoder_cpus) for spec in specs] == [((0, 1), (0, 1, 2, 3)), ((2, 3), (0, 1, 2, 3))]
