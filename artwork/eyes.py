"""Eyes, lids, lashes and brows. The lids match the landmarks, so that eyes can be closed by warping them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from artwork.brushes import (
    MULTIPLY,
    SCREEN,
    Shape,
    clipped,
    ellipse,
    fill,
    ink,
    linear,
    mixed,
    moved,
    radial,
    resampled,
    ribbon,
    ribbon_at,
    soft_layer,
    spline,
    stroke,
)
from artwork.geometry import MIDDLE, SIDES, Geometry, Knots, at_side
from artwork.skin import Skin


@dataclass(frozen=True)
class Eyes:
    """The appearance of a person's eyes."""

    pupil: tuple[float, float]
    """Distance from the middle line, y."""
    iris_radius: float
    iris: tuple[str, str, str, str]
    """From the pupil's edge to the rim."""
    fibres: tuple[str, str]
    """Colours of the light and dark fibres of the iris."""
    lash: str
    lashes: int
    """Number of single lashes on the upper lid."""
    lash_length: float
    """Length of the longest lashes, in pixels."""
    lid_line: tuple[float, ...]
    """Width of the upper lid's dark edge, from the outer to the inner corner."""
    crease: tuple[float, ...]
    """Distance of the crease from the upper lid, from the outer to the inner corner."""
    crease_alpha: float


@dataclass(frozen=True)
class Brows:
    """The appearance of a person's brows; each runs from the nose to the temple."""

    knots: Knots
    widths: tuple[float, ...]
    lift: tuple[float, float]
    """How much higher the left and the right brow are: faces are never fully symmetrical."""
    colours: tuple[str, str, str]
    """Colour of the shape under the hairs, then the two ends of the range of hair colours."""
    hairs: int
    lean: tuple[float, ...]
    """The hairs' direction along the brow, in degrees: -90 is upright, 0 is flat towards the temple."""


def draw_eyes(canvas: skia.Canvas, face: Geometry, eyes: Eyes, skin: Skin, dice: np.random.Generator) -> None:
    """Draw both eyes with lids and lashes."""
    for side in SIDES:
        contour = face.eye(side)
        upper = resampled(spline(contour[:5]), 60)
        lower = resampled(spline(np.vstack([contour[4:], contour[:1]])), 60)
        with soft_layer(canvas, np.vstack([upper, lower]), blur=0.7):
            _draw_eyeball(canvas, side, contour, eyes, dice)
            fill(canvas, ribbon(upper, (8, 15, 17, 15, 6)), ink("#4A2A22", 0.50), 4.5, MULTIPLY)
        _draw_lids(canvas, upper, lower, eyes, skin)
        _draw_lashes(canvas, side, upper, eyes, dice)


def _draw_eyeball(canvas: skia.Canvas, side: int, contour: Shape, eyes: Eyes, dice: np.random.Generator) -> None:
    """Draw the white, shaded at both corners so that it looks round, and the iris."""
    (x1, top), (x2, bottom) = contour.min(0), contour.max(0)
    outer, inner = contour[0], contour[4]
    white = np.array([(x1, top), (x2, top), (x2, bottom), (x1, bottom)])
    fill(canvas, white, linear((0, top), (0, bottom), "#CFC3BE", "#F1EAE5", "#E9DFDA"), blur=4)
    fill(canvas, ellipse(outer[0], outer[1] + 2, 17, 12), ink("#A87F74", 0.55), 6)
    fill(canvas, ellipse(inner[0], inner[1] - 3, 17, 10), ink("#B58A80", 0.45), 6)
    fill(canvas, ellipse(inner[0] + side * 5, inner[1] + 1, 7, 4.5), ink("#D08C80", 0.85), 2)
    _draw_iris(canvas, (MIDDLE + side * eyes.pupil[0], eyes.pupil[1]), eyes, dice)


def _draw_iris(canvas: skia.Canvas, centre: tuple[float, float], eyes: Eyes, dice: np.random.Generator) -> None:
    (x, y), radius = centre, eyes.iris_radius
    disc = ellipse(x, y, radius, radius)
    inner, middle, outer, rim = eyes.iris
    fill(canvas, ellipse(x, y, radius + 0.5, radius + 0.5), ink(rim, 0.45), blur=1.8)
    colours = [ink(inner), ink(middle), ink(outer), ink(mixed(outer, rim, 0.45)), ink(rim)]
    fill(canvas, disc, radial((x, y), radius, colours, [0.34, 0.55, 0.76, 0.90, 1.0]), blur=1.1)
    with clipped(canvas, disc):
        for angle in dice.uniform(0, 2 * np.pi, 90):
            ends = [(x + r * np.cos(angle), y + r * np.sin(angle)) for r in (radius * 0.42, radius * 0.88)]
            light, dark = eyes.fibres
            stroke(canvas, np.array(ends), 0.7, ink(light if dice.uniform() < 0.6 else dark, 0.20), 0.4)
        fill(
            canvas,
            ellipse(x + radius * 0.15, y + radius * 0.5, radius * 0.62, radius * 0.34),
            ink(outer, 0.8),
            4,
            SCREEN,
        )
        fill(canvas, ellipse(x, y - radius, radius * 1.15, radius * 0.7), ink("#160B08", 0.55), 5)
    fill(canvas, ellipse(x, y, radius * 0.42, radius * 0.42), ink("#0D0706"), blur=1.0)
    glint = radius * 0.2
    fill(canvas, ellipse(x - radius * 0.33, y - radius * 0.32, glint, glint * 1.1, -20), ink("#FFFFFF", 0.94), blur=0.7)
    fill(
        canvas, ellipse(x + radius * 0.36, y + radius * 0.38, glint * 0.6, glint * 0.45), ink("#FFFFFF", 0.35), blur=1.2
    )


def _draw_lids(canvas: skia.Canvas, upper: Shape, lower: Shape, eyes: Eyes, skin: Skin) -> None:
    """Draw the wet rim and the fold of the lower lid, the light and the crease of the upper lid."""
    fill(canvas, ribbon(moved(lower, 0, 1.0), (1, 2.0, 2.4, 2.0, 1)), ink(mixed(skin.light, "#E8A898", 0.4), 0.9), 0.8)
    fill(canvas, ribbon(moved(lower, 0, 2.8), (0.5, 1.4, 1.8, 2.2, 1.5)), ink(skin.deep, 0.38), 1.4)
    fill(canvas, ribbon(moved(lower, 0, 2.2), (0.2, 0.4, 0.8, 1.4, 1.6)), ink(eyes.lash, 0.30), 0.9)
    rise = np.interp(np.linspace(0, 1, 60), np.linspace(0, 1, len(eyes.crease)), eyes.crease)
    crease = upper - rise[:, None] * [0, 1]
    fill(canvas, ribbon((upper + crease)[8:50] / 2, (1, 5, 6, 4, 1)), ink(skin.light, 0.40), 2.5)
    fill(canvas, ribbon(moved(crease, 0, -2), (1, 8, 9, 7, 1)), ink(skin.shade, eyes.crease_alpha * 0.5), 4)
    fill(canvas, ribbon(crease, (0.4, 2.2, 2.4, 2.0, 0.4)), ink(skin.deep, eyes.crease_alpha), 1.2)


def _draw_lashes(canvas: skia.Canvas, side: int, upper: Shape, eyes: Eyes, dice: np.random.Generator) -> None:
    """Draw the upper lid's edge, dark with lashes, and single protruding lashes."""
    tail = moved(upper[0], side * eyes.lash_length * 0.7, -eyes.lash_length * 0.35)
    fill(canvas, ribbon(np.vstack([tail[None], upper]), eyes.lid_line), ink(eyes.lash, 0.92), 0.8)
    for place in np.linspace(0.0, 0.6, eyes.lashes) + dice.normal(0, 0.012, eyes.lashes):
        root = upper[int(np.clip(place, 0, 1) * 59)]
        outwards = side * np.interp(place, [0, 0.3, 0.6], [1.0, 0.5, 0.1])
        upwards = np.interp(place, [0, 0.3, 0.6], [0.5, 0.75, 0.6])
        along = eyes.lash_length * float(dice.uniform(0.6, 1.0)) * np.array([outwards, -upwards])
        knots = np.array([root, root + along * [0.65, 0.35], root + along])
        fill(canvas, ribbon_at(knots, (2.0, 1.2, 0.2)), ink(eyes.lash, 0.6), 0.5)


def draw_brows(canvas: skia.Canvas, brows: Brows, dice: np.random.Generator) -> None:
    """Draw a soft shape, and hairs that turn from upright at the nose to flat at the temple."""
    for side, lift in zip(SIDES, brows.lift, strict=True):
        spine = resampled(spline(moved(at_side(side, brows.knots), 0, -lift)), 60)
        fill(canvas, ribbon(spine, brows.widths), ink(brows.colours[0], 0.60), 3.0)
        for _ in range(brows.hairs):
            _draw_brow_hair(canvas, side, spine, brows, dice)


def _draw_brow_hair(canvas: skia.Canvas, side: int, spine: Shape, brows: Brows, dice: np.random.Generator) -> None:
    place = float(dice.uniform(0.0, 0.97))
    thick = float(np.interp(place, np.linspace(0, 1, len(brows.widths)), brows.widths))
    root = moved(spine[int(place * 59)], 0, thick * dice.uniform(-0.42, 0.46))
    degrees = np.interp(place, np.linspace(0, 1, len(brows.lean)), brows.lean) + dice.normal(0, 7)
    length = thick * np.interp(place, [0, 0.3, 1], [0.6, 0.8, 1.5])
    along = length * np.array([side * np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    knots = np.array([root, moved(root + along * 0.55, 0, -0.6), root + along])
    colour = mixed(brows.colours[1], brows.colours[2], float(dice.uniform(0, 1)))
    alpha = np.interp(place, [0, 0.2], [0.22, 0.42])
    fill(canvas, ribbon_at(knots, (1.3, 1.1, 0.2)), ink(colour, float(alpha)), 0.35)
