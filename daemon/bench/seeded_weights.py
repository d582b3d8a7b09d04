"""Reproducible weights for measuring and testing: the licence of the published ones forbids shipping them.

Each tensor comes from a generator seeded with its name, so it depends only on name and shape.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.wav2lip.network import Wav2Lip


def save_seeded_checkpoint(path: Path) -> None:
    """Write a full-size checkpoint (145 MB); its network outputs noise."""
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Wav2Lip().state_dict().items()}
    torch.save({name: torch.from_numpy(np.asarray(seeded_tensor(name, shape))) for name, shape in shapes.items()}, path)


def seeded_tensor(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one tensor of the network's state dict: float32, int64 for `num_batches_tracked`."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    return scaled(name, np.asarray(noise, np.float32))


def scaled(name: str, noise: NDArray[np.float32]) -> NDArray[Any]:
    """Noise as a plausible tensor of this name, of the same shape."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(noise.shape, np.int64)
    if name.endswith("running_var"):
        return 1.0 + 0.1 * np.abs(noise)
    if noise.ndim == 4:  # a convolution: scaled so that activations keep their magnitude
        return noise * np.float32(np.sqrt(1.25 / float(np.prod(noise.shape[1:]))))
    if name.endswith("act.weight"):  # slope of a PReLU
        return 0.25 + 0.1 * noise
    if name.endswith("weight"):  # batch-norm scale
        return 1.0 + 0.1 * noise
    return 0.1 * noise  # biases and running means
