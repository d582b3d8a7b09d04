"""A text as a voice reads it: sentence by sentence, in plain words. Used by the TTS stage and by everything that shows
a reading beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.speech.sentences import sentences
from pipeline.speech.spoken import spoken

REVISION = 5
"""Raised when texts are read or spoken differently from before: earlier results are not resumed."""


@dataclass(frozen=True)
class ReadSentence:
    """One sentence of a text."""

    text: str
    """As it is written."""
    spoken: str
    """As it is passed to the voice: numbers, abbreviations and symbols are words."""


def read(text: str, language: str) -> Iterator[ReadSentence]:
    """The sentences of a text, in order."""
    for sentence in sentences(text, language):
        yield ReadSentence(sentence, spoken(sentence, language))
