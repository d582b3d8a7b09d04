"""Where an avatar's face is: found in its picture, or followed through its video."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.finder import Detection, FaceFinder, Mesh
from pipeline.avatars.faces.lip_edges import on_lip_edges
from pipeline.avatars.landmarks import CONTOURS, FaceLandmarks
from pipeline.avatars.settings import Box
from pipeline.errors import JobError
from pipeline.media.clips import Cut
from pipeline.media.runs import runs

VERSION = 1
"""Of all that this module finds: what an earlier version has found is not used."""

PRESENCE_MIN = 0.5
SHOWN = 0.5
"""Least part of a face that a frame must show."""
FACE_PIXELS_MIN = 64
"""Least height of a face, forehead to chin."""
SECOND_FACE = 0.6
"""Another face that is at least so large, compared with the largest, makes it unclear whose mouth shall move."""
YAW_MAX_DEGREES = 38.0
"""Further to the side half of the mouth is hidden."""
LIPS_VISIBLE = 3.0
"""Least difference between lips and skin, or the lips' seam and the lips, in CIELAB units."""
GRAIN = 0.03
"""In widths of the mouth: what is smaller than this is none of its features."""

CHEEKS = (234, 454)
"""Mesh points beside the picture's left and right ear."""

STILL_POINTS = (33, 133, 362, 263, 6, 168, 129, 358, 2)
"""Mesh points of eyes and nose, which do not move when the face speaks."""
HEAD_SMOOTH_FRAMES, FEATURE_SMOOTH_FRAMES = 2.0, 1.0
"""Widths (sigma) of the windows over the head's movement and over that of the features within it."""
JUMP = 0.1
"""A face with a point that moves by this much of its height from frame to frame is that of another shot."""

BOX_OF_MESH = (0.0215, -0.1384, -0.0200, -0.0056)
"""From the mesh's bounding box to one like S3FD's, which Wav2Lip was trained with, in parts of its width and height.
Fitted to boxes that could be recovered from published results: median intersection over union 0.95."""

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Faces:
    """One face in each frame of an avatar; a still picture is one frame. In pixels of the picture."""

    landmarks: FaceLandmarks
    """Its contours have a leading axis, [frames, points, 2]."""
    boxes: Floats
    """[frames, 4]: x1, y1, x2, y2, like those that Wav2Lip's checkpoints were trained with."""
    seen: NDArray[np.bool_]
    """[frames]: whether the face was seen; where it was not, the rest is interpolated."""

    def scaled(self, factor: tuple[float, float]) -> Faces:
        """The same in a picture that was scaled in x and y."""
        landmarks = self.landmarks.transformed(factor, 0, 0)
        return replace(self, landmarks=landmarks, boxes=self.boxes * np.array(factor * 2, np.float32))

    def moved(self, right: int, down: int) -> Faces:
        """The same in a picture that has so many more pixels at its left and its top."""
        offset = np.array((right, down) * 2, np.float32)
        return replace(self, landmarks=self.landmarks.transformed(1, -right, -down), boxes=self.boxes + offset)

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """Stretches [start, stop) of frames in which the face was not seen."""
        return runs(~self.seen)

    def within(self, cut: Cut) -> Faces | NoFace:
        """As if the face had not been seen where a part of the picture does not show most of it."""
        left, top, columns, rows = cut
        low = np.maximum(self.boxes[:, :2], (left, top))
        high = np.minimum(self.boxes[:, 2:], (left + columns, top + rows))
        shown = np.clip(high - low, 0, None).prod(1) > SHOWN * (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)
        seen = self.seen & shown
        if not seen.any():
            hint = "give a size of other proportions, or a video with the face in its middle"
            return NoFace("no_face", "the face lies outside the frames", hint)
        return Faces(
            self.landmarks.each(lambda points: _filled(points[seen], seen)), _filled(self.boxes[seen], seen), seen
        )

    def save(self, path: Path) -> None:
        """Write to a file."""
        contours = {field.name: getattr(self.landmarks, field.name) for field in fields(self.landmarks)}
        with path.open("wb") as file:
            np.savez(file, boxes=self.boxes, seen=self.seen, **contours)


@dataclass(frozen=True)
class NoFace:
    """Why an avatar's face cannot be used."""

    code: str
    message: str
    hint: str

    def error(self) -> JobError:
        """As the error of a job that needs the face."""
        return JobError(self.code, self.message, field="avatar", hint=self.hint)

    def save(self, path: Path) -> None:
        """Write to a file."""
        with path.open("wb") as file:
            np.savez(file, problem=json.dumps([self.code, self.message, self.hint]))


def load(file: BinaryIO) -> Faces | NoFace:
    """Read what either of them has saved."""
    with np.load(file) as arrays:
        if "problem" in arrays:
            return NoFace(*json.loads(str(arrays["problem"])))
        landmarks = FaceLandmarks(**{field.name: arrays[field.name] for field in fields(FaceLandmarks)})
        return Faces(landmarks, arrays["boxes"], arrays["seen"])


def find_in_part(picture: Picture, part: Cut, face_box: Box | None) -> Faces | NoFace:
    """Find the face in a part of a still picture, as if the rest were not there; all in pixels of the picture."""
    left, top, columns, rows = part
    cropped = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    found = find_in_picture(cropped, None if face_box is None else moved_box(face_box, -left, -top))
    return found.moved(left, top) if isinstance(found, Faces) else found


def moved_box(box: Box, right: int, down: int) -> Box:
    """The box so many pixels further to the right and down."""
    x1, y1, x2, y2 = box
    return x1 + right, y1 + down, x2 + right, y2 + down


def find_in_picture(picture: Picture, face_box: Box | None) -> Faces | NoFace:
    """Find the face of a still picture, RGB [height, width, 3]; the one in `face_box` if that is given."""
    finder = FaceFinder()
    chosen = _chosen(finder.detect(picture), face_box)
    if isinstance(chosen, NoFace):
        return chosen
    mesh = finder.mesh(picture, chosen)
    problem = _problem(picture, mesh)
    return problem or _faces(_on_lip_edges(mesh, picture).points[None], np.array([True]))


def find_in_clip(frames: Iterable[Picture], face_box: Box | None) -> Faces | NoFace:
    """Follow the face of a video through its frames, RGB [height, width, 3]."""
    found = list(_followed(frames, face_box))
    problem = next((one for one in found if isinstance(one, NoFace)), None)
    meshes = [one if isinstance(one, Mesh) else None for one in found]
    seen = np.array([mesh is not None for mesh in meshes], bool)
    if not seen.any():
        return problem or _none_found()
    points = _smoothed(np.stack([mesh.points for mesh in meshes if mesh is not None]), np.flatnonzero(seen))
    return _faces(_filled(points, seen), seen)


def _followed(frames: Iterable[Picture], face_box: Box | None) -> Iterator[Mesh | NoFace]:
    """What is found in each frame: the face is looked for only where it was not in the frame before."""
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
        problem = _pose_problem(mesh)
        before = mesh if mesh.presence >= PRESENCE_MIN else None
        yield problem or _on_lip_edges(mesh, picture)


def _on_lip_edges(mesh: Mesh, picture: Picture) -> Mesh:
    """The mesh, the inner edges of its lips where the picture shows them."""
    points, inner = mesh.points.copy(), list(CONTOURS["lips_inner"])
    points[inner, :2] = on_lip_edges(points[inner, :2], picture)
    return replace(mesh, points=points)


def _found_again(finder: FaceFinder, picture: Picture, before: Mesh) -> Mesh:
    mesh = finder.follow(picture, before)
    jumped = _jumps(np.stack([before.points, mesh.points])).any()
    # Where it was before it is then seen askew.
    return finder.follow(picture, mesh) if jumped else mesh


def _chosen(detections: list[Detection], face_box: Box | None) -> Detection | NoFace:
    """The face that shall speak: the one in the given box, or the one that is by far the largest."""
    if face_box is not None:
        return _in_box(detections, np.asarray(face_box, np.float32))
    if not detections:
        return _none_found()
    first, *others = detections
    if others and _height(others[0].box) >= SECOND_FACE * _height(first.box):
        return NoFace(
            "several_faces",
            f"there are {1 + len(others)} faces, and it is not clear which one shall speak",
            "set crop: [x1, y1, x2, y2] in avatar.yaml about the one that shall speak, or face_box",
        )
    return first


def _in_box(detections: list[Detection], box: Floats) -> Detection:
    """The face whose middle is in the box; if none was detected there, the user knows better."""
    for detection in detections:
        middle = (detection.box[:2] + detection.box[2:]) / 2
        if (middle >= box[:2]).all() and (middle <= box[2:]).all():
            return detection
    width, height = box[2] - box[0], box[3] - box[1]
    eyes = box[:2] + np.array([[0.3 * width, 0.4 * height], [0.7 * width, 0.4 * height]], np.float32)
    return Detection(box, eyes, 0.0)


def _none_found() -> NoFace:
    hint = "take a picture of one face from the front, well lit, or set face_box: [x1, y1, x2, y2] in avatar.yaml"
    return NoFace("no_face", "no face was found", hint)


def _problem(picture: Picture, mesh: Mesh) -> NoFace | None:
    """Why a still picture's face cannot speak."""
    if mesh.presence < PRESENCE_MIN:
        return _none_found()
    return _pose_problem(mesh) or _mouth_problem(picture, FaceLandmarks.of_mesh(mesh.points))


def _pose_problem(mesh: Mesh) -> NoFace | None:
    if mesh.presence < PRESENCE_MIN:
        return _none_found()
    low, high = mesh.points[:, :2].min(0), mesh.points[:, :2].max(0)
    if high[1] - low[1] < FACE_PIXELS_MIN:
        message = f"the face is {high[1] - low[1]:.0f} pixels high, {FACE_PIXELS_MIN} are needed"
        return NoFace("face_too_small", message, "take a larger one; of a large video set crop in avatar.yaml")
    across = mesh.points[CHEEKS[1]] - mesh.points[CHEEKS[0]]
    yaw = float(np.degrees(np.arctan2(abs(across[2]), np.hypot(across[0], across[1]))))
    if yaw > YAW_MAX_DEGREES:
        message = f"the face looks {yaw:.0f} degrees to the side, up to {YAW_MAX_DEGREES:.0f} are possible"
        return NoFace("profile", message, "take a picture from the front")
    return None


def _mouth_problem(picture: Picture, face: FaceLandmarks) -> NoFace | None:
    """A mask, a hand or a microphone before the mouth has neither lips' colour nor their seam."""
    picture, face = _about_mouth(picture, face)
    lips = _colour(picture, (face.lips_outer[1:10] + face.lips_inner[1:10]) / 2)
    lower = _colour(picture, (face.lips_outer[11:20] + face.lips_inner[11:20]) / 2)
    middle = face.lips_outer.mean(0)
    skin = _colour(picture, middle + 1.45 * (face.lips_outer - middle))
    seam = _colour(picture, (face.lips_inner[3:8] + face.lips_inner[13:18][::-1]) / 2)
    contrast = max(np.linalg.norm(lips - skin), np.linalg.norm(lower - skin), np.linalg.norm(seam - (lips + lower) / 2))
    if contrast >= LIPS_VISIBLE:
        return None
    hint = "nothing may cover the mouth; if the lips can be seen, give landmarks.json (docs/avatars.md)"
    return NoFace("mouth_hidden", "no lips can be made out where the mouth should be", hint)


def _about_mouth(picture: Picture, face: FaceLandmarks) -> tuple[Picture, FaceLandmarks]:
    """The part about the mouth without its grain, and the face in it."""
    rows, columns = picture.shape[:2]
    width = float(np.ptp(face.lips_outer[:, 0]))
    low = np.clip(face.lips_outer.min(0) - width / 2, 0, (columns - 1, rows - 1)).astype(int)
    high = np.clip(face.lips_outer.max(0) + width / 2, low + 1, (columns, rows)).astype(int)
    part = cv2.GaussianBlur(picture[low[1] : high[1], low[0] : high[0]], (0, 0), max(GRAIN * width, 0.1))
    return np.asarray(part, np.uint8), face.transformed(1, *low)


def _colour(picture: Picture, points: NDArray[np.floating[Any]]) -> Floats:
    """The median colour at some points, CIELAB."""
    rows, columns = picture.shape[:2]
    x, y = np.clip(np.rint(points).astype(int), 0, (columns - 1, rows - 1)).T
    colours = cv2.cvtColor((picture[y, x] / np.float32(255))[None].astype(np.float32), cv2.COLOR_RGB2LAB)
    return np.asarray(np.median(colours[0], 0), np.float32)


def _faces(points: Floats, seen: NDArray[np.bool_]) -> Faces:
    low, high = points[..., :2].min(1), points[..., :2].max(1)
    size = np.tile(high - low, 2)
    boxes = np.concatenate([low, high], 1) + np.array(BOX_OF_MESH) * size
    return Faces(FaceLandmarks.of_mesh(points), boxes.astype(np.float32), seen)


def _height(box: Floats) -> float:
    return float(box[3] - box[1])


def _filled(values: Floats, seen: NDArray[np.bool_]) -> Floats:
    """What is known [n, ...] of the n frames in which the face was seen, and between them interpolated."""
    at = np.interp(np.arange(len(seen)), np.flatnonzero(seen), np.arange(len(values)))
    low = at.astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[low] * (1 - part) + values[high] * part, np.float32)


def _smoothed(points: Floats, frames: NDArray[np.intp]) -> Floats:
    """Meshes [n, 468, 3] of some frames [n] without their jitter: the head's movement is smoothed, and the features'.

    The windows are centred, so nothing lags; they do not reach from one shot into another.
    """
    starts = 1 + np.flatnonzero((np.diff(frames) > 1) | _jumps(points))
    return np.concatenate([_smoothed_shot(shot) for shot in np.split(points, starts)])


def _jumps(points: Floats) -> NDArray[np.bool_]:
    """Between which meshes [n, 468, 3] there is a cut: [n - 1]."""
    heights = np.ptp(points[1:, :, 1], axis=1)
    moved = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=2).max(1)
    return np.asarray(moved > JUMP * heights)


def _smoothed_shot(points: Floats) -> Floats:
    """In the plane the head's pose is a complex number: points = middle + turn * features."""
    flat = points[..., 0] + 1j * points[..., 1]
    still = flat[:, STILL_POINTS]
    middle = still.mean(1)
    reference = still.mean(0) - still.mean()
    turn = ((still - middle[:, None]) * reference.conj()).sum(1) / (np.abs(reference) ** 2).sum()
    features = (flat - middle[:, None]) / turn[:, None]
    smooth = _blurred(middle, HEAD_SMOOTH_FRAMES)[:, None] + _blurred(turn, HEAD_SMOOTH_FRAMES)[:, None] * _blurred(
        features, FEATURE_SMOOTH_FRAMES
    )
    return np.stack([smooth.real, smooth.imag, points[..., 2]], -1).astype(np.float32)


def _blurred(values: NDArray[np.complex128], sigma_frames: float) -> NDArray[np.complex128]:
    """Under a Gaussian window along the first axis, the frames; at either end the movement is thought to go on."""
    reach = round(3 * sigma_frames)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    longer = np.pad(values, [(reach, reach), *[(0, 0)] * (values.ndim - 1)], "reflect", reflect_type="odd")
    shifted = (weight * longer[at : at + len(values)] for at, weight in enumerate(window / window.sum()))
    return np.asarray(sum(shifted))
