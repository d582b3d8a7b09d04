"""Submitting jobs from files of several kinds; captions."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.cli import waiting
from daemon.cli.submission import Draft, drafts, drop
from daemon.outputs.captions import srt, webvtt
from daemon.outputs.report import Submission, failed_report, json_bytes
from daemon.spool.spool import Spool
from pipeline.errors import ErrorReport, JobError
from pipeline.files import write_file
from pipeline.speech.cues import Cue, Part
from tests.media import speech_like, write_recording
from tests.running import in_process


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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my file.txt", "my-file"),
        ("-x-.txt", "x"),
        ("a.b.txt", "a.b"),
        ("привет.txt", "privet"),
        ("—.txt", "job-bda050"),
    ],
)
def test_a_file_name_becomes_a_legal_job_name(file: str, name: str) -> None:
    assert list(read(file, "a")) == [name]


def test_names_in_a_batch_are_transliterated_and_stay_different() -> None:
    content = "name,text\nУрок 1,a\nУрок-1,b\nurok 2,c\n"
    assert read("a.csv", content) == {
        "Urok-1": {"text": "a"},
        "Urok-1-488feb": {"text": "b"},
        "urok-2": {"text": "c"},
    }


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("a.jsonl", '{"text": "a"}\nnonsense\n', "not_json"),
        ("a.jsonl", "[1]\n", "not_object"),
        ("a.jsonl", '{"text": "a", "name": "../a"}\n', "name"),
        ("a.jsonl", '{"text": "' + "a" * 100_000 + '"}\n', "too_large"),
        ("a.jsonl", '{"metadata": ' + "[" * 100_000 + "\n", "too_deep"),
        ("a.jsonl", '{"metadata": ' + "[" * 10_000 + "]" * 10_000 + "}\n", "too_deep"),
        ("a.jsonl", '{"text": "\\ud800"}\n', "encoding"),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', "duplicate_key"),
        ("a.jsonl", '{"text": "a", "speed": NaN}\n', "number"),
        ("a.csv", "text,speed\na,1,2\n", "not_csv"),
        ("a.csv", "text\n" + "a" * 200_000 + "\n", "not_csv"),
        ("a.csv", "text,text\na,b\n", "duplicate_key"),
        ("a.csv", "text,metadata\na," + "[" * 10_000 + "\n", "too_deep"),
        ("a.csv", 'text,metadata\na,"""\\ud800"""\n', "encoding"),
        ("a.csv", 'text,metadata\na,"{""a"": 1, ""a"": 2}"\n', "duplicate_key"),
        ("a.csv", "text,speed\na,NaN\n", "number"),
    ],
)
def test_a_bad_batch_is_refused(file: str, content: str, code: str) -> None:
    with pytest.raises(JobError) as caught:
        read(file, content)
    assert caught.value.code == code


def test_only_a_newline_ends_a_line_of_jsonl() -> None:
    content = '{"text": "a\u2028b\u0085c"}\r\n{"text": "d"}'
    assert read("a.jsonl", content) == {"a-0001": {"text": "a\u2028b\u0085c"}, "a-0002": {"text": "d"}}


def test_a_csv_cell_stays_one_cell() -> None:
    assert read("a.csv", 'text,metadata\na,"1, ""priority"": 9"\n') == {
        "a-0001": {"text": "a", "metadata": '1, "priority": 9'}
    }


def test_an_error_in_a_batch_names_the_job() -> None:
    with pytest.raises(JobError, match="job 2: "):
        read("a.jsonl", '{"text": "a"}\n\n{"text": "b"')


# The command


def submitted(folder: Path, *files: str) -> tuple[int, str, list[str]]:
    """Exit code, standard error and the inbox's entries after `submit`."""
    ended = in_process("submit", *files, "--spool", folder, cwd=folder)
    inbox = folder / "inbox"
    return ended.returncode, ended.stderr, sorted(entry.name for entry in inbox.glob("*"))


def assert_one_line(error: str, beginning: str) -> None:
    assert error.startswith(beginning)
    assert error.count("\n") == 1
    assert error.endswith("\n")


def test_a_duplicate_name_drops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "name": "b"}\n{"text": "b"}\n')
    (tmp_path / "b.txt").write_text("b")
    code, error, inbox = submitted(tmp_path, "a.jsonl", "b.txt")
    assert (code, inbox) == (65, [])
    assert_one_line(error, "lipdrop: conflict: ")


def test_a_name_that_is_waiting_drops_nothing(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "b.json").write_bytes(b"1")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    code, error, inbox = submitted(tmp_path, "a.txt", "b.txt")
    assert (code, inbox) == (65, ["b.json"])
    assert_one_line(error, "lipdrop: conflict: ")


def test_an_error_in_a_hostile_batch_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na,b\n")
    code, error, inbox = submitted(tmp_path, "a.csv")
    assert (code, inbox) == (65, [])
    assert_one_line(error, "lipdrop: not_csv: ")


@pytest.mark.parametrize("audio", ["none.wav", "link.wav", "folder", "../a.json", ".", "x" * 300])
def test_a_recording_that_cannot_be_used_is_refused(audio: str, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "folder").mkdir(parents=True)
    (inbox / "real.wav").write_bytes(b"1")
    (inbox / "link.wav").symlink_to("real.wav")
    (tmp_path / "a.json").write_text(json.dumps({"audio": audio}))
    code, error, found = submitted(tmp_path, "a.json")
    assert (code, found) == (65, ["folder", "link.wav", "real.wav"])
    assert_one_line(error, "lipdrop: audio: ")


def test_a_recording_in_the_inbox_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    write_recording(tmp_path / "inbox" / "real.wav", speech_like(0.2))
    (tmp_path / "a.json").write_text('{"audio": "real.wav"}')
    assert submitted(tmp_path, "a.json") == (0, "", ["a.json", "real.wav"])


def test_a_recording_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "speech.wav").write_bytes(b"no sound")
    write_recording(tmp_path / "inbox" / "hello.wav", speech_like(0.2))
    (tmp_path / "a.jsonl").write_text('{"audio": "speech.wav"}\n{"audio": "helo.wav"}\n')
    code, error, found = submitted(tmp_path, "a.jsonl")
    assert (code, found) == (65, ["hello.wav", "speech.wav"])
    first, second = error.splitlines()
    assert first.startswith("lipdrop: media: a.jsonl: job 1: the recording cannot be read")
    assert second.endswith("[audio] (did you mean 'hello.wav'?)") or second.endswith("(did you mean 'hello.wav'?)")


def test_an_io_error_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("no folder")
    (tmp_path / "a.txt").write_text("a")
    ended = in_process("submit", "a.txt", "--spool", tmp_path, cwd=tmp_path)
    assert ended.returncode == 74
    assert_one_line(ended.stderr, "lipdrop: io: ")


# Waiting under the name of an earlier job


def ends(spool: Spool, name: str, *, failed: bool) -> None:
    """Write the files of a job that has ended."""
    write_file(spool.outbox / f"{name}.json", b"{}")
    shutil.rmtree(spool.failed / name, ignore_errors=True)
    if failed:
        (spool.failed / name).mkdir(exist_ok=True)
        error = {"code": "media", "message": "bad", "hint": None}
        write_file(spool.failed / name / "error.json", json.dumps(error).encode())


def waited(spool: Spool, daemon: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a wait for the job "a" while a thread acts as the daemon."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(spool, "has_owner", lambda: True)
    before = {"a": waiting.ending(spool, "a")}
    thread = threading.Thread(target=daemon)
    thread.start()
    try:
        return waiting.wait(spool, before)
    finally:
        thread.join()


@pytest.mark.parametrize("newcomer_fails", [False, True])
def test_wait_reports_the_new_job_not_the_earlier_one(
    newcomer_fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier job has the opposite outcome, so that the exit code shows which ending was reported."""
    spool = Spool(tmp_path)
    spool.create()
    (spool.work / "a").mkdir()
    drop(Draft("a", b"{}"), spool)

    def daemon() -> None:
        ends(spool, "a", failed=not newcomer_fails)
        (spool.work / "a").rmdir()
        time.sleep(0.2)
        (spool.work / "a").mkdir()
        (spool.inbox / "a.json").unlink()
        time.sleep(0.1)
        ends(spool, "a", failed=newcomer_fails)
        (spool.work / "a").rmdir()

    assert waited(spool, daemon, monkeypatch) == int(newcomer_fails)


# Status


@pytest.mark.parametrize("content", [b"[1]", b"\xff", b"", b"{}", b'{"status": []}', b"[" * 100_000])
def test_status_of_a_job_whose_timing_was_overwritten(content: bytes, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    (spool.outbox / "a.json").write_bytes(content)
    ended = in_process("status", "a", "--spool", tmp_path, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a: unreadable\n", "")


def test_status_says_what_the_file_of_a_job_was_called(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    submission = Submission(0.0, 0.0, "мой\n\u202eролик.json")
    report = failed_report("moy-rolik", ErrorReport("no_speech", "nothing"), submission, 1, {})
    write_file(spool.report_file("moy-rolik"), json_bytes(report))
    ended = in_process("status", "moy-rolik", "--spool", tmp_path, cwd=tmp_path)
    assert ended.stdout.startswith("moy-rolik (from мой\\n\\u202eролик.json): failed: ")


def test_a_drop_never_replaces_a_waiting_job(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    drop(Draft("a", b"1"), spool)
    with pytest.raises(JobError, match="waiting"):
        drop(Draft("a", b"2"), spool)
    assert [entry.name for entry in spool.inbox.iterdir()] == ["a.json"]
    assert (spool.inbox / "a.json").read_bytes() == b"1"


# Captions

SENTENCES = [
    Cue((Part(text, start, end, 0.0, "", False),), start, end)
    for text, start, end in (("Hello.", 0.0, 1.2345), ("a < b & c", 3661.5, 3662.0))
]


def test_srt() -> None:
    assert srt(SENTENCES) == (
        "1\n00:00:00,000 --> 00:00:01,234\nHello.\n\n2\n01:01:01,500 --> 01:01:02,000\na < b & c\n"
    )


def test_webvtt_escapes_its_markup() -> None:
    assert webvtt(SENTENCES) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nHello.\n\n01:01:01.500 --> 01:01:02.000\na &lt; b &amp; c\n"
    )
