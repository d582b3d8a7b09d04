"""The presenter's hair: sheets of strands that flow between a few guides, drawn lock by lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia
from brushes import clipped, fill, ink, linear, mixed, moved, resampled, ribbon, ribbon_at, spline, stroke
from geometry import HALF_SHOULDERS, LEFT, MIDDLE, RIGHT, at_side
from numpy.typing import ArrayLike, NDArray
from palette import BLAZER_DEEP, HAIR, HAIR_DARK, HAIR_DEEP, HAIR_GLINT, HAIR_LIGHT, HAIR_WARM

GUIDE_POINTS = 60
"""Points of a guide and of a strand."""
ROOT_POINTS = 6
"""Of these, how many lie in the shade of the parting."""
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
"""Strands that the rest of the hair on the left lies between: from the silhouette to the edge of the face."""
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


@dataclass(frozen=True)
class HairSheet:
    """Hair that flows from one line of roots: every strand lies between the guides."""

    guides: NDArray[np.float64]
    """[guide, GUIDE_POINTS, 2]."""

    @classmethod
    def through(cls, guides: Sequence[ArrayLike]) -> HairSheet:
        """The sheet between guide strands given by a few points each."""
        return cls(np.stack([resampled(spline(guide), GUIDE_POINTS) for guide in guides]))

    def strands(self, across: NDArray[np.float64]) -> NDArray[np.float64]:
        """[strand, GUIDE_POINTS, 2]; `across` [strand, GUIDE_POINTS]: 0 at the first guide, 1 at the last."""
        at = np.clip(across, -0.06, 1.06) * (len(self.guides) - 1)
        below = np.clip(np.floor(at).astype(int), 0, len(self.guides) - 2)
        share = (at - below)[..., None]
        along = np.arange(GUIDE_POINTS)[None, :]
        return np.asarray(self.guides[below, along] * (1 - share) + self.guides[below + 1, along] * share)


@dataclass(frozen=True)
class Lock:
    """A bundle of strands of a sheet that share a wave and come together at the tip."""

    sheet: HairSheet
    side: int
    centre: float
    """Where it lies on the sheet: 0 silhouette, 1 edge of the face."""
    width: float
    wave: float
    """Pixels that the wave swings outwards and inwards."""
    phase: float
    length: float
    """How far along the guides the lock reaches, 0 to 1."""

    def strands(self, within: NDArray[np.float64]) -> NDArray[np.float64]:
        """[strand, GUIDE_POINTS, 2] for places in the lock from -1 to 1."""
        along = np.linspace(0, 1, GUIDE_POINTS)[None, :]
        gathered = np.interp(along / self.length, [0, 0.6, 0.85, 0.94, 1], [1.0, 1.0, 1.05, 0.8, 0.04])
        lines = self.sheet.strands(self.centre + 0.5 * self.width * within[:, None] * gathered)
        swing = np.interp(along, [0, 0.32, 0.6, 1], [0, 0, 1, 1.3])
        lines[..., 0] += self.side * self.wave * swing * np.sin(2 * np.pi * WAVES * along + self.phase)
        reach = max(8, round(GUIDE_POINTS * self.length))
        return np.stack([resampled(line[:reach], GUIDE_POINTS) for line in lines])

    def crests(self) -> list[float]:
        """Where, from 0 to 1 along the lock, its waves bulge outwards and catch the light."""
        turns = np.arange(0, 8) + 0.25 - self.phase / (2 * np.pi)
        places = turns / WAVES / self.length
        return [float(place) for place in places if 0.45 < place < 0.97]


@dataclass(frozen=True)
class Strands:
    """How single strands are drawn over a part of a lock."""

    start: float
    end: float
    """The part, as places from 0 to 1 along the lock."""
    count: int
    colours: tuple[str, str]
    """Every strand's colour lies between these."""
    alpha: float


def draw_hair_back(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """The mass behind the face and neck: dark, so that face and front locks stand out from it."""
    outline = spline(
        [
            (556, 152), (440, 166), (345, 250), (310, 400), (300, 600), (290, 780), (312, 900), (420, 930),
            (540, 900), (660, 930), (772, 900), (788, 780), (780, 600), (768, 400), (732, 250), (650, 164),
        ],
        closed=True,
    )  # fmt: skip
    fill(canvas, outline, linear((540, 300), (540, 930), HAIR_DEEP, HAIR_DEEP, HAIR_DARK), blur=1.5)
    for _ in range(150):
        side = LEFT if dice.uniform() < 0.5 else RIGHT
        x, start, end = dice.uniform(80, 215), dice.uniform(520, 680), dice.uniform(700, 900)
        knots = [(float(x + 9 * np.sin(y / 52)), float(y)) for y in np.linspace(start, end, 9)]
        colour = mixed(HAIR_DEEP, HAIR, float(dice.uniform(0.2, 1.0)))
        fill(canvas, ribbon_at(at_side(side, knots), (0.3, 4, 4, 0.3)), ink(colour, 0.45), 1.2)


def draw_hair_front(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Two sheets that part above the right eye, drawn lock by lock from the face outwards, and the fringe."""
    for side, guides, count in ((RIGHT, RIGHT_GUIDES, 10), (LEFT, LEFT_GUIDES, 12)):
        sheet = HairSheet.through(guides)
        _draw_torso_shadow(canvas, sheet, side)
        _draw_underlay(canvas, sheet)
        for layer in (1.0, 0.8):
            for centre in np.linspace(0.96, 0.04, count) + dice.normal(0, 0.02, count):
                _draw_lock(canvas, _some_lock(sheet, side, float(centre), 1.0 / count * layer, dice), dice)
        _draw_hairline(canvas, sheet, dice)
        _draw_rim_light(canvas, sheet, dice)
        _draw_flyaways(canvas, sheet, dice)
    _draw_fringe(canvas, dice)
    _draw_parting(canvas)


def _draw_fringe(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    sheet = HairSheet.through(FRINGE_GUIDES)
    for centre in (0.86, 0.60, 0.30, 0.10, 0.74, 0.46, 0.20):
        length = float(dice.uniform(0.9, 1.0))
        lock = Lock(sheet, LEFT, centre, width=0.36, wave=3.0, phase=1.2, length=length)
        _draw_lock(canvas, lock, dice)
    _draw_hairline(canvas, sheet, dice)


def _some_lock(sheet: HairSheet, side: int, centre: float, width: float, dice: np.random.Generator) -> Lock:
    return Lock(
        sheet=sheet,
        side=side,
        centre=float(np.clip(centre, 0.05, 0.95)),
        width=float(dice.uniform(1.8, 3.0) * width),
        wave=float(dice.uniform(14, 20)),
        phase=float((0.4 if side == LEFT else 0.05) + 1.5 * centre + dice.normal(0, 0.26)),
        length=float(dice.uniform(0.92, 1.0)),
    )


def _draw_underlay(canvas: skia.Canvas, sheet: HairSheet) -> None:
    """Dark hair below the locks, so that no gap between them shows the background."""
    reach = int(GUIDE_POINTS * 0.8)
    edges = sheet.strands(np.repeat([[0.03], [1.0]], GUIDE_POINTS, axis=1))[:, :reach]
    inset = np.interp(np.arange(reach), [reach * 0.5, reach], [0, 20])[:, None] * [1, 0]
    outwards = np.sign(edges[1, -1, 0] - edges[0, -1, 0])
    outline = np.vstack([edges[0] + outwards * inset, (edges[1] - outwards * inset)[::-1]])
    fill(canvas, outline, ink(HAIR_DARK), blur=2.0)


def _draw_torso_shadow(canvas: skia.Canvas, sheet: HairSheet, side: int) -> None:
    """What the hair throws on the clothes: the whole sheet taken as one lock."""
    whole = Lock(sheet, side, centre=0.5, width=1.0, wave=17.0, phase=1.1, length=1.0)
    edges = whole.strands(np.array([-1.0, 1.0]))[:, : int(GUIDE_POINTS * 0.95)]
    shoulders = [spline(at_side(half, HALF_SHOULDERS))[::-half] for half in (LEFT, RIGHT)]
    with clipped(canvas, np.vstack(shoulders)):
        fill(canvas, moved(np.vstack([edges[0], edges[1][::-1]]), 11, 24), ink(BLAZER_DEEP, 0.70), blur=11)


def _draw_lock(canvas: skia.Canvas, lock: Lock, dice: np.random.Generator) -> None:
    light = 0.30 if lock.side == LEFT else 0.14
    _draw_lock_body(canvas, lock, mixed(HAIR_DARK, HAIR_WARM, float(np.clip(dice.normal(0.42 + light, 0.34), 0, 1.3))))
    crown = 0.20 + 0.05 * lock.centre
    _draw_strands(canvas, lock, Strands(0.0, 1.0, 30, (HAIR_DEEP, HAIR_WARM), 0.34), dice)
    _draw_strands(canvas, lock, Strands(0.5, 1.0, 14, (HAIR_WARM, HAIR_LIGHT), 0.42), dice)
    _draw_strands(canvas, lock, Strands(crown - 0.13, crown + 0.18, 20, (HAIR_WARM, HAIR_GLINT), 0.34 + light), dice)
    for crest in lock.crests():
        glints = Strands(crest - 0.10, crest + 0.10, 12, (HAIR_LIGHT, HAIR_GLINT), 0.32 + light * 0.6)
        _draw_strands(canvas, lock, glints, dice)


def _draw_lock_body(canvas: skia.Canvas, lock: Lock, body: str) -> None:
    """The lock before its strands: dark at the root and along its edges, lighter towards the tip."""
    edges = lock.strands(np.array([-1.0, 1.0]))
    outline = np.vstack([edges[0], edges[1][::-1]])
    if lock.centre > 0.2:
        fill(canvas, moved(outline, 0, 3), ink(HAIR_DEEP, 0.30), blur=6)
    root, tip = mixed(body, HAIR_DARK, 0.6), mixed(body, HAIR_LIGHT, 0.55)
    shade = linear((540, 140), (540, 950), root, body, body, mixed(body, tip, 0.4), tip)
    fill(canvas, outline, shade, blur=0.5)
    with clipped(canvas, outline):
        roots = np.vstack([edges[0][:ROOT_POINTS], edges[1][:ROOT_POINTS][::-1]])
        fill(canvas, roots, ink(HAIR_DEEP, 0.66), blur=10)
        for edge in edges:
            stroke(canvas, edge, 8, ink(HAIR_DEEP, 0.50), blur=4)
        for crest in lock.crests():
            _draw_crest(canvas, lock, crest)


def _draw_crest(canvas: skia.Canvas, lock: Lock, crest: float) -> None:
    """The soft sheen on the bulge of a wave."""
    middle = lock.strands(np.array([-0.1]))[0]
    at = np.arange(GUIDE_POINTS) / GUIDE_POINTS
    piece = middle[(at > crest - 0.08) & (at < crest + 0.08)]
    if len(piece) > 3:
        sheen = ribbon(resampled(piece, 40), (1, 15, 15, 1))
        fill(canvas, sheen, ink(HAIR_LIGHT, 0.55 if lock.side == LEFT else 0.40), blur=5)


def _draw_strands(canvas: skia.Canvas, lock: Lock, strands: Strands, dice: np.random.Generator) -> None:
    """Thin tapering strokes, somewhere within their part of the lock."""
    within = np.clip(dice.normal(0, 0.5, strands.count), -0.98, 0.98)
    for line in lock.strands(within):
        start, end = np.sort(dice.uniform(strands.start, strands.end, 2))
        piece = line[max(0, int(start * GUIDE_POINTS)) : int(end * GUIDE_POINTS) + 1]
        if len(piece) < 5:
            continue
        width = float(dice.uniform(0.8, 2.4))
        colour = mixed(*strands.colours, float(dice.uniform(0, 1)))
        shape = ribbon(resampled(piece, GUIDE_POINTS), (0.2, width, width, 0.2))
        fill(canvas, shape, ink(colour, strands.alpha * float(dice.uniform(0.5, 1.0))), blur=0.4)


def _draw_hairline(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Fine hairs where hair meets forehead, so that it grows there instead of ending."""
    for _ in range(46):
        across = np.full((1, GUIDE_POINTS), float(dice.uniform(0.97, 1.05)))
        line = sheet.strands(across)[0]
        start = int(dice.uniform(0, 22))
        shape = ribbon(resampled(line[start : start + int(dice.uniform(6, 14))], 40), (0.2, 1.3, 1.1, 0.2))
        fill(canvas, shape, ink(HAIR, float(dice.uniform(0.3, 0.6))), blur=0.4)


def _draw_rim_light(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """The lamp behind, caught by the outermost hairs."""
    for _ in range(40):
        across = np.full((1, GUIDE_POINTS), float(dice.uniform(0.008, 0.13)))
        start = int(dice.uniform(4, 26))
        line = sheet.strands(across)[0][start : start + int(dice.uniform(6, 12))]
        shape = ribbon(resampled(line, 40), (0.2, 1.6, 1.4, 0.2))
        fill(canvas, shape, ink("#E6C094", float(dice.uniform(0.12, 0.36))), blur=0.6)


def _draw_parting(canvas: skia.Canvas) -> None:
    """The shade of the hair that rises from the parting, over the roots on both sides of it."""
    line = [(589, 238), (578, 208), (569, 180), (561, 158)]
    fill(canvas, ribbon_at(line, (10, 24, 18, 3)), ink(HAIR_DEEP, 0.50), 7)


def _draw_flyaways(canvas: skia.Canvas, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Single hairs along the silhouette, which would otherwise look cut out."""
    for _ in range(16):
        start, reach = int(dice.uniform(2, 24)), int(dice.uniform(8, 16))
        across = np.full((1, GUIDE_POINTS), float(dice.uniform(0.0, 0.04)))
        line = sheet.strands(across)[0][start : start + reach]
        outwards = np.sign(line[:, :1] - MIDDLE) * np.linspace(0, 1, len(line))[:, None] ** 2
        line = line + outwards * [float(dice.uniform(-1, 6)), -1.0]
        fill(canvas, ribbon(resampled(line, 40), (0.2, 0.9, 0.8, 0.2)), ink(HAIR_WARM, 0.5), 0.2)
