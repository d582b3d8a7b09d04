"""Interruptions of an open stream: what is said is broken off after a word, and all other texts are dropped."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from daemon.scheduling.open_records import LISTENING, Cut, OpenState
from pipeline.messages import Chunk, Sentence
from pipeline.stages.early_pieces import PIECE_SECONDS_MIN, short_edges

CLOSING_SECONDS = 0.2
"""Time for the mouth to close after speech that is broken off."""


def interruption(state: OpenState, number: int, pieces: int, fps: int) -> Cut:
    """How to stop after the first `pieces`, which are being rendered: what follows is the rest of a word."""
    begin = state.chunks.get(pieces)
    if begin is None or begin.timeline.speech_index == LISTENING or begin.start_frame == begin.timeline.first_frame:
        start = begin.start_frame if begin else state.placed_frames
        return Cut(number, pieces, (), start / fps)
    hush = min(_after_word(state.sentences, begin, fps), begin.timeline.stop_frame)
    least = begin.start_frame + PIECE_SECONDS_MIN * fps
    stop = min(max(hush + round(CLOSING_SECONDS * fps), round(least)), begin.timeline.stop_frame)
    tail = tuple(
        replace(begin, index=index, start_frame=one, stop_frame=end, hush_frame=hush)
        for index, (one, end) in enumerate(short_edges(begin.start_frame, stop, fps), pieces)
    )
    return Cut(number, pieces, tail, hush / fps)


def interrupt(state: OpenState, cut: Cut) -> None:
    """Carry out an interruption."""
    state.heard, state.texts_placed = cut.number, state.texts_known
    kept = state.chunks.get(cut.pieces)
    state.placed, state.placed_frames = cut.pieces, kept.start_frame if kept else state.placed_frames
    for index in [index for index in state.chunks if index >= cut.pieces]:
        del state.chunks[index]
    state.place(cut.tail)
    state.said_until_seconds = min(state.said_until_seconds, cut.hush_seconds)
    state.texts, state.cutting = {}, []
    state.speeches.clear()
    said = (_until(sentence, cut.hush_seconds) for sentence in state.sentences)
    state.sentences = [sentence for sentence in said if sentence is not None]


def _after_word(sentences: list[Sentence], begin: Chunk, fps: int) -> int:
    """The frame at which speech is broken off that goes on until a piece begins: where a word ends, else there."""
    start = begin.start_frame / fps
    words = (word for sentence in sentences for word in sentence.words)
    ends = (word.end_seconds for word in words if word.start_seconds < start < word.end_seconds)
    return ceil(max(ends, default=start) * fps)


def _until(sentence: Sentence, seconds: float) -> Sentence | None:
    """What is said of a sentence until it is broken off; None if nothing is."""
    if sentence.end_seconds <= seconds:
        return sentence
    words = tuple(word for word in sentence.words if word.end_seconds <= seconds)
    if not words:
        return None
    text = " ".join(word.text for word in words)
    return replace(sentence, text=text, words=words, end_seconds=words[-1].end_seconds)
