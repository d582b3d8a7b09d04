"""Soft touches of light, shade and colour that model a face, as plain data.

Each touch is applied to both sides of the face, each with its own strength (`alpha`: the picture's left and right). A
touch on the middle line has strength 0 on the left: it is only applied to the right, where distances may be negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import skia

from artwork.brushes import NORMAL, Shape, ellipse, fill, ink, ribbon_at, spline
from artwork.geometry import HEIGHT, MARGIN, MIDDLE, SIDE, SIDES, Knots, at_side

BEYOND = 40
"""How far below the picture folds end."""
WIDTHS = 24
"""Widths of a fold that is continued."""


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

    def continued(self) -> Stroke:
        """The same, continued from its end to below the picture, straight and as wide as it ends."""
        before, end = self.knots[-2:]
        step = (end[0] - before[0], end[1] - before[1])
        steps = range(1, 1 + int(np.ceil((HEIGHT + BEYOND - end[1]) / step[1])))
        knots = [*self.knots, *((end[0] + step[0] * n, end[1] + step[1] * n) for n in steps)]
        places = np.linspace(0, _length(knots) / _length(self.knots), WIDTHS)
        widths = np.interp(places, np.linspace(0, 1, len(self.widths)), self.widths)
        return replace(self, knots=knots, widths=widths.tolist())


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


def draw_folds(canvas: skia.Canvas, folds: Sequence[Stroke], sides: Sequence[int] = SIDES) -> None:
    """Draw folds that reach the lower edge of the square, and continue them below it."""
    for rows, strokes in (((0, SIDE), folds), ((SIDE, HEIGHT), [fold.continued() for fold in folds])):
        with _only(canvas, *rows):
            for fold in strokes:
                for side in sides:
                    fill(canvas, fold.shape(side), ink(fold.colour, fold.alpha[SIDES.index(side)]), fold.blur)


@contextmanager
def _only(canvas: skia.Canvas, top: int, bottom: int) -> Iterator[None]:
    """Restrict drawing to some rows."""
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(-MARGIN, top, SIDE + MARGIN, bottom))
    try:
        yield
    finally:
        canvas.restore()


def _length(knots: Knots) -> float:
    return float(np.hypot(*np.diff(spline(knots), axis=0).T).sum())
