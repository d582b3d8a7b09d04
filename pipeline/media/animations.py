"""Reading untrusted animated pictures (GIF, PNG, WebP, AVIF) as videos: frame by frame, at a constant rate.

Each frame is shown at its own time. The functions are those of `clips`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import reduce
from math import gcd
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.media import picture_decoder
from pipeline.media.animation_frames import SECOND
from pipeline.media.clip_format import RATE_MAX, ClipFormat
from pipeline.media.clips import View
from pipeline.media.kinds import Kind
from pipeline.media.picture_decoder import Picture


def probe(file: Path, kind: Kind, pixels_max: int, seconds_max: float) -> ClipFormat:
    """Decode an animation up to `seconds_max` to learn its frames' times. Raises JobError."""
    (width, height), times = picture_decoder.frame_times(
        file, kind, pixels_max, seconds_max, round(seconds_max * RATE_MAX)
    )
    return ClipFormat(width, height, _rate(times), sum(times) / SECOND, times=tuple(times))


def rgb_frames(
    file: Path, kind: Kind, found: ClipFormat, view: View, *, seconds: float
) -> Generator[Picture, None, None]:
    """Yield the frames of the first `seconds`, RGB [height, width, 3]. Raises JobError."""
    left, top, columns, rows = view.cut
    method = cv2.INTER_AREA if view.size[0] < columns else cv2.INTER_CUBIC
    repeats = _repeats(found, seconds)
    frames = picture_decoder.frames(file, kind, found.sides, len(repeats), view.look)
    for frame, count in zip(frames, repeats, strict=False):
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
