"""Batches as Excel and other programs save them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.cli.submission import drafts
from pipeline.errors import JobError

TEXT = 'Он сказал: "Да; нет, может | быть".\nИ ушёл.'
JOBS = {
    "a": {"text": TEXT, "language": "ru", "speed": 1.2, "captions": True},
    "b": {"text": "Hello", "language": "en"},
}


def read(data: bytes, file: str = "batch.csv") -> dict[str, dict[str, Any]]:
    return {draft.name: json.loads(draft.data) for draft in drafts(file, data)}


def table(delimiter: str, decimal: str = ".", end: str = "\r\n", true: str = "true") -> str:
    """Lines end with `end`, but those within a cell with a line feed, as Excel writes them."""
    text, speed = TEXT.replace('"', '""'), f'"1{decimal}2"'
    lines = [
        ["name", "text", "language", "speed", "captions"],
        ["a", f'"{text}"', "ru", speed, true],
        ["b", "Hello", "en", "", ""],
    ]
    return end.join(delimiter.join(line) for line in lines) + end


EXCEL = table(";", decimal=",", true="ИСТИНА")
"""As Excel saves it with Russian settings."""

SAVED = {
    "commas": table(",").encode(),
    "commas, decimal commas": table(",", decimal=",").encode(),
    "semicolons": EXCEL.encode("utf-8-sig"),
    "tabs": table("\t").encode(),
    "bars": table("|").encode(),
    "old Mac": table(";", end="\r").encode(),
    "Unix": table(";", end="\n", true="TRUE").encode(),
    "UTF-16": table("\t", decimal=",", true="ИСТИНА").encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff" + table("\t").encode("utf-16-be"),
    "sep=": ("sep=;\r\n" + EXCEL).encode("utf-8-sig"),
    "header": EXCEL.replace("name;text;language", " Name ;TEXT;Language ").encode(),
    "empty lines": ("\r\n" + EXCEL.replace("b;", ";;;;\r\n\r\n   ;;;;\r\nb;") + ";;;;\r\n").encode(),
    "empty columns": EXCEL.replace("\r\n", ";;\r\n").encode(),
    "spaces": EXCEL.replace(";ru;", "; ru ;").encode(),
}


@pytest.mark.parametrize("data", SAVED.values(), ids=SAVED)
def test_tables_are_read_however_they_were_saved(data: bytes) -> None:
    assert read(data) == JOBS


def test_excels_unicode_text_is_a_table_although_it_is_named_txt() -> None:
    assert read(SAVED["UTF-16"], "batch.txt") == JOBS
    assert read(SAVED["tabs"], "batch.tsv") == JOBS


@pytest.mark.parametrize("text", ["text\tis a word\nof mine", "text", "name\tlanguage\na\tb", "Audio, text"])
def test_other_texts_are_spoken(text: str) -> None:
    assert read(text.encode(), "a.txt") == {"a": {"text": text}}


def test_a_key_of_several_words_may_have_spaces() -> None:
    assert read(b"Text;Num Workers\nHi;2\n") == {"batch-0001": {"text": "Hi", "num_workers": 2}}


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1251", "Windows-1251"), ("koi8_r", "KOI8-R"), ("cp866", "DOS (866)")]
)
@pytest.mark.parametrize("file", ["a.csv", "a.txt"])
def test_another_encoding_is_named_and_not_guessed(encoding: str, name: str, file: str) -> None:
    with pytest.raises(JobError) as caught:
        read("name;text\nурок;Доброе утро, дорогие друзья!\n".encode(encoding), file)
    assert caught.value.code == "encoding"
    assert caught.value.message.endswith(f"it looks like {name}")
    assert "CSV UTF-8" in (caught.value.hint or "")


def test_the_row_with_an_open_quote_is_named() -> None:
    with pytest.raises(JobError, match=r"in the row at line 4 is never closed"):
        read(b'name,text\na,"Hello\nthere"\nb,"Bye\nc,Hi\n')


def test_an_encoding_that_is_not_known_is_not_named() -> None:
    with pytest.raises(JobError, match=r"not UTF-8 at byte 8$"):
        read("text\nCaf\xe9 na\xefve\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("data", "code", "hint"),
    [
        (b"PK\x03\x04" + bytes(50), "not_csv", "CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0" + bytes(50), "not_csv", "CSV UTF-8"),
        ("name,text\na,b".encode("utf-16-le"), "encoding", "CSV UTF-8"),
        (b"text\nHello, world\n", "not_csv", "double quotes"),
        (b"Text;text \na;b\n", "duplicate_key", ""),
        (b'name,text\na,"Hello\nb,Bye\n', "not_csv", "twice"),
        (b'text\n"Hello', "not_csv", "twice"),
        (b'name;"text\na;Hello\n', "not_csv", "twice"),
    ],
    ids=["xlsx", "xls", "UTF-16 without a mark", "unquoted", "same column", "open", "open at the end", "open header"],
)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_cannot_be_read_is_answered_with_what_to_do(data: bytes, code: str, hint: str, suffix: str) -> None:
    with pytest.raises(JobError) as caught:
        read(data, f"a{suffix}")
    assert caught.value.code == code
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("cell", ["poster,mp3", " poster; mp3", "poster mp3", '[""poster"", ""mp3""]'])
def test_extras_are_a_list(cell: str) -> None:
    assert read(f'name,text,extras\na,Hi,"{cell}"\n'.encode())["a"]["extras"] == ["poster", "mp3"]
