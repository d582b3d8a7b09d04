"""The seeded weights and inputs of the reference data; see `tests/data/wav2lip/README.md`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from daemon.bench.seeded_weights import scaled, seeded_tensor

WAV2LIP_DATA = Path(__file__).parent / "data" / "wav2lip"


def seeded_state_dict() -> dict[str, torch.Tensor]:
    """Every key of the official generator with its seeded tensor, in order."""
    shapes = json.loads((WAV2LIP_DATA / "wav2lip_state_dict.json").read_text("utf-8"))
    return {name: torch.from_numpy(np.asarray(seeded_tensor(name, tuple(shape)))) for name, shape in shapes.items()}


NOISE = np.random.default_rng(0).standard_normal(1_000_003).astype(np.float32)
"""Repeated in the weights of the larger networks: drawing hundreds of millions of numbers would take seconds."""


def family_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Weights of any network of the family: each tensor begins at a place in `NOISE` that its name determines."""
    weights = {name: torch.from_numpy(np.array(_family_tensor(name, shape))) for name, shape in shapes.items()}
    if any(name.startswith("sam.") for name in shapes):  # attention amplifies by about 1.5 at each joint
        weights["output_block.1.weight"] *= 0.01
    return weights


def _family_tensor(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return scaled(name, np.resize(np.roll(NOISE, -(zlib.crc32(name.encode()) % len(NOISE))), shape))


def family_input(pixels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A mel window [1, 1, 80, 16] and a face [1, 6, pixels, pixels] with its lower half hidden."""
    mel = 4 * np.tanh(NOISE[: 80 * 16].reshape(1, 1, 80, 16)) - 1
    steps = np.arange(pixels, dtype=np.float32) / pixels
    waves = [np.sin(9 * (channel + 1) * steps)[:, None] * np.cos(7 * (channel + 2) * steps) for channel in range(3)]
    whole = np.stack(waves).astype(np.float32) / 2 + 0.5
    hidden = whole.copy()
    hidden[:, pixels // 2 :] = 0
    return torch.from_numpy(mel.astype(np.float32)), torch.from_numpy(np.concatenate((hidden, whole))[None])
