"""Rectangles that follow a face from frame to frame, and the coarse nodes at which its movement is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from pipeline.avatars.scenes import Corners, Indices
from pipeline.engines.builtin.face_shape import FaceFrame
from pipeline.engines.builtin.mouth_motion import Nodes, ramp

BORDER_FADE = 0.22
"""Width of the fade-out of the movement along the region's border, in mouth widths."""

Bounds = tuple[float, float, float, float]
"""x1, y1, x2, y2 in the face's frame, in mouth widths."""
Size = tuple[int, int]
"""Width and height in pixels."""
Shift = tuple[torch.Tensor, torch.Tensor]
"""x, y [n, h, w]: displacements at the nodes of a patch, in mouth widths."""


@dataclass(frozen=True)
class Area:
    """A rectangle of constant size that follows the face from frame to frame."""

    corners: Corners
    """[n, 2]: x, y of the upper left corner, even."""
    size: Size
    """Even."""

    @classmethod
    def whole(cls, size: Size, frame: FaceFrame) -> Area:
        """The whole of every frame."""
        return cls(np.zeros((len(frame.centre), 2), np.int64), (size[0] // 2 * 2, size[1] // 2 * 2))

    @classmethod
    def about(cls, region: Bounds, frame: FaceFrame, within: Area) -> Area:
        """The upright rectangle around a region of the face, clipped to the rectangle `within`."""
        x1, y1, x2, y2 = region
        anchors = np.floor(frame.centre / 2).astype(np.int64)[:, None] * 2
        reach = frame.to_pixels(np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])) - anchors
        room = np.stack([within.corners, within.corners + within.size], 1) - anchors
        first = np.maximum(np.floor(reach.min((0, 1)) / 2) * 2, room[:, 0].min(0)).astype(np.int64)
        last = np.minimum(np.ceil(reach.max((0, 1)) / 2) * 2, room[:, 1].max(0)).astype(np.int64)
        width, height = np.minimum(last - first, within.size).tolist()
        ends = within.corners + within.size - (width, height)
        return cls(np.clip(anchors[:, 0] + first, within.corners, ends), (width, height))

    def at(self, clip_frames: Indices) -> Area:
        """The rectangle in some frames of the clip [m]."""
        return Area(self.corners[clip_frames], self.size)


class Patch:
    """A rectangle in some frames, with coarse nodes at which the movement is computed."""

    def __init__(self, frame: FaceFrame, area: Area, within: Area, step: int, device: torch.device) -> None:
        """`area`: the rectangle, inside the region of interest `within`; `step`: pixels from node to node.

        A node is in the middle of `step` x `step` pixels, and the outermost ones are beside the rectangle.
        """
        self._size = area.size
        self._centre = _on(frame.centre - area.corners, device)
        self._axes = _on(frame.axes, device)
        self.pixels = _on(frame.width_pixels, device)[:, None, None]
        self._step = step
        columns, rows = (
            torch.arange(-1, -(-side // step) + 1, device=device) * step + (step - 1) / 2 for side in area.size
        )
        self.nodes = Nodes(*self._in_face(columns, rows), step / self.pixels)
        offset = _on(area.corners - within.corners, device)
        self._across, self._down = (columns + offset[:, :1])[:, None], (rows + offset[:, 1:])[:, :, None]
        self._last = (within.size[0] - 1, within.size[1] - 1)

    def points(self) -> tuple[torch.Tensor, torch.Tensor]:
        """x, y [n, height, width] of every pixel, in mouth widths."""
        columns, rows = (torch.arange(side, device=self._centre.device) for side in self._size)
        return self._in_face(columns, rows)

    def places(self, shift: Shift, per_pixel: int) -> torch.Tensor:
        """The points of the region of interest that are seen at the patch's pixels, [n, 2, height, width].

        x and y are counted in fractions of the region's pixels, `per_pixel` each.
        """
        x, y = self.in_pixels(shift)
        return self.enlarged((self._across + x) * per_pixel, (self._down + y) * per_pixel)

    def in_pixels(self, shift: Shift) -> Shift:
        """Displacements at the nodes in pixels along the picture's axes; 0 beside the region of interest."""
        a, b, c, d = (self._axes.flatten(1) * self.pixels[:, 0]).T[..., None, None]
        window = self._window()
        return (shift[0] * a + shift[1] * c) * window, (shift[0] * b + shift[1] * d) * window

    def enlarged(self, *fields: torch.Tensor) -> torch.Tensor:
        """Fields [n, h, w] at the nodes to [n, fields, height, width] at the pixels."""
        nodes, step = torch.stack(fields, 1), self._step
        count, planes, rows, columns = nodes.shape
        if nodes.device.type == "cpu":  # OpenCV takes a fraction of the time
            enlarged = torch.empty(count, planes, rows * step, columns * step)
            for coarse, fine in zip(nodes.flatten(0, 1).numpy(), enlarged.flatten(0, 1).numpy(), strict=True):
                cv2.resize(coarse, fine.shape[::-1], fine, interpolation=cv2.INTER_LINEAR)
        else:
            enlarged = interpolate(nodes, scale_factor=step, mode="bilinear", align_corners=False)
        width, height = self._size
        return enlarged[..., step : step + height, step : step + width]

    def _window(self) -> torch.Tensor:
        """0 at nodes beside the border of the region of interest, 1 away from it; [n, h, w]."""
        fade = BORDER_FADE * self.pixels
        sides = (self._across, self._last[0]), (self._down, self._last[1])
        across, down = (ramp(torch.minimum(places, last - places), self._step, fade) for places, last in sides)
        return across * down

    def _in_face(self, columns: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Face coordinates [n, h, w] of the patch's columns [w] and rows [h]."""
        a, b, c, d = (self._axes.flatten(1) / self.pixels[:, 0]).T[..., None, None]
        x = columns - self._centre[:, :1, None]
        y = rows[:, None] - self._centre[:, 1:, None]
        return x * a + y * b, x * c + y * d


def _on(values: NDArray[Any], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
