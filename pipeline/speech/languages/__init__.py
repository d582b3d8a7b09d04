"""Languages with rules for reading texts aloud.

To add a language, write a module beside `en.py` with one instance of a subclass of `base.Language` (numbers, dates,
abbreviations, units and currencies), and add it to `_KNOWN` under its ISO 639 tag. Texts in other languages are only
split and cleaned, by the rules that all languages share.
"""

from __future__ import annotations

from pipeline.speech.languages.base import Language
from pipeline.speech.languages.en import ENGLISH
from pipeline.speech.languages.kk import KAZAKH
from pipeline.speech.languages.ru import RUSSIAN

_KNOWN: dict[str, Language] = {"ru": RUSSIAN, "en": ENGLISH, "kk": KAZAKH}

UNKNOWN = Language(code="")
"""A language without words of its own."""


def known_language(tag: str) -> Language | None:
    """Return the language of a tag, with or without a region; None if there is none."""
    return _KNOWN.get(tag.lower().partition("-")[0])
