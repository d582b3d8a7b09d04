"""Finds an avatar's face in its picture, or follows it through its video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.checks import PRESENCE_MIN, none_found, picture_problem, pose_problem
from pipeline.avatars.faces.finder import Detection, FaceFinder, Mesh
from pipeline.avatars.faces.lip_edges import on_lip_edges
from pipeline.avatars.faces.orientation import lies_turned, turn_needed
from pipeline.avatars.faces.results import Faces, NoFace, filled
from pipeline.avatars.faces.smoothing import jumps, smoothed
from pipeline.avatars.landmarks import CONTOURS, FaceLandmarks
from pipeline.avatars.settings import Box
from pipeline.media.clips import Cut

__all__ = ["VERSION", "Faces", "NoFace", "find_in_clip", "find_in_part", "find_in_picture", "shifted_box"]

VERSION = 2
"""Version of the search: cached results of other versions are not used. Increment it when a change affects the faces,
landmarks or boxes that are found."""

SAMPLED_FRAMES = (0, *(4**power for power in range(8)))
"""Frames of a video in which the face's orientation is checked."""

SECOND_FACE = 0.6
"""If another face is at least this large, relative to the largest, it is ambiguous which one should speak."""

BOX_OF_MESH = (0.0215, -0.1384, -0.0200, -0.0056)
"""Turns the mesh's bounding box into one like S3FD's, which Wav2Lip was trained with; relative to its width and height.
Fitted to boxes recovered from published results: median intersection over union 0.95."""

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


def find_in_part(picture: Picture, part: Cut, face_box: Box | None) -> Faces | NoFace:
    """Find the face in a part of a still picture. All coordinates are in pixels of the whole picture."""
    left, top, columns, rows = part
    cropped = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    found = find_in_picture(cropped, None if face_box is None else shifted_box(face_box, -left, -top))
    return found.moved(left, top) if isinstance(found, Faces) else found


def shifted_box(box: Box, right: int, down: int) -> Box:
    """The box, shifted to the right and down by that many pixels."""
    x1, y1, x2, y2 = box
    return x1 + right, y1 + down, x2 + right, y2 + down


def find_in_picture(picture: Picture, face_box: Box | None) -> Faces | NoFace:
    """Find the face in a still picture, RGB [height, width, 3]; if `face_box` is given, the face inside it."""
    finder = FaceFinder()
    if face_box is None and (turn := turn_needed([picture], finder)):
        return lies_turned(turn)
    chosen = _chosen(finder.detect(picture), face_box)
    if isinstance(chosen, NoFace):
        return chosen
    mesh = finder.mesh(picture, chosen)
    problem = picture_problem(picture, mesh)
    return problem or _faces(_on_lip_edges(mesh, picture).points[None], np.array([True]))


def find_in_clip(frames: Iterable[Picture], face_box: Box | None) -> Faces | NoFace:
    """Follow the face of a video through its frames, RGB [height, width, 3]."""
    samples: list[Picture] = []
    found = list(_followed(_sampled(frames, samples), face_box))
    if face_box is None and (turn := turn_needed(samples)):
        return lies_turned(turn, "video")
    meshes = [one if isinstance(one, Mesh) else None for one in found]
    seen = np.array([mesh is not None for mesh in meshes], bool)
    if 2 * seen.sum() < len(seen) or not len(seen):
        return _mostly([one for one in found if isinstance(one, NoFace)], len(seen))
    points = smoothed(np.stack([mesh.points for mesh in meshes if mesh is not None]), np.flatnonzero(seen))
    return _faces(filled(points, seen), seen)


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


def _followed(frames: Iterable[Picture], face_box: Box | None) -> Iterator[Mesh | NoFace]:
    """The face in each frame. The detector runs only if the face was not in the previous frame."""
    finder, before = FaceFinder(), None
    for picture in frames:
        mesh = None if before is None else _found_again(finder, picture, before)
        if mesh is None or mesh.presence < PRESENCE_MIN:
            chosen = _chosen(finder.detect(picture), face_box)
            if isinstance(chosen, NoFace):
                before = None
                yield chosen
                continue
            mesh = finder.mesh(picture, chosen)
        problem = pose_problem(mesh)
        before = mesh if mesh.presence >= PRESENCE_MIN else None
        yield problem or _on_lip_edges(mesh, picture)


def _on_lip_edges(mesh: Mesh, picture: Picture) -> Mesh:
    """The mesh with the inner edges of its lips moved to where the picture shows them."""
    points, inner = mesh.points.copy(), list(CONTOURS["lips_inner"])
    points[inner, :2] = on_lip_edges(points[inner, :2], picture)
    return replace(mesh, points=points)


def _found_again(finder: FaceFinder, picture: Picture, before: Mesh) -> Mesh:
    mesh = finder.follow(picture, before)
    jumped = jumps(np.stack([before.points, mesh.points])).any()
    # After a jump the crop around the old position is off; a second pass starts from the new one.
    return finder.follow(picture, mesh) if jumped else mesh


def _chosen(detections: list[Detection], face_box: Box | None) -> Detection | NoFace:
    """The face that should speak: the one in `face_box`, or the largest if no other is of similar size."""
    if face_box is not None:
        return _in_box(detections, np.asarray(face_box, np.float32))
    if not detections:
        return none_found()
    first, *others = detections
    if others and _height(others[0].box) >= SECOND_FACE * _height(first.box):
        return NoFace(
            "several_faces",
            f"found {1 + len(others)} faces, and it is not clear which one should speak",
            "set crop or face_box: [x1, y1, x2, y2] in avatar.yaml around the one that should speak",
        )
    return first


def _in_box(detections: list[Detection], box: Floats) -> Detection:
    """The face whose middle is in the box; if none was detected there, the user's box is taken as the face."""
    for detection in detections:
        middle = (detection.box[:2] + detection.box[2:]) / 2
        if (middle >= box[:2]).all() and (middle <= box[2:]).all():
            return detection
    width, height = box[2] - box[0], box[3] - box[1]
    eyes = box[:2] + np.array([[0.3 * width, 0.4 * height], [0.7 * width, 0.4 * height]], np.float32)
    return Detection(box, eyes, 0.0)


def _faces(points: Floats, seen: NDArray[np.bool_]) -> Faces:
    low, high = points[..., :2].min(1), points[..., :2].max(1)
    size = np.tile(high - low, 2)
    boxes = np.concatenate([low, high], 1) + np.array(BOX_OF_MESH) * size
    return Faces(FaceLandmarks.of_mesh(points), boxes.astype(np.float32), seen)


def _height(box: Floats) -> float:
    return float(box[3] - box[1])
