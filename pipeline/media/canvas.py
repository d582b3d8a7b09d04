"""Frames as the encoder takes them: I420, BT.709, limited range.

A talking still picture changes in one region only. Everything else is converted once; of each frame only the region.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.media.planes import PLANE_STEPS, planes_of

PixelBox = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels; x2 and y2 lie outside."""

Weights = tuple[float, float, float]
Channels = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Red, green and blue, or Y, U and V, each of some frames."""

RED, BLUE = 0.2126, 0.0722
"""BT.709's share of red and of blue in the luminance."""

FRACTION = 2**-14
"""The weights are multiples of this. Thus every product and sum below is exact in single precision (24 bits), and a
pixel has the same value whatever the device, the order of additions or its neighbours."""


def _weights(red: float, green: float, blue: float) -> Weights:
    return round(red / FRACTION) * FRACTION, round(green / FRACTION) * FRACTION, round(blue / FRACTION) * FRACTION


GREEN = 1 - RED - BLUE
LUMA = _weights(219 / 255 * RED, 219 / 255 * GREEN, 219 / 255 * BLUE)
CHROMA_BLUE = _weights(-112 / 255 * RED / (1 - BLUE), -112 / 255 * GREEN / (1 - BLUE), 112 / 255)
CHROMA_RED = _weights(112 / 255, -112 / 255 * GREEN / (1 - RED), -112 / 255 * BLUE / (1 - RED))


class Canvas(Protocol):
    """What an engine's regions are laid into."""

    def compose(self, regions: torch.Tensor, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """The job's frames from `start_frame` on, with a region laid into each: uint8 [n, height * 3 / 2, width].

        `regions` is RGB [n, h, w, 3] of 0..255, uint8 or floating point (rounded to nearest), with even sides;
        `corners` [n, 2] are x, y of their left upper corners, even. The frames are on the CPU.
        """
        ...


class StillCanvas:
    """A picture that frames are made of by painting one region anew."""

    def __init__(self, picture: NDArray[np.uint8], device: torch.device) -> None:
        """`picture` is RGB [height, width, 3], both even; regions are converted on `device`."""
        self._device = device
        self._background = i420(torch.from_numpy(picture)[None])

    def compose(self, regions: torch.Tensor, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """See `Canvas`."""
        frames = self._background.repeat(len(regions), 1, 1)
        paint(frames, regions, corners, self._device)
        return frames


def paint(
    frames: Iterable[torch.Tensor], regions: torch.Tensor, corners: NDArray[np.intp], device: torch.device
) -> None:
    """Lay a region into each of some I420 frames on the CPU, which are changed; the regions as `Canvas` takes them."""
    # A single frame's planes stay in the CPU's cache; a GPU wants few and large steps.
    at_once = 1 if device.type == "cpu" else max(len(regions), 1)
    painted = (tuple(plane.cpu().numpy() for plane in _yuv(some.to(device))) for some in torch.split(regions, at_once))
    each = (planes for some in painted for planes in zip(*some, strict=True))
    for frame, (x, y), planes in zip(frames, corners.tolist(), each, strict=True):
        for plane, part, step in zip(planes_of(frame.numpy()), planes, PLANE_STEPS, strict=True):
            rows, columns = part.shape
            plane[y // step : y // step + rows, x // step : x // step + columns] = part


def i420(rgb: torch.Tensor) -> torch.Tensor:
    """Convert RGB frames [n, height, width, 3] of 0..255 to uint8 I420 [n, height * 3 / 2, width]; even sides."""
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
    """The sum of each 2 x 2 pixels."""
    rows = colour[:, ::2] + colour[:, 1::2]
    return rows[..., ::2] + rows[..., 1::2]


def _mixed(colours: Channels, weights: tuple[float, ...], offset: int) -> torch.Tensor:
    """The weighted sum, rounded to nearest: what is positive is rounded by adding a half and cutting off."""
    mixed = colours[0] * weights[0]
    mixed.add_(colours[1], alpha=weights[1]).add_(colours[2], alpha=weights[2])
    return mixed.add_(offset + 0.5).to(torch.uint8)
