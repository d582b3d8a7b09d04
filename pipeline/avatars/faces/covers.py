"""Detects hands, masks, microphones and other things in front of a mouth.

A small convolutional network looks at the face from the nose to the chin, in grey and at one size: `covers.onnx`,
trained by `training/mouth_covers.py`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.finder import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, Floats, Mesh, Picture, session
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.landmarks import CONTOURS, LANDMARKS_FORMAT
from pipeline.media.runs import runs

if TYPE_CHECKING:
    import onnxruntime

SIDE = 40
"""The network's input is a square of this many pixels."""
REACH = 1.5
"""Side of the part of the face that it sees, relative to the distance between the outer corners of the eyes."""
SHRUNK = 1.5
"""A part that is larger than the input by this factor is scaled down first, or thin edges would be missed."""
ROOM = 0.75
"""Half the side of an upright square around that part, which may be turned, relative to its side."""
CONTRAST_MIN = 3.0
"""Added to the contrast, in grey levels, by which a part is divided: noise of dark pictures stays small."""

LIPS = (13, 14, 61, 291)
"""Mesh points: inner edges of upper and lower lip, corners of the mouth on the picture's left and right."""
OPEN_GAP = 0.27
"""If the mesh shows a mouth open this wide, nothing covers it: behind covers the mesh model expects closed lips."""

STILL_REACHES = (0.9, 1.0, 1.1)
"""A still picture is looked at in parts of these sizes, each also mirrored."""
COVERED = 0.85
"""The network is as sure as this that the mouth of a still picture is covered."""
STEADILY_COVERED = 0.88
"""The same for a video, where most of `STEADY_FRAMES` frames decide: a mouth that speaks looks odd for a moment."""
COVERED_FROM = 0.5
"""In a video, the frames before and after a covered mouth are covered too while it is as sure as this."""
STEADY_FRAMES = 7
MARGIN_FRAMES = 2
"""A hand that arrives covers half of the lips before the network is sure."""


MOUTH_COVERED = NoFace(
    "mouth_hidden",
    "something is in front of the mouth: a hand, a mask, a microphone?",
    f"uncover the mouth; if the lips are visible, add a landmarks.json: {LANDMARKS_FORMAT}",
)


class Covers:
    """The network, loaded on first use and run on one thread."""

    def probability(self, picture: Picture, mesh: Mesh) -> float:
        """How probable it is that something is in front of the mouth of a face, 0..1."""
        return self._probability([mouth_part(picture, mesh.points)], mesh)

    def is_covered(self, picture: Picture, mesh: Mesh) -> bool:
        """Whether something is in front of the mouth of a still picture."""
        parts = [mouth_part(picture, mesh.points, reach) for reach in STILL_REACHES]
        mirrored = [np.ascontiguousarray(part[:, ::-1]) for part in parts]
        return self._probability(parts + mirrored, mesh) >= COVERED

    def _probability(self, parts: list[Floats], mesh: Mesh) -> float:
        """From the mean of what the network says about several looks at one mouth."""
        if _gap(mesh.points) > OPEN_GAP:
            return 0.0
        return float(1 / (1 + np.exp(-np.mean([self._logit(part) for part in parts]))))

    def _logit(self, part: Floats) -> float:
        part = (part - part.mean()) / (part.std() + np.float32(CONTRAST_MIN))
        (logit,) = self._network.run(None, {"mouth": part[None, None]})
        return float(logit.reshape(-1)[0])

    @cached_property
    def _network(self) -> onnxruntime.InferenceSession:
        return session("covers.onnx")


def covered_frames(probabilities: NDArray[np.floating[Any]], found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """In which frames of a video the mouth is covered.

    `probabilities` [frames]: that it is, where a face was found; `found` [frames]: whether one was. A hand before a
    mouth may go on to cover the face: frames without a face beside covered ones are covered too.
    """
    covered = np.zeros(len(probabilities), bool)
    if not found.any():
        return covered
    frames = np.flatnonzero(found)
    probabilities = np.interp(np.arange(len(found)), frames, probabilities[frames])
    steady = _steady(probabilities)
    for start, stop in runs(np.maximum(probabilities, steady) >= COVERED_FROM):
        if (steady[start:stop] >= STEADILY_COVERED).any():
            covered[max(start - MARGIN_FRAMES, 0) : stop + MARGIN_FRAMES] = True
    for start, stop in runs(covered | ~found):
        if covered[start:stop].any():
            covered[start:stop] = True
    return covered


def _steady(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The median over some frames around each one [frames]."""
    padded = np.pad(values, STEADY_FRAMES // 2, "edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, STEADY_FRAMES), axis=1))


def _gap(points: Floats) -> float:
    """How far the lips are apart, in mouth widths."""
    upper, lower, left, right = points[list(LIPS), :2]
    return float(np.linalg.norm(lower - upper) / max(float(np.linalg.norm(right - left)), 1e-3))


def mouth_part(picture: Picture, points: Floats, reach: float = 1) -> Floats:
    """The face around the mouth, upright: grey levels [SIDE, SIDE]. `points`: its mesh [468, 2 or 3].

    `reach`: how much larger a part to take than usual.
    """
    eyes = points[[LEFT_EYE_OUTER, RIGHT_EYE_OUTER], :2]
    across = (eyes[1] - eyes[0]) * np.float32(REACH * reach / SIDE)
    middle = points[list(CONTOURS["lips_outer"]), :2].mean(0)
    grey, middle, across = _about(picture, middle, across)
    axes = np.array([[across[0], -across[1]], [across[1], across[0]]])
    place = np.column_stack([axes, middle - axes @ np.full(2, (SIDE - 1) / 2)])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(grey, place, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def _about(picture: Picture, middle: Floats, across: Floats) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """The surroundings of the mouth in grey, scaled down if they are large, and both vectors in them."""
    step, sides = max(float(np.hypot(*across)), 1e-3), np.array(picture.shape[1::-1])
    reach = ROOM * step * SIDE
    low = np.clip(np.floor(middle - reach), 0, sides - 2).astype(int)
    high = np.clip(np.ceil(middle + reach), low + 1, sides).astype(int)
    grey = cv2.cvtColor(picture[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    if step <= SHRUNK:
        return np.asarray(grey, np.uint8), (middle - low).astype(np.float32), across
    size = np.maximum(np.rint((high - low) / step), 1).astype(int)
    small = cv2.resize(grey, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    scale = (size / (high - low)).astype(np.float32)
    return np.asarray(small, np.uint8), ((middle - low + 0.5) * scale - 0.5).astype(np.float32), across * scale
