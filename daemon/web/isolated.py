"""Work on untrusted files in a process of its own, within limits: a crash or an endless loop costs only that process.

A program is a module that calls `exchange.serve`. The gateway itself imports nothing that decodes files or computes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from daemon.web.exchange import packed
from daemon.web.problems import ProblemError, of_error
from pipeline import programs
from pipeline.config import Config
from pipeline.errors import ErrorReport, JobError
from pipeline.programs import Limits

BUSY_SECONDS = 5
"""After this time a client may try again when too many requests wait for their turn."""

log = logging.getLogger(__name__)


class Crashed(Exception):
    """A program did not answer: it was killed by its limits, or by a defect of a library."""


class Turns:
    """Lets one request pass at a time, and refuses those that would wait behind too many others."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._waiting = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and hold it during a block. Raises ProblemError if too many wait."""
        if self._waiting > self._waiting_max:
            raise busy()
        self._waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting -= 1


def busy() -> ProblemError:
    """The error when too many requests of a kind wait."""
    headers = {"Retry-After": str(BUSY_SECONDS)}
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests of this kind are waiting", headers=headers)


def argv(module: str) -> list[str]:
    """The command that runs a module as a program."""
    return [sys.executable, "-P", "-m", module]  # -P: import nothing from the current folder


def run(module: str, config: Config, request: Any, limits: Limits) -> Any:
    """Run a program and return its answer. Blocks.

    Raises JobError and ProblemError as the program reported them, TimeoutError, and Crashed if it did not answer.
    """
    try:
        ended = programs.run(argv(module), limits, packed(config, request))
        answer = json.loads(ended.output)
    except (ValueError, programs.OutputTooLarge):
        raise Crashed(module) from None
    if ended.returncode != 0:
        log.error("%s exited with %d: %s", module, ended.returncode, ended.errors.decode("utf-8", "replace"))
        raise Crashed(module)
    return result(answer)


def result(answer: dict[str, Any]) -> Any:
    """The result in a program's answer. Raises the error that is in it instead: a JobError or a ProblemError."""
    if "error" not in answer:
        return answer["result"]
    error = ErrorReport(**answer["error"])
    if error.retryable or error.fatal:
        log.error("%s: %s %s", error.code, error.message, error.traceback)
        raise of_error(error, HTTPStatus.SERVICE_UNAVAILABLE)
    raise JobError(error.code, error.message, field=error.field, hint=error.hint)
