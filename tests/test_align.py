"""Phoneme times by alignment, against voices that report them."""

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


def reported_and_aligned(voice: str, reference: str) -> list[tuple[Phoneme, Phoneme]]:
    """Phonemes as reported by the voice, each with its aligned counterpart."""
    pairs: list[tuple[Phoneme, Phoneme]] = []
    for text in sentences("en", held_out=True)[:SENTENCES]:
        spoken = say(text, "en", voice, 1.0)
        found = with_phonemes(spoken, say(text, "en", reference, REFERENCE_SPEED)).phonemes
        letters, others = ([p.symbol.strip("ˈˌː") for p in phonemes] for phonemes in (spoken.phonemes, found))
        for own, other, length in SequenceMatcher(None, letters, others, autojunk=False).get_matching_blocks():
            pairs += zip(spoken.phonemes[own:][:length], found[other:][:length], strict=True)
    return pairs


def errors(pairs: list[tuple[Phoneme, Phoneme]]) -> NDArray[np.float64]:
    """Delay of the start and end of the aligned phonemes in seconds, shape [phonemes, 2]."""
    return np.array([(b.start_seconds - a.start_seconds, b.end_seconds - a.end_seconds) for a, b in pairs])


@pytest.mark.parametrize(
    ("voice", "median", "most"),
    [
        pytest.param("en-us+m3", 0.01, 0.04, id="a voice like the reference"),
        # Its reported times are in steps of 25 ms.
        pytest.param("heart", 0.025, 0.06, id="a natural voice"),
    ],
)
def test_boundaries_are_found(voice: str, median: float, most: float) -> None:
    pairs = reported_and_aligned(voice, "en-us+f2")
    late = errors(pairs)
    assert len(pairs) > 20 * SENTENCES
    # A constant difference comes from different definitions of the start of a sound.
    assert np.abs(np.median(late)) < 0.03
    error = np.abs(late - np.median(late))
    assert np.median(error) <= median
    assert np.quantile(error, 0.9) <= most


@pytest.mark.parametrize("pause", [0.0, 0.2, 0.8])
def test_pauses_match_the_silences(pause: float) -> None:
    """Given a voice that pauses longer or shorter than the reference."""
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
    """Utterances with a pause after each: samples at 16 kHz and phonemes."""
    sounds: list[NDArray[np.float32]] = []
    phonemes: list[Phoneme] = []
    for utterance in utterances:
        offset = sum(map(len, sounds)) / 16_000
        phonemes += [Phoneme(p.symbol, p.start_seconds + offset, p.end_seconds + offset) for p in utterance.phonemes]
        sounds += [resampled(utterance.samples, utterance.sample_rate_hz), np.zeros(round(pause * 16_000), np.float32)]
    return np.concatenate(sounds), phonemes
