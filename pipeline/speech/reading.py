"""A text as a voice reads it: sentence by sentence, in plain words. Used by the TTS stage and by everything that shows
a reading beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.speech import marks
from pipeline.speech.sentences import sentences
from pipeline.speech.spoken import spoken

REVISION = 6
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


def read(text: str, language: str) -> Iterator[ReadSentence]:
    """The sentences of a text, in order."""
    for sentence in sentences(text, language):
        yield read_sentence(sentence, language)


def read_sentence(sentence: str, language: str) -> ReadSentence:
    """One of the sentences of a text, as `sentences` cuts them."""
    text = marks.shown(sentence)
    said = text if text == sentence else marks.shown(marks.with_spelled(sentence, language))
    return ReadSentence(text, spoken(said, language), *marks.pauses(sentence))
