"""Puts frames of a person that is cut out before a background."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.composition.composition import Frames, Surroundings, seen
from pipeline.composition.layout import Layout
from pipeline.media.planes import PLANE_STEPS, Plane, colour_rows, planes_of

GREY = 128
"""Of all planes, where nothing is seen."""


class CutOut:
    """Lays each inner frame over the background of the outer one, as its matte says."""

    def __init__(self, layout: Layout, background: Surroundings) -> None:
        """`background`: at the layout's size."""
        self._layout = layout
        self._background = background
        self._seen = None if layout.is_covered else seen(layout)

    def compose(self, inner: Frames, start_frame: int) -> Frames:
        """The outer frames for inner ones with mattes, [n, height * 5 / 2, width], from `start_frame` of the job on."""
        width, height = self._layout.inner
        outer, rows = self._background.frames(start_frame, len(inner)), colour_rows(height)
        for frame, below in zip(inner, outer, strict=True):
            opacity = self._opacity(frame[rows:])
            coarse = np.asarray(cv2.resize(opacity, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
            planes = zip(planes_of(frame[:rows]), planes_of(below), (opacity, coarse, coarse), PLANE_STEPS, strict=True)
            for above, under, share, step in planes:
                _lay_over(above, under[self._layout.place(step)], share)
        return outer

    def _opacity(self, matte: Plane) -> Plane:
        """The matte, less opaque where the picture ends inside the frame."""
        return matte if self._seen is None else np.asarray(cv2.multiply(matte, self._seen, scale=1 / 255), np.uint8)


def alone(layout: Layout, inner: Frames) -> Frames:
    """Outer frames with mattes, [n, height * 5 / 2, width], that show the inner ones and are clear around them."""
    if layout.is_covered:
        return inner
    outer_width, outer_height = layout.size
    rows, outer_rows, border = colour_rows(layout.inner[1]), colour_rows(outer_height), seen(layout)
    outer = np.full((len(inner), outer_rows + outer_height, outer_width), GREY, np.uint8)
    outer[:, outer_rows:] = 0
    for frame, whole in zip(inner, outer, strict=True):
        for above, under, step in zip(planes_of(frame[:rows]), planes_of(whole[:outer_rows]), PLANE_STEPS, strict=True):
            under[layout.place(step)] = above
        whole[outer_rows:][layout.place(1)] = cv2.multiply(frame[rows:], border, scale=1 / 255)
    return outer


def _lay_over(above: Plane, below: Plane, opacity: Plane) -> None:
    """Blend a plane into another one in whole numbers: exact where it is opaque, and where it is clear."""
    shown = above * opacity.astype(np.uint16)
    shown += below * (255 - opacity).astype(np.uint16)
    shown += 128
    shown += shown >> 8
    below[:] = shown >> 8
