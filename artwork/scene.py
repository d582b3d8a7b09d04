"""What surrounds the presenter: the studio behind her, and the light over everything."""

from __future__ import annotations

import numpy as np
import skia
from brushes import SCREEN, SOFT_LIGHT, ellipse, fill, ink, linear, mixed, radial, ribbon_at
from geometry import MIDDLE, SIDE


def draw_background(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """A calm studio, far out of focus: a wall of light on the left, shelves and lamps on the right."""
    everything = np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], np.float64)
    fill(canvas, everything, linear((0, 0), (SIDE, SIDE * 0.9), "#F3EEE7", "#D3D9DA", "#93A8B3", "#5B7788"))
    panels = [
        (-60, 130, "#FFFAF0", 0.60), (165, 300, "#FFFAF0", 0.42), (335, 400, "#FFFAF0", 0.18),
        (720, 760, "#3E5E70", 0.20), (800, 960, "#3A5869", 0.28), (1000, 1120, "#2F4C5D", 0.34),
    ]  # fmt: skip
    for left, right, colour, alpha in panels:
        panel = np.array([(left, -80), (right, -80), (right - 14, 1160), (left - 14, 1160)], np.float64)
        fill(canvas, panel, ink(colour, alpha), blur=26)
    for y in (250, 470, 690):
        shelf = np.array([(700, y), (1120, y - 12), (1120, y + 14), (700, y + 10)], np.float64)
        fill(canvas, shelf, ink("#E3D5C2", 0.32), blur=13)
    _draw_blurred_things(canvas)
    _draw_bokeh(canvas, dice)
    glow = radial((MIDDLE - 60, 430), 620, [ink("#FFFFFF", 0.42), ink("#FFFFFF", 0.0)], [0.0, 1.0])
    fill(canvas, everything, glow)
    edge = radial((MIDDLE, 480), 860, [ink("#17303F", 0.0), ink("#17303F", 0.0), ink("#17303F", 0.42)], [0, 0.55, 1])
    fill(canvas, everything, edge)


def _draw_blurred_things(canvas: skia.Canvas) -> None:
    """Books on the shelves and a plant: hints of colour rather than things."""
    books = [
        (820, 400, 34, 64, "#C9886A"), (862, 394, 26, 70, "#E0C9A6"), (905, 404, 36, 60, "#557F8C"),
        (1000, 400, 40, 58, "#D9B48C"), (880, 622, 44, 58, "#8FB0AE"), (950, 616, 30, 64, "#CB9A7E"),
        (850, 190, 36, 52, "#A9C2C6"), (975, 186, 42, 54, "#D6BFA4"),
    ]  # fmt: skip
    for x, y, width, height, colour in books:
        fill(canvas, ellipse(x, y + height / 2, width / 2, height / 2), ink(colour, 0.55), blur=13)
    for degrees, length in ((-62, 190), (-80, 230), (-98, 215), (-116, 180), (-40, 140), (-136, 130)):
        turn = np.radians(degrees)
        tip = (108 + length * np.cos(turn), 820 + length * np.sin(turn))
        bend = (108 + length * 0.5 * np.cos(turn) - 8, 820 + length * 0.58 * np.sin(turn))
        fill(canvas, ribbon_at([(108, 840), bend, tip], (10, 46, 54, 30, 6)), ink("#5E8A72", 0.42), blur=12)


def _draw_bokeh(canvas: skia.Canvas, dice: np.random.Generator) -> None:
    """Lamps far out of focus."""
    for _ in range(13):
        x, y = dice.uniform(830, 1080), dice.uniform(20, 720)
        radius, alpha = dice.uniform(22, 58), dice.uniform(0.14, 0.34)
        colour = mixed("#FFC987", "#FFF1DC", float(dice.uniform(0.0, 0.8)))
        shader = radial((x, y), radius, [ink(colour, alpha), ink(colour, alpha * 0.75), ink(colour, 0.0)], [0, 0.6, 1])
        fill(canvas, ellipse(x, y, radius, radius), shader, blur=8, mode=SCREEN)


def draw_light(canvas: skia.Canvas) -> None:
    """One light over everything: warm from the window, cooler and deeper away from it."""
    everything = np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], np.float64)
    clear = ink("#808080", 0.0)
    warm = radial((300, 240), 620, [ink("#FFE9C8", 0.34), clear], [0.0, 1.0])
    cool = radial((1040, 1020), 760, [ink("#0E2A44", 0.45), clear], [0.0, 1.0])
    fill(canvas, everything, warm, mode=SOFT_LIGHT)
    fill(canvas, everything, cool, mode=SOFT_LIGHT)
