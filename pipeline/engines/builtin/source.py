"""The pixels that a moved face is sampled from. Plain bilinear sampling would blur the skin's texture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """The region of interest of the picture. Samples at pixel centres are exact; between them they are interpolated."""

    pixels: torch.Tensor
    """Float [n or 1, 3, height, width], 0..255."""
    mode: Literal["bilinear", "bicubic"]
    per_pixel: int
    """Points of `pixels` for each pixel of the picture, along each axis."""

    @classmethod
    def still(cls, picture: NDArray[np.uint8], device: torch.device) -> Source:
        """From one picture [h, w, 3] for all frames, doubled in size: worthwhile because it is done only once."""
        return cls(_doubled(picture, device), "bilinear", 2)

    @classmethod
    def clip(cls, pictures: NDArray[np.uint8], device: torch.device) -> Source:
        """From one picture per frame [n, h, w, 3], sampled bicubically: cheaper than doubling each."""
        return cls(torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float(), "bicubic", 1)

    def at(self, places: torch.Tensor) -> torch.Tensor:
        """The colours at places [n, 2, h, w], x and y in points: uint8 [n, 3, h, w].

        OpenCV samples the points of a picture in a fraction of the time, but only on a CPU.
        """
        if self.mode == "bilinear" and places.device.type == "cpu":
            return self._at(places.numpy())
        height, width = self.pixels.shape[2:]
        grid = torch.stack([places[:, 0] * (2 / (width - 1)) - 1, places[:, 1] * (2 / (height - 1)) - 1], -1)
        pixels = self.pixels.expand(len(grid), -1, -1, -1)
        colours = grid_sample(pixels, grid, self.mode, padding_mode="border", align_corners=True)
        return colours.add_(0.5).clamp_(0, 255).to(torch.uint8)

    def _at(self, places: NDArray[np.float32]) -> torch.Tensor:
        drawn = np.empty((len(places), 3, *places.shape[2:]), np.uint8)
        for planes, (x, y) in zip(drawn, places, strict=True):
            colours = cv2.remap(self._whole_points, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            cv2.split(colours, list(planes))
        return torch.from_numpy(drawn)

    @cached_property
    def _whole_points(self) -> NDArray[np.uint8]:
        """The points of the picture, rounded, [height, width, 3]."""
        return np.asarray(np.rint(self.pixels[0].permute(1, 2, 0).contiguous().numpy()), np.uint8)


def _doubled(picture: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """The picture with a point between every two pixels, float [1, 3, 2 h - 1, 2 w - 1]."""
    fine = _interleaved(_interleaved(picture.astype(np.float32)).swapaxes(0, 1)).swapaxes(0, 1)
    return torch.from_numpy(np.ascontiguousarray(fine.transpose(2, 0, 1)))[None].to(device)


def _interleaved(rows: Floats) -> Floats:
    """Rows with an interpolated row between every two, by cubic convolution."""
    padded = np.concatenate([rows[:1], rows, rows[-1:]])
    between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16
    fine = np.empty((2 * len(rows) - 1, *rows.shape[1:]), np.float32)
    fine[::2], fine[1::2] = rows, np.clip(between, 0, 255)
    return fine
