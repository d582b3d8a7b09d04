"""Sounds that are not speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import PCM_RATE_HZ

Floats = NDArray[np.float64]


def noise(count: int, slope: float) -> Floats:
    """Noise whose power falls with frequency to the power of `slope`: 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=count))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** (slope / 2), count)


def music(count: int) -> Floats:
    """A melody of plucked notes over slow chords, with a drum."""
    rng, played = np.random.default_rng(5), np.zeros(count + 4 * PCM_RATE_HZ)
    time = np.arange(2 * PCM_RATE_HZ) / PCM_RATE_HZ
    for beat, start in enumerate(range(0, count, PCM_RATE_HZ // 2)):
        for pitch_hz in (220, 277.2, 329.6, float(rng.choice([440, 554.4, 659.3]))):
            tone = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 6))
            played[start : start + len(time)] += tone * np.exp(-(4 if pitch_hz > 400 else 1.5) * time)
        played[start : start + 2000] += (beat % 2) * rng.normal(size=2000) * np.exp(-np.arange(2000) / 400)
    return played[:count]


def hum(seconds: float) -> NDArray[np.int16]:
    """A low hum that swells 3.5 times a second, with pauses: codecs keep its level."""
    time = np.arange(round(seconds * PCM_RATE_HZ)) / PCM_RATE_HZ
    tone = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12))
    swell = np.clip(np.sin(2 * np.pi * 3.5 * time), 0, None) * (np.sin(2 * np.pi * 0.5 * time) > -0.8)
    faint = np.random.default_rng(0).standard_normal(len(time)) * 20
    return np.asarray(6000 * tone * swell + faint, np.int16)
