"""Noise and music behind the speech of a recording.

Silero's voice activity detector finds the pauses: what is heard in them is the background. Music differs from noise,
reverberation and hum by its many tones: its spectrum is uneven (spectral flatness: Johnston 1988).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.media.voice_activity import BLOCK_FRAMES, FRAME, PAUSE, SPEECH, speech_probabilities
from pipeline.messages import PCM_RATE_HZ, Notice

MARGIN_FRAMES = 2
"""Frames this near to speech belong to no pause: it dies away in them."""
FRAMES_MIN = 8
"""With fewer frames of speech, or of pauses, the range of the level tells of noise: it is small."""
LOUD_AND_QUIET = 95, 10
"""Percentiles of the frames' powers."""
HEADROOM_DB = 5.0
"""In noisy speech the range is this much more than the distance of the noise from the speech's mean."""
SECONDS_MIN = 3.0
SILENCE = 1e-9
"""Power that nobody hears."""
LOW_BIN = 8
"""Of a frame's spectrum: 250 Hz. What is below, such as rumble and direct current, moves no lips."""

WINDOW = 1024
TONES_HZ = (200, 4000)
BAND_BINS = 16
FLOOR = 1e-6
"""Bins weaker than this, relative to the strongest one, are raised to it: codecs leave some empty."""
WINDOWS_MAX = 256

NOISE_DB, MUSIC_DB = 14.0, 20.0
"""A background less than this below the speech is reported."""
TONAL_DB = -2.9
"""Flatness of noise is -2.1 to -2.7 dB, whatever its colour; that of music, or of voices, is lower."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Background:
    """What is heard beside speech."""

    below_db: float
    """How far it is below the speech, above 250 Hz."""
    flatness_db: float | None
    """Median of its spectra's flatness; None if it was not measured, or the pauses are too short to tell."""

    @property
    def is_music(self) -> bool:
        """Whether it consists of tones."""
        return self.flatness_db is not None and self.flatness_db < TONAL_DB


def notices(samples: NDArray[np.int16]) -> Iterator[Notice]:
    """What is wrong with the background of a recording at `PCM_RATE_HZ`."""
    found = background(samples)
    if found is None:
        return
    if found.is_music and found.below_db < MUSIC_DB:
        message = f"music or other voices are heard under the speech, {max(0.0, found.below_db):.0f} dB below it"
        yield Notice("music_audio", message, "the mouth may move with them: use the speech alone")
    elif found.below_db < NOISE_DB:
        message = f"the background is only {max(0.0, found.below_db):.0f} dB below the speech"
        yield Notice("noisy_audio", message, "lips follow the speech less exactly in noise: use a cleaner recording")


def background(samples: NDArray[np.int16]) -> Background | None:
    """What is heard behind the speech of a recording; None if it is too short to tell."""
    if len(samples) < SECONDS_MIN * PCM_RATE_HZ:
        return None
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    probabilities, powers = speech_probabilities(samples), _powers(frames)
    spoken = probabilities > SPEECH
    near = np.convolve(probabilities > PAUSE, np.ones(1 + 2 * MARGIN_FRAMES), "same") > 0
    if min(spoken.sum(), (~near).sum()) < FRAMES_MIN:
        loud, quiet = np.percentile(powers, LOUD_AND_QUIET)
        return Background(_decibels(loud, quiet) - HEADROOM_DB, None)
    pauses = float(np.median(powers[~near]))
    below_db = _decibels(float(powers[spoken].mean()) - pauses, pauses)
    return Background(below_db, _flatness_db(frames, ~near) if below_db < MUSIC_DB else None)


def _decibels(power: float, reference: float) -> float:
    return float(10 * np.log10(max(power, SILENCE) / max(reference, SILENCE)))


def _powers(frames: NDArray[np.int16]) -> Floats:
    """Power above 250 Hz of each frame [n, FRAME]."""
    blocks = [frames[start : start + BLOCK_FRAMES] for start in range(0, len(frames), BLOCK_FRAMES)]
    return np.concatenate([_spectra(block.astype(np.float32))[:, LOW_BIN:].mean(1) for block in blocks])


def _flatness_db(frames: NDArray[np.int16], pause: NDArray[np.bool_]) -> float | None:
    """Median of the flatness of spectra within pauses; None if all pauses are too short."""
    within = np.flatnonzero(pause[:-1] & pause[1:])  # a window is two frames long
    chosen = within[:: len(within) // WINDOWS_MAX + 1]
    if len(chosen) < FRAMES_MIN // 2:
        return None
    windows = np.stack([frames[at : at + 2].reshape(-1) for at in chosen]).astype(np.float32)
    low, high = (edge * WINDOW // PCM_RATE_HZ for edge in TONES_HZ)
    high -= (high - low) % BAND_BINS
    bins = _spectra(windows)[:, low:high]
    bins = np.maximum(bins, FLOOR * bins.max(1, keepdims=True) + 1e-12).reshape(len(bins), -1, BAND_BINS)
    flatness = np.exp(np.log(bins).mean(2)) / bins.mean(2)
    return float(np.median((10 * np.log10(flatness)).mean(1)))


def _spectra(windows: Floats) -> Floats:
    """The power spectra of windows [n, samples], without their mean."""
    centred = (windows - windows.mean(1, keepdims=True)) * np.hanning(windows.shape[1]).astype(np.float32)
    return np.asarray(np.square(np.abs(np.fft.rfft(centred, axis=1))), np.float32)
