"""A recording and what is said in it: where each sentence, word and phoneme of the text is heard.

The sentences are found first, in steps of 50 ms over the whole recording; then the phonemes, sentence by sentence. So
the memory for a recording of any length is bounded by that of its longest sentence, and about 0.15 MB for each second.
Between sentences anything may be heard. Sentences that do not sound like what is heard in their place are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.media.pcm import as_float
from pipeline.media.runs import runs
from pipeline.messages import Phoneme, Sentence
from pipeline.speech.alignment.matching import LIKELY_BELOW, Match, Reference, matched
from pipeline.speech.alignment.spectra import (
    BANDS,
    COLUMN_SECONDS,
    RATE_HZ,
    Floats,
    as_if_recorded,
    features,
    mel_power,
    silent,
)
from pipeline.speech.alignment.warping import warped
from pipeline.speech.words import timed

COARSE_COLUMNS = 10
"""Columns that are averaged to find the sentences: 50 ms."""
COARSE_SECONDS = COARSE_COLUMNS * COLUMN_SECONDS
COARSE_DELTA = 1
GAP_COARSE = 5
"""Silence between sentences of the reference: 0.25 s."""
WIDTH_COARSE = 2400
"""Two minutes: what is said may differ so much from the text, before it is lost."""
SHORTEST_SECONDS = 0.2
"""A shorter recording says nothing."""
BLOCK_SECONDS = 20
"""Sound whose spectrum is computed at a time."""
MARGIN_SECONDS = 0.2
"""Silence kept beside a sentence; where another one is near, they are divided at the quietest moment between them."""
OVERLAP_SECONDS = 0.1
"""How wrong the edges of sentences may be."""
QUIET_COLUMNS = 5
"""Columns of a quiet moment."""
SHORTEST_SHARE = 0.4
"""Part of its usual length below which a sentence is passed over rather than said."""
SHORT_SECONDS = 1.5
"""Sentences with less sound are judged together with their neighbours: they resemble others by chance."""
RATIO_MARGIN = 0.1
"""How much worse than the usual sentence one may fit."""
LONG_SECONDS, SURE_BELOW, SURER_BELOW = 6.0, 0.91, 0.88
"""Where less is said than this, the usual sentence must fit better, and even better if much else is heard: a few words
fit by chance somewhere."""
MOST = 0.85
"""Share of what is heard that the text should explain."""
ALONE_BELOW, SHORT_ALONE_BELOW = 0.905, 0.865
"""The same for a text of one sentence, which is judged by the mean of two voices; and if it is short."""
CHANCES_ALONE = 7
"""How many references that do not fit the only sentence is compared with."""
STRETCH_MAX, STRETCH_COST = 1.6, 0.15
"""How much faster or slower than usual a sentence may be, and what that adds to its ratio, for each factor of e."""
UNKNOWN_SECONDS = 0.3
"""Sound of this length between sentences is speech that the text does not have, or noise: its phonemes are unknown."""
SHARE_MIN = 0.5
"""If less of the text is heard, it is another text: what was found was found by chance."""

Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True)
class Expected:
    """A sentence of the text and how it sounds."""

    text: str
    """As it is written."""
    reference: Reference
    other: Reference | None = None
    """The same in another voice."""


@dataclass(frozen=True)
class Transcript:
    """What was found in a recording."""

    sentences: tuple[Sentence, ...]
    """Those that are heard, in order, with the times of their words."""
    phonemes: tuple[Phoneme, ...]
    """Theirs; and one without a symbol for each stretch of other sound."""
    missing: tuple[str, ...]
    """Sentences that were not found."""
    others: tuple[Span, ...]
    """When something else is heard."""


def transcribed(samples: NDArray[np.int16], expected: Sequence[Expected]) -> Transcript | None:
    """Find sentences in a recording (16 kHz); None if most of the text is not heard."""
    if not expected or len(samples) < SHORTEST_SECONDS * RATE_HZ:
        return None
    sound = _Sound(samples)
    if sound.silent.all():
        return None
    heard = _alone(sound, expected[0]) if len(expected) == 1 else _several(sound, expected)
    if sum(len(one.text) for one in heard) < SHARE_MIN * sum(len(one.text) for one in expected):
        return None
    missing = Counter(one.text for one in expected) - Counter(one.text for one in heard)
    return _transcript(sound, heard, tuple(missing.elements()))


def _alone(sound: _Sound, one: Expected) -> list[_Heard]:
    """The only sentence of a text, if it is heard: usually in the whole recording, else in a part of it."""
    heard = _heard_at(sound.filled, sound, one)
    if heard:
        return [heard]
    place = _places(sound, [one])[0]
    heard = _heard_at(place, sound, one) if place else None
    return [heard] if heard and heard.match.seconds < MOST * sound.sounding_seconds else []


def _heard_at(place: Span, sound: _Sound, one: Expected) -> _Heard | None:
    """A sentence at a place if it fits there in two voices, as no other sentence confirms it."""
    power = sound.power(*place)
    voices = [one.reference, *([one.other] if one.other else [])]
    found = [match for voice in voices if (match := matched(power, voice, chances=CHANCES_ALONE))]
    if not found or not 1 / STRETCH_MAX < found[0].stretch < STRETCH_MAX:
        return None
    limit = SHORT_ALONE_BELOW if found[0].seconds < SHORT_SECONDS else ALONE_BELOW
    return _Heard(one.text, place, found[0]) if sum(match.ratio for match in found) < limit * len(found) else None


def _several(sound: _Sound, expected: Sequence[Expected]) -> list[_Heard]:
    """The sentences that are heard."""
    places = _places(sound, expected)
    references = [one.reference for one in expected]
    matches = [
        matched(sound.power(*place), one.reference, _beside(references, index)) if place else None
        for index, (one, place) in enumerate(zip(expected, places, strict=True))
    ]
    return [
        _Heard(one.text, place, match)
        for one, place, match, is_likely in zip(
            expected, places, matches, _are_likely(matches, sound.sounding_seconds), strict=True
        )
        if place and match and is_likely
    ]


def _beside(references: Sequence[Reference], index: int) -> Sequence[Reference]:
    """The sentences before and after one."""
    return [*references[max(0, index - 1) : index], *references[index + 1 : index + 2]]


class _Sound:
    """A recording, of which little is kept in memory."""

    def __init__(self, samples: NDArray[np.int16]) -> None:
        self._samples = samples
        self.seconds = len(samples) / RATE_HZ
        blocks = range(0, len(samples), BLOCK_SECONDS * RATE_HZ)
        self.coarse = np.concatenate(
            [_averaged(self._power(start, start + BLOCK_SECONDS * RATE_HZ)) for start in blocks]
        )
        self.silent = silent(self.coarse)
        self.sounding_seconds = int((~self.silent).sum()) * COARSE_SECONDS

    @property
    def filled(self) -> Span:
        """From the first sound to the last, with a little around them."""
        first, last = np.flatnonzero(~self.silent)[[0, -1]] * COARSE_SECONDS
        return max(0.0, float(first) - MARGIN_SECONDS), min(self.seconds, float(last) + COARSE_SECONDS + MARGIN_SECONDS)

    def power(self, start_seconds: float, end_seconds: float) -> Floats:
        """Mel power of a part, [columns, bands]."""
        return self._power(round(start_seconds * RATE_HZ), round(end_seconds * RATE_HZ))

    def quietest(self, start_seconds: float, end_seconds: float) -> float:
        """The quietest moment of a part."""
        loudness = np.convolve(self.power(start_seconds, end_seconds).mean(1), np.ones(QUIET_COLUMNS), "same")
        return start_seconds + int(loudness.argmin()) * COLUMN_SECONDS

    def is_filled(self, start_seconds: float, end_seconds: float) -> bool:
        """Whether something is heard in a part for more than a moment."""
        columns = slice(math.ceil(start_seconds / COARSE_SECONDS), math.floor(end_seconds / COARSE_SECONDS))
        lengths = [stop - start for start, stop in runs(~self.silent[columns])]
        return max(lengths, default=0) * COARSE_SECONDS >= UNKNOWN_SECONDS

    def _power(self, start: int, stop: int) -> Floats:
        return mel_power(as_float(self._samples[start:stop]))


def _averaged(power: Floats) -> Floats:
    """Mel power in steps of 50 ms, [columns, bands]; what remains at the end is left out."""
    count = len(power) // COARSE_COLUMNS
    return np.asarray(power[: count * COARSE_COLUMNS].reshape(count, COARSE_COLUMNS, BANDS).mean(1))


def _places(sound: _Sound, expected: Sequence[Expected]) -> list[Span | None]:
    """When each sentence is heard, with little around it; None if it is passed over."""
    power, starts, lengths = _joined(expected)
    gaps = np.ones(len(power), bool)
    for start, length in zip(starts, lengths, strict=True):
        gaps[start : start + length] = False
    path = warped(
        features(sound.coarse, sound.silent, COARSE_DELTA),
        features(as_if_recorded(power, sound.coarse), gaps | silent(power), COARSE_DELTA),
        width=WIDTH_COARSE,
        gaps=gaps,
    )
    edges = np.searchsorted(path, [starts, starts + lengths]).T
    shortest = lengths * SHORTEST_SHARE
    spans = [
        (float(start), float(stop)) if stop - start >= least else None
        for (start, stop), least in zip(edges * COARSE_SECONDS, shortest * COARSE_SECONDS, strict=True)
    ]
    return list(_cut(sound, spans))


def _joined(expected: Sequence[Expected]) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """The whole reference in steps of 50 ms, [columns, bands], and the start and length of each sentence in it."""
    gap = np.zeros((GAP_COARSE, BANDS), np.float32)
    parts = [_averaged(one.reference.power) for one in expected]
    lengths = np.array([len(part) for part in parts])
    starts = np.cumsum([GAP_COARSE, *(lengths[:-1] + GAP_COARSE)])
    return np.concatenate([gap, *(piece for part in parts for piece in (part, gap))]), starts, lengths


def _cut(sound: _Sound, spans: Sequence[Span | None]) -> Iterator[Span | None]:
    """The spans with quiet edges: a little longer where nothing is near."""
    known = [span for span in spans if span is not None]
    following = iter([*known[1:], None])
    previous_end = previous_cut = 0.0
    for span in spans:
        if span is None:
            yield None
            continue
        start, end = span
        after = next(following)
        latest = sound.seconds if after is None else after[0] + OVERLAP_SECONDS
        first = max(start - MARGIN_SECONDS, previous_end - OVERLAP_SECONDS, previous_cut)
        first = sound.quietest(first, max(first, start) + OVERLAP_SECONDS)
        last = sound.quietest(end - OVERLAP_SECONDS, min(end + MARGIN_SECONDS, latest))
        previous_end, previous_cut = end, last
        yield first, last


def _are_likely(matches: Sequence[Match | None], sounding_seconds: float) -> list[bool]:
    """Whether each sentence is heard, given how well the others fit and how fast they are spoken.

    `sounding_seconds`: how long something is heard in the whole recording.
    """
    found = [match for match in matches if match is not None]
    if not found:
        return [False] * len(matches)
    usual = float(np.median([match.ratio for match in found]))
    limit = min(usual + RATIO_MARGIN, LIKELY_BELOW) if usual < _usual_below(found, sounding_seconds) else 0.0
    pace = float(np.median([match.stretch for match in found]))
    return [
        match is not None
        and pace / STRETCH_MAX < match.stretch < pace * STRETCH_MAX
        and _pooled_ratio(matches, index) + STRETCH_COST * abs(math.log(match.stretch / pace)) < limit
        for index, match in enumerate(matches)
    ]


def _usual_below(found: Sequence[Match], sounding_seconds: float) -> float:
    """How well the usual sentence must fit."""
    seconds = sum(match.seconds for match in found)
    if seconds >= LONG_SECONDS:
        return LIKELY_BELOW
    return SURE_BELOW if seconds >= MOST * sounding_seconds else SURER_BELOW


def _pooled_ratio(matches: Sequence[Match | None], index: int) -> float:
    """The ratio of a match, for a short one together with its neighbours."""
    own = matches[index]
    is_short = own is not None and own.seconds < SHORT_SECONDS
    near = [own] if not is_short else matches[max(0, index - 1) : index + 2]
    known = [match for match in near if match is not None]
    return sum(match.cost for match in known) / sum(match.chance_cost for match in known)


@dataclass(frozen=True)
class _Heard:
    """A sentence that was found."""

    text: str
    place: Span
    match: Match

    @property
    def phonemes(self) -> list[Phoneme]:
        """With times in the recording."""
        start = self.place[0]
        return [Phoneme(p.symbol, p.start_seconds + start, p.end_seconds + start) for p in self.match.phonemes]

    @property
    def sentence(self) -> Sentence:
        """With times in the recording."""
        phonemes = self.phonemes
        words = tuple(word.later(self.place[0]) for word in timed(self.text, self.match.words))
        return Sentence(self.text, phonemes[0].start_seconds, phonemes[-1].end_seconds, words)


def _transcript(sound: _Sound, heard: Sequence[_Heard], missing: tuple[str, ...]) -> Transcript:
    sentences = tuple(one.sentence for one in heard)
    edges = [0.0, *(edge for one in sentences for edge in (one.start_seconds, one.end_seconds)), sound.seconds]
    between = list(zip(edges[::2], edges[1::2], strict=True))
    others = tuple(span for span in between if sound.is_filled(*span))
    phonemes = [phoneme for one in heard for phoneme in one.phonemes] + [Phoneme("", *span) for span in others]
    return Transcript(sentences, tuple(sorted(phonemes, key=_start)), missing, others)


def _start(phoneme: Phoneme) -> float:
    return phoneme.start_seconds
