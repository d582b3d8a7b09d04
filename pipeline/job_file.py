"""A job file: its name, its size, and parsing its untrusted bytes as one JSON object.

Separate from `job`, so that code that only moves job files does not build the model of a job.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from pipeline.errors import JobError

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
JOB_MAX_BYTES = 64 * 1024
JSON_MAX_DEPTH = 16
NUMBER_MAX_DIGITS = 30
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
"""All except tab and line ends. Those above 7F start escape sequences on an 8-bit terminal."""
SURROGATES = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F])|\\.", re.DOTALL)
"""Escapes in valid JSON; the group matches an unpaired surrogate."""

_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Byte-order marks of other encodings. UTF-32's first: it begins with UTF-16's."""
_CLOSING = ("}", "]")
_OTHER_QUOTES = tuple("'`‘’‚“”„«»")
_WORD = re.compile(r"\w{1,20}\b")
_LITERALS = {"True": "true", "False": "false", "None": "null", "TRUE": "true", "FALSE": "false", "undefined": "null"}
_OTHER_HINTS = {
    "Extra data": "one file is one job; write several jobs to a .jsonl file, one per line",
    "Unterminated string starting at": 'end the text with a double quote (")',
    "Expecting ':' delimiter": 'put a colon between a key and its value, like {"text": "Hello"}',
    "Expecting value": "write text in double quotes; is a part of the file missing?",
}
"""Hints by the parser's message."""


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Read bytes as one JSON object, stricter than `json.loads`. Raises JobError."""
    _check_depth(data[:JOB_MAX_BYTES])
    if len(data) > JOB_MAX_BYTES:
        raise JobError(
            "too_large",
            f"the job file is over {JOB_MAX_BYTES} bytes",
            hint=r"write letters as UTF-8, not as \u escapes",
        )
    try:
        raw = json.loads(
            _decode(data),
            object_pairs_hook=_unique,
            parse_constant=_bad_number,
            parse_int=_integer,
            parse_float=_decimal,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        message = f"the job file is not JSON: {error.msg.removesuffix(' at')} at {where}"
        raise JobError("not_json", message, hint=next(_json_hints(error), None)) from None
    if not isinstance(raw, dict):
        raise JobError("not_object", "the job file must be a JSON object", hint='like {"text": "Hello"}')
    _check_surrogates(data)
    _check_characters(raw)
    return raw


def _json_hints(error: json.JSONDecodeError) -> Iterator[str]:
    """What to write instead of a common mistake, the likeliest one first; nothing if it is not one of them."""
    before, rest = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if not error.doc.strip():
        yield 'the file is empty; write an object, like {"text": "Hello"}'
    if error.msg.startswith("Invalid control character"):
        yield r"write a line break within a text as \n, a tab as \t"
    if (before.endswith(",") and rest[:1] in _CLOSING) or error.msg.startswith("Illegal trailing comma"):
        yield "remove the comma after the last entry"
    if rest.startswith(("//", "/*", "#")):
        yield "remove the comment: JSON has none"
    if rest[:1] in _OTHER_QUOTES:
        yield f'use straight double quotes ("), not {rest[0]}'
    if not rest:
        yield "the end of the file is missing"
    word = _WORD.match(rest)
    if word is not None and word[0] in _LITERALS:
        yield f"write {_LITERALS[word[0]]} instead of {word[0]}"
    if error.msg.startswith("Expecting property name"):
        yield 'write keys in double quotes, like {"text": "Hello"}'
    if error.msg.startswith("Expecting ',' delimiter"):
        yield r"put a comma between two entries; write a quotation mark within a text as \""
    if error.msg.startswith(r"Invalid \escape"):
        yield r"write a backslash within a text as \\"
    if error.msg in _OTHER_HINTS:
        yield _OTHER_HINTS[error.msg]


def _decode(data: bytes) -> str:
    for mark, name in _OTHER_MARKS.items():
        if data.startswith(mark):
            raise JobError("encoding", f"the file is {name}, not UTF-8", hint="save as UTF-8")
    if b"\0" in data:
        raise _bad_encoding(f"not UTF-8: NUL at byte {data.index(0)}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from after the byte-order mark.
        raise _bad_encoding(f"not UTF-8 at byte {len(data) - len(error.object) + error.start}") from None


def _bad_encoding(message: str) -> JobError:
    return JobError("encoding", message, hint="save as UTF-8")


def _check_depth(data: bytes) -> None:
    """Refuse deep nesting before the recursive parser runs. Quotes and brackets are ASCII in UTF-8 too."""
    depth = 0
    for bracket in re.findall(rb'"(?:[^"\\]|\\.)*"?|[\[{\]}]', data, re.DOTALL):
        depth += (bracket in b"[{") - (bracket in b"]}")
        if depth > JSON_MAX_DEPTH:
            raise JobError("too_deep", f"the job file is nested deeper than {JSON_MAX_DEPTH} levels")


def _check_surrogates(data: bytes) -> None:
    """Refuse unpaired surrogates, which are not characters. UTF-8 cannot contain them, but JSON escapes can."""
    for escape in SURROGATES.finditer(data):
        if escape[1]:
            raise _bad_encoding(f"unpaired surrogate at byte {escape.start()}")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise JobError("duplicate_key", f"duplicate key '{printable(key)}'", field=printable(key))
        found[key] = value
    return found


def _bad_number(literal: str) -> NoReturn:
    raise JobError("number", f"{literal[:NUMBER_MAX_DIGITS]} is not a number allowed in a job")


def _integer(literal: str) -> int:
    if len(literal) > NUMBER_MAX_DIGITS:
        _bad_number(literal)
    return int(literal)


def _decimal(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        _bad_number(literal)
    return value


def _check_characters(value: Any, field: str | None = None) -> None:
    """Refuse control characters anywhere in the job."""
    if isinstance(value, str):
        if CONTROL_CHARACTERS.search(value):
            raise JobError("control_char", "control characters are not allowed", field=field, hint="remove them")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_characters(key, field)
            _check_characters(inner, field or printable(key))
    elif isinstance(value, list):
        for inner in value:
            _check_characters(inner, field)


def printable(key: str) -> str:
    """An untrusted key, escaped and shortened for a log line or a terminal."""
    return repr(key)[1:-1][:100]
