"""Speed of the network alone: with the official code, and with lipdrop's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from daemon.scheduling.workers import worker_specs
from pipeline.config import Config
from pipeline.engines.wav2lip.checkpoint import load_network
from pipeline.engines.wav2lip.engine import Wav2LipEngine

CONFIG_KEY = "models.gan.checkpoint"


@dataclass(frozen=True)
class ForwardSpeed:
    """Frames per second of one worker at one batch size: the best of several rounds."""

    batch_frames: int
    plain: float
    """The module as published, in single precision."""
    video: float
    """lipdrop's network, a new face in each frame."""
    still: float
    """lipdrop's network, one face for all frames."""


@dataclass(frozen=True)
class ForwardReport:
    """The network on one device."""

    device: str
    """The device's name."""
    threads: int
    """Threads of one worker."""
    precision: str
    """The precision that lipdrop uses on this device, such as `bfloat16`."""
    batch_frames: int
    """The batch size that lipdrop's engine uses on this device."""
    speeds: tuple[ForwardSpeed, ...]


def measure_forward(checkpoint: Path, config: Config, batches: Sequence[int], rounds: int) -> ForwardReport:
    """Measure the network on the first configured worker's device and threads."""
    spec = next(spec for spec in worker_specs(config, torch.cuda.device_count()) if spec.role == "lipsync")
    torch.set_num_threads(spec.threads)
    device = torch.device(spec.device)
    engine = Wav2LipEngine(checkpoint, device, config_key=CONFIG_KEY)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else spec.device
    return ForwardReport(
        device=name,
        threads=spec.threads,
        precision=str(engine.network.dtype).removeprefix("torch."),
        batch_frames=engine.batch_frames,
        speeds=tuple(_speeds(checkpoint, engine, batches, rounds)),
    )


@torch.inference_mode()
def _speeds(checkpoint: Path, engine: Wav2LipEngine, batches: Sequence[int], rounds: int) -> Iterator[ForwardSpeed]:
    plain, ours = load_network(checkpoint, CONFIG_KEY).to(engine.device), engine.network
    for count in batches:
        mel = torch.rand(count, 1, 80, 16, device=engine.device)
        images = torch.rand(count, 6, *(engine.design.pixels,) * 2, device=engine.device)
        arranged = images.contiguous(memory_format=torch.channels_last)
        features = ours.encode_faces(arranged[:1])
        seconds = shortest(
            [
                lambda: plain(mel, images),  # noqa: B023
                lambda: ours(mel, arranged),  # noqa: B023
                lambda: ours.speak(mel, features),  # noqa: B023
            ],
            engine.device,
            rounds,
        )
        yield ForwardSpeed(count, *(count / each for each in seconds))


def shortest(calls: Sequence[Callable[[], object]], device: torch.device, rounds: int) -> list[float]:
    """The shortest time of each call in seconds, after one that is not measured.

    The calls alternate, so that other load slows all of them equally.
    """
    taken = [[_seconds(call, device) for call in calls] for _ in range(rounds + 1)]
    return [min(of_one) for of_one in zip(*taken[1:], strict=True)]


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
