"""The presenter's face, drawn part by part."""

from __future__ import annotations

import numpy as np
import skia
from brushes import (
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
from geometry import IRIS_RADIUS, LEFT, MIDDLE, PUPIL, RIGHT, Geometry, at_side
from palette import BLUSH, DEEP_SHADE, SHADE, SKIN, SKIN_GLOW, SKIN_LIGHT, SKIN_SHADE, SKIN_WARM


def draw_face(canvas: skia.Canvas, face: Geometry, dice: np.random.Generator) -> None:
    """The head without hair."""
    with soft_layer(canvas, face.face, blur=1.3):
        _draw_skin(canvas, face)
        _draw_cheeks(canvas)
        _draw_chin(canvas)
        _draw_nose(canvas, face)
        for side, eye in ((LEFT, face.left_eye), (RIGHT, face.right_eye)):
            _draw_eye(canvas, side, eye, dice)
            _draw_brow(canvas, side, dice)
        _draw_lips(canvas, face)
        _draw_hair_shadow(canvas)


def _draw_skin(canvas: skia.Canvas, face: Geometry) -> None:
    """The planes of the head: front, sides turning away, and the light that bounces back from the right."""
    shade = linear((390, 290), (690, 720), SKIN_LIGHT, SKIN_WARM, SKIN, SKIN_SHADE)
    fill(canvas, face.face, shade, blur=3)
    right = resampled(spline(face.jaw[10:]), 60)
    left = resampled(spline(face.jaw[:11]), 60)
    fill(canvas, ribbon(moved(right, 2, 6), (30, 60, 90, 110)), ink(SHADE, 0.40), 24)
    fill(canvas, ribbon(moved(left, -2, 8), (90, 70, 50, 30)), ink(SHADE, 0.30), 18)
    fill(canvas, ribbon(moved(right[14:56], -3, -2), (1, 6, 7, 6, 1)), ink("#FFE3CF", 0.42), 4)
    fill(canvas, ellipse(520, 322, 84, 50), ink(SKIN_GLOW, 0.55), 30)
    fill(canvas, ellipse(MIDDLE, 380, 26, 16), ink(SKIN_GLOW, 0.25), 12)


def _draw_cheeks(canvas: skia.Canvas) -> None:
    """Rosy and lifted by the beginning of a smile."""
    for side, alpha in ((LEFT, 0.15), (RIGHT, 0.21)):
        fill(canvas, ellipse(MIDDLE + side * 108, 548, 52, 34, side * -22), ink(BLUSH, 0.27), 26)
        hollow = at_side(side, [(168, 552), (140, 596), (104, 636)])
        fill(canvas, ribbon_at(hollow, (10, 34, 10)), ink(SHADE, 0.20), 17)
        fold = at_side(side, [(46, 566), (62, 584), (80, 606)])
        fill(canvas, ribbon_at(fold, (3, 10, 4)), ink(SHADE, alpha), 6)
    fill(canvas, ellipse(MIDDLE - 104, 520, 42, 18, 20), ink(SKIN_GLOW, 0.62), 16)
    fill(canvas, ellipse(MIDDLE - 86, 548, 20, 16), ink(SKIN_GLOW, 0.30), 12)
    fill(canvas, ellipse(MIDDLE + 100, 520, 34, 15, -20), ink(SKIN_GLOW, 0.34), 14)


def _draw_chin(canvas: skia.Canvas) -> None:
    fill(canvas, ellipse(MIDDLE, 656, 36, 6), ink(SHADE, 0.45), 7)
    fill(canvas, ellipse(MIDDLE - 8, 688, 30, 15), ink(SKIN_GLOW, 0.50), 12)
    below = [(440, 690), (490, 722), (540, 730), (590, 722), (640, 690)]
    fill(canvas, ribbon_at(below, (6, 18, 20, 18, 6)), ink(SHADE, 0.36), 9)
    for side in (LEFT, RIGHT):
        fill(canvas, ellipse(MIDDLE + side * 74, 616, 9, 12), ink(SHADE, 0.22), 7)


def _draw_hair_shadow(canvas: skia.Canvas) -> None:
    """What the hair throws on forehead and temples."""
    left = [(573, 236), (526, 250), (474, 282), (424, 338), (393, 404), (382, 474), (378, 556)]
    right = [(577, 236), (616, 254), (652, 286), (684, 338), (700, 404), (702, 474), (706, 556)]
    for line in (left, right):
        fill(canvas, ribbon_at(line, (10, 20, 26, 26, 18)), ink("#9A5038", 0.42), 11, MULTIPLY)


def _draw_nose(canvas: skia.Canvas, face: Geometry) -> None:
    """Modelled by light alone: a lit bridge and tip, a shaded right side and the shadow below."""
    right = spline([(551, 424), (556, 480), (562, 530), (580, 556), (576, 520), (566, 462)], closed=True)
    left = spline([(524, 424), (521, 480), (514, 530), (502, 552), (510, 515), (516, 460)], closed=True)
    fill(canvas, right, ink(SHADE, 0.40), 8)
    fill(canvas, left, ink(SHADE, 0.20), 8)
    for side, alpha in ((LEFT, 0.26), (RIGHT, 0.34)):
        root = at_side(side, [(42, 410), (25, 428), (18, 456), (17, 490)])
        fill(canvas, ribbon_at(root, (6, 20, 15, 3)), ink(SHADE, alpha), 8)
    fill(canvas, ribbon_at([(539, 425), (537, 470), (536, 530)], (3, 8, 10)), ink(SKIN_GLOW, 0.72), 6)
    fill(canvas, ellipse(536, 540, 13, 10), ink("#FFF6EC", 0.75), 6)
    _draw_nose_base(canvas, face.nose[1])
    for side, wing in ((LEFT, face.nose[0]), (RIGHT, face.nose[2])):
        _draw_nostril(canvas, side, wing)


def _draw_nose_base(canvas: skia.Canvas, base: Shape) -> None:
    x, y = base
    above = [(x - 34, y - 6), (x - 18, y - 8), (x, y - 4), (x + 18, y - 8), (x + 34, y - 6)]
    below = [(x + 20, y + 3), (x, y + 5), (x - 20, y + 3)]
    fill(canvas, spline(above + below, closed=True), ink(DEEP_SHADE, 0.42), 4)
    fill(canvas, ellipse(x + 6, y + 9, 26, 7), ink(SHADE, 0.30), 7)


def _draw_nostril(canvas: skia.Canvas, side: int, wing: Shape) -> None:
    x, y = wing
    crease = [(x - side * 6, y - 19), (x - side * 0.5, y - 8), (x - side * 1, y + 3), (x - side * 10, y + 8)]
    fill(canvas, ribbon_at(crease, (1, 5, 6, 2)), ink(DEEP_SHADE, 0.38), 2.6)
    fill(canvas, ellipse(x - side * 10, y - 7, 7, 8), ink(SKIN_GLOW, 0.40 if side == LEFT else 0.20), 4)
    rim = [(12, 6), (18, 2.5), (26, 5), (25, 8), (16, 9)]
    hole = spline([(x - side * inwards, y + down) for inwards, down in rim], closed=True)
    fill(canvas, hole, ink("#5E2A20", 0.85), 1.6)


def _draw_eye(canvas: skia.Canvas, side: int, eye: Shape, dice: np.random.Generator) -> None:
    """One eye with its lids and lashes; `eye` in the order of the landmarks."""
    upper = spline(eye[:5])
    lower = spline(np.vstack([eye[4:], eye[:1]]))
    _draw_socket(canvas, side, eye)
    opening = np.vstack([upper, lower])
    with soft_layer(canvas, opening, blur=0.6):
        fill(canvas, opening, linear((0, 428), (0, 466), "#C9BDBB", "#F4EFED", "#EFE6E3"), blur=2)
        corner = eye[4]
        fill(canvas, ellipse(corner[0] + side * 5, corner[1] + 1, 8, 5), ink("#D98F84", 0.85), 2)
        fill(canvas, ellipse(eye[0][0], eye[0][1] + 2, 14, 9), ink("#C98F80", 0.5), 5)
        _draw_iris(canvas, side, dice)
        fill(canvas, ribbon(resampled(upper, 60), (8, 15, 15, 14, 6)), ink("#3A1E18", 0.42), 4, MULTIPLY)
    _draw_lids(canvas, side, upper, lower)
    _draw_lashes(canvas, side, upper, lower, dice)


def _draw_socket(canvas: skia.Canvas, side: int, eye: Shape) -> None:
    x = MIDDLE + side * 80
    fill(canvas, ellipse(x, 426, 50, 15, side * -4), ink("#B0644B", 0.34 if side == LEFT else 0.40), 11)
    fill(canvas, ellipse(x + side * 26, 430, 30, 12, side * 20), ink("#8E4A3A", 0.30), 9)
    brow_bone = ellipse(x + side * 6, 409, 34, 5, side * 4)
    fill(canvas, brow_bone, ink(SKIN_GLOW, 0.45 if side == LEFT else 0.3), 6)
    fill(canvas, ellipse(x, 478, 42, 6, side * -3), ink(SHADE, 0.24), 7)
    fill(canvas, ellipse(x - side * 4, 494, 34, 7, side * 6), ink(SKIN_GLOW, 0.26), 10)
    fill(canvas, ellipse(eye[4][0] - side * 6, eye[4][1] - 6, 9, 12), ink(SHADE, 0.34), 6)


def _draw_iris(canvas: skia.Canvas, side: int, dice: np.random.Generator) -> None:
    x, y = MIDDLE + side * PUPIL[0], PUPIL[1]
    radius = IRIS_RADIUS
    disc = ellipse(x, y, radius, radius)
    fill(canvas, disc, ink("#4A342A", 0.7), blur=1.4)
    colours = [ink("#2A160D"), ink("#4E2F18"), ink("#6F4423"), ink("#5E3B1E"), ink("#2E1C12")]
    fill(canvas, disc, radial((x, y), radius, colours, [0.3, 0.48, 0.72, 0.86, 1.0]), blur=0.8)
    with clipped(canvas, disc):
        for angle in dice.uniform(0, 2 * np.pi, 90):
            ends = [(x + r * np.cos(angle), y + r * np.sin(angle)) for r in (radius * 0.42, radius * 0.9)]
            light = dice.uniform() < 0.6
            stroke(canvas, np.array(ends), 0.7, ink("#D0A060" if light else "#2F1C10", 0.24), 0.3)
        fill(canvas, ellipse(x + 3, y + 9.5, 12, 6), ink("#E0A860", 0.60), 4, SCREEN)
        fill(canvas, ellipse(x, y - radius, 22, 13), ink("#160B08", 0.55), 5)
    fill(canvas, ellipse(x, y, 8.0, 8.0), ink("#0D0706"), blur=0.8)
    fill(canvas, ellipse(x - 6.5, y - 6.0, 5.2, 5.4, -20), ink("#FFFFFF", 0.96), blur=0.6)
    fill(canvas, ellipse(x + 7.0, y + 7.0, 2.6, 2.0), ink("#FFFFFF", 0.42), blur=1.0)


def _draw_lids(canvas: skia.Canvas, side: int, upper: Shape, lower: Shape) -> None:
    rim = resampled(lower, 60)
    fill(canvas, ribbon(moved(rim, 0, 1.2), (1, 2.2, 2.4, 2.2, 1)), ink("#F3C3B2", 0.9), 0.8)
    fill(canvas, ribbon(moved(rim, 0, 2.8), (0.5, 1.4, 1.8, 2.4, 1.5)), ink("#8A4A3C", 0.5), 1.2)
    crease = at_side(side, [(130, 437), (110, 422.5), (83, 415.5), (56, 422.5), (40, 441)])
    fill(canvas, ribbon_at(crease, (0.6, 2.6, 2.4, 2.2, 0.6)), ink("#7A3C2E", 0.60), 1.3)
    lid = moved(resampled(upper, 60)[8:50], 0, -6.5)
    fill(canvas, ribbon(lid, (1, 5, 6, 4, 1)), ink("#F2C3A8", 0.45), 2.5)


def _draw_lashes(canvas: skia.Canvas, side: int, upper: Shape, lower: Shape, dice: np.random.Generator) -> None:
    wing = np.vstack([[moved(upper[0], side * 8, -5)], resampled(upper, 60)])
    fill(canvas, ribbon(wing, (0.4, 5.0, 5.6, 5.0, 3.8, 2.2, 0.8)), ink("#22120E", 0.95), 0.7)
    line = resampled(upper, 60)
    for place in np.linspace(0.0, 0.72, 30):
        root = moved(line[int(place * 59)], 0, -1)
        lean = side * np.interp(place, [0, 0.3, 0.72], [11, 5, -1.5]) + dice.normal(0, 0.7)
        rise = np.interp(place, [0, 0.25, 0.72], [5, 7, 3.5]) + dice.normal(0, 0.6)
        knots = [root, moved(root, lean * 0.6, -rise * 0.3), moved(root, lean, -rise)]
        fill(canvas, ribbon_at(knots, (1.5, 1.0, 0.2)), ink("#22120E", 0.75), 0.35)
    line = resampled(lower, 60)
    for place in np.linspace(0.45, 0.97, 14):
        root = moved(line[int(place * 59)], 0, 2.4)
        reach = np.interp(place, [0.45, 1], [2.2, 4.0]) + dice.normal(0, 0.4)
        knots = [root, moved(root, side * reach * 0.4, reach * 0.6), moved(root, side * reach * 0.8, reach)]
        fill(canvas, ribbon_at(knots, (0.9, 0.7, 0.2)), ink("#3A2018", 0.38), 0.35)


def _draw_brow(canvas: skia.Canvas, side: int, dice: np.random.Generator) -> None:
    """A soft shape, and hairs that turn from upright at the nose to lying flat at the tail."""
    lift = -1.5 if side == RIGHT else 0.0
    knots = moved(at_side(side, [(36, 403.5), (62, 397.5), (94, 390.5), (118, 395), (140, 407)]), 0, lift)
    spine = resampled(spline(knots), 60)
    fill(canvas, ribbon(spine, (3, 11.5, 13.5, 12, 8.5, 2)), ink("#5A3424", 0.66), 2.6)
    for _ in range(220):
        place = float(dice.uniform(0.0, 0.97))
        thick = np.interp(place, [0, 0.12, 0.3, 0.6, 1], [6, 11, 12.5, 10, 2])
        root = moved(spine[int(place * 59)], 0, thick * dice.uniform(-0.42, 0.48))
        degrees = np.interp(place, [0, 0.2, 0.6, 1], [-66, -36, -4, 26]) + dice.normal(0, 7)
        length = np.interp(place, [0, 0.3, 1], [6.5, 11, 9])
        along = length * np.array([side * np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        knots = np.array([root, moved(root + along * 0.55, 0, -0.6), root + along])
        colour = mixed("#3A2018", "#7A4C38", float(dice.uniform(0, 1)))
        alpha = np.interp(place, [0, 0.2], [0.22, 0.42])
        fill(canvas, ribbon_at(knots, (1.2, 1.0, 0.2)), ink(colour, float(alpha)), 0.35)


def _draw_philtrum(canvas: skia.Canvas, face: Geometry) -> None:
    """The groove between nose and mouth, and the light on the edge of the upper lip."""
    fill(canvas, ribbon_at([(540, 572), (540, 590)], (8, 10)), ink(SHADE, 0.22), 4)
    for side in (LEFT, RIGHT):
        fill(canvas, ribbon_at(at_side(side, [(8, 574), (12, 594)]), (3, 5)), ink(SKIN_GLOW, 0.40), 3)
    stroke(canvas, moved(spline(face.lips_outer[2:9]), 0, -3.5), 3, ink(SKIN_GLOW, 0.45), 2.2)


def _draw_lips(canvas: skia.Canvas, face: Geometry) -> None:
    """Closed lips, smooth all over: they are warped when the avatar speaks."""
    _draw_philtrum(canvas, face)
    upper, lower = face.upper_lip, face.lower_lip
    fill(canvas, lower, linear((0, 616), (0, 645), "#BC5F5B", "#D67C73", "#C96E66"), blur=1.6)
    fill(canvas, upper, linear((0, 598), (0, 622), "#C56E67", "#B25653", "#98413F"), blur=1.5)
    with clipped(canvas, np.vstack([upper, lower])):
        fill(canvas, ellipse(532, 631, 24, 4.5, -2), ink("#FFE3DA", 0.60), 3.6)
        fill(canvas, ellipse(566, 630, 10, 3.5, -6), ink("#FFE3DA", 0.30), 3)
        fill(canvas, ellipse(522, 606, 10, 2.5, -14), ink("#FFD9CF", 0.40), 2.6)
        fill(canvas, ellipse(558, 606, 8, 2.2, 12), ink("#FFD9CF", 0.25), 2.4)
        stroke(canvas, moved(face.lip_line, 0, 3), 5, ink("#8A3738", 0.45), 2.6)
    meeting = ribbon(resampled(face.lip_line, 80), (1.0, 2.2, 2.6, 3.0, 2.6, 2.2, 1.0))
    fill(canvas, meeting, ink("#6A2428", 0.85), 0.9)
    for corner in (face.lips_outer[0], face.lips_outer[10]):
        fill(canvas, ellipse(corner[0], corner[1] + 0.5, 4.5, 3), ink("#7A3830", 0.5), 2.4)
