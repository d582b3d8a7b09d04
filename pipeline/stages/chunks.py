"""Cutting a job into chunks: how many, and at which frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydub import AudioSegment
from pydub.silence import detect_silence

from pipeline.config import SplitSettings
from pipeline.messages import PCM_RATE_HZ
from pipeline.stages.early_pieces import CUTS_SECONDS, FRAME_STEP, PIECE_SECONDS_MIN, STREAM_SECONDS, early_edges

PAUSE_SEARCH_SECONDS = 1.5
"""Maximum distance that a cut is moved to reach a pause; less than half of any piece that is cut so."""

PAUSE_MIN_MS = 120
PAUSE_STEP_MS = 10
PAUSE_BELOW_SPEECH_DB = 20
"""A pause is at least this much quieter than the job's speech as a whole."""

PARALLEL_MIN_SECONDS = 2.0
"""Shorter audio is not split, even if a job asks for parallel mode."""


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

    No chunk is much longer than twice the configured length: other jobs wait while a worker renders a chunk, and a
    worker that dies loses one.
    """
    if seconds < settings.sequential_below_seconds:
        return 1
    if seconds < 2 * settings.chunk_seconds:
        return min(2, workers)
    wanted = min(int(seconds / settings.chunk_seconds), 2 * workers)
    return max(wanted, round(seconds / (2 * settings.chunk_seconds)))


def chunk_edges(
    pcm: NDArray[np.int16], frames: int, fps: int, count: int, settings: SplitSettings
) -> list[tuple[int, int]]:
    """The frame ranges [start, stop) of `count` chunks of about equal length that cover all `frames`.

    Returns fewer if the audio is too short.
    """
    return _edges(pcm, frames, fps, [round(frames * k / count) for k in range(1, count)], settings)


def stream_edges(pcm: NDArray[np.int16], frames: int, fps: int, settings: SplitSettings) -> list[tuple[int, int]]:
    """The frame ranges [start, stop) of the pieces of a streamed recording, which cover all `frames`."""
    early = early_edges(0, frames, fps)
    last_seconds = frames / fps - PAUSE_SEARCH_SECONDS - PIECE_SECONDS_MIN
    wanted = np.arange(CUTS_SECONDS[-1] + STREAM_SECONDS, last_seconds, STREAM_SECONDS)
    later = _edges(pcm, frames, fps, [round(seconds * fps) for seconds in wanted.tolist()], settings)
    return [*early[:-1], (early[-1][0], later[0][1]), *later[1:]]


def _edges(
    pcm: NDArray[np.int16], frames: int, fps: int, wanted: list[int], settings: SplitSettings
) -> list[tuple[int, int]]:
    """The frame ranges between cuts near the wanted frames."""
    speech = audio_segment(pcm, PCM_RATE_HZ)
    cuts = [_cut(speech, frame, fps, settings) for frame in wanted]
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < frames), frames})
    return list(pairwise(edges))


def _cut(speech: AudioSegment, wanted: int, fps: int, settings: SplitSettings) -> int:
    """The frame to cut at: a multiple of `FRAME_STEP`, in the nearest pause if there is one nearby."""
    target = wanted / fps
    if settings.prefer_pauses:
        nearby = pauses(speech, target - PAUSE_SEARCH_SECONDS, target + PAUSE_SEARCH_SECONDS)
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
