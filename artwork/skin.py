"""Skin: its colours, and the planes of the head before features are modelled on them."""

from __future__ import annotations

from dataclasses import dataclass

import skia

from artwork.brushes import fill, ink, linear, moved, ribbon
from artwork.geometry import LEFT, RIGHT, Geometry


@dataclass(frozen=True)
class Skin:
    """The colours of skin, light to dark. Shades are applied faintly, so they are redder than real shaded skin."""

    glow: str
    light: str
    warm: str
    base: str
    turned: str
    """For planes that face away from the light."""
    shade: str
    deep: str
    """For nostrils and folds."""
    bounce: str
    """Reflected light on the side away from the lamp."""


def draw_head(canvas: skia.Canvas, face: Geometry, skin: Skin) -> None:
    """Draw the planes of the head: front, receding sides, and light reflected from the right."""
    shade = linear((390, 290), (690, 720), skin.light, skin.warm, skin.base, skin.turned)
    fill(canvas, face.face, shade, blur=3)
    left, right = face.half_jaw(LEFT), face.half_jaw(RIGHT)
    fill(canvas, ribbon(moved(right, 2, 6), (30, 60, 90, 110)), ink(skin.shade, 0.40), 24)
    fill(canvas, ribbon(moved(left, -2, 8), (90, 70, 50, 30)), ink(skin.shade, 0.30), 18)
    fill(canvas, ribbon(moved(right[14:56], -3, -2), (1, 6, 7, 6, 1)), ink(skin.bounce, 0.36), 4)
