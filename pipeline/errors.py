"""The errors that lipdrop raises, and their serializable form.

Errors are caught in two places only: the worker loop (`pipeline.executors.worker`) and the daemon's supervision loop.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
FULL_REASONS = tuple(map(os.strerror, FULL_ERRNOS))
"""Their messages, as programs print them."""
DISK_FULL = "disk_full"
"""Code of the error that is resolved by freeing space."""
CLUSTER_LOST = "cluster_lost"
"""Code of the error of an item whose worker was lost together with the others."""


def is_full(error: BaseException) -> bool:
    """Whether the disk is full or the user's quota is exceeded."""
    return isinstance(error, OSError) and error.errno in FULL_ERRNOS


class LipdropError(Exception):
    """Base of every error that lipdrop raises on purpose.

    `code` is a stable identifier for programs, `field` the job or config key at fault (or None), `hint` suggests a fix.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint


class ConfigError(LipdropError):
    """The configuration is unusable: at startup the program exits with code 78.

    If the problem only appears when a job needs the setting (say, a program was uninstalled), only that job fails:
    otherwise the job would stop the daemon at every start.
    """


class JobError(LipdropError):
    """The job itself is at fault: it fails and is never retried."""


class JobErrors(JobError):
    """Everything that is wrong with a job, or with the jobs of a file; its own fields are those of the first error."""

    def __init__(self, errors: Sequence[JobError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.message, field=first.field, hint=first.hint)
        self.errors = tuple(errors)


@contextmanager
def about(field: str) -> Iterator[None]:
    """Let errors name this key of the job: those about media files name the avatar or the recording otherwise."""
    try:
        yield
    except JobError as error:
        raise JobError(error.code, error.message, field=field, hint=error.hint) from error


def all_errors(error: LipdropError) -> Sequence[LipdropError]:
    """The errors that an error consists of: itself, unless it stands for several."""
    return error.errors if isinstance(error, JobErrors) else (error,)


class StageError(LipdropError):
    """A stage failed for a reason outside the job; the item may be retried."""


class BootError(LipdropError):
    """A worker could not start."""


class WorkerDied(LipdropError):
    """A worker process exited while it was processing an item."""

    def __init__(self, worker: str, exitcode: int | None) -> None:
        super().__init__(
            "worker_died",
            f"worker {worker} exited with code {exitcode}",
            hint="see the log for the cause, then resubmit the job",
        )
        self.worker = worker
        self.exitcode = exitcode


@dataclass(frozen=True)
class ErrorReport:
    """An error as data: sent from workers to the daemon, and written to the timing JSON."""

    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    stage: str | None = None
    attempt: int = 1
    retryable: bool = False
    """Whether the same item may succeed on another attempt."""
    fatal: bool = False
    """Whether the configuration is at fault: if so and the worker is still starting, the program exits."""
    traceback: str = ""
    further: tuple[ErrorReport, ...] = ()
    """What is wrong with the job besides."""

    @classmethod
    def of(cls, error: BaseException, *, stage: str | None = None, traceback: str = "") -> ErrorReport:
        """Describe `error`. Anything but a `LipdropError` or a full disk gets the code `internal`."""
        if is_full(error):
            return cls(code=DISK_FULL, message=f"cannot write a file: {error}", stage=stage, retryable=True)
        if not isinstance(error, LipdropError):
            return cls(
                code="internal",
                message=f"{type(error).__name__}: {error}",
                hint="this is a bug in lipdrop; the traceback is in the log",
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
            further=tuple(cls.of(one, stage=stage) for one in all_errors(error)[1:]),
        )


def nearest_hint(word: str, known: Collection[str], listed: str = "known") -> str:
    """Suggest the closest known word for an unknown one, or list all known words under the name `listed`."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"{listed}: " + ", ".join(sorted(known))
