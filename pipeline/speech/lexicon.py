"""How words are said that a voice or the rules of a language would say otherwise.

An entry respells a word, marks its stress, or gives its phonemes. Respellings are applied to the text before its
numbers and signs are read; phonemes at the end, for the voices that understand them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from pipeline.messages import Pronunciation
from pipeline.speech.stress import MARK, VOWELS, without_marks
from pipeline.speech.voices.settings import LexiconEntry, VoiceSettings

PHONEMES = re.compile(r"\[\[([^\[\]]+)\]\]")
"""Phonemes in the notation of espeak-ng."""
_PLUS = re.compile(rf"\+([{VOWELS}])", re.IGNORECASE)


class Lexicon:
    """Pronunciations of words of one language; later ones replace earlier ones of the same word."""

    def __init__(self, entries: Iterable[Pronunciation], language: str) -> None:
        said = {form: say for entry in entries for form, say in _forms(entry, language)}
        self._respellings = _Replacements({word: say for word, say in said.items() if not PHONEMES.fullmatch(say)})
        self._phonemes = _Replacements({word: say for word, say in said.items() if PHONEMES.fullmatch(say)})

    def respelled(self, text: str) -> str:
        """A text with its respellings."""
        return self._respellings.applied(text)

    def with_phonemes(self, text: str) -> str:
        """A text, ready to be spoken, with phonemes between double brackets."""
        return self._phonemes.applied(text)


@lru_cache(maxsize=64)
def _lexicon(entries: tuple[Pronunciation, ...], language: str) -> Lexicon:
    return Lexicon(entries, language)


def pronunciations(settings: Mapping[str, LexiconEntry]) -> tuple[Pronunciation, ...]:
    """The entries of a job, or of a language in the configuration."""
    return tuple(Pronunciation(word, entry.say, entry.forms) for word, entry in settings.items())


def lexicon_for(settings: VoiceSettings, language: str, own: tuple[Pronunciation, ...] = ()) -> Lexicon:
    """The lexicon of a language: the configuration's entries for it, for its region, and a job's own."""
    tags = dict.fromkeys([language.partition("-")[0], language])
    return _lexicon(
        (*(entry for tag in tags for entry in pronunciations(settings.lexicon.get(tag, {}))), *own), language
    )


class _Replacements:
    """Whole words and their replacements. A word without capitals is found in any case."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._exact = {word: say for word, say in words.items() if word != word.lower()}
        self._folded = {word: say for word, say in words.items() if word == word.lower()}
        longest_first = sorted(words, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def applied(self, text: str) -> str:
        if not self._exact and not self._folded:
            return text
        plain = unicodedata.normalize("NFC", text)
        return self._pattern.sub(lambda match: self._said(match[0]), plain)

    def _said(self, word: str) -> str:
        return self._exact.get(word) or self._folded.get(word.lower()) or word


def _forms(entry: Pronunciation, language: str) -> Iterator[tuple[str, str]]:
    """A word and, if the entry wants them, its inflected forms, each with its pronunciation."""
    word, say = unicodedata.normalize("NFC", entry.word), _PLUS.sub(rf"\1{MARK}", entry.say)
    yield word, say
    if entry.forms and language.partition("-")[0] == "ru":
        for form in _russian_forms(word.lower()):
            said = _inflected(word, say, _with_case_of(word, form))
            if said is not None:
                yield _with_case_of(word, form), said


def _russian_forms(word: str) -> Iterator[str]:
    """All forms of a word, for each of its readings as a noun, verb ..., without itself."""
    forms = {form.word for parse in _analyzer().parse(word) for form in parse.lexeme}
    return iter(sorted(forms - {word}))


@cache
def _analyzer() -> Any:
    from pymorphy3 import MorphAnalyzer  # type: ignore[import-untyped]  # loads a dictionary of 15 MB

    return MorphAnalyzer()


def _with_case_of(word: str, form: str) -> str:
    if len(word) > 1 and word.isupper():
        return form.upper()
    return form[:1].upper() + form[1:] if word[:1].isupper() else form


def _inflected(word: str, say: str, form: str) -> str | None:
    """The pronunciation of a form: the ending of the word is replaced; None if the ending or the stress changes."""
    stem = _shared_letters(word.lower(), form.lower())
    ending = word[stem:]
    if without_marks(say).lower() == word.lower() and MARK in say:
        place = say.index(MARK)
        return form[:place] + MARK + form[place:] if place <= stem else None
    return say[: len(say) - len(ending)] + form[stem:] if say.lower().endswith(ending.lower()) else None


def _shared_letters(word: str, form: str) -> int:
    """How many letters two words have in common at the beginning."""
    pairs = enumerate(zip(word, form, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(word), len(form)))


EMPTY = Lexicon((), "")
