"""How a calm person's head and shoulders move, and how the picture is moved with them.

The movement is a sum of a few fixed fields, each times an amount that changes with time. Lengths are in heights from
the eyes to the chin; in the face's own frame: origin between the eyes, y towards the chin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.idle_motion.easing import Floats, ease, ramp
from pipeline.media.canvas import PixelBox


class PoseField(IntEnum):
    """The fields, in the order of a pose."""

    SIDEWAYS = 0
    """The head to the picture's right."""
    DOWN = 1
    ROLL = 2
    """The head about the base of the neck, clockwise, in radians."""
    TURN = 3
    """The nose to the picture's right, the ears staying where they are."""
    NOD = 4
    """The nose down, the crown staying where it is."""
    BREATH = 5
    """Shoulders and chest up."""


AMPLITUDES = {
    PoseField.SIDEWAYS: 0.008,
    PoseField.DOWN: 0.005,
    PoseField.ROLL: math.radians(0.6),
    PoseField.TURN: 0.009,
    PoseField.NOD: 0.007,
}
"""The most that idle movement ever is."""
SINES = (((0.05, 0.09), 0.55), ((0.11, 0.17), 0.3), ((0.2, 0.32), 0.15))
"""Of each movement: between what frequencies a sine's lies, in Hz, and its share of the amplitude."""
SETTLED_SECONDS = 2.5
"""The movement begins at rest and is in full swing from then on."""

BREATH_HZ, BREATH_WANDER_HZ, BREATH_WANDER = 0.24, 0.041, 0.12
"""A breath's frequency; and that of its change, with how many breaths it is ahead or behind at most."""
BREATH_RISE = 0.0095

STRESS_NOD = 0.012
"""A nod on a stressed stretch, for the difference of loudness."""
STRESS_SECONDS, CONTEXT_SECONDS = 0.16, 1.0
"""Loudness is averaged over the first (a Gaussian's deviation: 2 Hz and above hardly pass) and compared with what it
is on average about it."""

EYES_TO_CHIN_PIXELS_MIN = 12
"""Of a smaller face no movement would be seen."""
NODES_PER_FACE = 8
SPARE_NODES = 2
"""Outside the picture, on either side."""
BORDER_FADE = 0.4
"""Towards the picture's borders the movement fades over this distance: nothing outside of it may show."""
NECK_BASE = 1.45
HEAD_WIDTH, HEAD_ABOVE, HEAD_BELOW = 1.2, 1.3, 1.35
"""The ellipse about the eyes that moves as one: hair included."""
HEAD_FADE = 1.55
"""At so many times its size the movement has faded."""
SHOULDERS, SHOULDER_SLOPE, SHOULDER_FADE = 1.1, 0.3, 0.75
"""Where the shoulders begin in the middle, how much lower further out, over which height the movement sets in."""
BODY_WIDTH = (2.2, 3.4)
BODY_FOLLOWS, HEAD_BREATHES = 0.22, 0.35
"""Shoulders go a little along with the head, the head with the breath."""
PROFILE = 0.4, 0.85, 1.0
"""The face as a dome: height of the nose's tip, half its width and height."""


class Sway:
    """The pose of an avatar at any frame: a function of time, and of the loudness where that is known."""

    def __init__(self, seed: int, fps: int, loudness: Floats | None) -> None:
        """`loudness`: of each frame of the job, 0 to 1."""
        dice = np.random.default_rng(seed)
        self._fps = fps
        self._sines = [
            [(2 * math.pi * dice.uniform(*band), 2 * math.pi * dice.random(), share) for band, share in SINES]
            for _ in AMPLITUDES
        ]
        self._stress = None if loudness is None else _stress(loudness, fps)

    def pose(self, frame: int) -> Floats:
        """The amount of each `PoseField`, [6]; none in frame 0."""
        seconds = frame / self._fps
        settled = ease(seconds / SETTLED_SECONDS)
        pose = np.zeros(len(PoseField), np.float32)
        for (movement, amplitude), sines in zip(AMPLITUDES.items(), self._sines, strict=True):
            # Plainly one by one: a vectorised sine may differ in its last bit from place to place.
            swing = sum(share * math.sin(rate * seconds + phase) for rate, phase, share in sines)
            pose[movement] = amplitude * settled * swing
        if self._stress is not None:
            nod = STRESS_NOD * settled * float(self._stress[min(frame, len(self._stress) - 1)])
            pose[[PoseField.DOWN, PoseField.NOD]] += np.float32(nod / 2)
        pose[PoseField.BREATH] = BREATH_RISE * _breath(seconds)
        return pose


@dataclass(frozen=True)
class HeadFrame:
    """A head's own coordinates."""

    eyes: Floats
    """[2]: the point between the eyes, x and y in pixels."""
    down: Floats
    """[2]: unit vector from there to the chin."""
    height_pixels: float
    """From the eyes to the chin."""

    @classmethod
    def measure(cls, landmarks: FaceLandmarks, size: tuple[int, int]) -> HeadFrame | None:
        """The frame of a face in a picture of a width and height; None when it is too small, or not inside."""
        eyes = (landmarks.left_eye.mean(0) + landmarks.right_eye.mean(0)) / 2
        # Written so that it is true for what is not a number, too.
        if not ((eyes > 0).all() and (eyes < size).all() and np.isfinite(landmarks.jaw[10]).all()):
            return None
        down = landmarks.jaw[10] - eyes
        height = float(np.hypot(*down))
        return cls(eyes, down / height, height) if EYES_TO_CHIN_PIXELS_MIN <= height <= 2 * max(size) else None

    @property
    def axes(self) -> Floats:
        """[2, 2]: the frame's x and y axes as rows, in pixels."""
        return np.array([[self.down[1], -self.down[0]], self.down], np.float32) * self.height_pixels


class Warp:
    """Moves the points of a picture by a pose."""

    def __init__(self, head: HeadFrame, width: int, height: int) -> None:
        """`width` and `height` of the picture, both even; the eyes lie inside of it."""
        self._step = int(np.clip(head.height_pixels / NODES_PER_FACE, 2, 32)) // 2 * 2
        points = np.stack(np.meshgrid(_centres(width, self._step), _centres(height, self._step)))
        fields = _fields(head, points) * _border(points, (width, height), BORDER_FADE * head.height_pixels)
        self._rows = _Axis.around(np.any(fields, (0, 1, 3)), self._step, height)
        self._columns = _Axis.around(np.any(fields, (0, 1, 2)), self._step, width)
        self._rest = 2 * points[..., self._rows.nodes, self._columns.nodes]
        self._fields = 2 * fields[..., self._rows.nodes, self._columns.nodes]
        # Filled anew for each frame: to be given fresh memory would take longer than to fill it.
        rows, columns = (count * self._step for count in self._rest.shape[1:])
        self._luma = np.empty((2, rows, columns), np.float32)
        self._chroma = np.empty((2, rows // 2, columns // 2), np.float32)

    @property
    def box(self) -> PixelBox:
        """All that ever moves, on even pixels."""
        return self._columns.start, self._rows.start, self._columns.stop, self._rows.stop

    def maps(self, pose: Floats) -> tuple[Floats, Floats]:
        """Where each point of the box comes from, x and y in half pixels: [2, h, w] for luma, then for chroma.

        A point of chroma lies in the middle of four of luma. The maps hold until the next ones are asked for.
        """
        nodes = self._rest - np.einsum("m,mayx->ayx", pose, self._fields)
        return self._enlarged(nodes, self._luma, 1), self._enlarged(nodes / 2 - 0.5, self._chroma, 2)

    def _enlarged(self, nodes: Floats, pixels: Floats, shrunk: int) -> Floats:
        for coarse, fine in zip(nodes, pixels, strict=True):
            cv2.resize(coarse, fine.shape[::-1], fine, interpolation=cv2.INTER_LINEAR)
        return pixels[:, self._rows.shown(shrunk), self._columns.shown(shrunk)]


def warp_of(landmarks: FaceLandmarks, width: int, height: int) -> Warp | None:
    """The warp for a face in a picture of this size; None when there is none to be moved."""
    head = HeadFrame.measure(landmarks, (width, height))
    return Warp(head, width, height) if head else None


@dataclass(frozen=True)
class _Axis:
    """The part of the picture that moves, along one axis; the nodes lie in the middle of cells."""

    nodes: slice
    """Those that move, and two more on each side: a node moves its neighbours' cells too, and the outermost half cells
    cannot be interpolated."""
    start: int
    stop: int
    """In pixels; within the picture."""
    hidden: int
    """Pixels of the nodes' cells that lie before `start`."""

    @classmethod
    def around(cls, moving: NDArray[np.bool_], step: int, pixels: int) -> _Axis:
        """`moving`: which nodes do."""
        first, last = (int(index) for index in np.flatnonzero(moving)[[0, -1]])
        begin = (first - SPARE_NODES - 1) * step
        start, stop = max(begin, 0), min((last - SPARE_NODES + 2) * step, pixels)
        return cls(slice(first - 2, last + 3), start, stop, step + start - begin)

    def shown(self, shrunk: int) -> slice:
        """The part of the enlarged nodes that lies between `start` and `stop`."""
        return slice(self.hidden // shrunk, (self.hidden + self.stop - self.start) // shrunk)


def _centres(pixels: int, step: int) -> Floats:
    """The middles of the nodes' cells along an axis, some outside the picture on either side."""
    return np.arange(-SPARE_NODES, -(-pixels // step) + SPARE_NODES, dtype=np.float32) * step + (step - 1) / 2


def _fields(head: HeadFrame, points: Floats) -> Floats:
    """Displacement in pixels at `points` [2, h, w] for one unit of each movement: [6, 2, h, w]."""
    x, y = np.einsum("fa,ayx->fyx", head.axes / head.height_pixels**2, points - head.eyes[:, None, None])
    body = ramp(y - SHOULDER_SLOPE * np.abs(x), SHOULDERS, SHOULDERS + SHOULDER_FADE)
    body = body * (1 - ramp(np.abs(x), *BODY_WIDTH))
    skull = 1 - ramp(np.hypot(x / HEAD_WIDTH, y / np.where(y < 0, HEAD_ABOVE, HEAD_BELOW)), 1, HEAD_FADE)
    tip, half_width, half_height = PROFILE
    dome = np.clip(1 - (x / half_width) ** 2 - ((y - tip) / half_height) ** 2, 0, 1) ** 2
    follow = np.maximum(skull, BODY_FOLLOWS * body)
    still = np.zeros_like(x)
    fields = {
        PoseField.SIDEWAYS: (follow, still),
        PoseField.DOWN: (still, follow),
        PoseField.ROLL: (skull * (NECK_BASE - y), skull * x),
        PoseField.TURN: (dome, still),
        PoseField.NOD: (still, dome),
        PoseField.BREATH: (still, -np.maximum(body, HEAD_BREATHES * skull)),
    }
    in_face = np.array([fields[movement] for movement in PoseField], np.float32)
    return np.asarray(np.einsum("mfyx,fa->mayx", in_face, head.axes), np.float32)


def _border(points: Floats, size: tuple[int, int], fade: float) -> Floats:
    """0 at the picture's borders and outside, 1 away from them: [h, w] at `points` [2, h, w]."""
    last = np.array(size, np.float32)[:, None, None] - 1
    across, down = ramp(np.minimum(points, last - points), 0, np.minimum(fade, last / 4))
    return np.asarray(across * down, np.float32)


def _stress(loudness: Floats, fps: int) -> Floats:
    """How much louder each frame is than its surroundings, smoothed, [frames]."""
    near, around = (
        cv2.GaussianBlur(loudness[None], (0, 0), seconds * fps, borderType=cv2.BORDER_REPLICATE)[0]
        for seconds in (STRESS_SECONDS, CONTEXT_SECONDS)
    )
    return np.asarray(near - around, np.float32)


def _breath(seconds: float) -> float:
    """How deep a breath is at a time, 0 to 1; 0 at the beginning."""
    breaths = BREATH_HZ * seconds + BREATH_WANDER * math.sin(2 * math.pi * BREATH_WANDER_HZ * seconds)
    return (1 - math.cos(2 * math.pi * breaths)) / 2
