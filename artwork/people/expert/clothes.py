"""The expert's shirt, tie and jacket."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import Shape, clipped, fill, ink, linear, moved, ribbon_at, spline, stroke
from artwork.clothes import HEM, Cloth, Jacket
from artwork.geometry import MIDDLE, RIGHT, SIDES, at_side
from artwork.touches import Stroke, draw_folds

DEEP, LIGHT = "#221912", "#86705A"
JACKET = Jacket(
    cloth=Cloth(deep=DEEP, dark="#3A2D22", base="#574534", light=LIGHT, edge="#EADCC8"),
    shoulders=[
        (150, 806),
        (182, 830),
        (272, 862),
        (374, 886),
        (454, 924),
        (500, 986),
        (524, 1100),
        (548, 1214),
        (554, 1330),
        (554, HEM),
    ],
    opening=[(146, 820), (160, 874), (152, 944), (124, 1014), (88, 1100), (52, 1186), (2, 1300)],
    collar=[(150, 804), (186, 832), (222, 874), (238, 912)],
    lapel=[(250, 940), (236, 994), (204, 1044), (174, 1100), (144, 1156), (80, 1244), (2, 1300)],
    notch=[(242, 920), (206, 924), (174, 904), (162, 880)],
    roll=[(184, 864), (188, 964), (138, 1090)],
    folds=[
        Stroke([(430, 916), (406, 994), (410, 1100)], (2, 9, 14), DEEP, (0.75, 0.75), 5),
        Stroke([(442, 922), (422, 994), (430, 1100)], (2, 10, 14), LIGHT, (0.40, 0.30), 6),
        Stroke([(350, 914), (346, 994), (330, 1100)], (2, 18, 34), DEEP, (0.45, 0.45), 13),
        Stroke([(318, 914), (304, 1004), (276, 1100)], (2, 14, 26), LIGHT, (0.32, 0.22), 11),
        Stroke([(482, 966), (470, 1024), (486, 1100)], (2, 18, 22), DEEP, (0.5, 0.5), 9),
        Stroke([(502, 996), (496, 1030), (508, 1100)], (2, 10, 14), LIGHT, (0.35, 0.25), 7),
    ],
)

PALE, SKY, GREY = "#E9F2FB", "#CFDFF0", "#93A7C2"
FOLD = "#5F7596"
COLLAR = (
    [(122, 754), (112, 782), (86, 824), (46, 856), (6, 874)],
    [(6, 874), (34, 914), (66, 950)],
    [(66, 950), (118, 914), (156, 862), (154, 808), (138, 770), (122, 754)],
)
"""A leaf's edges: from the neck along the throat, to the tip, and back below the jacket."""
TIE, TIE_DARK, TIE_LIGHT, STRIPE = "#24345A", "#131D36", "#40568A", "#B9923F"
KNOT = [(-29, 868), (29, 868), (24, 892), (17, 919), (-17, 919), (-24, 892)]
BLADE = [(-15, 912), (15, 912), (34, 1000), (50, 1120), (62, HEM), (-62, HEM), (-50, 1120), (-34, 1000)]


def draw_shirt(canvas: skia.Canvas) -> None:
    """Draw a light blue shirt with a tie."""
    front = at_side(RIGHT, [(-166, 824), (-60, 858), (0, 868), (60, 858), (166, 824), (250, HEM), (-250, HEM)])
    fill(canvas, front, linear((400, 844), (640, 1060), PALE, SKY, GREY))
    with clipped(canvas, front):
        draw_folds(canvas, [Stroke([(126, 950), (92, 1014), (74, 1100)], (2, 14, 14), FOLD, (0.34, 0.34), 6)])
    _draw_tie(canvas)
    for side in SIDES:
        _draw_collar(canvas, side)


def _draw_tie(canvas: skia.Canvas) -> None:
    """Draw a tie with fine diagonal stripes, and a dimple below its knot."""
    blade = spline(at_side(RIGHT, BLADE), closed=True)
    knot = spline(at_side(RIGHT, KNOT), closed=True)
    fill(canvas, moved(blade, 5, 8), ink("#22304C", 0.45), blur=8)
    for part, stripes_from in ((blade, 920), (knot, 868)):
        across = linear((MIDDLE - 46, 0), (MIDDLE + 46, 0), TIE_LIGHT, TIE, TIE_DARK)
        fill(canvas, part, across, blur=0.6)
        with clipped(canvas, part):
            _draw_stripes(canvas, part, stripes_from)
            stroke(canvas, part, 3, ink("#0A1020", 0.5), 1.6)
    dimple = ribbon_at([(MIDDLE - 2, 918), (MIDDLE - 4, 950), (MIDDLE - 2, 990)], (5, 9, 1))
    fill(canvas, moved(dimple, -7, 0), ink(TIE_LIGHT, 0.5), 3)
    fill(canvas, dimple, ink("#0A1020", 0.55), 3)
    under = ribbon_at(at_side(RIGHT, [(-20, 922), (0, 925), (20, 922)]), (4, 8, 4))
    fill(canvas, under, ink("#0A1020", 0.55), 3)


def _draw_stripes(canvas: skia.Canvas, part: Shape, top: float) -> None:
    for y in np.arange(top, part[:, 1].max() + 80, 34):
        line = np.array([(MIDDLE - 80, y + 56), (MIDDLE + 80, y - 56)])
        stroke(canvas, line, 2.6, ink(STRIPE, 0.62), 0.5)
        stroke(canvas, moved(line, 0, 5), 1.2, ink("#DCE4F2", 0.30), 0.4)


def _draw_collar(canvas: skia.Canvas, side: int) -> None:
    """Draw one leaf of the collar, folded down from the stand."""
    leaf = np.vstack([spline(at_side(side, edge)) for edge in COLLAR])
    fill(canvas, moved(leaf, 3, 10), ink("#22304C", 0.42), blur=9)
    fill(canvas, leaf, linear((400, 774), (660, 994), "#F6FAFE", PALE, SKY, GREY), blur=0.6)
    with clipped(canvas, leaf):
        bend = at_side(side, [(140, 784), (138, 835), (118, 880), (92, 930)])
        fill(canvas, ribbon_at(bend, (4, 26, 18, 4)), ink(FOLD, 0.26), 9)
        stroke(canvas, leaf, 4, ink("#FFFFFF", 0.85), 1.6)
        seam = at_side(side, [(16, 878), (42, 912), (66, 940), (118, 902)])
        stroke(canvas, seam, 1.2, ink(FOLD, 0.35), 0.6)
