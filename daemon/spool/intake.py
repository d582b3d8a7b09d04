"""Intake: which of the files in the inbox are whole, and which is next."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from daemon.spool.spool import JOB_SUFFIX, Dropped, Spool, read_file
from pipeline.errors import JobError
from pipeline.job import JOB_MAX_BYTES, parse_json_object

READ_SECONDS = 0.5
"""A look reads files for about so long, and leaves the rest to the next: thousands of them hold nobody else up."""

log = logging.getLogger(__name__)


class FileState(Enum):
    """What reading a file showed."""

    UNREAD = "unread"
    WHOLE = "whole"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"


@dataclass
class _Seen:
    """What is known of a file since it last changed."""

    file: Dropped
    first_seconds: float
    """When it was first seen; monotonic, so that a jump of the wall clock means nothing."""
    changed_seconds: float
    state: FileState
    priority: int


@dataclass
class _Stranger:
    """An entry of the inbox that is no job."""

    first_seconds: float
    """When it was first seen; monotonic."""
    told: bool = False


class Intake:
    """Watches files become whole. A JSON object that parses is whole; anything else is given time to be completed."""

    def __init__(self, spool: Spool, quiet_seconds: float) -> None:
        self._spool = spool
        self._quiet_seconds = quiet_seconds
        self._seen: dict[str, _Seen] = {}
        """In the order in which they are to be claimed."""
        self._strangers: dict[str, _Stranger] = {}

    @property
    def waiting(self) -> int:
        """Job files in the inbox at the last look, without those that may not be read."""
        return sum(seen.state is not FileState.UNREADABLE for seen in self._seen.values())

    def look(self) -> None:
        """List the inbox and read what is new or changed, the oldest first; the rest when `look` is called again."""
        files, strangers = self._spool.scan()
        deadline = time.monotonic() + READ_SECONDS
        seen = [self._examined(file, deadline) for file in files]
        self._seen = {found.file.name: found for found in sorted(seen, key=lambda found: -found.priority)}
        unreadable = [f"{found.file.name}{JOB_SUFFIX}" for found in seen if found.state is FileState.UNREADABLE]
        self._warn([*strangers, *unreadable])

    def next(self, in_flight: Collection[str]) -> str | None:
        """The job to claim now: highest priority, then oldest; one whose name is in flight waits."""
        return next((name for name, seen in self._seen.items() if name not in in_flight and self._is_ready(seen)), None)

    def _is_ready(self, seen: _Seen) -> bool:
        """Whole, or unfinished for so long that nobody will finish it."""
        quiet = time.monotonic() - seen.changed_seconds >= self._quiet_seconds
        return seen.state is FileState.WHOLE or (seen.state is FileState.UNFINISHED and quiet)

    def take(self, name: str) -> float:
        """Forget a file that is about to be claimed; return when it was first seen, in monotonic seconds."""
        return self._seen.pop(name).first_seconds

    def unsettled(self) -> bool:
        """Whether a file is still being given time, or has not been read yet."""
        return any(seen.state in (FileState.UNFINISHED, FileState.UNREAD) for seen in self._seen.values())

    def behind(self) -> bool:
        """Whether the last look had no time to read every file."""
        return any(seen.state is FileState.UNREAD for seen in self._seen.values())

    def _examined(self, file: Dropped, deadline: float) -> _Seen:
        now = time.monotonic()
        before = self._seen.get(file.name)
        if before is not None and before.file == file:
            read = before.state in (FileState.WHOLE, FileState.UNFINISHED)
            if read or now >= deadline:
                return before
        state, priority = self._peek(file) if now < deadline else (FileState.UNREAD, 0)
        return _Seen(file, before.first_seconds if before else now, now, state, priority)

    def _peek(self, file: Dropped) -> tuple[FileState, int]:
        """Whether the file is whole, and the priority it asks for."""
        if file.bytes > JOB_MAX_BYTES:
            return FileState.WHOLE, 0
        try:
            priority = parse_json_object(read_file(Path(file.path))).get("priority", 0)
        except JobError:
            return FileState.UNFINISHED, 0
        except OSError:
            return FileState.UNREADABLE, 0
        return FileState.WHOLE, priority if type(priority) is int else 0

    def _warn(self, names: Collection[str]) -> None:
        """Say once of each entry that it is left alone; not of the scratch file of somebody who is just saving."""
        now = time.monotonic()
        self._strangers = {name: self._strangers.get(name, _Stranger(now)) for name in names}
        for name, stranger in self._strangers.items():
            if not stranger.told and now - stranger.first_seconds >= self._quiet_seconds:
                log.warning("inbox: %s is left alone: no readable file called NAME%s", ascii(name), JOB_SUFFIX)
                stranger.told = True
