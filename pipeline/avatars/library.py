"""Loads avatars by name."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.avatar import Avatar, FittedAvatar
from pipeline.avatars.cache import Cache
from pipeline.avatars.derived import DerivedFiles
from pipeline.avatars.faces import tracking
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.results import Faces, NoFace, load
from pipeline.avatars.folder import (
    MATTE,
    digest,
    entries,
    identity,
    kind_of,
    media_file,
    read_picture,
    refuse,
    require_media,
    unchanged,
)
from pipeline.avatars.landmarks import CONTOURS, FaceLandmarks
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import VERSION, VideoSource
from pipeline.config import Config
from pipeline.errors import ConfigError, JobError, nearest_hint
from pipeline.files import as_spelt
from pipeline.media.picture_decoder import Picture
from pipeline.media.pictures import Look
from pipeline.messages import FrameSize, Origin

BUILT_IN_FOLDER = Path(__file__).parent / "assets"
"""Avatars that come with lipdrop."""

ENDS = ("#000000", "#ffffff")
"""Black and white."""

CACHE_FOLDER = "cache"
"""Folder in the spool for cached results."""


class Avatars:
    """The avatars of a configuration: those in its avatar folder, and those that come with lipdrop."""

    def __init__(self, config: Config, cache: Path | None = None) -> None:
        """`cache`: folder for cached results; None: the one in the spool."""
        self._folders = (config.path(config.avatars.folder), BUILT_IN_FOLDER)
        self._limits = config.limits
        self._cache_days = config.avatars.cache_days
        self._cache = Cache(cache or config.path(config.spool) / CACHE_FOLDER, config.avatars.cache_bytes)
        self._read = lru_cache(maxsize=4)(self._read_folder)
        self._read_voices = lru_cache(maxsize=16)(self._read_settings)
        self._fitted = lru_cache(maxsize=1)(Avatar.fitted)

    def names(self) -> list[str]:
        """The names that a job may currently use. A missing or unreadable folder has none."""
        found = {entry.name for folder in self._folders for entry in entries(folder) if os.path.isdir(entry)}  # noqa: PTH112
        return sorted(unicodedata.normalize("NFC", name) for name in found if not name.startswith((".", "_")))

    def check_default(self, name: str) -> None:
        """Raise ConfigError unless there is the avatar of jobs that name none."""
        if name not in (names := self.names()):
            hint = nearest_hint(name[:100], names, "avatars")
            raise ConfigError("avatar", f"there is no avatar {name[:100]!r}", field="avatars.default", hint=hint)

    def forget_unused(self) -> None:
        """Remove cached results that have not been used for `avatars.cache_days`. Raises OSError."""
        self._cache.remove_unused(self._cache_days)

    def load(self, name: str) -> Avatar:
        """Read an avatar; cached until its folder changes. Raises JobError."""
        return self._read(self._folder(name), self.stamp(name))

    def fitted(self, name: str, size: FrameSize | None, *, is_cut_out: bool = False) -> FittedAvatar:
        """An avatar at a job's frame size. The last one is kept, and with it what engines prepare for it.

        `is_cut_out`: without its background. Raises JobError.
        """
        return self._fitted(self.load(name), size, is_cut_out=is_cut_out)

    def stamp(self, name: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """A value that changes when an avatar's folder changes. Raises JobError if there is no such avatar."""
        return tuple(sorted((entry.name, identity(entry)) for entry in entries(self._folder(name))))

    def voices(self, name: str, language: str) -> tuple[str, ...]:
        """The voices that an avatar should speak a language with, in order of preference. Raises JobError."""
        return self._read_voices(self._folder(name), self.stamp(name)).voices(language)

    def is_video(self, name: str) -> bool:
        """Whether an avatar is a video, judged by the first bytes of its file."""
        try:
            kind = kind_of(media_file(self._folder(name)))
        except JobError:
            return False
        return kind is not None and kind.moves

    def origin(self, name: str) -> Origin:
        """What an avatar's pictures are, and whether the person agrees. Raises JobError."""
        folder = self._folder(name)
        if folder.parent == BUILT_IN_FOLDER:
            return Origin("drawn")
        consent = self._read_voices(folder, self.stamp(name)).consent
        return Origin("video" if self.is_video(name) else "picture", None if consent is None else consent.statement)

    def _folder(self, name: str) -> Path:
        # os.path.isdir: Path.is_dir raises PermissionError inside unreadable folders.
        places = [as_spelt(parent, name) for parent in self._folders]
        folder = next((place for place in places if os.path.isdir(place)), None)  # noqa: PTH112
        if folder is None:
            hint = "avatars: " + ", ".join(self.names())
            raise JobError("avatar", f"there is no avatar {name[:100]!r}", field="avatar", hint=hint)
        return folder

    def _read_folder(self, folder: Path, stamp: object) -> Avatar:
        file = media_file(folder)
        settings = self._read_settings(folder, stamp)
        own = folder / "landmarks.json"
        landmarks = FaceLandmarks.load(own) if os.path.lexists(own) else None
        matte = folder / MATTE if file.name != MATTE and os.path.lexists(folder / MATTE) else None
        if not require_media(file).moves:
            return self._still(file, settings, landmarks, matte)
        for given in filter(os.path.lexists, (own, *filter(None, [matte]))):
            refuse(Path(given), "not supported for a video, where it is always found by itself", "remove the file")
        return self._video(file, settings)

    def _read_settings(self, folder: Path, stamp: object) -> AvatarSettings:
        return AvatarSettings.load(folder / "avatar.yaml", self._limits.frame_pixels)

    def _still(
        self, file: Path, settings: AvatarSettings, landmarks: FaceLandmarks | None, matte: Path | None
    ) -> Avatar:
        content = digest(file)
        picture = self._picture(file, content, settings.look)
        part, choice = settings.cropped_area(picture.shape[1::-1]), Choice(settings.face_box, settings.face)
        find = self._cached(content, settings, lambda: tracking.find_in_part(picture, part, choice))
        own = None if matte is None else digest(matte)
        derived = self._derived(content, settings, landmarks, own)
        read_matte = None if matte is None or own is None else partial(self._matte, matte, own, settings.look)
        read_opacity = partial(self._opacity, file, content, settings.look)
        return Avatar(picture, settings, find, landmarks, derived, read_matte, read_opacity)

    def _opacity(self, file: Path, content: str, look: Look) -> NDArray[np.uint8]:
        """How opaque each pixel is, [height, width]: black and white under it look the same where it is."""
        black, white = (self._picture(file, content, replace(look, background=colour)) for colour in ENDS)
        return np.asarray(255 - (white - black).max(axis=2), np.uint8)

    def _matte(self, file: Path, content: str, look: Look) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._picture(file, content, look)[..., 0])

    def _picture(self, file: Path, content: str, look: Look) -> Picture:
        """The pixels of a picture, decoded once for all processes: decoding takes a process of its own."""
        pixels_max = self._limits.picture_pixels

        def write(target: Path) -> None:
            with unchanged(file, content):
                picture = read_picture(file, pixels_max, look)
            with target.open("wb") as opened:  # numpy would add an ending to a path's name
                np.save(opened, picture)

        query = repr((VERSION, look, pixels_max))
        name = f"{content}-{hashlib.sha256(query.encode()).hexdigest()[:12]}.npy"
        with self._cache.open(name, write) as file_of_pixels:
            return np.asarray(np.load(file_of_pixels), np.uint8)

    def _video(self, file: Path, settings: AvatarSettings) -> Avatar:
        content, limits = digest(file), self._limits
        video = VideoSource.open(
            file,
            content,
            self._cache,
            settings.look,
            pixels_max=limits.picture_pixels,
            seconds_max=limits.avatar_seconds,
        )
        part, choice = settings.cropped_area(video.sides), Choice(settings.face_box, settings.face)
        find = self._cached(content, settings, lambda: video.find_faces(part, choice))
        return Avatar(video, settings, find, files=self._derived(content, settings, None))

    def _derived(
        self, content: str, settings: AvatarSettings, landmarks: FaceLandmarks | None, matte: str | None = None
    ) -> DerivedFiles:
        points = [] if landmarks is None else [getattr(landmarks, name).tolist() for name in CONTOURS]
        versions = tracking.VERSION, VERSION, self._limits.avatar_seconds
        return DerivedFiles(self._cache, repr((content, settings, points, *versions, matte)))

    def _cached(
        self, content: str, settings: AvatarSettings, find: Callable[[], Faces | NoFace]
    ) -> Callable[[], Faces | NoFace]:
        """The search `find`, run once per file content and settings."""
        choice = settings.crop, settings.face_box, settings.face
        query = repr((tracking.VERSION, VERSION, settings.look, *choice, self._limits.avatar_seconds))
        name = f"{content}-{hashlib.sha256(query.encode()).hexdigest()[:12]}.npz"

        def cached() -> Faces | NoFace:
            with self._cache.open(name, lambda path: find().save(path)) as file:
                return load(file)

        return cached
