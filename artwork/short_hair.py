"""Short hair: sides that fade towards the ears, and a longer top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import ArrayLike

from artwork.brushes import Shape, fill, ink, linear, mixed, resampled, ribbon, soft_layer, spline
from artwork.geometry import SIDES, Knots, at_side
from artwork.strands import HairColours, HairSheet, Lock, draw_hair, draw_lock

TEMPLE_HAIRS = 420


@dataclass(frozen=True)
class TopSheet:
    """A part of the top."""

    guides: Sequence[ArrayLike]
    locks: int
    light: float
    """Brightness above the darkest lock, 0 to 1."""


@dataclass(frozen=True)
class ShortHair:
    """The cut and colours of short hair; points of the sides as (distance from the middle line, y), others as x, y."""

    colours: HairColours
    half_side: Knots
    """From the corner of the forehead down to the sideburn and up along the silhouette."""
    fade: tuple[float, ...]
    """How densely the sides cover the skin, from the top to the sideburns."""
    top: Sequence[TopSheet]
    """From the back to the front; the last but one ends at the silhouette, the last one grows from the hairline."""
    hairline: Knots
    rim: str
    """The colour of backlight on the outermost hairs."""


def draw_sides(canvas: skia.Canvas, hair: ShortHair, dice: np.random.Generator) -> None:
    """Draw hair too short to be flat: dense above, with skin showing through towards the ears."""
    fade = linear((0, 214), (0, 492), *(ink(hair.colours.dark, alpha) for alpha in hair.fade))
    for side in SIDES:
        outline = spline(at_side(side, hair.half_side), closed=True)
        fill(canvas, outline, fade, blur=1.8)
        for _ in range(900):
            y = float(dice.uniform(215, 494))
            _draw_short_hair(canvas, hair.colours, side, (y, outline), dice)


def draw_temples(canvas: skia.Canvas, hair: ShortHair, rows: tuple[float, float], dice: np.random.Generator) -> None:
    """Draw short hair over the lower ends of the top, so that these have no border; `rows`: y from and to."""
    for side in SIDES:
        outline = spline(at_side(side, hair.half_side), closed=True)
        for _ in range(TEMPLE_HAIRS):
            y = float(np.clip(dice.normal(np.mean(rows), (rows[1] - rows[0]) / 5), *rows))
            _draw_short_hair(canvas, hair.colours, side, (y, outline), dice)


def _draw_short_hair(
    canvas: skia.Canvas, colours: HairColours, side: int, place: tuple[float, Shape], dice: np.random.Generator
) -> None:
    """Draw one hair at a y inside an outline; the lower it grows, the shorter and fainter it is."""
    y, outline = place
    row = outline[np.abs(outline[:, 1] - y) < 7, 0]
    x = float(dice.uniform(row.min(), row.max()))
    length = float(np.interp(y, [215, 494], [16, 7]) * dice.uniform(0.7, 1.1))
    lean = side * length * float(dice.uniform(0.0, 0.25))
    line = np.array([(x, y), (x + lean * 0.4, y + length * 0.5), (x + lean, y + length)])
    colour = mixed(colours.deep, colours.light, float(dice.uniform(0, 0.95)) ** 1.5)
    draw_hair(canvas, line, 1.2, ink(colour, float(np.interp(y, [400, 494], [0.36, 0.10]))))


def draw_top(canvas: skia.Canvas, hair: ShortHair, dice: np.random.Generator) -> None:
    """Draw the top lock by lock, from the back to the front."""
    sheets = [HairSheet.through(part.guides) for part in hair.top]
    crown, front = sheets[-2:]
    above_hairline = np.vstack([_ragged(spline(hair.hairline), dice), [(900, 440), (900, 0), (300, 0)]])
    with soft_layer(canvas, above_hairline, blur=4):
        for sheet, part in zip(sheets, hair.top, strict=True):
            _draw_sheet(canvas, hair.colours, sheet, part, dice)
        for across in (0.12, 0.36, 0.62):
            sheen = ribbon(front.strand(across)[14:36], (1, 24, 26, 1))
            fill(canvas, sheen, ink(hair.colours.light, 0.24), blur=9)
    _draw_hairline(canvas, hair.colours, front, dice)
    _draw_rim_light(canvas, hair.rim, crown, dice)


def _ragged(line: Shape, dice: np.random.Generator) -> Shape:
    """The line, jittered vertically by a few pixels."""
    even = resampled(line, 120)
    return even + np.column_stack([np.zeros(120), dice.normal(0, 1.6, 120)])


def _draw_sheet(
    canvas: skia.Canvas, colours: HairColours, sheet: HairSheet, part: TopSheet, dice: np.random.Generator
) -> None:
    fill(canvas, sheet.outline(0.05, 0.97), ink(colours.dark), blur=3)
    for centre in np.linspace(0.03, 0.98, part.locks):
        draw_lock(canvas, _some_lock(sheet, float(centre), 1.9 / part.locks, part.light, dice), colours, dice)


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


def _draw_hairline(canvas: skia.Canvas, colours: HairColours, front: HairSheet, dice: np.random.Generator) -> None:
    """Draw fine hairs along the hairline, so that the hair does not end abruptly."""
    for _ in range(620):
        line = front.strand(float(dice.uniform(0.0, 1.0)))
        shift = [float(dice.normal(0, 3.0)), float(dice.normal(1, 3.0))]
        colour = mixed(colours.deep, colours.warm, float(dice.uniform(0, 1)))
        draw_hair(canvas, line[: int(dice.uniform(8, 24))] + shift, 1.2, ink(colour, float(dice.uniform(0.2, 0.6))))


def _draw_rim_light(canvas: skia.Canvas, rim: str, crown: HairSheet, dice: np.random.Generator) -> None:
    """Draw backlight on the outermost hairs."""
    for _ in range(46):
        start = int(dice.uniform(4, 40))
        line = crown.strand(float(dice.uniform(0.0, 0.14)))[start : start + int(dice.uniform(7, 14))]
        draw_hair(canvas, line, 1.6, ink(rim, float(dice.uniform(0.10, 0.32))), blur=0.6)
