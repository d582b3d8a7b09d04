"""Submitting: read files of several kinds as jobs and drop them into the inbox."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from daemon.spool.layout import JOB_SUFFIX
from daemon.spool.spool import Spool
from pipeline.errors import JobError, LipdropError, all_errors
from pipeline.job import raise_all
from pipeline.job_file import JOB_NAME, parse_json_object

T = TypeVar("T")

CSV_STRING_KEYS = frozenset({"name", "text", "audio", "language", "voice", "mode", "model", "avatar", "size"})
NAME_KEY = "name"
"""Optional key of a batch line that names its job; default: the file's name and the line's number."""


@dataclass(frozen=True)
class Draft:
    """A job that has not been dropped yet."""

    name: str
    data: bytes
    """The job file's bytes."""
    where: str = field(default="", compare=False)
    """Its place in a file with several jobs."""


def drafts(file: str, data: bytes) -> Iterator[Draft]:
    """Return the jobs in a file, by its suffix: .json one, .jsonl and .csv one per line, .txt its text.

    `file` "-": a JSON job from standard input. Raises JobError.
    """
    path = Path(file)
    stem = _legal_name(path.stem, data) if file != "-" else _legal_name("", data)
    match path.suffix.lower():
        case ".jsonl":
            yield from _batch(stem, _lines(read_text(data)), _json_job)
        case ".csv":
            yield from _batch(stem, _csv_rows(read_text(data)), typed_job)
        case ".txt":
            yield Draft(stem, _json_bytes({"text": read_text(data).strip()}))
        case _:
            yield Draft(stem, data)


def drop(draft: Draft, spool: Spool) -> None:
    """Put a job into the inbox atomically. Raises JobError if its name is taken."""
    unfinished = spool.inbox / f".{draft.name}.{os.getpid()}.part"
    try:
        unfinished.write_bytes(draft.data)
        os.link(unfinished, spool.inbox / f"{draft.name}{JOB_SUFFIX}")
    except FileExistsError:
        raise _name_taken(draft.name) from None
    finally:
        unfinished.unlink(missing_ok=True)


def check_names(jobs: Collection[Draft], spool: Spool) -> None:
    """Raise JobError unless all jobs can be dropped: names must be unique and unused."""
    errors: list[JobError] = []
    counts = Counter(job.name for job in jobs)
    waiting = spool.under_way()
    for name, count in counts.items():
        if count > 1:
            message = f"{'two' if count == 2 else count} jobs are named {name}"
            errors.append(JobError("conflict", message, field=NAME_KEY, hint="rename one"))
        if name in waiting and os.path.lexists(spool.dropped_file(name)):
            errors.append(_name_taken(name))
    raise_all(errors)


def _name_taken(name: str) -> JobError:
    hint = "wait for it, cancel it, or choose another name with --name"
    return JobError("conflict", f"a job {name} is already waiting in the inbox", hint=hint)


@contextlib.contextmanager
def collecting(errors: list[JobError], where: str) -> Iterator[None]:
    """Add the errors of the block to a list, with the place where they were found in their messages."""
    try:
        yield
    except JobError as error:
        errors += [located(one, where) for one in all_errors(error)]


def located(error: LipdropError, where: str) -> JobError:
    """An error with its location in front of its message."""
    message = f"{where}: {error.message}" if where else error.message
    return JobError(error.code, message, field=error.field, hint=error.hint)


def _lines(text: str) -> Iterator[str]:
    r"""The lines that are not blank. Only \n separates lines: JSON strings may contain a literal U+2028."""
    return (line for line in text.split("\n") if line.strip())


def _json_job(line: str) -> dict[str, Any]:
    return parse_json_object(line.encode())


def _batch(stem: str, sources: Iterable[T], read: Callable[[T], dict[str, Any]]) -> Iterator[Draft]:
    """The jobs of a file, and finally all errors of the others as one."""
    errors: list[JobError] = []
    for number, source in enumerate(sources, start=1):
        with collecting(errors, f"job {number}"):
            yield replace(_batch_draft(f"{stem[:90]}-{number:04d}", read(source)), where=f"job {number}")
    raise_all(errors)


def _batch_draft(default_name: str, job: dict[str, Any]) -> Draft:
    name = job.pop(NAME_KEY, None) or default_name
    return Draft(checked_name(name), _json_bytes(job))


def checked_name(name: Any) -> str:
    """The name of a job. Raises JobError if it is not one."""
    if not isinstance(name, str) or JOB_NAME.match(name) is None:
        hint = "letters, digits, '.', '_' and '-', beginning with a letter or a digit, at most 100"
        raise JobError("name", f"invalid job name {str(name)[:100]!r}", field=NAME_KEY, hint=hint)
    return name


def changed(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """The job with other values for some keys. Raises JobError if it is not JSON."""
    return replace(draft, data=_json_bytes({**parse_json_object(draft.data), **changes})) if changes else draft


def _csv_rows(text: str) -> Iterator[dict[str, str]]:
    """The rows below the header, without their empty cells. Raises JobError."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        if len(set(header)) < len(header):
            raise JobError("duplicate_key", "two columns of the CSV file have the same name")
        for row in filter(None, rows):
            if len(row) > len(header):
                raise JobError("not_csv", f"the row that ends at line {rows.line_num} has more cells than the header")
            yield {key: value for key, value in zip(header, row, strict=False) if value}
    except csv.Error as error:
        raise JobError("not_csv", f"not CSV at line {rows.line_num}: {error}") from None


def typed_job(filled: Mapping[str, str]) -> dict[str, Any]:
    """The filled cells of a CSV row, or fields of a form, as a job: numbers, booleans and metadata are read as JSON.

    Raises JobError.
    """
    return {key: value if key in CSV_STRING_KEYS else _literal(value) for key, value in filled.items()}


def _literal(value: str) -> Any:
    """A cell or field parsed as JSON with the rules of a job file, or its plain text if it is not JSON."""
    try:
        wrapped = parse_json_object(f'{{"cell": {value}}}'.encode())
    except JobError as error:
        if error.code != "not_json":
            raise
        return value
    return wrapped["cell"] if len(wrapped) == 1 else value


def _legal_name(stem: str, data: bytes) -> str:
    """The file name as a job name; a hash of the file's bytes if no character is allowed."""
    legal = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    return legal or "job-" + hashlib.sha256(data).hexdigest()[:12]


def read_text(data: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises JobError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError("encoding", f"not UTF-8 at byte {error.start}", hint="save as UTF-8") from None


def _json_bytes(job: dict[str, Any]) -> bytes:
    return json.dumps(job, ensure_ascii=False).encode()
