"""What users ask of open streams: files in a folder for each stream, so that nothing asked is lost in a crash.

Each is complete once it is visible, and they are numbered in the order in which they were made.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from daemon.spool.layout import CLAIMED, JOB, TIMING
from daemon.spool.requests import Requests
from pipeline.errors import JobError
from pipeline.files import locked, write_file
from pipeline.job_file import JOB_NAME

Kind = Literal["text", "stop", "end"]
FILE = re.compile(r"([0-9]{8,18})\.(text|stop|end|done)\Z")
"""A request, or that all up to this number are done: numbers are never used again."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    number: int
    kind: Kind
    path: Path

    @property
    def text(self) -> str:
        """What to say; empty for the other kinds."""
        return self.path.read_text("utf-8", "replace")


class OpenStreams(Requests):
    """Requests to say more, to stop and to end."""

    def ask(self, name: str, kind: Kind, text: str = "", *, characters_max: int | None = None) -> None:
        """Ask something of an open stream, queued or running. It is on disk when this returns.

        `characters_max`: of all texts that are not said yet. Raises JobError, and OSError.
        """
        self.asked_of_streams.mkdir(mode=0o750, parents=True, exist_ok=True)
        with locked(self.asked_of_streams / ".lock"):
            before = self.asked(name, 0)
            self._check_open(name, before)
            if kind == "text" and characters_max is not None:
                _check_length(before, text, characters_max)
            folder = self.asked_of_streams / name
            folder.mkdir(mode=0o750, exist_ok=True)
            number = 1 + max((number for number, _, _ in self._files_of(name)), default=0)
            write_file(folder / f"{number:08d}.{kind}", text.encode())
        self._ring()

    def _check_open(self, name: str, before: list[Asked]) -> None:
        if not JOB_NAME.match(name) or not self.is_open(name):
            hint = 'a stream stays open if its job has "keep_open": true'
            raise JobError("not_open", f"there is no open stream {name}", field="name", hint=hint)
        if (self.folder(name) / TIMING).exists() or any(asked.kind == "end" for asked in before):
            raise JobError("not_open", f"the stream {name} is ending", field="name", hint="submit a new job")

    def is_open(self, name: str) -> bool:
        """Whether the job of this name, queued or running, is a stream that stays open."""
        for file in (self.folder(name) / JOB, self.folder(name) / CLAIMED, self.dropped_file(name)):
            with contextlib.suppress(OSError, ValueError, RecursionError):
                job = json.loads(file.read_bytes())
                return isinstance(job, dict) and job.get("keep_open") is True
        return False

    def asked(self, name: str, after: int) -> list[Asked]:
        """The requests with higher numbers than `after`, in their order."""
        found = [Asked(number, kind, path) for number, kind, path in self._files_of(name) if kind != "done"]
        return sorted((asked for asked in found if asked.number > after), key=lambda asked: asked.number)

    def _files_of(self, name: str) -> Iterator[tuple[int, Any, Path]]:
        """Number, kind and path of all files of a stream."""
        with contextlib.suppress(FileNotFoundError):
            for path in (self.asked_of_streams / name).iterdir():
                match = FILE.match(path.name)
                if match is not None:
                    yield int(match[1]), match[2], path

    def forget_asked(self, name: str, finished: int) -> None:
        """Remove the requests up to a number, which is kept: the next request counts from it. An end stays."""
        for number, kind, path in sorted(self._files_of(name)):
            if number < finished and kind != "end":
                path.unlink(missing_ok=True)
            elif number == finished and kind not in ("end", "done"):
                path.rename(path.with_suffix(".done"))

    def remove_asked(self, name: str) -> None:
        """Remove what was asked of a stream that has ended."""
        if (self.asked_of_streams / name).exists():
            with locked(self.asked_of_streams / ".lock"):
                shutil.rmtree(self.asked_of_streams / name)


def _check_length(before: list[Asked], text: str, characters_max: int) -> None:
    stops = [place for place, asked in enumerate(before) if asked.kind == "stop"]
    latest = before[stops[-1] + 1 :] if stops else before
    waiting = sum(len(asked.text) for asked in latest)
    if waiting + len(text) > characters_max:
        message = f"{waiting} characters of this stream are still to be said, and the limit is {characters_max}"
        raise JobError("too_long", message, field="text", hint="wait, or stop what is being said")
