"""Weights for Wav2Lip that anyone can make again; `tests/data/wav2lip/README.md` says why.

Each tensor is drawn from a generator seeded by its own name, so it depends on nothing but the keys and shapes.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

WAV2LIP_DATA = Path(__file__).parent / "data" / "wav2lip"


def seeded_state_dict() -> dict[str, torch.Tensor]:
    """Every key of Wav2Lip's generator with its seeded tensor, in order."""
    shapes = json.loads((WAV2LIP_DATA / "wav2lip_state_dict.json").read_text("utf-8"))
    return {name: torch.from_numpy(np.asarray(_tensor(name, tuple(shape)))) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """float32, int64 for `num_batches_tracked`."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return 1.0 + 0.1 * np.abs(noise)
    if len(shape) == 4:  # a convolution: scaled so that activations keep their size
        return noise * np.float32(np.sqrt(1.25 / float(np.prod(shape[1:]))))
    if name.endswith("weight"):  # batch-norm scale
        return 1.0 + 0.1 * noise
    return 0.1 * noise  # biases and running means
