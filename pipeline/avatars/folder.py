"""What lies in an avatar's folder: files that nobody vouches for."""

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
"""Pillow's names of them. A file's content counts, not its name: nothing else is ever parsed."""

PICTURE_SIDE_MAX = 32_766
"""OpenCV turns no larger pictures."""

CLIP_ENDINGS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")

TEXT_BYTES_MAX = 1024 * 1024
"""How large an `avatar.yaml` or a `landmarks.json` may be."""


def refuse(file: Path, reason: str, hint: str) -> NoReturn:
    """Raise the JobError of an avatar's file that cannot be used."""
    raise JobError("avatar", f"{file.parent.name}/{file.name}: {reason[:300]}", field="avatar", hint=hint)


def entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing if it cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def identity(entry: Path) -> tuple[int, ...]:
    """What differs when an entry was changed or replaced; empty for one that is gone, or a link that leads nowhere."""
    try:
        info = entry.stat()
    except OSError:
        return ()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def digest(file: Path) -> str:
    """SHA-256 of a file's bytes, read again only when the file has changed. Raises JobError."""
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
    """While a file is read whose digest is known. Raises StageError if it has another one in the end.

    What was read is then other bytes, or parts of both: it may not be kept as that digest's, nor be the job's fault.
    """
    try:
        yield
    except JobError:
        _check_digest(file, content)
        raise
    _check_digest(file, content)


def _check_digest(file: Path, content: str) -> None:
    if digest(file) != content:
        hint = "it is tried again; replace files by renaming a whole one"
        raise StageError("avatar_changed", f"{file.name} was changed while it was read", field="avatar", hint=hint)


def read_text(file: Path) -> str:
    """A small text file of an avatar. Raises JobError; ValueError when it is not UTF-8."""
    try:
        # Only plain files: opening a named pipe would wait for ever.
        size = file.stat().st_size if file.is_file() else None
        if size is not None and size <= TEXT_BYTES_MAX:
            return file.read_text("utf-8")
    except OSError as error:
        refuse(file, f"cannot be read: {error.strerror}", "is it a plain file that lipdrop may read?")
    refuse(file, "not a plain file, or too large", f"a text file of at most {TEXT_BYTES_MAX} bytes")


def media_file(folder: Path) -> Path:
    """The one picture or video of an avatar. Raises JobError."""
    # Hidden files are not the user's doing: macOS leaves a "._picture.png" beside each file that it copies.
    visible = (entry for entry in entries(folder) if not entry.name.startswith("."))
    found = sorted(entry for entry in visible if entry.suffix.lower() in PICTURE_ENDINGS + CLIP_ENDINGS)
    if len(found) != 1:
        raise JobError(
            "avatar",
            f"the avatar {folder.name!r} has {len(found)} pictures or videos instead of one",
            field="avatar",
            hint="one of " + ", ".join(PICTURE_ENDINGS + CLIP_ENDINGS) + " in a folder that lipdrop may read",
        )
    if not os.path.isfile(found[0]):  # noqa: PTH113 - Path.is_file raises where this says no
        raise unreadable("avatar", f"{found[0].name} is no plain file, or a link that leads nowhere")
    return found[0]


def is_clip(file: Path) -> bool:
    """Whether a media file is a video."""
    return file.suffix.lower() in CLIP_ENDINGS


def read_picture(file: Path, pixels_max: int) -> NDArray[np.uint8]:
    """Decode a picture after its header has shown that it is not too large: RGB [height, width, 3], upright.

    Raises JobError.
    """
    columns, rows = _picture_size(file)
    if columns * rows > pixels_max:
        raise too_many_pixels(file, f"{columns}x{rows} pixels, the limit is {pixels_max} in all")
    if max(columns, rows) > PICTURE_SIDE_MAX:
        raise too_many_pixels(file, f"{columns}x{rows} pixels, no side may have more than {PICTURE_SIDE_MAX}")
    try:
        picture = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError) as error:
        raise unreadable("avatar", f"{file.name} is broken") from error
    if picture is None:
        raise unreadable("avatar", f"{file.name} is broken")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def too_many_pixels(file: Path, has: str) -> JobError:
    """The error of a picture or video that would cost too much to look at."""
    return JobError("too_many_pixels", f"{file.name} has {has}", field="avatar", hint="scale it down")


def _picture_size(file: Path) -> tuple[int, int]:
    """Columns and rows as the file's header gives them; no pixel is decoded. Raises JobError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that our own limit, which is checked next, may well allow.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=PICTURE_FORMATS) as picture:
                return picture.size
    except Image.DecompressionBombError:
        # Pillow has a limit of its own (179 million pixels), which no picture of an avatar needs to pass.
        raise too_many_pixels(file, "far too many pixels") from None
    except Exception as error:  # Pillow's parsers meet random bytes with any kind of error
        raise unreadable("avatar", f"{file.name} is no picture") from error
