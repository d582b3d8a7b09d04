"""The language of a single sentence: a text may have sentences in another one.

A name or a brand within a sentence, or alone, is no reason to change the voice: only whole sentences of a few words are
judged, by the letters of their alphabet and then by the model of `written_language`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.speech.language_tags import is_cyrillic
from pipeline.speech.written_language import ranked

WORDS_MIN = 3
"""Shorter sentences may be names."""
CONFIDENT_IN_OTHER_SCRIPT, CONFIDENT = 0.7, 0.85
"""Probabilities from which on a sentence is in another language: one without a letter of its text's script, or not."""
LETTERS_MIN = 20
"""Of a sentence in the script of its text."""

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LATIN, _CYRILLIC = re.compile(r"[A-Za-z\u00c0-\u024f]"), re.compile(r"[\u0400-\u052f]")
_KAZAKH_LETTER = re.compile(r"[әғқңөұүһ]", re.IGNORECASE)
_KAZAKH_WORD = re.compile(r"\w*[әғқңөұүһі]\w*", re.IGNORECASE)
_KAZAKH_WORDS_MIN = 2
"""One may be the name of a town."""
_NOT_RUSSIAN = re.compile(r"[іїєґўәғқңөұүһјљњћђџѓќәҕҡҥҫҙөү]", re.IGNORECASE)
_ENGLISH_WORD = re.compile(
    r"\b(?:the|an?|is|are|was|were|be|to|of|and|in|on|for|it|you|we|they|he|she|this|that|with|not|have|has|do|i)\b",
    re.IGNORECASE,
)


_ENGLISH_RUN = re.compile(
    r"(?<![\w.])[A-Za-z][A-Za-z'’-]*[,;:]? "
    r"(?:(?:[A-Za-z][A-Za-z'’-]*|[$€£]?\d[\d.,:]*%?)[,;:]? ){2,}[A-Za-z][A-Za-z'’-]*"
)
"""Four English words or more, perhaps with numbers, within a sentence in another language."""


def with_english_read(sentence: str, read: Callable[[str], str]) -> str:
    """A sentence in which English phrases with numbers are read; names such as `Windows Server 2019 Core` are not."""
    if not sentence.strip() or not _LATIN.search(sentence):
        return sentence
    return _ENGLISH_RUN.sub(lambda match: read(match[0]) if _is_phrase(match[0]) else match[0], sentence)


def _is_phrase(words: str) -> bool:
    return any(map(str.isdecimal, words)) and _ENGLISH_WORD.search(words) is not None


def sentence_language(sentence: str, language: str) -> str:
    """The code of the language in which a sentence is clearly written; `language`, its text's, if there is doubt."""
    words = _WORD.findall(sentence)
    if len(words) < WORDS_MIN:
        return language
    own, other = (_CYRILLIC, _LATIN) if is_cyrillic(language) else (_LATIN, _CYRILLIC)
    asked = language.partition("-")[0]
    if other.search(sentence) and not own.search(sentence):
        if _is_kazakh(sentence):
            return "kk"
        return _likely(sentence, language, CONFIDENT_IN_OTHER_SCRIPT)
    return language if other.search(sentence) else _in_same_script(sentence, asked, language)


def _in_same_script(sentence: str, asked: str, language: str) -> str:
    if asked != "kk" and _is_kazakh(sentence):
        return "kk"
    is_usual = {
        "ru": _NOT_RUSSIAN.search(sentence) is None,
        "kk": _KAZAKH_LETTER.search(sentence) is not None,
        "en": _ENGLISH_WORD.search(sentence) is not None,
    }
    if is_usual.get(asked, False) or sum(map(str.isalpha, sentence)) < (LETTERS_MIN if asked != "kk" else 0):
        return language
    return _likely(sentence, language, CONFIDENT)


def _is_kazakh(sentence: str) -> bool:
    return bool(_KAZAKH_LETTER.search(sentence)) and len(_KAZAKH_WORD.findall(sentence)) >= _KAZAKH_WORDS_MIN


def _likely(sentence: str, language: str, confident: float) -> str:
    likely, probability = next(iter(ranked(sentence).items()))
    return likely if probability >= confident and likely != language.partition("-")[0] else language
