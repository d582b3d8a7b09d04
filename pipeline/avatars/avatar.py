"""An avatar, and how it is fitted to a job's frame size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces import Faces, NoFace
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.avatars.scenes import Scene, Still
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import Video
from pipeline.errors import JobError
from pipeline.job import FRAME_SIDE_MIN
from pipeline.media.clips import Cut

OWN_SIDE_MAX = 1080
"""The longer side of a frame when neither job nor avatar gives a size."""


@dataclass(frozen=True)
class FittedAvatar:
    """An avatar at a job's frame size; all places are in pixels of its frames."""

    scene: Scene
    landmarks: FaceLandmarks | NoFace
    """Its contours have a leading axis: the scene's frames."""
    face_boxes: NDArray[np.float32] | NoFace
    """[frames of the scene, 4]: x1, y1, x2, y2."""
    settings: AvatarSettings

    def require_landmarks(self) -> FaceLandmarks:
        """The landmarks. Raises JobError where no face is known."""
        if isinstance(self.landmarks, NoFace):
            raise self.landmarks.error()
        return self.landmarks

    def require_face_boxes(self) -> NDArray[np.float32]:
        """The face boxes. Raises JobError where no face is known."""
        if isinstance(self.face_boxes, NoFace):
            raise self.face_boxes.error()
        return self.face_boxes


@dataclass(frozen=True)
class Avatar:
    """An avatar as it lies in its folder."""

    source: NDArray[np.uint8] | Video
    """A picture, RGB [height, width, 3], or a video."""
    settings: AvatarSettings
    find_faces: Callable[[], Faces | NoFace]
    own_landmarks: FaceLandmarks | None = None
    """From `landmarks.json`; for a still picture only."""

    @cached_property
    def faces(self) -> Faces | NoFace:
        """Its face, looked for when it is first needed. Raises JobError when a video cannot be decoded."""
        return self.find_faces()

    @property
    def sides(self) -> tuple[int, int]:
        """Columns and rows of the picture or the video."""
        return self.source.sides if isinstance(self.source, Video) else self.source.shape[1::-1]

    @property
    def moves(self) -> bool:
        """Whether it is a video."""
        return isinstance(self.source, Video)

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """Stretches [start, stop) of a video's frames in which the face is not seen."""
        return self.faces.unseen if self.moves and isinstance(self.faces, Faces) else []

    def fitted(self, size: tuple[int, int] | None) -> FittedAvatar:
        """Make the picture cover `size` (width, height), cut evenly on both sides; None: the avatar's own size.

        It is cut before it is scaled: the other way round, a wide frame would cost a huge picture first.
        Raises JobError.
        """
        width, height = size or self._own_size()
        left, top, columns, rows = cut = self._cut(width / height)
        scale = (width / columns, height / rows)
        offset = (left * scale[0], top * scale[1])
        landmarks, boxes = self._landmarks(cut), self._boxes(cut)
        if isinstance(landmarks, FaceLandmarks):
            landmarks = landmarks.transformed(scale, *offset)
        if not isinstance(boxes, NoFace):
            boxes = np.clip(boxes * (scale * 2) - offset * 2, 0, (width, height) * 2).astype(np.float32)
        return FittedAvatar(self._scene(cut, (width, height)), landmarks, boxes, self.settings)

    def _scene(self, cut: Cut, size: tuple[int, int]) -> Scene:
        if isinstance(self.source, Video):
            return self.source.scene(cut, size, self._drawable(cut), self.settings)
        left, top, columns, rows = cut
        return Still(_resized(self.source[top : top + rows, left : left + columns], *size))

    def _drawable(self, cut: Cut) -> Faces | NoFace:
        """The faces of a video; raises JobError if some are missing and that is not wanted."""
        faces = self._faces_in(cut)
        if self.settings.no_face == "fail" and isinstance(faces, Faces) and faces.unseen:
            start, stop = faces.unseen[0]
            message = f"the face is not seen in frames {start} to {stop - 1} of the video"
            raise JobError("no_face", message, field="avatar", hint="no_face: hold in avatar.yaml accepts that")
        return faces

    def _faces_in(self, cut: Cut) -> Faces | NoFace:
        """The faces; of a video those that are not cut off."""
        return self.faces.within(cut) if self.moves and isinstance(self.faces, Faces) else self.faces

    def _landmarks(self, cut: Cut) -> FaceLandmarks | NoFace:
        if self.own_landmarks is not None:
            return self.own_landmarks[None]
        faces = self._faces_in(cut)
        return faces if isinstance(faces, NoFace) else faces.landmarks

    def _boxes(self, cut: Cut) -> NDArray[np.float32] | NoFace:
        """The face boxes with the pads; what the user has measured counts before what was found."""
        given = self.settings.face_box
        if given is not None and not self.moves:
            boxes = np.array([given], np.float32)
        elif isinstance(faces := self._faces_in(cut), NoFace):
            return faces
        else:
            boxes = faces.boxes
        top, bottom, left, right = self.settings.pads
        return np.asarray(boxes + np.array([-left, -top, right, bottom]), np.float32)

    def _cut(self, proportion: float) -> Cut:
        """The middle of the picture that has a frame's width to height."""
        columns, rows = self.sides
        kept_columns = min(columns, max(1, round(rows * proportion)))
        kept_rows = min(rows, max(1, round(columns / proportion)))
        return (columns - kept_columns) // 2, (rows - kept_rows) // 2, kept_columns, kept_rows

    def _own_size(self) -> tuple[int, int]:
        if self.settings.size is not None:
            sides = self.settings.size.split("x")
            return int(sides[0]), int(sides[1])
        columns, rows = self.sides
        scale = min(1.0, OWN_SIDE_MAX / max(rows, columns))
        width, height = int(columns * scale) // 2 * 2, int(rows * scale) // 2 * 2
        if min(width, height) < FRAME_SIDE_MIN:
            message = f"a picture of {columns}x{rows} makes a video of {width}x{height}, which is too small"
            hint = f"give a size, or a picture that fits {OWN_SIDE_MAX} with no side under {FRAME_SIDE_MIN}"
            raise JobError("avatar", message, field="avatar", hint=hint)
        return width, height


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width < picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
