"""Decoding the frames of untrusted animated pictures, in the process that `picture_decoder` starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pipeline.media.kinds import Kind
from pipeline.media.pictures import Look, coded_space, decoding, finished, opened
from pipeline.media.refusals import too_long, unreadable

SECOND = 1_000_000
"""Lengths of frames are in microseconds."""
TIMEOUT_SECONDS = 900
DEFAULT, SHORTEST = SECOND // 10, 11_000
"""Frames that claim to be shorter than the latter are shown for the former, as browsers do."""
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)
"""The EXIF tag, and its values that swap width and height."""


def frame_times(
    file: Path, kind: Kind, pixels_max: int, seconds_max: float, frames_max: int
) -> tuple[tuple[int, int], list[int]]:
    """Width and height, and the frames' lengths until they exceed `seconds_max`. Raises JobError."""
    with opened(file, kind, pixels_max) as picture:
        count = _count(file, picture)
        if count > frames_max:
            raise too_long(file, f"has {count} frames", f"{frames_max} frames")
        with decoding(file):
            width, height = picture.size[:: -1 if picture.getexif().get(ORIENTATION) in LYING else 1]
            return (width, height), _times(picture, count, seconds_max)


def upright_frames(file: Path, kind: Kind, pixels_max: int, count: int, look: Look) -> Iterator[Image.Image]:
    """Each of the first `count` frames once, upright. Raises JobError."""
    with opened(file, kind, pixels_max) as picture, decoding(file):
        space = coded_space(file, kind, picture)
        for _ in _each(picture, count):
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
