"""Engines keep their tensors on the GPU until the planes are finished.

PyTorch's `meta` device, whose tensors have a shape but no data, stands in for the GPU: it cannot mix with CPU tensors
or return a value, which on a GPU would wait for all pending work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from daemon.bench.seeded_weights import save_seeded_checkpoint
from pipeline.avatars import Avatars, FittedAvatar
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.wav2lip import Wav2LipEngine, engine
from tests.clips import film, swaying, write_clip
from tests.members import slow

GPU = torch.device("meta")
FPS, SECONDS = 25, 1


class Leaving(TorchFunctionMode):
    """Lets tensors leave the GPU as zeros, and records their shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = func is torch.Tensor.cpu or (func is torch.Tensor.to and "cpu" in map(str, args[1:]))
        if not leaves or args[0].device != GPU:
            return func(*args, **(kwargs or {}))
        self.shapes.append(tuple(args[0].shape))
        return torch.zeros_like(args[0], device="cpu")


class NoEvent:
    def record(self, stream: None) -> None: ...

    def synchronize(self) -> None: ...


@pytest.fixture(autouse=True)
def leaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leaving]:
    monkeypatch.setattr(torch.cuda, "Event", NoEvent)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setitem(engine.DEVICE_BATCH_FRAMES, GPU.type, 8)
    with Leaving() as mode:
        yield mode


@pytest.fixture(scope="module", params=["picture", "video"])
def avatar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FittedAvatar:
    folder = tmp_path_factory.mktemp("avatars")
    if request.param == "video":
        (folder / "avatars" / "anna").mkdir(parents=True)
        write_clip(folder / "avatars" / "anna" / "anna.mp4", film(swaying(6)))
    return Avatars(Config(base=folder)).load("anna" if request.param == "video" else "presenter").fitted((256, 256))


def builtin(_: Path) -> BuiltinEngine:
    return BuiltinEngine(GPU)


def wav2lip(folder: Path) -> Wav2LipEngine:
    save_seeded_checkpoint(folder / "gan.pth")
    return Wav2LipEngine(folder / "gan.pth", GPU, config_key="models.gan.checkpoint", gated=True)


@pytest.mark.parametrize("make_engine", [builtin, slow(wav2lip)])
def test_only_planes_of_regions_and_shifts_of_skin_leave_the_gpu(
    make_engine: Callable[[Path], BuiltinEngine | Wav2LipEngine], avatar: FittedAvatar, leaving: Leaving, tmp_path: Path
) -> None:
    mel = np.random.default_rng(0).uniform(-4, 4, (80, 80 * SECONDS)).astype(np.float32)
    renderer = make_engine(tmp_path).renderer(avatar, SpeechFeatures(mel, FPS * SECONDS, FPS))
    leaving.shapes.clear()
    batches = list(renderer.render(3, 13))
    assert all(batch.device.type == "cpu" for batch in batches)
    assert sum(map(len, batches)) == 10
    planes, shifts = ([shape for shape in leaving.shapes if len(shape) == sides] for sides in (3, 4))
    assert len(planes) + len(shifts) == len(leaving.shapes)
    assert all(coordinates == 2 and rows * columns < 64 * 64 for _, coordinates, rows, columns in shifts)
    lumas, blues, reds = (planes[plane::3] for plane in range(3))
    assert len(batches) <= sum(count for count, *_ in lumas) <= 10  # frames may share a region
    assert blues == reds == [(count, height // 2, width // 2) for count, height, width in lumas]
    assert max(height * width for _, height, width in lumas) < 256 * 256
