"""Long hair that parts above the forehead and falls in front of both shoulders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import ArrayLike

from artwork.brushes import clipped, fill, ink, linear, mixed, moved, ribbon_at, spline
from artwork.clothes import Jacket
from artwork.geometry import LEFT, MIDDLE, RIGHT, SIDES, Knots, at_side
from artwork.strands import GUIDE_POINTS, HairColours, HairSheet, Lock, draw_hair, draw_lock

LIGHT = {LEFT: 0.30, RIGHT: 0.16}
"""Brightness by side: the light comes from the left."""
PHASES = {LEFT: 0.4, RIGHT: 0.05}
"""Where the waves of a side begin."""


@dataclass(frozen=True)
class LongHair:
    """The cut and colours of long hair; all points are x, y in the square."""

    colours: HairColours
    waves: float
    """Waves along a guide."""
    wave: tuple[float, float]
    """Range of the waves' amplitudes in pixels."""
    left: Sequence[ArrayLike]
    """Guides of the left sheet: from the silhouette to the edge of the face."""
    right: Sequence[ArrayLike]
    mass: Knots
    """The outline of the hair behind face and neck."""
    parting: Knots
    """From the forehead to the crown."""
    tips: float
    """How much brighter the thin locks at the ends are than in brown hair."""
    locks: tuple[int, int]
    """How many broad locks make a layer of the left and of the right sheet."""
    rim: str
    """The colour of backlight on the outermost hairs."""
    jacket: Jacket
    """What the hair falls on."""

    def sheet(self, side: int) -> HairSheet:
        """The hair on one side of the parting."""
        return HairSheet.through(self.left if side == LEFT else self.right)


def draw_mass(canvas: skia.Canvas, hair: LongHair, dice: np.random.Generator) -> None:
    """Draw the mass behind face and neck: dark, so that face and front locks contrast with it."""
    colours = hair.colours
    outline = spline(hair.mass, closed=True)
    fill(canvas, outline, linear((540, 300), (540, 930), colours.deep, colours.deep, colours.dark), blur=1.5)
    for _ in range(150):
        side = LEFT if dice.uniform() < 0.5 else RIGHT
        x, start, end = dice.uniform(80, 215), dice.uniform(520, 680), dice.uniform(700, 900)
        knots = [(float(x + 9 * np.sin(y / 52)), float(y)) for y in np.linspace(start, end, 9)]
        colour = mixed(colours.deep, colours.base, float(dice.uniform(0.2, 1.0)))
        fill(canvas, ribbon_at(at_side(side, knots), (0.3, 4, 4, 0.3)), ink(colour, 0.45), 1.2)


def draw_sheet(canvas: skia.Canvas, hair: LongHair, side: int, dice: np.random.Generator) -> None:
    """Draw one side lock by lock, from the face outwards, with its shadow on the jacket."""
    sheet, count = hair.sheet(side), hair.locks[SIDES.index(side)]
    _draw_torso_shadow(canvas, hair, side)
    _draw_underlay(canvas, hair, sheet)
    for layer in (1.0, 0.8):
        for centre in np.linspace(0.96, 0.04, count) + dice.normal(0, 0.02, count):
            lock = _some_lock(hair, side, float(centre), 1.0 / count * layer, dice)
            draw_lock(canvas, lock, hair.colours, dice)
    _draw_tips(canvas, hair, side, dice)
    draw_hairline(canvas, hair, sheet, dice)
    _draw_rim_light(canvas, hair, sheet, dice)
    _draw_flyaways(canvas, hair, sheet, dice)


def _some_lock(hair: LongHair, side: int, centre: float, width: float, dice: np.random.Generator) -> Lock:
    return Lock(
        sheet=hair.sheet(side),
        centre=float(np.clip(centre, 0.05, 0.95)),
        width=float(dice.uniform(1.8, 3.0) * width),
        length=float(dice.uniform(0.90, 0.98)),
        light=LIGHT[side],
        crown=0.20 + 0.05 * centre,
        wave=side * float(dice.uniform(*hair.wave)),
        waves=hair.waves,
        phase=float(PHASES[side] + 1.5 * centre + dice.normal(0, 0.26)),
    )


def _draw_tips(canvas: skia.Canvas, hair: LongHair, side: int, dice: np.random.Generator) -> None:
    """Draw thin locks of all lengths over the ends of the thick ones, so that these do not look like wedges."""
    sheet, (low, high) = hair.sheet(side), hair.wave
    for centre in dice.permutation(np.linspace(0.03, 0.97, 26)):
        lock = Lock(
            sheet=sheet,
            centre=float(centre),
            width=float(dice.uniform(0.03, 0.11)),
            length=float(dice.uniform(0.90, 1.0)),
            light=LIGHT[side] / 3 + hair.tips,
            crown=0.0,
            wave=side * float(dice.uniform(low - 1, high + 1)),
            waves=hair.waves,
            phase=float(PHASES[side] + 1.5 * centre + dice.normal(0, 0.35)),
            start=float(dice.uniform(0.55, 0.72)),
        )
        draw_lock(canvas, lock, hair.colours, dice)


def _draw_underlay(canvas: skia.Canvas, hair: LongHair, sheet: HairSheet) -> None:
    """Draw dark hair below the locks, so that gaps between them do not show the background."""
    reach = int(GUIDE_POINTS * 0.8)
    edges = sheet.strands(np.repeat([[0.03], [1.0]], GUIDE_POINTS, axis=1))[:, :reach]
    inset = np.interp(np.arange(reach), [reach * 0.5, reach], [0, 20])[:, None] * [1, 0]
    outwards = np.sign(edges[1, -1, 0] - edges[0, -1, 0])
    outline = np.vstack([edges[0] + outwards * inset, (edges[1] - outwards * inset)[::-1]])
    fill(canvas, outline, ink(hair.colours.dark), blur=2.0)


def _draw_torso_shadow(canvas: skia.Canvas, hair: LongHair, side: int) -> None:
    """Draw the shadow of the hair on the clothes: the whole sheet as one lock."""
    wave = side * float(np.mean(hair.wave))
    whole = Lock(hair.sheet(side), 0.5, width=1.0, length=1.0, light=0, crown=0, wave=wave, waves=hair.waves, phase=1.1)
    edges = whole.strands(np.array([-1.0, 1.0]))[:, : int(GUIDE_POINTS * 0.95)]
    with clipped(canvas, hair.jacket.shoulder_line()):
        fill(canvas, moved(np.vstack([edges[0], edges[1][::-1]]), 11, 24), ink(hair.jacket.cloth.deep, 0.70), blur=11)


def draw_hairline(canvas: skia.Canvas, hair: LongHair, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw fine hairs along the hairline, so that the hair does not end abruptly."""
    for _ in range(46):
        start = int(dice.uniform(0, 22))
        line = sheet.strand(float(dice.uniform(0.97, 1.05)))[start : start + int(dice.uniform(6, 14))]
        draw_hair(canvas, line, 1.3, ink(hair.colours.base, float(dice.uniform(0.3, 0.6))))


def _draw_rim_light(canvas: skia.Canvas, hair: LongHair, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw backlight on the outermost hairs."""
    for _ in range(40):
        start = int(dice.uniform(4, 26))
        line = sheet.strand(float(dice.uniform(0.008, 0.13)))[start : start + int(dice.uniform(6, 12))]
        draw_hair(canvas, line, 1.6, ink(hair.rim, float(dice.uniform(0.12, 0.36))), blur=0.6)


def _draw_flyaways(canvas: skia.Canvas, hair: LongHair, sheet: HairSheet, dice: np.random.Generator) -> None:
    """Draw single hairs along the silhouette, which would otherwise look cut out."""
    for _ in range(16):
        start, reach = int(dice.uniform(2, 24)), int(dice.uniform(8, 16))
        line = sheet.strand(float(dice.uniform(0.0, 0.04)))[start : start + reach]
        outwards = np.sign(line[:, :1] - MIDDLE) * np.linspace(0, 1, len(line))[:, None] ** 2
        draw_hair(canvas, line + outwards * [float(dice.uniform(-1, 6)), -1.0], 0.9, ink(hair.colours.warm, 0.5), 0.2)


def draw_parting(canvas: skia.Canvas, hair: LongHair, dice: np.random.Generator) -> None:
    """Draw a thin line of scalp, shaded by the hair on both sides and half hidden by roots."""
    colours = hair.colours
    fill(canvas, ribbon_at(hair.parting, (14, 34, 30, 22, 6)), ink(colours.dark, 0.75), 9)
    fill(canvas, ribbon_at(hair.parting, (6, 3.4, 2.2, 1.2, 0.3)), ink("#A8765C", 0.50), 1.5)
    for sheet in (hair.sheet(LEFT), hair.sheet(RIGHT)):
        for _ in range(70):
            line = sheet.strand(float(dice.uniform(0.06, 1.0)))
            start, end = int(dice.uniform(0, 3)), int(dice.uniform(8, 17))
            colour = mixed(colours.dark, colours.warm, float(dice.uniform(0.1, 1.0)))
            width, alpha = float(dice.uniform(1.2, 2.6)), float(dice.uniform(0.35, 0.7))
            draw_hair(canvas, line[start:end], width, ink(colour, alpha))
