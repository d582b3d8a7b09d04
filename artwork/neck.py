"""A neck, and the chin's shadow on it."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import MULTIPLY, Shape, clipped, fill, ink, linear, mixed, moved, ribbon_at, spline
from artwork.geometry import LEFT, RIGHT, Geometry, Knots, at_side
from artwork.skin import Skin
from artwork.touches import Touches, draw_touches


def neck_outline(half_neck: Knots) -> Shape:
    """The outline from the left ear down and up to the right ear."""
    return np.vstack([spline(at_side(LEFT, half_neck)), spline(at_side(RIGHT, half_neck))[::-1]])


def draw_neck(canvas: skia.Canvas, face: Geometry, half_neck: Knots, skin: Skin, modelling: Touches) -> None:
    """Draw neck and chest. The chin's shadow is wide enough for a chin that moves down."""
    outline = neck_outline(half_neck)
    light, dark = mixed(skin.base, skin.turned, 0.3), mixed(skin.turned, skin.shade, 0.15)
    fill(canvas, outline, linear((430, 740), (640, 1000), light, skin.turned, dark))
    chin = moved(spline(face.jaw[2:19]), 8, 22)
    above = [(760, 560), (330, 560)]
    edge = half_neck[1:6]
    with clipped(canvas, outline):
        fill(canvas, ribbon_at(moved(at_side(RIGHT, edge), -2, 0), (40, 60, 60, 40)), ink(skin.shade, 0.5), 20)
        fill(canvas, ribbon_at(moved(at_side(LEFT, edge), 2, 0), (22, 30, 30, 20)), ink(skin.shade, 0.35), 14)
        fill(canvas, np.vstack([moved(chin, 2, 22), above]), ink(mixed(skin.shade, skin.deep, 0.4), 0.62), 16, MULTIPLY)
        fill(canvas, np.vstack([chin, above]), ink(mixed(skin.shade, skin.deep, 0.5), 0.45), 9, MULTIPLY)
        draw_touches(canvas, modelling)
