"""The planes of an I420 frame, one after the other in its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
"""[h, w]."""
Planes = tuple[Plane, Plane, Plane]
"""Y, U and V; the latter two of half the size."""

PLANE_STEPS = (1, 2, 2)
"""Pixels of the frame from point to point in the planes Y, U and V."""


def planes_of(frame: NDArray[np.uint8]) -> Planes:
    """The planes of one I420 frame [height * 3 / 2, width], sharing its memory."""
    rows, width = frame.shape
    height = rows * 2 // 3
    luma, blue, red = np.split(frame.reshape(-1), (height * width, height * width * 5 // 4))
    half = height // 2, width // 2
    return luma.reshape(height, width), blue.reshape(half), red.reshape(half)
