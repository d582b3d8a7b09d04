"""Moves the head and shoulders of a picture into a pose.

The movement is a sum of fixed displacement fields, each scaled by an amount of the pose. Lengths are relative to the
height from the eyes to the chin, in the face's own frame: origin between the eyes, y towards the chin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.idle_motion.easing import Floats, ramp
from pipeline.avatars.idle_motion.sway import PoseField
from pipeline.media.canvas import PixelBox

EYES_TO_CHIN_PIXELS_MIN = 12
"""Movement of a smaller face would not be visible."""
NODES_PER_FACE = 8
"""Grid nodes from the eyes to the chin; between nodes the displacement is interpolated."""
SPARE_NODES = 2
"""Grid nodes outside the picture, on each side."""
BAND_ROWS = 72
"""Frames are moved in bands of so many rows: the maps of more would not stay in the processor's cache."""
BORDER_FADE = 0.4
"""The movement fades out over this distance from the picture's borders, so that nothing outside it can show."""
NECK_BASE = 1.45
HEAD_WIDTH, HEAD_ABOVE, HEAD_BELOW = 1.2, 1.3, 1.35
"""The ellipse around the eyes, including the hair, that moves as a whole."""
HEAD_FADE = 1.55
"""At this multiple of the ellipse's size the movement has faded out."""
SHOULDERS, SHOULDER_SLOPE, SHOULDER_FADE = 1.1, 0.3, 0.75
"""Top of the shoulders in the middle, their slope outwards, and the height over which the movement sets in."""
BODY_WIDTH = (2.2, 3.4)
BODY_FOLLOWS, HEAD_BREATHES = 0.22, 0.35
"""How much the shoulders follow the head, and the head the breath."""
PROFILE = 0.4, 0.85, 1.0
"""The face as a dome: y of the nose's tip, half the width, half the height."""
BROWS = -0.3, 0.75, 0.28
"""Where the skin of the brows moves: y of its middle, half the width, half the height, down to the open lids."""


@dataclass(frozen=True)
class HeadFrame:
    """The coordinates of a head."""

    eyes: Floats
    """[2]: the point between the eyes, x and y in pixels."""
    down: Floats
    """[2]: unit vector from there to the chin."""
    height_pixels: float
    """From the eyes to the chin."""

    @classmethod
    def measure(cls, landmarks: FaceLandmarks, size: tuple[int, int]) -> HeadFrame | None:
        """The frame of a face in a picture of `size` (width, height); None if it is too small or outside."""
        eyes = (landmarks.left_eye.mean(0) + landmarks.right_eye.mean(0)) / 2
        # Phrased so that NaN is rejected too.
        if not ((eyes > 0).all() and (eyes < size).all() and np.isfinite(landmarks.jaw[10]).all()):
            return None
        down = landmarks.jaw[10] - eyes
        height = float(np.hypot(*down))
        return cls(eyes, down / height, height) if EYES_TO_CHIN_PIXELS_MIN <= height <= 2 * max(size) else None

    @property
    def axes(self) -> Floats:
        """[2, 2]: the frame's x and y axes as rows, in pixels."""
        return np.array([[self.down[1], -self.down[0]], self.down], np.float32) * self.height_pixels


@dataclass(frozen=True)
class Band:
    """Some rows of the part of a picture that may move."""

    box: PixelBox
    """On even pixels."""
    luma: Floats
    """[2, h, w]: the source of each point, x and y in half pixels."""
    chroma: Floats
    """[2, h / 2, w / 2]: the same for chroma, whose points are in the middle of four luma points."""


class Warp:
    """Maps the points of a picture by a pose."""

    def __init__(self, head: HeadFrame, width: int, height: int) -> None:
        """`width` and `height` of the picture, both even; the eyes are inside it."""
        step = int(np.clip(head.height_pixels / NODES_PER_FACE, 2, 32)) // 2 * 2
        points = np.stack(np.meshgrid(_centres(width, step), _centres(height, step)))
        fields = _fields(head, points) * _border(points, (width, height), BORDER_FADE * head.height_pixels)
        rows = _Axis.around(np.any(fields, (0, 1, 3)), step, height)
        self._columns, self._rows = _Axis.around(np.any(fields, (0, 1, 2)), step, width), rows
        self._rest = 2 * points[..., rows.nodes, self._columns.nodes]
        self._fields = 2 * fields[..., rows.nodes, self._columns.nodes]
        self._bands = [_Rows.between(start, min(start + BAND_ROWS, rows.stop), rows) for start in rows.bands()]
        self.box: PixelBox = self._columns.start, rows.start, self._columns.stop, rows.stop
        """The part of the picture that may move, on even pixels."""
        self.reach = np.abs(fields).max((1, 2, 3))
        """How many pixels one unit of each movement moves a point at most."""

    def bands(self, pose: Floats) -> Iterator[Band]:
        """The bands of the box in a pose, from top to bottom."""
        nodes = self._rest - np.einsum("m,mayx->ayx", pose, self._fields)
        luma, chroma = self._columns.enlarged(nodes, 1), self._columns.enlarged(nodes / 2 - 0.5, 2)
        for rows in self._bands:
            box = self.box[0], rows.start, self.box[2], rows.stop
            yield Band(box, rows.luma @ luma[:, rows.nodes], rows.chroma @ chroma[:, rows.nodes])

    def fields_at(self, x: NDArray[Any], y: NDArray[Any]) -> Floats:
        """How far one unit of each movement moves columns `x` [w] and rows `y` [h], in pixels: [movements, 2, h, w]."""
        height, width = self._fields.shape[2:]
        across, down = self._columns.weights(x, slice(0, width)), self._rows.weights(y, slice(0, height))
        return np.asarray(down @ self._fields @ across.T / 2, np.float32)


def make_warp(landmarks: FaceLandmarks, width: int, height: int) -> Warp | None:
    """The warp for a face in a picture of this size; None if the face cannot be moved."""
    head = HeadFrame.measure(landmarks, (width, height))
    return Warp(head, width, height) if head else None


@dataclass(frozen=True)
class _Axis:
    """The part of the picture that moves, along one axis; each node is in the middle of a cell."""

    nodes: slice
    """The nodes that move and two more on each side: a node also moves its neighbours' cells, and the outermost
    half-cells cannot be interpolated."""
    step: int
    """Pixels from node to node."""
    start: int
    stop: int
    """`start` and `stop`: in pixels, within the picture."""

    @classmethod
    def around(cls, moving: NDArray[np.bool_], step: int, pixels: int) -> _Axis:
        """`moving`: whether each node moves, [nodes]."""
        first, last = (int(index) for index in np.flatnonzero(moving)[[0, -1]])
        start, stop = (first - SPARE_NODES - 1) * step, (last - SPARE_NODES + 2) * step
        return cls(slice(first - 2, last + 3), step, max(start, 0), min(stop, pixels))

    @property
    def begin(self) -> int:
        """Where the first node's cell begins, in pixels."""
        return int(self.nodes.start - SPARE_NODES) * self.step

    def bands(self) -> range:
        """Where bands begin, in pixels."""
        return range(self.start, self.stop, BAND_ROWS)

    def places(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Where pixels are between the nodes, of which the first is at 0."""
        return np.asarray((pixels + 0.5 - self.begin) / self.step - 0.5)

    def weights(self, pixels: NDArray[Any], nodes: slice) -> Floats:
        """The weights of some nodes in what is interpolated at pixels: [pixels, nodes]."""
        far = np.abs(self.places(pixels)[:, None] - np.arange(nodes.start, nodes.stop))
        return np.asarray((1 - far).clip(min=0), np.float32)

    def enlarged(self, nodes: Floats, shrunk: int) -> Floats:
        """Values at nodes [2, h, nodes] along the axis, in a plane of `1 / shrunk` of the size: [2, h, pixels]."""
        pixels = nodes.shape[2] * self.step // shrunk
        wide = [cv2.resize(rows, (pixels, len(rows)), interpolation=cv2.INTER_LINEAR) for rows in nodes]
        first, last = ((edge - self.begin) // shrunk for edge in (self.start, self.stop))
        return np.stack([rows[:, first:last] for rows in wide])


@dataclass(frozen=True)
class _Rows:
    """How the rows of a band are interpolated between those of nodes."""

    start: int
    stop: int
    """`start` and `stop`: in pixels."""
    nodes: slice
    """The nodes around the band."""
    luma: Floats
    """[h, nodes]: their weights."""
    chroma: Floats
    """[h / 2, nodes]"""

    @classmethod
    def between(cls, start: int, stop: int, axis: _Axis) -> _Rows:
        """The rows [start, stop) of a picture."""
        pixels = np.arange(start, stop)
        first, last = axis.places(pixels[[0, -1]])
        nodes = slice(int(first), int(last) + 2)
        return cls(start, stop, nodes, axis.weights(pixels, nodes), axis.weights(pixels[::2] + 0.5, nodes))


def _centres(pixels: int, step: int) -> Floats:
    """The middles of the nodes' cells along an axis, including the spare ones outside the picture."""
    return np.arange(-SPARE_NODES, -(-pixels // step) + SPARE_NODES, dtype=np.float32) * step + (step - 1) / 2


def _fields(head: HeadFrame, points: Floats) -> Floats:
    """Displacement in pixels at `points` [2, h, w] for one unit of each movement: [7, 2, h, w]."""
    x, y = np.einsum("fa,ayx->fyx", head.axes / head.height_pixels**2, points - head.eyes[:, None, None])
    body = ramp(y - SHOULDER_SLOPE * np.abs(x), SHOULDERS, SHOULDERS + SHOULDER_FADE)
    body = body * (1 - ramp(np.abs(x), *BODY_WIDTH))
    skull = 1 - ramp(np.hypot(x / HEAD_WIDTH, y / np.where(y < 0, HEAD_ABOVE, HEAD_BELOW)), 1, HEAD_FADE)
    tip, half_width, half_height = PROFILE
    dome = np.clip(1 - (x / half_width) ** 2 - ((y - tip) / half_height) ** 2, 0, 1) ** 2
    middle, brow_width, brow_height = BROWS
    brows = np.clip(1 - (x / brow_width) ** 2 - ((y - middle) / brow_height) ** 2, 0, 1) ** 2
    follow = np.maximum(skull, BODY_FOLLOWS * body)
    still = np.zeros_like(x)
    fields = {
        PoseField.SIDEWAYS: (follow, still),
        PoseField.DOWN: (still, follow),
        PoseField.ROLL: (skull * (NECK_BASE - y), skull * x),
        PoseField.TURN: (dome, still),
        PoseField.NOD: (still, dome),
        PoseField.BREATH: (still, -np.maximum(body, HEAD_BREATHES * skull)),
        PoseField.BROWS: (still, -brows),
    }
    in_face = np.array([fields[movement] for movement in PoseField], np.float32)
    return np.asarray(np.einsum("mfyx,fa->mayx", in_face, head.axes), np.float32)


def _border(points: Floats, size: tuple[int, int], fade: float) -> Floats:
    """0 at the picture's borders and outside, 1 away from them: [h, w] for `points` [2, h, w]."""
    last = np.array(size, np.float32)[:, None, None] - 1
    across, down = ramp(np.minimum(points, last - points), 0, np.minimum(fade, last / 4))
    return np.asarray(across * down, np.float32)
