"""Where an open stream breaks off what it says, and what is left of it then."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.scheduling.open_interruptions import interrupt, interruption
from daemon.scheduling.open_records import LISTENING, Cut, OpenState, Text
from daemon.scheduling.open_viewer import Viewer
from pipeline.messages import Chunk, Sentence, Span, Speech, Timeline, Word
from pipeline.stages.early_pieces import PIECE_SECONDS_MIN

FPS = 25
NOWHERE, SPAN = Path("nowhere"), Span(0, 0)
FIRST, FRAMES = 50, 60
"""The speech begins after two seconds."""
WORDS = tuple(Word(f"w{k}", 2 + 0.4 * k, 2 + 0.4 * k + 0.35) for k in range(6))
SAID = Sentence("W0, w1, w2, w3, w4, w5.", WORDS[0].start_seconds, WORDS[-1].end_seconds, WORDS)
BEFORE = Sentence("Before, that!", 0.5, 1.5, (Word("Before", 0.5, 1.0), Word("that", 1.1, 1.5)))


def piece(index: int, start: int, stop: int, *, speech: int = 1) -> Chunk:
    timeline = Timeline(FRAMES * 640, FRAMES, FPS, (), "stream", NOWHERE, NOWHERE, NOWHERE, SPAN, SPAN, FIRST, speech)
    return Chunk("live", NOWHERE, index, None, start, stop, "gan", False, None, "a", None, None, timeline)


def speaking(*edges: int) -> OpenState:
    """A stream that says the words in pieces with these edges, of which the first is number 3."""
    state = OpenState(sentences=[BEFORE, SAID], said_until_seconds=SAID.end_seconds, texts_known=4, texts_placed=2)
    state.place([piece(3 + at, start, stop) for at, (start, stop) in enumerate(itertools.pairwise(edges))])
    state.texts = {1: Text(1, SAID.text, is_first=True)}
    state.speeches = {1: Speech("live", NOWHERE, NOWHERE, "voice", (), span=SPAN, index=1)}
    state.cutting = [piece(9, 0, 9)]
    return state


def frames_of(cut: Cut) -> list[tuple[int, int]]:
    return [(chunk.start_frame, chunk.stop_frame) for chunk in cut.tail]


@pytest.mark.parametrize(
    ("start", "hush"),
    [
        (72, 79),  # 2.88 s, in the word that ends at 3.15 s
        (70, 70),  # where that word begins
        (69, 69),  # between two words
        (89, 89),  # in a word that ends at 3.55 s, and so in this frame
        (107, 109),  # in the last word
    ],
)
def test_speech_is_broken_off_after_a_word(start: int, hush: int) -> None:
    state = speaking(FIRST, 60, start, FIRST + FRAMES)
    cut = interruption(state, 7, 5, FPS)
    assert (cut.number, cut.pieces, cut.hush_seconds) == (7, 5, hush / FPS)
    edges = frames_of(cut)
    assert edges[0][0] == start
    assert all(one[1] == other[0] for one, other in itertools.pairwise(edges))
    closed = max(hush + 5, round(start + PIECE_SECONDS_MIN * FPS))
    assert edges[-1][1] == min(closed, FIRST + FRAMES)
    assert [chunk.index for chunk in cut.tail] == list(range(5, 5 + len(edges)))
    assert {chunk.hush_frame for chunk in cut.tail} == {hush}


def test_nothing_follows_where_no_speech_has_begun() -> None:
    state = speaking(FIRST, 60, 80)
    assert interruption(state, 7, 3, FPS) == Cut(7, 3, (), FIRST / FPS), "it would begin here"
    assert interruption(state, 7, 5, FPS) == Cut(7, 5, (), 80 / FPS), "no piece is placed here"
    state.place([piece(5, 80, 90, speech=LISTENING), piece(6, 90, 99)])
    assert interruption(state, 7, 5, FPS) == Cut(7, 5, (), 80 / FPS), "it would listen"


def test_what_is_said_until_then_and_nothing_else_stays() -> None:
    state = speaking(FIRST, 60, 72, FIRST + FRAMES)
    cut = interruption(state, 7, 5, FPS)
    interrupt(state, cut)
    assert state.sentences == [BEFORE, replace(SAID, text="w0 w1 w2", words=WORDS[:3], end_seconds=3.15)]
    assert sorted(state.chunks) == [3, 4, *(chunk.index for chunk in cut.tail)]
    assert (state.placed, state.placed_frames) == (cut.tail[-1].index + 1, cut.tail[-1].stop_frame)
    assert (state.heard, state.texts_placed, state.said_until_seconds) == (7, 4, cut.hush_seconds)
    assert (state.texts, state.speeches, state.cutting) == ({}, {}, [])


def test_a_stop_before_a_text_drops_all_of_it() -> None:
    state = speaking(FIRST, 60, 80)
    state.said_until_seconds = 1.5
    interrupt(state, interruption(state, 7, 3, FPS))
    assert (state.sentences, state.chunks) == ([BEFORE], {})
    assert (state.placed, state.placed_frames, state.said_until_seconds) == (3, FIRST, 1.5)


def test_a_sentence_that_has_just_ended_stays_as_it_is() -> None:
    state = speaking(FIRST, 60, 80)
    for sentence in (BEFORE, SAID):
        state.sentences = [sentence]
        interrupt(state, Cut(7, 5, (), sentence.end_seconds))
        assert state.sentences == [sentence]
    state.sentences = [SAID]
    interrupt(state, Cut(8, 5, (), WORDS[1].end_seconds))
    assert [sentence.text for sentence in state.sentences] == ["w0 w1"]


def test_a_viewer_plays_from_the_first_piece_and_waits_where_nothing_is_there() -> None:
    viewer = Viewer(FPS)
    viewer.follow(99, 0, [piece(3, 0, 25)], 2.0)
    assert (viewer.played_seconds, viewer.needed_seconds(3)) == (0.0, None)
    viewer.follow(100, 25, [piece(4, 25, 50)], 2.0)
    assert (viewer.played_seconds, viewer.ahead_seconds(25), viewer.needed_seconds(4)) == (0.0, 1.0, 101.0)
    viewer.follow(100.5, 25, [piece(4, 25, 50)], 2.0)
    assert (viewer.played_seconds, viewer.ahead_seconds(50)) == (0.5, 1.5)
    viewer.follow(104, 25, [piece(5, 50, 75)], 2.0)
    assert viewer.played_seconds == 1.0, "it waits at the end"
    assert (viewer.needed_seconds(4), viewer.needed_seconds(5)) == (101.0, 102.0), "when it would have, had it not"
    viewer.follow(104.5, 75, [], 2.0)
    assert viewer.played_seconds == 1.5
    viewer.forget(4)
    viewer.forget(9)
    assert (viewer.needed_seconds(4), viewer.needed_seconds(5)) == (None, 102.0)


def test_a_stream_that_was_there_before_is_played_from_near_its_end() -> None:
    viewer = Viewer(FPS)
    viewer.follow(100, 250, [], 2.0)
    assert viewer.played_seconds == 8.0
