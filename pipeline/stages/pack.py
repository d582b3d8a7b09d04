"""Pack: a piece of a stream becomes playable, picture and sound, without being encoded again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.files import replace_file
from pipeline.media import aac, fragments, pcm
from pipeline.media.encoder import TIMESCALE_HZ
from pipeline.media.fragments import AUDIO_TRACK, KEYFRAME_FLAGS, VIDEO_TRACK, Run, Sample
from pipeline.messages import Fragment, Pack, PackItem, Segment, Span

TAIL_SECONDS_MIN = 1.0
"""A piece's last fragment is no shorter, unless the whole piece is: then it is part of the one before."""


def pack(item: PackItem) -> Pack:
    """Write a piece's fragments and what a player needs before them. Raises StageError."""
    start, segment = time.monotonic(), item.segment
    fps = segment.timeline.fps
    video = _video(item)
    sound = _sound(item)
    folder = segment.path.parent
    written = []
    for number, (first, stop) in enumerate(_parts(video.samples, fps)):
        picture = Run(VIDEO_TRACK, (segment.start_frame + first) * (TIMESCALE_HZ // fps), video.samples[first:stop])
        until = None if stop == len(video.samples) else _samples(segment.start_frame + stop, fps)
        path = folder / f"{segment.index:03d}-{number}.m4s"
        replace_file(path, fragments.fragment(segment.start_frame + first + 1, picture, sound.taken(until)))
        written.append(Fragment(path, stop - first))
    init = folder / f"init-{segment.index:03d}.mp4"
    replace_file(init, fragments.init(video))
    sound_seconds = sound.start / pcm.TRACK_RATE_HZ
    return Pack(item.job, segment.index, init, tuple(written), sound_seconds, Span(start, time.monotonic()))


def join_tracks(segments: Sequence[Segment], target: Path) -> None:
    """Write the sound of all pieces as one WAV file, unless that is the file it comes from."""
    if any(segment.timeline.track != target for segment in segments):
        pcm.write_wav(target, np.concatenate([_track(segment) for segment in segments]), pcm.TRACK_RATE_HZ)


def _video(item: PackItem) -> fragments.Video:
    """The piece's frames; they must fit those of the piece before."""
    segment = item.segment
    ticks = TIMESCALE_HZ // segment.timeline.fps
    video = fragments.read_video(segment.path, ticks)
    if len(video.samples) != segment.stop_frame - segment.start_frame:
        raise StageError("segment", f"piece {segment.index} has {len(video.samples)} frames")
    if item.before is not None and fragments.read_video(item.before.path, ticks).parameters != video.parameters:
        raise StageError("segment", f"piece {segment.index} is encoded otherwise than the one before")
    return video


def _parts(samples: Sequence[Sample], fps: int) -> list[tuple[int, int]]:
    """Ranges of frames that each begin with a keyframe."""
    keyframes = [number for number, sample in enumerate(samples) if sample.flags == KEYFRAME_FLAGS]
    latest = len(samples) - round(TAIL_SECONDS_MIN * fps)
    return list(pairwise([0, *(number for number in keyframes if 0 < number <= latest), len(samples)]))


@dataclass
class _Sound:
    """A piece's frames of AAC, taken from the front."""

    frames: list[bytes]
    start: int
    """Of the first frame that is left, in samples of the job's sound."""
    end: int

    def taken(self, until: int | None) -> Run:
        """The frames that begin before a sample of the job's sound; None: all that are left."""
        end = self.end if until is None else min(-(-until // aac.FRAME_SAMPLES) * aac.FRAME_SAMPLES, self.end)
        count = -(-(end - self.start) // aac.FRAME_SAMPLES)
        run = Run(AUDIO_TRACK, self.start, fragments.sound_samples(self.frames[:count], self.start, end))
        self.frames, self.start = self.frames[count:], end
        return run


def _sound(item: PackItem) -> _Sound:
    """The sound from where the piece before left off to where what follows no longer matters."""
    segment, before = item.segment, item.before
    fps = segment.timeline.fps
    known = _samples(segment.stop_frame, fps)
    start = aac.part_end(_samples(segment.start_frame, fps), is_last=False)
    stop = aac.part_end(known, is_last=item.is_last)
    parts = [_track(segment)] if before is None else [_track(before), _track(segment)]
    samples = np.concatenate(parts)
    first = -(-(known - len(samples)) // aac.FRAME_SAMPLES) * aac.FRAME_SAMPLES
    frames = aac.encode_part(samples[first - known :], first, start, stop, segment.path.with_suffix(".sound"))
    return _Sound(frames, start, min(stop, known))


def _track(segment: Segment) -> NDArray[np.int16]:
    """The sound of one piece, at the track's rate."""
    timeline = segment.timeline
    offset = timeline.first_frame or 0
    start, stop = (_samples(frame - offset, timeline.fps) for frame in (segment.start_frame, segment.stop_frame))
    return pcm.read_wav(timeline.track)[start:stop]


def _samples(frame: int, fps: int) -> int:
    """Where a frame begins, in samples of the track: whole numbers at every frame rate."""
    return frame * pcm.TRACK_RATE_HZ // fps
