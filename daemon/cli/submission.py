"""Submitting: read files of several kinds as jobs and drop them into the inbox."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from daemon.cli import spreadsheets
from daemon.cli.encodings import read_text
from daemon.spool.claims import shown_file_name
from daemon.spool.layout import JOB_SUFFIX
from daemon.spool.spool import Spool
from pipeline.errors import JobError, LipdropError, all_errors
from pipeline.job import Scene, raise_all
from pipeline.job_file import parse_json_object, printable
from pipeline.job_names import distinct_name, legal_name, requested_name

T = TypeVar("T")

TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
"""Suffixes of tables; workbooks are refused with a hint."""


@dataclass(frozen=True)
class Draft:
    """A job that has not been dropped yet."""

    name: str
    data: bytes
    """The job file's bytes."""
    where: str = field(default="", compare=False)
    """Its place in a file with several jobs."""
    file: str = field(default="", compare=False)
    """The name of the file that it was made from, if its own name is another one."""

    def renamed(self, name: str) -> Draft:
        """The same job under a name that was asked for."""
        return replace(self, name=name, file="")


def drafts(file: str, data: bytes) -> Iterator[Draft]:
    """Return the jobs in a file, by its suffix: .json one, .jsonl, .csv and .tsv one per line, .txt its text.

    `file` "-": a JSON job from standard input. Raises JobError.
    """
    path = Path(file)
    stem = legal_name(path.stem) if file != "-" else "job-" + hashlib.sha256(data).hexdigest()[:12]
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        yield from _batch(stem, _lines(read_text(data)), _json_job)
    elif suffix in TABLES or (suffix == ".txt" and spreadsheets.is_table(read_text(data))):
        yield from _batch(stem, spreadsheets.by_job(spreadsheets.rows(read_text(data))), _job_of_rows)
    elif suffix == ".txt":
        yield Draft(stem, _json_bytes({"text": read_text(data).strip()}), file=_other_name(path, stem))
    else:
        yield Draft(stem, data, file=_other_name(path, stem) if file != "-" else "")


def _other_name(path: Path, stem: str) -> str:
    """The file's name, if the job has another one."""
    return "" if path.stem == stem else shown_file_name(path.name)


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
            errors.append(JobError("conflict", message, field=spreadsheets.NAME_KEY, hint="rename one"))
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
    titles: dict[str, str] = {}
    for number, source in enumerate(sources, start=1):
        with collecting(errors, f"job {number}"):
            job = read(source)
            title = job.pop(spreadsheets.NAME_KEY, None) or f"{stem[:90]}-{number:04d}"
            name = requested_name(title)
            if titles.setdefault(name, title) != title:
                name = distinct_name(title)
            yield Draft(name, _json_bytes(job), where=f"job {number}")
    raise_all(errors)


def _job_of_rows(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The rows of a job as one: keys of a scene are the scene's, all others the job's. Raises JobError."""
    typed = [typed_job(row) for row in rows]
    if spreadsheets.SCENE_KEY not in typed[0]:
        return typed[0]
    if spreadsheets.NAME_KEY not in typed[0]:
        hint = "give all scenes of a job the same name"
        raise JobError("missing", "a row with a scene names no job", field=spreadsheets.NAME_KEY, hint=hint)
    numbered = {_scene_number(row): row for row in typed}
    if len(numbered) < len(typed):
        message = f"several rows are the same scene of the job {printable(typed[0][spreadsheets.NAME_KEY])}"
        raise JobError("scenes", message, field=spreadsheets.SCENE_KEY, hint="number the scenes 1, 2, 3")
    ordered = [numbered[number] for number in sorted(numbered)]
    scenes = [{key: row[key] for key in row if key in Scene.model_fields} for row in ordered]
    return {**_common(ordered), "scenes": scenes}


def _scene_number(row: Mapping[str, Any]) -> int:
    number = row[spreadsheets.SCENE_KEY]
    if type(number) is not int:
        message = f"the scene {printable(str(number)[:20])!r} is not a whole number"
        raise JobError("type", message, field=spreadsheets.SCENE_KEY, hint="number the scenes 1, 2, 3")
    return number


def _common(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The keys of a job that are in any of its rows. Raises JobError if they differ."""
    found: dict[str, Any] = {}
    for row in rows:
        for key in (key for key in row if key not in Scene.model_fields and key != spreadsheets.SCENE_KEY):
            if found.setdefault(key, row[key]) != row[key]:
                message = f"the rows of the job {printable(row[spreadsheets.NAME_KEY])} differ in {printable(key)}"
                raise JobError("scenes", message, field=key, hint="give it in one of them")
    return found


def changed(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """The job with other values for some keys. Raises JobError if it is not JSON."""
    return replace(draft, data=_json_bytes({**parse_json_object(draft.data), **changes})) if changes else draft


def typed_job(filled: Mapping[str, str]) -> dict[str, Any]:
    """The filled cells of a CSV row, or fields of a form, as a job: numbers, booleans and metadata are read as JSON.

    Raises JobError.
    """
    return {key: value if key in spreadsheets.STRING_KEYS else _literal(value) for key, value in filled.items()}


def _literal(value: str) -> Any:
    """A cell or field parsed as JSON with the rules of a job file, or its plain text if it is not JSON."""
    try:
        wrapped = parse_json_object(f'{{"cell": {value}}}'.encode())
    except JobError as error:
        if error.code != "not_json":
            raise
        return value
    return wrapped["cell"] if len(wrapped) == 1 else value


def _json_bytes(job: dict[str, Any]) -> bytes:
    return json.dumps(job, ensure_ascii=False).encode()
