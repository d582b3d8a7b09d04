"""The frames that the mouth is drawn into: one still picture, or the frames of a video."""

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
"""[n]: indices of a scene's frames."""
Corners = NDArray[np.intp]
"""[n, 2]: x, y of the upper left corner of a region in each frame; even."""


class Scene(Protocol):
    """The frames that a mouth is drawn into."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        ...

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """For each of the job's frames [start_frame, stop_frame), the index of the scene's frame that it shows."""
        ...

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Cut a region of `size` (width, height) out of each frame: RGB [n, height, width, 3]."""
        ...


class Still:
    """One picture."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        """`picture` is RGB [height, width, 3], both even."""
        self.picture = picture
        self.size = (picture.shape[1], picture.shape[0])

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """Always frame 0."""
        return np.zeros(stop_frame - start_frame, np.intp)

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Cut a region of `size` (width, height) at each corner: RGB [n, height, width, 3]."""
        width, height = size
        return np.stack([self.picture[y : y + height, x : x + width] for x, y in corners])


@dataclass(frozen=True)
class Clip:
    """The frames of a video at one size, in a file of raw I420 frames, each with its matte if the person is cut out.

    Frames are read one by one on demand, so memory does not grow with the length of the video.
    """

    file: BinaryIO
    size: tuple[int, int]
    frames: int
    rate: Fraction
    """Frames per second."""
    order: Indices
    """[frames]: the index of the frame to show for each one: its own unless an earlier frame is held."""
    opacity: NDArray[np.float32]
    """[frames]: how strongly the mouth is drawn into the frame, 0..1."""
    fade_from: Indices
    """[frames]: the index of a frame that fades into this one: its own index if none does."""
    fade: NDArray[np.float32]
    """[frames]: how much of that frame is still shown, 0..1."""
    has_mattes: bool = False
    """Whether the matte of each frame, [height, width], follows it in the file: the person is cut out."""

    def __del__(self) -> None:
        self.file.close()

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> Indices:
        """Play the video alternately forwards and backwards, in real time at any frame rate."""
        job_frames = np.arange(start_frame, stop_frame, dtype=np.int64)
        # Rounded to nearest in integers: exact at any length.
        turns = 2 * self.rate.denominator * fps
        at = (2 * job_frames * self.rate.numerator + self.rate.denominator * fps) // turns
        cycle = max(2 * (self.frames - 1), 1)
        forth = at % cycle
        return self.order[np.where(forth < self.frames, forth, cycle - forth)]

    def read(self, index: int) -> NDArray[np.uint8]:
        """Read one frame, I420 [height * 3 / 2, width]. Raises OSError."""
        return self._read(index, self.size[1] * 3 // 2)

    def read_all(self, index: int) -> NDArray[np.uint8]:
        """Read one frame like `read`, with its matte below it if there is one."""
        return self._read(index, self._rows)

    @property
    def _rows(self) -> int:
        """Rows of a frame in the file."""
        height = self.size[1]
        return height * 5 // 2 if self.has_mattes else height * 3 // 2

    def _read(self, index: int, rows: int) -> NDArray[np.uint8]:
        width = self.size[0]
        frame = bytearray(rows * width)
        if os.preadv(self.file.fileno(), [frame], index * self._rows * width) != len(frame):
            raise OSError(f"{self.file.name} was truncated")
        return np.frombuffer(frame, np.uint8).reshape(rows, width)

    def regions(self, indices: Indices, corners: Corners, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Cut a region of `size` (width, height) out of each frame: RGB [n, height, width, 3]."""
        regions = zip(indices.tolist(), corners.tolist(), strict=True)
        return np.stack([cut_rgb(self.read(index), corner, size) for index, corner in regions])


def cut_rgb(frame: NDArray[np.uint8], corner: Sequence[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut a region of `size` (width, height) out of an I420 frame: RGB [height, width, 3]. All numbers are even."""
    (width, height), (x, y) = size, corner
    luma, *colours = planes_of(frame)
    halves = (plane[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] for plane in colours)
    return _rgb(luma[y : y + height, x : x + width], *halves)


def _rgb(luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert Y [h, w], U and V [h / 2, w / 2], BT.709 limited range, to RGB [h, w, 3]."""
    y = (luma.astype(np.float32) - 16) * np.float32(255 / 219)
    u, v = (plane.repeat(2, 0).repeat(2, 1).astype(np.float32) - 128 for plane in (blue, red))
    colours = np.stack([y + 1.79274 * v, y - 0.21325 * u - 0.53291 * v, y + 2.11240 * u], -1)
    return np.asarray(np.clip(np.rint(colours), 0, 255), np.uint8)
