"""Stress, phrases and questions of speech, which head, brows, eyes and breath follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.loudness import bounded, emphasis, relative_loudness, silences
from pipeline.engines.mel import COLUMNS_PER_SECOND
from pipeline.engines.pitch import rises
from pipeline.media import pcm

PAUSE_SECONDS = 0.25
"""Phrases are separated by pauses of at least this length."""


def prosody(speech: SpeechFeatures) -> Prosody:
    """The prosody of speech; if that is broken off, of the whole, since earlier frames have followed it."""
    planned = speech.planned or speech
    loudness = relative_loudness(bounded(planned.mel))
    phrases = [] if loudness is None else list(_phrases(silences(loudness), len(loudness)))
    questions = planned.questions
    if questions is None:
        questions = [] if planned.wav is None else _asked(planned.wav, planned.wav.stat().st_mtime_ns, tuple(phrases))
    return Prosody(
        loudness=emphasis(loudness, planned.frames, planned.fps),
        fps=planned.fps,
        phrases=phrases,
        questions=questions,
        first_frame=planned.first_frame,
        hush_frame=speech.hush_frame,
    )


@lru_cache(maxsize=2)  # for the many chunks of a recording
def _asked(wav: Path, changed_ns: int, phrases: Sequence[tuple[float, float]]) -> list[float]:
    """The ends of the phrases that are questions by their pitch. `changed_ns`: when the file was written."""
    samples = pcm.map_wav(wav)
    return [stop for start, stop in phrases if rises(samples, start, stop)]


def _phrases(pauses: list[tuple[int, int]], columns: int) -> Iterator[tuple[float, float]]:
    """Start and end of each phrase in seconds, from the pauses between sounds in columns."""
    long = [(start, stop) for start, stop in pauses if stop - start >= PAUSE_SECONDS * COLUMNS_PER_SECOND]
    edges = [0, *(edge for pause in long for edge in pause), columns]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop > start:
            yield start / COLUMNS_PER_SECOND, stop / COLUMNS_PER_SECOND
