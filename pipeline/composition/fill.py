"""The blurred continuation of a picture, which fills the frame where the picture does not reach."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.composition.composition import Frames
from pipeline.composition.layout import Layout
from pipeline.media.planes import planes_of

REDUCTION = 8
"""The fill is computed in frames with so much shorter sides: nothing fine is left in it."""
BLUR = 0.035
"""Standard deviation, in parts of the frame's shorter side."""
DARKENED, DARK_AT = 0.3, 0.3
"""How much darker it becomes away from the picture, and how far away, in parts of the frame's shorter side."""
BLACK = 16
"""Luma of black."""

Floats = NDArray[np.float32]


class Fill:
    """Surroundings that stand still, also around a picture that moves: they continue its edges, blurred."""

    def __init__(self, layout: Layout, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """`pictures`: some of the inner frames, I420 [height * 3 / 2, width]; their mean is continued."""
        width, height = layout.size
        mean = np.asarray(np.rint(np.mean(pictures, axis=0, dtype=np.float32)), np.uint8)
        luma, *colours = (_continued(plane.astype(np.float32), layout) for plane in planes_of(mean))
        luma = BLACK + (luma - BLACK) * (1 - DARKENED * _remoteness(layout))
        self._frame = np.empty((height * 3 // 2, width), np.uint8)
        for plane, small in zip(planes_of(self._frame), (luma, *colours), strict=True):
            enlarged = cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_CUBIC)
            plane[:] = np.rint(np.clip(enlarged, 0, 255))

    def frames(self, start_frame: int, count: int) -> Frames:
        """See `Surroundings`."""
        return self._frame[None].repeat(count, 0)


def _reduced(layout: Layout) -> tuple[tuple[int, int], slice, slice]:
    """Width and height of the small frames, and the rows and columns of the picture in them."""
    (x, y), (width, height) = layout.corner, layout.inner
    sides = (max(1, layout.size[0] // REDUCTION), max(1, layout.size[1] // REDUCTION))
    rows, columns = (
        slice(min(round(start / REDUCTION), side - 1), max(min(round((start + length) / REDUCTION), side), 1))
        for start, length, side in ((y, height, sides[1]), (x, width, sides[0]))
    )
    return sides, rows, columns


def _continued(plane: Floats, layout: Layout) -> Floats:
    """A plane of the small frames: the picture, continued beyond its edges. Blurred first, so that no streaks begin."""
    (width, height), rows, columns = _reduced(layout)
    shown = (columns.stop - columns.start, rows.stop - rows.start)
    blur = BLUR * min(width, height)
    small = cv2.GaussianBlur(
        cv2.resize(plane, shown, interpolation=cv2.INTER_AREA), (0, 0), blur, borderType=cv2.BORDER_REPLICATE
    )
    around = (rows.start, height - rows.stop, columns.start, width - columns.stop)
    continued = cv2.copyMakeBorder(small, *around, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(continued, (0, 0), blur, borderType=cv2.BORDER_REPLICATE), np.float32)


def _remoteness(layout: Layout) -> Floats:
    """How far the pixels of the small frames are from the picture: 0 in it, 1 from a distance on."""
    (width, height), rows, columns = _reduced(layout)
    down, across = _outside(height, rows), _outside(width, columns)
    away = np.clip(np.hypot(down[:, None], across[None]) / (DARK_AT * min(width, height)), 0, 1)
    return np.asarray(away * away * (3 - 2 * away), np.float32)


def _outside(side: int, shown: slice) -> Floats:
    """The distance of each place on an axis from a part of it."""
    at = np.arange(side, dtype=np.float32)
    return np.asarray(np.maximum(np.maximum(shown.start - at, at - (shown.stop - 1)), 0), np.float32)
