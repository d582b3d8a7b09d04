"""The surroundings of a person: a studio far out of focus, and the overall light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia

from artwork.brushes import SCREEN, SOFT_LIGHT, ellipse, fill, ink, linear, mixed, radial, ribbon_at
from artwork.geometry import HEIGHT, MARGIN, MIDDLE, SIDE

LEFT_EDGE, RIGHT_EDGE = -MARGIN, SIDE + MARGIN
EVERYTHING = np.array([(LEFT_EDGE, 0), (RIGHT_EDGE, 0), (RIGHT_EDGE, HEIGHT), (LEFT_EDGE, HEIGHT)], np.float64)

FLOOR = 1470
"""y of the panels' lower ends, below the picture."""
LEAN = 17.5
"""How much further to the left a panel ends than it begins."""


@dataclass(frozen=True)
class Studio:
    """A room far out of focus: every object is a blur of light or colour."""

    wall: tuple[str, ...]
    """Colours from the top left to the bottom right."""
    panels: Sequence[tuple[float, float, str, float]]
    """Upright bands: left, right, colour, alpha."""
    shelves: Sequence[tuple[float, float, float]]
    """Shelf boards: left, right, y."""
    board: str
    """The boards' colour."""
    things: Sequence[tuple[float, float, float, float, str]]
    """Objects on the shelves: x, top, width, height, colour."""
    plant: tuple[float, float, str]
    """x and y of the plant's base, and the colour of its leaves."""
    lamps: tuple[tuple[float, float], tuple[float, float], int]
    """Ranges of x and y, and the number of lamps."""
    edge: str
    """Colour of the darkened corners."""


def draw_studio(canvas: skia.Canvas, studio: Studio, dice: np.random.Generator) -> None:
    """Draw wall, shelves, objects and lamps."""
    fill(canvas, EVERYTHING, linear((0, 0), (SIDE, SIDE * 0.9), *studio.wall))
    for left, right, colour, alpha in studio.panels:
        panel = np.array([(left, -80), (right, -80), (right - LEAN, FLOOR), (left - LEAN, FLOOR)], np.float64)
        fill(canvas, panel, ink(colour, alpha), blur=26)
    for left, right, y in studio.shelves:
        shelf = np.array([(left, y), (right, y - 12), (right, y + 14), (left, y + 10)], np.float64)
        fill(canvas, shelf, ink(studio.board, 0.32), blur=13)
    for x, top, width, height, colour in studio.things:
        fill(canvas, ellipse(x, top + height / 2, width / 2, height / 2), ink(colour, 0.55), blur=13)
    _draw_plant(canvas, *studio.plant)
    _draw_bokeh(canvas, studio, dice)
    glow = radial((MIDDLE - 60, 430), 620, [ink("#FFFFFF", 0.42), ink("#FFFFFF", 0.0)], [0.0, 1.0])
    fill(canvas, EVERYTHING, glow)
    edge = [ink(studio.edge, 0.0), ink(studio.edge, 0.0), ink(studio.edge, 0.42)]
    fill(canvas, EVERYTHING, radial((MIDDLE, 480), 860, edge, [0, 0.55, 1]))


def _draw_plant(canvas: skia.Canvas, x: float, y: float, colour: str) -> None:
    for degrees, length in ((-62, 190), (-80, 230), (-98, 215), (-116, 180), (-40, 140), (-136, 130)):
        turn = np.radians(degrees)
        tip = (x + length * np.cos(turn), y - 20 + length * np.sin(turn))
        bend = (x + length * 0.5 * np.cos(turn) - 8, y - 20 + length * 0.58 * np.sin(turn))
        fill(canvas, ribbon_at([(x, y), bend, tip], (10, 46, 54, 30, 6)), ink(colour, 0.42), blur=12)


def _draw_bokeh(canvas: skia.Canvas, studio: Studio, dice: np.random.Generator) -> None:
    """Draw lamps far out of focus."""
    across, down, count = studio.lamps
    for _ in range(count):
        x, y = dice.uniform(*across), dice.uniform(*down)
        radius, alpha = dice.uniform(22, 58), dice.uniform(0.14, 0.34)
        colour = mixed("#FFC987", "#FFF1DC", float(dice.uniform(0.0, 0.8)))
        shader = radial((x, y), radius, [ink(colour, alpha), ink(colour, alpha * 0.75), ink(colour, 0.0)], [0, 0.6, 1])
        fill(canvas, ellipse(x, y, radius, radius), shader, blur=8, mode=SCREEN)


def draw_light(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Draw the light over the whole picture: warm at the window, cooler and darker away from it."""
    clear = ink("#808080", 0.0)
    warm = radial((300, 240), 620, [ink("#FFE9C8", 0.34), clear], [0.0, 1.0])
    cool = radial((1040, 1020), 760, [ink("#0E2A44", 0.45), clear], [0.0, 1.0])
    fill(canvas, EVERYTHING, warm, mode=SOFT_LIGHT)
    fill(canvas, EVERYTHING, cool, mode=SOFT_LIGHT)
