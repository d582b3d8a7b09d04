"""Telling espeak-ng which vowel of a Russian word is stressed.

The engine ignores stress marks (and no longer finds a word with one in its dictionary). But it says phonemes in double
brackets as they are: so it is asked for the phonemes of the word, and where its stress is elsewhere, the stress is
moved and the two vowels concerned are replaced, since unstressed vowels are reduced.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.speech.stress import MARK, VOWELS, WORD, stressed_vowel, without_marks

_VOWEL = re.compile(r"(?<!@)[aAVoOeEiIyu8][#\"0-9]*")
"""A vowel in the engine's notation."""
_STRESS = "'"
_STRESSED = dict(zip(VOWELS, ("A", "e", "8", "i", "o", "u", "y", "E", 'u"', "A"), strict=True))
_REDUCED = dict(zip(VOWELS, ("V", "i", "8", "i", "V", "u", "y", "E#", 'u"', "a"), strict=True))
_ALWAYS_HARD = frozenset("жшц")
_AFTER_HARD = {"е": ("E", "y"), "и": ("y", "y"), "ё": ("o", "y")}
"""Stressed and reduced after consonants that are never soft."""


@dataclass(frozen=True)
class Respelled:
    """A text in which some words are replaced by their phonemes."""

    text: str
    _places: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Start and stop of each replacement in the new text, then in the plain one."""

    def plain_place(self, start: int, stop: int) -> tuple[int, int]:
        """Where a word of the new text is in the text without replacements."""
        index = bisect_right(self._places, start, key=lambda place: place[0]) - 1
        if index < 0:
            return start, stop
        _, last, plain_first, plain_last = self._places[index]
        if start < last:
            return plain_first, plain_last
        return start - last + plain_last, stop - last + plain_last


def respelled(text: str, phonemes: Callable[[Sequence[str]], Sequence[str]]) -> Respelled:
    """Replace the marked words that the engine would stress elsewhere. `phonemes` tells how it says each of some."""
    marked = [match[0] for match in WORD.finditer(text) if MARK in match[0]]
    said = dict(zip(marked, phonemes([without_marks(word).lower() for word in marked]), strict=True))
    parts: list[str] = []
    places: list[tuple[int, int, int, int]] = []
    length = plain_length = done = 0
    for match in WORD.finditer(text):
        plain, between = without_marks(match[0]), text[done : match.start()]
        moved = _moved(plain.lower(), said[match[0]], stressed_vowel(match[0])) if match[0] in said else None
        new = f"[[{moved}]]" if moved else plain
        start, plain_start = length + len(between), plain_length + len(between)
        length, plain_length, done = start + len(new), plain_start + len(plain), match.end()
        parts += between, new
        if moved:
            places.append((start, length, plain_start, plain_length))
    return Respelled("".join([*parts, text[done:]]), places)


def _moved(word: str, said: str, stressed: int | None) -> str | None:
    """The phonemes of a word with its stress on another vowel; None if it is there already or vowels do not match."""
    letters = [index for index, letter in enumerate(word) if letter in VOWELS]
    vowels = list(_VOWEL.finditer(said))
    if stressed is None or len(letters) != len(vowels) or said.count(_STRESS) > 1:
        return None
    before = said.find(_STRESS)
    old = next((index for index, vowel in enumerate(vowels) if vowel.start() > before), None) if before >= 0 else None
    if old == stressed:
        return None
    edges = [0, *(edge for vowel in vowels for edge in vowel.span()), len(said)]
    pieces = [said[start:stop].replace(_STRESS, "") for start, stop in pairwise(edges)]
    for index, form in ((old, 1), (stressed, 0)):
        if index is not None:
            pieces[2 * index + 1] = _vowel(word, letters[index])[form]
    pieces[2 * stressed + 1] = _STRESS + pieces[2 * stressed + 1]
    return "".join(pieces)


def _vowel(word: str, index: int) -> tuple[str, str]:
    """How a vowel letter is said when it is stressed, and when it is not."""
    letter = word[index]
    if letter in _AFTER_HARD and word[index - 1 : index] in _ALWAYS_HARD:
        return _AFTER_HARD[letter]
    return _STRESSED[letter], _REDUCED[letter]
