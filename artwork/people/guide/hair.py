"""The guide's hair: straight and black, in two sheets that part above her left eye."""

from __future__ import annotations

import numpy as np
import skia

from artwork.geometry import LEFT, RIGHT
from artwork.long_hair import LongHair, draw_mass, draw_parting, draw_sheet
from artwork.people.guide.clothes import BLAZER
from artwork.strands import HairColours

LEFT_GUIDES = [
    [
        (520, 136), (470, 140), (418, 162), (368, 208), (334, 280), (318, 368), (310, 470),
        (304, 580), (297, 700), (290, 820), (290, 930), (306, 1030),
    ],
    [
        (521, 156), (476, 162), (428, 186), (384, 236), (354, 306), (338, 390), (330, 480),
        (325, 590), (319, 705), (313, 822), (314, 930), (332, 1036),
    ],
    [
        (522, 190), (486, 198), (446, 224), (408, 278), (378, 352), (362, 430), (354, 510),
        (350, 600), (346, 710), (342, 824), (346, 925), (366, 1024),
    ],
    [
        (525, 240), (504, 248), (476, 274), (440, 322), (406, 392), (384, 462), (374, 540),
        (372, 630), (372, 735), (374, 835), (384, 918), (404, 990),
    ],
]  # fmt: skip
RIGHT_GUIDES = [
    [
        (518, 136), (574, 134), (640, 152), (700, 200), (744, 274), (764, 364), (774, 470),
        (782, 580), (790, 700), (798, 820), (800, 930), (784, 1030),
    ],
    [
        (520, 156), (574, 156), (636, 178), (688, 230), (724, 304), (743, 388), (752, 480),
        (758, 590), (766, 705), (773, 822), (774, 930), (756, 1036),
    ],
    [
        (522, 190), (572, 194), (626, 218), (672, 272), (703, 350), (720, 430), (728, 510),
        (733, 600), (738, 710), (743, 824), (740, 925), (722, 1024),
    ],
    [
        (525, 240), (560, 244), (608, 268), (654, 320), (688, 392), (704, 462), (712, 540),
        (715, 630), (715, 735), (712, 835), (702, 918), (682, 990),
    ],
]  # fmt: skip

HAIR = LongHair(
    colours=HairColours(
        deep="#090708", dark="#15100F", base="#231B19", warm="#35292A", light="#574B4F", glint="#857A80"
    ),
    waves=0.0,
    wave=(2, 6),
    left=LEFT_GUIDES,
    right=RIGHT_GUIDES,
    mass=[
        (520, 150), (420, 176), (345, 260), (316, 400), (306, 600), (300, 780), (312, 960), (420, 960),
        (540, 930), (660, 960), (772, 960), (782, 780), (776, 600), (762, 400), (726, 250), (640, 166),
    ],
    parting=[(526, 250), (525, 226), (523, 194), (521, 166), (520, 144)],
    tips=-0.28,
    locks=(12, 13),
    rim="#B9AEB4",
    jacket=BLAZER,
)  # fmt: skip


def draw_hair_back(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the hair behind face and neck."""
    draw_mass(canvas, HAIR, dice)


def draw_hair_front(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw both sheets, and the parting between them."""
    draw_sheet(canvas, HAIR, RIGHT, dice)
    draw_sheet(canvas, HAIR, LEFT, dice)
    draw_parting(canvas, HAIR, dice)
