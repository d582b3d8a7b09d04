"""Finishing an utterance: trim silence at both ends and normalize loudness.

Voices differ by 20 dB and more, and pad speech with up to half a second of silence. The pipeline sets the pauses
between sentences, so padding is removed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Phoneme
from pipeline.speech.voices.base import Utterance

INT16_SCALE = 32_768
"""Full scale of 16-bit samples."""
SPEECH_DBFS = -20.0
"""Loudness of active speech: RMS relative to full scale."""
PEAK_DBFS = -1.0
GAIN_MAX_DB = 40.0
"""An utterance that needs more gain is not speech."""
ACTIVE_BELOW_LOUDEST_DB = 30.0
"""A frame counts as speech when it is at most this much quieter than the loudest one."""
SILENCE_BELOW_LOUDEST_DB = 48.0
"""Quieter frames at either end are cut; this is below the noise of a soft fricative."""
FRAME_SECONDS = 0.01
MARGIN_SECONDS = 0.03
"""Silence kept at both ends to preserve onsets and decays."""

Samples = NDArray[np.float32]


def finished(samples: Samples, rate_hz: int, phonemes: tuple[Phoneme, ...] = ()) -> Utterance:
    """Trim and level an utterance, and shift its phoneme times accordingly."""
    samples = np.nan_to_num(samples.astype(np.float32, copy=False), posinf=1.0, neginf=-1.0)
    start, stop = _spoken_range(samples, rate_hz)
    moved = _moved(phonemes, start / rate_hz, (stop - start) / rate_hz)
    return Utterance(levelled(samples[start:stop], rate_hz), rate_hz, moved)


def levelled(samples: Samples, rate_hz: int) -> Samples:
    """Scale active speech to `SPEECH_DBFS`, with no peak above `PEAK_DBFS`; silence is unchanged."""
    power = _frame_power(samples, rate_hz)
    loudest = float(power.max(initial=0.0))
    if loudest == 0.0:
        return samples
    active = power[power >= loudest * _ratio(-ACTIVE_BELOW_LOUDEST_DB)]
    wanted_db = SPEECH_DBFS - 10 * np.log10(float(active.mean()))
    headroom_db = PEAK_DBFS - 20 * np.log10(float(np.abs(samples).max()))
    gain = 10 ** (min(wanted_db, headroom_db, GAIN_MAX_DB) / 20)
    return (samples * np.float32(gain)).astype(np.float32)


def _spoken_range(samples: Samples, rate_hz: int) -> tuple[int, int]:
    """First and one past the last sample to keep; (0, 0) when there is only silence."""
    power = _frame_power(samples, rate_hz)
    loudest = float(power.max(initial=0.0))
    heard = np.flatnonzero(power > loudest * _ratio(-SILENCE_BELOW_LOUDEST_DB))
    if len(heard) == 0:
        return 0, 0
    frame, margin = _frame_samples(rate_hz), round(MARGIN_SECONDS * rate_hz)
    return max(0, int(heard[0]) * frame - margin), min(len(samples), int(heard[-1] + 1) * frame + margin)


def _frame_samples(rate_hz: int) -> int:
    return max(1, round(FRAME_SECONDS * rate_hz))


def _frame_power(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Mean square of each frame, the last one padded with silence."""
    frame = _frame_samples(rate_hz)
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % frame))
    power: NDArray[np.float64] = np.mean(padded.reshape(-1, frame) ** 2, axis=1)
    return power


def _ratio(db: float) -> float:
    return float(10 ** (db / 10))


def _moved(phonemes: tuple[Phoneme, ...], cut_seconds: float, length_seconds: float) -> tuple[Phoneme, ...]:
    """Shift phonemes after `cut_seconds` were removed from the start; drop those outside the remaining audio."""
    moved = []
    for phoneme in phonemes:
        start = max(0.0, phoneme.start_seconds - cut_seconds)
        end = min(length_seconds, phoneme.end_seconds - cut_seconds)
        if start < end:
            moved.append(Phoneme(phoneme.symbol, start, end))
    return tuple(moved)
