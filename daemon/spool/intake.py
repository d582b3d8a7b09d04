"""Intake: decides which files in the inbox are complete, and which job is next."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daemon.spool.claims import Dropped, read_file
from daemon.spool.layout import JOB_SUFFIX
from daemon.spool.spool import Spool
from pipeline.errors import JobError
from pipeline.job import Job, Outline
from pipeline.job_file import JOB_MAX_BYTES, parse_json_object

READ_SECONDS = 0.5
"""Time budget per scan; remaining files wait for the next one, so that thousands of them do not block the daemon."""

log = logging.getLogger(__name__)


class FileState(Enum):
    """The result of reading a file."""

    UNREAD = "unread"
    COMPLETE = "complete"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"


@dataclass
class _Seen:
    """What is known about a file since it last changed."""

    file: Dropped
    first_seconds: float
    """When it was first seen; monotonic, so that changes of the wall clock have no effect."""
    changed_seconds: float
    state: FileState
    priority: int
    outline: Outline | None
    """None unless it is a complete and valid job."""


@dataclass(frozen=True)
class Waiting:
    """A valid job in the inbox."""

    name: str
    outline: Outline
    priority: int
    seen_seconds: float
    """When it was first seen; monotonic."""


@dataclass
class _ForeignFile:
    """An entry of the inbox that is not a job."""

    first_seconds: float
    """When it was first seen; monotonic."""
    is_reported: bool = False


class Intake:
    """Waits for complete files. One that parses as a JSON object is complete; any other gets time to be completed."""

    def __init__(self, spool: Spool, quiet_seconds: float) -> None:
        self._spool = spool
        self._quiet_seconds = quiet_seconds
        self._seen: dict[str, _Seen] = {}
        """In claiming order."""
        self._foreign_files: dict[str, _ForeignFile] = {}

    @property
    def waiting(self) -> int:
        """Job files in the inbox at the last scan, except unreadable ones."""
        return sum(seen.state is not FileState.UNREADABLE for seen in self._seen.values())

    def scan(self) -> None:
        """List the inbox and read new and changed files, oldest first, within the time budget."""
        files, foreign_files = self._spool.scan()
        deadline = time.monotonic() + READ_SECONDS
        seen = [self._inspect(file, deadline) for file in files]
        self._seen = {found.file.name: found for found in sorted(seen, key=lambda found: -found.priority)}
        unreadable = [found.file.file for found in seen if found.state is FileState.UNREADABLE]
        self._warn([*foreign_files, *unreadable])

    def next(self, in_flight: Collection[str]) -> str | None:
        """The job to claim now: highest priority, then oldest. A job whose name is in flight waits."""
        return next((name for name, seen in self._seen.items() if name not in in_flight and self._is_ready(seen)), None)

    def _is_ready(self, seen: _Seen) -> bool:
        """Complete, or unfinished and unchanged for the quiet time."""
        quiet = time.monotonic() - seen.changed_seconds >= self._quiet_seconds
        return seen.state is FileState.COMPLETE or (seen.state is FileState.UNFINISHED and quiet)

    def take(self, name: str) -> tuple[str, float]:
        """Forget a file that is about to be claimed. Returns its name, and when it was first seen; monotonic."""
        taken = self._seen.pop(name)
        return taken.file.file, taken.first_seconds

    def unsettled(self) -> bool:
        """Whether a file may still be completed or has not been read yet."""
        return any(seen.state in (FileState.UNFINISHED, FileState.UNREAD) for seen in self._seen.values())

    def behind(self) -> bool:
        """Whether the last scan left files unread."""
        return any(seen.state is FileState.UNREAD for seen in self._seen.values())

    def _inspect(self, file: Dropped, deadline: float) -> _Seen:
        now = time.monotonic()
        before = self._seen.get(file.name)
        if before is not None and before.file == file:
            read = before.state in (FileState.COMPLETE, FileState.UNFINISHED)
            if read or now >= deadline:
                return before
        state, content = self._peek(file) if now < deadline else (FileState.UNREAD, {})
        priority = content.get("priority")
        return _Seen(
            file,
            before.first_seconds if before else now,
            now,
            state,
            priority if type(priority) is int else 0,
            _outline(content),
        )

    def _peek(self, file: Dropped) -> tuple[FileState, dict[str, Any]]:
        """Whether the file is complete, and its content."""
        if file.bytes > JOB_MAX_BYTES:
            return FileState.COMPLETE, {}
        try:
            return FileState.COMPLETE, parse_json_object(read_file(Path(file.path)))
        except JobError:
            return FileState.UNFINISHED, {}
        except OSError:
            return FileState.UNREADABLE, {}

    def outlines(self) -> Iterator[Waiting]:
        """The valid jobs in claiming order, up to the first file that was not read yet."""
        for name, seen in self._seen.items():
            if seen.state is FileState.UNREAD:
                return
            if seen.outline is not None:
                yield Waiting(name, seen.outline, seen.priority, seen.first_seconds)

    def _warn(self, names: Collection[str]) -> None:
        """Warn once about each entry that is not a job, after the quiet time: editors save through scratch files."""
        now = time.monotonic()
        self._foreign_files = {name: self._foreign_files.get(name, _ForeignFile(now)) for name in names}
        for name, foreign in self._foreign_files.items():
            if not foreign.is_reported and now - foreign.first_seconds >= self._quiet_seconds:
                log.warning("inbox: ignoring %s: not a readable file named NAME%s", ascii(name), JOB_SUFFIX)
                foreign.is_reported = True


def _outline(content: dict[str, Any]) -> Outline | None:
    try:
        return Outline.of(Job.model_validate(content))
    except ValidationError:
        return None
