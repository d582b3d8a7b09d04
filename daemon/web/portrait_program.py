"""The program that decodes avatars for the gateway: `python -m daemon.web.portrait_program`."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from daemon.cli.avatar_files import install
from daemon.web.exchange import serve
from pipeline.avatars import Avatar, Avatars, FaceLandmarks
from pipeline.avatars.faces.tracking import NoFace, find_in_picture
from pipeline.avatars.landmarks import CONTOURS
from pipeline.avatars.video import VideoSource
from pipeline.config import Config
from pipeline.errors import JobError, StageError, is_full

THUMBNAIL_SIDE = 256
"""Width and height of a thumbnail in pixels."""
AROUND_FACE, ABOVE_FACE = 2.9, 0.15
"""Side of the square that a thumbnail shows, and how far its middle is above the face's: in heights of the face from
the eyes to the chin."""
JPEG_QUALITY = 85

Picture = NDArray[np.uint8]
"""RGB [height, width, 3]."""


def handle(config: Config, request: dict[str, Any]) -> Any:
    """Add an avatar (`file`, `name`, `settings`), or look at some (`names`)."""
    if "file" in request:
        return _add(config, Path(request["file"]), request["name"], request["settings"])
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
        library = Avatars(config, Path(scratch))
        return [_look(library, name) for name in request["names"]]


def _add(config: Config, file: Path, name: str, settings: str) -> str:
    os.umask(0o022)  # the daemon may run as a different user
    try:
        return install(config, file, name, settings).text
    except OSError as error:
        if is_full(error):
            raise StageError("disk_full", "the disk is full") from error
        message = f"the avatar cannot be stored: {error.strerror}"
        raise StageError("avatar_folder", message, hint="make avatars.folder writable for the gateway") from error


def _look(library: Avatars, name: str) -> dict[str, Any]:
    """Size, problem and thumbnail of an avatar. A video is judged by its first frame's existence, not by its face."""
    try:
        avatar = library.load(name)
        columns, rows = avatar.sides
        size = {"width": columns, "height": rows}
    except (JobError, StageError) as error:
        return {"problem": error.message}
    try:
        picture, face = _frame(avatar)
    except (JobError, StageError) as error:
        return {**size, "problem": error.message}
    problem = face.message if isinstance(face, NoFace) and not avatar.moves else None
    return {**size, "problem": problem, "thumbnail": base64.b64encode(_thumbnail(picture, face)).decode()}


def _frame(avatar: Avatar) -> tuple[Picture, FaceLandmarks | NoFace]:
    """A picture of the avatar, and the face in it, in its pixels."""
    if isinstance(avatar.source, VideoSource):
        picture = avatar.source.first_frame()
        found = find_in_picture(picture)
        return picture, found if isinstance(found, NoFace) else found.landmarks
    place = avatar.placed(None)
    if isinstance(place.landmarks, NoFace):
        return avatar.source, place.landmarks
    left, top, columns, rows = place.cut
    scale = (columns / place.size[0], rows / place.size[1])
    return avatar.source, place.landmarks.transformed(scale, -left, -top)


def _thumbnail(picture: Picture, face: FaceLandmarks | NoFace) -> bytes:
    """A JPEG of the face; without one, of the middle of the top."""
    rows, columns = picture.shape[:2]
    side, x, y = min(rows, columns), columns / 2, 0.0
    if isinstance(face, FaceLandmarks):
        points = np.concatenate([getattr(face, name).reshape(-1, 2) for name in CONTOURS])
        (x, y), height = (points.min(0) + points.max(0)) / 2, np.ptp(points[:, 1])
        y -= ABOVE_FACE * float(height)
        side = min(side, max(round(AROUND_FACE * float(height)), 1))
    left, top = (int(np.clip(middle - side / 2, 0, most - side)) for middle, most in ((x, columns), (y, rows)))
    square = np.ascontiguousarray(picture[top : top + side, left : left + side, ::-1])
    small = cv2.resize(square, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


if __name__ == "__main__":
    serve(handle)
