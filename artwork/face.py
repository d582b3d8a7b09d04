"""Draws a face part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from artwork.brushes import (
    Shape,
    clipped,
    ellipse,
    fill,
    ink,
    linear,
    moved,
    resampled,
    ribbon,
    ribbon_at,
    soft_layer,
    spline,
    stroke,
)
from artwork.eyes import Brows, Eyes, draw_brows, draw_eyes
from artwork.geometry import LEFT, SIDES, Geometry
from artwork.skin import Skin, draw_head
from artwork.touches import Touches, draw_touches


@dataclass(frozen=True)
class Lips:
    """The appearance of a person's lips; all gradients run from top to bottom."""

    upper: tuple[str, str, str]
    lower: tuple[str, str, str]
    line: str
    """Colour of the line where the lips meet."""
    gloss: float
    """Strength of the light on them, 0 to 1."""
    blur: float
    """Softness of their edge."""


@dataclass(frozen=True)
class Features:
    """The appearance of a person's face."""

    skin: Skin
    eyes: Eyes
    brows: Brows
    lips: Lips
    modelling: Touches
    """Light and shade of forehead, sockets, cheeks, nose and chin."""
    hair_shadow: Touches
    """The shadow of the hair on the face."""


def draw_face(canvas: skia.Canvas, face: Geometry, features: Features, dice: np.random.Generator) -> None:
    """Draw the head without hair and ears."""
    with soft_layer(canvas, face.face, blur=1.3):
        draw_head(canvas, face, features.skin)
        draw_touches(canvas, features.modelling)
        _draw_nose(canvas, face, features.skin)
        draw_eyes(canvas, face, features.eyes, features.skin, dice)
        draw_brows(canvas, features.brows, dice)
        _draw_lips(canvas, face, features.lips, features.skin)
        draw_touches(canvas, features.hair_shadow)


def _draw_nose(canvas: skia.Canvas, face: Geometry, skin: Skin) -> None:
    """Draw base and nostrils; bridge and tip are only modelled by light."""
    left, (x, y), right = face.nose
    reach = (right[0] - left[0]) / 2
    above = [(x + reach * at, y + down) for at, down in ((-0.94, -6), (-0.5, -8), (0, -4), (0.5, -8), (0.94, -6))]
    below = [(x + reach * 0.55, y + 3), (x, y + 5), (x - reach * 0.55, y + 3)]
    fill(canvas, spline(above + below, closed=True), ink(skin.deep, 0.42), 4)
    fill(canvas, ellipse(x + 6, y + 9, reach * 0.72, 7), ink(skin.shade, 0.30), 7)
    for side, wing in zip(SIDES, (left, right), strict=True):
        _draw_nostril(canvas, side, wing, skin)


def _draw_nostril(canvas: skia.Canvas, side: int, wing: Shape, skin: Skin) -> None:
    x, y = wing
    crease = [(x - side * 6, y - 19), (x - side * 0.5, y - 8), (x - side * 1, y + 3), (x - side * 10, y + 8)]
    fill(canvas, ribbon_at(crease, (1, 5, 6, 2)), ink(skin.deep, 0.38), 2.6)
    fill(canvas, ellipse(x - side * 10, y - 7, 7, 8), ink(skin.glow, 0.40 if side == LEFT else 0.20), 4)
    rim = [(12, 6), (18, 2.5), (26, 5), (25, 8), (16, 9)]
    hole = spline([(x - side * inwards, y + down) for inwards, down in rim], closed=True)
    fill(canvas, hole, ink("#5E2A20", 0.85), 1.6)


def _draw_lips(canvas: skia.Canvas, face: Geometry, lips: Lips, skin: Skin) -> None:
    """Draw closed lips without hard edges, since they are warped when the avatar speaks."""
    _draw_philtrum(canvas, face, lips, skin)
    upper, lower = face.upper_lip, face.lower_lip
    (x, meeting), bottom, bow = face.lips_inner[5], face.lips_outer[15, 1], face.lips_outer[5, 1]
    fill(canvas, lower, linear((0, meeting - 6), (0, bottom), *lips.lower), blur=lips.blur)
    fill(canvas, upper, linear((0, bow - 4), (0, meeting), *lips.upper), blur=lips.blur * 0.95)
    with clipped(canvas, np.vstack([upper, lower])):
        middle = bottom - 14
        fill(canvas, ellipse(x - 8, middle, 24, 4.5, -2), ink("#FFE3DA", 0.60 * lips.gloss), 3.6)
        fill(canvas, ellipse(x + 26, middle - 1, 10, 3.5, -6), ink("#FFE3DA", 0.30 * lips.gloss), 3)
        fill(canvas, ellipse(x - 18, bow + 4, 10, 2.5, -14), ink("#FFD9CF", 0.40 * lips.gloss), 2.6)
        fill(canvas, ellipse(x + 18, bow + 4, 8, 2.2, 12), ink("#FFD9CF", 0.25 * lips.gloss), 2.4)
        stroke(canvas, moved(face.lip_line, 0, 3), 5, ink(lips.line, 0.35), 2.6)
    line = ribbon(resampled(face.lip_line, 80), (1.0, 2.2, 2.6, 3.0, 2.6, 2.2, 1.0))
    fill(canvas, line, ink(lips.line, 0.85), 0.9)
    for corner in (face.lips_outer[0], face.lips_outer[10]):
        fill(canvas, ellipse(corner[0], corner[1] + 0.5, 4.5, 3), ink(skin.deep, 0.5), 2.4)


def _draw_philtrum(canvas: skia.Canvas, face: Geometry, lips: Lips, skin: Skin) -> None:
    """Draw the groove between nose and mouth, and the light on the edge of the upper lip."""
    x, top = face.nose[1, 0], face.nose[1, 1] + 5
    bow = face.lips_outer[5, 1]
    fill(canvas, ribbon_at([(x, top), (x, bow - 11)], (8, 10)), ink(skin.shade, 0.22), 4)
    for side in SIDES:
        edge = [(x + side * 8, top + 1), (x + side * 12, bow - 8)]
        fill(canvas, ribbon_at(edge, (3, 5)), ink(skin.glow, 0.15 + 0.25 * lips.gloss), 3)
    stroke(canvas, moved(spline(face.lips_outer[2:9]), 0, -3.5), 3, ink(skin.glow, 0.45 * lips.gloss), 2.2)
