"""Draws a pair of eyes with their lids lowered, or looking aside.

A lid does not stretch when it is lowered: it rolls out from under its crease. So everything above the lashes stays, the
lashes move with the lid's edge (and turn from upwards to downwards), and between them there is plain skin.
In an eye that looks aside the iris moves as a whole; the white beside it is stretched and compressed.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars.idle_motion.easing import Floats, floats, ramp
from pipeline.avatars.idle_motion.eye_shape import ABOVE, BELOW, COLUMNS, SIDE, EyeShape, lid_edge
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.media.canvas import i420
from pipeline.media.planes import PLANE_STEPS, Planes, planes_of

LEVELS = 16
"""Positions of the lids between open and shut; more would be indistinguishable in a blink of seven frames."""
GAZE_LEVELS = 100
"""Positions of an iris on the way of one eye width."""
KEPT = 48
"""Drawn positions of lids and iris that are kept for further blinks and glances."""

# Lengths in eye widths.
LOWER_LID_RISE = 0.1
"""How far the lower lid rises to meet the upper one, relative to the eye's opening."""
LANDMARK_ERROR = 0.1
"""The eyeball may extend this far outside the landmarks, plus one pixel."""
LASHES = 0.12
"""How far the lashes reach above the lid's edge."""
LID_SKIN = 0.27
"""Height above the edge at which the skin ends and the brow begins."""
BELOW_SKIN = (0.12, 0.35)
"""Where there is skin below the lower lid's edge."""
ABOVE_TO_BELOW = 0.8
"""Lids are about this bright, relative to the skin below the eye, or brighter: what is darker above them is a brow, the
frame of glasses or the shadow of a fold."""
FOLD_TO_BELOW, SHADED = 0.6, (0.0, 0.7)
"""At its fold a lid may be this dark, as in deep-set eyes; over this part of its height it becomes lighter."""
GRAIN_GAP, GRAIN = 0.08, (0.9, 1.1)
"""A lid has the grain and the wrinkles of the skin below the eye, mirrored: from this distance on, and no darker and
brighter than these factors."""
DETAIL = 0.06
"""Grain and lashes are finer than this."""
FOLD = (-0.03, 0.1)
"""Around the end of the lashes, the lid's skin fades into what is above."""
OVERLAP = 0.03
"""So far, and a pixel, shut lids overlap, or a bright line of the eyeball would remain between them."""
SEAM, SEAM_COVER = (0.05, 0.17), 0.95
"""Below a shut lid, skin covers what the landmarks have missed of the eyeball: it fades out at these distances."""
CORNER = (0.42, 0.56)
"""Beyond the corners of the eye, so does its side."""
CHEEK = 0.4
"""The rise of the lower lid fades out over this distance."""
LID_LINE = 0.02, 0.045
"""How far the dark line along the edge reaches up onto the lid, and down, where lashes hang."""
FULLY_DRAWN = 0.05
"""Until an edge has moved this far, the picture shines through."""
IRIS = (0.27, 0.48)
"""The iris is within the first distance from the middle of the eye; at the second one nothing moves."""
LID_SOFTNESS = 0.04
"""An eyeball fades out over this distance beyond the lids' edges, so that no rest of the iris stays there."""

SHORTEST = 0.5
"""Minimum fraction of their length that lashes keep while they turn; at this point they briefly fade."""
LINE_STRENGTH = 0.8
CREASE_SOFTENING = 0.6
SHADE = 0.04
"""The lid bulges over the eyeball: how much lighter it is in the middle, and how much darker around it."""
DARKEST = 8
"""Skin is assumed to be at least this bright, of 255."""
LASHES_DARKEST, LINE = 0.75, (0.25, 0.6)
"""Lashes are at least this bright, relative to skin; the line along the edge is between these."""
SMOOTH, OUTLIERS = COLUMNS / 9, 13
"""Colours along the lid: sigma of a Gaussian and width of a median filter, in columns."""


class Eyelids:
    """Draws the lids of one eye at any position between open and shut."""

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
        self._upper = lid_edge(shape.upper, self._x)
        self._opening = np.maximum(lid_edge(shape.lower, self._x) - self._upper, 0)
        self._lashes = LASHES + self._pixel
        self._fold, self._skin, self._line, self._cheek = self._colours(shape)
        self._grain = self._skin_grain()
        window = _window(self._x / SIDE, np.where(self._y < 0, self._y / ABOVE, self._y / BELOW))
        self._shares = window, cv2.resize(window, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self._drawn = lru_cache(maxsize=KEPT)(self._planes)

    def paint(self, planes: Planes, level: int, gaze: int = 0) -> None:
        """Lower the lids in a frame (its planes Y, U and V) by `level` of `LEVELS`.

        `gaze`: how far the eye is turned to its right, of `GAZE_LEVELS`.
        """
        luma, chroma = self._shares
        x1, y1, x2, y2 = self.box
        drawn = self._drawn(level, gaze)
        for plane, lids, share, step in zip(planes, drawn, (luma, chroma, chroma), PLANE_STEPS, strict=True):
            part = plane[y1 // step : y2 // step, x1 // step : x2 // step]
            part[...] = np.rint(part + (lids - part) * share)

    def _planes(self, level: int, gaze: int) -> tuple[Floats, Floats, Floats]:
        """Y, U and V of the box with the lids lowered and the eye turned."""
        rgb = torch.from_numpy(self._draw(level / LEVELS, gaze / GAZE_LEVELS))
        luma, blue, red = planes_of(i420(rgb[None])[0].numpy())
        return luma.astype(np.float32), blue.astype(np.float32), red.astype(np.float32)

    def _draw(self, closure: float, gaze: float) -> Floats:
        """RGB [h, w, 3] of 0..255."""
        still = self._looking(gaze)
        if closure == 0:
            return still
        edge = self._upper + closure * (1 - LOWER_LID_RISE) * self._opening
        below = edge - self._y
        drawn = _mixed(self._under(still, closure), self._lid(still, edge, closure), self._covers(below))
        drawn = self._with_lashes(drawn, below, closure)
        moved = np.clip((edge - self._upper) / FULLY_DRAWN, 0, 1)
        # At the corners the edge does not move, but the lashes still turn.
        return _mixed(still, drawn, np.maximum(moved, closure))

    def _looking(self, gaze: float) -> Floats:
        """The open eye, turned."""
        still = self._sample(self._x, self._y)
        if gaze == 0:
            return still
        turned = self._sample(self._x - gaze * (1 - ramp(np.abs(self._x), *IRIS)), self._y)
        outside = np.maximum(self._upper - self._y, self._y - self._upper - self._opening)
        return _mixed(still, turned, 1 - ramp(outside, 0, LID_SOFTNESS + self._pixel))

    def _under(self, still: Floats, closure: float) -> Floats:
        """The part below the upper lid: the eyeball and the rising lower lid."""
        lower = self._upper + self._opening
        rise = closure * LOWER_LID_RISE * self._opening
        skin = self._y - lower + rise
        spare = closure * (LANDMARK_ERROR + self._pixel) * np.clip(3 - 3 * (2 * self._x) ** 2, 0, 1)
        lid = self._sample(self._x, self._y + (rise + spare) * (1 - ramp(skin, 0, CHEEK)))
        seam = SEAM_COVER * closure**2 * (1 - ramp(skin, *SEAM)) * (1 - ramp(np.abs(self._x), *CORNER))
        overlap = closure * (OVERLAP + self._pixel)
        return _mixed(still, _mixed(lid, self._cheek, seam), self._covers(skin + overlap))

    def _lid(self, still: Floats, edge: Floats, closure: float) -> Floats:
        """The upper lid without lashes, and the skin above it."""
        height = self._upper - self._y
        depth = np.clip((self._lashes - height) / (edge - self._upper + self._lashes), 0, 1)
        bulge = 1 - (2 * depth - 1) ** 2 - (2 * self._x) ** 2
        light = self._grain * (1 + closure * SHADE * np.clip(bulge, -1, 1))
        plain = _mixed(self._fold, self._skin, ramp(depth, *SHADED)) * light[..., None]
        soft = CREASE_SOFTENING * closure * (1 - ramp(height, self._lashes, LID_SKIN))
        rolled_out = 1 - ramp(height, self._lashes + FOLD[0], self._lashes + FOLD[1])
        beside = ramp(height, 0, self._lashes) * ramp(np.abs(self._x), *CORNER)
        return _mixed(still, plain, np.maximum(soft, rolled_out) * (1 - beside))

    def _with_lashes(self, skin: Floats, below: Floats, closure: float) -> Floats:
        """Draw lashes: everything above the edge that is darker than skin. On a shut eye they hang down."""
        slant = 1 - 2 * closure
        height = below / np.copysign(max(abs(slant), SHORTEST), slant)
        # Compared with what is around them: an evenly dark edge is a shadow, a fold or the rim of glasses.
        lashes = self._detail(self._upper - height)[..., None].clip(LASHES_DARKEST, 1)
        strength = self._covers(height + LID_LINE[0]) * (1 - ramp(height, 0.6 * self._lashes, self._lashes))
        strength *= min(abs(slant) / SHORTEST, 1)
        tapered = np.sqrt(np.clip(1 - (2 * self._x) ** 2, 0.01, 1))
        up, down = ((reach + self._pixel / 2) * tapered for reach in LID_LINE)
        line = np.exp(-np.square(below / np.where(below > 0, up, down))) * np.clip(up / self._pixel, 0, 1)
        line *= LINE_STRENGTH * min(3 * closure, 1) * (1 - self._line)
        return floats(skin * _mixed(np.ones_like(skin), lashes, strength) * (1 - line)[..., None])

    def _covers(self, distance: Floats) -> Floats:
        """0 to 1 within the pixel where `distance` changes sign: an antialiased edge."""
        return floats(np.clip(distance / self._pixel + 0.5, 0, 1))

    def _colours(self, shape: EyeShape) -> tuple[Floats, Floats, Floats, Floats]:
        """The lid's skin at its fold and at its edge, how dark the line along the edge is, and the skin below the eye.

        Colours are [h, w, 3], the line is [h, w], relative to the skin at the edge.
        """
        x = np.linspace(-0.5, 0.5, COLUMNS, dtype=np.float32)
        upper, lower = lid_edge(shape.upper, x), lid_edge(shape.lower, x)
        above = self._by_light(x, upper - np.linspace(0.7 * self._lashes, LID_SKIN, 9, dtype=np.float32)[:, None])[5]
        below = self._by_light(x, lower + np.linspace(*BELOW_SKIN, 9, dtype=np.float32)[:, None])[5]
        along = self._by_light(x, upper - np.linspace(0, self._lashes, 9, dtype=np.float32)[:, None])[1]
        fold, skin = (self._along(x, np.maximum(above, share * below)) for share in (FOLD_TO_BELOW, ABOVE_TO_BELOW))
        line = self._along(x, along).mean(-1) / skin.mean(-1)
        return fold, skin, np.clip(line, *LINE), self._along(x, below)

    def _skin_grain(self) -> Floats:
        """The grain of the lid's skin: factors around 1 [h, w]."""
        mirrored = 2 * (self._upper + self._opening) + GRAIN_GAP - self._y
        return floats(np.clip(self._detail(mirrored), *GRAIN))

    def _detail(self, y: Floats) -> Floats:
        """How bright the picture is at heights y of each pixel's place along the eye, relative to around it: [h, w]."""
        light = self._sample(self._x, y).mean(-1) + DARKEST
        sigma = max(DETAIL / self._pixel, 0.5)
        return floats(light / cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))

    def _by_light(self, x: Floats, y: Floats) -> Floats:
        """The picture's colours at x [n], y [m, n], each column sorted from dark to light: [m, n, 3]."""
        colours = self._sample(np.broadcast_to(x, y.shape), y)
        order = np.argsort(colours.sum(-1), axis=0)
        return np.take_along_axis(colours, order[..., None], 0)

    def _along(self, x: Floats, colours: Floats) -> Floats:
        """Colours [n, 3] at positions x [n] along the eye, smoothed and interpolated for every pixel: [h, w, 3]."""
        around = np.pad(colours, ((OUTLIERS // 2, OUTLIERS // 2), (0, 0)), "edge")
        usual = floats(np.median(np.lib.stride_tricks.sliding_window_view(around, OUTLIERS, 0), -1))
        smooth = cv2.GaussianBlur(usual[None], (0, 0), SMOOTH, borderType=cv2.BORDER_REPLICATE)[0]
        channels = [np.interp(self._x, x, channel) for channel in smooth.T]
        return floats(np.maximum(np.stack(channels, -1), DARKEST))

    def _sample(self, x: Floats, y: Floats) -> Floats:
        """The picture at eye coordinates x, y [h, w]: [h, w, 3]."""
        columns, rows = np.moveaxis(self._frame.to_pixels(x, y), -1, 0).copy()
        sampled = cv2.remap(self._picture, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return floats(sampled)


def eyelids(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> list[Eyelids]:
    """The lids of both eyes; none if either cannot be shut, so that the avatar never winks."""
    size = picture.shape[1], picture.shape[0]
    left = EyeShape.measure(landmarks.left_eye, size, left=True)
    right = EyeShape.measure(landmarks.right_eye, size, left=False)
    return [Eyelids(picture, left), Eyelids(picture, right)] if left and right else []


def _window(x: Floats, y: Floats) -> Floats:
    """1 around the middle of the square from -1 to 1, 0 at its border and outside: [h, w]."""
    return floats(1 - ramp(np.maximum(np.abs(x), np.abs(y)), 0.85, 0.97))


def _mixed(one: Floats, other: Floats, share: Floats) -> Floats:
    """Blend from `one` to `other` [h, w, 3] by a weight [h, w]."""
    return one + (other - one) * share[..., None]
