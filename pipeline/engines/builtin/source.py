"""The pixels that a moved face is sampled from. Plain bilinear sampling would blur the skin's texture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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

    @classmethod
    def still(cls, picture: NDArray[np.uint8], device: torch.device) -> Source:
        """From one picture [h, w, 3] for all frames, doubled in size: worthwhile because it is done only once."""
        return cls(_doubled(picture, device), "bilinear")

    @classmethod
    def clip(cls, pictures: NDArray[np.uint8], device: torch.device) -> Source:
        """From one picture per frame [n, h, w, 3], sampled bicubically: cheaper than doubling each."""
        return cls(torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float(), "bicubic")

    def at(self, grid: torch.Tensor) -> torch.Tensor:
        """The colours at points [n, h, w, 2], where -1 and 1 are the centres of the outermost pixels. [n, 3, h, w]."""
        pixels = self.pixels.expand(len(grid), -1, -1, -1)
        return grid_sample(pixels, grid, self.mode, padding_mode="border", align_corners=True)


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
