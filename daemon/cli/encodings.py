"""Decodes the texts and tables that people write, and names the encoding of those that cannot be read."""

from __future__ import annotations

import codecs

from pipeline.errors import JobError

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""What the files of spreadsheet programs begin with: .xlsx and .ods, .xls."""
SAVE_AS_UTF8 = "save it as UTF-8; in Excel: File, Save As, CSV UTF-8 (Comma delimited)"

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
RUSSIAN_ENCODINGS = {"cp1251": "Windows-1251", "koi8_r": "KOI8-R", "cp866": "DOS (866)"}
FREQUENT = frozenset("оеаинтсрвлкм")
"""Half the letters of any Russian text."""
FREQUENT_SHARE = 0.4


def read_text(data: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark, as spreadsheets and editors of Windows save it. Raises JobError.

    Other encodings are named but not read: a wrong guess would be spoken as nonsense.
    """
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    if data.startswith(WORKBOOKS):
        raise JobError("not_csv", "the file is a workbook of a spreadsheet program", hint=SAVE_AS_UTF8)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _encoding_error(data, f"not UTF-8 at byte {error.start}") from None
    if "\0" in text:
        raise _encoding_error(data, f"not UTF-8: NUL at byte {data.index(0)}")
    return text


def _encoding_error(data: bytes, message: str) -> JobError:
    found = _russian_encoding(data)
    return JobError("encoding", f"{message}; it looks like {found}" if found else message, hint=SAVE_AS_UTF8)


def _russian_encoding(data: bytes) -> str | None:
    """The encoding in which the letters beyond ASCII are most like Russian; None if they are in none."""
    scores = {name: _likeness(data.decode(name, "replace")) for name in RUSSIAN_ENCODINGS}
    best = max(scores, key=lambda name: scores[name])
    return RUSSIAN_ENCODINGS[best] if scores[best] >= FREQUENT_SHARE else None


def _likeness(text: str) -> float:
    """The share of frequent Russian letters in the characters beyond ASCII."""
    others = [character for character in text if not character.isascii()]
    return sum(character in FREQUENT for character in others) / max(len(others), 1)
