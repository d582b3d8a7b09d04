"""The `avatars` commands: list, check, add."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.avatars import Avatar, Avatars
from pipeline.config import AvatarsSettings, Config
from pipeline.errors import JobError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
HINT = "letters, digits, '.', '_' and '-', beginning with a letter or a digit"


def check(config: Config, name: str) -> str:
    """Look at an avatar as a job would; say in a line what there is. Raises JobError when it cannot speak."""
    # What is found is not kept: the spool's cache belongs to the daemon's user.
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
        avatar = Avatars(config, Path(scratch)).load(name)
        fitted = avatar.fitted(None)
        lips = fitted.require_landmarks().lips_outer
        (columns, rows), (width, height) = avatar.sides, fitted.scene.size
        mouth = float((lips[..., 0].max(-1) - lips[..., 0].min(-1)).mean())
        kind = "video" if avatar.moves else "picture"
        told = f"{kind} of {columns}x{rows}, frames of {width}x{height}, mouth {mouth:.0f} pixels wide"
        return ", ".join([told, *_unseen(avatar)])


def _unseen(avatar: Avatar) -> Iterator[str]:
    """Where a video's face is not seen."""
    if avatar.unseen:
        spans = ", ".join(f"{start} to {stop - 1}" for start, stop in avatar.unseen)
        yield f"no face in frames {spans} (no_face: {avatar.settings.no_face})"


def add(config: Config, file: Path, name: str) -> str:
    """Make a folder of a picture or a video among the configured avatars, if it can speak; returns what `check` says.

    Raises JobError when it cannot, or when the name is not free.
    """
    if not NAME.fullmatch(name):
        raise JobError("avatar", f"{name[:100]!r} is no name of an avatar", field="name", hint=HINT)
    if name in Avatars(config).names():
        raise JobError("avatar", f"there is an avatar {name!r} already", field="name", hint="choose another --name")
    folder = config.path(config.avatars.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        unfinished = Path(scratch) / name
        unfinished.mkdir(mode=0o755)
        shutil.copyfile(file, unfinished / f"{name}{file.suffix.lower()}")
        found = check(config.model_copy(update={"avatars": _only(config, scratch)}), name)
        unfinished.rename(folder / name)
    return found


def _only(config: Config, folder: str) -> AvatarsSettings:
    return config.avatars.model_copy(update={"folder": folder})


def described(config: Config, name: str) -> str:
    """What an avatar is, without looking for its face. Raises JobError when its files cannot be read."""
    avatar = Avatars(config).load(name)
    columns, rows = avatar.sides
    return f"{'video' if avatar.moves else 'picture'} of {columns}x{rows}"
