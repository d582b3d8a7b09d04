"""Reading untrusted videos frame by frame: upright, at a constant frame rate, 8 bits, square pixels, in BT.709."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import ffmpeg
from pipeline.media.clip_format import FORMATS, ClipFormat
from pipeline.media.colour_spaces import ColourSpace
from pipeline.media.colours import cube
from pipeline.media.pictures import Look

TIMEOUT_SECONDS = 900
FRAME_PIXELS_MAX = 100_000_000
"""Limit for decoded frames, whatever the header claims."""

EXACT = "bicubic+accurate_rnd+full_chroma_int"

Cut = tuple[int, int, int, int]
"""A crop of a picture: left, top, columns, rows."""


@dataclass(frozen=True)
class View:
    """What to show of a video."""

    look: Look
    cut: Cut
    """In pixels of the turned frames."""
    size: tuple[int, int]
    """Width and height to which the crop is scaled."""


def rgb_frames(
    path: Path, found: ClipFormat, view: View, *, seconds: float
) -> Generator[NDArray[np.uint8], None, None]:
    """Yield the frames like `i420_frames`, but as RGB [height, width, 3]. Raises JobError."""
    width, height = view.size
    with _shown(path, found, view, seconds) as shown:
        picture = shown.filter("scale", width, height)
        for frame in ffmpeg.read_frames(picture, "rgb24", width * height * 3, "avatar", TIMEOUT_SECONDS):
            yield frame.reshape(height, width, 3)


def i420_frames(path: Path, found: ClipFormat, view: View, *, seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of the first `seconds`, each I420 [height * 3 / 2, width], BT.709, limited range.

    Raises JobError.
    """
    width, height = view.size
    shape = {"out_color_matrix": "bt709", "out_range": "tv", "flags": EXACT}
    with _shown(path, found, view, seconds) as shown:
        picture = shown.filter("scale", width, height, **shape)
        for frame in ffmpeg.read_frames(picture, "yuv420p", width * height * 3 // 2, "avatar", TIMEOUT_SECONDS):
            yield frame.reshape(height * 3 // 2, width)


@contextmanager
def _shown(path: Path, found: ClipFormat, view: View, seconds: float) -> Iterator[ffmpeg.Stream]:
    """A crop of the frames in BT.709's colours, not yet scaled, unless their colours had to be converted."""
    with _lookup_table(found.space) as table:
        frames = _steady(path, found, seconds)
        if found.has_alpha:
            frames = _laid_over(_converted(frames, table, "gbrap"), view.look)
        cropped = _cropped(frames, found, view)
        yield cropped if found.has_alpha or table is None else _converted(cropped, table, "gbrp", view.size)


@contextmanager
def _lookup_table(space: ColourSpace) -> Iterator[Path | None]:
    """A file that converts other colours; None for those of standard videos."""
    if space.is_standard:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
        table = Path(folder) / "to-bt709.cube"
        table.write_text(cube(space), "utf-8")
        yield table


def _steady(path: Path, found: ClipFormat, seconds: float) -> ffmpeg.Stream:
    """Whole frames at a constant rate. ffmpeg rotates them upright."""
    options = {} if found.decoder is None else {"vcodec": found.decoder}
    bounds = {"codec_whitelist": ffmpeg.VIDEO_CODECS, "max_pixels": FRAME_PIXELS_MAX}
    frames = ffmpeg.source(path, FORMATS, t=seconds, **bounds, **options)[str(found.stream)]
    if found.fields:
        shown = {"parity": "auto", "deint": "interlaced"} if found.fields == "auto" else {"parity": found.fields}
        frames = frames.filter("bwdif", mode="send_frame", **shown)
    if found.matrix is not None:
        frames = frames.filter("setparams", colorspace=found.matrix)
    return frames.filter("fps", f"{found.rate.numerator}/{found.rate.denominator}")


def _converted(
    frames: ffmpeg.Stream, table: Path | None, pixels: str, size: tuple[int, int] | tuple[()] = ()
) -> ffmpeg.Stream:
    """RGB in BT.709's colours, scaled first if there is a size."""
    scaled = frames.filter("scale", *size, flags=EXACT)
    if table is None:
        return scaled.filter("format", pixels)
    return scaled.filter("format", f"{pixels}16le").filter("lut3d", file=table)


def _laid_over(frames: ffmpeg.Stream, look: Look) -> ffmpeg.Stream:
    """Frames with transparency, over the background's colour."""
    both = frames.filter("format", "gbrap").split()
    red, green, blue = look.rgb
    plain = both[0].filter("lutrgb", r=red, g=green, b=blue, a=255)
    return plain.overlay(both[1], format="gbrp")


def _cropped(frames: ffmpeg.Stream, found: ClipFormat, view: View) -> ffmpeg.Stream:
    """Turned as the avatar's settings say, with square pixels, and cropped."""
    left, top, columns, rows = view.cut
    square = frames.filter("scale", *found.sides)
    for _ in range(view.look.turn // 90):
        square = square.filter("transpose", "clock")
    return square.filter("crop", columns, rows, left, top, exact=1)
