"""How the texts of jobs are read, as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from pipeline.speech.reading import ReadSentence


def lines_of(sentences: Iterable[ReadSentence], language: str) -> Iterator[str]:
    """Sentences as they are written; below, where it differs, what the voice is given; pauses that the text asks for;
    and where the texts of a stream begin. `language` is the text's."""
    piece = None
    for number, sentence in enumerate(sentences, start=1):
        if sentence.piece != piece and sentence.piece is not None:
            yield click.style(f"  text {sentence.piece + 1}", dim=True)
        piece = sentence.piece
        yield from _pause_line(sentence.pause_before)
        yield f"  {number:>3}  {sentence.text}{click.style(_other(sentence, language), dim=True)}"
        if sentence.spoken != sentence.text:
            yield f"    {click.style('=', dim=True)}  {sentence.spoken}"
        yield from _pause_line(sentence.pause_after)


def _other(sentence: ReadSentence, language: str) -> str:
    """The language and the voice of a sentence where they are not the text's."""
    own = [sentence.language] if sentence.language != language else []
    own += [sentence.voice] if sentence.voice is not None else []
    return f" ({', '.join(own)})" if own else ""


def _pause_line(seconds: float | None) -> Iterator[str]:
    if seconds is not None:
        yield click.style(f"       {seconds:g} s of silence", dim=True)
