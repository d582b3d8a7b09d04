"""How a job is cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.config import SplitSettings
from pipeline.engines.wav2lip.engine import DEVICE_BATCH_FRAMES
from pipeline.messages import PCM_RATE_HZ
from pipeline.stages.chunks import (
    PAUSE_SEARCH_SECONDS,
    audio_segment,
    chunk_count,
    chunk_edges,
    pauses,
    plan,
    stream_edges,
)
from pipeline.stages.early_pieces import (
    BATCH_FRAMES,
    PARTS_MAX,
    PIECE_SECONDS_MIN,
    SLOW_SECONDS_MAX,
    cuts_after,
    early_edges,
    shortened,
)

SETTINGS = SplitSettings()
EARLY_CUTS_SECONDS = (0.6, 1.2, 2, 3, 4.2, 6, 8.5, 12, 17)


def speech(seconds: float, pauses: list[tuple[float, float]]) -> NDArray[np.int16]:
    """A loud tone with silences."""
    samples: NDArray[np.int16] = (8000 * np.sin(np.arange(round(seconds * PCM_RATE_HZ)) * 0.2)).astype(np.int16)
    for start, stop in pauses:
        samples[round(start * PCM_RATE_HZ) : round(stop * PCM_RATE_HZ)] = 0
    return samples


@pytest.mark.parametrize(
    ("seconds", "workers", "count"),
    [
        (0.3, 2, 1),
        (9.99, 2, 1),
        (10, 2, 2),
        (29.9, 2, 2),
        (29.9, 1, 1),
        (30, 2, 2),
        (30, 1, 2),
        (44.9, 2, 2),
        (45, 2, 3),
        (60, 2, 4),
        (120, 2, 4),
        (600, 2, 20),
        (600, 16, 32),
        (20, 4, 2),
        (30.5, 1, 2),
        (65, 1, 2),
    ],
)
def test_the_number_of_chunks(seconds: float, workers: int, count: int) -> None:
    assert chunk_count(seconds, workers, SETTINGS) == count


def test_a_parallel_job_gets_two_chunks_however_many_workers() -> None:
    assert plan("parallel", 2.0, 4, SETTINGS) == ("parallel", 2)
    assert plan("parallel", 2.0, 1, SETTINGS) == ("parallel", 1)


@pytest.mark.parametrize(
    ("mode", "seconds", "planned"),
    [
        ("auto", 9.99, ("sequential", 1)),
        ("auto", 10.0, ("parallel", 2)),
        ("sequential", 600.0, ("sequential", 1)),
        ("parallel", 6.0, ("parallel", 2)),
        ("parallel", 1.0, ("parallel", 1)),
    ],
)
def test_the_mode_decides_whether_a_job_is_cut(mode: str, seconds: float, planned: tuple[str, int]) -> None:
    assert plan(mode, seconds, 2, SETTINGS) == planned


@pytest.mark.parametrize("pause", [(8.9, 9.3), (10.6, 11.3)])
def test_a_cut_moves_into_the_nearest_pause(pause: tuple[float, float]) -> None:
    edges = chunk_edges(speech(20, [pause]), 500, 25, 2, SETTINGS)
    assert pause[0] <= edges[0][1] / 25 <= pause[1]


def test_of_several_pauses_the_nearest_is_used() -> None:
    edges = chunk_edges(speech(20, [(8.8, 9.1), (10.2, 10.5), (11.0, 11.3)]), 500, 25, 2, SETTINGS)
    assert 10.2 <= edges[0][1] / 25 <= 10.5


def test_a_pause_too_far_away_is_not_used() -> None:
    assert chunk_edges(speech(20, [(7, 8)]), 500, 25, 2, SETTINGS) == [(0, 250), (250, 500)]


def test_chunks_are_about_equally_long() -> None:
    settings = SplitSettings(prefer_pauses=False)
    assert chunk_edges(speech(30, []), 750, 25, 3, settings) == [(0, 250), (250, 500), (500, 750)]


@pytest.mark.parametrize(
    ("pause", "target", "found"),
    [
        ((0.5, 0.9), 0.7, [(0.5, 0.9)]),
        ((20.0, 20.4), 20.0, [(20.0, 20.4)]),
        ((20.003, 20.4), 20.0, [(20.01, 20.4)]),  # in steps of 10 ms
        ((20.0, 20.12), 20.0, [(20.0, 20.12)]),
        ((20.0, 20.11), 20.0, []),
        ((18.1, 18.7), 20.0, [(18.5, 18.7)]),
        ((21.39, 21.9), 20.0, []),
        ((25.0, 26.0), 20.0, []),
    ],
)
def test_pauses_of_120_ms_are_found_within_a_second_and_a_half(
    pause: tuple[float, float], target: float, found: list[tuple[float, float]]
) -> None:
    sound = audio_segment(speech(30, [pause]), PCM_RATE_HZ)
    assert pauses(sound, target - PAUSE_SEARCH_SECONDS, target + PAUSE_SEARCH_SECONDS) == found


def test_pauses_can_be_ignored() -> None:
    settings = SplitSettings(prefer_pauses=False)
    assert chunk_edges(speech(20, [(8.9, 9.3)]), 500, 25, 2, settings) == [(0, 250), (250, 500)]


def test_silence_is_cut_too() -> None:
    edges = chunk_edges(np.zeros(20 * PCM_RATE_HZ, np.int16), 500, 25, 2, SETTINGS)
    assert len(edges) == 2


@given(st.floats(0.04, 90), st.sampled_from([24, 25, 30, 50, 60]), st.integers(1, 8))
def test_chunks_cover_all_frames_once_and_start_in_phase(seconds: float, fps: int, count: int) -> None:
    frames = max(1, round(seconds * fps))
    edges = chunk_edges(speech(seconds, []), frames, fps, count, SplitSettings(prefer_pauses=False))
    assert edges[0][0] == 0
    assert edges[-1][1] == frames
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all(start < stop and start % 5 == 0 for start, stop in edges)
    assert len(edges) <= count


@given(st.lists(st.floats(1.0, 2.5), min_size=2, max_size=20), st.sampled_from([24, 25, 30, 50, 60]))
@settings(max_examples=30)
def test_a_recording_is_cut_early_and_then_in_its_pauses_about_every_four_seconds(gaps: list[float], fps: int) -> None:
    """Given pauses of 0.3 s that start 1 to 2.5 s apart."""
    starts = np.cumsum(gaps)
    pauses = [(float(start), float(start) + 0.3) for start in starts]
    frames = round((starts[-1] + 1) * fps)
    edges = stream_edges(speech(frames / fps, pauses), frames, fps, SETTINGS)
    assert (edges[0][0], edges[-1][1]) == (0, frames)
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    cuts = [start for start, _ in edges[1:]]
    assert all(cut % 5 == 0 for cut in cuts)
    for cut, seconds in zip(cuts, EARLY_CUTS_SECONDS, strict=False):
        if seconds + 0.7 < frames / fps:  # one near the end comes earlier
            assert cut / fps == pytest.approx(seconds, abs=0.11)
    for index, cut in enumerate(cuts[len(EARLY_CUTS_SECONDS) :], 1):
        assert any(start <= cut / fps <= stop for start, stop in pauses)
        assert abs(cut / fps - EARLY_CUTS_SECONDS[-1] - 4.0 * index) < 1.5
    assert (edges[-1][1] - edges[-1][0]) / fps < 4.0 + 2.0 + 1.5
    assert frames / fps < 1.6 or (edges[-1][1] - edges[-1][0]) / fps >= 0.5


def test_a_recording_without_pauses_is_cut_every_four_seconds() -> None:
    edges = stream_edges(speech(28, []), 700, 25, SETTINGS)
    assert [round(stop / 25, 1) for _, stop in edges] == [
        0.6,
        1.2,
        2.0,
        3.0,
        4.2,
        6.0,
        8.4,
        12.0,
        17.0,
        21.0,
        25.0,
        28.0,
    ]


@given(st.integers(0, 400), st.integers(13, 400), st.sampled_from([24, 25, 30, 50, 60]))
def test_the_beginning_of_a_stream_is_cut_wherever_its_texts_end(start: int, length: int, fps: int) -> None:
    edges = early_edges(start, start + length, fps)
    assert (edges[0][0], edges[-1][1]) == (start, start + length)
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all((cut - start) % 5 == 0 for cut, _ in edges)
    if len(edges) > 1:
        assert min(stop - since for since, stop in edges) >= fps / 2
    early = [(since / fps, stop / fps) for since, stop in edges if stop <= 8 * fps]
    assert all(stop <= 2 * max(1, since + 0.5) + 0.7 for since, stop in early)
    assert cuts_after(start, fps) >= len(edges) - 1 + cuts_after(start + length, fps)


@given(st.integers(0, 400), st.integers(13, 2000), st.sampled_from([24, 25, 30, 50, 60]))
def test_pieces_for_slow_workers_are_short_equal_parts_of_the_others(start: int, length: int, fps: int) -> None:
    edges = early_edges(start, start + length, fps)
    parts = shortened(edges, fps)
    starts = {since for since, _ in edges}
    assert (parts[0][0], parts[-1][1]) == (start, start + length)
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all((since - start) % BATCH_FRAMES == 0 for since, _ in parts if since not in starts)
    for since, stop in edges:
        of_it = [until - first for first, until in parts if since <= first < stop]
        assert sum(of_it) == stop - since
        assert len(of_it) <= PARTS_MAX
        assert max(of_it) <= max(SLOW_SECONDS_MAX * fps, (stop - since) / PARTS_MAX) + BATCH_FRAMES
        if len(of_it) > 1:
            assert max(of_it) - min(of_it) <= 2 * BATCH_FRAMES
            assert min(of_it) >= PIECE_SECONDS_MIN * fps


def test_pieces_for_slow_workers_end_with_the_batches_of_wav2lip() -> None:
    assert DEVICE_BATCH_FRAMES["cpu"] == BATCH_FRAMES


def test_the_beginning_of_a_stream_is_the_same_for_slow_workers() -> None:
    edges = stream_edges(speech(28, []), 700, 25, SETTINGS)
    parts = shortened(edges, 25)
    assert parts[:5] == edges[:5]
    assert [stop for _, stop in parts[4:12]] == [105, 128, 150, 176, 210, 240, 272, 300]
