"""A plane of a frame that can be sampled between its pixels without blur."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.media.canvas import PixelBox
from pipeline.media.planes import Plane

BETWEEN = np.array([[-1, 4, -11, 40, 40, -11, 4, -1]], np.float32) * np.float32(1 / 64)
"""HEVC's half-pixel filter (ITU-T H.265, 8.5.3.3.3): the value in the middle of eight pixels."""
LINEAR = np.array([[0.5, 0.5]], np.float32)
"""For mattes: the other filter would ring around their hard edges."""
REACH = 4
"""How many pixels around a changed pixel have changed points next to them."""

GAP = 8
"""Rows between the points of the plane and those of another picture."""


class FinePlane:
    """A plane with an extra point between every two pixels; the pixels keep their values.

    Linear interpolation between these points keeps the texture of hair and skin. Between pixels alone it would blur the
    texture by a varying amount, so that a moving picture would shimmer.
    """

    def __init__(self, plane: Plane, between: NDArray[np.float32] = BETWEEN) -> None:
        """`between`: the filter that gives the extra points."""
        self._plane = plane.copy()
        """The pixels that the points were made of."""
        self._fine = _doubled(plane, between)
        self._inset: Plane | None = None
        """What the points below those of the plane were made of."""

    def refine(self, plane: Plane, box: PixelBox) -> None:
        """Update the points inside `box` from the plane, as far as it has changed."""
        changed = self._changed(plane, box)
        if changed is None:
            return
        x1, y1, x2, y2 = _grown(changed, REACH, plane)
        left, top, right, bottom = _grown((x1, y1, x2, y2), REACH, plane)
        fine = _doubled(plane[top:bottom, left:right])
        inner = fine[2 * (y1 - top) : 2 * (y2 - top), 2 * (x1 - left) : 2 * (x2 - left)]
        self._fine[2 * y1 : 2 * y2, 2 * x1 : 2 * x2] = inner
        self._plane[y1:y2, x1:x2] = plane[y1:y2, x1:x2]

    def _changed(self, plane: Plane, box: PixelBox) -> PixelBox | None:
        """The part of `box` in which the pixels differ from those that the points were made of."""
        x1, y1, x2, y2 = box
        differ = self._plane[y1:y2, x1:x2] != plane[y1:y2, x1:x2]
        left, top, width, height = cv2.boundingRect(differ.view(np.uint8))
        return (x1 + left, y1 + top, x1 + left + width, y1 + top + height) if width else None

    def inset(self, picture: Plane) -> int:
        """Put the points of another picture below those of the plane; returns the row in which they begin."""
        height, width = picture.shape
        first = 2 * len(self._plane) + GAP
        if self._inset is not None and np.array_equal(picture, self._inset):
            return first
        self._inset = picture
        missing = first + 2 * height - len(self._fine)
        if missing > 0:
            self._fine = np.pad(self._fine, ((0, missing), (0, 0)), "edge")
        self._fine[first : first + 2 * height, : 2 * width] = _doubled(picture)
        return first

    def shows(self, part: Plane, box: PixelBox) -> bool:
        """Whether the plane has these pixels inside a box."""
        x1, y1, x2, y2 = box
        return np.array_equal(part, self._plane[y1:y2, x1:x2])

    def sample(self, points: NDArray[np.float32], out: Plane) -> None:
        """Fill `out` [h, w] with the values at `points` [2, h, w]: x and y in half pixels."""
        cv2.remap(self._fine, points[0], points[1], cv2.INTER_LINEAR, out, borderMode=cv2.BORDER_REPLICATE)


def _grown(box: PixelBox, by: int, plane: Plane) -> PixelBox:
    height, width = plane.shape
    x1, y1, x2, y2 = box
    return max(x1 - by, 0), max(y1 - by, 0), min(x2 + by, width), min(y2 + by, height)


def _doubled(plane: Plane, between: NDArray[np.float32] = BETWEEN) -> Plane:
    """[h, w] to [2 h, 2 w]: a point inserted after each pixel, in both directions."""
    height, width = plane.shape
    middle = between.shape[1] // 2 - 1
    across = cv2.filter2D(plane, -1, between, anchor=(middle, 0), borderType=cv2.BORDER_REPLICATE)
    fine = np.empty((height, 2, 2 * width), np.uint8)
    pairs = fine[:, 0].view("<u2")  # faster than cv2.merge
    np.left_shift(across, 8, out=pairs, dtype=np.uint16)
    pairs |= plane
    fine[:, 1] = cv2.filter2D(fine[:, 0], -1, between.T, anchor=(0, middle), borderType=cv2.BORDER_REPLICATE)
    return fine.reshape(2 * height, 2 * width)
