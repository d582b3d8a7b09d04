"""Which workers there are, and where each one runs."""

from __future__ import annotations

import os

import torch

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.executors.base import WorkerSpec

STAGES = {
    "tts": "pipeline.stages.tts:TtsStage",
    "split": "pipeline.stages.split:SplitStage",
    "lipsync": "pipeline.stages.lipsync:LipSyncStage",
    "merge": "pipeline.stages.merge:MergeStage",
}


def worker_specs(config: Config) -> list[WorkerSpec]:
    """One worker for each single stage, and the configured lip-sync workers, pinned. Raises ConfigError."""
    cores = sorted(os.sched_getaffinity(0))
    singles = {
        role: WorkerSpec(f"{role}-0", role, STAGES[role], config, threads=len(cores))
        for role in ("tts", "split", "merge")
    }
    return [singles["tts"], singles["split"], *_lipsync_specs(config, cores), singles["merge"]]


def _lipsync_specs(config: Config, cores: list[int]) -> list[WorkerSpec]:
    devices = _devices(config)
    shares = _core_shares(cores, len(devices))
    return [
        WorkerSpec(
            name=f"{worker.model}-{index}",
            role="lipsync",
            stage=STAGES["lipsync"],
            config=config,
            device=device,
            model=worker.model,
            cpus=tuple(share),
            # While a job is one chunk the other workers' cores are idle.
            encoder_cpus=tuple(cores),
            threads=len(share),
        )
        for index, (worker, device, share) in enumerate(zip(config.workers, devices, shares, strict=True))
    ]


def _devices(config: Config) -> list[str]:
    """The device of each lip-sync worker: `auto` deals the GPUs out in turn, or takes the CPU where there is none."""
    gpus = torch.cuda.device_count()
    devices = []
    for index, worker in enumerate(config.workers):
        device = worker.device
        if device == "auto":
            device = f"cuda:{index % gpus}" if gpus else "cpu"
        elif device.startswith("cuda:") and int(device[5:]) >= gpus:
            raise ConfigError(
                "no_device",
                f"there is no {device}: this machine has {gpus} GPUs",
                field=f"workers.{index}.device",
                hint="use auto or cpu",
            )
        devices.append(device)
    return devices


def _core_shares(cores: list[int], workers: int) -> list[list[int]]:
    """The cores in `workers` equal, separate shares; when there are fewer cores than workers they are shared."""
    if len(cores) < workers:
        return [[cores[index % len(cores)]] for index in range(workers)]
    size = len(cores) // workers
    return [cores[index * size : (index + 1) * size] for index in range(workers)]
