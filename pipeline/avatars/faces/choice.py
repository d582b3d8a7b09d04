"""Which of the faces in a picture should speak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.avatars.faces.checks import none_found
from pipeline.avatars.faces.finder import Detection, Floats, Mesh
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.settings import Box

SECOND_FACE = 0.6
"""If another face is at least this large, relative to the largest, it is ambiguous which one should speak."""
SAME_FACE = 0.6
"""How far a face may have moved while it was out of sight, in its heights, if several are in the picture."""


@dataclass(frozen=True)
class Choice:
    """What an avatar's settings say about it."""

    face_box: Box | None = None
    """The face whose middle is in this box, in pixels of the picture."""
    number: int | None = None
    """The number of the face, counted from the left, from 1."""

    @property
    def is_free(self) -> bool:
        """Whether they say nothing."""
        return self.face_box is None and self.number is None

    def among(self, detections: list[Detection], before: Mesh | None = None) -> Detection | NoFace:
        """The face that should speak; `before`: where it was in an earlier frame of the same shot.

        If nothing was said, it is the largest one, unless another one is of similar size.
        """
        known = None if before is None else _nearest(detections, before)
        if known is not None:
            return known
        if self.face_box is not None:
            return _in_box(detections, np.asarray(self.face_box, np.float32))
        if not detections:
            return none_found()
        if self.number is not None:
            return _numbered(detections, self.number)
        first, *others = detections
        if others and _height(others[0].box) >= SECOND_FACE * _height(first.box):
            return _ambiguous(len(detections))
        return first


ANY = Choice()
"""The settings say nothing."""


def _ambiguous(count: int) -> NoFace:
    message = f"found {count} faces, and it is not clear which one should speak"
    hint = (
        f"set face: 1 to {count} in avatar.yaml, counted from the left, "
        "or crop or face_box: [x1, y1, x2, y2] around the one that should speak"
    )
    return NoFace("several_faces", message, hint)


def _nearest(detections: list[Detection], before: Mesh) -> Detection | None:
    """The face that is where another one was before; None if none is near."""
    low, high = before.points[:, :2].min(0), before.points[:, :2].max(0)
    away = [float(np.hypot(*(_middle(face.box) - (low + high) / 2))) for face in detections]
    if not away or min(away) > SAME_FACE * float(high[1] - low[1]):
        return None
    return detections[int(np.argmin(away))]


def _numbered(detections: list[Detection], number: int) -> Detection | NoFace:
    """The face with a number, from left to right."""
    if number > len(detections):
        message = f"face {number} should speak, but only {len(detections)} were found"
        return NoFace("no_face", message, f"set face: 1 to {len(detections)} in avatar.yaml, counted from the left")
    return sorted(detections, key=lambda face: _middle(face.box)[0])[number - 1]


def _in_box(detections: list[Detection], box: Floats) -> Detection:
    """The face whose middle is in the box; if none was detected there, the user's box is taken as the face."""
    for detection in detections:
        middle = _middle(detection.box)
        if (middle >= box[:2]).all() and (middle <= box[2:]).all():
            return detection
    width, height = box[2] - box[0], box[3] - box[1]
    eyes = box[:2] + np.array([[0.3 * width, 0.4 * height], [0.7 * width, 0.4 * height]], np.float32)
    return Detection(box, eyes, 0.0)


def _middle(box: Floats) -> Floats:
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)


def _height(box: Floats) -> float:
    return float(box[3] - box[1])
