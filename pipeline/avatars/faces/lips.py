"""Finds the lips of a face more exactly than its mesh: by the part of MediaPipe's attention mesh that sees lips.

Grishchenko et al. 2020, "Attention Mesh". The network looks at the face, then again at what it saw around the lips. The
model is Apache-2.0 and was converted by `training/face_models.py`.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.avatars.faces.finder import SIDE, Floats, Picture, crop_around, mapped, session, square_in

LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
"""The mesh points that the network finds, in the order of its output."""
CORNERS = (61, 291)
SEEN = 48
"""At its first look it sees so many places along each side of the face's crop."""
CELLS = 16
"""At the second, so many along each side of the part around the lips."""
ROOM = 1.5
"""Sides of this part, relative to the box around the lips."""
UNITS = 64
"""The points are found in such fractions of its sides."""


def with_exact_lips(points: Floats, picture: Picture) -> Floats:
    """The mesh [468, 3] of a face in a picture, RGB [height, width, 3], with its lips where the network sees them."""
    crop = crop_around(points)
    part = _part(mapped(points[:, :2], cv2.invertAffineTransform(crop)))
    cells = (np.stack(np.meshgrid(*[np.arange(CELLS)] * 2), -1) + 0.5) / CELLS
    places = (mapped(cells, part) * (SEEN / SIDE) - 0.5) * (2 / (SEEN - 1)) - 1
    network = session("lips.onnx")
    face, second_look = (value.name for value in network.get_inputs())
    inputs = {face: square_in(picture, crop)[None], second_look: places[None].astype(np.float32)}
    (found,) = network.run(None, inputs)
    exact: Floats = points.copy()
    exact[list(LIPS), :2] = mapped(mapped(found.reshape(-1, 2) / UNITS, part), crop)
    return exact


def _part(points: Floats) -> Floats:
    """The affine map [2, 3] from the unit square to the part around the lips of a mesh [468, 2], along the mouth."""
    across = points[CORNERS[1]] - points[CORNERS[0]]
    right = across / max(float(np.hypot(*across)), 1e-6)
    axes = np.array([right, [-right[1], right[0]]])
    lips = points[list(LIPS)] @ axes.T
    low, high = lips.min(0), lips.max(0)
    sides = axes.T * (ROOM * (high - low))
    return np.column_stack([sides, (low + high) / 2 @ axes - sides.sum(1) / 2]).astype(np.float32)
