"""Encoding frames to a video-only segment while they are still being rendered."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pipeline import programs
from pipeline.errors import StageError
from pipeline.media import ffmpeg, transparent
from pipeline.media.codecs import CODECS, H264, Codec, Options

TIMESCALE_HZ = 90_000
"""Clock of every segment; divisible by 24, 25, 30, 50 and 60 fps."""

WAIT_SECONDS = 120
"""Timeout after the last frame was written; encoding the remaining frames takes a few seconds."""


@dataclass(frozen=True)
class Overlay:
    """What is drawn over the frames while they are encoded."""

    document: Path
    """ASS file with the times of the whole job."""
    fonts: Path
    """Folder of fonts that it may use besides the system's."""
    start_frame: int
    """Number of the segment's first frame within the job."""


class SegmentEncoder:
    """An ffmpeg process fed by a separate thread, so that rendering and encoding overlap.

    Use as a context manager: the file is renamed into place only if the block succeeds. Segments encoded with equal
    settings can be joined without re-encoding: closed GOPs, no B-frames, one clock.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: int,
        preset: str,
        rate: Options,
        *,
        threads: int,
        cpus: Collection[int] = (),
        overlay: Overlay | None = None,
        codec: Codec = CODECS[H264],
        form: transparent.Form | None = None,
    ) -> None:
        """`rate`: see `pipeline.media.rate`. `cpus`: those that ffmpeg may run on; default: those of this process.

        `form`: of a transparent video, whose frames have mattes, [n, height * 5 / 2, width]; see its `rate`.
        """
        self._path = path
        self._unfinished = path.with_suffix(f".{os.getpid()}.part")
        options = rate | {"threads": threads}
        if form is not None:
            output = transparent.segment(form, self._unfinished, _drawn(size, fps, overlay, alpha=True), options)
        else:
            output = _output(self._unfinished, _drawn(size, fps, overlay), codec.options(preset) | options)
        self._process = ffmpeg.start(output)
        if cpus:
            with contextlib.suppress(ProcessLookupError):  # it has exited; `write` reports why
                os.sched_setaffinity(self._process.pid, cpus)
        self._feeder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._pending: Future[None] | None = None
        self._started = time.monotonic()
        self.seconds = 0.0
        """How long the encoder ran; set on exit."""

    def __enter__(self) -> SegmentEncoder:
        return self

    def write(self, frames: NDArray[np.uint8]) -> None:
        """Queue a batch of I420 frames [n, height * 3 / 2, width]; blocks until the previous batch is written."""
        previous, self._pending = self._pending, self._feeder.submit(self._feed, frames)
        if previous is not None:
            previous.result()

    def _feed(self, frames: NDArray[np.uint8]) -> None:
        pipe: IO[bytes] | None = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(np.ascontiguousarray(frames).data)
        except BrokenPipeError:
            errors = self._process.stderr
            raise _failed(errors.read() if errors else b"") from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._abandon()

    def _finish(self) -> None:
        if self._pending is not None:
            self._pending.result()
        try:
            _, errors = self._process.communicate(timeout=WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            message = f"ffmpeg did not exit within {WAIT_SECONDS} s of the last frame"
            raise StageError("encoder", message, hint="is the machine overloaded, or the disk very slow?") from None
        if self._process.returncode != 0:
            raise _failed(errors)
        self._unfinished.rename(self._path)
        self.seconds = time.monotonic() - self._started

    def _abandon(self) -> None:
        """Kill a running process and remove the unfinished file."""
        if self._process.poll() is None:
            programs.kill_group(self._process)
        self._feeder.shutdown(wait=True, cancel_futures=True)
        self._process.wait()
        self._unfinished.unlink(missing_ok=True)


def _failed(errors: bytes) -> StageError:
    hint = "is there enough disk space and memory? is the ffmpeg complete (`lipdrop doctor`)?"
    return StageError(ffmpeg.failure_code(errors, "encoder"), f"ffmpeg: {ffmpeg.last_line(errors)}", hint=hint)


def _drawn(size: tuple[int, int], fps: int, overlay: Overlay | None, *, alpha: bool = False) -> ffmpeg.Stream:
    """The frames with the texts over them."""
    raw = ffmpeg.frames_from_stdin(size, fps, "yuva420p" if alpha else "yuv420p")
    if overlay is None:
        return raw
    return ffmpeg.drawn_over(raw, overlay.document, overlay.fonts, overlay.start_frame, alpha=alpha)


def _output(path: Path, raw: ffmpeg.Stream, options: Options) -> ffmpeg.Stream:
    return ffmpeg.target(
        path,
        raw,
        f="mp4",
        video_track_timescale=TIMESCALE_HZ,
        color_primaries="bt709",
        color_trc="bt709",
        colorspace="bt709",
        color_range="tv",
        **options,
    )
