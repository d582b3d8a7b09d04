"""Avatars for clients: what each looks like, and adding new ones. Their files are decoded in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from daemon.cli.avatar_files import SETTINGS_FILE, check_name, undated
from daemon.web import isolated
from daemon.web.isolated import Crashed, Turns
from daemon.web.problems import ProblemError, not_found
from daemon.web.uploads import PORTRAIT_NAME, content_hash, content_name
from pipeline.avatars import Avatars
from pipeline.avatars.folder import require_media
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.media.refusals import unreadable
from pipeline.programs import Limits

PROGRAM = "daemon.web.portrait_program"
MEMORY_BYTES = 4 << 30
LOOK_LIMITS = Limits(60, output_bytes=4 << 20, cpu_seconds=60, memory_bytes=MEMORY_BYTES)
"""For looking at up to `TOGETHER` avatars."""
ADD_LIMITS = Limits(300, cpu_seconds=600, memory_bytes=MEMORY_BYTES)
"""For adding one: the face is followed through all frames of a video."""
TOGETHER = 16
SUFFIX = re.compile(r"\.[a-z0-9]{1,5}\Z")
WAITING_MAX = 8
"""How many uploads may wait for their turn."""


class AvatarState(BaseModel):
    """One avatar."""

    name: str
    kind: Literal["picture", "video"]
    width: int | None = None
    """Of the picture or video, in pixels; null if it cannot be read."""
    height: int | None = None
    thumbnail: str | None = None
    """URL of a small picture of the face."""
    usable: bool
    """Whether jobs can use it. Of a video only the first frame has been looked at."""
    problem: str | None = None
    """Why it is not usable."""


class AvatarList(BaseModel):
    """The avatars that a job may name."""

    avatars: list[AvatarState]
    default: str
    """The avatar of jobs that name none."""


@dataclass(frozen=True)
class Look:
    """What is known about an avatar's files."""

    etag: str
    width: int | None = None
    height: int | None = None
    problem: str | None = None
    thumbnail: bytes | None = None
    """A JPEG; None if it cannot be read."""


class Portraits:
    """The avatars of a configuration. Used in one event loop."""

    def __init__(self, config: Config, avatars: Avatars) -> None:
        self._config = config
        self._avatars = avatars
        self._looks: dict[str, Look] = {}
        self._looking = asyncio.Lock()
        self._adding = Turns(WAITING_MAX)

    async def states(self) -> AvatarList:
        """All avatars but the portraits that were uploaded for one job."""
        names = [name for name in await run_in_threadpool(self._avatars.names) if PORTRAIT_NAME.match(name) is None]
        looks = await self._look_at(names)
        found = [self._state(name, look) for name, look in looks.items()]
        return AvatarList(avatars=found, default=self._config.avatars.default)

    async def look(self, name: str) -> Look:
        """What is known about one avatar. Raises ProblemError if there is none of that name."""
        if name in await run_in_threadpool(self._avatars.names):
            looks = await self._look_at([name])
            if name in looks:
                return looks[name]
        raise not_found(f"avatar {name[:100]!r}")

    async def state(self, name: str) -> AvatarState:
        """One avatar. Raises ProblemError if there is none of that name."""
        return self._state(name, await self.look(name))

    async def add(self, name: str, file_name: str, content: BinaryIO, settings: str = "") -> bool:
        """Add an uploaded picture or video as an avatar if it can speak; False if that very avatar is there already.

        `settings`: its `avatar.yaml`, none if empty. Raises JobError and ProblemError.
        """
        self.check_allowed()
        suffix = _suffix(file_name)
        async with self._adding.turn():
            return await run_in_threadpool(self._add, name, suffix, content, settings)

    async def upload(self, file_name: str, content: BinaryIO) -> str:
        """Add a portrait for a job; returns the avatar's name. Raises JobError and ProblemError."""
        name = await run_in_threadpool(content_name, content)
        await self.add(name, file_name, content)
        return name

    def check_allowed(self) -> None:
        """Raise ProblemError if clients may not add avatars."""
        if not self._config.web.avatar_uploads:
            raise ProblemError(HTTPStatus.FORBIDDEN, "avatars cannot be uploaded here", code="avatar_uploads")

    def _add(self, name: str, suffix: str, content: BinaryIO, settings: str) -> bool:
        if name in self._avatars.names():
            self._check_same(name, content, settings)
            return False
        check_name(name)
        with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
            file = Path(folder) / f"{name}{suffix}"
            with file.open("wb") as copy:
                shutil.copyfileobj(content, copy)
            require_media(file)  # its first bytes: starting the program only to refuse a text would take half a second
            request = {"file": str(file), "name": name, "settings": settings}
            try:
                isolated.run(PROGRAM, self._config, request, ADD_LIMITS)
            except (Crashed, TimeoutError):
                raise unreadable("avatar", "it takes too long or too much memory") from None
        return True

    def _check_same(self, name: str, content: BinaryIO, settings: str) -> None:
        """Raise ProblemError unless an avatar consists of this file and these settings. Marks it as used now."""
        folder = self._config.path(self._config.avatars.folder) / name
        digest = content_hash(content)
        is_same = any(_hash(path) == digest for path in folder.glob("*")) and undated(
            _text(folder / SETTINGS_FILE)
        ) == undated(settings)
        if not is_same:
            message, hint = f"there already is an avatar {name[:100]!r}", "choose another name"
            raise ProblemError(HTTPStatus.CONFLICT, message, code="avatar", field="name", hint=hint)
        with contextlib.suppress(OSError):
            os.utime(folder)

    async def _look_at(self, names: list[str]) -> dict[str, Look]:
        """Looks at avatars; only those whose files have changed are read. Those that have gone are left out."""
        async with self._looking:
            etags = await run_in_threadpool(self._etags, names)
            known = self._looks
            new = [name for name, etag in etags.items() if name not in known or known[name].etag != etag]
            for start in range(0, len(new), TOGETHER):
                part = new[start : start + TOGETHER]
                found = await run_in_threadpool(self._read, part)
                known |= {name: Look(etags[name], **look) for name, look in zip(part, found, strict=True)}
            return {name: known[name] for name in etags}

    def _etags(self, names: list[str]) -> dict[str, str]:
        found = {}
        for name in names:
            try:
                stamp = repr((name, self._avatars.stamp(name)))
            except JobError:
                continue
            found[name] = hashlib.sha256(stamp.encode()).hexdigest()[:16]
        return found

    def _read(self, names: list[str]) -> list[dict[str, Any]]:
        """Look at avatars in one process, and if it does not survive that, at each in one of its own."""
        try:
            found = isolated.run(PROGRAM, self._config, {"names": names}, LOOK_LIMITS)
        except (Crashed, TimeoutError):
            if len(names) > 1:
                return [look for name in names for look in self._read([name])]
            return [{"problem": "it cannot be read within the limits"}]
        return [
            {**look, "thumbnail": base64.b64decode(look["thumbnail"])} if "thumbnail" in look else look
            for look in found
        ]

    def _state(self, name: str, look: Look) -> AvatarState:
        kind: Literal["picture", "video"] = "video" if self._avatars.is_video(name) else "picture"
        return AvatarState(
            name=name,
            kind=kind,
            width=look.width,
            height=look.height,
            usable=look.problem is None,
            problem=look.problem,
            thumbnail=f"{name}/thumbnail.jpg" if look.thumbnail is not None else None,
        )


def _suffix(file_name: str) -> str:
    """The suffix under which an uploaded file is stored. Its content decides what it is."""
    suffix = Path(file_name).suffix.lower()
    return suffix if SUFFIX.match(suffix) else ""


def _text(file: Path) -> str:
    """A settings file; empty if there is none."""
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError):
        return ""


def _hash(path: Path) -> str | None:
    """The hash of an avatar's file; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return content_hash(file)
    except OSError:
        return None
