"""The host's hair: short sides that fade towards the ears, and a longer top swept from his right to his left."""

from __future__ import annotations

import numpy as np
import skia

from artwork import short_hair
from artwork.short_hair import ShortHair, TopSheet
from artwork.strands import HairColours

HALF_SIDE = [
    (104, 268), (126, 288), (141, 320), (148, 356), (149, 390), (152, 416), (152, 450), (157, 478), (164, 498),
    (170, 498), (172, 450), (175, 410), (178, 360), (178, 310), (172, 262), (154, 220), (110, 214),
]  # fmt: skip
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

HAIR = ShortHair(
    colours=HairColours(
        deep="#140D0A", dark="#231813", base="#33241C", warm="#4E392D", light="#80624F", glint="#C2A58C"
    ),
    half_side=HALF_SIDE,
    fade=(1.0, 1.0, 0.96, 0.72, 0.0),
    top=[
        TopSheet(SWEPT_DOWN_GUIDES, 12, light=0.06),
        TopSheet(CROWN_GUIDES, 16, light=0.14),
        TopSheet(FRONT_GUIDES, 22, light=0.24),
    ],
    hairline=HAIRLINE,
    rim="#D8BFA6",
)


def draw_sides(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the short sides."""
    short_hair.draw_sides(canvas, HAIR, dice)


def draw_top(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw his right side, crown and front."""
    short_hair.draw_top(canvas, HAIR, dice)
