"""Reading untrusted videos frame by frame: upright, at a constant frame rate, 8 bits, square pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg

FORMATS = "mov,matroska,avi"
"""Demuxers; none of them opens other files."""
RATE_MAX = Fraction(60)
TIMEOUT_SECONDS = 900
FRAME_PIXELS_MAX = 100_000_000
"""Limit for decoded frames, whatever the header claims."""

Cut = tuple[int, int, int, int]
"""A crop of a picture: left, top, columns, rows."""


@dataclass(frozen=True)
class ClipFormat:
    """The properties of a video, read from its header."""

    width: int
    """Of the displayed frames: upright, with square pixels."""
    height: int
    rate: Fraction
    """Frames per second; the average if variable."""
    seconds: float | None
    """None if the file does not say."""

    def to_json(self) -> bytes:
        """Serialize, for `from_json`."""
        return json.dumps([self.width, self.height, str(self.rate), self.seconds]).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ClipFormat:
        """Parse the output of `to_json`."""
        width, height, rate, seconds = json.loads(data)
        return cls(width, height, Fraction(rate), seconds)


def probe(path: Path, field: str) -> ClipFormat:
    """Read a video's header. Raises JobError, naming the job's `field`."""
    try:
        found = ffmpeg.probe(path, FORMATS)
    except StageError as error:
        raise ffmpeg.unreadable(field, error.message) from error
    streams = [stream for stream in found["streams"] if stream.get("codec_type") == "video"]
    if not streams or not streams[0].get("width") or not streams[0].get("height"):
        raise ffmpeg.unreadable(field, f"{path.name} contains no video")
    stream = streams[0]
    rate = _fraction(stream.get("avg_frame_rate", "")) or _fraction(stream.get("r_frame_rate", "")) or Fraction(25)
    seconds = float(found["format"].get("duration", "nan"))
    return ClipFormat(*_upright(stream), min(rate, RATE_MAX), seconds if math.isfinite(seconds) else None)


def _upright(stream: dict[str, Any]) -> tuple[int, int]:
    """Displayed columns and rows: with square pixels, and swapped if rotated by 90 degrees."""
    stretch = _fraction(stream.get("sample_aspect_ratio", "").replace(":", "/")) or 1
    columns, rows = max(round(stream["width"] * stretch), 1), stream["height"]
    turns = [abs(round(float(side.get("rotation", 0)))) for side in stream.get("side_data_list", [])]
    return (rows, columns) if any(turn % 180 == 90 for turn in turns) else (columns, rows)


def _fraction(text: str) -> Fraction | None:
    """Parse a positive fraction printed by ffprobe."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def rgb_frames(
    path: Path, rate: Fraction, sides: tuple[int, int], cut: Cut, size: tuple[int, int], *, seconds: float
) -> Generator[NDArray[np.uint8], None, None]:
    """Yield a crop of the frames like `i420_frames`, but as RGB [height, width, 3]. Raises JobError."""
    width, height = size
    picture = _steady(path, rate, sides, cut, seconds).filter("scale", width, height)
    for frame in ffmpeg.read_frames(picture, "rgb24", width * height * 3, "avatar", TIMEOUT_SECONDS):
        yield frame.reshape(height, width, 3)


def i420_frames(
    path: Path, rate: Fraction, sides: tuple[int, int], cut: Cut, size: tuple[int, int], *, seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """Yield a crop of the frames of the first `seconds`, scaled to `size` (width, height).

    Each is I420 [height * 3 / 2, width], BT.709, limited range. `sides` is the size of the displayed frames
    (columns, rows). Raises JobError.
    """
    width, height = size
    shape = {"out_color_matrix": "bt709", "out_range": "tv", "flags": "bicubic+accurate_rnd+full_chroma_int"}
    picture = _steady(path, rate, sides, cut, seconds).filter("scale", width, height, **shape)
    for frame in ffmpeg.read_frames(picture, "yuv420p", width * height * 3 // 2, "avatar", TIMEOUT_SECONDS):
        yield frame.reshape(height * 3 // 2, width)


def _steady(path: Path, rate: Fraction, sides: tuple[int, int], cut: Cut, seconds: float) -> ffmpeg.Stream:
    """Crop the video at a constant rate with square pixels; ffmpeg rotates it upright."""
    left, top, columns, rows = cut
    bounds = {"codec_whitelist": ffmpeg.VIDEO_CODECS, "max_pixels": FRAME_PIXELS_MAX}
    frames = ffmpeg.source(path, FORMATS, t=seconds, **bounds)["v:0"]
    steady = frames.filter("fps", f"{rate.numerator}/{rate.denominator}").filter("scale", *sides)
    return steady.filter("crop", columns, rows, left, top, exact=1)
