"""Finds faces in a picture, and the 468 mesh points of each: MediaPipe's BlazeFace and face mesh.

Bazarevsky et al. 2019 (full-range model), Kartynnik et al. 2019. The models are Apache-2.0 and were converted by
`training/face_models.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

FOLDER = Path(__file__).parent
SIDE = 192
"""Input size of both models: squares of this many pixels."""
STRIDE = 4
"""The detector has one anchor in each 4 x 4 pixels."""
FACE_SCORE = 0.5
OVERLAP_MAX = 0.3
"""Detections with a larger intersection over union are the same face."""
CROP = 1.5
"""Side of the mesh model's crop, relative to the face's box."""
PASSES = 2
"""Passes of the mesh model: it is more accurate in a crop around the points of a first pass."""
MESH_POINTS = 468
LEFT_EYE_OUTER, RIGHT_EYE_OUTER = 33, 263
"""Mesh points: the outer corners of the eyes on the picture's left and right."""

Picture = NDArray[np.uint8]
"""[height, width, 3], RGB."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """One detected face, in pixels of the picture."""

    box: Floats
    """[4]: x1, y1, x2, y2."""
    eyes: Floats
    """[2, 2]: the middle of the eye on the picture's left, then on its right."""
    score: float
    """0..1."""

    @property
    def tilt_degrees(self) -> float:
        """How far the line of the eyes is turned clockwise."""
        across = self.eyes[1] - self.eyes[0]
        return float(np.degrees(np.arctan2(across[1], across[0])))


@dataclass(frozen=True)
class Mesh:
    """The mesh of one face."""

    points: Floats
    """[468, 3]: x, y in pixels of the picture; z in the same unit, negative towards the viewer."""
    presence: float
    """0..1: confidence that there is a face."""


class FaceFinder:
    """Runs both models, each loaded on first use and run on one thread."""

    def detect(self, picture: Picture) -> list[Detection]:
        """Detect all faces of a picture, largest first."""
        square, scale = _letterboxed(picture)
        values, logits = self._run(self._detector, square / np.float32(127.5) - 1)
        scores = 1 / (1 + np.exp(-logits.reshape(-1).astype(np.float64)))
        cells = np.flatnonzero(scores >= FACE_SCORE)
        per_row = SIDE // STRIDE
        anchors = (np.stack([cells % per_row, cells // per_row], 1) + 0.5) * STRIDE
        numbers = values[0, cells].reshape(-1, 8, 2) / scale
        found = [
            _detection(number, anchor / scale, float(score))
            for number, anchor, score in zip(numbers, anchors, scores[cells], strict=True)
        ]
        return distinct(found)

    def mesh(self, picture: Picture, face: Detection) -> Mesh:
        """The mesh of a detected face."""
        return self._refined(picture, _crop(face.box, face.eyes), PASSES)

    def follow(self, picture: Picture, before: Mesh) -> Mesh:
        """The mesh of a face whose mesh in the previous frame was `before`."""
        return self._refined(picture, crop_around(before.points), 1)

    def _refined(self, picture: Picture, crop: Floats, passes: int) -> Mesh:
        for _ in range(passes):
            mesh = self._mesh_in(picture, crop)
            crop = crop_around(mesh.points)
        return mesh

    def _mesh_in(self, picture: Picture, crop: Floats) -> Mesh:
        """The mesh in a crop, given as an affine map [2, 3] from the model's square to the picture."""
        values, logit = self._run(self._surface, square_in(picture, crop))
        points = values.reshape(MESH_POINTS, 3)
        scale = float(np.hypot(crop[0, 0], crop[1, 0]))
        flat = mapped(points[:, :2], crop)
        presence = float(1 / (1 + np.exp(-float(logit.reshape(-1)[0]))))
        return Mesh(np.column_stack([flat, points[:, 2] * scale]).astype(np.float32), presence)

    @staticmethod
    def _run(session: onnxruntime.InferenceSession, square: NDArray[Any]) -> list[Floats]:
        outputs: list[Floats] = session.run(None, {session.get_inputs()[0].name: square[None].astype(np.float32)})
        return outputs

    @cached_property
    def _detector(self) -> onnxruntime.InferenceSession:
        return session("detector.onnx")

    @cached_property
    def _surface(self) -> onnxruntime.InferenceSession:
        return session("mesh.onnx")


@cache
def session(file: str) -> onnxruntime.InferenceSession:
    """A model of this folder, run on one thread. It is loaded once: that takes as long as several faces."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(FOLDER / file), options, providers=["CPUExecutionProvider"])


def _letterboxed(picture: Picture) -> tuple[Picture, float]:
    """The picture scaled into the upper left corner of the model's square, and the scale."""
    rows, columns = picture.shape[:2]
    scale = SIDE / max(rows, columns)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return square, scale


def _detection(numbers: NDArray[np.float64], anchor: NDArray[np.float64], score: float) -> Detection:
    """`numbers` [8, 2]: middle, size, then six points, two of them eyes. All but size are relative to the anchor."""
    middle, size = numbers[0] + anchor, numbers[1]
    box = np.concatenate([middle - size / 2, middle + size / 2]).astype(np.float32)
    return Detection(box, (numbers[2:4] + anchor).astype(np.float32), score)


def distinct(found: list[Detection]) -> list[Detection]:
    """The best detection of each face, largest first."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda one: -one.score):
        if all(overlap(detection.box, other.box) <= OVERLAP_MAX for other in kept):
            kept.append(detection)
    return sorted(kept, key=lambda one: -_area(one.box))


def overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes."""
    shared = _area(np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])]))
    return shared / max(_area(one) + _area(other) - shared, 1e-9)


def _area(box: Floats) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def crop_around(points: Floats) -> Floats:
    """The affine map [2, 3] from the mesh model's square to a square around a face whose mesh [468, 3] is known."""
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    return _crop(box, points[[LEFT_EYE_OUTER, RIGHT_EYE_OUTER], :2])


def square_in(picture: Picture, crop: Floats) -> Floats:
    """What a crop shows: the input of the mesh model, [192, 192, 3], 0..1."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, crop, (SIDE, SIDE), flags=flags) / np.float32(255), np.float32)


def mapped(points: NDArray[Any], by: NDArray[Any]) -> NDArray[Any]:
    """Points [..., 2] mapped by an affine map [2, 3]."""
    return np.asarray(points @ by[:, :2].T + by[:, 2])


def _crop(box: Floats, eyes: Floats) -> Floats:
    """The affine map [2, 3] from the model's square to a square around the box, rotated to the line of the eyes."""
    across = eyes[1] - eyes[0]
    right = across / max(float(np.hypot(*across)), 1e-6)
    side = CROP * float(max(box[2] - box[0], box[3] - box[1]))
    axes = np.array([[right[0], -right[1]], [right[1], right[0]]]) * side / SIDE
    middle = (box[:2] + box[2:]) / 2
    return np.column_stack([axes, middle - axes @ np.full(2, SIDE / 2)]).astype(np.float32)
