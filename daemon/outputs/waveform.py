"""The waveform of a finished video: how loud it is when, and where its pauses are."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import pcm
from pipeline.stages.chunks import audio_segment, pauses

RATE_HZ = 8000
PEAKS = 900


@dataclass(frozen=True)
class Sound:
    """What a page shows of a video's sound."""

    peaks: list[float]
    """The loudest sample of each slice, from 0 to 1."""
    pauses: Sequence[tuple[float, float]]
    """Start and end of each in seconds, by the measure with which jobs are cut."""


def sound_of(video: Path, seconds: float) -> Sound:
    """Decode the sound of a video and measure it. Raises JobError if it cannot be decoded."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
        wav = Path(folder) / "sound.wav"
        pcm.convert(pcm.source(video, seconds), {wav: RATE_HZ}, limit_seconds=seconds)
        samples = pcm.read_wav(wav)
    return Sound(_peaks(pcm.as_float(samples)), pauses(audio_segment(samples, RATE_HZ), 0, seconds))


def _peaks(samples: NDArray[np.float32]) -> list[float]:
    """The loudest sample of each slice, relative to the loudest of all."""
    loudest = float(np.abs(samples).max(initial=0)) or 1.0
    slices = np.array_split(np.abs(samples), min(PEAKS, max(1, len(samples))))
    return [round(float(part.max(initial=0)) / loudest, 3) for part in slices]
