"""Cuts a face out of the picture for the network, and blends the network's output back into the picture.

The official procedure (Prajwal et al. 2020, `inference.py`) resizes the face's box to the network's size, 96 x 96 or
more, hides its lower half, and pastes the output over the whole box. At 96 pixels the output is blurred, its colours
are slightly off, and the box is visible. So by default only the lower face is taken from it, with the colours and the
skin grain of the picture, and its edges fade into the picture.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pipeline.media.canvas import PixelBox

SEAM = (0.46, 0.62)
"""Where the picture fades into the network's face, in heights of the box: next to the nose, above the lips."""

JAW_POWER, JAW_FADE = 2.5, 0.16
"""Below that, the outline follows a jaw: half a superellipse of this power that touches the box's sides and bottom.
Inside it the face fades over this fraction of its radius."""


RING = (0.05, 0.5)
"""Range of mask values, along the seam, where picture and face show the same skin."""
COLOUR_SHIFT_MAX = 12.0
"""Maximum shift of the face's colours, in levels of 255. A larger difference is not skin but hair or a hand."""

GRAIN_MAX = 8.0
"""Levels of 255. The grain of skin is weaker; stronger detail is an edge, which moves with the jaw."""
LIPS_MARGIN = 1 / 16
"""No grain is added within this distance from the lips, in widths of the box, because they open."""

Pixels = NDArray[np.uint8]
"""RGB [h, w, 3]: a part of a frame with even sides."""

Contour = NDArray[np.float32]
"""x, y of points: [n, 2]."""


class Face:
    """One face in a region of a frame."""

    def __init__(
        self,
        region: Pixels,
        box: PixelBox,
        lips: Contour | None,
        blend: Literal["feather", "paste"],
        device: torch.device,
        *,
        pixels: int,
    ) -> None:
        """`box` is inside the region and not empty; `lips` is the lips' outer contour, None if unknown.

        `pixels`: side of the network's faces.
        """
        x1, y1, x2, y2 = box
        self.image = _network_image(region[y1:y2, x1:x2], pixels).to(device)
        """The network's input, [1, 6, pixels, pixels]."""
        self._rows, self._columns = slice(y1, y2), slice(x1, x2)
        own = np.ascontiguousarray(region.transpose(2, 0, 1), np.float32)
        self._own = torch.from_numpy(own).to(device)
        self._mask = torch.from_numpy(_mask(y2 - y1, x2 - x1, blend)).to(device)
        self._colours = _Colours(self.image) if blend == "feather" else None
        self._grain = None
        if blend == "feather" and lips is not None:
            self._grain = torch.from_numpy(_grain(region[y1:y2, x1:x2], lips - (x1, y1), pixels)).to(device)

    def blended(self, faces: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
        """Blend the network's faces [n, 3, pixels, pixels] into the region: RGB float [n, h, w, 3] of 0..255.

        `opacity` [n] of each face, 0..1.
        """
        region = self._own.repeat(len(faces), 1, 1, 1)
        inside = region[:, :, self._rows, self._columns]
        # Truncated to integers before resizing, as in the official procedure.
        rgb = (faces.flip(1) * 255).floor()
        if self._colours is not None:
            rgb += self._colours.shift(rgb)
        resized = functional.interpolate(rgb, inside.shape[2:], mode="bilinear", align_corners=False)
        if self._grain is not None:
            resized += self._grain
        inside.lerp_(resized, self._mask * opacity[:, None, None, None])
        return region.permute(0, 2, 3, 1)


class _Colours:
    """The picture's colours along the seam.

    Compared at the network's size in integers, because their sums are exact (under 2 ** 24 at up to 384 pixels): a
    frame must not depend on others in its batch.
    """

    def __init__(self, image: torch.Tensor) -> None:
        """`image` is the network's input."""
        mask = _feather(*image.shape[2:])
        self._ring = torch.from_numpy((mask > RING[0]) & (mask < RING[1])).to(image.device)
        self._own = self._sums((image[:, 3:].flip(1) * 255).round())

    def shift(self, rgb: torch.Tensor) -> torch.Tensor:
        """The correction to add to faces [n, 3, pixels, pixels] of 0..255: [n, 3, 1, 1]."""
        mean = (self._own - self._sums(rgb)) / self._ring.sum()
        return mean.clamp(-COLOUR_SHIFT_MAX, COLOUR_SHIFT_MAX)

    def _sums(self, rgb: torch.Tensor) -> torch.Tensor:
        return (rgb * self._ring).sum((2, 3), keepdim=True)


def _grain(face: Pixels, lips: Contour, pixels: int) -> NDArray[np.float32]:
    """The skin detail that is lost at the network's size: [3, height, width] in levels; zero around the lips."""
    height, width = face.shape[:2]
    small = cv2.resize(face, (pixels, pixels), interpolation=cv2.INTER_AREA)
    mouth = np.zeros((pixels, pixels), np.uint8)
    cv2.fillPoly(mouth, [np.rint(lips * (pixels / width, pixels / height)).astype(np.int32)], 1)
    margin = round(LIPS_MARGIN * pixels)
    around = cv2.dilate(mouth, np.ones((2 * margin + 1,) * 2, np.uint8))
    skin = 1 - cv2.GaussianBlur(around.astype(np.float32), (0, 0), margin / 2)
    lost = cv2.subtract(face, cv2.resize(small, (width, height)), dtype=cv2.CV_32F)
    grain = np.clip(lost, -GRAIN_MAX, GRAIN_MAX) * cv2.resize(skin, (width, height))[..., None]
    return np.ascontiguousarray(grain.transpose(2, 0, 1))


def _network_image(face: Pixels, pixels: int) -> torch.Tensor:
    """[1, 6, pixels, pixels] of 0..1, BGR: the face with its lower half hidden, then the whole face."""
    bgr = np.ascontiguousarray(face[:, :, ::-1])
    whole = cv2.resize(bgr, (pixels, pixels)).transpose(2, 0, 1).astype(np.float32) / 255
    hidden = whole.copy()
    hidden[:, pixels // 2 :] = 0
    return torch.from_numpy(np.concatenate((hidden, whole))[None])


@lru_cache(maxsize=64)
def _mask(height: int, width: int, blend: Literal["feather", "paste"]) -> NDArray[np.float32]:
    """Opacity of the network's face, [height, width] of 0..1."""
    return _feather(height, width) if blend == "feather" else np.ones((1, 1), np.float32)


def _feather(height: int, width: int) -> NDArray[np.float32]:
    """Opacity of the network's face, [height, width] of 0..1; zero in the outermost pixels."""
    down, across = np.linspace(0, 1, height)[:, None], np.linspace(-1, 1, width)
    below = np.clip(2 * down - 1, 0, 1)
    radius = (np.abs(across) ** JAW_POWER + below**JAW_POWER) ** (1 / JAW_POWER)
    mask = _smooth((down - SEAM[0]) / (SEAM[1] - SEAM[0])) * _smooth((1 - radius) / JAW_FADE)
    return mask.astype(np.float32)


def _smooth(ramp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth a ramp from 0 to 1 at both ends."""
    x = np.clip(ramp, 0, 1)
    return x * x * (3 - 2 * x)
