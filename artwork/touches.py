"""Soft touches of light, shade and colour that model a face, as plain data.

Each touch is applied to both sides of the face, each with its own strength (`alpha`: the picture's left and right). A
touch on the middle line has strength 0 on the left: it is only applied to the right, where distances may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import skia

from artwork.brushes import NORMAL, Shape, ellipse, fill, ink, ribbon_at, spline
from artwork.geometry import MIDDLE, SIDES, Knots, at_side


@dataclass(frozen=True)
class Stroke:
    """A soft stroke through knots; its width is interpolated between `widths`."""

    knots: Knots
    widths: Sequence[float]
    colour: str
    alpha: tuple[float, float]
    blur: float
    mode: skia.BlendMode = NORMAL

    def shape(self, side: int) -> Shape:
        """Its outline on one side."""
        return ribbon_at(at_side(side, self.knots), self.widths)


@dataclass(frozen=True)
class Spot:
    """A soft ellipse, rotated by `degrees`: clockwise on the right, counterclockwise on the left."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    colour: str
    alpha: tuple[float, float]
    blur: float
    degrees: float = 0.0
    mode: skia.BlendMode = NORMAL

    def shape(self, side: int) -> Shape:
        """Its outline on one side."""
        return ellipse(MIDDLE + side * self.centre[0], self.centre[1], *self.radii, side * self.degrees)


@dataclass(frozen=True)
class Patch:
    """A soft area inside a closed curve through knots."""

    knots: Knots
    colour: str
    alpha: tuple[float, float]
    blur: float
    mode: skia.BlendMode = NORMAL

    def shape(self, side: int) -> Shape:
        """Its outline on one side."""
        return spline(at_side(side, self.knots), closed=True)


Touches = Sequence[Stroke | Spot | Patch]


def draw_touches(canvas: skia.Canvas, touches: Touches) -> None:
    """Draw touches in order."""
    for touch in touches:
        for side, alpha in zip(SIDES, touch.alpha, strict=True):
            if alpha:
                fill(canvas, touch.shape(side), ink(touch.colour, alpha), touch.blur, touch.mode)
