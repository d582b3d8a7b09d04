"""Reads the untrusted files of an avatar's folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from pipeline.errors import JobError, StageError
from pipeline.media import picture_decoder
from pipeline.media.kinds import CLIP_ENDINGS, PICTURE_ENDINGS, Kind, identify
from pipeline.media.picture_decoder import Picture
from pipeline.media.pictures import Look
from pipeline.media.refusals import unreadable

TEXT_BYTES_MAX = 1024 * 1024
"""Maximum size of an `avatar.yaml` or a `landmarks.json`."""
MATTE = "matte.png"
"""Says what of the picture is the person, if there is another picture."""
OWN_FILES = ("avatar.yaml", "landmarks.json", MATTE)
"""Files of an avatar that are not shown."""


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
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


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
    """The one picture or video of an avatar; if there is none, the one file of another format, a known one first.

    Raises JobError.
    """
    # Hidden files are ignored: macOS leaves a "._picture.png" next to each file that it copies.
    visible = sorted(entry for entry in entries(folder) if not entry.name.startswith("."))
    kinds = {entry: kind_of(entry) for entry in visible}
    found = [entry for entry, kind in kinds.items() if _may_be_media(entry, kind)]
    found = found or [entry for entry, kind in kinds.items() if kind is not None]
    found = found or [entry for entry in visible if entry.name not in OWN_FILES]
    found = [entry for entry in found if entry.name != MATTE] or found
    if len(found) != 1:
        raise JobError(
            "avatar",
            f"avatar {folder.name!r} has {len(found)} pictures or videos instead of one",
            field="avatar",
            hint="put exactly one picture or video into a folder that lipdrop can read",
        )
    if not os.path.isfile(found[0]):  # noqa: PTH113 - Path.is_file raises where this returns False
        raise unreadable("avatar", f"{found[0].name} is a dangling link or not a regular file")
    return found[0]


def _may_be_media(entry: Path, kind: Kind | None) -> bool:
    return kind.medium != "other" if kind is not None else entry.suffix.lower() in PICTURE_ENDINGS + CLIP_ENDINGS


def kind_of(entry: Path) -> Kind | None:
    """What a file is; None if that is unknown, or if it cannot be read."""
    try:
        return identify(entry) if os.path.isfile(entry) else None  # noqa: PTH113
    except OSError:
        return None


def require_media(file: Path) -> Kind:
    """The kind of an avatar's file. Raises JobError if it is not a picture or video that can be read."""
    kind = kind_of(file)
    if kind is None or kind.medium == "other":
        what = _not_media(file) if kind is None else f"{kind.name}, which lipdrop cannot read"
        hint = "save it as a JPEG or PNG picture, or as an MP4 video"
        raise JobError("media", f"{file.name} is {what}", field="avatar", hint=hint)
    return kind


def _not_media(file: Path) -> str:
    """What a file of no known kind is."""
    try:
        return "empty" if not file.stat().st_size else "not a picture or a video"
    except OSError as error:
        return f"not readable: {error.strerror}"


def read_picture(file: Path, pixels_max: int, look: Look = Look()) -> Picture:  # noqa: B008 - frozen
    """Decode a picture, upright: RGB [height, width, 3]. Raises JobError."""
    return picture_decoder.picture(file, require_media(file), pixels_max, look)
