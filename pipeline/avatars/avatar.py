"""An avatar, and its placement in frames of a job's size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import framing
from pipeline.avatars.cutout import cut_out
from pipeline.avatars.derived import DerivedFiles, build_unkept
from pipeline.avatars.faces.tracking import Faces, NoFace
from pipeline.avatars.framing import Head
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.avatars.notices import notices
from pipeline.avatars.scenes import Scene, Still
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import VideoSource
from pipeline.composition.layout import Layout, extended
from pipeline.errors import JobError
from pipeline.job import FRAME_SIDE_MIN, frame_size
from pipeline.media.clips import Cut
from pipeline.messages import FaceFound, FrameSize, Notice, Preset

NO_FACE_HINT = "set no_face: hold, interpolate or passthrough in avatar.yaml to accept such frames"

OWN_SIDE_MAX = 1080
"""The longer side of a frame if neither the job nor the avatar sets a size."""

NOT_SEARCHED = NoFace("no_face", "the face was not searched for", "remove landmarks.json or face_box")
"""Replaces the faces if both landmarks.json and face_box are given."""


@dataclass(frozen=True)
class Placement:
    """Where an avatar's face is in frames of one size."""

    layout: Layout
    """Where the frames of the picture are in those of the video."""
    cut: Cut
    """The part of the picture that the frames show."""
    faces: Faces | NoFace
    """In pixels of the picture."""
    landmarks: FaceLandmarks | NoFace
    """In pixels of the frames; the leading axis is the scene's frames."""
    face_boxes: NDArray[np.float32] | NoFace
    """In pixels of the frames, pads included, [frames of the scene, 4]: x1, y1, x2, y2."""
    notices: tuple[Notice, ...] = ()
    """Warnings about the face."""
    given_face: FaceFound | None = None
    """The face box from the settings, for a face that is not searched for."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture's frames."""
        return self.layout.inner

    @property
    def face(self) -> FaceFound | None:
        """Where the face is in the first frame that shows it; None if it was neither found nor given."""
        if isinstance(self.faces, NoFace):
            return self.given_face
        first = self.faces.boxes[int(self.faces.seen.argmax())]
        return FaceFound(_rounded(first), tuple(_rounded(box) for box in self.faces.others))

    @property
    def unseen(self) -> tuple[tuple[int, int], ...]:
        """Spans [start, stop) of a video's frames in which the face is invisible or cut off."""
        return tuple(self.faces.unseen) if isinstance(self.faces, Faces) else ()


@dataclass(frozen=True, eq=False)
class FittedAvatar:
    """An avatar at a job's frame size; all coordinates are in pixels of its frames."""

    scene: Scene
    landmarks: FaceLandmarks | NoFace
    """The leading axis of its contours is the scene's frames."""
    face_boxes: NDArray[np.float32] | NoFace
    """[frames of the scene, 4]: x1, y1, x2, y2."""
    settings: AvatarSettings
    unseen: tuple[tuple[int, int], ...] = ()
    """Spans [start, stop) of the scene's frames in which the face is not seen."""
    files: DerivedFiles | None = None
    """Cached files that engines derive from it; None: no cache."""
    face: FaceFound | None = None
    """The face that speaks, in pixels of the picture; None if it was not searched for, or not found."""
    notices: tuple[Notice, ...] = ()
    """Warnings about the face."""
    light: NDArray[np.float32] | None = None
    """[frames of the scene]: brightness of the face's skin, 0..255; None for a still picture."""
    layout: Layout | None = None
    """Where its frames are in those of the video; None: they cover them."""
    matte: NDArray[np.uint8] | None = None
    """[height, width]: how much of each pixel is the person, 0..255; None: the person is not cut out."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the video's frames."""
        return self.scene.size if self.layout is None else self.layout.size

    def derive(self, engine: str, name: str, build: Callable[[Path], None]) -> BinaryIO:
        """Open a file that an engine derives from the avatar at this frame size; `build` writes it if it is missing.

        `name` includes a version that changes with the file's content. The file is built once for all processes, and
        removed after it has not been used for a while. Raises StageError if the cache cannot be used.
        """
        return build_unkept(build) if self.files is None else self.files.open(engine, name, build)

    def require_landmarks(self) -> FaceLandmarks:
        """The landmarks. Raises JobError if there are none."""
        if isinstance(self.landmarks, NoFace):
            raise self.landmarks.error()
        return self.landmarks

    def require_face_boxes(self) -> NDArray[np.float32]:
        """The face boxes. Raises JobError if there are none."""
        if isinstance(self.face_boxes, NoFace):
            raise self.face_boxes.error()
        return self.face_boxes


@dataclass(frozen=True, eq=False)
class Avatar:
    """An avatar as loaded from its folder."""

    source: NDArray[np.uint8] | VideoSource
    """A picture, RGB [height, width, 3], or a video."""
    settings: AvatarSettings
    find_faces: Callable[[], Faces | NoFace]
    own_landmarks: FaceLandmarks | None = None
    """From `landmarks.json`; still pictures only."""
    files: DerivedFiles | None = None
    """Cached files that engines derive from it; None: no cache."""
    read_matte: Callable[[], NDArray[np.uint8]] | None = None
    """Reads `matte.png`, [height, width]; None if there is none."""
    read_opacity: Callable[[], NDArray[np.uint8]] | None = None
    """Reads how opaque each pixel of the picture is, [height, width]; None for a video."""

    @cached_property
    def faces(self) -> Faces | NoFace:
        """The face, searched for on first use. Raises JobError when a video cannot be decoded."""
        return self.find_faces()

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of the picture or video in pixels."""
        return self.source.sides if isinstance(self.source, VideoSource) else self.source.shape[1::-1]

    @property
    def moves(self) -> bool:
        """Whether it is a video."""
        return isinstance(self.source, VideoSource)

    def fitted(self, size: FrameSize | None, *, is_cut_out: bool = False) -> FittedAvatar:
        """Crop the picture or video and scale it to `size`; None: the avatar's own size.

        `is_cut_out`: without its background. Raises JobError.
        """
        place = self.placed(size)
        scene = self._scene(place)
        files = self.files.for_frames(place.size, place.cut) if self.files is not None else None
        light = place.faces.light if self.moves and isinstance(place.faces, Faces) else None
        fitted = FittedAvatar(
            scene,
            place.landmarks,
            place.face_boxes,
            self.settings,
            place.unseen,
            files,
            place.face,
            place.notices,
            light,
            place.layout,
        )
        return cut_out(fitted, self._own_matte(place), partial(self._opacity, place)) if is_cut_out else fitted

    def placed(self, size: FrameSize | None) -> Placement:
        """Where the face is in frames of `size`, without rendering the frames. Raises JobError."""
        cut, layout = self._layout(size or self._own_size())
        (left, top, columns, rows), (width, height) = cut, layout.inner
        scale = (width / columns, height / rows)
        offset = (left * scale[0], top * scale[1])
        faces = self._faces_in(cut)
        if isinstance(self.source, VideoSource) and isinstance(faces, Faces):
            self.source.check_room(len(faces.seen), (width, height))
        landmarks = faces if isinstance(faces, NoFace) else faces.landmarks
        if self.own_landmarks is not None:
            landmarks = self.own_landmarks[None]
        if isinstance(landmarks, FaceLandmarks):
            landmarks = landmarks.transformed(scale, *offset)
        boxes = self._boxes(faces)
        if not isinstance(boxes, NoFace):
            boxes = np.clip(boxes * (scale * 2) - offset * 2, 0, (width, height) * 2).astype(np.float32)
        warnings = self._notices(faces, landmarks, (width, height))
        box = self.settings.face_box
        given = None if box is None else FaceFound(_rounded(np.array(box, np.float32)), ())
        return Placement(layout, cut, faces, landmarks, boxes, warnings, given)

    def _notices(
        self, faces: Faces | NoFace, landmarks: FaceLandmarks | NoFace, size: tuple[int, int]
    ) -> tuple[Notice, ...]:
        """Warnings about a face that was found, not given."""
        if isinstance(faces, NoFace) or isinstance(landmarks, NoFace) or self.own_landmarks is not None:
            return ()
        rate = self.source.rate if isinstance(self.source, VideoSource) else Fraction(1)
        return tuple(notices(faces, landmarks, self.settings.cropped_area(self.sides), size, rate))

    def _scene(self, place: Placement) -> Scene:
        """The frames. Cropped before scaling: otherwise a wide frame would need a huge intermediate picture."""
        if isinstance(self.source, VideoSource):
            return self.source.scene(place.cut, place.size, place.faces, self.settings)
        return Still(_cut(self.source, place))

    def _own_matte(self, place: Placement) -> NDArray[np.uint8] | None:
        """The given matte in frames of the avatar. Raises JobError."""
        if self.read_matte is None:
            return None
        matte = self.read_matte()
        if matte.shape[1::-1] != self.sides:
            sizes = ["{}x{}".format(*sides) for sides in (matte.shape[1::-1], self.sides)]
            message = f"matte.png has {sizes[0]} pixels, the picture {sizes[1]}"
            raise JobError("avatar", message, field="avatar", hint="make it as large as the picture")
        return _cut(matte, place)

    def _opacity(self, place: Placement) -> NDArray[np.uint8] | None:
        """How opaque a picture is in frames of the avatar; None: everywhere. Raises JobError."""
        opacity = None if self.read_opacity is None else self.read_opacity()
        return None if opacity is None or opacity.min() == 255 else _cut(opacity, place)

    def _faces_in(self, cut: Cut) -> Faces | NoFace:
        """The faces inside `cut`. Raises JobError if a video's face is missing somewhere and `no_face` is `fail`."""
        if self._is_fully_given:
            return NOT_SEARCHED
        faces = self.faces
        if not self.moves or isinstance(faces, NoFace):
            return faces
        faces = faces.within(cut)
        if self.settings.no_face == "fail" and isinstance(faces, Faces) and faces.unseen:
            start, stop = faces.unseen[0]
            message = f"no face is visible in frames {start} to {stop - 1} of the video"
            raise JobError("no_face", message, field="avatar", hint=NO_FACE_HINT)
        return faces

    @property
    def _is_fully_given(self) -> bool:
        """Whether the user gave both landmarks and a face box, so that no search is needed."""
        return not self.moves and self.own_landmarks is not None and self.settings.face_box is not None

    def _boxes(self, faces: Faces | NoFace) -> NDArray[np.float32] | NoFace:
        """The face boxes, pads included; a still picture's `face_box` takes precedence over the search."""
        given = self.settings.face_box
        if given is not None and not self.moves:
            boxes = np.array([given], np.float32)
        elif isinstance(faces, NoFace):
            return faces
        else:
            boxes = faces.boxes
        top, bottom, left, right = self.settings.pads
        return np.asarray(boxes + np.array([-left, -top, right, bottom]), np.float32)

    def _layout(self, size: FrameSize) -> tuple[Cut, Layout]:
        """The part of the picture that frames of a size show, and where in them it is. Raises JobError."""
        area = self.settings.cropped_area(self.sides)
        if isinstance(size, Preset):
            head = self._head()
            shown = self.settings.shown_area(self.sides)
            return extended(area, size, None if head is None else head.subject, shown)
        aspect = size[0] / size[1]
        head = None if framing.is_slight(area, aspect) else self._head()
        return framing.framed(area, aspect, head), Layout.covered(size)

    def _head(self) -> Head | None:
        """The head, which frames must not cut off; None if no face is found. A video has one for all its frames."""
        if self.own_landmarks is not None:
            return Head.of(self.own_landmarks[None])
        if isinstance(self.faces, NoFace):
            return None
        return Head.of(self.faces.landmarks)

    def _own_size(self) -> FrameSize:
        if self.settings.size is not None:
            return frame_size(self.settings.size)
        _, _, columns, rows = self.settings.cropped_area(self.sides)
        scale = min(1.0, OWN_SIDE_MAX / max(rows, columns))
        width, height = int(columns * scale) // 2 * 2, int(rows * scale) // 2 * 2
        if min(width, height) < FRAME_SIDE_MIN:
            message = f"a picture of {columns}x{rows} pixels makes a video of {width}x{height}, which is too small"
            hint = f"set a size, or use a picture with no side under {FRAME_SIDE_MIN} when scaled to {OWN_SIDE_MAX}"
            raise JobError("avatar", message, field="avatar", hint=hint)
        return width, height


def _rounded(box: NDArray[np.float32]) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
    return x1, y1, x2, y2


def _cut(picture: NDArray[np.uint8], place: Placement) -> NDArray[np.uint8]:
    """The part of a picture or matte that is seen, at the size of the frames."""
    left, top, columns, rows = place.cut
    part = picture[top : top + rows, left : left + columns]
    method = cv2.INTER_AREA if place.size[0] < columns else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(part, place.size, interpolation=method), np.uint8)
