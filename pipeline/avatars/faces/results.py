"""The face of an avatar in each of its frames, or the reason why none can be used."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.errors import JobError
from pipeline.media.clips import Cut
from pipeline.media.runs import runs

SHOWN = 0.5
"""Smallest part of a face that a frame must show."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """One face in each frame of an avatar, in pixels of the picture. A still picture is one frame."""

    landmarks: FaceLandmarks
    """Its contours have a leading axis, [frames, points, 2]."""
    boxes: Floats
    """[frames, 4]: x1, y1, x2, y2, like the boxes that Wav2Lip's checkpoints were trained with."""
    seen: NDArray[np.bool_]
    """[frames]: whether the face was seen and can speak; elsewhere landmarks and boxes are interpolated."""
    covered: NDArray[np.bool_]
    """[frames]: whether the face is not seen because something is in front of its mouth."""
    cuts: NDArray[np.bool_]
    """[frames]: whether the frame begins a new shot."""
    light: Floats
    """[frames]: brightness of the skin, 0..255, without flicker."""
    others: Floats
    """[n, 4]: boxes of other faces in the first frame with a face."""
    turned_degrees: NDArray[np.float32]
    """[]: how far the face is turned to the side in most of the frames in which it is seen."""
    sharpness: NDArray[np.float32]
    """[]: how much detail it shows: `checks.sharpness`."""

    def scaled(self, factor: tuple[float, float]) -> Faces:
        """The same faces after the picture was scaled in x and y."""
        landmarks = self.landmarks.transformed(factor, 0, 0)
        by = np.array(factor * 2, np.float32)
        return replace(self, landmarks=landmarks, boxes=self.boxes * by, others=self.others * by)

    def moved(self, right: int, down: int) -> Faces:
        """The same faces in a picture extended by `right` pixels on the left and `down` pixels at the top."""
        offset = np.array((right, down) * 2, np.float32)
        landmarks = self.landmarks.transformed(1, -right, -down)
        return replace(self, landmarks=landmarks, boxes=self.boxes + offset, others=self.others + offset)

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """Spans [start, stop) of frames in which the face was not seen."""
        return runs(~self.seen)

    def within(self, cut: Cut) -> Faces | NoFace:
        """The faces inside `cut`; a face with less than half of its area in it counts as not seen."""
        left, top, columns, rows = cut
        low = np.maximum(self.boxes[:, :2], (left, top))
        high = np.minimum(self.boxes[:, 2:], (left + columns, top + rows))
        shown = np.clip(high - low, 0, None).prod(1) > SHOWN * (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
        seen = self.seen & shown
        if 2 * seen.sum() < len(seen):
            hint = "choose a size with another aspect ratio, or a video with the face in the middle"
            message = f"the face is outside the frames in {np.count_nonzero(~seen)} of {len(seen)} frames of the video"
            return NoFace("no_face", message, hint)
        landmarks = self.landmarks.each(lambda points: filled(points[seen], seen, self.cuts))
        return replace(self, landmarks=landmarks, boxes=filled(self.boxes[seen], seen, self.cuts), seen=seen)

    def save(self, path: Path) -> None:
        """Write to a file, for `load`."""
        contours = {field.name: getattr(self.landmarks, field.name) for field in fields(self.landmarks)}
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "landmarks"}
        with path.open("wb") as file:
            np.savez(file, **own, **contours)


@dataclass(frozen=True)
class NoFace:
    """The reason why an avatar's face cannot be used."""

    code: str
    message: str
    hint: str

    def error(self) -> JobError:
        """The error for a job that needs the face."""
        return JobError(self.code, self.message, field="avatar", hint=self.hint)

    def save(self, path: Path) -> None:
        """Write to a file, for `load`."""
        with path.open("wb") as file:
            np.savez(file, problem=json.dumps([self.code, self.message, self.hint]))


def load(file: BinaryIO) -> Faces | NoFace:
    """Read what `Faces.save` or `NoFace.save` wrote."""
    with np.load(file) as arrays:
        if "problem" in arrays:
            return NoFace(*json.loads(str(arrays["problem"])))
        landmarks = FaceLandmarks(**{field.name: arrays[field.name] for field in fields(FaceLandmarks)})
        own: dict[str, Any] = {field.name: arrays[field.name] for field in fields(Faces) if field.name != "landmarks"}
        return Faces(landmarks, **own)


def filled(values: Floats, seen: NDArray[np.bool_], cuts: NDArray[np.bool_]) -> Floats:
    """Fill values [n, ...] of the n frames that show the face up to all frames.

    They are interpolated within a shot, never across a cut, where the nearest frame of the same shot counts. `cuts`
    [frames]: whether a frame begins a new shot.
    """
    numbers, frames = np.arange(len(seen)), np.flatnonzero(seen)
    high = np.searchsorted(frames, numbers).clip(max=len(frames) - 1)
    low = np.where(seen, high, high - 1).clip(min=0)
    high = np.where(numbers > frames[-1], len(frames) - 1, high)
    low = np.where(numbers > frames[-1], len(frames) - 1, low)
    shots = np.cumsum(cuts)
    in_low, in_high = shots[frames[low]] == shots, shots[frames[high]] == shots
    high = np.where(in_low & ~in_high, low, high)
    low = np.where(in_high & ~in_low, high, low)
    part = (numbers - frames[low]) / np.maximum(frames[high] - frames[low], 1)
    part = part.clip(0, 1).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[low] * (1 - part) + values[high] * part, np.float32)
