"""The host's hair: short sides that fade towards the ears, and a longer top swept from his right to his left."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import Shape, fill, ink, linear, mixed, resampled, ribbon, soft_layer, spline
from artwork.geometry import SIDES, at_side
from artwork.strands import HairColours, HairSheet, Lock, draw_hair, draw_lock

HAIR = HairColours(deep="#140D0A", dark="#231813", base="#33241C", warm="#4E392D", light="#80624F", glint="#C2A58C")

HALF_SIDE = [
    (104, 268), (126, 288), (141, 320), (148, 356), (149, 390), (152, 416), (152, 450), (157, 478), (164, 498),
    (170, 498), (172, 450), (175, 410), (178, 360), (178, 310), (172, 262), (154, 220), (110, 214),
]  # fmt: skip
"""From the corner of the forehead down to the sideburn and up along the silhouette."""
FADE = (1.0, 1.0, 0.96, 0.72, 0.0)
"""How densely the sides cover the skin, from the top to the sideburns."""

SWEPT_DOWN_GUIDES = [
    [(446, 168), (409, 186), (378, 226), (363, 284), (361, 350)],
    [(446, 178), (408, 204), (380, 248), (368, 304), (368, 360)],
    [(440, 222), (412, 240), (390, 276), (380, 322), (377, 372)],
    [(444, 260), (424, 270), (405, 296), (396, 330), (390, 376)],
]
"""From the parting to his right: short, and combed down."""
CROWN_GUIDES = [
    [
        (434, 220), (427, 184), (452, 150), (508, 124), (570, 116),
        (640, 128), (692, 168), (716, 226), (718, 290), (716, 350),
    ],
    [
        (436, 234), (436, 200), (464, 166), (514, 144), (572, 136),
        (634, 148), (680, 186), (704, 238), (708, 296), (708, 354),
    ],
    [
        (436, 246), (442, 214), (474, 184), (524, 164), (578, 158),
        (630, 172), (668, 206), (690, 252), (697, 304), (698, 356),
    ],
    [
        (446, 254), (462, 224), (500, 200), (546, 188), (592, 188),
        (632, 204), (662, 236), (680, 276), (687, 318), (690, 358),
    ],
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
"""The front: it grows from the hairline, rises and falls over to his left."""

HAIRLINE = [
    (300, 430), (420, 310), (438, 272), (474, 259), (520, 253), (570, 251), (616, 257), (648, 274),
    (668, 308), (674, 370), (684, 440),
]  # fmt: skip


def draw_sides(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw hair too short to be flat: dense above, with skin showing through towards the ears."""
    fade = linear((0, 214), (0, 492), *(ink(HAIR.dark, alpha) for alpha in FADE))
    for side in SIDES:
        outline = spline(at_side(side, HALF_SIDE), closed=True)
        fill(canvas, outline, fade, blur=1.8)
        for _ in range(900):
            _draw_short_hair(canvas, side, outline, dice)


def _draw_short_hair(canvas: skia.Canvas, side: int, outline: Shape, dice: np.random.Generator) -> None:
    """Draw one hair; the lower it grows, the shorter and fainter it is."""
    y = float(dice.uniform(215, 494))
    row = outline[np.abs(outline[:, 1] - y) < 7, 0]
    x = float(dice.uniform(row.min(), row.max()))
    length = float(np.interp(y, [215, 494], [16, 7]) * dice.uniform(0.7, 1.1))
    lean = side * length * float(dice.uniform(0.0, 0.25))
    line = np.array([(x, y), (x + lean * 0.4, y + length * 0.5), (x + lean, y + length)])
    colour = mixed(HAIR.deep, HAIR.light, float(dice.uniform(0, 0.95)) ** 1.5)
    draw_hair(canvas, line, 1.2, ink(colour, float(np.interp(y, [400, 494], [0.36, 0.10]))))


def draw_top(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw his right side, crown and front, lock by lock from the back to the front."""
    short, crown, front = (HairSheet.through(guides) for guides in (SWEPT_DOWN_GUIDES, CROWN_GUIDES, FRONT_GUIDES))
    above_hairline = np.vstack([_ragged(spline(HAIRLINE), dice), [(900, 440), (900, 0), (300, 0)]])
    with soft_layer(canvas, above_hairline, blur=4):
        _draw_sheet(canvas, short, 12, light=0.06, dice=dice)
        _draw_sheet(canvas, crown, 16, light=0.14, dice=dice)
        _draw_sheet(canvas, front, 22, light=0.24, dice=dice)
        for across in (0.12, 0.36, 0.62):
            sheen = ribbon(front.strand(across)[14:36], (1, 24, 26, 1))
            fill(canvas, sheen, ink(HAIR.light, 0.24), blur=9)
    _draw_hairline(canvas, front, dice)
    _draw_rim_light(canvas, crown, dice)


def _ragged(line: Shape, dice: np.random.Generator) -> Shape:
    """The line, jittered vertically by a few pixels."""
    even = resampled(line, 120)
    return even + np.column_stack([np.zeros(120), dice.normal(0, 1.6, 120)])


def _draw_sheet(canvas: skia.Canvas, sheet: HairSheet, count: int, light: float, dice: np.random.Generator) -> None:
    fill(canvas, sheet.outline(0.05, 0.97), ink(HAIR.dark), blur=3)
    for centre in np.linspace(0.03, 0.98, count):
        draw_lock(canvas, _some_lock(sheet, float(centre), 1.9 / count, light, dice), HAIR, dice)


def _some_lock(sheet: HairSheet, centre: float, width: float, light: float, dice: np.random.Generator) -> Lock:
    return Lock(
        sheet=sheet,
        centre=float(np.clip(centre + dice.normal(0, 0.015), 0.03, 0.98)),
        width=float(width * dice.uniform(0.7, 1.4)),
        length=float(dice.uniform(0.84, 1.0)),
        light=light,
        crown=0.30,
        wave=2.0,
        waves=1.0,
        phase=float(dice.uniform(0, 6)),
    )


def _draw_hairline(canvas: skia.Canvas, front: HairSheet, dice: np.random.Generator) -> None:
    """Draw fine hairs along the hairline, so that the hair does not end abruptly."""
    for _ in range(620):
        line = front.strand(float(dice.uniform(0.0, 1.0)))
        shift = [float(dice.normal(0, 3.0)), float(dice.normal(1, 3.0))]
        colour = mixed(HAIR.deep, HAIR.warm, float(dice.uniform(0, 1)))
        draw_hair(canvas, line[: int(dice.uniform(8, 24))] + shift, 1.2, ink(colour, float(dice.uniform(0.2, 0.6))))


def _draw_rim_light(canvas: skia.Canvas, crown: HairSheet, dice: np.random.Generator) -> None:
    """Draw backlight on the outermost hairs."""
    for _ in range(46):
        start = int(dice.uniform(4, 40))
        line = crown.strand(float(dice.uniform(0.0, 0.14)))[start : start + int(dice.uniform(7, 14))]
        draw_hair(canvas, line, 1.6, ink("#D8BFA6", float(dice.uniform(0.10, 0.32))), blur=0.6)
