"""Where everything of the presenter's face lies: the one source of both her picture and her landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from brushes import Shape, spline

SIDE = 1080
"""Width and height of the picture; all geometry is in its pixels."""
MIDDLE = 540.0
"""x of the face's middle line."""

LEFT, RIGHT = -1, 1
"""The picture's left and right; multiplied with a distance from the middle line."""

HALF_JAW = [
    (172, 455), (172.5, 488), (170, 521), (164.5, 553), (155, 584), (142.5, 613),
    (126, 641), (105, 667.5), (79, 693), (46, 714.5), (0, 723),
]  # fmt: skip
"""From beside the ear to the chin, as (distance from the middle line, y); so are all that are named HALF."""
HALF_SKULL = [(170, 400), (160, 330), (132, 262), (80, 205), (0, 178)]
"""From the temple to the crown; under the hair."""
UPPER_LIP = [
    (-65, 605.6), (-53.5, 606), (-40, 604.2), (-27.5, 601), (-14.5, 598.6), (0, 602.2),
    (14.5, 598.4), (27.5, 600.6), (40, 603.6), (53.5, 605.2), (65, 604.6),
]  # fmt: skip
"""Its upper edge from corner to corner, as (x from the middle line, y)."""
LOWER_LIP = [
    (54, 620.6), (41, 631.6), (27.5, 639.4), (14, 643.8), (0, 645),
    (-14, 644), (-27.5, 639.6), (-41, 632), (-54, 621.2),
]  # fmt: skip
"""Its lower edge, from right to left, without the corners."""
LIP_LINE = [
    (-62, 607.2), (-50.5, 612.8), (-38, 616.8), (-25, 619), (-12, 620.2), (0, 621.8),
    (12, 620.1), (25, 618.7), (38, 616.2), (50.5, 612), (62, 606.2),
]  # fmt: skip
"""Where the lips meet, from corner to corner."""
HALF_EYE = [
    (123, 446), (108, 433.5), (82, 426.8), (57, 435.6),
    (37.5, 457.5), (57, 463), (80.5, 465.2), (107, 459),
]  # fmt: skip
"""Outer corner, upper lid, inner corner, lower lid."""
HALF_NOSE = [(36, 557), (0, 568)]
"""Nostril wing and base."""
PUPIL = (80.0, 445.6)
"""Distance from the middle line, y."""
IRIS_RADIUS = 19.6
HALF_SHOULDERS = [(130, 838), (160, 850), (240, 880), (335, 908), (412, 944), (460, 1000), (486, 1100)]
"""From the neck over the shoulder to the sleeve."""


def at_side(side: int, half: Sequence[tuple[float, float]]) -> Shape:
    """Points given by their distance from the middle line, on one side of it."""
    return np.array([(MIDDLE + side * distance, y) for distance, y in half])


@dataclass(frozen=True)
class Geometry:
    """The contours that the face is drawn by and that become its landmarks."""

    jaw: Shape
    skull: Shape
    lips_outer: Shape
    lips_inner: Shape
    nose: Shape
    left_eye: Shape
    right_eye: Shape

    @classmethod
    def of_presenter(cls) -> Geometry:
        """The contours from the constants above."""
        middle = np.array([MIDDLE, 0.0])
        lip_line = np.array(LIP_LINE) + middle
        return cls(
            jaw=np.vstack([at_side(LEFT, HALF_JAW), at_side(RIGHT, HALF_JAW[-2::-1])]),
            skull=np.vstack([at_side(RIGHT, HALF_SKULL), at_side(LEFT, HALF_SKULL[-2::-1])]),
            lips_outer=np.array(UPPER_LIP + LOWER_LIP) + middle,
            lips_inner=np.vstack([lip_line, lip_line[-2:0:-1]]),
            nose=np.vstack([at_side(LEFT, HALF_NOSE), at_side(RIGHT, HALF_NOSE[:1])]),
            left_eye=at_side(LEFT, HALF_EYE),
            right_eye=at_side(RIGHT, HALF_EYE),
        )

    @property
    def face(self) -> Shape:
        """The outline of the head without hair."""
        return spline(np.vstack([self.jaw, self.skull]), closed=True)

    @property
    def upper_lip(self) -> Shape:
        """The outline of the upper lip."""
        return np.vstack([spline(self.lips_outer[:11]), self.lip_line[::-1]])

    @property
    def lower_lip(self) -> Shape:
        """The outline of the lower lip."""
        below = spline(np.vstack([self.lips_outer[10:], self.lips_outer[:1]]))
        return np.vstack([self.lip_line, below])

    @property
    def lip_line(self) -> Shape:
        """The curve along which the lips meet."""
        return spline(self.lips_inner[:11])

    def landmarks(self) -> dict[str, list[list[float]]]:
        """What `landmarks.json` holds."""
        names = ("lips_outer", "lips_inner", "jaw", "nose", "left_eye", "right_eye")
        return {name: np.round(getattr(self, name), 2).tolist() for name in names}
