"""Tables of jobs as spreadsheets save them: with commas, semicolons or tabs, decimal commas, empty rows and columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from pipeline.errors import JobError
from pipeline.job import Job, Scene

NAME_KEY = "name"
"""Optional key of a batch line that names its job; default: the file's name and the line's number."""
SCENE_KEY = "scene"
"""Optional key of a row that is one scene of the job that it names: its number."""
KEYS = frozenset({NAME_KEY, SCENE_KEY, *Job.model_fields, *Scene.model_fields})

STRING_KEYS = frozenset({"name", "text", "audio", "language", "voice", "mode", "model", "avatar", "background", "size"})
"""All others are read as JSON."""

DELIMITERS = ",;\t|"
DECIMAL_COMMA = re.compile(r"(-?[0-9]{1,9}),([0-9]{1,9})\Z")
END = "\x1a"
"""A row after the last one. The parser takes it into a cell whose quote is not closed."""
LIST_KEY = "extras"
"""Written as JSON, or as words with commas or blanks between them."""
SPREADSHEET_VALUES = {"ИСТИНА": "true", "ЛОЖЬ": "false", "TRUE": "true", "FALSE": "false"}


def is_table(text: str) -> bool:
    """Whether a text begins with the header of a table: Excel's "Unicode text" is named .txt."""
    header = _cells(_first_line(text), "\t")
    return len(header) > 1 and KEYS.issuperset(header) and bool({"text", "audio"} & set(header))


def _first_line(text: str) -> str:
    return re.split(r"[\r\n]", text, maxsplit=1)[0]


def rows(text: str) -> Iterator[dict[str, str]]:
    """The rows below the header, without their empty cells; numbers with a decimal point. Raises JobError."""
    named, text = _named_delimiter(text)
    delimiter = named or _delimiter(_first_line(text.lstrip("\r\n")))
    lines = _filled(text, delimiter)
    _, first = next(lines, (0, []))
    header = _header(first)
    for line, cells in lines:
        yield _row(header, cells, line)


def by_job(found: Iterable[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """The rows of each job: those that have a scene and the same name, wherever they are; each other row alone.

    Raises the error of the rows, if there is one, after those before it.
    """
    jobs: dict[str | int, list[dict[str, str]]] = {}
    error = None
    try:
        for number, row in enumerate(found):
            jobs.setdefault(row.get(NAME_KEY, "") if SCENE_KEY in row else number, []).append(row)
    except JobError as raised:
        error = raised
    yield from jobs.values()
    if error is not None:
        raise error


def _filled(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that have something in a cell, each with the line that it ends at."""
    lines, began = csv.reader(chain(io.StringIO(text, newline=""), [END]), delimiter=delimiter), 1
    try:
        for cells in lines:
            if cells == [END]:
                return
            if cells and cells[-1].endswith(END):
                hint = "write a double quote inside of a text twice"
                raise JobError("not_csv", f"a double quote in the row at line {began} is never closed", hint=hint)
            began = lines.line_num + 1
            if any(map(str.strip, cells)):
                yield lines.line_num, cells
    except csv.Error as error:
        raise JobError("not_csv", f"not CSV at line {lines.line_num}: {error}") from None


def _named_delimiter(text: str) -> tuple[str | None, str]:
    """The delimiter that a first line like `sep=;` names, and the other lines."""
    first, _, rest = text.partition("\n")
    found = re.fullmatch(r'"?sep=(.)"?\r?', first, re.IGNORECASE)
    return (found[1], rest) if found else (None, text)


def _delimiter(header: str) -> str:
    """The delimiter that divides a header into the most known keys."""
    return max(DELIMITERS, key=lambda delimiter: len(KEYS.intersection(_cells(header, delimiter))))


def _cells(header: str, delimiter: str) -> list[str]:
    return [_key(cell) for cell in next(csv.reader([header], delimiter=delimiter), [])]


def _key(cell: str) -> str:
    """A key of a job, however it is written: `Num Workers` is `num_workers`."""
    return re.sub(r"[\s-]+", "_", cell.strip().lower())


def _header(cells: Sequence[str]) -> list[str]:
    """The keys of the columns; empty for columns without one."""
    header = [_key(cell) for cell in cells]
    named = [key for key in header if key]
    if len(set(named)) < len(named):
        raise JobError("duplicate_key", "two columns of the CSV file have the same name")
    return header


def _row(header: Sequence[str], cells: Sequence[str], line: int) -> dict[str, str]:
    keys = [*header, *[""] * (len(cells) - len(header))]
    if any(cell.strip() for key, cell in zip(keys, cells, strict=False) if not key):
        message = f"the row that ends at line {line} has more cells than the header"
        raise JobError("not_csv", message, hint="put a text that contains the delimiter in double quotes")
    return {key: _value(key, cell) for key, cell in zip(keys, cells, strict=False) if cell.strip() and key}


def _value(key: str, cell: str) -> str:
    if key in STRING_KEYS:
        return cell if key == "text" else cell.strip()
    plain = SPREADSHEET_VALUES.get(cell.strip().upper(), cell.strip())
    if key == LIST_KEY and not plain.startswith("["):
        return json.dumps(re.findall(r"[^\s,;]+", plain))
    return DECIMAL_COMMA.sub(r"\1.\2", plain)
