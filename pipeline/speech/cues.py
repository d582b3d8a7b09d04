"""Cutting sentences into captions: two short lines at a time, broken where a reader pauses.

The limits are those of broadcasters' guidelines: 42 characters in a line, two lines, 1 to 7 seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from pipeline.messages import Sentence, Word
from pipeline.speech.words import shared, written_words

LINE_CHARACTERS = 42
CUE_SECONDS_MIN, CUE_SECONDS_MAX = 1.0, 7.0
SPEECH_SECONDS_MAX = 6.5
"""Speech in a cue if it can be cut: a little less than it may be shown."""
CLAUSE_ENDS = (",", ";", ":", "—", "–", ")", "，", "、", "；", "：")
LEADING = frozenset({
    "a", "an", "the", "of", "in", "on", "at", "by", "to", "for", "from", "with", "into", "onto", "over", "under",
    "about", "after", "before", "between", "through", "and", "or", "but", "nor", "as", "than", "if", "my", "your",
    "his", "its", "our", "their", "this", "these", "those", "no", "not", "is", "are", "was", "were", "without",
    "since", "until",
    "в", "во", "на", "с", "со", "к", "ко", "о", "об", "обо", "от", "ото", "до", "из", "изо", "за", "по", "под", "подо",
    "над", "у", "при", "про", "через", "без", "для", "между", "перед", "из-за", "из-под", "и", "а", "но", "или", "ни",
    "не", "что", "чтобы", "как", "если",
    "және", "мен", "бен", "пен", "немесе", "бірақ", "ал", "бұл", "осы", "сол", "бір",
})  # fmt: skip
"""Words that belong to the next one: prepositions, articles, conjunctions, negations."""
TRAILING = frozenset({
    "ли", "же", "бы", "б", "л", "ж",
    "үшін", "туралы", "дейін", "кейін", "бұрын", "арқылы", "бойынша", "сияқты", "ғана", "да", "де", "та", "те", "ма",
    "ме", "ба", "бе", "па", "пе",
})  # fmt: skip
"""Words that belong to the one before: particles, and Kazakh postpositions."""
NO_BREAK_COST, WORD_COST, CLAUSE_COST, SENTENCE_COST = 100.0, 4.0, 1.0, 0.0
CUE_COST = 3.0
"""Fewer cues are better."""
SHORT_COST = 20.0
"""Of a cue that is shown for less than a second."""


@dataclass(frozen=True)
class Part:
    """A word, or a piece of a word that is longer than a line."""

    text: str
    start_seconds: float
    end_seconds: float
    break_cost: float
    """Of a break after it."""
    gap: str
    """What separates it from the next: a space, a new line or nothing."""
    is_timed: bool
    """Whether its times are known, not estimated."""


@dataclass(frozen=True)
class Cue:
    """What is shown at one time."""

    parts: tuple[Part, ...]
    """One or two lines; the last gap is empty."""
    start_seconds: float
    end_seconds: float

    @property
    def text(self) -> str:
        """All parts and gaps."""
        return "".join(part.text + part.gap for part in self.parts)


def cues(sentences: Sequence[Sentence], line_characters: int = LINE_CHARACTERS) -> list[Cue]:
    """The captions of sentences, as they are written. Words without known times share their sentence's by length."""
    parts = [part for sentence in sentences for part in _parts(sentence, line_characters)]
    edges = _cheapest_cuts(parts, line_characters)
    found = [_cue(parts[start:stop], line_characters) for start, stop in pairwise(edges)]
    return [_shown(cue, following) for cue, following in zip(found, [*found[1:], None], strict=False)]


def _parts(sentence: Sentence, line_characters: int) -> list[Part]:
    words = sentence.words or shared(written_words(sentence.text), sentence.start_seconds, sentence.end_seconds)
    found: list[Part] = []
    place = 0
    for index, word in enumerate(words):
        place = sentence.text.index(word.text, place) + len(word.text)
        gap = " " if index + 1 == len(words) or sentence.text[place : place + 1].isspace() else ""
        following = words[index + 1].text if index + 1 < len(words) else None
        pieces = [word.text[at : at + line_characters] for at in range(0, len(word.text), line_characters)]
        timed = shared(pieces, word.start_seconds, word.end_seconds)
        found += [_part(piece, is_timed=bool(sentence.words) and piece.text == word.text) for piece in timed]
        found[-1] = replace(found[-1], break_cost=_break_cost(word.text, following), gap=gap)
    return [replace(found[0], start_seconds=sentence.start_seconds), *found[1:]] if found else []


def _part(word: Word, *, is_timed: bool) -> Part:
    return Part(word.text, word.start_seconds, word.end_seconds, WORD_COST, "", is_timed)


def _break_cost(word: str, following: str | None) -> float:
    """How bad a break after a word is; `following` is None at the end of a sentence."""
    if following is None:
        return SENTENCE_COST
    if word.endswith(CLAUSE_ENDS):
        return CLAUSE_COST
    if word.lower().lstrip("«\"'(“„") in LEADING or following.lower().rstrip(".,!?;:…»\"')”") in TRAILING:
        return NO_BREAK_COST
    return WORD_COST


def _cheapest_cuts(parts: Sequence[Part], line_characters: int) -> list[int]:
    """Where cues begin and end, so that the sum of their costs is lowest."""
    costs, previous = [0.0], [0]
    for stop in range(1, len(parts) + 1):
        best, best_start = float("inf"), stop - 1
        for start in range(stop - 1, -1, -1):
            lines = _lines(parts[start:stop], line_characters)
            if stop - start > 1 and (lines is None or _seconds(parts, start, stop) > SPEECH_SECONDS_MAX):
                break
            cost = costs[start] + _cue_cost(parts, start, stop) + (lines.cost if lines else 0)
            if cost < best:
                best, best_start = cost, start
        costs.append(best)
        previous.append(best_start)
    edges = [len(parts)]
    while edges[-1] > 0:
        edges.append(previous[edges[-1]])
    return edges[::-1]


def _seconds(parts: Sequence[Part], start: int, stop: int) -> float:
    return parts[stop - 1].end_seconds - parts[start].start_seconds


def _cue_cost(parts: Sequence[Part], start: int, stop: int) -> float:
    end = parts[stop].start_seconds if stop < len(parts) else float("inf")
    is_short = end - parts[start].start_seconds < CUE_SECONDS_MIN
    inner_ends = sum(part.break_cost == SENTENCE_COST for part in parts[start : stop - 1])
    return parts[stop - 1].break_cost + CUE_COST + is_short * SHORT_COST + inner_ends * 2 * CUE_COST


@dataclass(frozen=True)
class _Lines:
    """A layout of parts."""

    second: int | None
    """Index of the first part of the second line; None if one line is enough."""
    cost: float


def _lines(parts: Sequence[Part], line_characters: int) -> _Lines | None:
    """The best layout in at most two lines; None if they do not fit."""
    ends = list(accumulate(len(part.text) + len(part.gap) for part in parts))
    length = ends[-1] - len(parts[-1].gap)
    if length <= line_characters:
        return _Lines(None, 0.0)
    found: list[tuple[float, int, int]] = []
    for at in range(1, len(parts) if length <= 2 * line_characters + 1 else 1):
        first, second = ends[at - 1] - len(parts[at - 1].gap), length - ends[at - 1]
        if max(first, second) <= line_characters:
            found.append((parts[at - 1].break_cost, abs(first - second), at))
    if not found:
        return None
    cost, _, at = min(found)
    return _Lines(at, cost / 2)


def _cue(parts: Sequence[Part], line_characters: int) -> Cue:
    lines = _lines(parts, line_characters)
    assert lines is not None, "a part is never longer than a line"
    gaps = {len(parts) - 1: ""} | ({} if lines.second is None else {lines.second - 1: "\n"})
    shown = tuple(replace(part, gap=gaps.get(index, part.gap)) for index, part in enumerate(parts))
    return Cue(shown, parts[0].start_seconds, parts[-1].end_seconds)


def _shown(cue: Cue, following: Cue | None) -> Cue:
    """The cue for at least a second, as far as the next one allows it, and for at most seven."""
    end = max(cue.end_seconds, cue.start_seconds + CUE_SECONDS_MIN)
    if following is not None:
        end = min(end, following.start_seconds)
    return replace(cue, end_seconds=min(end, cue.start_seconds + CUE_SECONDS_MAX))
