"""An avatar's video: checks it, follows its face, and caches its frames at each size that jobs ask for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.cache import Cache
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.orientation import LiesTurned
from pipeline.avatars.faces.results import Faces, NoFace
from pipeline.avatars.faces.small_faces import small_face_in
from pipeline.avatars.faces.tracking import find_in_clip, shifted_box
from pipeline.avatars.folder import require_media, unchanged
from pipeline.avatars.scenes import Clip
from pipeline.avatars.settings import AvatarSettings, Box
from pipeline.avatars.unseen_frames import shown
from pipeline.errors import JobError
from pipeline.media import animations, clip_format, clips
from pipeline.media.clip_format import ClipFormat
from pipeline.media.clips import Cut, View
from pipeline.media.kinds import Kind
from pipeline.media.pictures import Look
from pipeline.media.refusals import too_long, too_many_pixels, unreadable

VERSION = 2
"""Version of what is read from files: cached headers, frames and faces of other versions are not used.

Increment it when a change affects headers, or how pictures are decoded, coloured, rotated, cropped or scaled.
"""

SEARCH_SIDE_MAX = 1280
"""Faces are searched for in frames scaled down to this length of the longer side."""

FADE_SECONDS = 0.2
"""Length of a transition to or from frames in which no mouth is drawn."""

SMALL_FACE_REACH = 4.0
"""A small face is followed this far around where it was found, in its heights."""

SLACK_SECONDS = 1.0
"""How much a header may understate the duration."""


@dataclass(frozen=True)
class VideoSource:
    """A video file whose header has been checked."""

    file: Path
    digest: str
    """SHA-256 of the file."""
    cache: Cache
    kind: Kind
    format: ClipFormat
    look: Look
    seconds_max: int

    @classmethod
    def open(
        cls, file: Path, digest: str, cache: Cache, look: Look, *, pixels_max: int, seconds_max: int
    ) -> VideoSource:
        """Read the header. Raises JobError if the file is not a video, or is too large or too long.

        This and every other method that reads the file raise StageError if the file changes during the read.
        """
        kind = require_media(file)

        def write(target: Path) -> None:
            """Cache the header, so that new workers need not read it."""
            with unchanged(file, digest):
                target.write_bytes(_probed(file, kind, pixels_max, seconds_max).to_json())

        with cache.open(f"{digest}-format-{VERSION}.json", write) as kept:
            found = ClipFormat.from_json(kept.read())
        if found.width * found.height > pixels_max:
            raise too_many_pixels(file, f"{found.width}x{found.height} pixels, the limit is {pixels_max} in total")
        if found.seconds is not None and found.seconds > seconds_max + SLACK_SECONDS:
            raise too_long(file, f"is {found.seconds:.0f} s long", f"{seconds_max} s")
        return cls(file, digest, cache, kind, found, look, seconds_max)

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height in pixels, upright, and turned as the settings say."""
        return self.look.turned(self.format.sides)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return self.format.rate

    def find_faces(self, part: Cut, choice: Choice) -> Faces | NoFace:
        """Follow the face through a part of all frames. Raises JobError if they cannot be decoded.

        If it is too small for that, it is searched for in detail, and followed in the part around it.
        """
        found = self._followed(part, choice)
        if isinstance(found, Faces | LiesTurned) or found.code not in ("no_face", "face_too_small"):
            return found
        small = self._small_face(part, choice)
        return found if small is None else self._followed(_around(small, part), Choice(face_box=small))

    def _followed(self, part: Cut, choice: Choice) -> Faces | NoFace:
        left, top, columns, rows = part
        scale = min(1.0, SEARCH_SIDE_MAX / max(columns, rows))
        size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
        factor = (columns / size[0], rows / size[1])
        if choice.face_box is not None:
            choice = Choice(_scaled(shifted_box(choice.face_box, -left, -top), factor))
        with unchanged(self.file, self.digest):
            found = find_in_clip(self._rgb(part, size, self.seconds_max), choice)
        return found.scaled(factor).moved(left, top) if isinstance(found, Faces) else found

    def _small_face(self, part: Cut, choice: Choice) -> Box | None:
        """The box of a small face in one of the frames, searched in full size; None if there is none."""
        left, top, columns, rows = part
        if choice.face_box is not None:
            choice = Choice(shifted_box(choice.face_box, -left, -top))
        frames = self._rgb(part, (columns, rows), self.seconds_max)
        with unchanged(self.file, self.digest), closing(frames):
            box = small_face_in(frames, choice)
        return None if box is None else shifted_box(box, left, top)

    def first_frame(self) -> NDArray[np.uint8]:
        """The first frame, RGB [height, width, 3], scaled down to `SEARCH_SIDE_MAX`. Raises JobError."""
        scale = min(1.0, SEARCH_SIDE_MAX / max(self.sides))
        size = (max(round(self.sides[0] * scale), 1), max(round(self.sides[1] * scale), 1))
        frames = self._rgb((0, 0, *self.sides), size, 1)
        with unchanged(self.file, self.digest), closing(frames):
            picture = next(frames, None)
        if picture is None:
            raise unreadable("avatar", f"{self.file.name} contains no frames")
        return picture

    def scene(self, cut: Cut, size: tuple[int, int], faces: Faces | NoFace, settings: AvatarSettings) -> Clip:
        """The frames, cropped and scaled to `size`. Raises JobError."""
        look = repr((VERSION, cut, size, self.rate, self.seconds_max, self.look))
        shape = hashlib.sha256(look.encode()).hexdigest()[:12]
        file = self.cache.open(f"{self.digest}-{shape}.i420", lambda target: self._write(target, cut, size))
        frames = os.fstat(file.fileno()).st_size // (size[0] * size[1] * 3 // 2)
        # The face was tracked in a separate run of ffmpeg: only frames decoded by both runs can be used.
        seen = faces.seen[:frames] if isinstance(faces, Faces) else np.ones(frames, bool)
        marks = (faces.covered, faces.cuts) if isinstance(faces, Faces) else (~seen, ~seen)
        covered, cuts = (mark[: len(seen)] for mark in marks)
        showing = shown(settings.no_face, seen, covered, cuts, max(round(FADE_SECONDS * self.rate), 1))
        return Clip(file, size, len(seen), self.rate, *showing)

    def check_room(self, frames: int, size: tuple[int, int]) -> None:
        """Raise JobError if so many frames of a size (width, height) exceed the cache."""
        if frames * (size[0] * size[1] * 3 // 2) > self.cache.bytes_max:
            raise _too_large(self.file, self.cache.bytes_max)

    def _write(self, target: Path, cut: Cut, size: tuple[int, int]) -> None:
        """Write all frames to one file."""
        written = 0
        with unchanged(self.file, self.digest), target.open("wb") as file:
            for frame in self._i420(cut, size):
                written += file.write(frame.data)
                if written > self.cache.bytes_max:
                    raise _too_large(self.file, self.cache.bytes_max)
        if not written:
            raise unreadable("avatar", f"{self.file.name} contains no frames")

    def _rgb(self, cut: Cut, size: tuple[int, int], seconds: float) -> Generator[NDArray[np.uint8], None, None]:
        view = View(self.look, cut, size)
        if self.kind.medium == "animation":
            return animations.rgb_frames(self.file, self.kind, self.format, view, seconds=seconds)
        return clips.rgb_frames(self.file, self.format, view, seconds=seconds)

    def _i420(self, cut: Cut, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        view, seconds = View(self.look, cut, size), self.seconds_max
        if self.kind.medium == "animation":
            return animations.i420_frames(self.file, self.kind, self.format, view, seconds=seconds)
        return clips.i420_frames(self.file, self.format, view, seconds=seconds)


def _probed(file: Path, kind: Kind, pixels_max: int, seconds_max: int) -> ClipFormat:
    if kind.medium == "animation":
        return animations.probe(file, kind, pixels_max, seconds_max + SLACK_SECONDS)
    return clip_format.probe(file, "avatar")


def _around(face: Box, part: Cut) -> Cut:
    """The part of a picture in which a small face is followed."""
    left, top, columns, rows = part
    reach = SMALL_FACE_REACH * (face[3] - face[1])
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    x1, y1 = max(int(x - reach), left), max(int(y - reach), top)
    return x1, y1, min(int(x + reach), left + columns) - x1, min(int(y + reach), top + rows) - y1


def _scaled(box: Box, factor: tuple[float, float]) -> Box:
    x1, y1, x2, y2 = box
    return x1 / factor[0], y1 / factor[1], x2 / factor[0], y2 / factor[1]


def _too_large(file: Path, bytes_max: int) -> JobError:
    message = f"the frames of {file.name} take more than the {bytes_max} bytes of avatars.cache_bytes"
    return JobError("too_large", message, field="avatar", hint="use a shorter video or a smaller size")
