"""From frames of an avatar's picture to frames of its video."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.composition.layout import Layout
from pipeline.media.planes import PLANE_STEPS, Plane, planes_of

Frames = NDArray[np.uint8]
"""I420 frames [n, height * 3 / 2, width], BT.709, limited range."""

SEAM = 0.06
"""Width of the border in which the picture fades into what is around it, in parts of the frame's shorter side."""
OPAQUE = 256


class Surroundings(Protocol):
    """What is seen around the picture. A frame depends on its number alone."""

    def frames(self, start_frame: int, count: int) -> Frames:
        """The frames of the outer size from one of the job on: the caller may write to them."""
        ...


class Composition:
    """Puts each inner frame into its outer one; only the picture's borders are blended."""

    def __init__(self, layout: Layout, surroundings: Surroundings) -> None:
        """`surroundings`: at the layout's size."""
        self._layout = layout
        self._surroundings = surroundings
        self._weights = [_weights(layout, _seam(layout), step) for step in PLANE_STEPS]

    def compose(self, inner: Frames, start_frame: int) -> Frames:
        """The outer frames for inner ones, the first of which is number `start_frame` of the job."""
        outer = self._surroundings.frames(start_frame, len(inner))
        for frame, picture in zip(outer, inner, strict=True):
            planes = zip(planes_of(frame), planes_of(picture), PLANE_STEPS, self._weights, strict=True)
            for below, above, step, weights in planes:
                _put(below[self._layout.place(step)], above, weights)
        return outer


def seen(layout: Layout) -> Plane:
    """How much of the picture is seen in each of its pixels, 0 to 255: less towards a border that has surroundings."""
    rows, columns = _weights(layout, _seam(layout), 1)
    return np.minimum(np.minimum(rows.values[:, None], columns.values), 255).astype(np.uint8)


def _seam(layout: Layout) -> int:
    """Width of the blended border in pixels; even."""
    return max(2, round(SEAM * min(layout.size)) // 2 * 2)


class _Weights:
    """How much of the picture is seen along an axis, of `OPAQUE`: less towards a border that has surroundings."""

    def __init__(self, length: int, seam: int, *, before: bool, after: bool) -> None:
        seam = min(seam, length // 4)
        ramp = ((np.arange(seam) + 0.5) * OPAQUE / max(seam, 1)).astype(np.uint16)
        self.values = np.full(length, OPAQUE, np.uint16)
        self.start, self.stop = seam if before else 0, length - (seam if after else 0)
        self.values[: self.start] = ramp[: self.start]
        self.values[self.stop :] = ramp[::-1][: length - self.stop]


def _weights(layout: Layout, seam: int, step: int) -> tuple[_Weights, _Weights]:
    """Those of rows and columns."""
    (x, y), (width, height), (outer_width, outer_height) = layout.corner, layout.inner, layout.size
    rows = _Weights(height // step, seam // step, before=y > 0, after=y + height < outer_height)
    return rows, _Weights(width // step, seam // step, before=x > 0, after=x + width < outer_width)


def _put(below: Plane, above: Plane, weights: tuple[_Weights, _Weights]) -> None:
    """Put a plane over another one of the same size: the inside as it is, its borders blended."""
    rows, columns = weights
    inside = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
    borders = [
        (slice(0, rows.start), slice(None)),
        (slice(rows.stop, None), slice(None)),
        (inside[0], slice(0, columns.start)),
        (inside[0], slice(columns.stop, None)),
    ]
    below[inside] = above[inside]
    for border in borders:
        if below[border].size:
            opacity = np.minimum(rows.values[border[0], None], columns.values[border[1]]).astype(np.uint16)
            mixed = above[border] * opacity + below[border] * (OPAQUE - opacity) + OPAQUE // 2
            below[border] = mixed // OPAQUE
