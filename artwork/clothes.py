"""A jacket and a lapel microphone; shirts and blouses are in each person's package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from artwork.brushes import Shape, clipped, ellipse, fill, ink, linear, mixed, moved, ribbon_at, spline, stroke
from artwork.geometry import RIGHT, SIDES, Knots, at_side
from artwork.touches import Touches, draw_touches


@dataclass(frozen=True)
class Cloth:
    """The colours of a cloth; `edge` is the colour of lit edges."""

    deep: str
    dark: str
    base: str
    light: str
    edge: str


@dataclass(frozen=True)
class Jacket:
    """The cut of a jacket; every line except the roll starts at the neck."""

    cloth: Cloth
    shoulders: Knots
    """Along the shoulder to the sleeve."""
    opening: Knots
    """The inner edge, to the bottom of the picture."""
    collar: Knots
    """The collar's outer edge, to the notch."""
    lapel: Knots
    """The lapel's outer edge, from the notch to the bottom."""
    notch: Knots
    """The seam between collar and lapel, from the outside."""
    roll: Knots
    """The soft fold of the lapel."""
    folds: Touches
    """Folds on sleeves and chest."""

    def shoulder_line(self) -> Shape:
        """The line from the left sleeve over both shoulders to the right sleeve."""
        return np.vstack([spline(at_side(side, self.shoulders))[::side] for side in SIDES])


def draw_jacket(canvas: skia.Canvas, jacket: Jacket) -> None:
    """Draw both halves with their lapels."""
    for side in SIDES:
        _draw_half(canvas, side, jacket)
    for side in SIDES:
        _draw_lapel(canvas, side, jacket)


def _draw_half(canvas: skia.Canvas, side: int, jacket: Jacket) -> None:
    cloth = jacket.cloth
    shoulder = spline(at_side(side, jacket.shoulders))
    body = np.vstack([shoulder, spline(at_side(side, jacket.opening))[::-1]])
    fill(canvas, moved(body, -7 * side, 8), ink(cloth.deep, 0.45), blur=8)
    fill(canvas, body, linear((140, 880), (900, 1080), cloth.light, cloth.base, cloth.dark), blur=0.8)
    with clipped(canvas, body):
        draw_touches(canvas, jacket.folds)
        stroke(canvas, moved(shoulder, 0, 4), 8, ink(cloth.edge, 0.34 if side == RIGHT else 0.42), blur=4.5)


def _draw_lapel(canvas: skia.Canvas, side: int, jacket: Jacket) -> None:
    """Draw collar and lapel, with the notch between them."""
    cloth = jacket.cloth
    inner = spline(at_side(side, [*jacket.opening[:0:-1], jacket.collar[0]]))
    edges = [spline(at_side(side, edge)) for edge in (jacket.collar, jacket.lapel)]
    lapel = np.vstack([*edges, inner])
    fill(canvas, moved(lapel, 6 * side, 6), ink(cloth.deep, 0.75), blur=7)
    light = mixed(cloth.light, "#FFFFFF", 0.08)
    fill(canvas, lapel, linear((300, 860), (800, 1080), light, cloth.base, cloth.dark), blur=0.6)
    notch = spline(at_side(side, jacket.notch))
    with clipped(canvas, lapel):
        fill(canvas, ribbon_at(at_side(side, jacket.roll), (6, 34, 12)), ink(cloth.edge, 0.16), 12)
        stroke(canvas, notch, 3, ink(cloth.deep, 0.8), 1.0)
        stroke(canvas, moved(notch, 0, 4), 2, ink(cloth.edge, 0.28), 1.0)
        stroke(canvas, lapel, 3, ink(cloth.edge, 0.32), 1.2)


def draw_microphone(canvas: skia.Canvas, x: float, y: float) -> None:
    """Draw a lapel microphone, a sign that the person is about to speak."""
    cable = ribbon_at([(x, y + 16), (x - 6, y + 52), (x + 2, y + 106)], (2.4, 2.4))
    foam = linear((x - 9, y - 9), (x + 10, y + 8), "#5E6B73", "#1F272C", "#0C1114")
    clip = ribbon_at([(x - 9, y + 13), (x + 10, y + 16)], (3.5, 3.5))
    fill(canvas, cable, ink("#0A161D", 0.8), 0.6)
    fill(canvas, ellipse(x + 4, y + 4, 9, 15, 8), ink("#0B1A24", 0.6), 4)
    fill(canvas, ellipse(x, y, 7.6, 13, 8), foam, 0.5)
    fill(canvas, ellipse(x - 3, y - 6, 1.8, 4.5, 12), ink("#FFFFFF", 0.45), 1.2)
    fill(canvas, clip, linear((x - 9, y + 13), (x + 10, y + 16), "#C7CED2", "#6B767C"), 0.4)
