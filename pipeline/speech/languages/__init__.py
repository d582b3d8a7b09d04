"""Languages whose texts are prepared for speaking.

To add a language, write a module beside `en.py` with one instance of a subclass of `base.Language` (its numbers, dates,
abbreviations, units and currencies), and add it to `_KNOWN` under its ISO 639 tag. `config.yaml` may then name it under
`tts.voices`. Texts in other languages are cut and cleaned by the rules that all languages share.
"""

from __future__ import annotations

from pipeline.speech.languages.base import Language
from pipeline.speech.languages.en import ENGLISH
from pipeline.speech.languages.kk import KAZAKH
from pipeline.speech.languages.ru import RUSSIAN

_KNOWN: dict[str, Language] = {"ru": RUSSIAN, "en": ENGLISH, "kk": KAZAKH}

UNKNOWN = Language(code="")
"""A language without any words of its own."""


def known_language(tag: str) -> Language | None:
    """Return the language of a tag, with or without a region; None if it is not known here."""
    return _KNOWN.get(tag.lower().partition("-")[0])
