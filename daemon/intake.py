"""Intake: which of the files in the inbox are whole, and which is next."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from daemon.spool import Dropped, Spool, read_file
from pipeline.errors import JobError
from pipeline.job import JOB_MAX_BYTES, parse_json_object

log = logging.getLogger(__name__)


class FileState(Enum):
    """What reading a file showed."""

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


class Intake:
    """Watches files become whole. A JSON object that parses is whole; anything else is given time to be completed."""

    def __init__(self, spool: Spool, quiet_seconds: float) -> None:
        self._spool = spool
        self._quiet_seconds = quiet_seconds
        self._seen: dict[str, _Seen] = {}
        self._warned: set[str] = set()

    @property
    def waiting(self) -> int:
        """Job files in the inbox at the last look, without those that may not be read."""
        return sum(seen.state is not FileState.UNREADABLE for seen in self._seen.values())

    def look(self) -> None:
        """List the inbox and read what is new or changed."""
        files, strangers = self._spool.scan()
        self._warn(strangers)
        self._seen = {file.name: self._examined(file) for file in files}

    def next(self, in_flight: Collection[str]) -> str | None:
        """The job to claim now: highest priority, then oldest; one whose name is in flight waits."""
        ready = [seen for name, seen in self._seen.items() if name not in in_flight and self._is_ready(seen)]
        first = min(ready, key=lambda seen: (-seen.priority, seen.file.changed_at, seen.file.name), default=None)
        return first.file.name if first else None

    def _is_ready(self, seen: _Seen) -> bool:
        """Whole, or unfinished for so long that nobody will finish it."""
        quiet = time.monotonic() - seen.changed_seconds >= self._quiet_seconds
        return seen.state is FileState.WHOLE or (seen.state is FileState.UNFINISHED and quiet)

    def take(self, name: str) -> float:
        """Forget a file that is about to be claimed; return when it was first seen, in monotonic seconds."""
        return self._seen.pop(name).first_seconds

    def unsettled(self) -> bool:
        """Whether a file is still being given time."""
        return any(seen.state is FileState.UNFINISHED for seen in self._seen.values())

    def _examined(self, file: Dropped) -> _Seen:
        now = time.monotonic()
        before = self._seen.get(file.name)
        if before is not None and before.file == file and before.state is not FileState.UNREADABLE:
            return before
        state, priority = self._peek(file)
        return _Seen(file, before.first_seconds if before else now, now, state, priority)

    def _peek(self, file: Dropped) -> tuple[FileState, int]:
        """Whether the file is whole, and the priority it asks for."""
        if file.bytes > JOB_MAX_BYTES:
            return FileState.WHOLE, 0
        try:
            priority = parse_json_object(read_file(file.path)).get("priority", 0)
        except JobError:
            return FileState.UNFINISHED, 0
        except OSError as error:
            self._warn([f"{file.name} ({error.strerror})"])
            return FileState.UNREADABLE, 0
        return FileState.WHOLE, priority if type(priority) is int else 0

    def _warn(self, strangers: Collection[str]) -> None:
        """Say once of each entry that it is left alone."""
        for name in set(strangers) - self._warned:
            log.warning("inbox: %s is left alone: no readable file with a legal job name", ascii(name))
            self._warned.add(name)
