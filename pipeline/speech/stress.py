"""Stress in Russian words, as dictionaries print it: an acute accent after the stressed vowel. ё needs none.

`pipeline.speech.accentor` finds the stress of a text without marks; here is what every reader of the marks needs.
"""

from __future__ import annotations

import re
from typing import Literal

Stress = Literal["none", "ambiguous", "every"]
"""Where marks are wanted: nowhere, where a spelling has several readings, or in every word of several syllables."""

MARK = "\u0301"
"""Combining acute accent."""
VOWELS = "аеёиоуыэюя"
WORD = re.compile(rf"[а-яё][а-яё{MARK}]*", re.IGNORECASE)
"""A Russian word or a part of one between hyphens, with or without marks."""

_MARKED_VOWEL = re.compile(rf"([{VOWELS}]){MARK}", re.IGNORECASE)


def without_marks(text: str) -> str:
    """Remove the marks of Russian words."""
    return WORD.sub(lambda match: match[0].replace(MARK, ""), text)


def with_pluses(text: str) -> str:
    """Write a plus sign before each stressed vowel instead of a mark after it."""
    return without_marks(_MARKED_VOWEL.sub(r"+\1", text))


def stressed_vowel(word: str) -> int | None:
    """Which vowel of a word has the mark, counted from 0; None without a mark."""
    before, mark, _ = word.lower().partition(MARK)
    return sum(letter in VOWELS for letter in before) - 1 if mark else None
