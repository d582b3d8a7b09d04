"""Removes steady noise from a mel spectrogram by spectral subtraction: in noise the network misses closed lips."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.engines.loudness import POWER_PER_UNIT, Floats, column_loudness, reference_level
from pipeline.engines.mel import COLUMNS_PER_SECOND, SILENCE

QUIET = 0.02
"""Where the gate is closed as far as this, only noise is heard."""
KNOWN_SECONDS = 0.3
"""Noise must be heard alone for this long to be known."""
AUDIBLE = 2.8
"""Noise this many mel units (35 dB) below the loudest half second does not disturb."""
KEPT = 0.1
"""Of each value at least this part of its power remains: what is no more than noise may be more by chance."""


def noise_in(mel: torch.Tensor, gate: Floats, fps: int) -> torch.Tensor | None:
    """Mean power [80, 1] of what is heard in a mel spectrogram [80, columns] while a gate [frames] is closed.

    None if it does not disturb or is not known.
    """
    columns = np.arange(mel.shape[1]) * fps // COLUMNS_PER_SECOND
    alone = torch.from_numpy(gate[np.minimum(columns, len(gate) - 1)] < QUIET)
    if int(alone.sum()) < KNOWN_SECONDS * COLUMNS_PER_SECOND:
        return None
    noise = torch.pow(10.0, POWER_PER_UNIT * mel[:, alone]).mean(1, keepdim=True)
    return noise if depth(mel, noise) <= AUDIBLE else None


def depth(mel: torch.Tensor, noise: torch.Tensor) -> float:
    """How many mel units noise of this power [80, 1] is below the loudest half second of a mel spectrogram."""
    return float(reference_level(mel) - column_loudness(torch.log10(noise) / POWER_PER_UNIT))


def without_noise(mel: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A mel spectrogram [80, columns] without noise of this mean power [80, 1]."""
    power = torch.pow(10.0, POWER_PER_UNIT * mel)
    remains = torch.maximum(power - noise, KEPT * power)
    return (torch.log10(remains) / POWER_PER_UNIT).clamp_min(SILENCE)
