"""Checks whether a face can speak: large enough, turned to the viewer, its mouth visible."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.finder import Floats, Mesh, Picture
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.landmarks import LANDMARKS_FORMAT, FaceLandmarks

PRESENCE_MIN = 0.5
FACE_PIXELS_MIN = 48
"""Minimum height of a face, forehead to chin."""
YAW_MAX_DEGREES = 38.0
"""Beyond this angle half of the mouth is hidden."""
LIPS_VISIBLE = 3.0
"""Minimum difference between lips and skin, or between the lips and their seam, in CIELAB units."""
GRAIN = 0.03
"""In mouth widths: anything smaller is noise, not a feature of the mouth."""

SHARPNESS_PIXELS = 128
"""Height of a face in which its details are compared."""

CHEEKS = (234, 454)
"""Mesh points next to the picture's left and right ear."""


def none_found() -> NoFace:
    """The result when no face was found."""
    hint = "use a well-lit picture of one face from the front, or set face_box: [x1, y1, x2, y2] in avatar.yaml"
    return NoFace("no_face", "no face was found", hint)


def picture_problem(picture: Picture, mesh: Mesh) -> NoFace | None:
    """Why the face of a still picture cannot speak; None if it can."""
    if mesh.presence < PRESENCE_MIN:
        return none_found()
    return pose_problem(mesh) or _mouth_problem(picture, FaceLandmarks.of_mesh(mesh.points))


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


def _mouth_problem(picture: Picture, face: FaceLandmarks) -> NoFace | None:
    """Detects a mask, a hand or a microphone in front of the mouth: it lacks the colour of lips and their seam."""
    picture, face = _about_mouth(picture, face)
    lips = _colour(picture, (face.lips_outer[1:10] + face.lips_inner[1:10]) / 2)
    lower = _colour(picture, (face.lips_outer[11:20] + face.lips_inner[11:20]) / 2)
    middle = face.lips_outer.mean(0)
    skin = _colour(picture, middle + 1.45 * (face.lips_outer - middle))
    seam = _colour(picture, (face.lips_inner[3:8] + face.lips_inner[13:18][::-1]) / 2)
    contrast = max(np.linalg.norm(lips - skin), np.linalg.norm(lower - skin), np.linalg.norm(seam - (lips + lower) / 2))
    if contrast >= LIPS_VISIBLE:
        return None
    hint = f"uncover the mouth; if the lips are visible, add a landmarks.json: {LANDMARKS_FORMAT}"
    return NoFace("mouth_hidden", "no lips are visible where the mouth should be", hint)


def _about_mouth(picture: Picture, face: FaceLandmarks) -> tuple[Picture, FaceLandmarks]:
    """The picture around the mouth, blurred to suppress grain, and the face in its pixels."""
    rows, columns = picture.shape[:2]
    width = float(np.ptp(face.lips_outer[:, 0]))
    low = np.clip(face.lips_outer.min(0) - width / 2, 0, (columns - 1, rows - 1)).astype(int)
    high = np.clip(face.lips_outer.max(0) + width / 2, low + 1, (columns, rows)).astype(int)
    part = cv2.GaussianBlur(picture[low[1] : high[1], low[0] : high[0]], (0, 0), max(GRAIN * width, 0.1))
    return np.asarray(part, np.uint8), face.transformed(1, *low)


def _colour(picture: Picture, points: NDArray[np.floating[Any]]) -> Floats:
    """The median CIELAB colour at points [n, 2]: [3]."""
    rows, columns = picture.shape[:2]
    x, y = np.clip(np.rint(points).astype(int), 0, (columns - 1, rows - 1)).T
    colours = cv2.cvtColor((picture[y, x] / np.float32(255))[None].astype(np.float32), cv2.COLOR_RGB2LAB)
    return np.asarray(np.median(colours[0], 0), np.float32)
