"""Reads the untrusted files of an avatar's folder."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import JobError, StageError
from pipeline.media.ffmpeg import unreadable

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Pillow's names for them. The format is detected from the content, not the name; no other format is ever parsed."""

PICTURE_SIDE_MAX = 32_766
"""OpenCV cannot rotate larger pictures."""

CLIP_ENDINGS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")

TEXT_BYTES_MAX = 1024 * 1024
"""Maximum size of an `avatar.yaml` or a `landmarks.json`."""


def refuse(file: Path, reason: str, hint: str) -> NoReturn:
    """Raise the JobError for an unusable file of an avatar."""
    raise JobError("avatar", f"{file.parent.name}/{file.name}: {reason[:300]}", field="avatar", hint=hint)


def entries(folder: Path) -> list[Path]:
    """The entries of a folder; none if it cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def identity(entry: Path) -> tuple[int, ...]:
    """Values that change when an entry is modified or replaced; empty if it is missing or a dangling link."""
    try:
        info = entry.stat()
    except OSError:
        return ()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def digest(file: Path) -> str:
    """SHA-256 of a file, cached until the file changes. Raises JobError."""
    try:
        return _digest(file, identity(file))
    except OSError as error:
        raise unreadable("avatar", f"{file.name}: {error.strerror}") from error


@lru_cache(maxsize=64)
def _digest(file: Path, _identity: tuple[int, ...]) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def unchanged(file: Path, content: str) -> Iterator[None]:
    """Guard the reading of a file whose digest is known. Raises StageError if the digest differs afterwards.

    The bytes read may then belong to another file or to both: they must not be cached under this digest, and errors in
    them are not the job's fault.
    """
    try:
        yield
    except JobError:
        _check_digest(file, content)
        raise
    _check_digest(file, content)


def _check_digest(file: Path, content: str) -> None:
    if digest(file) != content:
        hint = "retried automatically; to replace a file, rename a complete one over it"
        raise StageError("avatar_changed", f"{file.name} changed while it was being read", field="avatar", hint=hint)


def read_text(file: Path) -> str:
    """Read a small text file of an avatar. Raises JobError; ValueError if it is not UTF-8."""
    try:
        # Regular files only: opening a named pipe would block forever.
        size = file.stat().st_size if file.is_file() else None
        if size is not None and size <= TEXT_BYTES_MAX:
            return file.read_text("utf-8")
    except OSError as error:
        refuse(file, f"cannot be read: {error.strerror}", "make it a regular file that lipdrop can read")
    refuse(file, "not a regular file, or too large", f"use a text file of at most {TEXT_BYTES_MAX} bytes")


def media_file(folder: Path) -> Path:
    """The one picture or video of an avatar. Raises JobError."""
    # Hidden files are ignored: macOS leaves a "._picture.png" next to each file that it copies.
    visible = (entry for entry in entries(folder) if not entry.name.startswith("."))
    found = sorted(entry for entry in visible if entry.suffix.lower() in PICTURE_ENDINGS + CLIP_ENDINGS)
    if len(found) != 1:
        raise JobError(
            "avatar",
            f"avatar {folder.name!r} has {len(found)} pictures or videos instead of one",
            field="avatar",
            hint="put exactly one file into a folder that lipdrop can read: "
            + ", ".join(PICTURE_ENDINGS + CLIP_ENDINGS),
        )
    if not os.path.isfile(found[0]):  # noqa: PTH113 - Path.is_file raises where this returns False
        raise unreadable("avatar", f"{found[0].name} is a dangling link or not a regular file")
    return found[0]


def is_clip(file: Path) -> bool:
    """Whether a media file is a video."""
    return file.suffix.lower() in CLIP_ENDINGS


def read_picture(file: Path, pixels_max: int) -> NDArray[np.uint8]:
    """Decode a picture, upright: RGB [height, width, 3]. Its size is checked in the header first.

    Raises JobError.
    """
    columns, rows = _picture_size(file)
    if columns * rows > pixels_max:
        raise too_many_pixels(file, f"{columns}x{rows} pixels, the limit is {pixels_max} in total")
    if max(columns, rows) > PICTURE_SIDE_MAX:
        raise too_many_pixels(file, f"{columns}x{rows} pixels, the limit for one side is {PICTURE_SIDE_MAX}")
    try:
        picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError) as error:
        raise unreadable("avatar", f"{file.name} is broken") from error
    if picture is None:
        raise unreadable("avatar", f"{file.name} is broken")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def too_many_pixels(file: Path, has: str) -> JobError:
    """The error for a picture or video that is too large to decode; `has`: its size and the limit."""
    return JobError("too_many_pixels", f"{file.name} has {has}", field="avatar", hint="scale it down")


def _picture_size(file: Path) -> tuple[int, int]:
    """Width and height from the file's header, without decoding pixels. Raises JobError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes that our own limit, checked next, allows.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=PICTURE_FORMATS) as picture:
                return picture.size
    except Image.DecompressionBombError:
        # Pillow's own limit: 179 million pixels, more than any avatar needs.
        raise too_many_pixels(file, "far too many pixels") from None
    except Exception as error:  # on random bytes Pillow's parsers raise anything
        raise unreadable("avatar", f"{file.name} is not a picture") from error
