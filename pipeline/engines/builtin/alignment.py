"""Setting right phoneme times that are all early or late by the same time, as some voices tell them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import mouth_at
from pipeline.mel import COLUMNS_PER_SECOND
from pipeline.voices.base import Phoneme

LONGEST_COLUMNS = 10
"""A delay of 0.125 s or more is no delay but another text."""
SHORTEST_COLUMNS = 2
"""Below 25 ms the phonemes are as good as the ear of the network."""
LEAST_SPEECH_SECONDS = 2.0
SURE = 0.6
"""Least correlation between what is told and what is heard, once the delay is taken away."""

Floats = NDArray[np.float32]


def opening(mouth: Floats) -> Floats:
    """How far the lips are apart, shape [times], in a mouth of shape [times, 6]."""
    return np.asarray(mouth[:, Mouth.JAW_OPEN] * (1 - mouth[:, Mouth.CLOSURE]), np.float32)


def aligned(phonemes: Sequence[Phoneme], heard: Floats) -> Sequence[Phoneme]:
    """The phonemes at the times at which their sounds are heard; `heard` is the network's mouth, [columns, 6]."""
    late = delay_columns(phonemes, heard) / COLUMNS_PER_SECOND
    if late == 0:
        return phonemes
    return [Phoneme(p.symbol, p.start_seconds - late, p.end_seconds - late) for p in phonemes]


def delay_columns(phonemes: Sequence[Phoneme], heard: Floats) -> int:
    """By how many mel columns the phonemes come after their sounds; 0 when that is not certain."""
    if sum(p.end_seconds - p.start_seconds for p in phonemes) < LEAST_SPEECH_SECONDS:
        return 0
    told = opening(mouth_at(phonemes, np.arange(len(heard)) / COLUMNS_PER_SECOND))
    fits = {late: _fit(told, opening(heard), late) for late in range(-LONGEST_COLUMNS, LONGEST_COLUMNS + 1)}
    best = max(fits, key=lambda late: fits[late])
    certain = fits[best] > SURE and abs(best) < LONGEST_COLUMNS
    return best if certain and abs(best) >= SHORTEST_COLUMNS else 0


def _fit(told: Floats, heard: Floats, late: int) -> float:
    """Correlation of what is told with what was heard `late` columns before."""
    told, heard = told[max(0, late) : len(told) + min(0, late)], heard[max(0, -late) : len(heard) - max(0, late)]
    spread = float(told.std() * heard.std())
    return float(np.mean((told - told.mean()) * (heard - heard.mean()))) / spread if spread > 0 else 0.0
