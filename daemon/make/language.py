"""The language of a text, if its letters tell that it cannot be the default."""

from __future__ import annotations

import re

CYRILLIC_LANGUAGES = frozenset({"ru", "kk", "uk", "be", "bg", "sr", "mk", "ky", "tg", "mn", "tt", "ba"})
CYRILLIC, LATIN = re.compile(r"[\u0400-\u04ff]"), re.compile(r"[A-Za-z]")
KAZAKH = re.compile(r"[әғқңөұүһӘҒҚҢӨҰҮҺ]")


def guessed(text: str, default: str) -> str:
    """The default, unless the text has not one letter of its script: then the likeliest language of the other."""
    is_cyrillic = default.partition("-")[0] in CYRILLIC_LANGUAGES
    if is_cyrillic and LATIN.search(text) and not CYRILLIC.search(text):
        return "en"
    if not is_cyrillic and CYRILLIC.search(text) and not LATIN.search(text):
        return "kk" if KAZAKH.search(text) else "ru"
    return default
