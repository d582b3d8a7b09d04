"""A voice without what is heard behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.mouth_in_noise import breaths, music, noise
from pipeline.engines import enhancement
from pipeline.engines.enhancement import HOP, enhanced
from pipeline.engines.mel import SAMPLE_RATE_HZ
from pipeline.media import pcm
from tests.seeded_weights import WAV2LIP_DATA

SPEECH = pcm.read_wav(WAV2LIP_DATA / "speech_16k.wav")[: 8 * SAMPLE_RATE_HZ] / 65_536
BACKGROUNDS: dict[str, Callable[[int, np.random.Generator], NDArray[np.float64]]] = {
    "hiss": noise(0), "a room": noise(1), "music": music, "breaths": breaths,
}  # fmt: skip


def in_a(background: str, level_db: float) -> NDArray[np.int16]:
    """Speech with something that many decibels below it."""
    sound = BACKGROUNDS[background](len(SPEECH), np.random.default_rng(0))
    heard = SPEECH + sound / sound.std() * SPEECH.std() * 10 ** (-level_db / 20)
    return pcm.as_int16((0.9 / np.abs(heard).max() * heard).astype(np.float32))


def likeness_db(sound: NDArray[np.floating]) -> float:
    """How much louder the speech in a sound is than all else in it."""
    speech = SPEECH * (sound @ SPEECH) / (SPEECH @ SPEECH)
    return float(10 * np.log10((speech @ speech) / np.square(sound - speech).sum()))


@pytest.mark.parametrize(("background", "gain_db"), [("hiss", 6), ("a room", 4), ("music", 3.5), ("breaths", 2)])
def test_what_is_behind_a_voice_is_removed(background: str, gain_db: float) -> None:
    heard = in_a(background, 5)
    assert likeness_db(enhanced(heard)) > likeness_db(heard / 32_768) + gain_db


def test_a_voice_alone_stays_as_it_is() -> None:
    assert likeness_db(enhanced(pcm.as_int16(SPEECH.astype(np.float32)))) > 12


def test_the_level_does_not_matter() -> None:
    heard = in_a("a room", 10)
    loud, quiet = enhanced(heard), enhanced((heard // 16).astype(np.int16))
    assert np.corrcoef(loud, quiet)[0, 1] > 0.999
    assert quiet.std() == pytest.approx(loud.std() / 16, rel=0.02)


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given as much sound before each block as there is, no block is heard otherwise than the whole."""
    heard = in_a("a room", 10)
    whole = enhanced(heard)
    monkeypatch.setattr(enhancement, "BLOCK_HOPS", 170)
    monkeypatch.setattr(enhancement, "WARM_UP_HOPS", 10_000)
    assert np.abs(enhanced(heard) - whole).max() < 1e-4


@pytest.mark.parametrize("length", [0, 1, HOP - 1, HOP, HOP + 1, 3 * HOP + 7])
def test_the_shortest_sounds_keep_their_length(length: int) -> None:
    voice = enhanced(np.full(length, 1000, np.int16))
    assert voice.shape == (length,)
    assert np.isfinite(voice).all()


def test_silence_is_no_voice() -> None:
    assert np.abs(enhanced(np.zeros(SAMPLE_RATE_HZ, np.int16))).max() < 1e-6


@pytest.mark.parametrize("value", [32_767, -32_768])
def test_any_samples_give_a_proper_sound(value: int) -> None:
    assert np.isfinite(enhanced(np.full(SAMPLE_RATE_HZ, value, np.int16))).all()
