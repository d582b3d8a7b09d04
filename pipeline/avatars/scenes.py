"""What an avatar's frames show beside the mouth: one still picture, or the frames of a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.media.planes import planes_of

Indices = NDArray[np.intp]
"""[n]: which frames of a scene."""
Corners = NDArray[np.intp]
"""[n, 2]: x, y of the left upper corner of a region in each frame; even."""


class Scene(Protocol):
    """The frames that a mouth is drawn into."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        ...

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """Which of the scene's frames is shown in each of the job's frames [start_frame, stop_frame)."""
        ...

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A region of `size` (width, height) out of each frame: RGB [n, height, width, 3]."""
        ...


class Still:
    """One picture."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        """`picture` is RGB [height, width, 3], both even."""
        self.picture = picture
        self.size = (picture.shape[1], picture.shape[0])

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """Always the same."""
        return np.zeros(stop_frame - start_frame, np.intp)

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A region of `size` (width, height) out of the picture for each of the corners."""
        width, height = size
        return np.stack([self.picture[y : y + height, x : x + width] for x, y in corners])


@dataclass(frozen=True)
class Clip:
    """The frames of a video at one size, in a file of plain I420 frames.

    They are read one by one, when they are needed: a long video takes no memory.
    """

    file: BinaryIO
    size: tuple[int, int]
    frames: int
    rate: Fraction
    """Frames a second."""
    order: Indices
    """[frames]: which frame stands for each one; its own, but where the video is held."""
    drawn: NDArray[np.bool_]
    """[frames]: whether a mouth is drawn there."""

    def __del__(self) -> None:
        self.file.close()

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """The video runs to its end, back to its beginning, and so on; by the clock, whatever its own rate."""
        job_frames = np.arange(start_frame, stop_frame, dtype=np.int64)
        # Rounded to nearest in whole numbers: exact at any length.
        turns = 2 * self.rate.denominator * fps
        at = (2 * job_frames * self.rate.numerator + self.rate.denominator * fps) // turns
        cycle = max(2 * (self.frames - 1), 1)
        forth = at % cycle
        return self.order[np.where(forth < self.frames, forth, cycle - forth)]

    def read(self, index: int) -> NDArray[np.uint8]:
        """One frame, I420 [height * 3 / 2, width]."""
        width, height = self.size
        count = width * height * 3 // 2
        frame = bytearray(count)
        if os.preadv(self.file.fileno(), [frame], index * count) != count:
            raise OSError(f"{self.file.name} is shorter than it was")
        return np.frombuffer(frame, np.uint8).reshape(height * 3 // 2, width)

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """A region of `size` (width, height) out of each frame: RGB [n, height, width, 3]."""
        places = zip(indices.tolist(), corners.tolist(), strict=True)
        return np.stack([cut_rgb(self.read(index), corner, size) for index, corner in places])


def cut_rgb(frame: NDArray[np.uint8], corner: Sequence[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A region of `size` (width, height) out of an I420 frame: RGB [height, width, 3]. All numbers are even."""
    (width, height), (x, y) = size, corner
    luma, *colours = planes_of(frame)
    halves = (plane[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] for plane in colours)
    return _rgb(luma[y : y + height, x : x + width], *halves)


def _rgb(luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y [h, w], U and V [h / 2, w / 2], BT.709 in limited range, to RGB [h, w, 3]."""
    y = (luma.astype(np.float32) - 16) * np.float32(255 / 219)
    u, v = (plane.repeat(2, 0).repeat(2, 1).astype(np.float32) - 128 for plane in (blue, red))
    colours = np.stack([y + 1.79274 * v, y - 0.21325 * u - 0.53291 * v, y + 2.11240 * u], -1)
    return np.asarray(np.clip(np.rint(colours), 0, 255), np.uint8)
