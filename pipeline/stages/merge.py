"""Merge: join segments and the audio track into one verified MP4, or pack one piece of a stream."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import overload

from pipeline.executors.base import WorkerSpec
from pipeline.media import muxing
from pipeline.messages import Mark, MergeItem, Pack, PackItem, Span, Video
from pipeline.provenance import embedding, signing
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
    def process(self, item: MergeItem) -> Iterator[Video]: ...

    def process(self, item: PackItem | MergeItem) -> Iterator[Pack] | Iterator[Video]:
        """Pack a piece, or merge the whole video."""
        return iter([pack(item)]) if isinstance(item, PackItem) else iter([self._merged(item)])

    def _merged(self, item: MergeItem) -> Video:
        """Write, verify and describe the video."""
        start = time.monotonic()
        join_tracks(item.segments, item.timeline.track)
        path, timeline, first = item.folder / "video.mp4", item.timeline, item.segments[0]
        muxing.mux([s.path for s in item.segments], timeline.track, path, seconds=timeline.seconds)
        self._mark(path, item.mark)
        muxing.verify(
            path,
            frames=timeline.frames,
            fps=timeline.fps,
            size=(first.width, first.height),
            seconds=timeline.seconds,
        )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Video(
            job=item.job,
            path=path,
            frames=timeline.frames,
            fps=timeline.fps,
            width=first.width,
            height=first.height,
            bytes=path.stat().st_size,
            sha256=digest,
            span=Span(start, time.monotonic()),
        )

    def _mark(self, video: Path, mark: Mark | None) -> None:
        """Write what the video says about its origin, and sign it if there is a certificate."""
        if mark is None:
            return
        embedding.embed(video, mark)
        credentials = self._config.credentials()
        if credentials is not None:
            signing.sign(video, mark, credentials)
