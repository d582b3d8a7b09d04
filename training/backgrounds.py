"""Sounds behind speech, synthesised: noise, a babble of voices, laughter, breaths, music. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.mel import SAMPLE_RATE_HZ

SECONDS = 20.0
"""Length of each sound."""
BABBLE_VOICES = (3, 10)
HARMONICS = 20

Doubles = NDArray[np.float64]
Background = Callable[[np.random.Generator, Sequence[NDArray[np.float32]]], Doubles]
"""Makes a sound [samples] at 16 kHz. Given speech of several voices, of which it may take some."""


def noise(random: np.random.Generator, _: Sequence[NDArray[np.float32]]) -> Doubles:
    """Steady noise, from white to brown, whose level may swell slowly."""
    count = _samples(SECONDS)
    sound = _coloured(random, count, random.uniform(0, 2))
    depth, rate_hz = random.choice([0, random.uniform(0, 0.8)]), random.uniform(0.05, 1)
    swell = 1 + depth * np.sin(2 * np.pi * rate_hz * np.arange(count) / SAMPLE_RATE_HZ + random.uniform(0, 6))
    return np.asarray(sound * swell)


def babble(random: np.random.Generator, voices: Sequence[NDArray[np.float32]]) -> Doubles:
    """Several voices at once."""
    chosen = random.choice(len(voices), random.integers(*BABBLE_VOICES, endpoint=True))
    spoken = [np.resize(np.roll(voices[at], random.integers(len(voices[at]))), _samples(SECONDS)) for at in chosen]
    return np.asarray(sum(voice / voice.std() * random.uniform(0.6, 1.4) for voice in spoken), np.float64)


def laughter(random: np.random.Generator, _: Sequence[NDArray[np.float32]]) -> Doubles:
    """Bouts of puffs, each a breath that turns into a voice of falling pitch."""
    sound = np.zeros(_samples(SECONDS))
    at = _samples(random.uniform(0, 1))
    while at < len(sound):
        puff_seconds, pitch_hz = random.uniform(0.14, 0.32), random.uniform(110, 480)
        formants_hz = random.uniform((450, 1000, 2200), (950, 2000, 3200))
        for number in range(random.integers(2, 14)):
            puff = _puff(random, puff_seconds, pitch_hz * 0.97**number * random.uniform(0.9, 1.1), formants_hz)
            _add(sound, at, puff * random.uniform(0.5, 1) * 0.95**number)
            at += _samples(puff_seconds * random.uniform(0.85, 1.15))
        at += _samples(random.uniform(0.2, 2.5))
    return sound


def breaths(random: np.random.Generator, _: Sequence[NDArray[np.float32]]) -> Doubles:
    """Breaths in and out, at random times."""
    sound = np.zeros(_samples(SECONDS))
    at = _samples(random.uniform(0, 1))
    while at < len(sound):
        seconds = random.uniform(0.2, 1.6)
        swell = np.sin(np.linspace(0, np.pi, _samples(seconds)) ** random.uniform(0.7, 1.2)).clip(0)
        breath = _coloured(random, len(swell), random.uniform(0, 1)) * swell
        _add(
            sound,
            at,
            _resonant(breath, random.uniform((400, 1200, 2400), (1000, 2200, 4500)), random.uniform(200, 900)),
        )
        at += _samples(seconds + random.uniform(0.1, 2))
    return sound


def music(random: np.random.Generator, _: Sequence[NDArray[np.float32]]) -> Doubles:
    """Chords and a melody in equal temperament, with or without a drum."""
    sound = np.zeros(_samples(SECONDS))
    beat_seconds, root_hz = random.uniform(0.25, 0.7), random.uniform(80, 250)
    for beat in range(int(SECONDS / beat_seconds)):
        at = _samples(beat * beat_seconds)
        for step in random.choice(25, random.integers(1, 4)):
            _add(sound, at, _note(random, root_hz * 2 ** (step / 12)))
        if beat % 2:
            _add(sound, at, random.normal(size=2000) * np.exp(-np.arange(2000) / 300) * random.uniform(0, 2))
    return sound


def _note(random: np.random.Generator, pitch_hz: float) -> Doubles:
    time = np.arange(_samples(1.5)) / SAMPLE_RATE_HZ
    parts = range(1, min(8, int(SAMPLE_RATE_HZ / 2 / pitch_hz)))
    tone = sum(np.sin(2 * np.pi * pitch_hz * part * time) / part for part in parts)
    return np.asarray(tone * np.exp(-random.uniform(1, 5) * time) * np.clip(time / 0.02, 0, 1))


def _puff(random: np.random.Generator, seconds: float, pitch_hz: float, formants_hz: Doubles) -> Doubles:
    count = _samples(seconds)
    part = np.linspace(0, 1, count)
    begins, ends = random.uniform(0.1, 0.4), random.uniform(0.6, 1.0)
    voiced = np.sin(np.pi * np.clip((part - begins) / (ends - begins), 0, 1))
    phase = 2 * np.pi * np.cumsum(pitch_hz * np.exp(-random.uniform(0, 0.4) * part)) / SAMPLE_RATE_HZ
    harmonics = range(1, min(HARMONICS, int(0.45 * SAMPLE_RATE_HZ / pitch_hz)))
    voice = voiced * sum(np.sin(number * phase) / number for number in harmonics)
    breath = random.normal(size=count) * random.uniform(0.05, 0.5) * (1 - part)
    return _resonant(np.asarray(voice * random.choice([0, 1], p=[0.15, 0.85]) + breath), formants_hz, 120)


def _resonant(sound: Doubles, formants_hz: Doubles, width_hz: float) -> Doubles:
    """A sound as a throat colours it."""
    frequencies_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    gain = 0.02 + sum(1 / (1 + ((frequencies_hz - formant_hz) / width_hz) ** 2) for formant_hz in formants_hz)
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))


def _coloured(random: np.random.Generator, count: int, slope: float) -> Doubles:
    """Noise whose power falls with frequency to the power of `slope`."""
    spectrum = np.fft.rfft(random.normal(size=count))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** (slope / 2), count)


def _add(sound: Doubles, at: int, part: Doubles) -> None:
    stop = min(len(sound), at + len(part))
    sound[at:stop] += part[: max(0, stop - at)]


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)
