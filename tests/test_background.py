"""Noise and music behind speech: reported when a listener would complain, never otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.media import background, levels, pcm
from pipeline.messages import PCM_RATE_HZ
from tests.seeded_weights import WAV2LIP_DATA
from tests.sounds import music, noise

Floats = NDArray[np.float64]

SPOKEN = pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav") / 65_536
SPEECH = np.tile(np.concatenate([SPOKEN, np.zeros(PCM_RATE_HZ // 2)]), 3)


def reverberation(count: int) -> Floats:
    """Speech in a church, without the direct sound."""
    tail = np.random.default_rng(7).normal(size=PCM_RATE_HZ) * 10 ** (-3 * np.arange(PCM_RATE_HZ) / PCM_RATE_HZ)
    size = count + len(tail)
    return np.fft.irfft(np.fft.rfft(SPEECH, size) * np.fft.rfft(tail, size), size)[:count]


def found(added: Floats | float, below_db: float, speech: Floats = SPEECH) -> list[str]:
    """The codes of the warnings about speech with `added` this far below it."""
    power = np.mean(np.square(added)) or 1
    mixed = speech + added * np.sqrt(np.mean(np.square(speech)) / power * 10 ** (-below_db / 10))
    samples = pcm.as_int16((mixed / max(1, np.abs(mixed).max())).astype(np.float32))
    return [notice.code for notice in levels.notices(samples)]


def test_clean_speech_is_not_reported() -> None:
    assert found(0.0, 0) == []


@pytest.mark.parametrize("slope", [0, 1])
def test_noise_is_reported_when_it_is_loud(slope: float) -> None:
    sound = noise(len(SPEECH), slope)
    assert [found(sound, below_db) for below_db in (0, 5, 25, 35)] == [["noisy_audio"], ["noisy_audio"], [], []]


def test_music_is_told_from_noise() -> None:
    sound = music(len(SPEECH))
    assert [found(sound, below_db) for below_db in (5, 10, 30)] == [["music_audio"], ["music_audio"], []]


@pytest.mark.parametrize(
    ("added", "below_db"),
    [
        (lambda count: noise(count, 2), 5),
        (np.ones, 0),
        (lambda count: np.sin(np.arange(count) * 2 * np.pi * 50 / PCM_RATE_HZ), 0),
        (reverberation, 10),
    ],
    ids=["rumble", "direct current", "mains hum", "reverberation"],
)
def test_what_moves_no_lips_is_not_reported(added: Callable[[int], Floats], below_db: float) -> None:
    assert found(added(len(SPEECH)), below_db) == []


def test_sound_without_speech_is_noise() -> None:
    assert found(0.0, 0, speech=noise(4 * PCM_RATE_HZ, 0) / 20) == ["noisy_audio"]


def test_a_background_is_measured_to_the_decibel() -> None:
    pauses = noise(len(SPEECH), 1) * 10
    quiet, loud = (
        background.background(pcm.as_int16((SPEECH + gain * pauses).astype(np.float32))) for gain in (0.02, 0.04)
    )
    assert quiet is not None and loud is not None
    assert quiet.below_db - loud.below_db == pytest.approx(20 * np.log10(2), abs=0.7)


@pytest.mark.parametrize("count", [1600, 5000, 16_000])
def test_short_recordings_are_not_judged(count: int) -> None:
    assert background.background((SPEECH[:count] * 20_000).astype(np.int16)) is None
