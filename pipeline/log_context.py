"""What a log record is about: the worker and the stage that wrote it, and the job that was being processed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LogContext:
    """Fields of the records that are written in a block."""

    worker: str | None = None
    stage: str | None = None
    job: str | None = None


NOTHING = LogContext()
_current: ContextVar[LogContext] = ContextVar("log_context", default=NOTHING)


@contextlib.contextmanager
def logging_about(**fields: str | None) -> Iterator[None]:
    """Add fields of `LogContext` to the records that this thread writes in a block."""
    token = _current.set(replace(_current.get(), **fields))
    try:
        yield
    finally:
        _current.reset(token)


class ContextFilter(logging.Filter):
    """Sets `record.context`, unless the record came from another process, which set it there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        if not hasattr(record, "context"):
            record.context = _current.get()
        return True
