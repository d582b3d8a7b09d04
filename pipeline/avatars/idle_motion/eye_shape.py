"""The shape of an eye in its own coordinates, which do not depend on the head's tilt and size.

The origin is between the corners of the eye, x points from the left to the right one, y to the chin; the unit is the
distance of the corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.avatars.idle_motion.easing import Floats, floats
from pipeline.avatars.landmarks import Points
from pipeline.media.canvas import PixelBox

EYE_PIXELS_MIN = 10
"""A narrower eye is too small to blink visibly."""
OPENING = (0.12, 0.75)
"""Height of an open eye, relative to its width. A lower eye is shut; a higher one means wrong landmarks."""
COLUMNS = 48
"""Positions along an eye at which it is measured."""
SIDE, ABOVE, BELOW = 0.62, 0.62, 0.72
"""Room around the middle of the eye that a blink may change, in eye widths."""


@dataclass(frozen=True)
class EyeFrame:
    """The coordinates of an eye, in eye widths."""

    centre: Floats
    """[2]: x, y in pixels."""
    right: Floats
    """[2]: unit vector from the left corner to the right one."""
    width_pixels: float

    @property
    def axes(self) -> Floats:
        """[2, 2]: the frame's x and y axes as rows, in pixels."""
        return np.array([self.right, [-self.right[1], self.right[0]]], np.float32)

    def to_eye(self, points: Points) -> Floats:
        """Pixels [..., 2] to eye coordinates [..., 2]."""
        return floats((points - self.centre) @ self.axes.T / self.width_pixels)

    def to_pixels(self, x: Floats, y: Floats) -> Points:
        """Eye coordinates, each [...], to pixels [..., 2]."""
        return floats(np.stack([x, y], -1) @ self.axes * self.width_pixels + self.centre)


@dataclass(frozen=True)
class EyeShape:
    """The position of an eye and the edges of its lids."""

    frame: EyeFrame
    upper: Floats
    """Coefficients of the upper lid's edge for `lid_edge`."""
    lower: Floats

    @classmethod
    def measure(cls, contour: Points, size: tuple[int, int], *, left: bool) -> EyeShape | None:
        """The shape of an eye [8, 2], in the order of `FaceLandmarks`, in a picture of `size` (width, height).

        None if it has no lids that can be moved.
        """
        # Phrased so that NaN is rejected too.
        if not ((contour >= 0).all() and (contour < size).all()):
            return None
        start, end = (contour[0], contour[4]) if left else (contour[4], contour[0])
        width = float(np.hypot(*(end - start)))
        if width < EYE_PIXELS_MIN:
            return None
        frame = EyeFrame((start + end) / 2, (end - start) / width, width)
        points = frame.to_eye(contour)
        shape = cls(frame, _fitted_edge(points[1:4]), _fitted_edge(points[5:8]))
        x = np.linspace(-0.5, 0.5, COLUMNS, dtype=np.float32)
        opening = lid_edge(shape.lower, x) - lid_edge(shape.upper, x)
        return shape if OPENING[0] <= opening.max() <= OPENING[1] and opening.min() > -0.05 else None

    def box(self, width: int, height: int) -> PixelBox:
        """The area that a blink may change, on even pixels inside a picture of this size."""
        corners = self.frame.to_pixels(
            np.array([-SIDE, SIDE, -SIDE, SIDE], np.float32), np.array([-ABOVE, -ABOVE, BELOW, BELOW], np.float32)
        )
        (x1, y1), (x2, y2) = np.floor(corners.min(0) / 2) * 2, np.ceil(corners.max(0) / 2) * 2
        return max(int(x1), 0), max(int(y1), 0), min(int(x2), width), min(int(y2), height)


def lid_edge(coefficients: Floats, x: Floats) -> Floats:
    """Height of a lid's edge at x; 0 beyond the corners."""
    s = np.clip(2 * x, -1, 1)
    return floats((1 - s * s) * (coefficients[0] + s * (coefficients[1] + s * coefficients[2])))


def _fitted_edge(points: Points) -> Floats:
    """Coefficients of a curve through the corners and near three points: (1 - s^2) times a polynomial in s = 2 x."""
    s = 2 * points[:, 0]
    terms = (1 - s**2)[:, None] * s[:, None] ** np.arange(3)
    return floats(np.linalg.lstsq(terms, points[:, 1], rcond=0.05)[0])
