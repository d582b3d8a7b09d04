"""When a stream may start playing, computed from plain numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.scheduling.pacing import NOTICE_SECONDS, Expected, Measured, earliest_starts
from pipeline.messages import Span

FIRST_PIECE = Expected(2.0, rendering=Span(1.0, 5.0), inference_seconds=4.0)
SECOND_PIECE = Expected(4.0, rendering=Span(-2.8, 5.2), inference_seconds=8.0)
CUT = Expected(4.0, cut_at_seconds=1.5)
FIRST = Measured(
    at_seconds=5.5,
    pieces=(FIRST_PIECE, CUT, Expected(4.0, 1.0)),
    packing=Span(5.0, 5.5),
    sound_seconds=1.9,
    workers=1,
)
"""Rendering takes 2 s per second of video; the third piece is not spoken yet."""


def test_one_piece_is_played_as_soon_as_it_is_packed() -> None:
    assert earliest_starts(replace(FIRST, pieces=(FIRST_PIECE,))) == [5.5]


def test_one_worker_renders_the_pieces_one_after_the_other() -> None:
    """The second piece is rendered from 5 to 13 s, the third from 13 to 21 s; packing takes half a second each.

    The second one may be late by the second in which the third one is spoken meanwhile.
    """
    heard = 1.9 - NOTICE_SECONDS
    assert earliest_starts(FIRST) == pytest.approx([5.5, 13.5 + 1.0 - heard, 21.5 - (heard + 4)])


def test_a_second_worker_takes_the_third_piece() -> None:
    """The third piece is spoken from 5 s on, after the first is rendered, and then rendered from 6 to 14 s.

    Speaking it takes each of the two workers 0.5 s.
    """
    heard = 1.9 - NOTICE_SECONDS
    assert earliest_starts(replace(FIRST, workers=2)) == pytest.approx([5.5, 13.5 + 0.5 - heard, 14.5 - (heard + 4)])


def test_pieces_that_are_cut_need_no_speaking() -> None:
    """The third piece is rendered from 1.5 to 9.5 s, while the first is."""
    heard = 1.9 - NOTICE_SECONDS
    starts = earliest_starts(replace(FIRST, workers=2, pieces=(FIRST_PIECE, CUT, CUT)))
    assert starts == pytest.approx([5.5, 13.5 - heard, 9.5 + 0.5 - (heard + 4)])


def test_a_second_piece_that_is_rendered_delays_nothing() -> None:
    pieces = (FIRST_PIECE, SECOND_PIECE)
    assert earliest_starts(replace(FIRST, workers=2, pieces=pieces)) == [5.5, 5.2 + 0.5 - (1.9 - NOTICE_SECONDS)]


def test_a_third_piece_takes_the_worker_that_is_free_first() -> None:
    """From 5 s on, when the first piece is rendered; the second one was rendered later, by another worker."""
    heard = 1.9 - NOTICE_SECONDS + 4
    pieces = (FIRST_PIECE, SECOND_PIECE, Expected(4.0))
    assert earliest_starts(replace(FIRST, workers=2, pieces=pieces))[2] == pytest.approx(13.5 - heard)


def test_fast_workers_let_playing_start_with_the_first_piece() -> None:
    pieces = (Expected(2.0, rendering=Span(1.0, 1.4), inference_seconds=0.4), Expected(4.0), Expected(4.0, 0.2))
    fast = replace(FIRST, at_seconds=1.5, pieces=pieces, packing=Span(1.4, 1.5))
    assert max(earliest_starts(fast)) == earliest_starts(fast)[0] == 1.5


def test_half_of_the_time_besides_inference_does_not_grow_with_the_length() -> None:
    """Of 4 s for the first piece, 1 s is not inference. The second, twice as long, is rendered from 5 to 12.5 s."""
    heard = 1.9 - NOTICE_SECONDS
    pieces = (replace(FIRST_PIECE, inference_seconds=3.0), Expected(4.0))
    assert earliest_starts(replace(FIRST, pieces=pieces))[1] == pytest.approx(5 + 0.5 + 2 * 3.5 + 0.5 - heard)


def test_each_piece_may_take_longer_but_not_all_of_them() -> None:
    """The second and third are expected to be rendered in 8 s each, and may each take 0.8 s more."""
    pieces = (FIRST_PIECE, Expected(4.0), Expected(4.0))
    usual, cautious = (earliest_starts(replace(FIRST, pieces=pieces, caution=caution)) for caution in (0.0, 0.1))
    assert [later - start for start, later in zip(usual, cautious, strict=True)] == pytest.approx([0, 0.8, 0.8])
    rendered = replace(FIRST, pieces=(FIRST_PIECE, SECOND_PIECE))
    assert earliest_starts(replace(rendered, caution=0.1)) == earliest_starts(rendered)


def test_pieces_that_are_rendered_show_how_fast_others_will_be() -> None:
    """6 s were rendered in 6 s, so that the third piece is from 5.2 to 9.2 s: it goes to the worker of the second."""
    heard = 1.9 - NOTICE_SECONDS + 4
    second = Expected(4.0, rendering=Span(3.2, 5.2), inference_seconds=2.0)
    pieces = (FIRST_PIECE, second, Expected(4.0))
    assert earliest_starts(replace(FIRST, pieces=pieces))[2] == pytest.approx(5.2 + 4 + 0.5 - heard)


def test_a_piece_is_not_rendered_before_it_is_cut() -> None:
    """From 7 to 15 s, although a worker is free from 5 s on."""
    heard = 1.9 - NOTICE_SECONDS + 4
    pieces = (FIRST_PIECE, SECOND_PIECE, Expected(4.0, cut_at_seconds=7.0))
    assert earliest_starts(replace(FIRST, pieces=pieces, workers=2))[2] == pytest.approx(15.5 - heard)


def test_a_text_that_should_have_been_spoken_is_expected_now() -> None:
    """The third piece is rendered from 9 to 17 s, since it is not spoken at 9 s."""
    heard = 1.9 - NOTICE_SECONDS + 4
    pieces = (FIRST_PIECE, SECOND_PIECE, Expected(4.0, 1.0))
    found = earliest_starts(replace(FIRST, at_seconds=9.0, pieces=pieces, workers=2))
    assert found[2] == pytest.approx(17.5 - heard)


def test_what_is_late_already_is_expected_from_now_on() -> None:
    heard = 1.9 - NOTICE_SECONDS
    pieces = (FIRST_PIECE, Expected(4.0))
    assert earliest_starts(replace(FIRST, at_seconds=20.0, pieces=pieces))[1] == pytest.approx(20 + 0.5 - heard)


def test_slow_speech_delays_the_start_of_a_long_stream() -> None:
    """Eight texts are spoken in 6 s each from 5 s on, and the last is rendered and packed in 4.5 s."""
    pieces = (FIRST_PIECE, Expected(2.0), *[Expected(2.0, 6.0)] * 8)
    starts = earliest_starts(replace(FIRST, pieces=pieces))
    heard = 1.9 - NOTICE_SECONDS + 8 * 2
    assert starts[-1] == pytest.approx(5 + 8 * 6 + 4.5 - heard)


def test_the_pieces_of_a_text_are_there_once_the_text_is_spoken() -> None:
    """Spoken from 5 to 11 s; two workers render its two pieces from 11 to 15 s, and the second piece from 5 to 9 s."""
    pieces = (FIRST_PIECE, Expected(2.0), Expected(2.0, 6.0), Expected(2.0))
    heard = 1.9 - NOTICE_SECONDS
    starts = earliest_starts(replace(FIRST, workers=2, pieces=pieces))
    assert starts[2:] == pytest.approx([15.5 - (heard + 2), 15.5 - (heard + 4)])
