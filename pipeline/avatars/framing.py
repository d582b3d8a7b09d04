"""Which part of a picture the frames show if their aspect ratio differs from the picture's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.composition.layout import Subject
from pipeline.media.clips import Cut

CHIN = 10
"""Index in the jaw's contour."""
ABOVE_EYES, BELOW_CHIN = 1.25, 0.2
"""What is kept above the eyes (forehead, hair, room) and below the chin: multiples of the height from eyes to chin."""
HEAD_HEIGHT = 2.0
"""From the crown to the chin: the eyes are halfway."""
BELOW_SHARE = 0.8
"""How much of what does not fit is taken from the room below the chin, as long as there is any."""
FACE_PIXELS_MIN = 8
"""A face that is less high has no usable size."""
SLACK = 0.02
"""A crop of less than this part of a side is centred: it comes from rounding a size to even numbers."""


@dataclass(frozen=True)
class Head:
    """Where the head is in all pictures of an avatar, in pixels."""

    middle: float
    """The face's centre, horizontally."""
    top: float
    chin: float
    bottom: float
    eyes: float
    """Their height in most of the pictures."""
    height: float
    """From the eyes to the chin."""

    @classmethod
    def of(cls, landmarks: FaceLandmarks) -> Head | None:
        """The head of a face; None if the face has no height. `landmarks`: with a leading axis of pictures."""
        eyes = np.concatenate([landmarks.left_eye, landmarks.right_eye], axis=1)
        eyes_y, chin_y = eyes[..., 1].mean(1), landmarks.jaw[:, min(CHIN, landmarks.jaw.shape[1] - 1), 1]
        height = float(np.median(chin_y - eyes_y))
        if height < FACE_PIXELS_MIN:
            return None
        middle = float(np.median((landmarks.jaw[..., 0].min(1) + landmarks.jaw[..., 0].max(1)) / 2))
        chin, eyes_top = float(chin_y.max()), float(eyes_y.min())
        bounds = (eyes_top - ABOVE_EYES * height, chin, chin + BELOW_CHIN * height)
        return cls(middle, *bounds, float(np.median(eyes_y)), height)

    @property
    def subject(self) -> Subject:
        """As layouts see it."""
        return Subject(self.middle, self.eyes, HEAD_HEIGHT * self.height)


def is_slight(area: Cut, aspect: float) -> bool:
    """Whether frames of an aspect ratio, width / height, show nearly all of an area."""
    _, _, columns, rows = area
    kept_columns, kept_rows = _kept(area, aspect)
    return kept_columns >= columns * (1 - SLACK) and kept_rows >= rows * (1 - SLACK)


def framed(area: Cut, aspect: float, head: Head | None) -> Cut:
    """The largest part of an area with an aspect ratio, width / height: with the whole head; without one, the centre.

    Horizontally, the face is in the middle. Vertically, the part is as near to the centre as the head allows.
    """
    left, top, columns, rows = area
    kept_columns, kept_rows = _kept(area, aspect)
    x, y = left + (columns - kept_columns) // 2, top + (rows - kept_rows) // 2
    if head is not None:
        x = _within(round(head.middle - kept_columns / 2), left, left + columns - kept_columns)
        y = _within(_row(y, kept_rows, head), top, top + rows - kept_rows)
    return x, y, kept_columns, kept_rows


def _kept(area: Cut, aspect: float) -> tuple[int, int]:
    _, _, columns, rows = area
    return min(columns, max(1, round(rows * aspect))), min(rows, max(1, round(columns / aspect)))


def _row(centred: int, kept_rows: int, head: Head) -> int:
    """The first row: moved as little as necessary. If the head does not fit, the hair is cut off, not the chin."""
    excess = head.bottom - head.top - kept_rows
    if excess > 0:
        return round(head.top + excess - BELOW_SHARE * min(excess, head.bottom - head.chin))
    return _within(centred, int(np.ceil(head.bottom)) - kept_rows, int(head.top))


def _within(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
