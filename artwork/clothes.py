"""A jacket and a lapel microphone; shirts and blouses are in each person's package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia

from artwork.brushes import Shape, clipped, ellipse, fill, ink, linear, mixed, moved, ribbon_at, spline, stroke
from artwork.geometry import HEIGHT, LEFT, MIDDLE, RIGHT, SIDES, Knots, at_side
from artwork.touches import Stroke, draw_folds

HEM = HEIGHT + 40
"""y at which clothes end, below the picture."""
OVERLAP = 8
"""How far the front of a buttoned jacket reaches over the middle line."""
BUTTON_BELOW = 22
"""How far below the end of the lapels the button is."""


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
    """The inner edge, to where the halves meet above the button."""
    collar: Knots
    """The collar's outer edge, to the notch."""
    lapel: Knots
    """The lapel's outer edge, from the notch to the end of the opening."""
    notch: Knots
    """The seam between collar and lapel, from the outside."""
    roll: Knots
    """The soft fold of the lapel."""
    folds: Sequence[Stroke]
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
    _draw_button(canvas, jacket)


def _draw_half(canvas: skia.Canvas, side: int, jacket: Jacket) -> None:
    cloth = jacket.cloth
    shoulder = spline(at_side(side, jacket.shoulders))
    end = jacket.opening[-1][1]
    front = at_side(side, [(-OVERLAP, end + 30), (-OVERLAP, HEM)])
    body = np.vstack([shoulder, front[::-1], spline(at_side(side, jacket.opening))[::-1]])
    fill(canvas, moved(body, -7 * side, 8), ink(cloth.deep, 0.45), blur=8)
    fill(canvas, body, linear((140, 880), (900, 1080), cloth.light, cloth.base, cloth.dark), blur=0.8)
    with clipped(canvas, body):
        draw_folds(canvas, jacket.folds)
        stroke(canvas, moved(shoulder, 0, 4), 8, ink(cloth.edge, 0.34 if side == RIGHT else 0.42), blur=4.5)


def _draw_lapel(canvas: skia.Canvas, side: int, jacket: Jacket) -> None:
    """Draw collar and lapel, with the notch between them."""
    cloth = jacket.cloth
    lapel = _lapel(side, jacket)
    fill(canvas, moved(lapel, 6 * side, 6), ink(cloth.deep, 0.75), blur=7)
    light = mixed(cloth.light, "#FFFFFF", 0.08)
    fill(canvas, lapel, linear((300, 860), (800, 1080), light, cloth.base, cloth.dark), blur=0.6)
    notch = spline(at_side(side, jacket.notch))
    with clipped(canvas, lapel):
        draw_folds(canvas, [Stroke(jacket.roll, (6, 34, 12), cloth.edge, (0.16, 0.16), 12)], [side])
        stroke(canvas, notch, 3, ink(cloth.deep, 0.8), 1.0)
        stroke(canvas, moved(notch, 0, 4), 2, ink(cloth.edge, 0.28), 1.0)
        stroke(canvas, lapel, 3, ink(cloth.edge, 0.32), 1.2)


def _lapel(side: int, jacket: Jacket) -> Shape:
    """The outline of collar and lapel."""
    inner = spline(at_side(side, [*jacket.opening[:0:-1], jacket.collar[0]]))
    return np.vstack([*(spline(at_side(side, edge)) for edge in (jacket.collar, jacket.lapel)), inner])


def _draw_button(canvas: skia.Canvas, jacket: Jacket) -> None:
    """Draw the button that closes the jacket, and the pull of the cloth around it."""
    cloth, (x, y) = jacket.cloth, (MIDDLE + 3 * OVERLAP, jacket.opening[-1][1] + BUTTON_BELOW)
    for side in SIDES:
        pull = at_side(side, [(30, y - 2), (120, y - 34), (230, y - 82)])
        fill(canvas, ribbon_at(pull, (4, 16, 30)), ink(cloth.deep, 0.30), 9)
        fill(canvas, ribbon_at(moved(pull, 0, 20), (3, 14, 26)), ink(cloth.light, 0.22), 9)
    edge = at_side(RIGHT, [(-OVERLAP, y - BUTTON_BELOW + 30), (-OVERLAP, HEM)])
    stroke(canvas, edge, 2.4, ink(cloth.edge, 0.30), 1.0)
    fill(canvas, ellipse(x + 2, y + 4, 12.5, 12.5), ink(cloth.deep, 0.8), 4)
    face = linear((x - 9, y - 9), (x + 9, y + 9), mixed(cloth.light, "#FFFFFF", 0.15), cloth.dark, cloth.deep)
    fill(canvas, ellipse(x, y, 11, 11), face, 0.5)
    fill(canvas, ellipse(x, y, 7.6, 7.6), ink(cloth.deep, 0.45), 1.4)
    for across, down in ((-2.4, -2.4), (2.4, -2.4), (-2.4, 2.4), (2.4, 2.4)):
        fill(canvas, ellipse(x + across, y + down, 1.3, 1.3), ink("#000000", 0.7), 0.4)
    fill(canvas, ellipse(x - 4, y - 7, 4, 1.6, -30), ink("#FFFFFF", 0.35), 1.0)


def draw_microphone(canvas: skia.Canvas, jacket: Jacket, x: float, y: float) -> None:
    """Draw a microphone on the left lapel: the person is about to speak. Its cable ends behind the lapel."""
    cable = [(x - MIDDLE, y + 16), (x - MIDDLE - 6, y + 52), (x - MIDDLE + 2, y + 106)]
    foam = linear((x - 9, y - 9), (x + 10, y + 8), "#5E6B73", "#1F272C", "#0C1114")
    clip = ribbon_at([(x - 9, y + 13), (x + 10, y + 16)], (3.5, 3.5))
    with clipped(canvas, _lapel(LEFT, jacket)):
        draw_folds(canvas, [Stroke(cable, (2.4, 2.4), "#0A161D", (0, 0.8), 0.6)], [RIGHT])
    fill(canvas, ellipse(x + 4, y + 4, 9, 15, 8), ink("#0B1A24", 0.6), 4)
    fill(canvas, ellipse(x, y, 7.6, 13, 8), foam, 0.5)
    fill(canvas, ellipse(x - 3, y - 6, 1.8, 4.5, 12), ink("#FFFFFF", 0.45), 1.2)
    fill(canvas, clip, linear((x - 9, y + 13), (x + 10, y + 16), "#C7CED2", "#6B767C"), 0.4)
