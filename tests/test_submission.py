"""Files of several kinds become jobs; captions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.captions import srt, webvtt
from daemon.spool import Spool
from daemon.submission import Draft, drafts, drop
from pipeline.errors import JobError
from pipeline.messages import Sentence


def read(file: str, content: str) -> dict[str, dict[str, object]]:
    return {draft.name: json.loads(draft.data) for draft in drafts(file, content.encode())}


def test_a_json_file_is_one_job_byte_for_byte() -> None:
    assert list(drafts("folder/hello.json", b'{"text":  "a"}')) == [Draft("hello", b'{"text":  "a"}')]


def test_a_text_file_is_its_text() -> None:
    assert read("hello.txt", "\ufeffПривет!\n") == {"hello": {"text": "Привет!"}}


def test_each_line_of_jsonl_is_a_job() -> None:
    content = '{"text": "a"}\n\n{"text": "b", "name": "second"}\n'
    assert read("batch.jsonl", content) == {"batch-0001": {"text": "a"}, "second": {"text": "b"}}


def test_each_row_of_csv_is_a_job() -> None:
    content = 'name,text,language,speed,captions,fps\nx,"Hi, you",en,1.2,true,30\ny,5 apples,,,,\n'
    assert read("batch.csv", content) == {
        "x": {"text": "Hi, you", "language": "en", "speed": 1.2, "captions": True, "fps": 30},
        "y": {"text": "5 apples"},
    }


@pytest.mark.parametrize(("file", "name"), [("my file.txt", "my-file"), ("-x-.txt", "x"), ("a.b.txt", "a.b")])
def test_a_file_name_becomes_a_legal_job_name(file: str, name: str) -> None:
    assert list(read(file, "a")) == [name]


def test_a_name_of_which_nothing_legal_is_left_becomes_a_hash() -> None:
    [name] = read("привет.txt", "a")
    assert name.startswith("job-")


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("a.jsonl", '{"text": "a"}\nnonsense\n', "not_json"),
        ("a.jsonl", "[1]\n", "not_object"),
        ("a.jsonl", '{"text": "a", "name": "../a"}\n', "name"),
    ],
)
def test_a_bad_batch_is_refused(file: str, content: str, code: str) -> None:
    with pytest.raises(JobError) as caught:
        read(file, content)
    assert caught.value.code == code


def test_a_drop_never_replaces_a_waiting_job(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    drop(Draft("a", b"1"), spool)
    with pytest.raises(JobError, match="waiting"):
        drop(Draft("a", b"2"), spool)
    assert [entry.name for entry in spool.inbox.iterdir()] == ["a.json"]
    assert (spool.inbox / "a.json").read_bytes() == b"1"


SENTENCES = [Sentence("Hello.", 0.0, 1.2345), Sentence("a < b & c", 3661.5, 3662.0)]


def test_srt() -> None:
    assert srt(SENTENCES) == (
        "1\n00:00:00,000 --> 00:00:01,234\nHello.\n\n2\n01:01:01,500 --> 01:01:02,000\na < b & c\n"
    )


def test_webvtt_escapes_its_markup() -> None:
    assert webvtt(SENTENCES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nHello.\n\n01:01:01.500 --> 01:01:02.000\na &lt; b &amp; c\n"
    )
