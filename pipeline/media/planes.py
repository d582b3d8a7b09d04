"""The planes of an I420 frame, stored one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
"""Shape [h, w]."""
Planes = tuple[Plane, Plane, Plane]
"""Y, U and V; U and V have half the width and height."""

PLANE_STEPS = (1, 2, 2)
"""Frame pixels per plane pixel, along each axis, for Y, U and V."""


def colour_rows(height: int) -> int:
    """Rows of an I420 frame; those of a frame with a matte (yuva420p) have `height` more, which are the matte."""
    return height * 3 // 2


def planes_of(frame: NDArray[np.uint8]) -> Planes:
    """Views of the planes of one I420 frame [height * 3 / 2, width]."""
    rows, width = frame.shape
    height = rows * 2 // 3
    luma, blue, red = np.split(frame.reshape(-1), (height * width, height * width * 5 // 4))
    half = height // 2, width // 2
    return luma.reshape(height, width), blue.reshape(half), red.reshape(half)
