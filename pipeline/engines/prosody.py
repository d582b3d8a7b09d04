"""Stress, phrases and questions of speech, which head, brows, eyes and breath follow."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.loudness import bounded, emphasis, relative_loudness, silences
from pipeline.engines.mel import COLUMNS_PER_SECOND
from pipeline.engines.pitch import rises

PAUSE_SECONDS = 0.25
"""Phrases are separated by pauses of at least this length."""


def prosody(speech: SpeechFeatures) -> Prosody:
    """The prosody of speech; if that is broken off, of the whole, since earlier frames have followed it."""
    planned = speech.planned or speech
    loudness = relative_loudness(bounded(planned.mel))
    phrases = [] if loudness is None else list(_phrases(silences(loudness), len(loudness)))
    questions = planned.questions
    if questions is None:
        questions = [stop for start, stop in phrases if rises(planned.samples, start, stop)]
    return Prosody(
        loudness=emphasis(loudness, planned.frames, planned.fps),
        fps=planned.fps,
        phrases=phrases,
        questions=questions,
        first_frame=planned.first_frame,
        hush_frame=speech.hush_frame,
    )


def _phrases(pauses: list[tuple[int, int]], columns: int) -> Iterator[tuple[float, float]]:
    """Start and end of each phrase in seconds, from the pauses between sounds in columns."""
    long = [(start, stop) for start, stop in pauses if stop - start >= PAUSE_SECONDS * COLUMNS_PER_SECOND]
    edges = [0, *(edge for pause in long for edge in pause), columns]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop > start:
            yield start / COLUMNS_PER_SECOND, stop / COLUMNS_PER_SECOND
