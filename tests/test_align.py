"""Phoneme times by alignment, against voices that tell them."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.messages import Phoneme
from pipeline.speech.voices.base import Utterance
from training.align import aligned
from training.dataset import REFERENCE_SPEED, resampled, say, sentences, with_phonemes

SENTENCES = 5


def told_and_aligned(voice: str, reference: str) -> list[tuple[Phoneme, Phoneme]]:
    """Phonemes as the voice tells them, each with the one that the alignment has for it."""
    pairs: list[tuple[Phoneme, Phoneme]] = []
    for text in sentences("en", held_out=True)[:SENTENCES]:
        spoken = say(text, "en", voice, 1.0)
        found = with_phonemes(spoken, say(text, "en", reference, REFERENCE_SPEED)).phonemes
        letters, others = ([p.symbol.strip("ˈˌː") for p in phonemes] for phonemes in (spoken.phonemes, found))
        for told, other, length in SequenceMatcher(None, letters, others, autojunk=False).get_matching_blocks():
            pairs += zip(spoken.phonemes[told:][:length], found[other:][:length], strict=True)
    return pairs


def errors(pairs: list[tuple[Phoneme, Phoneme]]) -> NDArray[np.float64]:
    """By how many seconds the aligned phonemes begin and end too late, shape [phonemes, 2]."""
    return np.array([(b.start_seconds - a.start_seconds, b.end_seconds - a.end_seconds) for a, b in pairs])


@pytest.mark.parametrize(
    ("voice", "median", "most"),
    [
        pytest.param("en-us+m3", 0.01, 0.04, id="a voice like the reference"),
        # Its own times are in steps of 25 ms.
        pytest.param("heart", 0.025, 0.06, id="a natural voice"),
    ],
)
def test_boundaries_are_found(voice: str, median: float, most: float) -> None:
    pairs = told_and_aligned(voice, "en-us+f2")
    late = errors(pairs)
    assert len(pairs) > 20 * SENTENCES
    # A constant difference is what either voice calls the beginning of a sound.
    assert np.abs(np.median(late)) < 0.03
    error = np.abs(late - np.median(late))
    assert np.median(error) <= median
    assert np.quantile(error, 0.9) <= most


@pytest.mark.parametrize("pause", [0.0, 0.2, 0.8])
def test_pauses_are_where_the_silence_is(pause: float) -> None:
    """A voice that pauses elsewhere, and longer, than the reference does."""
    first, second = (say(text, "en", "en-us+m3", 1.0) for text in ("My mother bought a map.", "Who knew you would?"))
    reference = said_together([say("My mother bought a map.", "en", "en-us+f2", 0.9),
                               say("Who knew you would?", "en", "en-us+f2", 0.9)], 0.1)  # fmt: skip
    spoken, truth = said_together([first, second], pause)
    found = aligned(spoken, *reference)
    assert [p.symbol for p in found] == [p.symbol for p in truth]
    longest = max(pairwise(found), key=lambda pair: pair[1].start_seconds - pair[0].end_seconds)
    expected = max(pairwise(truth), key=lambda pair: pair[1].start_seconds - pair[0].end_seconds)
    if pause:
        assert longest[0].end_seconds == pytest.approx(expected[0].end_seconds, abs=0.05)
        assert longest[1].start_seconds == pytest.approx(expected[1].start_seconds, abs=0.05)
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(found))


def said_together(utterances: list[Utterance], pause: float) -> tuple[NDArray[np.float32], list[Phoneme]]:
    """The sound at 16 kHz, and its phonemes."""
    sounds: list[NDArray[np.float32]] = []
    phonemes: list[Phoneme] = []
    for utterance in utterances:
        offset = sum(map(len, sounds)) / 16_000
        phonemes += [Phoneme(p.symbol, p.start_seconds + offset, p.end_seconds + offset) for p in utterance.phonemes]
        sounds += [resampled(utterance.samples, utterance.sample_rate_hz), np.zeros(round(pause * 16_000), np.float32)]
    return np.concatenate(sounds), phonemes
