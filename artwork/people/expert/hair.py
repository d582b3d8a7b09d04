"""The expert's hair: grey, short at the sides, swept back from a receding hairline."""

from __future__ import annotations

import numpy as np
import skia

from artwork import short_hair
from artwork.short_hair import ShortHair, TopSheet
from artwork.strands import HairColours

HALF_SIDE = [
    (112, 262), (130, 284), (144, 316), (150, 356), (151, 390), (153, 416), (153, 450), (158, 478), (165, 498),
    (171, 498), (173, 450), (177, 410), (181, 360), (181, 310), (174, 262), (158, 224), (124, 214),
]  # fmt: skip
CROWN_GUIDES = [
    [
        (364, 350), (362, 292), (374, 238), (404, 188), (456, 152), (524, 136),
        (594, 138), (654, 164), (696, 212), (714, 270), (717, 350),
    ],
    [
        (374, 352), (374, 298), (388, 250), (418, 204), (466, 170), (526, 154),
        (590, 156), (644, 180), (682, 224), (702, 278), (706, 352),
    ],
    [
        (386, 354), (388, 306), (404, 264), (432, 222), (474, 190), (528, 174),
        (586, 176), (634, 198), (668, 238), (690, 288), (694, 354),
    ],
    [
        (398, 356), (402, 314), (418, 278), (446, 240), (484, 212), (530, 198),
        (582, 200), (624, 220), (656, 254), (678, 298), (682, 356),
    ],
]  # fmt: skip
FRONT_GUIDES = [
    [(398, 322), (388, 282), (388, 244), (406, 206), (440, 174), (480, 154)],
    [(418, 272), (408, 244), (414, 212), (438, 180), (472, 158), (510, 144)],
    [(446, 246), (440, 222), (450, 194), (474, 168), (508, 148), (546, 138)],
    [(490, 240), (486, 216), (496, 190), (518, 164), (548, 148), (582, 143)],
    [(540, 240), (540, 216), (550, 190), (570, 164), (594, 152), (616, 152)],
    [(590, 242), (596, 218), (608, 194), (626, 172), (642, 164), (654, 170)],
    [(634, 250), (646, 230), (660, 210), (672, 196), (674, 198), (678, 208)],
    [(664, 276), (676, 256), (688, 240), (696, 232), (695, 236), (698, 248)],
    [(682, 322), (692, 296), (700, 276), (706, 266), (709, 264), (712, 274)],
]
HAIRLINE = [
    (300, 372), (384, 344), (398, 306), (416, 270), (444, 245), (490, 238), (540, 237), (590, 239), (636, 247),
    (664, 272), (680, 306), (696, 344), (780, 372),
]  # fmt: skip

HAIR = ShortHair(
    colours=HairColours(
        deep="#4C4A49", dark="#6F6C6A", base="#8A8785", warm="#A5A19D", light="#CBC8C4", glint="#DEDBD7"
    ),
    half_side=HALF_SIDE,
    fade=(1.0, 1.0, 0.92, 0.66, 0.0),
    top=[TopSheet(CROWN_GUIDES, 18, light=0.10), TopSheet(FRONT_GUIDES, 26, light=0.22)],
    hairline=HAIRLINE,
    rim="#FFFFFF",
)


def draw_sides(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the short sides."""
    short_hair.draw_sides(canvas, HAIR, dice)


def draw_top(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw crown and front, and short hair where they end above the ears."""
    short_hair.draw_top(canvas, HAIR, dice)
    short_hair.draw_temples(canvas, HAIR, (296, 392), dice)
