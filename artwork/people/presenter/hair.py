"""The presenter's hair: two sheets that part above her right eye, and a fringe."""

from __future__ import annotations

import numpy as np
import skia

from artwork.brushes import clipped, fill, ink, linear, mixed, moved, ribbon_at, spline
from artwork.geometry import LEFT, MIDDLE, RIGHT, at_side
from artwork.people.presenter.clothes import BLAZER
from artwork.strands import GUIDE_POINTS, HairColours, HairSheet, Lock, draw_hair, draw_lock

HAIR = HairColours(deep="#1E0F0B", dark="#341C14", base="#4E2C1E", warm="#6E4329", light="#A06B41", glint="#DDB07C")
WAVES = 2.7
"""Waves along a guide."""
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
"""Guides of the remaining hair on the left: from the silhouette to the edge of the face."""
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

PARTING = [(583, 248), (581, 226), (573, 196), (565, 170), (560, 150)]


def draw_hair_back(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the mass behind face and neck: dark, so that face and front locks contrast with it."""
    outline = spline(
        [
            (556, 152), (440, 166), (345, 250), (310, 400), (300, 600), (290, 780), (312, 900), (420, 930),
            (540, 900), (660, 930), (772, 900), (788, 780), (780, 600), (768, 400), (732, 250), (650, 164),
        ],
        closed=True,
    )  # fmt: skip
    fill(canvas, outline, linear((540, 300), (540, 930), HAIR.deep, HAIR.deep, HAIR.dark), blur=1.5)
    for _ in range(150):
        side = LEFT if dice.uniform() < 0.5 else RIGHT
        x, start, end = dice.uniform(80, 215), dice.uniform(520, 680), dice.uniform(700, 900)
        knots = [(float(x + 9 * np.sin(y / 52)), float(y)) for y in np.linspace(start, end, 9)]
        colour = mixed(HAIR.deep, HAIR.base, float(dice.uniform(0.2, 1.0)))
        fill(canvas, ribbon_at(at_side(side, knots), (0.3, 4, 4, 0.3)), ink(colour, 0.45), 1.2)


def draw_hair_front(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw both sheets lock by lock from the face outwards, then the fringe, and the parting between them."""
    left, right = HairSheet.through(LEFT_GUIDES), HairSheet.through(RIGHT_GUIDES)
    for side, sheet, count in ((RIGHT, right, 10), (LEFT, left, 12)):
        _draw_torso_shadow(canvas, sheet, side)
        _draw_underlay(canvas, sheet)
        for layer in (1.0, 0.8):
            for centre in np.linspace(0.96, 0.04, count) + dice.normal(0, 0.02, count):
                draw_lock(canvas, _some_lock(sheet, side, float(centre), 1.0 / count * layer, dice), HAIR, dice)
        _draw_tips(canvas, sheet, side, dice)
        _draw_hairline(canvas, sheet, dice)
        _draw_rim_light(canvas, sheet, dice)
        _draw_flyaways(canvas, sheet, dice)
    _draw_fringe(canvas, dice)
    _draw_parting(canvas, left, right, dice)


def _some_lock(sheet: HairSheet, side: int, centre: float, width: float, dice: np.random.Generator) -> Lock:
    return Lock(
        sheet=sheet,
        centre=float(np.clip(centre, 0.05, 0.95)),
        width=float(dice.uniform(1.8, 3.0) * width),
        length=float(dice.uniform(0.90, 0.98)),
        light=_light(side),
        crown=0.20 + 0.05 * centre,
        wave=side * float(dice.uniform(14, 20)),
        waves=WAVES,
        phase=float((0.4 if side == LEFT else 0.05) + 1.5 * centre + dice.normal(0, 0.26)),
    )


def _light(side: int) -> float:
    """Brightness by side: the light comes from the left."""
    return 0.30 if side == LEFT else 0.16


def _draw_tips(canvas: skia.Canvas, sheet: HairSheet, side: int, dice: np.random.Generator) -> None:
    """Draw thin locks of all lengths over the ends of the thick ones, so that these do not look like wedges."""
    for centre in dice.permutation(np.linspace(0.03, 0.97, 26)):
        lock = Lock(
            sheet=sheet,
            centre=float(centre),
            width=float(dice.uniform(0.03, 0.11)),
            length=float(dice.uniform(0.90, 1.0)),
            light=_light(side) / 3,
            crown=0.0,
            wave=side * float(dice.uniform(13, 21)),
            waves=WAVES,
            phase=float((0.4 if side == LEFT else 0.05) + 1.5 * centre + dice.normal(0, 0.35)),
            start=float(dice.uniform(0.55, 0.72)),
        )
        draw_lock(canvas, lock, HAIR, dice)


def _draw_fringe(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    sheet = HairSheet.through(FRINGE_GUIDES)
    for centre in (0.86, 0.60, 0.30, 0.10, 0.74, 0.46, 0.20):
        lock = Lock(
            sheet, centre, width=0.36, length=float(dice.uniform(0.9, 1.0)), light=_light(LEFT) / 2,
            crown=0.20 + 0.05 * centre, wave=-3.0, waves=WAVES, phase=1.2,
        )  # fmt: skip
        draw_lock(canvas, lock, HAIR, dice)
    _draw_hairline(canvas, sheet, dice)


def _draw_underlay(canvas: skia.Canvas, sheet: HairSheet) -> None:
    """Draw dark hair below the locks, so that gaps between them do not show the background."""
    reach = int(GUIDE_POINTS * 0.8)
    edges = sheet.strands(np.repeat([[0.03], [1.0]], GUIDE_POINTS, axis=1))[:, :reach]
    inset = np.interp(np.arange(reach), [reach * 0.5, reach], [0, 20])[:, None] * [1, 0]
    outwards = np.sign(edges[1, -1, 0] - edges[0, -1, 0])
    outline = np.vstack([edges[0] + outwards * inset, (edges[1] - outwards * inset)[::-1]])
    fill(canvas, outline, ink(HAIR.dark), blur=2.0)


def _draw_torso_shadow(canvas: skia.Canvas, sheet: HairSheet, side: int) -> None:
    """Draw the shadow of the hair on the clothes: the whole sheet as one lock."""
    whole = Lock(sheet, 0.5, width=1.0, length=1.0, light=0, crown=0, wave=side * 17.0, waves=WAVES, phase=1.1)
    edges = whole.strands(np.array([-1.0, 1.0]))[:, : int(GUIDE_POINTS * 0.95)]
    with clipped(canvas, BLAZER.shoulder_line()):
        fill(canvas, moved(np.vstack([edges[0], edges[1][::-1]]), 11, 24), ink(BLAZER.cloth.deep, 0.70), blur=11)


def _draw_hairline(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw fine hairs along the hairline, so that the hair does not end abruptly."""
    for _ in range(46):
        start = int(dice.uniform(0, 22))
        line = sheet.strand(float(dice.uniform(0.97, 1.05)))[start : start + int(dice.uniform(6, 14))]
        draw_hair(canvas, line, 1.3, ink(HAIR.base, float(dice.uniform(0.3, 0.6))))


def _draw_rim_light(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw backlight on the outermost hairs."""
    for _ in range(40):
        start = int(dice.uniform(4, 26))
        line = sheet.strand(float(dice.uniform(0.008, 0.13)))[start : start + int(dice.uniform(6, 12))]
        draw_hair(canvas, line, 1.6, ink("#E6C094", float(dice.uniform(0.12, 0.36))), blur=0.6)


def _draw_parting(canvas: skia.Canvas, left: HairSheet, right: HairSheet, dice: np.random.Generator) -> None:
    """Draw a thin line of scalp, shaded by the hair on both sides and half hidden by roots."""
    fill(canvas, ribbon_at(PARTING, (14, 34, 30, 22, 6)), ink(HAIR.dark, 0.75), 9)
    fill(canvas, ribbon_at(PARTING, (6, 3.4, 2.2, 1.2, 0.3)), ink("#A8765C", 0.50), 1.5)
    for sheet in (left, right):
        for _ in range(70):
            line = sheet.strand(float(dice.uniform(0.06, 1.0)))
            start, end = int(dice.uniform(0, 3)), int(dice.uniform(8, 17))
            colour = mixed(HAIR.dark, HAIR.warm, float(dice.uniform(0.1, 1.0)))
            draw_hair(
                canvas, line[start:end], float(dice.uniform(1.2, 2.6)), ink(colour, float(dice.uniform(0.35, 0.7)))
            )


def _draw_flyaways(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw single hairs along the silhouette, which would otherwise look cut out."""
    for _ in range(16):
        start, reach = int(dice.uniform(2, 24)), int(dice.uniform(8, 16))
        line = sheet.strand(float(dice.uniform(0.0, 0.04)))[start : start + reach]
        outwards = np.sign(line[:, :1] - MIDDLE) * np.linspace(0, 1, len(line))[:, None] ** 2
        draw_hair(canvas, line + outwards * [float(dice.uniform(-1, 6)), -1.0], 0.9, ink(HAIR.warm, 0.5), 0.2)
