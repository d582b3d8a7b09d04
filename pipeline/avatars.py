"""Avatars: the picture that speaks, where its face is, and how it is fitted to a job's frame size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.config import Config
from pipeline.errors import JobError, StageError
from pipeline.media import ffmpeg

BUILT_IN_FOLDER = Path(__file__).parent / "assets"
"""Avatars that come with lipdrop."""

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FRAME_SIDE_MAX = 1080
"""The longer side of a frame when neither job nor avatar gives a size."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels; x2 and y2 lie outside."""

Points = NDArray[np.float32]
"""Shape [n, 2]: x, y in pixels of the picture."""


@dataclass(frozen=True)
class FaceLandmarks:
    """The contours of a face that a mouth is drawn and moved by, the mouth closed. "Left" is the picture's left.

    Every contour can be read off the 468-point face mesh.
    """

    lips_outer: Points
    """[20, 2]: left corner, over the upper lip (1..9, 5 its middle), right corner (10), under the lower lip (15)."""
    lips_inner: Points
    """[20, 2]: the same order along the line where the lips meet; index 5 and 15 coincide when the mouth is closed."""
    jaw: Points
    """[21, 2]: from beside the left ear, along the jaw, chin at index 10, to beside the right ear."""
    nose: Points
    """[3, 2]: left nostril wing, base of the nose (subnasale), right nostril wing."""
    left_eye: Points
    """[8, 2]: outer corner, upper lid (1..3), inner corner (4), lower lid (5..7)."""
    right_eye: Points
    """[8, 2]: outer corner, upper lid (1..3), inner corner (4), lower lid (5..7)."""

    @classmethod
    def load(cls, path: Path) -> FaceLandmarks:
        """Read a landmarks JSON: an object of contour name to a list of [x, y]."""
        raw: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(**{f.name: np.asarray(raw[f.name], np.float32) for f in fields(cls)})

    def transformed(self, scale: float, left: float, top: float) -> FaceLandmarks:
        """The landmarks after the picture was scaled, then cropped by `left` and `top` pixels."""
        offset = np.array([left, top], np.float32)
        return replace(self, **{f.name: getattr(self, f.name) * np.float32(scale) - offset for f in fields(self)})


@dataclass(frozen=True)
class FittedAvatar:
    """An avatar at a job's frame size."""

    picture: NDArray[np.uint8]
    """[height, width, 3], RGB."""
    face_box: Box | None
    landmarks: FaceLandmarks | None
    blend: Literal["feather", "paste"] = "feather"
    """How an engine's output is laid into the picture: with a soft border, or plainly."""


class AvatarSettings(BaseModel):
    """An avatar's own `avatar.yaml`; every key is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    face_box: tuple[float, float, float, float] | None = None
    """x1, y1, x2, y2 of the face in the picture's pixels."""
    pads: tuple[int, int, int, int] = (0, 10, 0, 0)
    """Pixels added to the box: top, bottom, left, right."""
    size: Annotated[str, Field(pattern=r"^[0-9]{2,4}x[0-9]{2,4}$")] | None = None
    blend: Literal["feather", "paste"] = "feather"

    @field_validator("size")
    @classmethod
    def _even(cls, size: str | None) -> str | None:
        if size is not None and any(int(side) % 2 for side in size.split("x")):
            raise ValueError("width and height must be even")
        return size


@dataclass(frozen=True)
class Avatar:
    """An avatar as it lies in its folder."""

    picture: NDArray[np.uint8]
    """[height, width, 3], RGB."""
    settings: AvatarSettings
    landmarks: FaceLandmarks | None

    def fitted(self, size: tuple[int, int] | None) -> FittedAvatar:
        """Scale the picture to cover `size` (width, height), cut what sticks out evenly; None: the avatar's own."""
        width, height = size or self._own_size()
        rows, columns = self.picture.shape[:2]
        scale = max(width / columns, height / rows)
        scaled = _resized(self.picture, max(width, round(columns * scale)), max(height, round(rows * scale)))
        left, top = (scaled.shape[1] - width) // 2, (scaled.shape[0] - height) // 2
        picture = np.ascontiguousarray(scaled[top : top + height, left : left + width])
        landmarks = self.landmarks and self.landmarks.transformed(scale, left, top)
        return FittedAvatar(picture, self._fitted_box(scale, left, top, width, height), landmarks, self.settings.blend)

    def _own_size(self) -> tuple[int, int]:
        if self.settings.size is not None:
            width, height = self.settings.size.split("x")
            return int(width), int(height)
        rows, columns = self.picture.shape[:2]
        scale = min(1.0, FRAME_SIDE_MAX / max(rows, columns))
        return int(columns * scale) // 2 * 2, int(rows * scale) // 2 * 2

    def _fitted_box(self, scale: float, left: int, top: int, width: int, height: int) -> Box | None:
        if self.settings.face_box is None:
            return None
        pad_top, pad_bottom, pad_left, pad_right = self.settings.pads
        x1, y1, x2, y2 = self.settings.face_box
        box = np.array([x1 - pad_left, y1 - pad_top, x2 + pad_right, y2 + pad_bottom]) * scale
        box -= (left, top, left, top)
        x1, y1, x2, y2 = np.clip(box, 0, (width, height, width, height)).tolist()
        return x1, y1, x2, y2


class Avatars:
    """The avatars of a configuration: folders in its avatar folder, and those that come with lipdrop."""

    def __init__(self, config: Config) -> None:
        self._folders = (config.path(config.avatars.folder), BUILT_IN_FOLDER)
        self._pixels_max = config.limits.picture_pixels
        self._read = lru_cache(maxsize=4)(self._read_folder)

    def names(self) -> list[str]:
        """The names that a job may use, right now."""
        found = {
            entry.name for folder in self._folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()
        }
        return sorted(name for name in found if not name.startswith((".", "_")))

    def load(self, name: str) -> Avatar:
        """Read an avatar; a second time only when its folder has changed. Raises JobError."""
        folder = next((parent / name for parent in self._folders if (parent / name).is_dir()), None)
        if folder is None:
            raise JobError("avatar", f"there is no avatar {name!r}", field="avatar", hint=f"avatars: {self.names()}")
        stamp = tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in folder.iterdir()))
        return self._read(folder, stamp)

    def _read_folder(self, folder: Path, stamp: object) -> Avatar:
        landmarks = folder / "landmarks.json"
        return Avatar(
            _read_picture(_picture_file(folder), self._pixels_max),
            _read_settings(folder / "avatar.yaml"),
            FaceLandmarks.load(landmarks) if landmarks.exists() else None,
        )


def _picture_file(folder: Path) -> Path:
    pictures = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in PICTURE_ENDINGS)
    if len(pictures) != 1:
        raise JobError(
            "avatar",
            f"the avatar {folder.name!r} has {len(pictures)} pictures instead of one",
            field="avatar",
            hint="one picture, " + ", ".join(PICTURE_ENDINGS),
        )
    return pictures[0]


def _read_picture(file: Path, pixels_max: int) -> NDArray[np.uint8]:
    """Decode a picture after its header has shown that it is not too large. RGB, upright."""
    try:
        stream = ffmpeg.probe(file, ffmpeg.PICTURE_FORMATS)["streams"][0]
    except (StageError, LookupError):
        raise ffmpeg.unreadable("avatar", f"{file.name} is no picture") from None
    if stream["width"] * stream["height"] > pixels_max:
        raise JobError("too_many_pixels", f"{file.name} has over {pixels_max} pixels", field="avatar")
    picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ffmpeg.unreadable("avatar", f"{file.name} is broken")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _read_settings(file: Path) -> AvatarSettings:
    try:
        raw = yaml.safe_load(file.read_text("utf-8")) if file.exists() else None
        return AvatarSettings.model_validate(raw or {})
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise JobError("avatar", f"{file.parent.name}/avatar.yaml: {reason}", field="avatar") from error


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width < picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
