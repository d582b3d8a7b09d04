"""Checks whether a face can speak: large enough, turned to the viewer; and how sharp it is."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.avatars.faces.finder import Floats, Mesh, Picture
from pipeline.avatars.faces.results import NoFace

PRESENCE_MIN = 0.5
FACE_PIXELS_MIN = 48
"""Minimum height of a face, forehead to chin."""
YAW_MAX_DEGREES = 38.0
"""Beyond this angle half of the mouth is hidden."""
SHARPNESS_PIXELS = 128
"""Height of a face in which its details are compared."""

CHEEKS = (234, 454)
"""Mesh points next to the picture's left and right ear."""


def none_found() -> NoFace:
    """The result when no face was found."""
    hint = "use a well-lit picture of one face from the front, or set face_box: [x1, y1, x2, y2] in avatar.yaml"
    return NoFace("no_face", "no face was found", hint)


def pose_problem(mesh: Mesh) -> NoFace | None:
    """Why a face is too small or turned too far to speak; None if it can."""
    if mesh.presence < PRESENCE_MIN:
        return none_found()
    low, high = mesh.points[:, :2].min(0), mesh.points[:, :2].max(0)
    if high[1] - low[1] < FACE_PIXELS_MIN:
        message = f"the face is {int(high[1] - low[1])} pixels high, at least {FACE_PIXELS_MIN} are needed"
        hint = "use a picture in which the face is larger"
        return NoFace("face_too_small", message, hint)
    yaw = yaw_degrees(mesh.points)
    if yaw > YAW_MAX_DEGREES:
        message = f"the face is turned {yaw:.0f} degrees to the side, the limit is {YAW_MAX_DEGREES:.0f}"
        return NoFace("profile", message, "use a picture taken from the front")
    return None


def yaw_degrees(points: Floats) -> float:
    """How far the face of a mesh [468, 3] is turned to the side."""
    across = points[CHEEKS[1]] - points[CHEEKS[0]]
    return float(np.degrees(np.arctan2(abs(across[2]), np.hypot(across[0], across[1]))))


def sharpness(picture: Picture, mesh: Mesh) -> float:
    """How much detail a face shows at `SHARPNESS_PIXELS` of height: the part of its contrast that is in fine detail."""
    sides = np.array(picture.shape[1::-1])
    low = np.clip(mesh.points[:, :2].min(0), 0, sides - 2).astype(int)
    high = np.clip(mesh.points[:, :2].max(0), low + 2, sides).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    scale = SHARPNESS_PIXELS / (high[1] - low[1])
    size = max(round((high[0] - low[0]) * scale), 1), SHARPNESS_PIXELS
    face = cv2.cvtColor(cv2.resize(part, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float((face - cv2.GaussianBlur(face, (0, 0), 2)).std() / max(float(face.std()), 1.0))
