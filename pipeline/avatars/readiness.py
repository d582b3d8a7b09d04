"""Whether an avatar can speak in frames of a size: what a job needs to know, without rendering a frame."""

from __future__ import annotations

import numpy as np

from pipeline.avatars.avatar import Avatar, Placement
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.errors import JobError
from pipeline.messages import FrameSize

MOUTH_PIXELS_MIN = 4
"""A narrower mouth cannot be moved."""
EDGE_PIXELS = 2
"""Lips that are nearer to the frame's edge are cut off."""
EDGES = ("left", "upper", "right", "lower")


def check(avatar: Avatar, size: FrameSize | None = None) -> Placement:
    """Check an avatar as a job with the built-in engine does; return where its face is.

    `size`: of the job's frames; None: the avatar's own. Raises JobError with the job's code and hint.
    """
    place = avatar.placed(size)
    if isinstance(place.landmarks, NoFace):
        raise place.landmarks.error()
    check_mouth(place.landmarks, place.size)
    return place


def check_mouth(landmarks: FaceLandmarks, size: tuple[int, int]) -> None:
    """Raise JobError if the lips are cut off in most of the frames, or too small to be moved.

    `landmarks`: of one frame, or with a leading axis of frames; `size`: width and height of the frames.
    """
    lips = landmarks.lips_outer.reshape(-1, 20, 2)
    corners = landmarks.lips_inner.reshape(-1, 20, 2)[:, [0, 10]]
    if np.median(np.hypot(*(corners[:, 1] - corners[:, 0]).T)) < MOUTH_PIXELS_MIN:
        message = f"the mouth is less than {MOUTH_PIXELS_MIN} pixels wide"
        hint = "use a larger frame size, or a picture cropped closer to the face"
        raise JobError("no_face", message, field="size", hint=hint)
    low, high = lips.min(1) < EDGE_PIXELS, lips.max(1) > np.array(size) - 1 - EDGE_PIXELS
    outside = np.concatenate([low, high], 1)
    if outside.any(1).mean() > 0.5:
        edge = EDGES[int(outside.sum(0).argmax())]
        message = f"the mouth is not inside the frame: it is cut off at the {edge} edge"
        hint = "use a picture that shows the whole mouth and chin, or choose another frame size"
        raise JobError("no_face", message, field="size", hint=hint)
