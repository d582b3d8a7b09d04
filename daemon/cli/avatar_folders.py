"""The `avatars` commands: list, check, add."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.avatars import Avatars
from pipeline.avatars.faces.tracking import NoFace
from pipeline.config import AvatarsSettings, Config
from pipeline.errors import JobError
from pipeline.job import JOB_NAME

HINT = "letters, digits, '.', '_' and '-', beginning with a letter or a digit"


def check(config: Config, name: str) -> str:
    """Look at an avatar as a job would; say in a line what there is. Raises JobError when it cannot speak."""
    with _avatars(config) as avatars:
        avatar = avatars.load(name)
        place = avatar.placed(None)
    if isinstance(place.landmarks, NoFace):
        raise place.landmarks.error()
    lips = place.landmarks.lips_outer
    mouth = float((lips[..., 0].max(-1) - lips[..., 0].min(-1)).mean())
    (columns, rows), (width, height) = avatar.sides, place.size
    kind = "video" if avatar.moves else "picture"
    told = f"{kind} of {columns}x{rows}, frames of {width}x{height}, mouth {mouth:.0f} pixels wide"
    if avatar.moves and place.unseen:
        spans = ", ".join(f"{start} to {stop - 1}" for start, stop in place.unseen)
        return f"{told}, no face in frames {spans} (no_face: {avatar.settings.no_face})"
    return told


def add(config: Config, file: Path, name: str) -> str:
    """Make a folder of a picture or a video among the configured avatars, if it can speak; returns what `check` says.

    Raises JobError when it cannot, or when the name is not free.
    """
    if JOB_NAME.match(name) is None:  # avatars are called like jobs
        raise JobError("avatar", f"{name[:100]!r} is no name of an avatar", field="name", hint=HINT)
    if name in Avatars(config).names():
        raise JobError("avatar", f"there is an avatar {name!r} already", field="name", hint="choose another --name")
    folder = config.path(config.avatars.folder)
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        unfinished = Path(scratch) / name
        unfinished.mkdir()
        copy = Path(shutil.copyfile(file, unfinished / f"{name}{file.suffix.lower()}"))
        # The daemon may run as another user than the one who adds.
        unfinished.chmod(0o755)
        copy.chmod(0o644)
        found = check(config.model_copy(update={"avatars": _only(config, scratch)}), name)
        unfinished.rename(folder / name)
    return found


def _only(config: Config, folder: str) -> AvatarsSettings:
    return config.avatars.model_copy(update={"folder": folder})


def described(config: Config, name: str) -> str:
    """What an avatar is, without looking for its face. Raises JobError when its files cannot be read."""
    with _avatars(config) as avatars:
        avatar = avatars.load(name)
    columns, rows = avatar.sides
    return f"{'video' if avatar.moves else 'picture'} of {columns}x{rows}"


@contextmanager
def _avatars(config: Config) -> Iterator[Avatars]:
    """The avatars; what is found in them is not kept, since the spool's cache belongs to the daemon's user."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
        yield Avatars(config, Path(scratch))
