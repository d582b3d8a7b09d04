"""What is seen behind a person that is cut out: a colour, a picture or a video."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.cache import Cache
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.folder import digest, read_picture, require_media, unchanged
from pipeline.avatars.framing import framed
from pipeline.avatars.library import CACHE_FOLDER
from pipeline.avatars.scenes import Clip
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import VideoSource
from pipeline.composition import names
from pipeline.composition.composition import Frames, Surroundings
from pipeline.config import Config
from pipeline.errors import about
from pipeline.media.canvas import mixed, picture_i420
from pipeline.media.clips import Cut
from pipeline.media.pictures import Look

VERSION = 1
"""Increment it when backgrounds change: cached pictures of other versions are not used."""
FADE_SECONDS = 1.0
"""How long the end of a video fades into its beginning, at most half of it."""

NEUTRAL = "#c8c8c8"
"""What the MP4 of a transparent video shows."""

Size = tuple[int, int]
"""Width and height."""


class Backgrounds:
    """The backgrounds of a configuration: colours, and the files of its folder."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._cache = Cache(config.path(config.spool) / CACHE_FOLDER, config.avatars.cache_bytes)
        self._opened = lru_cache(maxsize=1)(self._open)

    def open(self, background: str, size: Size, fps: int) -> Surroundings:
        """A job's background in frames of a size and rate; the last one is kept. Raises JobError."""
        file = names.file_of(background, self._config)
        names.check(background, self._config)
        with about(names.FIELD):
            return self._opened(background, file and digest(file), size, fps)

    def _open(self, background: str, content: str | None, size: Size, fps: int) -> Surroundings:
        file = names.file_of(background, self._config)
        if file is None or content is None:
            return Still(_plain(NEUTRAL if background == names.TRANSPARENT else background, size))
        if require_media(file).moves:
            return self._video(file, content, size, fps)
        return Still(self._picture(file, content, size))

    def _picture(self, file: Path, content: str, size: Size) -> Frames:
        pixels_max = self._config.limits.picture_pixels

        def write(target: Path) -> None:
            with unchanged(file, content):
                picture = read_picture(file, pixels_max)
            target.write_bytes(picture_i420(_covering(picture, size)).tobytes())

        query = hashlib.sha256(repr((VERSION, size, pixels_max)).encode()).hexdigest()[:12]
        with self._cache.open(f"{content}-{query}.background", write) as kept:
            return np.frombuffer(kept.read(), np.uint8).reshape(size[1] * 3 // 2, size[0])

    def _video(self, file: Path, content: str, size: Size, fps: int) -> Surroundings:
        limits = self._config.limits
        seconds, pixels = limits.avatar_seconds, limits.picture_pixels
        video = VideoSource.open(file, content, self._cache, Look(), pixels_max=pixels, seconds_max=seconds)
        unseen = NoFace("no_face", "not searched for", "")
        return Loop(video.scene(_cover(video.sides, size), size, unseen, AvatarSettings()), fps)


class Still:
    """A background that does not move."""

    def __init__(self, frame: Frames) -> None:
        """`frame`: I420 [height * 3 / 2, width]."""
        self._frame = frame

    def frames(self, start_frame: int, count: int) -> Frames:
        """See `Surroundings`."""
        return self._frame[None].repeat(count, 0)


class Loop:
    """A video that starts again and again; its end fades into its beginning."""

    def __init__(self, clip: Clip, fps: int) -> None:
        self._clip, self._fps = clip, fps
        self._fade = min(round(FADE_SECONDS * clip.rate), clip.frames // 2)
        self._period = clip.frames - self._fade

    def frames(self, start_frame: int, count: int) -> Frames:
        """See `Surroundings`."""
        return np.stack([self._frame(number) for number in range(start_frame, start_frame + count)])

    def _frame(self, number: int) -> Frames:
        turn, at = divmod(int(number * self._clip.rate / self._fps), self._period)
        frame = self._clip.read(at)
        if turn == 0 or at >= self._fade:
            return frame
        return mixed(self._clip.read(self._period + at), frame, (at + 1) / (self._fade + 1))


def _plain(colour: str, size: Size) -> Frames:
    picture = np.empty((size[1], size[0], 3), np.uint8)
    picture[:] = list(bytes.fromhex(colour[1:]))
    return picture_i420(picture)


def _cover(sides: Size, size: Size) -> Cut:
    """The middle of a picture that has the aspect ratio of frames."""
    return framed((0, 0, *sides), size[0] / size[1], None)


def _covering(picture: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """The middle of a picture, scaled to the size of frames."""
    left, top, columns, rows = _cover(picture.shape[1::-1], size)
    part = picture[top : top + rows, left : left + columns]
    method = cv2.INTER_AREA if size[0] < columns else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(part, size, interpolation=method), np.uint8)
