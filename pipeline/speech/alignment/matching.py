"""One sentence: its phonemes and words in a sound, and whether the sound says it at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.media.pcm import resampled
from pipeline.messages import Phoneme, Word
from pipeline.speech.alignment.edges import Edges, moved
from pipeline.speech.alignment.spectra import (
    COLUMN_SECONDS,
    RATE_HZ,
    Floats,
    as_if_recorded,
    features,
    mel_power,
    reversed_in_time,
    silent,
)
from pipeline.speech.alignment.warping import path_costs, step_costs, warped
from pipeline.speech.voices.base import Utterance

LIKELY_BELOW = 0.93
"""A match costs less than this share of what chance does. Sentences that were said have 0.75 to 0.93, also with noise
10 dB below the speech or in a room with long reverberation; others 0.93 to 1.05."""


CHANCES = 3
"""At least so many references that do not fit say what chance costs: one of them may resemble the sound by accident."""


@dataclass(frozen=True)
class Reference:
    """A sentence as a voice says it that reports phonemes."""

    power: Floats
    """Mel power, [columns, bands]."""
    phonemes: tuple[Phoneme, ...]
    words: tuple[Word, ...]

    @classmethod
    def of(cls, spoken: Utterance) -> Reference:
        """The reference of an utterance with phonemes."""
        return cls(mel_power(resampled(spoken.samples, spoken.sample_rate_hz, RATE_HZ)), spoken.phonemes, spoken.words)


@dataclass(frozen=True)
class Match:
    """What was found in a sound."""

    phonemes: tuple[Phoneme, ...]
    words: tuple[Word, ...]
    cost: float
    """Sum over columns with sound of how different the reference is, and of how much its pace has to change."""
    chance_cost: float
    """The same for references that do not fit: this one backwards, whose sounds are as frequent, and others."""

    seconds: float
    """How long something is heard."""
    stretch: float
    """The length of the sentence relative to the reference."""

    @property
    def ratio(self) -> float:
        """The cost relative to chance: the lower, the more likely is it that the sound says the sentence."""
        return self.cost / self.chance_cost

    @property
    def is_likely(self) -> bool:
        """Whether the sound is likely to say the sentence, if nothing else is known of it."""
        return self.ratio < LIKELY_BELOW


def matched(
    power: Floats, reference: Reference, others: Sequence[Reference] = (), chances: int = CHANCES
) -> Match | None:
    """Find the sentence in the mel power of a sound that says nothing else; None if it is all silence.

    `others`: sentences that are not said. `chances`: how many references that do not fit it is compared with, at least.
    """
    silent_columns = silent(power)
    if silent_columns.all() or not reference.phonemes:
        return None
    sound, expected = features(power, silent_columns), _features(reference, power)
    path = warped(sound, expected)
    edges = moved(reference.phonemes, path, silent_columns)
    unfit = _chances(reference, expected, [_features(other, power) for other in others], chances)
    return Match(
        _phonemes(reference.phonemes, edges),
        _words(reference, edges),
        _cost(sound, expected, silent_columns),
        float(np.mean([_cost(sound, chance, silent_columns) for chance in unfit])),
        int((~silent_columns).sum()) * COLUMN_SECONDS,
        float(edges[-1, 1] - edges[0, 0]) / (reference.phonemes[-1].end_seconds - reference.phonemes[0].start_seconds),
    )


def _chances(reference: Reference, expected: Floats, others: Sequence[Floats], count: int) -> list[Floats]:
    """References that do not fit: the sentence backwards, others, and its sounds in other orders."""
    starts = [round(phoneme.start_seconds / COLUMN_SECONDS) for phoneme in reference.phonemes[1:]]
    sounds, random = np.split(expected, starts), np.random.default_rng(0)
    orders = [random.permutation(len(sounds)) for _ in range(count - 1 - len(others))]
    shuffled = [np.concatenate([sounds[index] for index in order]) for order in orders]
    return [reversed_in_time(expected), *others, *shuffled]


def _features(reference: Reference, power: Floats) -> Floats:
    return features(as_if_recorded(reference.power, power), silent(reference.power))


def _cost(sound: Floats, reference: Floats, silent_columns: NDArray[np.bool_]) -> float:
    """The cost of the best path to a reference; measured at every second column, which is enough."""
    sound, reference = sound[::2], reference[::2]
    path = warped(sound, reference)
    return float((path_costs(sound, reference, path) + step_costs(path))[~silent_columns[::2]].sum())


def _phonemes(phonemes: Sequence[Phoneme], edges: Edges) -> tuple[Phoneme, ...]:
    return tuple(
        Phoneme(phoneme.symbol, float(start), float(end))
        for phoneme, (start, end) in zip(phonemes, edges, strict=True)
        if start < end
    )


def _words(reference: Reference, edges: Edges) -> tuple[Word, ...]:
    """The words of the reference, each from its first phoneme to its last."""
    middles = np.array([(p.start_seconds + p.end_seconds) / 2 for p in reference.phonemes])
    found = []
    for word in reference.words:
        own = np.flatnonzero((middles >= word.start_seconds) & (middles <= word.end_seconds))
        if len(own):
            start, end = float(edges[own[0], 0]), float(edges[own[-1], 1])
            found.append(Word(word.text, start, max(start, end)))
    return tuple(found)
