"""The presenter's neck and clothes."""

from __future__ import annotations

import numpy as np
import skia
from brushes import MULTIPLY, clipped, ellipse, fill, ink, linear, mixed, moved, ribbon_at, spline, stroke
from geometry import HALF_SHOULDERS, LEFT, MIDDLE, RIGHT, Geometry, at_side
from palette import (
    BLAZER,
    BLAZER_DARK,
    BLAZER_DEEP,
    BLAZER_LIGHT,
    BLOUSE,
    BLOUSE_LIGHT,
    BLOUSE_SHADE,
    SHADE,
    SKIN_GLOW,
)

HALF_NECK = [(98, 600), (94, 700), (90, 765), (96, 812), (122, 842), (180, 868), (250, 900), (250, 1090)]


def draw_neck(canvas: skia.Canvas, face: Geometry) -> None:
    """Neck and chest, and the shadow of the chin, which a chin that moves down only covers."""
    outline = np.vstack([spline(at_side(LEFT, HALF_NECK)), spline(at_side(RIGHT, HALF_NECK))[::-1]])
    fill(canvas, outline, linear((430, 740), (640, 1000), "#EDB998", "#E8B08D", "#D79A78"))
    chin = moved(spline(face.jaw[2:19]), 8, 22)
    above = [(760, 560), (330, 560)]
    right = [(648, 640), (640, 770), (668, 850), (760, 880)]
    left = [(434, 640), (440, 770), (418, 850), (330, 880)]
    with clipped(canvas, outline):
        fill(canvas, ribbon_at(right, (40, 60, 60, 40)), ink(SHADE, 0.5), 20)
        fill(canvas, ribbon_at(left, (22, 30, 30, 20)), ink(SHADE, 0.35), 14)
        fill(canvas, np.vstack([moved(chin, 2, 22), above]), ink("#A65A40", 0.62), 16, MULTIPLY)
        fill(canvas, np.vstack([chin, above]), ink("#9A4E38", 0.45), 9, MULTIPLY)
        _draw_collarbones(canvas)
        _draw_necklace(canvas)


def _draw_collarbones(canvas: skia.Canvas) -> None:
    for side in (LEFT, RIGHT):
        strength = 0.30 if side == RIGHT else 0.22
        muscle = at_side(side, [(86, 760), (62, 830), (30, 886), (14, 902)])
        fill(canvas, ribbon_at(muscle, (2, 12, 12, 6)), ink(SHADE, strength), 6)
        fill(canvas, ribbon_at(moved(muscle, -9 * side, -2), (2, 10, 8, 3)), ink(SKIN_GLOW, 0.18), 6)
        bone = at_side(side, [(16, 912), (60, 902), (120, 892), (190, 894)])
        fill(canvas, ribbon_at(moved(bone, 0, 9), (4, 9, 10, 4)), ink(SHADE, strength), 6)
        fill(canvas, ribbon_at(moved(bone, 0, -3), (4, 8, 8, 3)), ink(SKIN_GLOW, 0.45), 5)
    fill(canvas, ellipse(MIDDLE + 1, 906, 13, 12), ink(SHADE, 0.4), 7)


def _draw_necklace(canvas: skia.Canvas) -> None:
    """A thin gold chain with a small drop."""
    left, right = (
        [(412, 806), (436, 848), (464, 894), (502, 935)],
        [(580, 935), (616, 894), (644, 848), (668, 806)],
    )
    chain = spline([*left, (541, 950), *right])
    gold = linear((440, 840), (640, 950), "#F7DFA0", "#C99743", "#F3D48C", "#A8742E")
    stroke(canvas, moved(chain, 1, 4), 2.5, ink(SHADE, 0.55), 2)
    stroke(canvas, chain, 1.9, gold, 0.3)
    drop = linear((536, 951), (547, 967), "#FFF1C4", "#DDB160", "#A8742E")
    fill(canvas, ellipse(542, 964, 6, 9), ink(SHADE, 0.6), 3)
    fill(canvas, ellipse(541, 959, 5.2, 7.6), drop, 0.4)
    fill(canvas, ellipse(539.4, 956, 1.5, 2.2), ink("#FFFFFF", 0.9), 0.6)


def draw_torso(canvas: skia.Canvas) -> None:
    """Blouse with an open neck, and the blazer over it."""
    _draw_blouse(canvas)
    for side in (LEFT, RIGHT):
        _draw_blazer_half(canvas, side)
    _draw_microphone(canvas)


def _draw_blouse(canvas: skia.Canvas) -> None:
    neckline = [(132, 842), (112, 890), (76, 950), (36, 1000), (-4, 1036)]
    for side in (LEFT, RIGHT):
        edge = spline(at_side(side, neckline))
        half = np.vstack([edge, at_side(side, [(-4, 1100), (250, 1100), (220, 900), (160, 846)])])
        fill(canvas, moved(half, 0, 8), ink("#8A4632", 0.34), blur=8)
        fill(canvas, half, linear((400, 850), (620, 1080), BLOUSE_LIGHT, BLOUSE, BLOUSE_SHADE))
        with clipped(canvas, half):
            for knots, width in (
                ([(140, 860), (116, 930), (74, 1010), (40, 1090)], 12),
                ([(165, 880), (140, 960), (106, 1030), (86, 1100)], 9),
            ):
                fold = ribbon_at(at_side(side, knots), (2, width, width, 4))
                fill(canvas, fold, ink("#9C8E86", 0.38), blur=6)
            stroke(canvas, moved(edge, side * 3, 3), 4, ink("#FFFFFF", 0.8), blur=1.8)


def _draw_blazer_half(canvas: skia.Canvas, side: int) -> None:
    inner = at_side(side, [(140, 840), (146, 890), (136, 960), (110, 1030), (78, 1100)])
    body = np.vstack([spline(at_side(side, HALF_SHOULDERS)), at_side(side, [(78, 1100)]), spline(inner)[::-1]])
    fill(canvas, moved(body, -7 * side, 8), ink(BLAZER_DEEP, 0.45), blur=8)
    fill(canvas, body, linear((140, 880), (900, 1080), BLAZER_LIGHT, BLAZER, BLAZER_DARK), blur=0.8)
    with clipped(canvas, body):
        _draw_blazer_folds(canvas, side)
    _draw_lapel(canvas, side)


def _draw_blazer_folds(canvas: skia.Canvas, side: int) -> None:
    folds = [
        ([(392, 932), (372, 1000), (376, 1100)], (2, 9, 14), BLAZER_DEEP, 0.75, 5),
        ([(404, 938), (390, 1000), (396, 1100)], (2, 10, 14), BLAZER_LIGHT, 0.45, 6),
        ([(330, 930), (322, 1000), (300, 1100)], (2, 18, 34), BLAZER_DEEP, 0.45, 13),
        ([(300, 930), (282, 1010), (250, 1100)], (2, 14, 26), BLAZER_LIGHT, 0.35, 11),
        ([(440, 980), (430, 1030), (446, 1100)], (2, 18, 22), BLAZER_DEEP, 0.5, 9),
        ([(462, 1000), (458, 1050), (470, 1100)], (2, 10, 14), BLAZER_LIGHT, 0.4, 7),
    ]  # fmt: skip
    for knots, widths, colour, alpha, blur in folds:
        fill(canvas, ribbon_at(at_side(side, knots), widths), ink(colour, alpha), blur)
    shoulder = moved(spline(at_side(side, HALF_SHOULDERS)), 0, 4)
    stroke(canvas, shoulder, 8, ink("#BFE0EE" if side == RIGHT else "#DDF0F7", 0.38), blur=4.5)


def _draw_microphone(canvas: skia.Canvas) -> None:
    """A lapel microphone: she is here to speak."""
    cable = ribbon_at([(402, 1000), (396, 1036), (404, 1090)], (2.4, 2.4))
    foam = linear((393, 975), (412, 992), "#5E6B73", "#1F272C", "#0C1114")
    clip = ribbon_at([(393, 997), (412, 1000)], (3.5, 3.5))
    fill(canvas, cable, ink("#0A161D", 0.8), 0.6)
    fill(canvas, ellipse(406, 988, 9, 15, 8), ink(BLAZER_DEEP, 0.6), 4)
    fill(canvas, ellipse(402, 984, 7.6, 13, 8), foam, 0.5)
    fill(canvas, ellipse(399, 978, 1.8, 4.5, 12), ink("#FFFFFF", 0.45), 1.2)
    fill(canvas, clip, linear((393, 997), (412, 1000), "#C7CED2", "#6B767C"), 0.4)


def _draw_lapel(canvas: skia.Canvas, side: int) -> None:
    """Collar and lapel, with the notch between them."""
    lapel = np.vstack(
        [
            spline(at_side(side, [(132, 836), (176, 858), (226, 896), (240, 930)])),
            spline(at_side(side, [(240, 952), (222, 1000), (184, 1060), (150, 1100)])),
            spline(at_side(side, [(78, 1100), (110, 1030), (136, 960), (146, 890), (132, 836)])),
        ]
    )
    fill(canvas, moved(lapel, 6 * side, 6), ink(BLAZER_DEEP, 0.75), blur=7)
    light = mixed(BLAZER_LIGHT, "#FFFFFF", 0.08)
    fill(canvas, lapel, linear((300, 860), (800, 1080), light, BLAZER, BLAZER_DARK), blur=0.6)
    roll = at_side(side, [(172, 880), (172, 980), (124, 1090)])
    notch = at_side(side, [(240, 934), (200, 940), (160, 916), (148, 896)])
    with clipped(canvas, lapel):
        fill(canvas, ribbon_at(roll, (6, 34, 12)), ink("#9CCBDD", 0.20), 12)
        stroke(canvas, spline(notch), 3, ink(BLAZER_DEEP, 0.8), 1.0)
        stroke(canvas, moved(spline(notch[:3]), 0, 4), 2, ink("#A9D2E2", 0.35), 1.0)
        stroke(canvas, lapel, 3, ink("#B9DCEA", 0.32), 1.2)
