"""Loudness of speech, and its pauses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.engines.base import SpeechFeatures, frame_times
from pipeline.engines.foreground import foreground
from pipeline.engines.mel import COLUMNS_PER_SECOND, SILENCE
from pipeline.media.runs import runs
from pipeline.media.voice_activity import FRAME, SPEECH, speech_probabilities_in
from pipeline.messages import PCM_RATE_HZ

LOUDNESS_COLUMNS = 40
"""The loudest half second of a recording is its reference level; clicks are shorter."""
SILENT_LEVEL = -3.2
"""A recording whose loudest half second is below this level (about -65 dBFS) contains no speech."""
GATE_BELOW = 3.2
"""Sound more than this many mel units (40 dB) below the loudest half second is not speech."""
GATE_NOISE_MARGIN, GATE_NOISE_LIMIT = 0.5, 2.0
"""With background noise, the threshold is this far above it, but no closer to the speech than the limit."""
GATE_HYSTERESIS = 0.25
GATE_SECONDS = 0.18
"""A silence shorter than this may be a stop consonant."""
GATE_CLOSE_SECONDS, GATE_OPEN_SECONDS = 0.08, 0.07
"""Time that the mouth takes to close after a sound, and to open before the next one."""
VOICE_FRAMES_MIN, VOICE_STOPS = 2, 0.35
"""Fewer frames of speech in a row are a knock. Speech lasts until its probability is below the second value."""
VOICE_SURE, VOICE_SURE_FRAMES, VOICE_MEAN = 0.8, 3, 0.6
"""It is as probable as this in at least so many frames, and in the mean: laughter is less probable."""
VOICE_NEAR_FRAMES = 12
"""Less sure speech counts this near to such that is sure: a short word, or the end of one."""

POWER_PER_UNIT = 1.25
"""A mel value v is the power 10 ** (1.25 v)."""

Floats = NDArray[np.float32]


def column_loudness(mel: torch.Tensor) -> torch.Tensor:
    """Loudness of each column in mel units, for mel of shape [..., 80, columns]; -4 is silence."""
    return torch.log10(torch.pow(10.0, POWER_PER_UNIT * mel).mean(-2)) / POWER_PER_UNIT


def reference_level(mel: torch.Tensor) -> torch.Tensor:
    """Loudness of the loudest half second in mel units, for mel of shape [..., 80, columns]."""
    power = torch.pow(10.0, POWER_PER_UNIT * mel).mean(-2)
    padded = functional.pad(power, (0, max(0, LOUDNESS_COLUMNS - power.shape[-1])))
    windows = functional.avg_pool1d(padded.reshape(-1, 1, padded.shape[-1]), LOUDNESS_COLUMNS, 1)
    return torch.log10(windows.amax(-1).reshape(power.shape[:-1]).clamp_min(1e-12)) / POWER_PER_UNIT


def bounded(mel: NDArray[np.float32]) -> torch.Tensor:
    """A mel spectrogram with NaN replaced by silence and values clamped to the range."""
    return torch.from_numpy(np.nan_to_num(mel, nan=SILENCE)).clamp(SILENCE, -SILENCE)


def relative_loudness(mel: torch.Tensor) -> Floats | None:
    """Loudness of each column [columns] in mel units relative to the loudest half second; None without speech."""
    if mel.shape[1] == 0 or float(level := reference_level(mel)) < SILENT_LEVEL:
        return None
    return np.asarray((column_loudness(mel) - level).numpy(), np.float32)


def emphasis(loudness: Floats | None, frames: int, fps: int) -> Floats:
    """How loud each frame is, from 0 (a pause) to 1 (the loudest half second), shape [frames].

    `loudness`: `relative_loudness` of the speech.
    """
    if loudness is None:
        return np.zeros(frames, np.float32)
    return np.clip(at_frames(1 + loudness[:, None] / GATE_BELOW, frames, fps)[:, 0], 0, 1)


def speech_gate(speech: SpeechFeatures) -> Floats:
    """1 during sound, 0 in silence, with soft edges inside the silences, shape [frames]."""
    loudness = relative_loudness(bounded(speech.mel))
    gate = np.zeros(1, np.float32) if loudness is None else _softened(silences(loudness), len(loudness))
    return at_frames(gate[:, None], speech.frames, speech.fps)[:, 0]


def silences(loudness: Floats) -> list[tuple[int, int]]:
    """Spans [start, stop) of columns without speech, from loudness relative to the loudest half second."""
    noise = float(np.quantile(loudness, 0.05)) + GATE_NOISE_MARGIN
    threshold = min(max(-GATE_BELOW, noise), -GATE_NOISE_LIMIT)
    sound = np.zeros(len(loudness), bool)
    # Hysteresis: sound starts above the higher threshold and ends below the lower one.
    for start, stop in runs(loudness > threshold):
        sound[start:stop] = loudness[start:stop].max() > threshold + GATE_HYSTERESIS
    return _pauses(sound)


def voice_gate(speech: SpeechFeatures) -> Floats:
    """1 while somebody speaks in the foreground, 0 in noise, music and silence, with soft edges, shape [frames].

    1 everywhere if only the mel spectrogram is known.
    """
    if speech.wav is None:
        return np.ones(speech.frames, np.float32)
    speaking = np.repeat(_speaking(speech_probabilities_in(speech.wav)), FRAME)
    columns = speaking[:: PCM_RATE_HZ // COLUMNS_PER_SECOND]
    if not len(columns):
        return np.ones(speech.frames, np.float32)
    heard = foreground(bounded(speech.mel).numpy())
    length = min(len(columns), len(heard))
    columns[:length] &= heard[:length]
    return gate_of(columns, speech.frames, speech.fps)


def gate_of(sound: NDArray[np.bool_], frames: int, fps: int) -> Floats:
    """0 in pauses between columns with sound [columns], else 1, with soft edges inside the pauses, shape [frames]."""
    return at_frames(_softened(_pauses(sound), len(sound))[:, None], frames, fps)[:, 0]


def _speaking(probabilities: Floats) -> NDArray[np.bool_]:
    """Whether somebody speaks in each of the detector's frames, and in the one before, where speech may begin."""
    likely = runs(probabilities > VOICE_STOPS)
    near = np.zeros(len(probabilities), bool)
    for start, stop in likely:
        part = probabilities[start:stop]
        if (part > VOICE_SURE).sum() >= VOICE_SURE_FRAMES and part.mean() > VOICE_MEAN:
            near[max(0, start - VOICE_NEAR_FRAMES) : stop + VOICE_NEAR_FRAMES] = True
    speaking = np.zeros(len(probabilities), bool)
    for start, stop in likely:
        if near[start:stop].any() and (probabilities[start:stop] > SPEECH).sum() >= VOICE_FRAMES_MIN:
            speaking[max(0, start - 1) : stop] = True
    return speaking


def _pauses(sound: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Spans [start, stop) of columns without sound that are too long for a stop consonant."""
    shortest = GATE_SECONDS * COLUMNS_PER_SECOND
    return [(start, stop) for start, stop in runs(~sound) if stop - start >= shortest or stop == len(sound)]


def _softened(pauses: list[tuple[int, int]], length: int) -> Floats:
    """The gate for each column, closed in the pauses."""
    gate = np.ones(length, np.float32)
    for start, stop in pauses:
        columns = np.arange(start, stop)
        since = (columns - start) / (GATE_CLOSE_SECONDS * COLUMNS_PER_SECOND) if start else np.ones(stop)
        until = (stop - 1 - columns) / (GATE_OPEN_SECONDS * COLUMNS_PER_SECOND)
        left = np.clip(np.maximum(1 - since, 0 if stop == length else 1 - until), 0, 1)
        gate[start:stop] = 0.5 - 0.5 * np.cos(np.pi * left)
    return gate


def at_frames(columns: Floats, frames: int, fps: int) -> Floats:
    """Values per mel column, shape [columns, n], at the frames' centres; the last column is repeated beyond the end."""
    position = np.clip(frame_times(frames, fps) * COLUMNS_PER_SECOND, 0, len(columns) - 1)
    low = position.astype(np.intp)
    high = np.minimum(low + 1, len(columns) - 1)
    part = (position - low)[:, None].astype(np.float32)
    return columns[low] * (1 - part) + columns[high] * part
