"""Finishing an utterance: trim silence at both ends, bring it to a common loudness and fade its ends.

Voices differ by 20 dB and more, and pad speech with up to half a second of silence. The pipeline sets the pauses
between sentences, so padding is removed. Nothing inside an utterance is cut: breaths stay.
"""

from __future__ import annotations

import loudness
import numpy as np
from numpy.typing import NDArray

from pipeline.media.mastering import TRUE_PEAK_DBFS
from pipeline.media.pcm import as_float, as_int16
from pipeline.messages import Phoneme, Word
from pipeline.speech.voices.base import Utterance

INT16_SCALE = 32_768
"""Full scale of 16-bit samples."""
SPEECH_LUFS = -16.0
"""Integrated loudness of an utterance (ITU-R BS.1770, as in EBU R 128): what services for speech on the web ask for."""
GAIN_MAX_DB = 40.0
"""An utterance that needs more gain is not speech."""
LOUDNESS_TOLERANCE_DB = 0.1
LEVELLING_ROUNDS, MASTERING_ROUNDS = 4, 12
"""Limiting peaks lowers the loudness; it is made up for in so many rounds at most. Second: for a whole soundtrack."""
BLOCK_SECONDS = 0.4
"""Block of the loudness measurement; shorter sound has no loudness by the standard."""
OVERSAMPLING = 4
"""Of the search for peaks between samples, as BS.1770 asks."""
TRANSFORM_STEP = 4096
"""Sound is padded to a multiple of this: transforms of lengths with a large prime factor take ten times as long."""
LIMITER_SECONDS = 0.005
"""How early the limiter turns the volume down before a peak, and how late up again after it."""
LIMITER_BLOCK_SECONDS, LIMITER_MARGIN_SECONDS = 60.0, 0.5
"""Longer sound is limited in blocks."""
SILENCE_BELOW_LOUDEST_DB = 48.0
"""Quieter frames at either end are cut; this is below the noise of a soft fricative."""
FRAME_SECONDS = 0.01
MARGIN_SECONDS = 0.03
"""Silence kept at both ends to preserve onsets and decays."""
FADE_SECONDS = 0.005
"""At both ends, so that an offset or a cut into noise is not heard as a click."""

Samples = NDArray[np.float32]


def finished(
    samples: Samples, rate_hz: int, phonemes: tuple[Phoneme, ...] = (), words: tuple[Word, ...] = ()
) -> Utterance:
    """Trim, level and fade an utterance, and shift the times of its phonemes and words accordingly."""
    samples = np.nan_to_num(samples.astype(np.float32, copy=False), posinf=1.0, neginf=-1.0)
    start, stop = _spoken_range(samples, rate_hz)
    moved = _moved(phonemes, start / rate_hz, (stop - start) / rate_hz)
    said = tuple(_clamped(word.later(-start / rate_hz), (stop - start) / rate_hz) for word in words)
    return Utterance(_faded(levelled(samples[start:stop], rate_hz), rate_hz), rate_hz, moved, said)


def mastered(track: NDArray[np.int16], rate_hz: int, lufs: float) -> NDArray[np.int16]:
    """A soundtrack of any length at this loudness, with no true peak above `TRUE_PEAK_DBFS`; silence is unchanged."""
    samples = as_float(track)
    result = levelled(samples, rate_hz, lufs, MASTERING_ROUNDS)
    return track if result is samples else as_int16(result)


def levelled(samples: Samples, rate_hz: int, lufs: float = SPEECH_LUFS, rounds: int = LEVELLING_ROUNDS) -> Samples:
    """Bring speech to this loudness with no true peak above `TRUE_PEAK_DBFS`; silence is unchanged."""
    gain_db, result = 0.0, samples
    for _ in range(rounds):
        missing_db = lufs - _loudness(result, rate_hz)
        if abs(missing_db) <= LOUDNESS_TOLERANCE_DB or not np.isfinite(missing_db) or gain_db >= GAIN_MAX_DB:
            break
        gain_db = min(gain_db + missing_db, GAIN_MAX_DB)
        result = _limited_in_blocks(samples, np.float32(10 ** (gain_db / 20)), rate_hz)
    return result


def _loudness(samples: Samples, rate_hz: int) -> float:
    """Integrated loudness in LUFS, -inf for silence. Sound shorter than a block is repeated until it fills one."""
    if not samples.any():
        return -np.inf
    times = -(-round(BLOCK_SECONDS * rate_hz) // len(samples))
    return float(loudness.integrated_loudness(np.tile(samples, times), rate_hz))


def _limited_in_blocks(samples: Samples, gain: np.float32, rate_hz: int) -> Samples:
    """`_limited` with bounded memory. Blocks overlap by more than the limiter looks ahead."""
    step, margin = round(LIMITER_BLOCK_SECONDS * rate_hz), round(LIMITER_MARGIN_SECONDS * rate_hz)
    if len(samples) <= step:
        return _limited(samples * gain, rate_hz)
    result = np.empty_like(samples)
    for start in range(0, len(samples), step):
        first = max(0, start - margin)
        block = _limited(samples[first : start + step + margin] * gain, rate_hz)
        result[start : start + step] = block[start - first :][:step]
    return result


def _limited(samples: Samples, rate_hz: int) -> Samples:
    """Turn the volume down around peaks above the limit: a limiter that looks ahead.

    The gain is the lowest that any peak nearby needs, averaged over the same width: it is smooth, and at each peak low
    enough.
    """
    needed = np.minimum(1.0, 10 ** (TRUE_PEAK_DBFS / 20) / np.maximum(_true_peaks(samples), 1e-9))
    if needed.min(initial=1.0) == 1.0:
        return samples
    reach = max(1, round(LIMITER_SECONDS * rate_hz))
    lowest = _lowest(np.pad(needed, 2 * reach, constant_values=1.0), 2 * reach + 1)
    window = np.hanning(2 * reach + 3)[1:-1]
    gain = np.convolve(lowest, window / window.sum(), "valid")
    return (samples * gain).astype(np.float32)


def _true_peaks(samples: Samples) -> NDArray[np.float64]:
    """The highest amplitude from half a sample before to half a sample after each sample, by band-limited
    interpolation."""
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % TRANSFORM_STEP))
    spectrum = np.fft.rfft(padded)
    fine = np.abs(np.fft.irfft(spectrum, OVERSAMPLING * len(padded))) * OVERSAMPLING
    half = OVERSAMPLING // 2
    around = np.roll(fine, half).reshape(-1, OVERSAMPLING).max(1)
    return np.asarray(np.maximum(around, fine[half::OVERSAMPLING])[: len(samples)], np.float64)


def _lowest(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The minimum of every `width` consecutive values; shape [n - width + 1]."""
    reached = 1
    while reached < width:
        step = min(reached, width - reached)
        values = np.minimum(values[:-step], values[step:])
        reached += step
    return values


def _faded(samples: Samples, rate_hz: int) -> Samples:
    """Fade both ends in and out, from and to zero."""
    length = min(round(FADE_SECONDS * rate_hz), len(samples) // 2)
    rise = np.sin(np.linspace(0, np.pi / 2, length, dtype=np.float32)) ** 2
    gain = np.ones(len(samples), np.float32)
    gain[:length], gain[len(samples) - length :] = rise, rise[::-1]
    return samples * gain


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


def _clamped(word: Word, length_seconds: float) -> Word:
    """A word within the remaining audio."""
    times = (min(max(0.0, seconds), length_seconds) for seconds in (word.start_seconds, word.end_seconds))
    return Word(word.text, *times)


def _moved(phonemes: tuple[Phoneme, ...], cut_seconds: float, length_seconds: float) -> tuple[Phoneme, ...]:
    """Shift phonemes after `cut_seconds` were removed from the start; drop those outside the remaining audio."""
    moved = []
    for phoneme in phonemes:
        start = max(0.0, phoneme.start_seconds - cut_seconds)
        end = min(length_seconds, phoneme.end_seconds - cut_seconds)
        if start < end:
            moved.append(Phoneme(phoneme.symbol, start, end))
    return tuple(moved)
