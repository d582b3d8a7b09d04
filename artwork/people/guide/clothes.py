"""The guide's blazer, and her top with an embroidered edge."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped, fill, ink, linear, moved, resampled, ribbon, spline, stroke
from artwork.clothes import HEM, Cloth, Jacket
from artwork.geometry import LEFT, RIGHT, at_side
from artwork.touches import Stroke, draw_folds

DEEP, LIGHT = "#2A0A16", "#96405A"
BLAZER = Jacket(
    cloth=Cloth(deep=DEEP, dark="#4A1426", base="#6E2238", light=LIGHT, edge="#F2C6D0"),
    shoulders=[
        (118, 832),
        (160, 846),
        (236, 872),
        (326, 898),
        (402, 934),
        (448, 992),
        (474, 1100),
        (496, 1200),
        (504, 1320),
        (506, HEM),
    ],
    opening=[(136, 838), (146, 890), (142, 960), (124, 1030), (98, 1100), (66, 1180), (2, 1296)],
    collar=[(126, 832), (172, 854), (222, 892), (236, 926)],
    lapel=[(236, 948), (224, 1000), (194, 1060), (164, 1100), (132, 1144), (72, 1228), (2, 1296)],
    notch=[(236, 930), (198, 936), (160, 914), (148, 894)],
    roll=[(172, 880), (176, 980), (136, 1090)],
    folds=[
        Stroke([(382, 924), (362, 1000), (366, 1100)], (2, 9, 14), DEEP, (0.70, 0.75), 5),
        Stroke([(394, 930), (380, 1000), (386, 1100)], (2, 10, 14), LIGHT, (0.45, 0.40), 6),
        Stroke([(320, 924), (312, 1000), (290, 1100)], (2, 18, 34), DEEP, (0.40, 0.45), 13),
        Stroke([(290, 924), (272, 1010), (240, 1100)], (2, 14, 26), LIGHT, (0.35, 0.30), 11),
        Stroke([(430, 974), (420, 1030), (436, 1100)], (2, 18, 22), DEEP, (0.5, 0.5), 9),
        Stroke([(452, 994), (448, 1030), (460, 1100)], (2, 10, 14), LIGHT, (0.4, 0.35), 7),
    ],
)
TOP_FOLDS = [
    Stroke([(120, 930), (92, 1000), (70, 1100)], (2, 13, 13, 6), "#9C8E80", (0.30, 0.30), 7),
    Stroke([(70, 965), (52, 1030), (44, 1100)], (2, 9, 9, 5), "#9C8E80", (0.22, 0.22), 7),
]
NECKLINE = [(-150, 856), (-112, 896), (-62, 928), (0, 941), (62, 928), (112, 896), (150, 856)]
THREAD = "#B8863E"


def draw_top(canvas: skia.Canvas) -> None:
    """Draw an ivory top with a round neck."""
    edge = spline(at_side(RIGHT, NECKLINE))
    body = np.vstack([edge, at_side(RIGHT, [(250, 900), (250, HEM), (-250, HEM), (-250, 900)])])
    fill(canvas, moved(body, 0, 9), ink("#7E4632", 0.36), blur=8)
    fill(canvas, body, linear((400, 880), (640, 1090), "#FFFCF6", "#F4ECE0", "#CFC3B4"))
    with clipped(canvas, body):
        draw_folds(canvas, TOP_FOLDS)
        fill(canvas, ribbon(resampled(moved(edge, 0, 13), 80), (26, 26)), ink("#FFFFFF", 0.35), blur=2)
        stroke(canvas, moved(edge, 0, 2), 3.5, ink("#FFFFFF", 0.9), blur=1.2)
        stroke(canvas, moved(edge, 0, 27), 1.4, ink(THREAD, 0.75), 0.4)
        stroke(canvas, moved(edge, 0, 5), 1.4, ink(THREAD, 0.75), 0.4)
        _draw_embroidery(canvas, edge)


def _draw_embroidery(canvas: skia.Canvas, edge: np.ndarray) -> None:
    """Draw pairs of ram's horns along the edge, as Kazakh embroidery has them."""
    line = resampled(edge, 27)
    tangents = np.gradient(line, axis=0)
    tangents /= np.hypot(*tangents.T)[:, None]
    for (x, y), (across, down) in zip(line[2:-2:2], tangents[2:-2:2], strict=True):
        for turn in (LEFT, RIGHT):
            angle = np.linspace(0.0, 1.6 * np.pi, 24)
            radius = np.interp(angle, [0, angle[-1]], [5.4, 1.6])
            along = turn * (5.6 - radius * np.cos(angle))
            below = 16 - radius * np.sin(angle)
            stem = np.array([(0.0, 23.0), (turn * 0.1, 18.0)])
            curl = np.vstack([stem, np.column_stack([along, below])])
            place = np.column_stack(
                [x + curl[:, 0] * across - curl[:, 1] * down, y + curl[:, 0] * down + curl[:, 1] * across]
            )
            stroke(canvas, moved(place, 0.4, 1.0), 1.8, ink("#7A6A50", 0.35), 0.8)
            stroke(canvas, place, 1.7, ink(THREAD, 0.95), 0.3)
