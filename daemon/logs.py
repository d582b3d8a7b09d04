"""The log: one line per record, as text or as JSON, on standard error and in files.

Each record has the fields `time`, `level`, `worker`, `stage`, `job`, `logger` and `message`. The stage of a record that
the daemon writes is the module. By convention, messages of the daemon about a job begin with `job NAME: `.

The daemon keeps its latest records in `run/`, and those about a job with the job. These files have JSON lines and a
limited size; writing them never fails, because a full disk must not stop the log on standard error.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from daemon.spool.layout import JOB, Layout
from pipeline.job_file import JOB_NAME
from pipeline.log_context import ContextFilter, LogContext

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that some programs treat as line ends or that control a terminal: all controls except tab and newline."""

ABOUT_JOB = "job %s: "
"""How messages about a job begin; the first argument is its name."""

JOB_LOG_BYTES_MAX = 256 * 1024
"""Of the log of one job. Further records are only in the daemon's log."""

DAEMON_LOG_BYTES_MAX = 1024 * 1024
"""Of each of the two files with the daemon's latest records."""

MESSAGE_CHARACTERS_MAX = 16 * 1024
"""Longest message in a file."""

JOB_LOG_FULL = "this log is full; see the daemon's for the rest"

OURS = ("daemon", "pipeline")
"""Loggers that the configured level applies to. Others are for their authors below INFO."""


class _Formatter(logging.Formatter):
    """`program`: what the main process is called."""

    def __init__(self, program: str = "daemon") -> None:
        super().__init__()
        self._program = program


class LineFormatter(_Formatter):
    """One line per record, for people; the lines of a traceback are indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        return text_line(_fields(record, self._program))


class JsonFormatter(_Formatter):
    """One JSON object per record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        return json_line(_fields(record, self._program))


def set_up(*, as_json: bool, program: str = "daemon", level: str = "info", spool: Layout | None = None) -> None:
    """Configure the root logger to write to standard error, and to the spool's files if there is a spool.

    `program`: name of the main process in every line.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    handlers[0].setFormatter(JsonFormatter(program) if as_json else LineFormatter(program))
    if spool is not None:
        handlers += [DaemonLog(spool.log_file), JobLogs(spool)]
    for handler in handlers:
        handler.addFilter(ContextFilter())
    root, number = logging.getLogger(), logging.getLevelNamesMapping()[level.upper()]
    root.handlers = handlers
    root.setLevel(max(number, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    # watchdog logs its own shutdown as an error. A missed event delays a job, but never loses it.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


class DaemonLog(RotatingFileHandler):
    """Keeps the daemon's latest records in two files of a limited size."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=DAEMON_LOG_BYTES_MAX, backupCount=1, encoding="utf-8", delay=True)
        self.setFormatter(_FileFormatter())

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors: the record is on standard error as well."""


class JobLogs(logging.Handler):
    """Keeps the records about each job in a file beside the job."""

    def __init__(self, spool: Layout) -> None:
        super().__init__()
        self._spool = spool
        self.setFormatter(_FileFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record to its job's log, unless that is full."""
        file = self._file(_job(record))
        if file is not None:
            with contextlib.suppress(OSError):
                self._append(file, f"{self.format(record)}\n".encode())

    def _append(self, path: Path, line: bytes) -> None:
        with path.open("ab") as file:
            if file.tell() >= JOB_LOG_BYTES_MAX:
                return
            file.write(line)
            if file.tell() >= JOB_LOG_BYTES_MAX:
                full = logging.LogRecord(__name__, logging.WARNING, __file__, 0, JOB_LOG_FULL, (), None)
                file.write(f"{self.format(full)}\n".encode())

    def _file(self, name: str | None) -> Path | None:
        """The log of a job: while it runs in its work folder, later where it was moved."""
        if name is None or JOB_NAME.match(name) is None:
            return None
        running, *kept = self._spool.logs(name)
        # The job file leaves the folder before the folder is removed.
        return running if (running.parent / JOB).exists() else newest(*kept)


def newest(*files: Path) -> Path | None:
    """The file that was changed last; None if there is none."""
    found = [(file.stat().st_mtime_ns, file) for file in files if file.exists()]
    return max(found)[1] if found else None


def text_line(fields: dict[str, Any]) -> str:
    """A record for people."""
    message = fields["message"]
    if fields["job"] and not message.startswith(ABOUT_JOB % fields["job"]):
        message = f"{ABOUT_JOB % fields['job']}{message}"
    line = f"{fields['time']} {fields['level']:<7} {fields['worker']:<8} {fields['stage']:<11} {message}"
    return _escaped(line).replace("\n", "\n    ")


def json_line(fields: dict[str, Any]) -> str:
    """A record for programs."""
    return _escaped(json.dumps(fields, ensure_ascii=False))


class _FileFormatter(_Formatter):
    """A JSON line of a limited length."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        fields = _fields(record, self._program)
        return json_line({**fields, "message": fields["message"][:MESSAGE_CHARACTERS_MAX]})


def _escaped(text: str) -> str:
    """Replace unsafe characters with escapes that are also valid in JSON."""
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _fields(record: logging.LogRecord, program: str) -> dict[str, Any]:
    process = record.processName or ""
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    context = _context(record)
    return {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname,
        "worker": context.worker or (program if process == "MainProcess" else process),
        "stage": context.stage or record.name.rpartition(".")[2],
        "job": _job(record),
        "logger": record.name,
        "message": message,
    }


def _job(record: logging.LogRecord) -> str | None:
    """The job that a record is about."""
    if isinstance(record.msg, str) and record.msg.startswith(ABOUT_JOB) and isinstance(record.args, tuple):
        return str(record.args[0])
    return _context(record).job


def _context(record: logging.LogRecord) -> LogContext:
    context = getattr(record, "context", None)
    return context if isinstance(context, LogContext) else LogContext()
