"""Submitting: turning files of several kinds into checked jobs, and dropping them into the inbox."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.spool import JOB_SUFFIX, Spool
from pipeline.errors import JobError
from pipeline.job import JOB_NAME

CSV_STRING_KEYS = frozenset({"name", "text", "audio", "language", "voice", "mode", "model", "avatar", "size"})
NAME_KEY = "name"
"""In a batch a line may name its job; without it the file's name and the line's number do."""


@dataclass(frozen=True)
class Draft:
    """A job that is not dropped yet."""

    name: str
    data: bytes
    """The job file's bytes."""


def drafts(file: str, data: bytes) -> Iterator[Draft]:
    """The jobs in a file, by its ending: .json one, .jsonl and .csv one a line, .txt its text.

    `file` "-" means a job from standard input. Raises JobError.
    """
    path = Path(file)
    stem = _legal_name(path.stem, data) if file != "-" else _legal_name("", data)
    match path.suffix.lower():
        case ".jsonl":
            yield from _batch(stem, (json_line(line) for line in _text(data).splitlines() if line.strip()))
        case ".csv":
            yield from _batch(stem, (_csv_job(row) for row in csv.DictReader(io.StringIO(_text(data)))))
        case ".txt":
            yield Draft(stem, _json_bytes({"text": _text(data).strip()}))
        case _:
            yield Draft(stem, data)


def drop(draft: Draft, spool: Spool) -> None:
    """Put a job into the inbox, whole from its first moment there. Raises JobError when its name is taken."""
    unfinished = spool.inbox / f".{draft.name}.{os.getpid()}.part"
    unfinished.write_bytes(draft.data)
    try:
        os.link(unfinished, spool.inbox / f"{draft.name}{JOB_SUFFIX}")
    except FileExistsError:
        raise JobError("conflict", f"a job {draft.name} is waiting in the inbox already") from None
    finally:
        unfinished.unlink()


def json_line(line: str) -> dict[str, Any]:
    """One line of a .jsonl file. Raises JobError."""
    try:
        job = json.loads(line)
    except ValueError as error:
        raise JobError("not_json", f"not JSON: {error}") from None
    if not isinstance(job, dict):
        raise JobError("not_object", "each line must hold a JSON object")
    return job


def _batch(stem: str, jobs: Iterator[dict[str, Any]]) -> Iterator[Draft]:
    for number, job in enumerate(jobs, start=1):
        name = job.pop(NAME_KEY, None) or f"{stem[:90]}-{number:04d}"
        if not isinstance(name, str) or JOB_NAME.match(name) is None:
            raise JobError("name", f"line {number}: {name!r} is no legal job name", field=NAME_KEY)
        yield Draft(name, _json_bytes(job))


def _csv_job(row: dict[str, str | None]) -> dict[str, Any]:
    """A CSV row as a job: empty cells are left out, numbers and booleans are read as JSON."""
    filled = {key: value for key, value in row.items() if value}
    return {key: value if key in CSV_STRING_KEYS else _literal(value) for key, value in filled.items()}


def _literal(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _legal_name(stem: str, data: bytes) -> str:
    """The file's name as a job's name; a hash of its bytes where nothing legal is left of it."""
    legal = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    return legal or "job-" + hashlib.sha256(data).hexdigest()[:12]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError("encoding", f"not UTF-8 at byte {error.start}", hint="save as UTF-8") from None


def _json_bytes(job: dict[str, Any]) -> bytes:
    return json.dumps(job, ensure_ascii=False).encode()
