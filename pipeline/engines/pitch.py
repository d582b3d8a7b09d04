"""Whether the pitch of a voice rises at the end of a phrase, as in a question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import PCM_RATE_HZ

VOICE_HZ = (70, 420)
"""Range of the pitch of speaking voices."""
WINDOW, HOP = 1024, 160
"""Samples: at least four periods of the lowest voice, every 10 ms."""
VOICED = 0.55
"""Correlation with the sound one period earlier from which on a window is voiced."""
BEFORE_SECONDS = 1.6
"""How much of the end of a phrase is listened to."""
END_SECONDS = 0.14
"""The pitch of the last voiced sound of this length is compared with that of the rest."""
VOICED_WINDOWS_MIN = 30
RISE = 1.22
"""Ratio to the usual pitch of the phrase's end from which on it is a question: about three and a half semitones."""

Floats = NDArray[np.float32]


def rises(samples: NDArray[np.int16], start: float, stop: float) -> bool:
    """Whether the pitch rises at the end of a phrase from `start` to `stop`, in seconds of 16 kHz `samples`."""
    first = max(start, stop - BEFORE_SECONDS)
    pitch = pitches(samples[round(first * PCM_RATE_HZ) : round(stop * PCM_RATE_HZ)])
    voiced = pitch[pitch > 0]
    if len(voiced) < VOICED_WINDOWS_MIN:
        return False
    last = round(END_SECONDS * PCM_RATE_HZ / HOP)
    end, before = voiced[-last:], voiced[:-last]
    # It is still rising, too: a high word that falls again is stressed, not asked.
    return bool(
        np.median(end) > RISE * np.median(before) and np.median(end[last // 2 :]) >= np.median(end[: last // 2])
    )


def pitches(samples: NDArray[np.int16]) -> Floats:
    """The pitch in Hz in windows every 10 ms, [windows]; 0 where nothing is voiced."""
    if len(samples) < WINDOW:
        return np.zeros(0, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP].astype(np.float32)
    windows -= windows.mean(1, keepdims=True)
    spectra = np.fft.rfft(windows * np.hanning(WINDOW), 2 * WINDOW)
    # Of a windowed sound the correlation falls with the lag; dividing by that of the window itself undoes it.
    taper = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(WINDOW), 2 * WINDOW)) ** 2)
    lags = np.arange(PCM_RATE_HZ // VOICE_HZ[1], PCM_RATE_HZ // VOICE_HZ[0] + 1)
    correlation = np.fft.irfft(np.abs(spectra) ** 2)
    similarity = correlation[:, lags] / np.maximum(correlation[:, :1], 1) * (taper[0] / taper[lags])
    best = similarity.max(1)
    # The shortest of nearly equally good periods: multiples of a period are as similar.
    period = lags[(similarity >= 0.9 * best[:, None]).argmax(1)]
    return np.where(best > VOICED, PCM_RATE_HZ / period, 0).astype(np.float32)
