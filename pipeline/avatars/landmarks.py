"""Contours of a face, along which its mouth is drawn and moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.folder import read_text, refuse

Points = NDArray[np.float32]
"""Shape [..., n, 2]: x, y in pixels of the picture."""

CONTOURS: dict[str, tuple[int, ...]] = {
    "lips_outer": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    "lips_inner": (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
    "jaw": (
        *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148),
        *(152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
    ),
    "nose": (129, 2, 358),
    "left_eye": (33, 160, 159, 158, 133, 153, 145, 144),
    "right_eye": (263, 387, 386, 385, 362, 380, 374, 373),
}
"""The points of each contour in the 468-point face mesh; `FaceLandmarks` describes them."""

LANDMARKS_FORMAT = "an object of lists of [x, y] pixels: " + ", ".join(
    f"{name} ({len(indices)})" for name, indices in CONTOURS.items()
)
"""For hints: the contours of a `landmarks.json` and how many points each has."""


@dataclass(frozen=True)
class FaceLandmarks:
    """The contours of one face; with a leading axis, of one face in many pictures.

    "Left" is the picture's left.
    """

    lips_outer: Points
    """[20, 2]: left corner, over the upper lip (1..9, 5 its middle), right corner (10), under the lower lip (15)."""
    lips_inner: Points
    """[20, 2]: the same order along the inner edges of the lips; 5 and 15 coincide when the mouth is closed."""
    jaw: Points
    """[21, 2]: from the left ear along the jaw to the right ear; the chin is at index 10."""
    nose: Points
    """[3, 2]: left nostril wing, base of the nose (subnasale), right nostril wing."""
    left_eye: Points
    """[8, 2]: outer corner, upper lid (1..3), inner corner (4), lower lid (5..7)."""
    right_eye: Points
    """[8, 2]: outer corner, upper lid (1..3), inner corner (4), lower lid (5..7)."""

    @classmethod
    def of_mesh(cls, points: NDArray[np.float32]) -> FaceLandmarks:
        """Take the contours from face meshes [..., 468, 2 or 3]."""
        return cls(**{name: points[..., indices, :2] for name, indices in CONTOURS.items()})

    @classmethod
    def load(cls, path: Path) -> FaceLandmarks:
        """Read a landmarks JSON: an object from contour name to a list of [x, y]. Raises JobError."""
        try:
            raw = json.loads(read_text(path))
        except (ValueError, RecursionError) as error:
            refuse(path, f"invalid JSON: {error}", LANDMARKS_FORMAT)
        if not isinstance(raw, dict):
            refuse(path, "not an object of contours", LANDMARKS_FORMAT)
        return cls(**{name: _contour(path, raw, name) for name in CONTOURS})

    def transformed(self, scale: float | tuple[float, float], left: float, top: float) -> FaceLandmarks:
        """The landmarks after scaling the picture (one factor, or x and y), then cropping `left` and `top` pixels."""
        factor, offset = np.asarray(scale, np.float32), np.array([left, top], np.float32)
        return self.each(lambda points: points * factor - offset)

    def __getitem__(self, index: Any) -> FaceLandmarks:
        """Index the leading axis: the landmarks of some of the pictures."""
        return self.each(lambda points: points[index])

    def each(self, change: Callable[[Points], Points]) -> FaceLandmarks:
        """Apply `change` to every contour."""
        return FaceLandmarks(**{field.name: change(getattr(self, field.name)) for field in fields(self)})


def _contour(path: Path, raw: dict[str, Any], name: str) -> Points:
    """Take one contour from a landmarks JSON and check it."""
    if name not in raw:
        refuse(path, f"the contour {name!r} is missing", LANDMARKS_FORMAT)
    try:
        with np.errstate(over="ignore"):
            points = np.asarray(raw[name], np.float32)
    except (ValueError, TypeError, OverflowError):
        refuse(path, f"{name} is not a list of [x, y]", LANDMARKS_FORMAT)
    expected = (len(CONTOURS[name]), 2)
    if points.shape != expected:
        refuse(path, f"{name} has the shape {list(points.shape)} instead of {list(expected)}", LANDMARKS_FORMAT)
    if not np.isfinite(points).all():
        refuse(path, f"{name} has a point that is not a number", LANDMARKS_FORMAT)
    return points
