"""Draws a pair of eyes with their lids lowered.

Each eye is drawn in its own frame: origin between its corners, x from the left one to the right one, y towards the
chin, 1 = their distance. So a head may be tilted, small or large.

A lid that comes down is no stretched skin: it rolls out from under its crease. So what lies above the lashes stays,
the lashes travel with the lid's edge (and turn from upwards to downwards), and between them there is plain skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars.idle_motion.easing import Floats, ramp
from pipeline.avatars.landmarks import FaceLandmarks, Points
from pipeline.media.canvas import PixelBox, i420
from pipeline.media.planes import PLANE_STEPS, Planes, planes_of

LEVELS = 16
"""Positions of the lids between open and shut: more cannot be told apart in a blink of seven frames."""

EYE_PIXELS_MIN = 10
"""A narrower eye has no lids to speak of."""
OPENING = (0.12, 0.75)
"""How high an open eye is, for its width. A lower one is shut already, of a higher one the landmarks are wrong."""

# Lengths in eye widths.
LOWER_LID_RISE = 0.1
"""How far the lower lid comes to meet the upper one, for the eye's opening."""
LANDMARK_ERROR = 0.035
"""How far outside the landmarks there may still be eyeball, besides a pixel."""
LASHES = 0.12
"""How far the lashes reach above the lid's edge."""
LID_SKIN = 0.27
"""Up to this height over the edge there is skin: the brow begins above."""
CHEEK = 0.4
"""The rise of the lower lid fades to nothing over this distance."""
LID_LINE = 0.035
"""Half the thickness of the dark line along the edge."""
FULLY_DRAWN = 0.05
"""Until an edge has moved so far, the picture shines through."""
SIDE, ABOVE, BELOW = 0.62, 0.62, 0.72
"""Room around the middle of the eye that a blink may change."""

SHORTEST = 0.5
"""Part of their length that lashes keep as they turn; there they fade for a moment."""
LINE_STRENGTH = 0.8
CREASE_SOFTENING = 0.6
SHADE = 0.04
"""A lid bulges over the eyeball: how much lighter it is in the middle, and darker around."""
DARKEST = 8
"""Skin is taken for no darker than this, of 255."""
COLUMNS = 48
"""Places along an eye where its colours are measured."""


@dataclass(frozen=True)
class EyeFrame:
    """An eye's own coordinates, in eye widths."""

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
        return _floats((points - self.centre) @ self.axes.T / self.width_pixels)

    def to_pixels(self, x: Floats, y: Floats) -> Points:
        """Eye coordinates, each [...], to pixels [..., 2]."""
        return _floats(np.stack([x, y], -1) @ self.axes * self.width_pixels + self.centre)


@dataclass(frozen=True)
class EyeShape:
    """Where an eye is, and the edges of its lids."""

    frame: EyeFrame
    upper: Floats
    """Coefficients of the upper lid's edge for `_edge`."""
    lower: Floats

    @classmethod
    def measure(cls, contour: Points, size: tuple[int, int], *, left: bool) -> EyeShape | None:
        """An eye [8, 2] in the order of `FaceLandmarks`, in a picture of a width and height.

        None when it has no lids that can be moved.
        """
        # Written so that it is true for what is not a number, too.
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
        opening = _edge(shape.lower, x) - _edge(shape.upper, x)
        return shape if OPENING[0] <= opening.max() <= OPENING[1] and opening.min() > -0.05 else None

    def box(self, width: int, height: int) -> PixelBox:
        """What a blink may change, on even pixels inside a picture of this size."""
        corners = self.frame.to_pixels(
            np.array([-SIDE, SIDE, -SIDE, SIDE], np.float32), np.array([-ABOVE, -ABOVE, BELOW, BELOW], np.float32)
        )
        (x1, y1), (x2, y2) = np.floor(corners.min(0) / 2) * 2, np.ceil(corners.max(0) / 2) * 2
        return max(int(x1), 0), max(int(y1), 0), min(int(x2), width), min(int(y2), height)


class Eyelids:
    """The lids of one eye, drawn at any position between open and shut."""

    def __init__(self, picture: NDArray[np.uint8], shape: EyeShape) -> None:
        """`picture`: RGB [height, width, 3], both even."""
        self.box = shape.box(picture.shape[1], picture.shape[0])
        self._picture = picture
        self._frame = shape.frame
        self._pixel = 1 / shape.frame.width_pixels
        x1, y1, x2, y2 = self.box
        columns, rows = np.meshgrid(np.arange(x1, x2, dtype=np.float32), np.arange(y1, y2, dtype=np.float32))
        points = shape.frame.to_eye(np.stack([columns, rows], -1))
        self._x, self._y = points[..., 0], points[..., 1]
        self._upper = _edge(shape.upper, self._x)
        self._opening = np.maximum(_edge(shape.lower, self._x) - self._upper, 0)
        self._lashes = LASHES + self._pixel
        self._skin, self._line = self._colours(shape)
        window = _window(self._x / SIDE, np.where(self._y < 0, self._y / ABOVE, self._y / BELOW))
        self._shares = window, cv2.resize(window, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self._drawn: dict[int, tuple[Floats, Floats, Floats]] = {}
        """The box's planes by the level of the lids, drawn when first needed."""

    def paint(self, planes: Planes, level: int) -> None:
        """Lower the lids in a frame (its planes Y, U and V) by `level` of `LEVELS`."""
        luma, chroma = self._shares
        x1, y1, x2, y2 = self.box
        if level not in self._drawn:
            self._drawn[level] = self._planes(level)
        drawn = self._drawn[level]
        for plane, lids, share, step in zip(planes, drawn, (luma, chroma, chroma), PLANE_STEPS, strict=True):
            part = plane[y1 // step : y2 // step, x1 // step : x2 // step]
            part[...] = np.rint(part + (lids - part) * share)

    def _planes(self, level: int) -> tuple[Floats, Floats, Floats]:
        """Y, U and V of the box with the lids lowered."""
        rgb = torch.from_numpy(self._draw(level / LEVELS))
        luma, blue, red = planes_of(i420(rgb[None])[0].numpy())
        return luma.astype(np.float32), blue.astype(np.float32), red.astype(np.float32)

    def _draw(self, closure: float) -> Floats:
        """RGB [h, w, 3] of 0..255."""
        still = self._sample(self._x, self._y)
        edge = self._upper + closure * (1 - LOWER_LID_RISE) * self._opening
        below = edge - self._y
        drawn = _mixed(self._under(still, closure), self._lid(still, edge, closure), self._covers(below))
        drawn = self._with_lashes(drawn, below, closure)
        moved = np.clip((edge - self._upper) / FULLY_DRAWN, 0, 1)
        # At the corners the edge does not move, but the lashes turn there, too.
        return _mixed(still, drawn, np.maximum(moved, closure))

    def _under(self, still: Floats, closure: float) -> Floats:
        """What the upper lid comes down over: the eyeball, and the lower lid that rises."""
        lower = self._upper + self._opening
        rise = closure * LOWER_LID_RISE * self._opening
        skin = self._y - lower + rise
        spare = closure * (LANDMARK_ERROR + self._pixel) * np.clip(3 - 3 * (2 * self._x) ** 2, 0, 1)
        lid = self._sample(self._x, self._y + (rise + spare) * (1 - ramp(skin, 0, CHEEK)))
        return _mixed(still, lid, self._covers(skin))

    def _lid(self, still: Floats, edge: Floats, closure: float) -> Floats:
        """The upper lid without its lashes, and the skin above."""
        height = self._upper - self._y
        depth = np.clip((self._lashes - height) / (edge - self._upper + self._lashes), 0, 1)
        bulge = 1 - (2 * depth - 1) ** 2 - (2 * self._x) ** 2
        plain = self._skin * (1 + closure * SHADE * np.clip(bulge, -1, 1))[..., None]
        soft = CREASE_SOFTENING * closure * (1 - ramp(height, self._lashes, LID_SKIN))
        rolled_out = 1 - ramp(height, self._lashes - 0.02, self._lashes + 0.04)
        return _mixed(still, plain, np.maximum(soft, rolled_out))

    def _with_lashes(self, skin: Floats, below: Floats, closure: float) -> Floats:
        """Lashes are what the picture has darker than skin above the edge; shut, they hang down from it."""
        slant = 1 - 2 * closure
        height = below / np.copysign(max(abs(slant), SHORTEST), slant)
        lashes = np.clip(self._sample(self._x, self._upper - height) / self._skin, 0, 1)
        strength = self._covers(height + LID_LINE) * (1 - ramp(height, 0.6 * self._lashes, self._lashes))
        strength *= min(abs(slant) / SHORTEST, 1)
        thick = (LID_LINE + self._pixel / 2) * np.clip(1 - (2 * self._x) ** 4, 0, 1)
        line = np.clip((thick - np.abs(below)) / self._pixel + 0.5, 0, 1) * np.clip(thick / self._pixel, 0, 1)
        line *= LINE_STRENGTH * min(3 * closure, 1)
        return _mixed(skin * _mixed(np.ones_like(skin), lashes, strength), self._line, line)

    def _covers(self, distance: Floats) -> Floats:
        """0 to 1 within the pixel where `distance` changes its sign: an edge without steps."""
        return _floats(np.clip(distance / self._pixel + 0.5, 0, 1))

    def _colours(self, shape: EyeShape) -> tuple[Floats, Floats]:
        """The lid's skin, and the dark line along its edge, for each pixel's place along the eye: [h, w, 3]."""
        x = np.linspace(-0.5, 0.5, COLUMNS, dtype=np.float32)
        heights = np.linspace(0.7 * self._lashes, LID_SKIN, 9, dtype=np.float32)[:, None]
        above = self._by_light(x, _edge(shape.upper, x) - heights)
        heights = np.linspace(0, self._lashes, 9, dtype=np.float32)[:, None]
        along = self._by_light(x, _edge(shape.upper, x) - heights)
        return self._along(x, above[5]), self._along(x, along[1])

    def _by_light(self, x: Floats, y: Floats) -> Floats:
        """The picture's colours at x [n], y [m, n]; those of a column from dark to light, [m, n, 3]."""
        colours = self._sample(np.broadcast_to(x, y.shape), y)
        order = np.argsort(colours.sum(-1), axis=0)
        return np.take_along_axis(colours, order[..., None], 0)

    def _along(self, x: Floats, colours: Floats) -> Floats:
        """Colours [n, 3] at places x [n] along the eye, smoothed, for every pixel."""
        smooth = cv2.GaussianBlur(colours[None], (0, 0), COLUMNS / 16, borderType=cv2.BORDER_REPLICATE)[0]
        channels = [np.interp(self._x, x, channel) for channel in smooth.T]
        return _floats(np.maximum(np.stack(channels, -1), DARKEST))

    def _sample(self, x: Floats, y: Floats) -> Floats:
        """The picture at eye coordinates [h, w], [h, w, 3]."""
        columns, rows = np.moveaxis(self._frame.to_pixels(x, y), -1, 0).copy()
        sampled = cv2.remap(self._picture, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return _floats(sampled)


def eyelids(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> list[Eyelids]:
    """The lids of both eyes; none when one of them cannot be shut, as nobody should wink."""
    size = picture.shape[1], picture.shape[0]
    left = EyeShape.measure(landmarks.left_eye, size, left=True)
    right = EyeShape.measure(landmarks.right_eye, size, left=False)
    return [Eyelids(picture, left), Eyelids(picture, right)] if left and right else []


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)


def _fitted_edge(points: Points) -> Floats:
    """Coefficients of a curve through the corners and near three points: (1 - s^2) times a polynomial in s = 2 x."""
    s = 2 * points[:, 0]
    terms = (1 - s**2)[:, None] * s[:, None] ** np.arange(3)
    return _floats(np.linalg.lstsq(terms, points[:, 1], rcond=0.05)[0])


def _edge(coefficients: Floats, x: Floats) -> Floats:
    """Height of a lid's edge at x; 0 beyond the corners."""
    s = np.clip(2 * x, -1, 1)
    return _floats((1 - s * s) * (coefficients[0] + s * (coefficients[1] + s * coefficients[2])))


def _window(x: Floats, y: Floats) -> Floats:
    """1 about the middle, 0 from the border of the square from -1 to 1 on."""
    return _floats(1 - ramp(np.maximum(np.abs(x), np.abs(y)), 0.85, 0.97))


def _mixed(one: Floats, other: Floats, share: Floats) -> Floats:
    """From `one` [h, w, 3] to `other` by a share [h, w]."""
    return one + (other - one) * share[..., None]
