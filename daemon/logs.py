"""The log: one line per record on standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that some programs treat as line ends or that control a terminal: all controls except tab and newline."""


class _Formatter(logging.Formatter):
    """`program`: what the main process is called."""

    def __init__(self, program: str = "daemon") -> None:
        super().__init__()
        self._program = program


class LineFormatter(_Formatter):
    """One line per record, for people; the lines of a traceback are indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        fields = _fields(record, self._program)
        line = f"{fields['time']} {fields['level']:<7} {fields['worker']:<8} {fields['message']}"
        return _escaped(line).replace("\n", "\n    ")


class JsonFormatter(_Formatter):
    """One JSON object per record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        return _escaped(json.dumps(_fields(record, self._program), ensure_ascii=False))


def set_up(*, as_json: bool, program: str = "daemon") -> None:
    """Configure the root logger to write to standard error. `program`: name of the main process in every line."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter(program) if as_json else LineFormatter(program))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # watchdog logs its own shutdown as an error. A missed event delays a job, but never loses it.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


def _escaped(text: str) -> str:
    """Replace unsafe characters with escapes that are also valid in JSON."""
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _fields(record: logging.LogRecord, program: str) -> dict[str, Any]:
    process = record.processName or ""
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    return {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname,
        "worker": program if process == "MainProcess" else process,
        "logger": record.name,
        "message": message,
    }
