"""The host's shirt and jacket."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped, ellipse, fill, ink, linear, moved, ribbon_at, spline, stroke
from artwork.clothes import Cloth, Jacket
from artwork.geometry import MIDDLE, SIDES, at_side
from artwork.touches import Stroke

DEEP, LIGHT = "#0D1320", "#4A5A78"
JACKET = Jacket(
    cloth=Cloth(deep=DEEP, dark="#161F33", base="#25324C", light=LIGHT, edge="#C3CFE6"),
    shoulders=[(148, 792), (180, 816), (270, 848), (370, 872), (450, 908), (498, 970), (524, 1100)],
    opening=[(146, 806), (162, 860), (154, 930), (126, 1000), (88, 1100)],
    collar=[(150, 790), (186, 818), (222, 860), (240, 902)],
    lapel=[(252, 930), (238, 980), (206, 1040), (178, 1100)],
    notch=[(244, 910), (208, 914), (176, 892), (164, 866)],
    roll=[(184, 850), (190, 950), (140, 1090)],
    folds=[
        Stroke([(428, 900), (404, 980), (408, 1100)], (2, 9, 14), DEEP, (0.75, 0.75), 5),
        Stroke([(440, 906), (420, 980), (428, 1100)], (2, 10, 14), LIGHT, (0.40, 0.30), 6),
        Stroke([(350, 900), (346, 980), (330, 1100)], (2, 18, 34), DEEP, (0.45, 0.45), 13),
        Stroke([(318, 900), (304, 990), (276, 1100)], (2, 14, 26), LIGHT, (0.32, 0.22), 11),
        Stroke([(480, 950), (468, 1010), (484, 1100)], (2, 18, 22), DEEP, (0.5, 0.5), 9),
        Stroke([(500, 980), (494, 1030), (506, 1100)], (2, 10, 14), LIGHT, (0.35, 0.25), 7),
    ],
)

WHITE, PALE, GREY = "#FDFDFE", "#E9EEF5", "#B4BFD0"
FOLD = "#7C8AA2"
OPENING = [(122, 792), (94, 848), (58, 906), (22, 952), (-3, 972)]
"""The shirt's edge, from the neck to the first button that is closed."""
COLLAR = (
    [(126, 754), (108, 810), (74, 866), (36, 912)],
    [(36, 912), (62, 942), (92, 980)],
    [(92, 980), (140, 930), (168, 860), (158, 792), (134, 756)],
)
"""A leaf's edges: from the neck along the opening, to the tip, and back below the jacket."""


def draw_shirt(canvas: skia.Canvas) -> None:
    """White, without a tie, its first button open."""
    for side in SIDES:
        _draw_front(canvas, side)
    for side in SIDES:
        _draw_collar(canvas, side)
    for y in (1024, 1058):
        fill(canvas, ellipse(MIDDLE + 1, y + 1.5, 6, 6), ink(FOLD, 0.6), 2)
        fill(canvas, ellipse(MIDDLE, y, 5, 5), linear((0, y - 5), (0, y + 5), WHITE, "#C6CEDA"), 0.5)


def _draw_front(canvas: skia.Canvas, side: int) -> None:
    edge = spline(at_side(side, OPENING))
    half = np.vstack([edge, at_side(side, [(-3, 1100), (250, 1100), (230, 880), (160, 810)])])
    fill(canvas, moved(half, 0, 8), ink("#6E3A28", 0.36), blur=8)
    fill(canvas, half, linear((400, 830), (640, 1060), WHITE, PALE, GREY))
    with clipped(canvas, half):
        for knots, width in (
            ([(120, 940), (84, 1000), (60, 1100)], 14),
            ([(60, 970), (34, 1020), (30, 1100)], 7),
        ):
            fill(canvas, ribbon_at(at_side(side, knots), (2, width, width)), ink(FOLD, 0.34), blur=6)
        placket = at_side(side, [(13, 965), (13, 1100)])
        stroke(canvas, placket, 1.6, ink(FOLD, 0.45), 0.8)


def _draw_collar(canvas: skia.Canvas, side: int) -> None:
    """One leaf of the collar, folded down from the stand."""
    leaf = np.vstack([spline(at_side(side, edge)) for edge in COLLAR])
    fill(canvas, moved(leaf, 3, 10), ink("#2A3448", 0.45), blur=9)
    fill(canvas, leaf, linear((400, 760), (660, 980), WHITE, WHITE, PALE, GREY), blur=0.6)
    with clipped(canvas, leaf):
        bend = at_side(side, [(140, 770), (138, 830), (120, 890), (108, 960)])
        fill(canvas, ribbon_at(bend, (4, 26, 18, 4)), ink(FOLD, 0.28), 9)
        stroke(canvas, leaf, 4, ink("#FFFFFF", 0.85), 1.6)
        seam = at_side(side, [(46, 908), (70, 936), (93, 966), (140, 914)])
        stroke(canvas, seam, 1.2, ink(FOLD, 0.35), 0.6)
