"""A mouth, and the skin around it, in a picture that moves: the picture is displaced and moved in one step.

The mouth is drawn in the picture at rest. It is sampled from a place below the picture, so that the skin beside it is
sampled from the picture itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.nn.functional import grid_sample

from pipeline.avatars.idle_motion.easing import Floats
from pipeline.avatars.idle_motion.warp import Band, Warp
from pipeline.media.canvas import PixelBox


class Place(NamedTuple):
    """Where a mouth belongs, and where it is drawn."""

    box: PixelBox
    """In the picture, on even pixels."""
    luma_row: int
    """The row in the finer plane of luma in which it begins, at the left border."""
    chroma_row: int
    """The same for chroma."""


@dataclass(frozen=True)
class Changes:
    """What is added to the sources of a frame's points."""

    box: PixelBox
    """In the frame, on even pixels."""
    luma: Floats
    """[2, h, w]: x and y in half pixels."""
    chroma: Floats
    """[2, h / 2, w / 2]"""

    def add_to(self, band: Band) -> None:
        """Change the sources of a band."""
        left, top, right, bottom = self.box
        first, last = max(top, band.box[1]), min(bottom, band.box[3])
        if first >= last:
            return
        for points, added, step in ((band.luma, self.luma, 1), (band.chroma, self.chroma, 2)):
            rows, own_rows = (slice((first - y) // step, (last - y) // step) for y in (band.box[1], top))
            columns = slice((left - band.box[0]) // step, (right - band.box[0]) // step)
            points[:, rows, columns] += added[:, own_rows]


class Skin:
    """The skin around a mouth, which is displaced inside a box of the picture."""

    def __init__(self, warp: Warp, box: PixelBox, step: int, count: tuple[int, int]) -> None:
        """`box` and `step`: as a `Displacement` has them; `count`: of its nodes, columns and rows."""
        self._warp = warp
        self._box, self._step, self._count = box, step, count
        self._lattice = lru_cache(maxsize=4)(self._make_lattice)
        self._fields_around = lru_cache(maxsize=32)(self._make_fields_around)

    def changes(self, pose: Floats, shifts: torch.Tensor, mouth: Place) -> Changes:
        """Those of a frame; `pose`: of the head; `shifts` [2, rows, columns]: of the skin, see `Displacement`."""
        reach = float(np.abs(pose) @ self._warp.reach)
        lattice = self._lattice(math.ceil(reach / self._step))
        grid = torch.from_numpy(lattice.grid - np.einsum("m,myxa->yxa", pose, lattice.fields))
        nodes = grid_sample(shifts[None], grid[None], padding_mode="border", align_corners=True)[0].numpy()
        changes = Changes(lattice.box, lattice.enlarged(2 * nodes, 1), lattice.enlarged(nodes, 2))
        _show_mouth(changes, mouth, np.einsum("m,map->ap", pose, self._fields_around(mouth.box)))
        return changes

    def _make_fields_around(self, box: PixelBox) -> Floats:
        """How far one unit of each movement of the head moves points around a box, in pixels [movements, 2, points]."""
        x1, y1, x2, y2 = box
        return self._warp.fields_at(np.linspace(x1, x2, 3), np.linspace(y1, y2, 3)).reshape(-1, 2, 9)

    def _make_lattice(self, spare: int) -> _Lattice:
        """The lattice with so many nodes more on each side than the displacement has."""
        step, corner, whole = self._step, np.array(self._box[:2]), self._warp.box
        nodes = [np.arange(-1 - spare, count - 1 + spare) for count in self._count]
        x, y = (first + numbers * step + (step - 1) / 2 for first, numbers in zip(corner, nodes, strict=True))
        scale = 2 / (np.array(self._count, np.float32) - 1)
        fields = self._warp.fields_at(x, y).transpose(0, 2, 3, 1) * (scale / step)
        begin = corner - (1 + spare) * step
        first = np.maximum(begin + step, whole[:2])
        last = np.minimum(begin + [(len(of) - 1) * step for of in nodes], whole[2:])
        return _Lattice(
            fields=np.ascontiguousarray(fields, np.float32),
            grid=np.asarray((np.stack(np.meshgrid(*nodes), -1) + 1) * scale - 1, np.float32),
            size=(len(x) * step, len(y) * step),
            box=(*first.tolist(), *last.tolist()),
            corner=(first - begin).tolist(),
        )


@dataclass(frozen=True)
class _Lattice:
    """Nodes in the frame: those of a displacement, and more of them on all sides."""

    fields: Floats
    """[movements, rows, columns, 2]: how far one unit of each movement moves them, measured as in `grid`."""
    grid: Floats
    """[rows, columns, 2]: where they are at rest among the displacement's nodes, the outermost being at -1 and 1."""
    size: tuple[int, int]
    """Width and height of all their cells in pixels."""
    box: PixelBox
    """The cells without the outermost ones, within the part of the picture that moves, on even pixels."""
    corner: tuple[int, int]
    """Where the box begins in the cells."""

    def enlarged(self, nodes: Floats, shrunk: int) -> Floats:
        """Values at nodes [2, rows, columns] in the box, in a plane of `1 / shrunk` of the size: [2, h, w]."""
        width, height = (side // shrunk for side in self.size)
        pixels = np.empty((2, height, width), np.float32)
        for values, plane in zip(nodes, pixels, strict=True):
            cv2.resize(values, (width, height), plane, interpolation=cv2.INTER_LINEAR)
        x1, y1, x2, y2 = self.box
        x, y = self.corner
        return pixels[:, y // shrunk : (y + y2 - y1) // shrunk, x // shrunk : (x + x2 - x1) // shrunk]


def _show_mouth(changes: Changes, mouth: Place, moved: Floats) -> None:
    """Show a drawn mouth where it has moved to; `moved` [2, points]: how far its points have, in pixels."""
    x1, y1, x2, y2 = mouth.box
    low, high = moved.min(1), moved.max(1)
    left, top = (2 * np.ceil((np.array([x1, y1]) + high) / 2).astype(int) - changes.box[:2]).clip(min=0).tolist()
    right, bottom = (2 * np.floor((np.array([x2, y2]) + low) / 2).astype(int) - changes.box[:2]).tolist()
    for points, row, step in ((changes.luma, mouth.luma_row, 1), (changes.chroma, mouth.chroma_row, 2)):
        within = slice(top // step, bottom // step), slice(left // step, right // step)
        points[0][within] = -2 * x1 // step
        points[1][within] = row - 2 * y1 // step
