"""The host's hair: short sides that fade towards the ears, and a longer top swept from his right to his left."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import fill, ink, mixed, soft_layer, spline
from artwork.geometry import SIDES, at_side
from artwork.strands import HairColours, HairSheet, Lock, draw_hair, draw_lock

HAIR = HairColours(deep="#140D0A", dark="#231813", base="#33241C", warm="#4E392D", light="#80624F", glint="#C2A58C")

HALF_SIDE = [
    (104, 268), (126, 288), (141, 320), (148, 356), (146, 392), (152, 416), (152, 450), (154, 486), (160, 500),
    (170, 500), (172, 450), (175, 410), (178, 360), (178, 310), (172, 262), (154, 220), (110, 214),
]  # fmt: skip
"""From the corner of the forehead down to the sideburn and up along the silhouette."""
FADE = [(214, 1.0), (360, 0.96), (410, 0.80), (455, 0.55), (492, 0.0)]
"""How densely the sides cover the skin: (y, alpha)."""

SWEPT_DOWN_GUIDES = [
    [(446, 164), (404, 186), (374, 226), (361, 284), (360, 350)],
    [(442, 190), (406, 212), (378, 252), (368, 304), (367, 360)],
    [(440, 222), (412, 240), (390, 276), (380, 322), (377, 372)],
    [(444, 260), (424, 270), (405, 296), (396, 330), (390, 376)],
]
"""From the parting to his right: short, and combed down."""
CROWN_GUIDES = [
    [(424, 226), (416, 190), (440, 152), (500, 126), (570, 116), (640, 128), (692, 168), (716, 226), (718, 290), (716, 350)],
    [(430, 236), (428, 202), (456, 168), (510, 144), (572, 136), (634, 148), (680, 186), (704, 238), (708, 296), (708, 354)],
    [(436, 246), (442, 214), (474, 184), (524, 164), (578, 158), (630, 172), (668, 206), (690, 252), (697, 304), (698, 356)],
    [(446, 254), (462, 224), (500, 200), (546, 188), (592, 188), (632, 204), (662, 236), (680, 276), (687, 318), (690, 358)],
]  # fmt: skip
"""Over the top, from the silhouette to the forehead."""
FRONT_GUIDES = [
    [(440, 270), (428, 230), (438, 188), (476, 154), (532, 136), (594, 136), (650, 154)],
    [(474, 260), (466, 226), (478, 190), (514, 164), (566, 152), (622, 160), (668, 186)],
    [(520, 254), (518, 224), (534, 194), (572, 174), (620, 176), (662, 200), (692, 240)],
    [(570, 252), (576, 226), (598, 202), (634, 194), (668, 212), (692, 246), (704, 288)],
    [(616, 258), (630, 234), (652, 220), (678, 230), (696, 260), (704, 296), (706, 330)],
    [(648, 276), (662, 260), (679, 262), (692, 282), (699, 310), (701, 340), (700, 366)],
]  # fmt: skip
"""What grows from the hairline, rises and falls over to his left."""


def draw_sides(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Hair too short to lie: dense above, and the skin showing through it towards the ears."""
    heights, alphas = zip(*FADE, strict=True)
    for side in SIDES:
        outline = spline(at_side(side, HALF_SIDE), closed=True)
        with soft_layer(canvas, outline, blur=3.0):
            for top in range(210, 500, 2):
                band = np.array([(300, top), (780, top), (780, top + 2), (300, top + 2)], np.float64)
                fill(canvas, band, ink(HAIR.dark, float(np.interp(top, heights, alphas))))
            for _ in range(700):
                _draw_short_hair(canvas, side, dice)


def _draw_short_hair(canvas: skia.Canvas, side: int, dice: np.random.Generator) -> None:
    x, y = float(dice.uniform(100, 182)), float(dice.uniform(215, 496))
    lean, length = float(dice.uniform(0.5, 4.0)), float(dice.uniform(8, 15))
    line = at_side(side, [(x, y), (x + lean * 0.3, y + length * 0.5), (x + lean, y + length)])
    colour = mixed(HAIR.deep, HAIR.light, float(dice.uniform(0, 0.9)) ** 1.5)
    draw_hair(canvas, line, 1.5, ink(colour, 0.42))


def draw_top(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """His right side, crown and front, lock by lock from the back to the front."""
    short, crown, front = (HairSheet.through(guides) for guides in (SWEPT_DOWN_GUIDES, CROWN_GUIDES, FRONT_GUIDES))
    for sheet in (short, crown):
        edges = sheet.strand(0.02), sheet.strand(0.98)
        fill(canvas, np.vstack([edges[0], edges[1][::-1]])[4:-4], ink(HAIR.dark), blur=3)
    for sheet, count, light in ((short, 12, 0.06), (crown, 16, 0.14), (front, 20, 0.2)):
        for centre in np.linspace(0.03, 0.98, count):
            draw_lock(canvas, _some_lock(sheet, float(centre), 1.9 / count, light, dice), HAIR, dice)
    _draw_hairline(canvas, front, dice)
    _draw_rim_light(canvas, crown, dice)


def _some_lock(sheet: HairSheet, centre: float, width: float, light: float, dice: np.random.Generator) -> Lock:
    return Lock(
        sheet=sheet,
        centre=float(np.clip(centre + dice.normal(0, 0.015), 0.03, 0.98)),
        width=float(width * dice.uniform(0.7, 1.4)),
        length=float(dice.uniform(0.84, 1.0)),
        light=light,
        crown=0.36,
        wave=2.0,
        waves=1.0,
        phase=float(dice.uniform(0, 6)),
    )


def _draw_hairline(canvas: skia.Canvas, front: HairSheet, dice: np.random.Generator) -> None:
    """Fine hairs where hair meets forehead, so that it grows there instead of ending."""
    for _ in range(190):
        line = front.strand(float(dice.uniform(0.0, 1.0)))
        shift = [float(dice.normal(0, 2.5)), float(dice.uniform(-4, 5))]
        draw_hair(canvas, line[: int(dice.uniform(7, 15))] + shift, 1.6, ink(HAIR.dark, float(dice.uniform(0.3, 0.7))))


def _draw_rim_light(canvas: skia.Canvas, crown: HairSheet, dice: np.random.Generator) -> None:
    """The lamp behind, caught by the outermost hairs."""
    for _ in range(46):
        start = int(dice.uniform(4, 40))
        line = crown.strand(float(dice.uniform(0.0, 0.14)))[start : start + int(dice.uniform(7, 14))]
        draw_hair(canvas, line, 1.6, ink("#D8BFA6", float(dice.uniform(0.10, 0.32))), blur=0.6)
