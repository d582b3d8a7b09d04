"""A text as a voice reads it: sentence by sentence, in plain words. Used by the TTS stage and by everything that shows
a reading beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.speech import marks
from pipeline.speech.accentor import stressed
from pipeline.speech.lexicon import EMPTY, Lexicon
from pipeline.speech.sentences import sentences
from pipeline.speech.spoken import spoken
from pipeline.speech.voices.base import Backend, Stressing

REVISION = 8
"""Raised when texts are read or spoken differently from before: earlier results are not resumed."""


@dataclass(frozen=True)
class ReadSentence:
    """One sentence of a text."""

    text: str
    """As it is written, without pauses."""
    spoken: str
    """As it is passed to the voice: numbers, abbreviations and symbols are words."""
    pause_before: float | None = None
    """Seconds of silence before it that the text asks for; None: as usual."""
    pause_after: float | None = None
    """And after it."""


def read(text: str, language: str, lexicon: Lexicon = EMPTY) -> Iterator[ReadSentence]:
    """The sentences of a text, in order."""
    for sentence in sentences(text, language):
        yield read_sentence(sentence, language, lexicon)


def read_sentence(sentence: str, language: str, lexicon: Lexicon = EMPTY) -> ReadSentence:
    """One of the sentences of a text, as `sentences` cuts them."""
    text = marks.shown(sentence)
    said = text if text == sentence else marks.shown(marks.with_spelled(sentence, language))
    return ReadSentence(text, spoken(lexicon.respelled(said), language), *marks.pauses(sentence))


def marked(spoken_text: str, language: str, backend: Backend, lexicon: Lexicon = EMPTY) -> str:
    """A sentence with the marks that a back end understands: of stress in Russian, and phonemes of the lexicon."""
    if not isinstance(backend, Stressing):
        return spoken_text
    said = stressed(spoken_text, language, backend.stress)
    return lexicon.with_phonemes(said) if backend.phonemes else said
