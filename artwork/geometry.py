"""The geometry of a face: the single source of its picture and its landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artwork.brushes import Shape, moved, resampled, spline

SIDE = 1080
"""Width and height of the square that frames usually show of a person; all geometry is in its pixels."""
MARGIN = 420
"""What a picture shows of the room on either side of the square, so that it fits wide frames: 16:9."""
WIDTH = SIDE + 2 * MARGIN
HEIGHT = 1400
"""Height of a picture: below the square it shows more of the body, for upright frames."""
MIDDLE = 540.0
"""x of a face's middle line."""

LEFT, RIGHT = -1, 1
"""The picture's left and right, as factors for a distance from the middle line."""
SIDES = (LEFT, RIGHT)

Knots = Sequence[tuple[float, float]]
"""Points as (distance from the middle line, y); only one side for symmetrical parts."""


def at_side(side: int, half: Knots) -> Shape:
    """The points on one side of the middle line: [n, 2]."""
    return np.array([(MIDDLE + side * distance, y) for distance, y in half])


@dataclass(frozen=True)
class Geometry:
    """The contours of a face, used for drawing and as landmarks."""

    jaw: Shape
    """[21, 2]: from the left ear along the jaw to the right ear."""
    skull: Shape
    """[n, 2]: from the right temple over the crown to the left temple, under the hair."""
    lips_outer: Shape
    """[20, 2]: left corner, over the upper lip, right corner, under the lower lip."""
    lips_inner: Shape
    """[20, 2]: the line where the lips meet, there and back."""
    nose: Shape
    """[3, 2]: left wing, base, right wing."""
    left_eye: Shape
    """[8, 2]: outer corner, upper lid, inner corner, lower lid."""
    right_eye: Shape

    @classmethod
    def mirrored(
        cls, *, jaw: Knots, skull: Knots, eye: Knots, nose: Knots, upper_lip: Knots, lip_line: Knots, lower_lip: Knots
    ) -> Geometry:
        """A symmetrical face. Both sides are given only for the lips, as (x from the middle line, y).

        `jaw`: from the ear to the chin; `skull`: from the temple to the crown; `eye`: the whole contour;
        `nose`: wing and base; `upper_lip`, `lip_line`: 11 points from left to right; `lower_lip`: the 9 between
        the corners from right to left.
        """
        line = at_side(RIGHT, lip_line)
        return cls(
            jaw=np.vstack([at_side(LEFT, jaw), at_side(RIGHT, jaw[-2::-1])]),
            skull=np.vstack([at_side(RIGHT, skull), at_side(LEFT, skull[-2::-1])]),
            lips_outer=at_side(RIGHT, [*upper_lip, *lower_lip]),
            lips_inner=np.vstack([line, line[-2:0:-1]]),
            nose=np.vstack([at_side(LEFT, nose), at_side(RIGHT, nose[:1])]),
            left_eye=at_side(LEFT, eye),
            right_eye=at_side(RIGHT, eye),
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

    def eye(self, side: int) -> Shape:
        """The contour of one eye."""
        return self.left_eye if side == LEFT else self.right_eye

    def half_jaw(self, side: int) -> Shape:
        """From the left ear to the chin, or from the chin to the right ear: 60 points."""
        return resampled(spline(self.jaw[:11] if side == LEFT else self.jaw[10:]), 60)

    def landmarks(self) -> dict[str, list[list[float]]]:
        """The content of `landmarks.json`, in pixels of the picture."""
        names = ("lips_outer", "lips_inner", "jaw", "nose", "left_eye", "right_eye")
        return {name: np.round(moved(getattr(self, name), MARGIN, 0), 2).tolist() for name in names}
