"""Finds an avatar's face in its picture, or follows it through its video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.checks import none_found, pose_problem, sharpness, yaw_degrees
from pipeline.avatars.faces.choice import ANY, Choice
from pipeline.avatars.faces.covers import MOUTH_COVERED, Covers, covered_frames
from pipeline.avatars.faces.finder import Detection, FaceFinder, Mesh
from pipeline.avatars.faces.following import Look, followed, light_on, lips_on_edges
from pipeline.avatars.faces.orientation import Turn, is_surely_upright, lies_turned, turn_needed, turn_of_face
from pipeline.avatars.faces.results import Faces, NoFace, filled
from pipeline.avatars.faces.small_faces import detect, detect_in_tiles
from pipeline.avatars.faces.smoothing import smooth_light, smoothed
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.avatars.settings import Box
from pipeline.media.clips import Cut

__all__ = ["VERSION", "Choice", "Faces", "NoFace", "find_in_clip", "find_in_part", "find_in_picture", "shifted_box"]

VERSION = 11
"""Version of the search: cached results of other versions are not used. Increment it when a change affects the faces,
landmarks or boxes that are found."""

SAMPLED_FRAMES = (0, *(4**power for power in range(8)))
"""Frames of a video in which the face's orientation is checked."""

BOX_OF_MESH = (0.0215, -0.1384, -0.0200, -0.0056)
"""Turns the mesh's bounding box into one like S3FD's, which Wav2Lip was trained with; relative to its width and height.
Fitted to boxes recovered from published results: median intersection over union 0.95."""

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


def find_in_part(picture: Picture, part: Cut, choice: Choice) -> Faces | NoFace:
    """Find the face in a part of a still picture. All coordinates are in pixels of the whole picture."""
    left, top, columns, rows = part
    cropped = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    if choice.face_box is not None:
        choice = Choice(shifted_box(choice.face_box, -left, -top))
    found = find_in_picture(cropped, choice)
    return found.moved(left, top) if isinstance(found, Faces) else found


def shifted_box(box: Box, right: int, down: int) -> Box:
    """The box, shifted to the right and down by that many pixels."""
    x1, y1, x2, y2 = box
    return x1 + right, y1 + down, x2 + right, y2 + down


def find_in_picture(picture: Picture, choice: Choice = ANY) -> Faces | NoFace:
    """Find the face in a still picture, RGB [height, width, 3]."""
    finder = FaceFinder()
    detections = detect(picture, finder) or detect_in_tiles(picture, finder)
    chosen = choice.among(detections)
    if choice.is_free and (turn := _turn(picture, chosen, finder)):
        return lies_turned(turn)
    if isinstance(chosen, NoFace):
        return chosen
    mesh = finder.mesh(picture, chosen)
    problem = pose_problem(mesh)
    if problem is not None:
        return problem
    if Covers().is_covered(picture, mesh):
        return MOUTH_COVERED
    others = tuple(face for face in detections if face is not chosen)
    look = Look(lips_on_edges(mesh, picture), False, light_on(picture, mesh), sharpness(picture, mesh), 0, others)
    return _faces([look], np.array([True]), np.array([False]))


def _turn(picture: Picture, chosen: Detection | NoFace, finder: FaceFinder) -> Turn:
    """How far to turn a picture so that the face that was found in it, or another one, is upright."""
    if isinstance(chosen, NoFace):
        return turn_needed([picture], finder)
    if is_surely_upright(chosen):
        return 0
    return turn_of_face(picture, chosen, finder) or turn_needed([picture], finder)


def find_in_clip(frames: Iterable[Picture], choice: Choice = ANY) -> Faces | NoFace:
    """Follow the face of a video through its frames, RGB [height, width, 3]."""
    samples: list[Picture] = []
    looks = list(followed(_sampled(frames, samples), choice))
    if choice.is_free and (turn := turn_needed(samples)):
        return lies_turned(turn, "video")
    found = np.array([isinstance(look.face, Mesh) for look in looks], bool)
    covered = covered_frames(np.array([look.cover for look in looks]), found)
    seen = found & ~covered
    if 2 * seen.sum() < len(seen) or not len(seen):
        faces = [MOUTH_COVERED if hidden else look.face for look, hidden in zip(looks, covered, strict=True)]
        return _mostly([face for face in faces if isinstance(face, NoFace)], len(seen))
    return _faces(looks, seen, covered)


def _sampled(frames: Iterable[Picture], samples: list[Picture]) -> Iterator[Picture]:
    """Pass frames through and keep some of them, the fewer the longer the video: numbers 0, 1, 4, 16, 64, ..."""
    for number, picture in enumerate(frames):
        if number in SAMPLED_FRAMES:
            samples.append(picture)
        yield picture


def _mostly(problems: list[NoFace], frames: int) -> NoFace:
    """Why most of a video's frames do not show a face that can speak: the most frequent reason."""
    if not problems:
        return none_found()
    code, count = Counter(problem.code for problem in problems).most_common(1)[0]
    problem = next(problem for problem in problems if problem.code == code)
    if len(problems) == frames == count:
        return problem
    visible = frames - len(problems)
    message = f"a face can be used in {visible} of {frames} frames, at least half are needed; in {count} of them "
    return replace(problem, message=message + problem.message)


def _faces(looks: list[Look], seen: NDArray[np.bool_], covered: NDArray[np.bool_]) -> Faces:
    """The faces of all frames from those that are `seen` [frames]."""
    frames, cuts = np.flatnonzero(seen), np.array([look.is_cut for look in looks])
    shown = [look for look, is_seen in zip(looks, seen, strict=True) if is_seen]
    meshes = np.stack([look.face.points for look in shown if isinstance(look.face, Mesh)])
    shots = np.cumsum(cuts)[frames]
    points = meshes if len(looks) == 1 else smoothed(meshes, frames, np.diff(shots, prepend=shots[0]) > 0)
    points = filled(points, seen, cuts)
    low, high = points[..., :2].min(1), points[..., :2].max(1)
    boxes = np.concatenate([low, high], 1) + np.array(BOX_OF_MESH) * np.tile(high - low, 2)
    light = filled(np.array([look.light for look in shown], np.float32), seen, cuts)
    others = next((look.others for look in looks if look.others), ())
    return Faces(
        FaceLandmarks.of_mesh(points),
        boxes.astype(np.float32),
        seen,
        covered,
        cuts,
        smooth_light(light, cuts),
        np.array([face.box for face in others], np.float32).reshape(-1, 4),
        np.array(np.median([yaw_degrees(points) for points in meshes]), np.float32),
        np.array(np.median([look.sharpness for look in shown]), np.float32),
    )
