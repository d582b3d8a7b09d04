"""Tells the voice that a recording is about from what is behind it: noise, quiet laughter, other people's voices.

A voice activity detector hears every voice, however far away. The one that speaks stands out from what is heard all the
time: by how much is measured in bands, since noise rarely hides all of them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.engines.mel import COLUMNS_PER_SECOND
from pipeline.media.runs import runs

DECIBELS = 12.5
"""Of a mel unit."""
BANDS, BAND_WIDTH = (4, 64), 3
"""The mel bands that are looked at, 120 Hz to 4.7 kHz, and how many are looked at together."""
SMOOTH_SECONDS, LEVEL_SMOOTH_SECONDS = 0.04, 0.06
USUAL = 0.1
"""What is heard all the time: each band is that quiet in this fraction of the time."""
EXCESS_MAX = 30.0
"""More decibels above that say nothing more."""
STANDS_OUT, STEADY, STANDS_OUT_CLEARLY = 3.3, 1.6, 1.2
"""A voice is the first number of decibels further above it, in the mean of the bands, than the quietest moments are; in
steady noise hardly more than the second. Somewhere it is the third one more, unless it is a fluctuation."""
QUIET_PART = (0.02, 0.05, 0.2)
"""Quantiles of the quietest moments; how far the first and the last are apart says how steady the noise is."""
LOUD, LOUD_SHARE = 0.9, 0.6
"""Without much noise all speech stands out. It never has to by more than this share of what its loud parts do."""
QUIETER = 24.0
"""Voices so many decibels below the loudest speech are in the background."""
DIP_SECONDS = 0.25
"""A shorter dip is a part of speech."""

Floats = NDArray[np.float32]


def foreground(mel: Floats) -> NDArray[np.bool_]:
    """Whether something stands out in each column of a mel spectrogram [80, columns]."""
    first, stop = BANDS
    power = np.power(10, DECIBELS / 10 * mel[first:stop])
    power = power.reshape(-1, BAND_WIDTH, power.shape[1]).mean(1)
    excess = _excess(_smoothed(power, SMOOTH_SECONDS))
    level = _decibels(_smoothed(power.mean(0, keepdims=True), LEVEL_SMOOTH_SECONDS))[0]
    least, quiet, most, loud = np.quantile(excess, (*QUIET_PART, LOUD))
    threshold = min(quiet + min(STANDS_OUT, STEADY + most - least), LOUD_SHARE * loud)
    found = np.zeros(len(excess), bool)
    for start, end in runs((excess > threshold) & (level > np.quantile(level, 0.95) - QUIETER)):
        found[start:end] = excess[start:end].max() > threshold + STANDS_OUT_CLEARLY
    for start, end in runs(~found):
        found[start:end] = start > 0 and end < len(found) and end - start < DIP_SECONDS * COLUMNS_PER_SECOND
    return found


def _excess(power: Floats) -> Floats:
    """How many decibels each column is above what is heard all the time, in the mean of the bands: [columns]."""
    decibels = _decibels(power)
    usual = np.quantile(decibels, USUAL, axis=1, keepdims=True)
    return np.asarray(np.clip(decibels - usual, 0, EXCESS_MAX).mean(0), np.float32)


def _decibels(power: Floats) -> Floats:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-9)), np.float32)


def _smoothed(power: Floats, sigma_seconds: float) -> Floats:
    """Power [bands, columns] under a Gaussian window."""
    sigma = sigma_seconds * COLUMNS_PER_SECOND
    size = 2 * round(3 * sigma) + 1, 1
    return np.asarray(cv2.GaussianBlur(power, size, sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
