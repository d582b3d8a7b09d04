"""Mel spectra and their comparable features."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
HOP_SAMPLES = 80
COLUMN_SECONDS = HOP_SAMPLES / RATE_HZ
"""5 ms: the resolution of phoneme boundaries."""
WINDOW_SAMPLES, TRANSFORM_SAMPLES = 400, 512
LOWEST_HZ, HIGHEST_HZ = 80.0, 7600.0
BANDS, CEPSTRA = 40, 9
DELTA_COLUMNS = 4
"""Changes are differences over 20 ms to either side."""
FLOOR = 1e-9
BLOCK_COLUMNS = 2000
"""Columns computed at a time, about 20 MB."""
CEPSTRA_RANGE = 6
"""Powers of ten below the loudest band that features distinguish."""
SILENT_BELOW = 3.5
"""Sound this many powers of ten below the loudest moment is silence."""
NOISE_PERCENTILE, NOISE_MARGIN = 3, 0.3
"""The quietest moments are noise; so is what is louder than they are by less than this power of ten."""
STEADY_PERCENTILE = 5
"""The power of each band that is exceeded nearly always: steady noise."""

Floats = NDArray[np.float32]


def mel_power(samples: Floats) -> Floats:
    """Mel power of 16 kHz samples, shape [1 + n // 80, 40]; a column every 5 ms."""
    margin = TRANSFORM_SAMPLES // 2
    padded = np.pad(np.asarray(samples, np.float32), margin, "reflect" if len(samples) > margin else "constant")
    windows = np.lib.stride_tricks.sliding_window_view(padded, TRANSFORM_SAMPLES)[::HOP_SAMPLES]
    power = np.empty((len(windows), BANDS), np.float32)
    for start in range(0, len(windows), BLOCK_COLUMNS):
        block = np.fft.rfft(windows[start : start + BLOCK_COLUMNS] * _window())
        power[start : start + BLOCK_COLUMNS] = np.square(np.abs(block)) @ _filters()
    return power


@lru_cache(maxsize=1)
def _window() -> Floats:
    """A Hann window in the middle of the transform."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)
    return np.pad(hann, (TRANSFORM_SAMPLES - WINDOW_SAMPLES) // 2).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Triangular filters, evenly spaced on the mel scale 2595 log10(1 + f / 700), shape [257, 40]."""
    lowest_mel, highest_mel = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    points = 700 * (10 ** (np.linspace(lowest_mel, highest_mel, BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, RATE_HZ / 2, TRANSFORM_SAMPLES // 2 + 1)[:, None]
    rising = (bins - points[:-2]) / np.diff(points)[:-1]
    falling = (points[2:] - bins) / np.diff(points)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def silent(power: Floats) -> NDArray[np.bool_]:
    """Whether each column [columns, bands] is silence or only steady noise, shape [columns]."""
    loudness = np.log10(power.mean(1) + FLOOR)
    noise = np.percentile(loudness, NOISE_PERCENTILE) + NOISE_MARGIN
    return np.asarray(loudness < max(loudness.max() - SILENT_BELOW, noise))


def as_if_recorded(reference: Floats, sound: Floats) -> Floats:
    """The power of the reference with the colour of the other sound and its steady noise; both [columns, bands]."""
    noise, mean = np.percentile(sound, STEADY_PERCENTILE, axis=0), sound.mean(0)
    speech = np.maximum(mean - noise, 1e-3 * mean + FLOOR)
    return np.asarray(reference * (speech / (reference.mean(0) + FLOOR)) + noise, np.float32)


def features(power: Floats, silent_columns: NDArray[np.bool_], delta_columns: int = DELTA_COLUMNS) -> Floats:
    """Cepstra and their changes, with mean 0 and variance 1 over the columns with speech, shape [columns, 18]."""
    decades = np.log10(power + FLOOR)
    angles = np.pi / BANDS * (np.arange(BANDS) + 0.5)
    cepstra = np.maximum(decades, decades.max() - CEPSTRA_RANGE) @ np.cos(np.outer(angles, np.arange(CEPSTRA)))
    padded = np.pad(cepstra, ((delta_columns, delta_columns), (0, 0)), "edge")
    both = np.concatenate([cepstra, padded[2 * delta_columns :] - padded[: -2 * delta_columns]], 1)
    sounding = both if silent_columns.all() else both[~silent_columns]
    return np.asarray((both - sounding.mean(0)) / (sounding.std(0) + 1e-6), np.float32)


def reversed_in_time(found: Floats) -> Floats:
    """Features of the same sound played backwards, shape [columns, 18]."""
    backwards = found[::-1].copy()
    backwards[:, CEPSTRA:] *= -1
    return backwards
