"""Avatars: the picture that speaks, where its face is, and how it is fitted to a job's frame size."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.job import FRAME_SIDE_MIN, frame_size_problem
from pipeline.media.ffmpeg import unreadable
from pipeline.nearest import nearest_hint

BUILT_IN_FOLDER = Path(__file__).parent / "assets"
"""Avatars that come with lipdrop."""

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Pillow's names of them. A file's content counts, not its name: nothing else is ever parsed."""

OWN_SIDE_MAX = 1080
"""The longer side of a frame when neither job nor avatar gives a size."""

TEXT_BYTES_MAX = 1024 * 1024
"""How large an `avatar.yaml` or a `landmarks.json` may be."""

CONTOUR_POINTS = {"lips_outer": 20, "lips_inner": 20, "jaw": 21, "nose": 3, "left_eye": 8, "right_eye": 8}
"""How many points each contour of a face has; `FaceLandmarks` says which."""

Pad = Annotated[int, Field(ge=-10_000, le=10_000)]

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels; x2 and y2 lie outside."""

Pair = tuple[float, float]
"""x and y."""

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
        """Read a landmarks JSON: an object of contour name to a list of [x, y]. Raises JobError."""
        try:
            raw = json.loads(_read_text(path))
        except (ValueError, RecursionError) as error:
            _refuse(path, f"not JSON: {error}", LANDMARKS_HINT)
        if not isinstance(raw, dict):
            _refuse(path, "not an object of contours", LANDMARKS_HINT)
        return cls(**{name: _contour(path, raw, name) for name in CONTOUR_POINTS})

    def transformed(self, scale: float | tuple[float, float], left: float, top: float) -> FaceLandmarks:
        """The landmarks after the picture was scaled (evenly, or in x and y), then cropped by `left` and `top`."""
        factor, offset = np.asarray(scale, np.float32), np.array([left, top], np.float32)
        return replace(self, **{f.name: getattr(self, f.name) * factor - offset for f in fields(self)})


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
    pads: tuple[Pad, Pad, Pad, Pad] = (0, 10, 0, 0)
    """Pixels added to the box: top, bottom, left, right."""
    size: str | None = None
    """WIDTHxHEIGHT of its videos; bounded like a job's."""
    blend: Literal["feather", "paste"] = "feather"

    @field_validator("face_box")
    @classmethod
    def _is_a_box(cls, box: Box | None) -> Box | None:
        if box is not None and not (all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]):
            raise ValueError("x1, y1, x2, y2 must be numbers with x1 below x2 and y1 below y2")
        return box


@dataclass(frozen=True)
class Avatar:
    """An avatar as it lies in its folder."""

    picture: NDArray[np.uint8]
    """[height, width, 3], RGB."""
    settings: AvatarSettings
    landmarks: FaceLandmarks | None

    def fitted(self, size: tuple[int, int] | None) -> FittedAvatar:
        """Make the picture cover `size` (width, height), cut evenly on both sides; None: the avatar's own size.

        It is cut before it is scaled: the other way round, a wide frame would cost a huge picture first.
        """
        width, height = size or self._own_size()
        left, top, columns, rows = self._cut(width / height)
        scale = (width / columns, height / rows)
        offset = (left * scale[0], top * scale[1])
        picture = _resized(self.picture[top : top + rows, left : left + columns], width, height)
        landmarks = self.landmarks and self.landmarks.transformed(scale, *offset)
        box = self._fitted_box(scale, offset, (width, height))
        return FittedAvatar(picture, box, landmarks, self.settings.blend)

    def _cut(self, proportion: float) -> tuple[int, int, int, int]:
        """The middle of the picture that has a frame's width to height: left, top, columns, rows."""
        rows, columns = self.picture.shape[:2]
        kept_columns = min(columns, max(1, round(rows * proportion)))
        kept_rows = min(rows, max(1, round(columns / proportion)))
        return (columns - kept_columns) // 2, (rows - kept_rows) // 2, kept_columns, kept_rows

    def _own_size(self) -> tuple[int, int]:
        if self.settings.size is not None:
            sides = self.settings.size.split("x")
            return int(sides[0]), int(sides[1])
        rows, columns = self.picture.shape[:2]
        scale = min(1.0, OWN_SIDE_MAX / max(rows, columns))
        width, height = int(columns * scale) // 2 * 2, int(rows * scale) // 2 * 2
        if min(width, height) < FRAME_SIDE_MIN:
            message = f"a picture of {columns}x{rows} makes a video of {width}x{height}, which is too small"
            hint = f"give a size, or a picture that fits {OWN_SIDE_MAX} with no side under {FRAME_SIDE_MIN}"
            raise JobError("avatar", message, field="avatar", hint=hint)
        return width, height

    def _fitted_box(self, scale: Pair, offset: Pair, size: tuple[int, int]) -> Box | None:
        if self.settings.face_box is None:
            return None
        pad_top, pad_bottom, pad_left, pad_right = self.settings.pads
        x1, y1, x2, y2 = self.settings.face_box
        box = np.array([x1 - pad_left, y1 - pad_top, x2 + pad_right, y2 + pad_bottom]) * (scale * 2)
        x1, y1, x2, y2 = np.clip(box - offset * 2, 0, size * 2).tolist()
        return x1, y1, x2, y2


class Avatars:
    """The avatars of a configuration: folders in its avatar folder, and those that come with lipdrop."""

    def __init__(self, config: Config) -> None:
        self._folders = (config.path(config.avatars.folder), BUILT_IN_FOLDER)
        self._limits = config.limits
        self._read = lru_cache(maxsize=4)(self._read_folder)

    def names(self) -> list[str]:
        """The names that a job may use, right now. A folder that is missing or cannot be read has none."""
        found = {entry.name for folder in self._folders for entry in _entries(folder) if os.path.isdir(entry)}  # noqa: PTH112
        return sorted(name for name in found if not name.startswith((".", "_")))

    def load(self, name: str) -> Avatar:
        """Read an avatar; a second time only when its folder has changed. Raises JobError."""
        # os.path.isdir, since Path.is_dir raises on a folder that may not be looked into.
        folder = next((parent / name for parent in self._folders if os.path.isdir(parent / name)), None)  # noqa: PTH112
        if folder is None:
            hint = "avatars: " + ", ".join(self.names())
            raise JobError("avatar", f"there is no avatar {name[:100]!r}", field="avatar", hint=hint)
        return self._read(folder, tuple(sorted((entry.name, _changed(entry)) for entry in _entries(folder))))

    def _read_folder(self, folder: Path, stamp: object) -> Avatar:
        picture = _read_picture(_picture_file(folder), self._limits.picture_pixels)
        settings = _read_settings(folder / "avatar.yaml", self._limits.frame_pixels)
        landmarks = folder / "landmarks.json"
        return Avatar(picture, settings, FaceLandmarks.load(landmarks) if os.path.lexists(landmarks) else None)


LANDMARKS_HINT = "docs/avatars.md lists the contours and their points"


def _refuse(file: Path, reason: str, hint: str) -> NoReturn:
    raise JobError("avatar", f"{file.parent.name}/{file.name}: {reason[:300]}", field="avatar", hint=hint)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _changed(entry: Path) -> int:
    """When an entry was last changed; 0 for one that is gone, or a link that leads nowhere."""
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return 0


def _read_text(file: Path) -> str:
    """A small text file of an avatar. Raises JobError; ValueError when it is not UTF-8."""
    try:
        # Only plain files: opening a named pipe would wait for ever.
        size = file.stat().st_size if file.is_file() else None
        if size is not None and size <= TEXT_BYTES_MAX:
            return file.read_text("utf-8")
    except OSError as error:
        _refuse(file, f"cannot be read: {error.strerror}", "is it a plain file that lipdrop may read?")
    _refuse(file, "not a plain file, or too large", f"a text file of at most {TEXT_BYTES_MAX} bytes")


def _contour(path: Path, raw: dict[str, Any], name: str) -> Points:
    """One contour out of a landmarks JSON, checked."""
    if name not in raw:
        _refuse(path, f"the contour {name!r} is missing", LANDMARKS_HINT)
    try:
        with np.errstate(over="ignore"):
            points = np.asarray(raw[name], np.float32)
    except (ValueError, TypeError, OverflowError):
        _refuse(path, f"{name} is not a list of [x, y]", LANDMARKS_HINT)
    wanted = (CONTOUR_POINTS[name], 2)
    if points.shape != wanted:
        _refuse(path, f"{name} has the shape {list(points.shape)} instead of {list(wanted)}", LANDMARKS_HINT)
    if not np.isfinite(points).all():
        _refuse(path, f"{name} has a point that is not a number", LANDMARKS_HINT)
    return points


def _picture_file(folder: Path) -> Path:
    # Hidden files are not the user's doing: macOS leaves a "._picture.png" beside each file that it copies.
    visible = (entry for entry in _entries(folder) if not entry.name.startswith("."))
    pictures = sorted(entry for entry in visible if entry.suffix.lower() in PICTURE_ENDINGS)
    if len(pictures) != 1:
        raise JobError(
            "avatar",
            f"the avatar {folder.name!r} has {len(pictures)} pictures instead of one",
            field="avatar",
            hint="one picture, " + ", ".join(PICTURE_ENDINGS) + ", in a folder that lipdrop may read",
        )
    return pictures[0]


def _read_picture(file: Path, pixels_max: int) -> NDArray[np.uint8]:
    """Decode a picture after its header has shown that it is not too large. RGB, upright."""
    columns, rows = _picture_size(file)
    if columns * rows > pixels_max:
        message = f"{file.name} has {columns}x{rows} pixels, the limit is {pixels_max} in all"
        raise JobError("too_many_pixels", message, field="avatar", hint="scale the picture down")
    try:
        picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError) as error:
        raise unreadable("avatar", f"{file.name} is broken") from error
    if picture is None:
        raise unreadable("avatar", f"{file.name} is broken")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _picture_size(file: Path) -> tuple[int, int]:
    """Columns and rows as the file's header gives them; no pixel is decoded. Raises JobError."""
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises where this says no
        raise unreadable("avatar", f"{file.name} is no plain file, or a link that leads nowhere")
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that our own limit, which is checked next, may well allow.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=PICTURE_FORMATS) as picture:
                return picture.size
    except Image.DecompressionBombError:
        # Pillow has a limit of its own (179 million pixels), which no picture of an avatar needs to pass.
        message = f"{file.name} has far too many pixels"
        raise JobError("too_many_pixels", message, field="avatar", hint="scale the picture down") from None
    except Exception as error:  # Pillow's parsers meet random bytes with any kind of error
        raise unreadable("avatar", f"{file.name} is no picture") from error


def _read_settings(file: Path, frame_pixels: int) -> AvatarSettings:
    if not os.path.lexists(file):
        return AvatarSettings()
    try:
        raw = yaml.safe_load(_read_text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        _refuse(file, f"not YAML: {error}", "docs/avatars.md has the keys")
    if raw is not None and not isinstance(raw, dict):
        _refuse(file, f"it must hold keys and values, not a {type(raw).__name__}", "like size: 720x720")
    settings = _validated(file, raw or {})
    problem = None if settings.size is None else frame_size_problem(settings.size, frame_pixels)
    if problem is not None:
        _refuse(file, *problem)
    return settings


def _validated(file: Path, raw: dict[Any, Any]) -> AvatarSettings:
    known = list(AvatarSettings.model_fields)
    unknown = next((str(key) for key in raw if key not in known), None)
    if unknown is not None:
        _refuse(file, f"unknown key {unknown[:100]!r}", nearest_hint(unknown[:100], known))
    try:
        return AvatarSettings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        _refuse(file, f"{key}: {first['msg']}", "docs/avatars.md has the keys and their values")


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = width < picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
