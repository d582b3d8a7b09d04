"""Frames in the encoder's format: I420, BT.709, limited range.

A talking still picture changes in one region only: the rest is converted once, the region for every frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.media.planes import PLANE_STEPS, Planes, planes_of

PIXELS_AT_A_TIME = 200_000
"""How many pixels of regions are converted at a time on a CPU."""

PixelBox = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels; x2 and y2 are exclusive."""

Weights = tuple[float, float, float]
Channels = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Red, green and blue, or Y, U and V, of a batch of frames."""

RED, BLUE = 0.2126, 0.0722
"""The shares of red and blue in BT.709 luma."""

FRACTION = 2**-14
"""The weights are multiples of this. So every product and sum below is exact in single precision (24 bits), and a
pixel's value does not depend on the device, the order of additions or its neighbours."""


def _weights(red: float, green: float, blue: float) -> Weights:
    return round(red / FRACTION) * FRACTION, round(green / FRACTION) * FRACTION, round(blue / FRACTION) * FRACTION


GREEN = 1 - RED - BLUE
LUMA = _weights(219 / 255 * RED, 219 / 255 * GREEN, 219 / 255 * BLUE)
CHROMA_BLUE = _weights(-112 / 255 * RED / (1 - BLUE), -112 / 255 * GREEN / (1 - BLUE), 112 / 255)
CHROMA_RED = _weights(112 / 255, -112 / 255 * GREEN / (1 - RED), -112 / 255 * BLUE / (1 - RED))


class Canvas(Protocol):
    """The background onto which the regions of an engine are painted."""

    displaces: bool
    """Whether it can displace the picture around the regions. If not, they must contain whatever changes."""

    def compose(self, regions: Regions, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """Paint one region into each of the job's frames from `start_frame` on: uint8 [n, height * 3 / 2, width].

        If the person is cut out, `height` rows more with the matte follow.

        `corners` [n, 2] are the even x, y of the regions' top left corners. The frames are on the CPU.
        """
        ...


@dataclass(frozen=True)
class Displacement:
    """How the picture around regions is displaced, inside a box."""

    box: PixelBox
    """On even pixels."""
    step: int
    """Pixels from node to node, in both directions; each is in the middle of a cell, the outermost beside the box."""
    shifts: torch.Tensor
    """Float [m, 2, rows, columns]: x and y from each node to the pixel that is seen there; 0 at the outermost nodes."""


class Regions:
    """One region per frame in the encoder's format; regions on a GPU are copied asynchronously."""

    def __init__(
        self, rgb: torch.Tensor, shown: NDArray[np.intp] | None = None, around: Displacement | None = None
    ) -> None:
        """`rgb` [m, h, w, 3] has values 0 to 255, uint8 or floating point (rounded to nearest), and even sides.

        `shown` [n]: which of them is each frame's; by default [0, m). `around`: how the picture around each of them is
        displaced; only for canvases that can do so.
        """
        self.size = (rgb.shape[2], rgb.shape[1])
        """Width and height."""
        self._shown = range(len(rgb)) if shown is None else shown.tolist()
        self._copied = None if rgb.device.type == "cpu" else torch.cuda.Event()
        # On the CPU, some regions at a time fit into the cache. A GPU prefers few large steps, and copies to pinned
        # memory asynchronously.
        parts = rgb.split(max(PIXELS_AT_A_TIME // math.prod(self.size), 1)) if self._copied is None else [rgb]
        self._parts = [tuple(plane.to("cpu", non_blocking=True) for plane in _yuv(part)) for part in parts]
        self._around = around and replace(around, shifts=around.shifts.to("cpu", non_blocking=True))
        if self._copied is not None:
            self._copied.record(torch.cuda.current_stream(rgb.device))

    def __len__(self) -> int:
        return len(self._shown)

    def __iter__(self) -> Iterator[Planes]:
        """The planes of each region."""
        self._await()
        regions = [planes for part in self._parts for planes in zip(*(plane.numpy() for plane in part), strict=True)]
        return (regions[number] for number in self._shown)

    @property
    def around(self) -> Displacement | None:
        """How the picture is displaced in each frame, shifts [n, 2, rows, columns]."""
        self._await()
        return self._around and replace(self._around, shifts=self._around.shifts[list(self._shown)])

    def _await(self) -> None:
        if self._copied is not None:
            self._copied.synchronize()


class StillCanvas:
    """A still picture: frames differ in one region only."""

    displaces = False

    def __init__(self, picture: NDArray[np.uint8], matte: NDArray[np.uint8] | None = None) -> None:
        """`picture` is RGB [height, width, 3], both even; `matte` [height, width], if the person is cut out."""
        self._background = i420(torch.from_numpy(picture)[None])
        self._rows = self._background.shape[1]
        if matte is not None:
            self._background = torch.cat([self._background, torch.from_numpy(matte)[None]], dim=1)

    def compose(self, regions: Regions, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """See `Canvas`."""
        frames = self._background.repeat(len(regions), 1, 1)
        for frame, (x, y), region in zip(frames[:, : self._rows], corners.tolist(), regions, strict=True):
            paint(planes_of(frame.numpy()), (x, y), region)
        return frames


def paint(planes: Planes, corner: tuple[int, int], region: Planes, opacity: float = 1) -> None:
    """Paint a region into the planes of a frame, in place; `corner` is the even x, y of its top left corner."""
    x, y = corner
    for plane, part, step in zip(planes, region, PLANE_STEPS, strict=True):
        rows, columns = part.shape
        below = plane[y // step : y // step + rows, x // step : x // step + columns]
        below[:] = part if opacity == 1 else mixed(below, part, opacity)


def mixed(one: NDArray[np.uint8], other: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Blend planes or whole frames; `share`: how much of the other one is shown, 0..1."""
    return np.asarray(np.rint(one + (other.astype(np.float32) - one) * np.float32(share)), np.uint8)


def picture_i420(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert one RGB picture [height, width, 3], even sides, to I420 [height * 3 / 2, width]."""
    return np.asarray(i420(torch.from_numpy(rgb)[None])[0].numpy())


def i420(rgb: torch.Tensor) -> torch.Tensor:
    """Convert RGB frames [n, height, width, 3], 0 to 255, even sides, to uint8 I420 [n, height * 3 / 2, width]."""
    count, height, width = rgb.shape[:3]
    planes = [plane.reshape(count, -1) for plane in _yuv(rgb)]
    return torch.cat(planes, dim=1).view(count, height * 3 // 2, width)


def _yuv(rgb: torch.Tensor) -> Channels:
    """Y [n, h, w], U and V [n, h / 2, w / 2] of RGB [n, h, w, 3]."""
    colours = _each(rgb)
    fours = (_fours(colours[0]), _fours(colours[1]), _fours(colours[2]))
    blue, red = (tuple(weight / 4 for weight in weights) for weights in (CHROMA_BLUE, CHROMA_RED))
    return _mixed(colours, LUMA, 16), _mixed(fours, blue, 128), _mixed(fours, red, 128)


def _each(rgb: torch.Tensor) -> Channels:
    """The three colours, as whole numbers in single precision."""
    red, green, blue = (colour.float() for colour in rgb.unbind(-1))
    if rgb.is_floating_point():
        return red.round().clamp(0, 255), green.round().clamp(0, 255), blue.round().clamp(0, 255)
    return red, green, blue


def _fours(colour: torch.Tensor) -> torch.Tensor:
    """Sum each block of 2 x 2 pixels."""
    rows = colour[:, ::2] + colour[:, 1::2]
    return rows[..., ::2] + rows[..., 1::2]


def _mixed(colours: Channels, weights: tuple[float, ...], offset: int) -> torch.Tensor:
    """The weighted sum, rounded to nearest: the values are positive, so adding a half and truncating rounds them."""
    mixed = colours[0] * weights[0]
    mixed.add_(colours[1], alpha=weights[1]).add_(colours[2], alpha=weights[2])
    return mixed.add_(offset + 0.5).to(torch.uint8)
