"""Merge: join segments and the audio track into one verified MP4, or pack one piece of a stream."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from pipeline.brand.clips import Clips, FittedClip, Shape, parameters
from pipeline.errors import StageError
from pipeline.executors.base import WorkerSpec
from pipeline.extras import SUFFIXES, pictures
from pipeline.extras.moment import Shown
from pipeline.media import aac, muxing, pcm, transparent
from pipeline.media.codecs import H264
from pipeline.messages import (
    Extra,
    JoinItem,
    Mark,
    MergeItem,
    Pack,
    PackItem,
    Segment,
    SoundItem,
    Soundtrack,
    Span,
    Video,
)
from pipeline.provenance import embedding, signing
from pipeline.provenance.certificates import Credentials
from pipeline.provenance.mark import comment, statement
from pipeline.stages.pack import join_tracks, pack


class MergeStage:
    """Joins the segments of a job without re-encoding them."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._config = spec.config
        self._clips = Clips(spec.config)
        self._encoder = aac.Encoder()

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def prepare(self) -> Iterator[None]:
        """Load what encodes the sound of the first piece of a stream."""
        self._encoder.prepare()
        yield

    @overload
    def process(self, item: PackItem) -> Iterator[Pack]: ...

    @overload
    def process(self, item: SoundItem) -> Iterator[Soundtrack]: ...

    @overload
    def process(self, item: MergeItem | JoinItem) -> Iterator[Video]: ...

    def process(
        self, item: PackItem | SoundItem | MergeItem | JoinItem
    ) -> Iterator[Pack] | Iterator[Soundtrack] | Iterator[Video]:
        """Pack a piece, encode the sound, or write, verify and describe the whole video."""
        match item:
            case PackItem():
                return self._packed(item)
            case SoundItem():
                return iter([_encoded(item)])
            case _:
                return iter([self._video(item)])

    def _packed(self, item: PackItem) -> Iterator[Pack]:
        yield pack(item, self._encoder)
        self._encoder.prepare()

    def _video(self, item: MergeItem | JoinItem) -> Video:
        start, path = time.monotonic(), item.folder / "video.mp4"
        plan = self._merged(item, path) if isinstance(item, MergeItem) else _joined(item, path)
        credentials = self._config.credentials() if item.mark is not None else None
        _mark(path, item.mark, credentials)
        muxing.verify(path, frames=plan.frames, fps=plan.fps, size=plan.size, seconds=plan.seconds, codec=plan.codec)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shown = Shown(path, plan.frames, plan.fps, plan.size, plan.intro_frames, plan.sound)
        extras = pictures.write(shown, item.extras, item.mark, credentials)
        return Video(
            job=item.job,
            path=path,
            frames=plan.frames,
            fps=plan.fps,
            width=plan.size[0],
            height=plan.size[1],
            bytes=path.stat().st_size,
            sha256=digest,
            span=Span(start, time.monotonic()),
            extras=(*extras, *_transparent(item)),
            intro_frames=plan.intro_frames,
            outro_frames=plan.outro_frames,
        )

    def _merged(self, item: MergeItem, path: Path) -> _Plan:
        """The video of a job's segments, between its intro and its outro."""
        timeline, first = item.timeline, item.segments[0]
        shape = Shape((first.width, first.height), timeline.fps, item.codec)
        fitted = {clip.field: self._clips.fitted(clip, shape, item.folder) for clip in item.clips}
        _check_parameters(fitted.values(), first)
        before, after = ([fitted[field]] if field in fitted else [] for field in ("intro", "outro"))
        track = timeline.track
        if item.sound is None:
            join_tracks(item.segments, track)
        sound = track if item.sound is None else item.sound.encoded
        if fitted:
            sounds = [*(clip.track for clip in before), pcm.map_wav(track), *(clip.track for clip in after)]
            track = sound = _join_sound(sounds, item.folder / "sound.wav")
        parts = [*(clip.video for clip in before), *(s.path for s in item.segments), *(clip.video for clip in after)]
        intro, outro = (sum(clip.frames for clip in clips) for clips in (before, after))
        frames, seconds = timeline.frames + intro + outro, timeline.seconds + (intro + outro) / timeline.fps
        muxing.mux(parts, sound, path, fps=timeline.fps, seconds=seconds)
        return _Plan(frames, timeline.fps, shape.size, seconds, intro, outro, item.codec, track)


def _encoded(item: SoundItem) -> Soundtrack:
    """The soundtrack of all chunks of a job."""
    start, track = time.monotonic(), item.folder / "track.wav"
    encoded = track.with_suffix(muxing.ENCODED_SUFFIX)
    join_tracks(item.chunks, track)
    muxing.encode(track, encoded, seconds=item.seconds)
    return Soundtrack(item.job, track, encoded, Span(start, time.monotonic()))


def _mark(video: Path, mark: Mark | None, credentials: Credentials | None) -> None:
    """Write what the video says about its origin, and sign it if there is a certificate."""
    if mark is None:
        return
    embedding.embed(video, mark)
    if credentials is not None:
        signing.sign(video, mark, credentials)


def _check_parameters(clips: Collection[FittedClip], first: Segment) -> None:
    """Raise StageError unless clips can be joined to the job's segments without encoding them again."""
    if any(parameters(clip.video) != parameters(first.path) for clip in clips):
        hint = "this is a bug in lipdrop or in the installed ffmpeg; leave the intro and the outro out"
        raise StageError("segment", "the codec parameters of a clip differ from those of the job's segments", hint=hint)


def _join_sound(parts: Sequence[NDArray[np.int16]], target: Path) -> Path:
    """Write the sounds of clips and of what is said to one WAV file."""
    with pcm.open_wav(target, pcm.TRACK_RATE_HZ) as file:
        for part in parts:
            file.writeframes(part.tobytes())
    return target


def _transparent(item: MergeItem | JoinItem) -> Iterator[Extra]:
    """The videos without a background, if their segments are there."""
    if isinstance(item, JoinItem):
        return
    timeline, segments = item.timeline, [dict(segment.transparent) for segment in item.segments]
    said = None if item.mark is None else comment(statement(item.mark, None))
    for kind in segments[0]:
        form, path = transparent.FORMS[kind], item.folder / f"extra{SUFFIXES[kind]}"
        found = [by_kind[kind] for by_kind in segments]
        transparent.mux(form, found, timeline.track, path, fps=timeline.fps, seconds=timeline.seconds, comment=said)
        transparent.verify(form, path, frames=timeline.frames, size=(item.segments[0].width, item.segments[0].height))
        yield Extra(kind, path, path.stat().st_size)


@dataclass(frozen=True)
class _Plan:
    """What a video must be."""

    frames: int
    fps: int
    size: tuple[int, int]
    """Width and height."""
    seconds: float
    intro_frames: int = 0
    """Frames before what is said."""
    outro_frames: int = 0
    """Frames after it."""
    codec: str = H264
    sound: Path | None = None
    """A WAV; None: only the video has it."""


def _joined(item: JoinItem, path: Path) -> _Plan:
    """The video of an open stream: its fragments as they were played, from the first one that is kept."""
    plan = _Plan(item.frames, item.fps, item.size, item.frames / item.fps)
    files = [item.init, *(fragment.path for fragment in item.fragments)]
    muxing.remux(files, path, begin_seconds=item.first_frame / item.fps, seconds=plan.seconds)
    return plan
