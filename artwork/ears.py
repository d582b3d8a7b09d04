"""Ears; hair may cover part of them."""

from __future__ import annotations

import skia

from artwork.brushes import clipped, fill, ink, linear, mixed, ribbon_at, spline, stroke
from artwork.geometry import LEFT, SIDES, Knots, at_side
from artwork.skin import Skin

HELIX: Knots = [
    (0, 22), (6, 6), (17, -1), (28, 6), (33, 28), (32, 56), (26, 88), (21, 112), (15, 132),
    (6, 141), (-4, 134), (-12, 80),
]  # fmt: skip
"""The outline, starting where the top meets the head; y from the ear's top."""
HELIX_FOLD: Knots = [(3, 30), (10, 14), (18, 9), (24, 17), (26, 36), (25, 60), (20, 86)]
CONCHA: Knots = [(1, 52), (9, 44), (15, 52), (15, 70), (11, 88), (4, 98), (-3, 92), (-3, 66)]
ANTIHELIX: Knots = [(8, 34), (16, 44), (20, 64), (16, 88), (10, 102)]


def draw_ears(canvas: skia.Canvas, root: tuple[float, float], skin: Skin) -> None:
    """Draw both ears; `root` is where the top of an ear meets the head, as (distance from the middle line, y)."""
    for side in SIDES:
        outline, fold, concha, antihelix = (
            at_side(side, [(root[0] + x, root[1] + y) for x, y in knots])
            for knots in (HELIX, HELIX_FOLD, CONCHA, ANTIHELIX)
        )
        lit = 1.0 if side == LEFT else 0.6
        rim = spline(outline, closed=True)
        dark = mixed(skin.turned, skin.shade, 0.25)
        fill(canvas, rim, linear((0, root[1]), (0, root[1] + 140), skin.base, skin.turned, dark), blur=0.8)
        with clipped(canvas, rim):
            fill(canvas, ribbon_at(fold, (2, 8, 9, 7, 3)), ink(skin.deep, 0.55), 2.4)
            fill(canvas, spline(concha, closed=True), ink(skin.deep, 0.65), 4)
            fill(canvas, ribbon_at(antihelix, (2, 6, 6, 3)), ink(skin.light, 0.60 * lit), 2.4)
            stroke(canvas, rim, 7, ink(skin.light, 0.60 * lit), 2.6)
            beside_head = at_side(side, [(root[0] - 6, root[1] + y) for y in (10, 60, 120, 140)])
            fill(canvas, ribbon_at(beside_head, (12, 16, 16, 10)), ink(skin.deep, 0.50), 5)
