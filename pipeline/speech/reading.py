"""A text as a voice reads it: sentence by sentence, in plain words. Used by the TTS stage and by everything that shows
a reading beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.speech import marks
from pipeline.speech.accentor import stressed
from pipeline.speech.language_tags import is_cyrillic
from pipeline.speech.lexicon import EMPTY, Lexicon
from pipeline.speech.sentence_language import sentence_language, with_english_read
from pipeline.speech.sentences import sentences
from pipeline.speech.spoken import spoken
from pipeline.speech.voices.base import Backend, Stressing

REVISION = 9
"""Raised when texts are read or spoken differently from before: earlier results are not resumed."""


@dataclass(frozen=True)
class ReadSentence:
    """One sentence of a text."""

    text: str
    """As it is written, without pauses."""
    spoken: str
    """As it is passed to the voice: numbers, abbreviations and symbols are words."""
    language: str
    """In which it is read: the text's, or its own if it is clearly written in another."""
    pause_before: float | None = None
    """Seconds of silence before it that the text asks for; None: as usual."""
    pause_after: float | None = None
    """And after it."""
    voice: str | None = None
    """Who says it, as `backend:voice`; None: the voice of the text."""
    piece: int | None = None
    """The text of a stream in which it is, from 0; None if the whole is not cut into texts."""


def read(
    text: str,
    language: str,
    lexicon: Lexicon = EMPTY,
    in_other: Callable[[str], Lexicon | None] = lambda _: EMPTY,
) -> Iterator[ReadSentence]:
    """The sentences of a text, in order.

    `in_other`: the lexicon for sentences in another language, given its code; None: they are read as all others.
    """
    for sentence in sentences(text, language):
        own = sentence_language(marks.shown(sentence), language)
        words = in_other(own) if own != language else None
        yield read_sentence(sentence, language, lexicon) if words is None else read_sentence(sentence, own, words)


def read_sentence(sentence: str, language: str, lexicon: Lexicon = EMPTY) -> ReadSentence:
    """One of the sentences of a text, as `sentences` cuts them."""
    text = marks.shown(sentence)
    said = text if text == sentence else marks.shown(marks.with_spelled(sentence, language))
    said = lexicon.respelled(said)
    if is_cyrillic(language):
        said = with_english_read(said, lambda phrase: spoken(phrase, "en"))
    return ReadSentence(text, spoken(said, language), language, *marks.pauses(sentence))


def marked(spoken_text: str, language: str, backend: Backend, lexicon: Lexicon = EMPTY) -> str:
    """A sentence with the marks that a back end understands: of stress in Russian, and phonemes of the lexicon."""
    if not isinstance(backend, Stressing):
        return spoken_text
    said = stressed(spoken_text, language, backend.stress)
    return lexicon.with_phonemes(said) if backend.phonemes else said
