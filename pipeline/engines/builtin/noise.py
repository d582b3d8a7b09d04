"""How much is heard behind the speech of a recording."""

from __future__ import annotations

from math import inf

import numpy as np
import torch

from pipeline.engines.loudness import POWER_PER_UNIT, Floats, column_loudness, reference_level
from pipeline.engines.mel import COLUMNS_PER_SECOND

QUIET = 0.02
"""Where the gate is closed as far as this, nobody speaks."""
KNOWN_SECONDS = 0.3
"""What is heard there must last this long to be known."""


def noise_below(mel: torch.Tensor, gate: Floats, fps: int) -> float:
    """How many mel units below the loudest half second is what is heard while a gate [frames] is closed.

    `mel`: spectrogram [80, columns]. Infinity if it is not known.
    """
    columns = np.arange(mel.shape[1]) * fps // COLUMNS_PER_SECOND
    alone = torch.from_numpy(gate[np.minimum(columns, len(gate) - 1)] < QUIET)
    if int(alone.sum()) < KNOWN_SECONDS * COLUMNS_PER_SECOND:
        return inf
    noise = torch.pow(10.0, POWER_PER_UNIT * mel[:, alone]).mean(1)
    return float(reference_level(mel) - column_loudness(torch.log10(noise)[:, None] / POWER_PER_UNIT))
