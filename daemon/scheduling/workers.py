"""The configured workers, with the cores and the GPU of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from daemon.scheduling.sizing import sizes
from daemon.scheduling.stages import ROLES
from pipeline.config import Config, PlaceSettings, WorkerSettings
from pipeline.errors import ConfigError
from pipeline.executors.base import NodeOffer, WorkerSpec

POOLED_ROLE = "lipsync"
"""The role whose workers are configured one by one."""


def worker_specs(config: Config, gpus: int) -> list[WorkerSpec]:
    """The configured lip-sync workers, pinned to cores and to `gpus` GPUs, and the workers of the other roles.

    Raises ConfigError.
    """
    if config.executor == "ray":
        return (
            sized_specs(config, ())
            if config.follows_cluster
            else _placed_specs(config, config.workers, _counts(config))
        )
    cores = sorted(os.sched_getaffinity(0))
    specs: list[WorkerSpec] = []
    for role, stage in ROLES.items():
        if role == POOLED_ROLE:
            specs += _lipsync_specs(config, cores, gpus)
        else:
            specs += [
                WorkerSpec(f"{role}-{index}", role, stage, config, log_level=config.log.level, threads=len(cores))
                for index in range(_counts(config)[role])
            ]
    return specs


def _counts(config: Config) -> dict[str, int]:
    """How many workers each role has whose workers are all alike."""
    return {"tts": config.tts_workers, "split": config.split_workers, "merge": config.merge_workers}


def sized_specs(config: Config, offers: Sequence[NodeOffer]) -> list[WorkerSpec]:
    """As many workers as nodes that offer this have room for, at least one of each role. Raises ConfigError."""
    counts = sizes(config, offers)
    return _placed_specs(config, config.workers * counts[POOLED_ROLE], counts)


def _placed_specs(config: Config, workers: Sequence[WorkerSettings], counts: Mapping[str, int]) -> list[WorkerSpec]:
    """Workers for a cluster that finds a node and a GPU for each. Raises ConfigError."""
    others = config.ray.other_place
    specs: list[WorkerSpec] = []
    for role, stage in ROLES.items():
        if role == POOLED_ROLE:
            specs += [_placed_lipsync(config, index, worker) for index, worker in enumerate(workers)]
        else:
            names = [f"{role}-{index}" for index in range(counts[role])]
            specs += [_placed(name, role, stage, config, others) for name in names]
    return specs


def _placed_lipsync(config: Config, index: int, worker: WorkerSettings) -> WorkerSpec:
    if worker.device not in ("auto", "cpu"):
        hint = "set place.num_gpus: 1 instead, and leave out device"
        raise ConfigError("no_device", "Ray chooses the GPU of a worker", field=f"workers.{index}.device", hint=hint)
    place = config.ray.place_of(worker)
    spec = _placed(f"{worker.model}-{index}", POOLED_ROLE, ROLES[POOLED_ROLE], config, place)
    return replace(spec, model=worker.model, device="cuda:0" if place.num_gpus else "cpu")


def _placed(name: str, role: str, stage: str, config: Config, place: PlaceSettings) -> WorkerSpec:
    threads, level = place.threads, config.log.level
    return WorkerSpec(name, role, stage, config, log_level=level, threads=threads, encoder_threads=threads, place=place)


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
