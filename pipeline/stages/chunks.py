"""Cutting a job into chunks: how many, and at which frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydub import AudioSegment
from pydub.silence import detect_silence

from pipeline.config import SplitSettings
from pipeline.messages import PCM_RATE_HZ, Load
from pipeline.stages.early_pieces import CUTS_SECONDS, FRAME_STEP, PIECE_SECONDS_MIN, STREAM_SECONDS, early_edges

PAUSE_SEARCH_SECONDS = 1.5
"""Maximum distance that a cut is moved to reach a pause; at most half of what is before or after it."""

PAUSE_MIN_MS = 120
PAUSE_STEP_MS = 10
PAUSE_BELOW_SPEECH_DB = 20
"""A pause is at least this much quieter than the job's speech as a whole."""

PARALLEL_MIN_SECONDS = 2.0
"""Shorter audio is not split, even if a job asks for parallel mode."""

SHARE_SECONDS_MIN = 2.0
"""About the shortest chunk that is cut off so that all workers end together: less would not be worth its overhead."""
LAST_SHARE = 1.5
"""If a worker may get less than this many times a usual chunk, it gets all of that as its last one."""


class Part(NamedTuple):
    """The frames [start, stop) for one of the workers that a job is planned for."""

    start: int
    stop: int
    lane: int
    """Index of the worker."""


def plan(mode: str, seconds: float, workers: int, settings: SplitSettings) -> tuple[str, int]:
    """Resolve `auto` to sequential or parallel, and choose the number of chunks."""
    if mode == "auto":
        mode = "sequential" if seconds < settings.sequential_below_seconds else "parallel"
    if mode == "sequential":
        return mode, 1
    least = min(2, workers) if seconds >= PARALLEL_MIN_SECONDS else 1
    return mode, max(least, chunk_count(seconds, workers, settings))


def chunk_count(seconds: float, workers: int, settings: SplitSettings) -> int:
    """Choose the number of chunks: enough to keep the workers busy, each long enough to be worth its overhead.

    If there are more chunks than workers, each worker gets the same number. No chunk is much longer than twice the
    configured length: other jobs wait while a worker renders a chunk, and a worker that dies loses one.
    """
    if seconds < settings.sequential_below_seconds:
        return 1
    if seconds < 2 * settings.chunk_seconds:
        return min(2, workers)
    wanted = min(int(seconds / settings.chunk_seconds), 2 * workers)
    wanted = max(wanted, round(seconds / (2 * settings.chunk_seconds)))
    return wanted if wanted < workers else ceil(wanted / workers - 0.5) * workers


def chunk_parts(
    pcm: NDArray[np.int16],
    frames: int,
    fps: int,
    count: int,
    *,
    load: Load,
    models: Sequence[str],
    settings: SplitSettings,
) -> list[Part]:
    """Cut `frames` into about `count` chunks of equal length, and more if that lets all workers end together.

    `models`: of each worker. The models alternate while workers of both have something to do.
    """
    speech, least = audio_segment(pcm, PCM_RATE_HZ), min(SHARE_SECONDS_MIN * fps, frames / count / 2)
    loads, lane, start, parts = list(load.frames), load.last, 0, list[Part]()
    level = inf if load.share is None else max(*loads, (sum(loads) + frames) / load.share / len(loads))
    while start < frames:
        lane = _next_lane(loads, level - least, lane, models)
        left = frames - start
        usual, room = left / max(1, round(left * count / frames)), max(level - loads[lane], least)
        length = room if room < LAST_SHARE * usual else usual
        stop = frames
        if left - length >= least:
            near_seconds = min(PAUSE_SEARCH_SECONDS, length / fps / 2, (left - length) / fps / 2)
            cut = _cut(speech, start + length, fps, near_seconds, settings)
            stop = cut if start < cut < frames else frames
        parts.append(Part(start, stop, lane))
        loads[lane] += stop - start
        start = stop
    return parts


def _next_lane(loads: Sequence[int], load_max: float, last: int, models: Sequence[str]) -> int:
    """The worker for the next chunk: the one with the least of those that may get more and whose model is next."""
    free = [lane for lane, load in enumerate(loads) if load <= load_max]
    if not free:
        return min(range(len(loads)), key=lambda lane: loads[lane])
    turns = [*models[last + 1 :], *models[: last + 1]]
    return min(free, key=lambda lane: (turns.index(models[lane]), loads[lane]))


def stream_edges(pcm: NDArray[np.int16], frames: int, fps: int, settings: SplitSettings) -> list[tuple[int, int]]:
    """The frame ranges [start, stop) of the pieces of a streamed recording, which cover all `frames`."""
    early = early_edges(0, frames, fps)
    last_seconds = frames / fps - PAUSE_SEARCH_SECONDS - PIECE_SECONDS_MIN
    wanted = np.arange(CUTS_SECONDS[-1] + STREAM_SECONDS, last_seconds, STREAM_SECONDS)
    speech = audio_segment(pcm, PCM_RATE_HZ)
    cuts = [_cut(speech, round(seconds * fps), fps, PAUSE_SEARCH_SECONDS, settings) for seconds in wanted.tolist()]
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < frames), frames})
    later = list(pairwise(edges))
    return [*early[:-1], (early[-1][0], later[0][1]), *later[1:]]


def _cut(speech: AudioSegment, wanted: float, fps: int, near_seconds: float, settings: SplitSettings) -> int:
    """The frame to cut at: a multiple of `FRAME_STEP`, in the nearest pause if there is one nearby."""
    target = wanted / fps
    if settings.prefer_pauses:
        nearby = pauses(speech, target - near_seconds, target + near_seconds)
        middles = [(start + stop) / 2 for start, stop in nearby]
        target = min(middles, key=lambda middle: abs(middle - target), default=target)
    return round(target * fps / FRAME_STEP) * FRAME_STEP


def audio_segment(pcm: NDArray[np.int16], rate_hz: int) -> AudioSegment:
    """Mono samples as pydub takes them."""
    return AudioSegment(pcm.tobytes(), frame_rate=rate_hz, sample_width=2, channels=1)


def pauses(speech: AudioSegment, start_seconds: float, stop_seconds: float) -> Sequence[tuple[float, float]]:
    """The pauses between two points in time, as start and end in seconds. They are quiet beside the whole speech."""
    start_ms, stop_ms = max(0, round(1000 * start_seconds)), round(1000 * stop_seconds)
    found = detect_silence(speech[start_ms:stop_ms], PAUSE_MIN_MS, speech.dBFS - PAUSE_BELOW_SPEECH_DB, PAUSE_STEP_MS)
    return [((start_ms + start) / 1000, (start_ms + stop) / 1000) for start, stop in found]
