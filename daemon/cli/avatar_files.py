"""Describing, checking and adding avatars. The web gateway uses this too, in a process that it starts each time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import AvatarsSettings, Config
from pipeline.errors import JobError
from pipeline.job_file import JOB_NAME

if TYPE_CHECKING:
    from pipeline.avatars import Avatars

NAME_HINT = "use letters, digits, '.', '_' and '-', starting with a letter or a digit"


def describe(config: Config, name: str) -> str:
    """An avatar's kind and size, without finding its face. Raises JobError if its files cannot be read."""
    with _without_cache(config) as library:
        avatar = library.load(name)
    columns, rows = avatar.sides
    return f"{'video' if avatar.moves else 'picture'} of {columns}x{rows}"


def inspect(config: Config, name: str) -> str:
    """Load an avatar as a job would and describe it in one line. Raises JobError if it cannot speak."""
    from pipeline.avatars.faces.tracking import NoFace

    with _without_cache(config) as library:
        avatar = library.load(name)
        place = avatar.placed(None)
    if isinstance(place.landmarks, NoFace):
        raise place.landmarks.error()
    lips = place.landmarks.lips_outer
    mouth = float((lips[..., 0].max(-1) - lips[..., 0].min(-1)).mean())
    (columns, rows), (width, height) = avatar.sides, place.size
    kind = "video" if avatar.moves else "picture"
    description = f"{kind} of {columns}x{rows}, frames of {width}x{height}, mouth {mouth:.0f} pixels wide"
    if avatar.moves and place.unseen:
        spans = ", ".join(f"{start} to {stop - 1}" for start, stop in place.unseen)
        return f"{description}, no face in frames {spans} (no_face: {avatar.settings.no_face})"
    return description


def install(config: Config, file: Path, name: str) -> str:
    """Copy a picture or video into a new avatar folder if it can speak; return its description from `inspect`.

    Raises JobError if it cannot speak, or if the name is invalid or taken.
    """
    if JOB_NAME.match(name) is None:  # avatar names follow the rules of job names
        raise JobError("avatar", f"invalid avatar name {name[:100]!r}", field="name", hint=NAME_HINT)
    if name in names_of(config):
        raise JobError("avatar", f"avatar {name!r} already exists", field="name", hint="choose another name")
    folder = config.path(config.avatars.folder)
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        unfinished = Path(scratch) / name
        unfinished.mkdir()
        copy = Path(shutil.copyfile(file, unfinished / f"{name}{file.suffix.lower()}"))
        # The daemon may run as a different user.
        unfinished.chmod(0o755)
        copy.chmod(0o644)
        description = inspect(config.model_copy(update={"avatars": _only(config, scratch)}), name)
        unfinished.rename(folder / name)
    return description


def _only(config: Config, folder: str) -> AvatarsSettings:
    return config.avatars.model_copy(update={"folder": folder})


def names_of(config: Config) -> list[str]:
    """The names of all avatars."""
    from pipeline.avatars import Avatars

    return Avatars(config).names()


@contextmanager
def _without_cache(config: Config) -> Iterator[Avatars]:
    """The avatars, with a temporary cache: the spool's cache belongs to the daemon's user."""
    from pipeline.avatars import Avatars

    with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
        yield Avatars(config, Path(scratch))
