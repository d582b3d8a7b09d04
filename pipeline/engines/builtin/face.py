"""Moves the mouth of one still face: the skin is warped, the mouth's inside is drawn between the parted lips."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample, interpolate

from pipeline.avatars import FaceLandmarks
from pipeline.engines.builtin.mouth_interior import Colours, MouthInterior
from pipeline.engines.builtin.mouth_motion import (
    CORNER_DROP,
    JAW_DROP,
    LIP_DROP,
    NECK_RANGE,
    PUCKER_ROUNDING,
    SPREAD_DROP,
    SPREAD_WIDENING,
    UPPER_LIFT_BY_JAW,
    UPPER_RAISE,
    FaceFrame,
    FaceShape,
    Nodes,
    Pose,
    lip_line,
    movement,
    ramp,
)
from pipeline.errors import JobError

FRAMES_AT_ONCE = 8
"""Frames whose pixels fit the processor's cache together."""
NODES_PER_MOUTH = 22
"""The movement is smooth: it is worked out at so many points along the mouth, and interpolated."""
LIP_NODES_PER_MOUTH = 44
"""The same near the lips' edges."""
BORDER_FADE = 0.22
"""Along the region's border the movement fades to nothing, over so many mouth widths."""
FEATHER_PIXELS = 1.25
"""The lips' edges are soft over this distance."""
EDGE_SHADE = 0.035
"""Width of the darkening along parted lips, in mouth widths."""
EDGE_DARKENING = 0.34
OPEN_ENOUGH = 0.06
"""From this opening on, in mouth widths, the darkening is full."""

MOUTH_MARGIN = 0.07
"""Room around the lips' edges, in mouth widths: more than from node to node."""

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels; x2 and y2 lie outside."""
Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 in the face's frame, in mouth widths."""
Floats = NDArray[np.float32]


class FaceRenderer:
    """Moves the mouth of one still face."""

    def __init__(self, picture: NDArray[np.uint8], landmarks: FaceLandmarks, device: torch.device) -> None:
        """`picture`: RGB [height, width, 3], at the size of the frames. Raises JobError when it cuts the mouth off."""
        shape = FaceShape.measure(landmarks)
        rows, columns = picture.shape[:2]
        lips = landmarks.lips_outer
        if (lips < 2).any() or (lips > (columns - 3, rows - 3)).any():
            raise JobError("no_face", "the mouth is not inside the frame", field="size", hint="another frame size")
        self.box = _pixel_box(_moving_region(shape), shape.frame, (0, 0, columns, rows))
        mouth = _pixel_box(_mouth_region(shape), shape.frame, self.box)
        left, top = self.box[:2]
        self._mouth_rows = slice(mouth[1] - top, mouth[3] - top)
        self._mouth_columns = slice(mouth[0] - left, mouth[2] - left)
        self._shape = shape
        self._picture = _doubled(picture[top : self.box[3], left : self.box[2]], device)
        self._skin = _Patch(shape.frame, self.box, self.box, NODES_PER_MOUTH, device)
        self._lips = _Patch(shape.frame, mouth, self.box, LIP_NODES_PER_MOUTH, device)
        self._interior = MouthInterior(shape, _colours(picture, landmarks, shape), *self._lips.points())

    def render(self, track: torch.Tensor) -> torch.Tensor:
        """Track float32 [n, 6] (columns: Mouth) to uint8 [n, y2 - y1, x2 - x1, 3], RGB of the region of interest."""
        x1, y1, x2, y2 = self.box
        frames = torch.empty(len(track), y2 - y1, x2 - x1, 3, dtype=torch.uint8, device=track.device)
        for part, out in zip(track.split(FRAMES_AT_ONCE), frames.split(FRAMES_AT_ONCE), strict=True):
            out.copy_(self._render(Pose.of(part, self._shape)).permute(0, 2, 3, 1))
        return frames

    def _render(self, pose: Pose) -> torch.Tensor:
        """Poses to uint8 [n, 3, height, width]."""
        moved = movement(self._shape, self._skin.nodes, pose)
        on_upper = moved.beneath_upper < moved.above_lower
        shift = [torch.where(on_upper, upper, lower) for upper, lower in zip(moved.upper, moved.lower, strict=True)]
        frame = self._sample(self._skin, (shift[0], shift[1]))
        frame[..., self._mouth_rows, self._mouth_columns] = self._render_lips(pose)
        return frame.add_(0.5).to(torch.uint8)

    def _render_lips(self, pose: Pose) -> torch.Tensor:
        """The lips and what lies between them, float [n, 3, height, width]."""
        moved = movement(self._shape, self._lips.nodes, pose)
        upper, lower = self._sample(self._lips, moved.upper), self._sample(self._lips, moved.lower)
        below, above, rest_gap = self._lips.enlarged(moved.beneath_upper, moved.above_lower, moved.rest_gap).unbind(1)
        pixels = self._shape.frame.width_pixels
        inside = torch.minimum(below, above)
        skin = upper + (lower - upper) * ((below - above) * (pixels / 2) + 0.5).clamp(0, 1)[:, None]
        parted = ((below + above + rest_gap) * (1 / OPEN_ENOUGH)).clamp(0, 1)
        shade = (1 + inside * (1 / EDGE_SHADE)).clamp(0, 1)
        skin = skin * (1 - EDGE_DARKENING * parted * shade * shade)[:, None]
        opening = (inside * (pixels / FEATHER_PIXELS)).clamp(0, 1)[:, None]
        return (skin + (self._interior.render(pose, below, inside) - skin) * opening).clamp(0, 255)

    def _sample(self, patch: _Patch, shift: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The picture at a patch's displaced points, float [n, 3, height, width], 0..255."""
        grid = patch.grid(shift)
        picture = self._picture.expand(len(grid), -1, -1, -1)
        return grid_sample(picture, grid, padding_mode="border", align_corners=True)


class _Patch:
    """A rectangle of the frame, with coarse nodes on which the movement is worked out."""

    def __init__(self, frame: FaceFrame, box: Box, within: Box, density: int, device: torch.device) -> None:
        """`box`: the rectangle, inside the region of interest `within`; `density`: nodes per mouth width."""
        x1, y1, x2, y2 = box
        step = max(frame.width_pixels / density, 1.0)
        columns = torch.linspace(x1, x2 - 1, max(round((x2 - x1) / step), 2), device=device)
        rows = torch.linspace(y1, y2 - 1, max(round((y2 - y1) / step), 2), device=device)
        self._frame = frame
        self._box = box
        self._device = device
        fade = BORDER_FADE * frame.width_pixels
        self._window = _border(rows, within[1], within[3] - 1, fade)[:, None] * _border(
            columns, within[0], within[2] - 1, fade
        )
        x, y = self._in_face(columns, rows)
        self.nodes = Nodes(x, y, float(columns[1] - columns[0]) / frame.width_pixels)
        self._to_grid = (2 / (within[2] - within[0] - 1), 2 / (within[3] - within[1] - 1))
        across = (torch.arange(x1, x2, device=device) - within[0]) * self._to_grid[0] - 1
        down = (torch.arange(y1, y2, device=device) - within[1]) * self._to_grid[1] - 1
        self._base = torch.stack([across.expand(y2 - y1, -1), down[:, None].expand(-1, x2 - x1)])

    def points(self) -> tuple[torch.Tensor, torch.Tensor]:
        """x, y [height, width] of every pixel, in mouth widths."""
        x1, y1, x2, y2 = self._box
        pixels = (torch.arange(start, stop, device=self._device) for start, stop in ((x1, x2), (y1, y2)))
        return self._in_face(*pixels)

    def grid(self, shift: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Displacements at the nodes, in mouth widths, to points to sample [n, height, width, 2]."""
        (a, b), (c, d) = (self._frame.axes * self._frame.width_pixels).tolist()
        x = (shift[0] * a + shift[1] * c) * (self._window * self._to_grid[0])
        y = (shift[0] * b + shift[1] * d) * (self._window * self._to_grid[1])
        return self.enlarged(x, y).add_(self._base).permute(0, 2, 3, 1)

    def enlarged(self, *fields: torch.Tensor) -> torch.Tensor:
        """Fields [n, h, w] at the nodes to [n, fields, height, width] at the pixels."""
        size = self._base.shape[1:]
        return interpolate(torch.stack(fields, 1), size=size, mode="bilinear", align_corners=True)

    def _in_face(self, columns: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Face coordinates [h, w] of pixel columns [w] and rows [h]."""
        (a, b), (c, d) = (self._frame.axes / self._frame.width_pixels).tolist()
        x, y = columns - float(self._frame.centre[0]), (rows - float(self._frame.centre[1]))[:, None]
        return x * a + y * b, x * c + y * d


def _border(positions: torch.Tensor, first: float, last: float, fade: float) -> torch.Tensor:
    """0 on the first and last position, 1 away from them."""
    return ramp(torch.minimum(positions - first, last - positions), 0, fade)


def _moving_region(shape: FaceShape) -> Region:
    """All that ever moves."""
    side = 1.05 * shape.half_width
    return -side, shape.middle - 1.25 * shape.nose, side, shape.middle + shape.chin + JAW_DROP + NECK_RANGE


def _mouth_region(shape: FaceShape) -> Region:
    """All that the lips' edges ever reach, with a margin."""
    lines = [lip_line(line, torch.linspace(-1, 1, 33)) for line in (shape.upper_line, shape.lower_line)]
    top = float(torch.stack(lines).min()) - UPPER_RAISE - UPPER_LIFT_BY_JAW - PUCKER_ROUNDING - MOUTH_MARGIN
    bottom = float(torch.stack(lines).max()) + LIP_DROP + SPREAD_DROP + CORNER_DROP + MOUTH_MARGIN
    side = (1 + SPREAD_WIDENING) / 2 + MOUTH_MARGIN
    return -side, top, side, bottom


def _pixel_box(region: Region, frame: FaceFrame, within: Box) -> Box:
    """The upright rectangle about a region of the face, on even pixels, no larger than `within`."""
    x1, y1, x2, y2 = region
    corners = frame.to_pixels(np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]], np.float32))
    (left, top), (right, bottom) = np.floor(corners.min(0) / 2) * 2, np.ceil(corners.max(0) / 2) * 2
    left, top = max(int(left), within[0]), max(int(top), within[1])
    right, bottom = min(int(right), within[2] // 2 * 2), min(int(bottom), within[3] // 2 * 2)
    return left, top, right, bottom


def _doubled(picture: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """The picture with a point between each two, float [1, 3, 2 h - 1, 2 w - 1].

    Sampling between these points keeps the skin's texture where sampling between pixels would blur it,
    and the pixels themselves stay what they are.
    """
    fine = _interleaved(_interleaved(picture.astype(np.float32)).swapaxes(0, 1)).swapaxes(0, 1)
    return torch.from_numpy(np.ascontiguousarray(fine.transpose(2, 0, 1)))[None].to(device)


def _interleaved(rows: Floats) -> Floats:
    """Rows with an interpolated one between each two, by cubic convolution."""
    padded = np.concatenate([rows[:1], rows, rows[-1:]])
    between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16
    fine = np.empty((2 * len(rows) - 1, *rows.shape[1:]), np.float32)
    fine[::2], fine[1::2] = rows, np.clip(between, 0, 255)
    return fine


def _colours(picture: NDArray[np.uint8], landmarks: FaceLandmarks, shape: FaceShape) -> Colours:
    """The light on the brightest of cheeks and chin, and the colour of the lips."""
    cheeks = np.array([[-0.62, -0.15], [0.62, -0.15], [0, shape.middle + 0.72 * shape.chin]], np.float32)
    skin = [_colour_at(picture, point, 0.12 * shape.frame.width_pixels) for point in shape.frame.to_pixels(cheeks)]
    lip = (landmarks.lips_inner[13:18] + landmarks.lips_outer[13:18]) / 2
    lips = [_colour_at(picture, point, 0.04 * shape.frame.width_pixels) for point in lip]
    return Colours.like(max(skin, key=np.sum), np.median(lips, 0).astype(np.float32))


def _colour_at(picture: NDArray[np.uint8], point: Floats, radius: float) -> Floats:
    """Median colour of a square about a point, which is held inside the picture."""
    reach = max(round(radius), 1)
    rows, columns = picture.shape[:2]
    x, y = np.clip(np.rint(point).astype(int), reach, (columns - reach - 1, rows - reach - 1))
    square = picture[y - reach : y + reach + 1, x - reach : x + reach + 1]
    return np.asarray(np.median(square.reshape(-1, 3), 0), np.float32)
