"""Clips before and after what is said: made to fit the video once, and cached by their content."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.cache import Cache
from pipeline.avatars.folder import digest
from pipeline.avatars.library import CACHE_FOLDER
from pipeline.composition.layout import Layout, contained
from pipeline.config import Config
from pipeline.errors import JobError, StageError, about
from pipeline.media import clip_format, clips, ffmpeg, fragments, pcm, rate, recording
from pipeline.media.boxes import spans
from pipeline.media.clip_format import FORMATS, ClipFormat
from pipeline.media.clips import View
from pipeline.media.codecs import CODECS, H264
from pipeline.media.encoder import TIMESCALE_HZ, SegmentEncoder
from pipeline.media.kinds import identify
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.media.pictures import Look
from pipeline.media.planes import PLANE_STEPS, planes_of
from pipeline.media.refusals import unreadable
from pipeline.messages import BrandClip

VERSION = 1
"""Increment it when clips are made to fit in another way."""
COPY_SECONDS = 120
"""For taking the picture out of a clip that fits as it is."""
SLACK_SECONDS = 1.0
"""How much a header may understate the length."""
TIMES_TOLERANCE_SECONDS = 0.001
CONFIGURATIONS = (b"avcC", b"hvcC", b"av1C", b"vpcC")
"""The boxes with the decoder configuration of H.264, H.265, AV1 and VP9."""
BLACK, COLOURLESS = 16, 128

Frame = NDArray[np.uint8]
"""I420 [height * 3 / 2, width]."""


@dataclass(frozen=True)
class Shape:
    """What a clip must be like to be joined to a job's segments."""

    size: tuple[int, int]
    """Width and height."""
    fps: int
    codec: str = H264


@dataclass(frozen=True)
class FittedClip:
    """A clip that can be joined to a job's segments."""

    video: Path
    """Without sound, encoded like them."""
    track: NDArray[np.int16]
    """Its sound at `TRACK_RATE_HZ`, exactly as long as the picture."""
    frames: int


class Clips:
    """Makes clips fit, within the limits for videos of avatars."""

    def __init__(self, config: Config) -> None:
        self._settings, self._limits = config.video, config.limits
        self._cache = Cache(config.path(config.spool) / CACHE_FOLDER, config.avatars.cache_bytes)

    def prepare(self, clip: BrandClip, shape: Shape) -> None:
        """Make a clip fit, unless that was done before. Raises JobError if it cannot be used."""
        for part in self._open(clip, shape):
            part.close()

    def fitted(self, clip: BrandClip, shape: Shape, folder: Path) -> FittedClip:
        """A clip that fits; its parts are put into a folder. Raises JobError."""
        paths = folder / f"{clip.field}.mp4", folder / f"{clip.field}.wav"
        for path, part in zip(paths, self._open(clip, shape), strict=True):
            with part, path.open("wb") as file:
                shutil.copyfileobj(part, file)
        frames = len(_read(paths[0]).samples)
        track = pcm.fitted(pcm.read_wav(paths[1]), round(frames * TRACK_RATE_HZ / shape.fps))
        return FittedClip(paths[0], track, frames)

    def _open(self, clip: BrandClip, shape: Shape) -> tuple[BinaryIO, BinaryIO]:
        """The cached picture and sound of a clip that fits."""
        with about(clip.field):
            content = digest(clip.file)
            look = repr((VERSION, shape, self._settings, self._limits.avatar_seconds))
            video = f"{content}-{hashlib.sha256(look.encode()).hexdigest()[:12]}.mp4"
            sound = f"{content}-{VERSION}-{self._limits.avatar_seconds}.wav"
            return (
                self._kept(video, clip, content, lambda target: self._write_video(clip, shape, target)),
                self._kept(sound, clip, content, lambda target: self._write_sound(clip, target)),
            )

    def _kept(self, name: str, clip: BrandClip, content: str, write: Callable[[Path], None]) -> BinaryIO:
        """A cached file. Raises JobError if the clip changes while it is read: what was made of it must not be kept."""

        def build(target: Path) -> None:
            write(target)
            if digest(clip.file) != content:
                message = f"{clip.file.name} changed while it was read"
                raise JobError("brand", message, field=clip.field, hint="submit the job again")

        return self._cache.open(name, build)

    def _write_video(self, clip: BrandClip, shape: Shape, target: Path) -> None:
        found = self._checked(clip)
        with tempfile.TemporaryDirectory(prefix="lipdrop-") as name:
            copied, made = Path(name) / "copied.mp4", Path(name) / "made.mp4"
            if self._copy(clip, found, shape, copied):
                shutil.copyfile(copied, target)
                return
            with self._encoder(made, shape) as encoder:
                for frame in self._frames(clip, found, shape):
                    encoder.write(frame[None])
            shutil.copyfile(made, target)

    def _checked(self, clip: BrandClip) -> ClipFormat:
        """What a clip says about itself. Raises JobError unless it is a video within the limits."""
        kind, name = identify(clip.file), clip.file.name
        if kind is None or kind.medium != "clip":
            what = "not a video" if kind is None else f"{kind.name}, not a video"
            raise JobError("media", f"{name} is {what}", field=clip.field, hint="use a video, such as an MP4")
        found, pixels_max = clip_format.probe(clip.file, clip.field), self._limits.picture_pixels
        if found.width * found.height > pixels_max:
            message = f"{name} has {found.width}x{found.height} pixels, the limit is {pixels_max} in total"
            raise JobError("too_many_pixels", message, field=clip.field, hint="scale it down")
        if found.seconds is not None and found.seconds > self._limits.avatar_seconds + SLACK_SECONDS:
            raise self._too_long(clip)
        return found

    def _too_long(self, clip: BrandClip) -> JobError:
        message = f"{clip.file.name} is longer than {self._limits.avatar_seconds} s"
        hint = "cut it, or raise limits.avatar_seconds in config.yaml"
        return JobError("too_long", message, field=clip.field, hint=hint)

    def _frames(self, clip: BrandClip, found: ClipFormat, shape: Shape) -> Iterator[Frame]:
        """The frames as the video shows them. Raises JobError."""
        limit_seconds, number = self._limits.avatar_seconds, -1
        layout, steady = contained(found.sides, shape.size), replace(found, rate=Fraction(shape.fps))
        view = View(Look(), (0, 0, *found.sides), layout.inner)
        for number, frame in enumerate(clips.i420_frames(clip.file, steady, view, seconds=limit_seconds + 2)):
            if number >= (limit_seconds + SLACK_SECONDS) * shape.fps:
                raise self._too_long(clip)
            yield _on_black(frame, layout)
        if number < 0:
            raise unreadable(clip.field, f"{clip.file.name} contains no frames")

    def _encoder(self, path: Path, shape: Shape) -> SegmentEncoder:
        """Like that of chunks: what it makes can be joined to them."""
        codec = CODECS[shape.codec]
        options = rate.moving(shape.fps, self._settings.crf, codec)
        threads = len(os.sched_getaffinity(0))
        return SegmentEncoder(path, shape.size, shape.fps, self._settings.preset, options, threads=threads, codec=codec)

    def _copy(self, clip: BrandClip, found: ClipFormat, shape: Shape, target: Path) -> bool:
        """Take the picture out of a clip that is encoded like the job's segments; False if it is not."""
        if found.sides != shape.size or found.rate != shape.fps or not found.space.is_standard:
            return False
        picture = ffmpeg.source(clip.file, FORMATS)[str(found.stream)]
        options = {"vcodec": "copy", "f": "mp4", "video_track_timescale": TIMESCALE_HZ, "map_metadata": -1}
        try:
            ffmpeg.decode(ffmpeg.target(target, picture, **options), field=clip.field, timeout_seconds=COPY_SECONDS)
            return self._is_like_ours(target, shape)
        except (JobError, StageError):  # not H.264 in an order that MP4 allows; decoding it says what is wrong
            return False

    def _is_like_ours(self, copied: Path, shape: Shape) -> bool:
        """Whether a copied picture has the parameters of segments, begins with a keyframe and runs steadily."""
        reference = copied.with_name("reference.mp4")
        with self._encoder(reference, shape) as encoder:
            encoder.write(np.stack([_black(shape.size)] * 2))
        video, [stream] = _read(copied), ffmpeg.probe(copied, ffmpeg.OUR_FORMATS)["streams"]
        seconds = len(video.samples) / shape.fps
        return (
            parameters(copied) == parameters(reference)
            and video.samples[0].flags == fragments.KEYFRAME_FLAGS
            and float(stream["start_time"]) == 0
            and abs(float(stream["duration"]) - seconds) < TIMES_TOLERANCE_SECONDS
        )

    def _write_sound(self, clip: BrandClip, target: Path) -> None:
        """Write the default track as mono WAV; an empty one if there is none."""
        streams = ffmpeg.probe(clip.file, FORMATS)["streams"]
        track = np.zeros(0, np.int16)
        if any(stream.get("codec_type") == "audio" for stream in streams):
            with tempfile.TemporaryDirectory(prefix="lipdrop-") as name:
                track = recording.read(clip.file, Path(name), self._limits.avatar_seconds + SLACK_SECONDS).track
        pcm.write_wav(target, track, TRACK_RATE_HZ)


def parameters(video: Path) -> Sequence[bytes]:
    """The decoder configuration of a video without sound: videos can follow each other if theirs are equal."""
    entry = _read(video).entry[fragments.VISUAL_ENTRY_BYTES :]
    return [entry[start:stop] for kind, start, stop in spans(entry) if kind in CONFIGURATIONS]


def _read(video: Path) -> fragments.Video:
    return fragments.read_video(video, 1)  # the durations do not matter


def _black(size: tuple[int, int]) -> Frame:
    width, height = size
    frame = np.full((height * 3 // 2, width), COLOURLESS, np.uint8)
    frame[:height] = BLACK
    return frame


def _on_black(frame: Frame, layout: Layout) -> Frame:
    if layout.is_covered:
        return frame
    outer = _black(layout.size)
    for below, above, step in zip(planes_of(outer), planes_of(frame), PLANE_STEPS, strict=True):
        below[layout.place(step)] = above
    return outer
