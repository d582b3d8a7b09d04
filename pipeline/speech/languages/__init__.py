"""Languages whose texts are prepared for speaking; for any other one only what all have in common is done."""

from __future__ import annotations

from pipeline.speech.languages.base import Language
from pipeline.speech.languages.en import ENGLISH
from pipeline.speech.languages.kk import KAZAKH
from pipeline.speech.languages.ru import RUSSIAN

_KNOWN: dict[str, Language] = {"ru": RUSSIAN, "en": ENGLISH, "kk": KAZAKH}


def known_language(tag: str) -> Language | None:
    """What is known of a language, with or without a region; None when nothing is."""
    return _KNOWN.get(tag.lower().partition("-")[0])
