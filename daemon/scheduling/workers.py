"""The configured workers, with the cores and the GPU of each."""

from __future__ import annotations

import os

from daemon.scheduling.stages import ROLES
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.executors.base import WorkerSpec

POOLED_ROLE = "lipsync"
"""The role whose workers are configured one by one."""
COUNTED_ROLE = "tts"
"""The role of which the configuration says how many workers there are; every other role has one."""


def worker_specs(config: Config, gpus: int) -> list[WorkerSpec]:
    """The configured lip-sync workers, pinned to cores and to `gpus` GPUs, and the workers of the other roles.

    Raises ConfigError.
    """
    cores = sorted(os.sched_getaffinity(0))
    specs: list[WorkerSpec] = []
    for role, stage in ROLES.items():
        if role == POOLED_ROLE:
            specs += _lipsync_specs(config, cores, gpus)
        else:
            count = config.tts_workers if role == COUNTED_ROLE else 1
            specs += [
                WorkerSpec(f"{role}-{index}", role, stage, config, log_level=config.log.level, threads=len(cores))
                for index in range(count)
            ]
    return specs


def _lipsync_specs(config: Config, cores: list[int], gpus: int) -> list[WorkerSpec]:
    devices = _devices(config, gpus)
    shares = _core_shares(cores, len(devices))
    return [
        WorkerSpec(
            name=f"{worker.model}-{index}",
            role=POOLED_ROLE,
            stage=ROLES[POOLED_ROLE],
            config=config,
            device=device,
            model=worker.model,
            cpus=tuple(share),
            # In a job of one chunk the other workers' cores are idle.
            encoder_cpus=tuple(cores),
            log_level=config.log.level,
            threads=len(share),
        )
        for index, (worker, device, share) in enumerate(zip(config.workers, devices, shares, strict=True))
    ]


def _devices(config: Config, gpus: int) -> list[str]:
    """The device of each lip-sync worker. `auto` assigns GPUs round-robin, or the CPU on a machine without GPUs."""
    devices = []
    for index, worker in enumerate(config.workers):
        device = worker.device
        if device == "auto":
            device = f"cuda:{index % gpus}" if gpus else "cpu"
        elif device.startswith("cuda:") and int(device[5:]) >= gpus:
            has = f"{gpus} GPU{'s' * (gpus != 1)}" if gpus else "no GPU that torch can use"
            usable = ", ".join(["auto", "cpu", *(f"cuda:{number}" for number in range(gpus))])
            raise ConfigError(
                "no_device",
                f"no such device: {device}; this machine has {has}",
                field=f"workers.{index}.device",
                hint=f"use one of {usable}",
            )
        devices.append(device)
    return devices


def _core_shares(cores: list[int], workers: int) -> list[list[int]]:
    """Divide the cores into `workers` equal, disjoint shares; with fewer cores than workers, workers share them."""
    if len(cores) < workers:
        return [[cores[index % len(cores)]] for index in range(workers)]
    size = len(cores) // workers
    return [cores[index * size : (index + 1) * size] for index in range(workers)]
