"""What is shown of jobs that run: bars, lines, JSON, and the states of jobs as text."""

from __future__ import annotations

import json
import sys
import time
from http import HTTPStatus
from pathlib import Path

import pytest

from daemon.cli import views, watching
from daemon.cli.overview import job_text, overview
from daemon.cli.steps import Step, duration, steps
from daemon.cli.views import Bars, JsonLines, Lines, Quiet, shortened, view
from daemon.outputs.report import Failure, Submission, WarningReport, failed_report, json_bytes
from daemon.spool.health import JobProgress, write_health
from daemon.spool.spool import Spool
from daemon.web.problems import of_error
from pipeline.errors import ErrorReport, JobError, JobErrors
from tests.reports import healthy
from tests.running import in_process

RUNNING = Step("a", "lipsync", 45, 12.4, 1, 4, 31.2)
FAILURE = Failure(code="media", message="bad", hint="convert it")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with a running daemon: its job "a" runs, "b" waits."""
    spool = Spool(tmp_path)
    spool.create()
    progress = JobProgress(
        share=0.456, began_seconds=1, chunks_done=1, chunks=4, frames_per_second=31.2, eta_seconds=13
    )
    report = healthy(
        waiting=1,
        jobs={"a": "lipsync"},
        progress={"a": progress},
        monotonic_seconds=time.monotonic() - 1,
    )
    write_health(spool, report)
    spool.dropped_file("b").write_text("{}")
    return spool


def test_steps_come_from_the_health_file(spool: Spool) -> None:
    with spool.owned():
        found = steps(spool, {"b", "a"})
    assert [(one.job, one.stage, one.progress) for one in found] == [("a", "lipsync", 45), ("b", "waiting", 0)]
    assert found[0].eta_seconds == pytest.approx(12, abs=0.5), "the report is a second old"
    assert (found[0].chunks_done, found[0].chunks, found[0].frames_per_second) == (1, 4, 31.2)
    assert [one.stage for one in steps(spool, {"a"})] == ["waiting"], "without a daemon nothing runs"


def test_status_has_the_progress_as_json_and_text(spool: Spool) -> None:
    with spool.owned():
        everything = json.loads(in_process("status", "--json", "--spool", spool.root, cwd=spool.root).stdout)
        one = json.loads(in_process("status", "a", "--json", "--spool", spool.root, cwd=spool.root).stdout)
        text = in_process("status", "a", "--spool", spool.root, cwd=spool.root).stdout
        table = overview(spool).text()
    assert everything["jobs"] == {"a": "lipsync"}
    assert everything["progress"]["a"]["progress"] == 45
    assert (one["state"], one["progress"], one["chunks"]) == ("lipsync", 45, 4)
    assert one["eta_seconds"] == pytest.approx(12, abs=0.5)
    assert text == "a: rendering, 45 %, chunk 2 of 4, 31 frames/s, 12 s left\n"
    assert "a  rendering, 45 %, chunk 2 of 4, 31 frames/s" in table.replace("\x1b[2m", "").replace("\x1b[0m", "")


def test_status_of_a_failed_job_says_why(spool: Spool) -> None:
    (spool.failed / "c").mkdir()
    (spool.failed / "c" / "error.json").write_text(FAILURE.model_dump_json())
    shown = in_process("status", "c", "--spool", spool.root, cwd=spool.root)
    assert shown.stdout == "c: failed: media: bad (convert it)\nrun it again with: lipdrop retry c\n"
    found = json.loads(in_process("status", "c", "--json", "--spool", spool.root, cwd=spool.root).stdout)
    assert (found["state"], found["error"]["code"], found["error"]["hint"]) == ("failed", "media", "convert it")


def test_everything_that_is_wrong_with_a_job_is_kept_and_shown(spool: Spool) -> None:
    wrong = [
        JobError("type", "fps must be a number", field="fps"),
        JobError("avatar", "no avatar 'x'", field="avatar", hint="avatars: host"),
    ]
    made = [
        failed_report("c", ErrorReport.of(error, stage="intake"), Submission(0, 0), 1, {}).error
        for error in (JobErrors(wrong), wrong[0])
    ]
    (spool.failed / "c").mkdir()
    (spool.failed / "c" / "error.json").write_bytes(json_bytes(made[0]))
    shown = in_process("status", "c", "--spool", spool.root, cwd=spool.root).stdout.splitlines()
    assert shown[:2] == ["c: failed: type: fps must be a number", "c: failed: avatar: no avatar 'x' (avatars: host)"]
    assert [one.field for one in of_error(made[0], HTTPStatus.BAD_REQUEST).errors] == ["fps", "avatar"]
    assert "further" not in json.loads(json_bytes(made[1]))


def test_a_hint_to_retry_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lipdrop"])
    error = {"code": "cancelled", "message": "gone", "field": "text", "hint": "run it again with: lipdrop retry c"}
    found = {"job": "c", "state": "failed", "error": error}
    assert job_text(found) == "c: failed: cancelled: gone [text] (run it again with: lipdrop retry c)"
    assert job_text({"job": "c", "state": "done"}) == "c: done"


def test_warnings_are_shown_with_the_video(spool: Spool, capsys: pytest.CaptureFixture[str]) -> None:
    warning = WarningReport(code="noisy_audio", message="noise\x1b", hint="be quiet")
    found = {"job": "c", "state": "done", "warnings": [warning.model_dump()]}
    assert job_text(found) == "c: done\nwarning: noise? (be quiet)"
    Quiet().done("c", Path("c.mp4"), [warning])
    assert capsys.readouterr() == ("c.mp4\n", "c: warning: noise? (be quiet)\n")
    JsonLines().done("c", Path("c.mp4"), [warning])
    assert json.loads(capsys.readouterr().out)["warnings"][0]["code"] == "noisy_audio"


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step("a", "waiting"), "waiting"),
        (Step("a", "tts", 2, 100.0), "speaking, 2 %, 1:40 left"),
        (Step("a", "lipsync", 20, 3723.0, 0, 1, 5.0), "rendering, 20 %, 5 frames/s, 1:02:03 left"),
        (Step("a", "merge", 99, 0.1, 4, 4, 5.0), "joining, 99 %, 1 s left"),
        (Step("a", "lipsync", 97, None, 4, 4, None), "rendering, 97 %, chunk 4 of 4"),
    ],
)
def test_a_step_as_text(step: Step, text: str) -> None:
    assert step.text() == text


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.4, 99, 100, 3600)] == ["0 s", "99 s", "1:40", "1:00:00"]


def test_lines_are_printed_for_each_stage_and_at_times(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines()
    for step in (Step("a", "waiting"), Step("a", "tts", 2), Step("a", "tts", 3), RUNNING):
        lines.show([step])
    monkeypatch.setattr(views, "LINE_SECONDS", 0.0)
    lines.show([RUNNING])
    lines.done("a", Path("a.mp4"))
    lines.failed("b", FAILURE)
    shown = capsys.readouterr()
    running = "a: rendering, 45 %, chunk 2 of 4, 31 frames/s, 12 s left"
    assert shown.err.splitlines() == ["a: speaking, 2 %", running, running, "b: failed: media: bad (convert it)"]
    assert shown.out == "a.mp4\n"


def test_json_lines_are_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    lines = JsonLines()
    for step in (RUNNING, Step("a", "lipsync", 45, 11.0, 1, 4, 30.0), Step("a", "merge", 97, 1.0, 4, 4, 30.0)):
        lines.show([step])
    lines.done("a", Path("a.mp4"))
    lines.failed("b", FAILURE)
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert [(one["job"], one["event"]) for one in events] == [
        *(("a", "progress"), ("a", "progress"), ("a", "done"), ("b", "failed"))
    ]
    assert (events[0]["stage"], events[0]["eta_seconds"], events[2]["video"]) == ("lipsync", 12.4, "a.mp4")
    assert events[3]["error"]["hint"] == "convert it"
    assert shown.err == ""


def test_bars_leave_only_the_endings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Bars() as bars:
        bars.show([RUNNING, Step("b", "waiting")])
        bars.done("a", Path("a.mp4"))
        bars.show([Step("b", "tts", 2)])
        bars.failed("b", FAILURE)
    shown = capsys.readouterr()
    assert shown.out == "a.mp4\n"
    assert "chunk 2 of 4, 31 frames/s, 12 s left" in shown.err
    assert "1 of 2 ended" in shown.err
    assert "b: failed: media: bad (convert it)" in shown.err


def test_long_names_keep_their_ends() -> None:
    assert shortened("a" * 24) == "a" * 24
    assert shortened("news-of-the-whole-year-2026-0017") == "news-of-the-who…026-0017"


def test_the_view_fits_its_output() -> None:
    assert isinstance(view(as_json=True, quiet=True), JsonLines)
    assert type(view(quiet=True)) is Quiet
    assert type(view()) is Lines, "tests have no terminal"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_spool_is_watched_in_lines_where_there_is_no_terminal(
    as_json: bool, spool: Spool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def pause(_: float) -> None:
        shown.append(capsys.readouterr().out)
        if len(shown) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    with spool.owned(), pytest.raises(KeyboardInterrupt):
        watching.watch(spool, as_json=as_json, quiet=False)
    if as_json:
        assert json.loads(shown[0])["progress"]["a"]["progress"] == 45
    else:
        state, job = shown[0].splitlines()
        assert state == "daemon: ok; 1 waiting, 1 in flight, 0 done, 0 failed"
        assert job.startswith("a: rendering, 45 %, chunk 2 of 4")
        assert shown[1] == "", "nothing has changed"
