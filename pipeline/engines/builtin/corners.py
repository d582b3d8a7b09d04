"""Skin without the corners of the mouth, for rounded lips, which leave them behind.

Lips narrow when they are rounded, and smooth skin lies where the corners of the closed mouth were. No picture shows it,
so the detail of skin from below the corners is cloned there, in the colours of its new surroundings (Pérez, Gangnet and
Blake, "Poisson image editing", 2003).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.builtin.face_shape import FaceFrame, FaceShape, centred, lip_gap, lip_line

INNER, OUTER = 0.37, 0.68
"""Where the cloned skin begins and ends, in mouth widths from the middle of the mouth."""
MARGIN = 0.09
"""How far it reaches beyond the lips."""
BELOW = 0.38
"""How far below the corners the skin is taken from."""
DETAIL_MAX = 16
"""Grain and wrinkles are this many grey levels lighter or darker than what is around, at most, and of the same colour;
what is below the corner of a turned face may be a collar or the background."""
UNEVEN = 38
"""If the surroundings, continued over a corner, vary more (standard deviation in grey levels), it is the end of a
moustache, which covers the corner, and would be smeared."""
COARSEST_PIXELS = 4
SMOOTHINGS = 24
"""Steps of relaxation at each scale."""

Picture = NDArray[np.uint8]
Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def without_corners(picture: Picture, frame: FaceFrame, shape: FaceShape) -> Picture:
    """A picture [h, w, 3] of a face with skin instead of the corners of its mouth.

    `frame`, `shape`: of the one frame of a still, in pixels of the picture.
    """
    x, y = _in_face(picture.shape[:2], frame)
    corners = _covers_corners(x, y, shape)
    # By whole pixels: interpolation would blur the grain.
    columns, rows = np.rint(frame.axes[0, 1] * BELOW * frame.width_pixels[0]).astype(int)
    skin = _shifted(picture, columns, rows)
    healed: Picture = picture.copy()
    for corner in (corners & (x < 0), corners & (x > 0)):
        if corner.any():
            left, top, width, height = cv2.boundingRect(corner.astype(np.uint8))
            box = np.s_[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
            healed[box] = _cloned(skin[box], picture[box], corner[box])
    return healed


def _shifted(picture: Picture, columns: int, rows: int) -> Picture:
    """For each pixel the one so much further right and down; at the border, the border's."""
    height, width = picture.shape[:2]
    down, right = np.arange(height) + rows, np.arange(width) + columns
    shifted: Picture = picture[down.clip(0, height - 1)[:, None], right.clip(0, width - 1)]
    return shifted


def _in_face(sides: tuple[int, ...], frame: FaceFrame) -> tuple[Array, Array]:
    """x, y [h, w] of every pixel, in mouth widths."""
    rows, columns = np.mgrid[: sides[0], : sides[1]]
    x, y = frame.to_face(np.stack([columns, rows], -1).reshape(1, -1, 2))[0].T.reshape(2, *sides)
    return x, y


def _covers_corners(x: Array, y: Array, shape: FaceShape) -> Mask:
    """The outer parts of the lips, with the skin next to them. [h, w]."""
    s = torch.from_numpy(np.clip(2 * x, -1, 1)[None].astype(np.float32))
    seam, half_gap = lip_line(shape.own_seam, s)[0].numpy(), lip_gap(shape.own_gap, s)[0].numpy() / 2
    thickness = (1 - s[0].numpy() ** 2) ** 0.5
    upper, lower = (float(lip) * thickness + half_gap + MARGIN for lip in (shape.upper_lip, shape.lower_lip))
    # Seen from the front: of the farther half of a turned mouth, and of the cheek beyond, less is seen.
    skew = float(shape.skew)
    beyond = (2 * np.abs(x) - 1).clip(0) * (1 + 2 * (abs(skew) + skew * np.sign(x)))
    out = (centred(s, shape.skew)[0].abs().numpy() + beyond) / 2
    return np.asarray((out > INNER) & (out < OUTER) & (y > seam - upper) & (y < seam + lower))


def _cloned(source: Picture, target: Picture, inside: Mask) -> Picture:
    """The target [h, w, 3] with the source's detail inside the mask, and no visible border."""
    exact = target.astype(np.float32)
    plain = _membrane(exact, inside)
    if plain[inside].mean(-1).std() > UNEVEN:
        return target
    detail = (source + _membrane(exact - source, inside) - plain).mean(-1, keepdims=True)
    cloned = np.where(inside[..., None], plain + np.clip(detail, -DETAIL_MAX, DETAIL_MAX), target)
    return np.asarray(np.clip(np.rint(cloned), 0, 255), np.uint8)


def _membrane(values: Array, inside: Mask) -> Array:
    """Values [h, w, n] with those inside the mask replaced by the smoothest transition between those around it."""
    known = (~inside).astype(np.float32)
    rows, columns = inside.shape
    if min(rows, columns) <= COARSEST_PIXELS:
        return np.where(inside[..., None], (values * known[..., None]).sum((0, 1)) / max(known.sum(), 1), values)
    half = ((columns + 1) // 2, (rows + 1) // 2)
    share = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(values * known[..., None], half, interpolation=cv2.INTER_AREA)
    coarse = _membrane(coarse / np.maximum(share, 1e-6)[..., None], share == 0)
    filled = np.where(inside[..., None], cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR), values)
    for _ in range(SMOOTHINGS):
        padded = np.pad(filled, ((1, 1), (1, 1), (0, 0)), "edge")
        around = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
        filled = np.where(inside[..., None], around, filled)
    return filled
