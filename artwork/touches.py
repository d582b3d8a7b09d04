"""Soft touches of light, shade and colour: what a face is modelled with, given as plain data.

Each touch is laid on both sides of the face, more or less strongly (`alpha`: picture's left, right); one with 0 on
the left lies on the right only, where distances may be negative: so a touch on the middle line is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import skia

from artwork.brushes import NORMAL, ellipse, fill, ink, ribbon_at, spline
from artwork.geometry import MIDDLE, SIDES, Knots, at_side


class Touch(Protocol):
    """Something soft that is laid over what is there."""

    def draw(self, canvas: skia.Canvas) -> None:
        """Lay it on both sides."""


def lay(canvas: skia.Canvas, touches: Iterable[Touch]) -> None:
    """Draw touches, one over the other."""
    for touch in touches:
        touch.draw(canvas)


@dataclass(frozen=True)
class Stroke:
    """A soft stroke through knots, whose width runs through `widths`."""

    knots: Knots
    widths: tuple[float, ...]
    colour: str
    alpha: tuple[float, float]
    blur: float
    mode: skia.BlendMode = NORMAL

    def draw(self, canvas: skia.Canvas) -> None:
        """Lay it on both sides."""
        for side, alpha in zip(SIDES, self.alpha, strict=True):
            if alpha:
                fill(canvas, ribbon_at(at_side(side, self.knots), self.widths), ink(self.colour, alpha), self.blur, self.mode)


@dataclass(frozen=True)
class Spot:
    """A soft ellipse, turned clockwise by `degrees` on the right and the other way on the left."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    colour: str
    alpha: tuple[float, float]
    blur: float
    degrees: float = 0.0
    mode: skia.BlendMode = NORMAL

    def draw(self, canvas: skia.Canvas) -> None:
        """Lay it on both sides."""
        for side, alpha in zip(SIDES, self.alpha, strict=True):
            if alpha:
                shape = ellipse(MIDDLE + side * self.centre[0], self.centre[1], *self.radii, side * self.degrees)
                fill(canvas, shape, ink(self.colour, alpha), self.blur, self.mode)


@dataclass(frozen=True)
class Patch:
    """A soft area inside a closed curve through knots."""

    knots: Knots
    colour: str
    alpha: tuple[float, float]
    blur: float
    mode: skia.BlendMode = NORMAL

    def draw(self, canvas: skia.Canvas) -> None:
        """Lay it on both sides."""
        for side, alpha in zip(SIDES, self.alpha, strict=True):
            if alpha:
                fill(canvas, spline(at_side(side, self.knots), closed=True), ink(self.colour, alpha), self.blur, self.mode)
