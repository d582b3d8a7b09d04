"""Reading untrusted animated pictures (GIF, PNG, WebP, AVIF) as videos: frame by frame, at a constant rate.

Each frame is shown at its own time. The functions are those of `clips`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import reduce
from math import gcd
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import JobError
from pipeline.media.clip_format import RATE_MAX, ClipFormat
from pipeline.media.clips import TIMEOUT_SECONDS, View
from pipeline.media.ffmpeg import unreadable
from pipeline.media.kinds import Kind
from pipeline.media.pictures import Look, Picture, coded_space, decoding, finished, opened

SECOND = 1_000_000
"""Lengths of frames are in microseconds."""
DEFAULT, SHORTEST = SECOND // 10, 11_000
"""Frames that claim to be shorter than the latter are shown for the former, as browsers do."""
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)
"""The EXIF tag, and its values that swap width and height."""


def probe(file: Path, kind: Kind, pixels_max: int, seconds_max: float) -> ClipFormat:
    """Decode an animation up to `seconds_max` to learn its frames' times. Raises JobError."""
    with opened(file, kind, pixels_max) as picture:
        count = _count(file, picture)
        if count > seconds_max * RATE_MAX:
            raise too_long(file, f"has {count} frames", f"{round(seconds_max * RATE_MAX)} frames")
        with decoding(file):
            width, height = picture.size[:: -1 if picture.getexif().get(ORIENTATION) in LYING else 1]
            times = _times(picture, count, seconds_max)
    return ClipFormat(width, height, _rate(times), sum(times) / SECOND, times=tuple(times))


def too_long(file: Path, has: str, limit: str) -> JobError:
    """The error for a video over the limit; `has`: its length."""
    hint = "use a shorter video; a few seconds are enough, because the video is looped"
    return JobError("too_long", f"{file.name} {has}, the limit is {limit}", field="avatar", hint=hint)


def rgb_frames(
    file: Path, kind: Kind, found: ClipFormat, view: View, *, seconds: float
) -> Generator[Picture, None, None]:
    """Yield the frames of the first `seconds`, RGB [height, width, 3]. Raises JobError."""
    left, top, columns, rows = view.cut
    method = cv2.INTER_AREA if view.size[0] < columns else cv2.INTER_CUBIC
    repeats = _repeats(found, seconds)
    for frame, count in zip(_frames(file, kind, found, view.look), repeats, strict=False):
        if count:
            part = np.ascontiguousarray(frame[top : top + rows, left : left + columns])
            scaled = np.asarray(cv2.resize(part, view.size, interpolation=method), np.uint8)
            for _ in range(count):
                yield scaled


def i420_frames(
    file: Path, kind: Kind, found: ClipFormat, view: View, *, seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames like `rgb_frames`, but as I420 [height * 3 / 2, width], BT.709, limited range."""
    import torch

    from pipeline.media.canvas import i420

    for frame in rgb_frames(file, kind, found, view, seconds=seconds):
        yield i420(torch.from_numpy(frame)[None])[0].numpy()


def _frames(file: Path, kind: Kind, found: ClipFormat, look: Look) -> Iterator[Picture]:
    """Each frame once, upright."""
    with opened(file, kind, found.width * found.height) as picture, decoding(file):
        space = coded_space(file, kind, picture)
        for _ in _each(picture, len(found.times)):
            yield finished(picture, look, space)


def _count(file: Path, picture: Image.Image) -> int:
    with decoding(file):
        return int(getattr(picture, "n_frames", 1))


def _times(picture: Image.Image, count: int, seconds_max: float) -> list[int]:
    """The frames' lengths, until they exceed the limit. Raises JobError."""
    times: list[int] = []
    for _ in _each(picture, count):
        picture.load()  # WebP's lengths are known only then
        length = round(picture.info.get("duration", 0) * SECOND / 1000)
        times.append(length if length >= SHORTEST else DEFAULT)
        if sum(times) > seconds_max * SECOND:
            break
    return times


def _each(picture: Image.Image, count: int) -> Iterator[int]:
    """Go through the first frames of a picture. Raises JobError if that takes too long."""
    late = time.monotonic() + TIMEOUT_SECONDS
    for index in range(count):
        picture.seek(index)
        yield index
        if time.monotonic() > late:
            raise unreadable("avatar", "it takes too long to read")


def _rate(times: list[int]) -> Fraction:
    """A rate at which every frame begins on a frame, at most `RATE_MAX`."""
    return min(Fraction(SECOND, reduce(gcd, times)), RATE_MAX)


def _repeats(found: ClipFormat, seconds: float) -> list[int]:
    """At the constant rate, how many times each frame is shown."""
    ends = np.cumsum(found.times)
    total = min(max(round(int(ends[-1]) * found.rate / SECOND), 1), round(seconds * found.rate))
    starts = np.arange(total) * SECOND * found.rate.denominator // found.rate.numerator
    shown = np.searchsorted(ends, starts, side="right")
    return [int(count) for count in np.bincount(shown.clip(max=len(ends) - 1), minlength=len(ends))]
