"""The presenter's hair: two sheets that part above her right eye, and a fringe."""

from __future__ import annotations

import numpy as np
import skia

from artwork.geometry import LEFT, RIGHT
from artwork.long_hair import LIGHT, LongHair, draw_hairline, draw_mass, draw_parting, draw_sheet
from artwork.people.presenter.clothes import BLAZER
from artwork.strands import HairColours, HairSheet, Lock, draw_lock

LEFT_GUIDES = [
    [
        (558, 142), (506, 142), (446, 158), (380, 202), (334, 270), (308, 356), (296, 450),
        (288, 550), (274, 660), (264, 760), (276, 850), (322, 946),
    ],
    [
        (561, 160), (506, 165), (450, 184), (392, 232), (350, 306), (328, 384), (318, 464),
        (311, 560), (302, 660), (295, 762), (308, 852), (356, 952),
    ],
    [
        (567, 190), (514, 200), (462, 226), (412, 280), (374, 356), (354, 430), (345, 500),
        (340, 580), (332, 670), (326, 762), (340, 848), (388, 944),
    ],
    [
        (574, 238), (534, 245), (484, 268), (436, 318), (400, 388), (380, 460), (372, 540),
        (364, 630), (354, 740), (368, 826), (414, 918),
    ],
]  # fmt: skip
FRINGE_GUIDES = [
    [
        (568, 180), (516, 190), (462, 236), (420, 300), (394, 376),
        (372, 450), (352, 530), (324, 600), (300, 650),
    ],
    [
        (574, 210), (526, 218), (474, 264), (434, 324), (406, 392),
        (382, 460), (360, 536), (334, 600), (312, 640),
    ],
    [
        (588, 247), (566, 246), (540, 256), (498, 290), (456, 342),
        (422, 398), (394, 458), (372, 528), (350, 590), (334, 632),
    ],
]  # fmt: skip
"""Hair swept over the left of the forehead, which breaks the arch of the hairline."""
RIGHT_GUIDES = [
    [
        (556, 142), (604, 143), (660, 160), (716, 204), (754, 270), (776, 356), (786, 450),
        (794, 550), (806, 660), (814, 760), (802, 850), (760, 944),
    ],
    [
        (560, 160), (608, 166), (658, 192), (704, 244), (736, 316), (756, 392), (764, 466),
        (769, 560), (778, 660), (785, 762), (772, 852), (726, 950),
    ],
    [
        (566, 190), (614, 204), (658, 236), (694, 290), (718, 362), (732, 436), (738, 506),
        (744, 580), (752, 665), (757, 762), (742, 848), (696, 942),
    ],
    [
        (574, 240), (614, 253), (649, 283), (679, 330), (698, 396), (706, 466), (712, 550),
        (720, 645), (730, 745), (714, 828), (672, 914),
    ],
]  # fmt: skip

HAIR = LongHair(
    colours=HairColours(
        deep="#1E0F0B", dark="#341C14", base="#4E2C1E", warm="#6E4329", light="#A06B41", glint="#DDB07C"
    ),
    waves=2.7,
    wave=(14, 20),
    left=LEFT_GUIDES,
    right=RIGHT_GUIDES,
    mass=[
        (556, 152), (440, 166), (345, 250), (310, 400), (300, 600), (290, 780), (312, 900), (420, 930),
        (540, 900), (660, 930), (772, 900), (788, 780), (780, 600), (768, 400), (732, 250), (650, 164),
    ],
    parting=[(583, 248), (581, 226), (573, 196), (565, 170), (560, 150)],
    tips=0.0,
    locks=(12, 10),
    rim="#E6C094",
    jacket=BLAZER,
)  # fmt: skip


def draw_hair_back(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the hair behind face and neck."""
    draw_mass(canvas, HAIR, dice)


def draw_hair_front(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw both sheets, then the fringe, and the parting between them."""
    draw_sheet(canvas, HAIR, RIGHT, dice)
    draw_sheet(canvas, HAIR, LEFT, dice)
    _draw_fringe(canvas, dice)
    draw_parting(canvas, HAIR, dice)


def _draw_fringe(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    sheet = HairSheet.through(FRINGE_GUIDES)
    for centre in (0.86, 0.60, 0.30, 0.10, 0.74, 0.46, 0.20):
        lock = Lock(
            sheet, centre, width=0.36, length=float(dice.uniform(0.9, 1.0)), light=LIGHT[LEFT] / 2,
            crown=0.20 + 0.05 * centre, wave=-3.0, waves=HAIR.waves, phase=1.2,
        )  # fmt: skip
        draw_lock(canvas, lock, HAIR.colours, dice)
    draw_hairline(canvas, HAIR, sheet, dice)
