"""The presenter's blouse, blazer and necklace."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped, ellipse, fill, ink, linear, moved, spline, stroke
from artwork.clothes import HEM, Cloth, Jacket
from artwork.geometry import SIDES, at_side
from artwork.people.presenter.face import SKIN
from artwork.touches import Stroke, draw_folds

DEEP, LIGHT = "#0B2230", "#3C7088"
BLAZER = Jacket(
    cloth=Cloth(deep=DEEP, dark="#123447", base="#1B4A60", light=LIGHT, edge="#C4E4F0"),
    shoulders=[
        (130, 838),
        (160, 850),
        (240, 880),
        (335, 908),
        (412, 944),
        (460, 1000),
        (486, 1100),
        (512, 1200),
        (520, 1320),
        (522, HEM),
    ],
    opening=[(140, 840), (146, 890), (136, 960), (110, 1030), (78, 1100), (46, 1170), (2, 1264)],
    collar=[(132, 836), (176, 858), (226, 896), (240, 930)],
    lapel=[(240, 952), (222, 1000), (184, 1060), (150, 1100), (116, 1140), (62, 1206), (2, 1264)],
    notch=[(240, 934), (200, 940), (160, 916), (148, 896)],
    roll=[(172, 880), (172, 980), (124, 1090)],
    folds=[
        Stroke([(392, 932), (372, 1000), (376, 1100)], (2, 9, 14), DEEP, (0.75, 0.75), 5),
        Stroke([(404, 938), (390, 1000), (396, 1100)], (2, 10, 14), LIGHT, (0.45, 0.45), 6),
        Stroke([(330, 930), (322, 1000), (300, 1100)], (2, 18, 34), DEEP, (0.45, 0.45), 13),
        Stroke([(300, 930), (282, 1010), (250, 1100)], (2, 14, 26), LIGHT, (0.35, 0.35), 11),
        Stroke([(440, 980), (430, 1030), (446, 1100)], (2, 18, 22), DEEP, (0.5, 0.5), 9),
        Stroke([(462, 1000), (458, 1050), (470, 1100)], (2, 10, 14), LIGHT, (0.4, 0.4), 7),
    ],
)
BLOUSE_FOLDS = [
    Stroke([(140, 860), (116, 930), (74, 1010), (40, 1090)], (2, 12, 12, 4), "#9C8E86", (0.38, 0.38), 6),
    Stroke([(165, 880), (140, 960), (106, 1030), (86, 1100)], (2, 9, 9, 4), "#9C8E86", (0.38, 0.38), 6),
]
NECKLINE = [(132, 842), (112, 890), (76, 950), (36, 1000), (-4, 1036)]


def draw_blouse(canvas: skia.Canvas) -> None:
    """Draw a white blouse with an open neck."""
    for side in SIDES:
        edge = spline(at_side(side, NECKLINE))
        half = np.vstack([edge, at_side(side, [(-4, HEM), (250, HEM), (250, 1100), (220, 900), (160, 846)])])
        fill(canvas, moved(half, 0, 8), ink("#8A4632", 0.34), blur=8)
        fill(canvas, half, linear((400, 850), (620, 1080), "#FFFDFA", "#F1EBE4", "#C9BFB6"))
        with clipped(canvas, half):
            draw_folds(canvas, BLOUSE_FOLDS, [side])
            stroke(canvas, moved(edge, side * 3, 3), 4, ink("#FFFFFF", 0.8), blur=1.8)


def draw_necklace(canvas: skia.Canvas) -> None:
    """Draw a thin gold chain with a small drop."""
    left, right = (
        [(412, 806), (436, 848), (464, 894), (502, 935)],
        [(580, 935), (616, 894), (644, 848), (668, 806)],
    )
    chain = spline([*left, (541, 950), *right])
    gold = linear((440, 840), (640, 950), "#F7DFA0", "#C99743", "#F3D48C", "#A8742E")
    stroke(canvas, moved(chain, 1, 4), 2.5, ink(SKIN.shade, 0.55), 2)
    stroke(canvas, chain, 1.9, gold, 0.3)
    drop = linear((536, 951), (547, 967), "#FFF1C4", "#DDB160", "#A8742E")
    fill(canvas, ellipse(542, 964, 6, 9), ink(SKIN.shade, 0.6), 3)
    fill(canvas, ellipse(541, 959, 5.2, 7.6), drop, 0.4)
    fill(canvas, ellipse(539.4, 956, 1.5, 2.2), ink("#FFFFFF", 0.9), 0.6)
