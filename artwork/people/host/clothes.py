"""The host's shirt and jacket."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped, ellipse, fill, ink, linear, moved, ribbon_at, spline, stroke
from artwork.clothes import HEM, Cloth, Jacket
from artwork.geometry import MIDDLE, SIDES, at_side
from artwork.touches import Stroke, draw_folds

DEEP, LIGHT = "#0D1320", "#4A5A78"
JACKET = Jacket(
    cloth=Cloth(deep=DEEP, dark="#161F33", base="#25324C", light=LIGHT, edge="#C3CFE6"),
    shoulders=[
        (148, 806),
        (180, 830),
        (270, 862),
        (370, 886),
        (450, 922),
        (498, 984),
        (524, 1100),
        (550, 1216),
        (556, 1330),
        (556, HEM),
    ],
    opening=[(146, 820), (162, 874), (154, 944), (126, 1014), (88, 1100), (50, 1186), (2, 1286)],
    collar=[(150, 804), (186, 832), (222, 874), (240, 916)],
    lapel=[(252, 944), (238, 994), (206, 1040), (178, 1100), (150, 1160), (84, 1232), (2, 1286)],
    notch=[(244, 924), (208, 928), (176, 906), (164, 880)],
    roll=[(184, 864), (190, 964), (140, 1090)],
    folds=[
        Stroke([(428, 914), (404, 994), (408, 1100)], (2, 9, 14), DEEP, (0.75, 0.75), 5),
        Stroke([(440, 920), (420, 994), (428, 1100)], (2, 10, 14), LIGHT, (0.40, 0.30), 6),
        Stroke([(350, 914), (346, 994), (330, 1100)], (2, 18, 34), DEEP, (0.45, 0.45), 13),
        Stroke([(318, 914), (304, 1004), (276, 1100)], (2, 14, 26), LIGHT, (0.32, 0.22), 11),
        Stroke([(480, 964), (468, 1024), (484, 1100)], (2, 18, 22), DEEP, (0.5, 0.5), 9),
        Stroke([(500, 994), (494, 1030), (506, 1100)], (2, 10, 14), LIGHT, (0.35, 0.25), 7),
    ],
)

WHITE, PALE, GREY = "#FDFDFE", "#E9EEF5", "#B4BFD0"
FOLD = "#7C8AA2"
SHIRT_FOLDS = [
    Stroke([(120, 954), (84, 1014), (60, 1100)], (2, 14, 14), FOLD, (0.34, 0.34), 6),
    Stroke([(60, 984), (34, 1020), (30, 1100)], (2, 7, 7), FOLD, (0.34, 0.34), 6),
]
OPENING = [(108, 805), (86, 850), (58, 896), (22, 933), (-3, 949)]
"""The shirt's edge, from the neck to the first button that is closed."""
COLLAR = (
    [(121, 758), (112, 776), (98, 818), (68, 864), (36, 901)],
    [(36, 901), (62, 925), (92, 955)],
    [(92, 955), (140, 915), (168, 859), (154, 805), (136, 770), (121, 758)],
)
"""A leaf's edges: from the neck along the opening, to the tip, and back below the jacket."""


def draw_shirt(canvas: skia.Canvas) -> None:
    """Draw a white shirt with the first button open, without a tie."""
    for side in SIDES:
        _draw_front(canvas, side)
    for side in SIDES:
        _draw_collar(canvas, side)
    for y in (972, 1036, 1102, 1168, 1234):
        fill(canvas, ellipse(MIDDLE + 1, y + 1.5, 6, 6), ink(FOLD, 0.6), 2)
        fill(canvas, ellipse(MIDDLE, y, 5, 5), linear((0, y - 5), (0, y + 5), WHITE, "#C6CEDA"), 0.5)


def _draw_front(canvas: skia.Canvas, side: int) -> None:
    edge = spline(at_side(side, OPENING))
    half = np.vstack([edge, at_side(side, [(-3, HEM), (250, HEM), (250, 1100), (230, 894), (160, 824)])])
    fill(canvas, moved(half, 0, 8), ink("#6E3A28", 0.36), blur=8)
    fill(canvas, half, linear((400, 844), (640, 1060), WHITE, PALE, GREY))
    with clipped(canvas, half):
        draw_folds(canvas, SHIRT_FOLDS, [side])
        placket = at_side(side, [(13, 946), (13, HEM)])
        stroke(canvas, placket, 1.6, ink(FOLD, 0.45), 0.8)


def _draw_collar(canvas: skia.Canvas, side: int) -> None:
    """Draw one leaf of the collar, folded down from the stand."""
    leaf = np.vstack([spline(at_side(side, edge)) for edge in COLLAR])
    fill(canvas, moved(leaf, 3, 10), ink("#2A3448", 0.45), blur=9)
    fill(canvas, leaf, linear((400, 774), (660, 994), WHITE, WHITE, PALE, GREY), blur=0.6)
    with clipped(canvas, leaf):
        bend = at_side(side, [(140, 784), (138, 835), (120, 883), (108, 939)])
        fill(canvas, ribbon_at(bend, (4, 26, 18, 4)), ink(FOLD, 0.28), 9)
        stroke(canvas, leaf, 4, ink("#FFFFFF", 0.85), 1.6)
        seam = at_side(side, [(46, 898), (70, 920), (93, 944), (140, 902)])
        stroke(canvas, seam, 1.2, ink(FOLD, 0.35), 0.6)
