"""The waveform of a finished video: how loud it is when, and where its pauses are."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import pcm
from pipeline.stages.chunks import PAUSE_BELOW_SPEECH_DB, PAUSE_MIN_MS, PAUSE_STEP_MS

RATE_HZ = 8000
PEAKS = 900
STEP_SAMPLES = RATE_HZ * PAUSE_STEP_MS // 1000
STEPS_MIN = PAUSE_MIN_MS // PAUSE_STEP_MS


@dataclass(frozen=True)
class Sound:
    """What a page shows of a video's sound."""

    peaks: list[float]
    """The loudest sample of each slice, from 0 to 1."""
    pauses: list[tuple[float, float]]
    """Start and end of each, in seconds."""


def sound_of(video: Path, seconds: float) -> Sound:
    """Decode the sound of a video and measure it. Raises JobError if it cannot be decoded."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
        wav = Path(folder) / "sound.wav"
        pcm.convert(pcm.source(video, seconds), {wav: RATE_HZ}, limit_seconds=seconds)
        samples = pcm.as_float(pcm.read_wav(wav))
    return Sound(_peaks(samples), _pauses(samples))


def _peaks(samples: NDArray[np.float32]) -> list[float]:
    """The loudest sample of each slice, relative to the loudest of all."""
    loudest = float(np.abs(samples).max(initial=0)) or 1.0
    slices = np.array_split(np.abs(samples), min(PEAKS, max(1, len(samples))))
    return [round(float(part.max(initial=0)) / loudest, 3) for part in slices]


def _pauses(samples: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Where the sound is quiet for long enough, by the measure with which jobs are cut."""
    count = len(samples) // STEP_SAMPLES
    if count == 0:
        return []
    power = np.square(samples[: count * STEP_SAMPLES]).reshape(count, STEP_SAMPLES).mean(axis=1)
    is_quiet = power <= np.square(samples).mean() * 10 ** (-PAUSE_BELOW_SPEECH_DB / 10)
    changes = np.flatnonzero(np.diff(is_quiet, prepend=False, append=False)).reshape(-1, 2)
    step_seconds = PAUSE_STEP_MS / 1000
    return [
        (round(start * step_seconds, 2), round(stop * step_seconds, 2))
        for start, stop in changes.tolist()
        if stop - start >= STEPS_MIN
    ]
