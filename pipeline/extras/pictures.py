"""Writes the files beside a finished video; the pictures of it are made here."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.extras import SUFFIXES, sounds
from pipeline.extras.moment import TIMEOUT_SECONDS, Shown, best_frame
from pipeline.media import ffmpeg
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.messages import Extra, Mark
from pipeline.provenance import signing
from pipeline.provenance.certificates import Credentials
from pipeline.provenance.mark import statement, xmp

POSTER_QUALITY, STRIP_QUALITY, PREVIEW_QUALITY = 90, 85, 75
STRIP_FRAMES = 6
STRIP_HEIGHT = 180
"""Pixels, of each frame in the strip."""
PREVIEW_SECONDS = 3.0
PREVIEW_FPS = 10
PREVIEW_SIDE = 320
"""Pixels, of the longer side."""


def write(video: Shown, kinds: Collection[str], mark: Mark | None, credentials: Credentials | None) -> list[Extra]:
    """Write the extras of these kinds beside a video, marked and signed as it is. Raises StageError and OSError."""
    if not kinds:
        return []
    best = best_frame(video) if {"poster", "preview"} & set(kinds) else 0
    return [_written(video, kind, best, mark, credentials) for kind in kinds]


def _written(video: Shown, kind: str, best: int, mark: Mark | None, credentials: Credentials | None) -> Extra:
    path = video.path.with_name(f"extra{SUFFIXES[kind]}")
    if kind in sounds.FORMATS:
        mark = sounds.mark_of(mark)
        samples = video.frames * TRACK_RATE_HZ // video.fps
        sounds.write(video.sound or video.path, kind, path, samples=samples, mark=mark)
    else:
        WRITERS[kind](video, best, path, {} if mark is None else {"xmp": xmp(statement(mark, None))})
    if mark is not None and credentials is not None:
        signing.sign(path, mark, credentials)
    return Extra(kind, path, path.stat().st_size)


def _poster(video: Shown, best: int, path: Path, marked: dict[str, Any]) -> None:
    picture = Image.fromarray(_frames(video, best, 1, video.size)[0])
    picture.save(path, "JPEG", quality=POSTER_QUALITY, optimize=True, **marked)


def _strip(video: Shown, _: int, path: Path, marked: dict[str, Any]) -> None:
    """Frames in the middles of equal parts of the video, side by side."""
    size = _scaled(video.size, STRIP_HEIGHT / video.size[1])
    places = [math.floor((number + 0.5) * video.frames / STRIP_FRAMES) for number in range(STRIP_FRAMES)]
    row = np.concatenate([_frames(video, place, 1, size)[0] for place in places], axis=1)
    Image.fromarray(row).save(path, "JPEG", quality=STRIP_QUALITY, optimize=True, **marked)


def _preview(video: Shown, best: int, path: Path, marked: dict[str, Any]) -> None:
    """A few seconds from the poster's frame on, or the last ones."""
    size = _scaled(video.size, min(1.0, PREVIEW_SIDE / max(video.size)))
    count = min(video.frames, round(PREVIEW_SECONDS * video.fps))
    start = min(best, video.frames - count)
    first, *others = map(Image.fromarray, _frames(video, start, count, size, PREVIEW_FPS))
    moving = {"save_all": True, "append_images": others, "duration": 1000 // PREVIEW_FPS, "loop": 0}
    first.save(path, "WEBP", quality=PREVIEW_QUALITY, method=4, **moving, **marked)


WRITERS = {"poster": _poster, "strip": _strip, "preview": _preview}


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def _frames(video: Shown, start: int, count: int, size: tuple[int, int], rate: int | None = None) -> NDArray[np.uint8]:
    """Frames from number `start` on, RGB [n, height, width, 3]; `rate`: so many in a second, None: all."""
    before = max(0.0, (start - 0.5) / video.fps)  # seeking finds the first frame that is not earlier
    shown = ffmpeg.source(video.path, ffmpeg.OUR_FORMATS, ss=f"{before:.6f}")["v"].filter("trim", end_frame=count)
    if rate is not None:
        shown = shown.filter("select", f"floor(n*{rate}/{video.fps})-floor((n-1)*{rate}/{video.fps})")
    scaled = shown.filter("scale", *size, flags="area") if size != video.size else shown
    return ffmpeg.pictures(scaled, size, timeout_seconds=TIMEOUT_SECONDS)
