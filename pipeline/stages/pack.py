"""Pack: turn a piece of a stream into playable fragments of video and audio, without re-encoding the video."""

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
from pipeline.messages import Chunk, Fragment, Pack, PackItem, Segment, Span
from pipeline.provenance import embedding

TAIL_SECONDS_MIN = 1.0
"""Minimum length of the last fragment of a piece; a shorter tail is added to the fragment before it."""

HUSH_SECONDS = 0.04
"""How quickly speech that is broken off fades out."""


def pack(item: PackItem, encoder: aac.Encoder) -> Pack:
    """Write the fragments of a piece and their init segment. Raises StageError."""
    start, segment = time.monotonic(), item.segment
    fps = segment.timeline.fps
    video = _video(item)
    sound = _sound(item, encoder)
    folder = segment.path.parent
    written = []
    for number, (first, stop) in enumerate(_parts(video.samples, fps)):
        picture = Run(VIDEO_TRACK, (segment.start_frame + first) * (TIMESCALE_HZ // fps), video.samples[first:stop])
        until = _samples(segment.start_frame + stop, fps)
        path = folder / f"{segment.index:03d}-{number}.m4s"
        media = fragments.fragment(segment.start_frame + first + 1, picture, sound.taken(until))
        replace_file(path, media if item.mark is None else embedding.marked_fragment(media, item.mark))
        written.append(Fragment(path, stop - first))
    init = folder / f"init-{segment.index:03d}.mp4"
    beginning = fragments.init(video)
    replace_file(init, beginning if item.mark is None else embedding.marked_init(beginning, item.mark))
    sound_seconds = sound.start / pcm.TRACK_RATE_HZ
    return Pack(item.job, segment.index, init, tuple(written), sound_seconds, Span(start, time.monotonic()))


def join_tracks(parts: Sequence[Segment | Chunk], target: Path) -> None:
    """Write the audio of all chunks or pieces to one WAV file, unless they already share that file."""
    if any(part.timeline.track != target for part in parts):
        with pcm.open_wav(target, pcm.TRACK_RATE_HZ) as file:
            for part in parts:
                file.writeframes(_track(part).tobytes())


def _video(item: PackItem) -> fragments.Video:
    """Read the frames of the piece; codec parameters must match those of the previous piece."""
    segment = item.segment
    ticks = TIMESCALE_HZ // segment.timeline.fps
    video = fragments.read_video(segment.path, ticks)
    if len(video.samples) != segment.stop_frame - segment.start_frame:
        raise StageError("segment", f"piece {segment.index} has {len(video.samples)} frames")
    if item.before is not None and fragments.read_video(item.before.path, ticks).parameters != video.parameters:
        raise StageError("segment", f"piece {segment.index}: codec parameters differ from the previous piece")
    return video


def _parts(samples: Sequence[Sample], fps: int) -> list[tuple[int, int]]:
    """The frame ranges of the fragments, each starting with a keyframe."""
    keyframes = [number for number, sample in enumerate(samples) if sample.flags == KEYFRAME_FLAGS]
    latest = len(samples) - round(TAIL_SECONDS_MIN * fps)
    return list(pairwise([0, *(number for number in keyframes if 0 < number <= latest), len(samples)]))


@dataclass
class _Sound:
    """The AAC frames of a piece, consumed from the front."""

    frames: list[bytes]
    start: int
    """Start of the first remaining frame, in samples of the job's audio."""
    end: int

    def taken(self, until: int) -> Run:
        """Take the frames that start before a sample of the job's audio."""
        end = min(-(-until // aac.FRAME_SAMPLES) * aac.FRAME_SAMPLES, self.end)
        count = -(-(end - self.start) // aac.FRAME_SAMPLES)
        run = Run(AUDIO_TRACK, self.start, fragments.sound_samples(self.frames[:count], self.start, end))
        self.frames, self.start = self.frames[count:], end
        return run


def _sound(item: PackItem, encoder: aac.Encoder) -> _Sound:
    """Encode the audio from the end of the previous piece up to where the following audio no longer affects it."""
    segment, before = item.segment, item.before
    fps = segment.timeline.fps
    known = _samples(segment.stop_frame, fps)
    start = aac.part_end(_samples(segment.start_frame, fps), is_last=False)
    stop = aac.part_end(known, is_last=item.is_last)
    parts = [_track(segment)] if before is None else [_track(before), _track(segment)]
    samples = np.concatenate(parts)
    first = -(-(known - len(samples)) // aac.FRAME_SAMPLES) * aac.FRAME_SAMPLES
    frames = encoder.part(samples[first - known :], first, start, stop)
    return _Sound(frames, start, min(stop, known))


def _track(part: Segment | Chunk) -> NDArray[np.int16]:
    """The audio of one chunk or piece, at the track's rate."""
    timeline = part.timeline
    offset = timeline.first_frame or 0
    start, stop = (_samples(frame - offset, timeline.fps) for frame in (part.start_frame, part.stop_frame))
    sound = pcm.read_wav(timeline.track)[start:stop]
    if part.hush_frame is None:
        return sound
    return _hushed(sound, _samples(part.hush_frame - part.start_frame, timeline.fps))


def _hushed(sound: NDArray[np.int16], at: int) -> NDArray[np.int16]:
    """Sound that fades out before a sample; silence follows."""
    fade = np.clip((at - np.arange(len(sound))) / (HUSH_SECONDS * pcm.TRACK_RATE_HZ), 0, 1)
    return np.asarray((sound * fade).round(), np.int16)


def _samples(frame: int, fps: int) -> int:
    """The first track sample of a frame; exact at every frame rate."""
    return frame * pcm.TRACK_RATE_HZ // fps
