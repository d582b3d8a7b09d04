"""What the routes work with: drop jobs, wait for them, read their results."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import Depends, Request

from daemon.cli.submission import Draft, drop
from daemon.outputs.report import JobReport
from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.spool.spool import Spool
from daemon.web import uploads
from daemon.web.changes import Changes
from daemon.web.portraits import Portraits
from daemon.web.problems import ProblemError, not_found
from daemon.web.speech import Speech
from daemon.web.states import Ending, JobState, States
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.job import Job, parse_job

POLL_SECONDS = 0.5
"""How often a waiting request looks at the spool even if no change was noticed."""

REMOVAL_SECONDS = 0.01
"""The same for a job whose timing JSON is there, while its work folder is being removed: that is not noticed."""

RETRY_SECONDS = 10
"""After this time a client may try again when the queue is full."""


@dataclass
class Gateway:
    """One spool, as the gateway's requests use it."""

    config: Config
    spool: Spool
    changes: Changes

    def __post_init__(self) -> None:
        self.states = States(self.spool)
        self.avatars = Avatars(self.config)
        self.portraits = Portraits(self.config, self.avatars)
        self.speech = Speech(self.config)

    # Dropping

    def check(self, data: bytes) -> Job:
        """Parse a job as the daemon would. Raises JobError; JobErrors if more than one thing is wrong."""
        return parse_job(data, self.config, self.avatars.names(), [self._check_recording])

    def _check_recording(self, job: Job) -> None:
        if job.audio is not None:
            self.spool.find_recording(job.audio)

    def drop(self, name: str, data: bytes) -> None:
        """Put a checked job into the inbox, unless it waits there already.

        Raises JobError `conflict` if a different job of that name waits there, and ProblemError if the queue is full.
        """
        if self._waits(name, data):
            return
        self.check_room()
        try:
            drop(Draft(name, data), self.spool)
        except JobError:
            if not self._waits(name, data):  # the same request twice at the same time
                raise

    def _waits(self, name: str, data: bytes) -> bool:
        """Whether this very job is in the inbox."""
        try:
            return self.spool.dropped_file(name).read_bytes() == data
        except FileNotFoundError:
            return False

    def check_room(self) -> None:
        """Raise ProblemError if too many jobs wait."""
        limit = self.config.web.queued_jobs
        if self.states.waiting() >= limit:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{limit} jobs are waiting",
                code="queue_full",
                hint="try again later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )

    def add_recording(self, file_name: str, content: BinaryIO) -> str:
        """Copy an uploaded recording into the inbox; returns the file name for the job's `audio`. Blocks."""
        suffix = Path(file_name).suffix.lower()
        if suffix not in RECORDING_SUFFIXES:
            hint = "one of " + ", ".join(sorted(RECORDING_SUFFIXES))
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"recordings are not named {suffix or 'without a suffix'}", hint=hint
            )
        return uploads.store_recording(self.spool.inbox, suffix, content)

    # Waiting

    async def ended(self, name: str, before: Ending | None, timeout_seconds: float) -> JobReport | None:
        """Wait until a job that was dropped has ended; None if the time is over.

        `before`: the ending of an earlier job of that name. Raises ProblemError if the job was removed.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            seen = self.changes.count
            has_ended = self.states.ending(name) not in (None, before)
            if not self.spool.is_under_way(name):
                if self.states.ending(name) in (None, before):
                    raise not_found(f"job {name} any more")
                report = self.states.report(name)
                if report is not None:
                    return report
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            await self.changes.after(seen, min(left, REMOVAL_SECONDS if has_ended else POLL_SECONDS))

    def state(self, name: str) -> JobState:
        """The state of a job. Raises ProblemError if there is no such job."""
        found = self.states.find(name)
        if found is None:
            raise not_found(f"job {name[:100]}")
        return found


def new_name(prefix: str = "web") -> str:
    """A job name that nobody else uses: the time, so that names sort, and chance."""
    return f"{prefix}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def job_bytes(job: dict[str, Any]) -> bytes:
    """A job as a file, the same for equal jobs."""
    return json.dumps(job, ensure_ascii=False, sort_keys=True).encode()


def gateway_of(request: Request) -> Gateway:
    """The gateway of a request's application."""
    gateway: Gateway = request.app.state.gateway
    return gateway


InGateway = Annotated[Gateway, Depends(gateway_of)]
"""Parameter of a route that needs the gateway."""
