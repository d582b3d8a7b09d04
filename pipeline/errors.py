"""The errors lipdrop raises, and the report of one that crosses a process boundary or reaches a user.

An error is raised where the fact is known and caught in two places only: the worker loop
(`pipeline.executors.worker`) and the daemon's supervision loop.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
FULL_REASONS = tuple(map(os.strerror, FULL_ERRNOS))
"""How programs tell of them."""
DISK_FULL = "disk_full"
"""The code of an error that ends when there is room again."""


def is_full(error: BaseException) -> bool:
    """Whether the disk had no room, or this user no right to more of it."""
    return isinstance(error, OSError) and error.errno in FULL_ERRNOS


class LipdropError(Exception):
    """Base of every error that lipdrop raises on purpose.

    `code` is a stable word for programs, `field` the job or config key at fault (or None),
    `hint` what the reader can do about it.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint


class ConfigError(LipdropError):
    """The configuration cannot be used: at the start the program ends with exit code 78.

    What is found only when a job needs it, such as a program that has been removed since, ends that job: the program
    would end of it again at every start.
    """


class JobError(LipdropError):
    """The job itself is at fault: it ends failed and is never retried."""


class StageError(LipdropError):
    """A stage could not do its work for a reason outside the job; the item may be tried again."""


class BootError(LipdropError):
    """A worker could not get ready."""


class WorkerDied(LipdropError):
    """A worker process ended while it held an item."""

    def __init__(self, worker: str, exitcode: int | None) -> None:
        super().__init__(
            "worker_died",
            f"worker {worker} ended with exit code {exitcode}",
            hint="see the log for what happened; the job can be dropped again",
        )
        self.worker = worker
        self.exitcode = exitcode


@dataclass(frozen=True)
class ErrorReport:
    """An error as data: what a worker sends to the daemon and what the timing JSON tells the user."""

    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    stage: str | None = None
    attempt: int = 1
    retryable: bool = False
    """Whether the same item may succeed when it is run again."""
    fatal: bool = False
    """Whether the configuration is at fault: the program ends if a worker finds so when it starts."""
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException, *, stage: str | None = None, traceback: str = "") -> ErrorReport:
        """Describe `error`; what is neither a `LipdropError` nor a full disk is reported as `internal`."""
        if is_full(error):
            return cls(code=DISK_FULL, message=f"a file cannot be written: {error}", stage=stage, retryable=True)
        if not isinstance(error, LipdropError):
            return cls(
                code="internal",
                message=f"{type(error).__name__}: {error}",
                hint="this is a defect of lipdrop: the log holds the traceback",
                stage=stage,
                retryable=True,
                traceback=traceback,
            )
        return cls(
            code=error.code,
            message=error.message,
            field=error.field,
            hint=error.hint,
            stage=stage,
            retryable=isinstance(error, (StageError, WorkerDied)),
            fatal=isinstance(error, ConfigError),
            traceback="" if isinstance(error, JobError) else traceback,
        )


def nearest_hint(word: str, known: Sequence[str]) -> str:
    """A hint for an unknown `word`: the nearest known one where there is one, else all of them."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known))
