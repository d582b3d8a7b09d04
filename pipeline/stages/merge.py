"""Merge: join segments and the audio track into one verified MP4, or pack one piece of a stream."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from pipeline.executors.base import WorkerSpec
from pipeline.extras import pictures
from pipeline.extras.moment import Shown
from pipeline.media import muxing
from pipeline.messages import JoinItem, Mark, MergeItem, Pack, PackItem, Span, Video
from pipeline.provenance import embedding, signing
from pipeline.provenance.certificates import Credentials
from pipeline.stages.pack import join_tracks, pack


class MergeStage:
    """Joins the segments of a job without re-encoding them."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._config = spec.config

    def setup(self, device: str) -> None:
        """Nothing to load."""

    @overload
    def process(self, item: PackItem) -> Iterator[Pack]: ...

    @overload
    def process(self, item: MergeItem | JoinItem) -> Iterator[Video]: ...

    def process(self, item: PackItem | MergeItem | JoinItem) -> Iterator[Pack] | Iterator[Video]:
        """Pack a piece, or write, verify and describe the whole video."""
        return iter([pack(item)]) if isinstance(item, PackItem) else iter([self._video(item)])

    def _video(self, item: MergeItem | JoinItem) -> Video:
        start, path = time.monotonic(), item.folder / "video.mp4"
        plan = _merged(item, path) if isinstance(item, MergeItem) else _joined(item, path)
        credentials = self._config.credentials() if item.mark is not None else None
        _mark(path, item.mark, credentials)
        muxing.verify(path, frames=plan.frames, fps=plan.fps, size=plan.size, seconds=plan.seconds)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shown = Shown(path, plan.frames, plan.fps, plan.size)
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
            extras=tuple(extras),
        )


def _mark(video: Path, mark: Mark | None, credentials: Credentials | None) -> None:
    """Write what the video says about its origin, and sign it if there is a certificate."""
    if mark is None:
        return
    embedding.embed(video, mark)
    if credentials is not None:
        signing.sign(video, mark, credentials)


@dataclass(frozen=True)
class _Plan:
    """What a video must be."""

    frames: int
    fps: int
    size: tuple[int, int]
    """Width and height."""
    seconds: float


def _merged(item: MergeItem, path: Path) -> _Plan:
    timeline, first = item.timeline, item.segments[0]
    join_tracks(item.segments, timeline.track)
    muxing.mux([s.path for s in item.segments], timeline.track, path, seconds=timeline.seconds)
    return _Plan(timeline.frames, timeline.fps, (first.width, first.height), timeline.seconds)


def _joined(item: JoinItem, path: Path) -> _Plan:
    """The video of an open stream: its fragments as they were played, from the first one that is kept."""
    plan = _Plan(item.frames, item.fps, item.size, item.frames / item.fps)
    files = [item.init, *(fragment.path for fragment in item.fragments)]
    muxing.remux(files, path, begin_seconds=item.first_frame / item.fps, seconds=plan.seconds)
    return plan
