"""How a job is cut into chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.config import SplitSettings
from pipeline.engines.wav2lip.engine import DEVICE_BATCH_FRAMES
from pipeline.messages import PCM_RATE_HZ, Load
from pipeline.stages.chunks import (
    PAUSE_SEARCH_SECONDS,
    SHARE_SECONDS_MIN,
    Part,
    audio_segment,
    chunk_count,
    chunk_parts,
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
ANYWHERE = SplitSettings(prefer_pauses=False)
EARLY_CUTS_SECONDS = (0.6, 1.2, 2, 3, 4.2, 6, 8.5, 12, 17)


def speech(seconds: float, pauses: list[tuple[float, float]]) -> NDArray[np.int16]:
    """A loud tone with silences."""
    samples: NDArray[np.int16] = (8000 * np.sin(np.arange(round(seconds * PCM_RATE_HZ)) * 0.2)).astype(np.int16)
    for start, stop in pauses:
        samples[round(start * PCM_RATE_HZ) : round(stop * PCM_RATE_HZ)] = 0
    return samples


def parts(
    seconds: float,
    count: int,
    models: Sequence[str] = ("gan", "nogan"),
    *,
    pauses: list[tuple[float, float]] | None = None,
    fps: int = 25,
    load: Load | None = None,
    settings: SplitSettings = ANYWHERE,
) -> list[Part]:
    """How so much speech is cut for workers with these models; by default they have got nothing yet."""
    frames = max(1, round(seconds * fps))
    load = load or Load((0,) * len(models), last=-1, share=1.0)
    return chunk_parts(speech(seconds, pauses or []), frames, fps, count, load=load, models=models, settings=settings)


def lengths(cut: Sequence[Part]) -> list[float]:
    """In seconds, at 25 frames a second."""
    return [(part.stop - part.start) / 25 for part in cut]


def shares(cut: Sequence[Part], load: Sequence[int]) -> list[int]:
    """The frames that each worker has got in the end."""
    return [had + sum(part.stop - part.start for part in cut if part.lane == lane) for lane, had in enumerate(load)]


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
        (45, 2, 2),
        (60, 2, 4),
        (75, 3, 6),
        (75, 4, 4),
        (75, 16, 5),
        (120, 2, 4),
        (600, 2, 20),
        (630, 2, 20),
        (660, 2, 22),
        (600, 16, 32),
        (20, 4, 2),
        (30.5, 1, 2),
        (65, 1, 2),
        (100, 1, 3),
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
    assert pause[0] <= parts(20, 2, pauses=[pause], settings=SETTINGS)[0].stop / 25 <= pause[1]


def test_of_several_pauses_the_nearest_is_used() -> None:
    cut = parts(20, 2, pauses=[(8.8, 9.1), (10.2, 10.5), (11.0, 11.3)], settings=SETTINGS)
    assert 10.2 <= cut[0].stop / 25 <= 10.5


def test_a_pause_too_far_away_is_not_used() -> None:
    assert parts(20, 2, pauses=[(7, 8)], settings=SETTINGS) == [(0, 250, 0), (250, 500, 1)]


def test_chunks_are_about_equally_long() -> None:
    assert parts(30, 3, ("gan",)) == [(0, 250, 0), (250, 500, 0), (500, 750, 0)]


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
    assert parts(20, 2, pauses=[(8.9, 9.3)]) == [(0, 250, 0), (250, 500, 1)]


def test_silence_is_cut_too() -> None:
    assert len(parts(20, 2, pauses=[(0, 20)], settings=SETTINGS)) == 2


@pytest.mark.parametrize("models", [("gan", "nogan"), ("gan", "gan"), ("gan", "nogan", "gan", "nogan")])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_workers_take_turns_and_get_equal_shares(models: Sequence[str], rounds: int) -> None:
    cut = parts(12 * rounds * len(models), rounds * len(models), models)
    assert [part.lane for part in cut] == list(range(len(models))) * rounds
    assert set(lengths(cut)) == {12}


def test_the_last_cuts_make_up_for_those_that_moved_into_pauses() -> None:
    cut = parts(60, 4, pauses=[(15.9, 16.3), (31.0, 31.4), (45.0, 46.5)], settings=SETTINGS)
    assert lengths(cut) == [16.2, 15.0, 14.6, 14.2]
    assert shares(cut, (0, 0)) == [770, 730]


@pytest.mark.parametrize(
    ("seconds", "load", "found"),
    [
        (14, Load((700, 600), 1, 1.0), [(0, 125, 0), (125, 350, 1)]),  # the last text of an odd number
        (14, Load((700, 350), 0, 1.0), [(0, 350, 1)]),
        (14, Load((600, 350), 0, 1.0), [(0, 300, 1), (300, 350, 0)]),
        (14, Load((640, 350), 0, 1.0), [(0, 350, 1)]),  # too little for a chunk is left
        (14, Load((250, 700), 1, 1.0), [(0, 350, 0)]),
        (14, Load((700, 250), 1, 1.0), [(0, 350, 1)]),  # the turn of one that has more already
        (14, Load((350, 350), 1, 0.5), [(0, 350, 0)]),
        (14, Load((350, 350), 1, None), [(0, 350, 0)]),
        (14, Load((0, 0), -1, 0.5), [(0, 350, 0)]),
        (18, Load((0, 0), -1, 0.6), [(0, 375, 0), (375, 450, 1)]),  # the second one of two is shorter
        (4, Load((350, 350), 1, 1.0), [(0, 50, 0), (50, 100, 1)]),
        (3, Load((350, 350), 1, 1.0), [(0, 40, 0), (40, 75, 1)]),
        (14, Load((350, 350, 350, 350), 3, 1.0), [(0, 90, 0), (90, 180, 1), (180, 270, 2), (270, 350, 3)]),
        (14, Load((350, 0, 0, 0), 0, 1.0), [(0, 350, 1)]),
    ],
)
def test_a_text_is_cut_where_a_worker_would_get_more_than_its_share(
    seconds: float, load: Load, found: list[tuple[int, int, int]]
) -> None:
    assert parts(seconds, 1, ("gan", "nogan") * (len(load.frames) // 2), load=load) == found


def test_with_one_model_whoever_has_the_least_is_next() -> None:
    """Any worker takes any chunk, and that one is free first."""
    assert parts(14, 1, ("gan", "gan"), load=Load((700, 600), 1, 1.0)) == [(0, 225, 1), (225, 350, 0)]


SPEECHES = st.lists(st.floats(0.5, 40), min_size=1, max_size=12)
MODELS = st.lists(st.sampled_from(["gan", "nogan"]), min_size=1, max_size=6)


@given(SPEECHES, MODELS, st.sampled_from([24, 25, 30, 50, 60]))
def test_all_workers_end_together_however_long_the_texts_are(seconds: list[float], models: list[str], fps: int) -> None:
    """One model for each worker: any gets a share of the last text unless it has more than that already."""
    models = models[: len(seconds)]
    lengths = [max(1, round(length * fps)) for length in seconds]
    load, before = Load((0,) * len(models), -1, 0.0), 0
    for index, frames in enumerate(lengths):
        load = replace(load, share=sum(lengths[: index + 1]) / sum(lengths))
        before = max(load.frames)
        cut = parts(frames / fps, 1, models, fps=fps, load=load)
        assert [(part.start, part.stop) for part in cut] == list(pairwise([0, *(part.stop for part in cut)]))
        assert cut[-1].stop == frames
        assert len(cut) <= len(models) + 1
        assert all(part.start % 5 == 0 for part in cut)
        assert min(part.stop - part.start for part in cut) >= min(SHARE_SECONDS_MIN * fps, frames / 2) - 5
        load = Load(tuple(shares(cut, load.frames)), cut[-1].lane, None)
    fair = max(before, sum(lengths) / len(models))
    assert max(load.frames) <= fair + SHARE_SECONDS_MIN * fps + 5


@given(st.floats(0.04, 90), st.sampled_from([24, 25, 30, 50, 60]), st.integers(1, 8), st.integers(1, 4))
def test_chunks_cover_all_frames_once_and_start_in_phase(seconds: float, fps: int, count: int, workers: int) -> None:
    cut = parts(seconds, count, ("gan",) * min(workers, count), fps=fps)
    edges = [(part.start, part.stop) for part in cut]
    assert edges[0][0] == 0
    assert edges[-1][1] == max(1, round(seconds * fps))
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all(start < stop and start % 5 == 0 for start, stop in edges)
    assert len(edges) <= count + workers


@given(st.floats(2, 400), st.integers(1, 8), st.booleans())
@settings(max_examples=50)
def test_workers_get_equal_shares_of_a_recording(seconds: float, workers: int, alternate: bool) -> None:
    _, count = plan("parallel", seconds, workers, SETTINGS)
    models = (["gan", "nogan"] * workers if alternate else ["gan"] * workers)[: min(count, workers)]
    got = shares(parts(seconds, count, models), [0] * len(models))
    assert max(got) - min(got) <= 5 * len(models)
    # Two workers get two chunks each of what would be 5.5 chunks of twice the usual length.
    assert max(lengths(parts(seconds, count, models))) <= 5.5 / 4 * 2 * SETTINGS.chunk_seconds + 0.2


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
