"""The curve of all idle motion: a cubic smooth step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def ramp(values: Floats, start: float | Floats, stop: float | Floats) -> Floats:
    """A smooth step from 0 at `start` to 1 at `stop`."""
    t = np.clip((values - start) / (stop - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def ease(t: float) -> float:
    """The smooth step of one number in 0..1."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def floats(values: NDArray[Any]) -> Floats:
    """The values in single precision."""
    return np.asarray(values, np.float32)
