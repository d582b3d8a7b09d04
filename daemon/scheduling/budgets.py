"""Time budgets: how long an item may run before its worker counts as hung. Generous, and proportional to the work.

Pure computations, made once per item when it enters the backlog.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Config
from pipeline.media.pcm import CONVERT_TIMEOUT_SECONDS
from pipeline.messages import AlignItem, Chunk, JoinItem, MergeItem, PackItem, SoundItem, Speech, SplitItem, TtsItem
from pipeline.speech import sentences

BASE_SECONDS = 120.0
"""For loading, starting programs and a busy machine."""
BACKGROUND_SECONDS, CUTTING_SPEED = 900.0, 120.0
"""For making a background fit; and for cutting a person out of a second of video."""
CLIP_SECONDS = 900.0
"""For making an intro or an outro fit."""


@dataclass(frozen=True)
class Allowances:
    """The limits that a job's budgets depend on, besides its items."""

    sentence_seconds: float = 0.0
    """Time limit per sentence of the user's own TTS service or program; 0 when neither is configured."""
    recording_seconds: float = 0.0
    """Longest recording that is accepted."""
    avatar_seconds: float = 0.0
    """Longest avatar video that is accepted; 0 when the job's avatar is a picture."""


def allowances(config: Config, *, avatar_is_video: bool) -> Allowances:
    """The allowances of a job. Does not read the avatar's folder, which would be slow."""
    limits = config.limits
    return Allowances(
        sentence_seconds=config.tts.sentence_seconds,
        recording_seconds=limits.audio_seconds,
        avatar_seconds=limits.avatar_seconds if avatar_is_video else 0.0,
    )


def tts_seconds(item: TtsItem, allowed: Allowances) -> float:
    """Budget for speaking a text; a slow service or program gets its own limit for every sentence."""
    seconds = BASE_SECONDS + 0.2 * len(item.text)
    if allowed.sentence_seconds:
        seconds += allowed.sentence_seconds * len(sentences.sentences(item.text, item.language))
    return seconds


def align_seconds(item: AlignItem, allowed: Allowances) -> float:
    """Budget for converting a recording, speaking its text, and finding it there."""
    return BASE_SECONDS + CONVERT_TIMEOUT_SECONDS + allowed.recording_seconds + 0.2 * len(item.text)


def split_seconds(item: SplitItem, allowed: Allowances) -> float:
    """Budget for converting the speech and, with a new avatar video, tracking the face frame by frame."""
    tracking = 600 + 10 * allowed.avatar_seconds if allowed.avatar_seconds else 0
    cutting = 0.0 if item.background is None else BACKGROUND_SECONDS + CUTTING_SPEED * allowed.avatar_seconds
    prepared = tracking + cutting + CLIP_SECONDS * len(item.clips)
    return BASE_SECONDS + _conversion_seconds(item.speech, allowed) + prepared


def _conversion_seconds(speech: Speech, allowed: Allowances) -> float:
    """Length and decoding speed of an untrusted recording are unknown until it has been converted."""
    if speech.voice is not None and speech.sentences:
        return 0.2 * speech.sentences[-1].end_seconds
    return CONVERT_TIMEOUT_SECONDS + 0.2 * allowed.recording_seconds


def chunk_seconds(item: Chunk, _: Allowances) -> float:
    """Budget for rendering a chunk."""
    return BASE_SECONDS + 40 * (item.stop_frame - item.start_frame) / item.timeline.fps


def pack_seconds(item: PackItem, _: Allowances) -> float:
    """Budget for packing a piece."""
    return BASE_SECONDS + item.segment.timeline.seconds


def sound_seconds(item: SoundItem, _: Allowances) -> float:
    """Budget for encoding the soundtrack."""
    return BASE_SECONDS + item.seconds


def merge_seconds(item: MergeItem, _: Allowances) -> float:
    """Budget for merging a job."""
    return BASE_SECONDS + item.timeline.seconds + CLIP_SECONDS * len(item.clips)


def join_seconds(item: JoinItem, _: Allowances) -> float:
    """Budget for joining the fragments of an open stream."""
    return BASE_SECONDS + item.frames / item.fps
