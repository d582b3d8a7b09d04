"""What users ask of open streams, as files."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from daemon.spool.layout import CLAIMED, JOB, TIMING
from daemon.spool.spool import Spool
from pipeline.errors import JobError


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with an open stream that waits in the inbox."""
    spool = Spool(tmp_path / "spool")
    spool.create()
    spool.dropped_file("live").write_text('{"text": "Hello.", "keep_open": true}')
    return spool


def asked(spool: Spool, after: int = 0) -> list[tuple[int, str, str]]:
    return [(one.number, one.kind, one.text) for one in spool.asked("live", after)]


def files(spool: Spool) -> list[str]:
    return sorted(path.name for path in (spool.asked_of_streams / "live").iterdir())


def refusal(spool: Spool, name: str = "live", text: str = "More.", limit: int | None = None) -> JobError:
    with pytest.raises(JobError) as caught:
        spool.ask(name, "text", text, characters_max=limit)
    return caught.value


def test_requests_are_numbered_in_their_order(spool: Spool) -> None:
    assert asked(spool) == []
    spool.ask("live", "text", "Привет.")
    spool.ask("live", "stop")
    spool.ask("live", "end")
    assert asked(spool) == [(1, "text", "Привет."), (2, "stop", ""), (3, "end", "")]
    assert asked(spool, 1) == [(2, "stop", ""), (3, "end", "")]
    assert asked(spool, 3) == []
    assert files(spool) == ["00000001.text", "00000002.stop", "00000003.end"]
    folders = spool.asked_of_streams, spool.asked_of_streams / "live"
    assert [stat.S_IMODE(folder.stat().st_mode) & 0o7 for folder in folders] == [0, 0], "texts are nobody else's"


def test_a_request_is_announced(spool: Spool) -> None:
    os.utime(spool.cancels, (0, 0))
    spool.ask("live", "text", "More.")
    assert spool.cancels.stat().st_mtime > 0, "a file came and went there, which wakes the daemon"


def test_numbers_are_never_used_again(spool: Spool) -> None:
    for text in ("One.", "Two.", "Three."):
        spool.ask("live", "text", text)
    spool.forget_asked("live", 2)
    assert files(spool) == ["00000002.done", "00000003.text"]
    spool.forget_asked("live", 3)
    spool.forget_asked("live", 3)
    assert files(spool) == ["00000003.done"]
    assert asked(spool) == []
    spool.ask("live", "text", "Four.")
    assert asked(spool) == [(4, "text", "Four.")]


def test_an_end_stays(spool: Spool) -> None:
    spool.ask("live", "end")
    spool.forget_asked("live", 1)
    spool.forget_asked("live", 2)
    assert asked(spool) == [(1, "end", "")]


def test_other_files_are_not_requests(spool: Spool) -> None:
    spool.ask("live", "stop")
    for name in ("1.text", "00000002.texts", "00000003.said", ".00000004.text", "x00000005.stop"):
        (spool.asked_of_streams / "live" / name).touch()
    assert asked(spool) == [(1, "stop", "")]


@pytest.mark.parametrize("content", ["{}", '{"keep_open": false}', '{"keep_open": 1}', "[]", "{", "[" * 100_000])
def test_only_streams_that_stay_open_can_be_asked(spool: Spool, content: str) -> None:
    spool.dropped_file("live").write_text(content)
    error = refusal(spool)
    assert (error.code, error.field, error.message) == ("not_open", "name", "there is no open stream live")
    assert error.hint == 'a stream stays open if its job has "keep_open": true'
    assert not (spool.asked_of_streams / "live").exists()


@pytest.mark.parametrize("name", ["other", "../live", ".", "a/b", ""])
def test_there_is_no_stream_of_another_name(spool: Spool, name: str) -> None:
    assert refusal(spool, name).message == f"there is no open stream {name}"


@pytest.mark.parametrize("file", [JOB, CLAIMED])
def test_a_stream_that_runs_can_be_asked(spool: Spool, file: str) -> None:
    spool.dropped_file("live").unlink()
    assert not spool.is_open("live")
    spool.folder("live").mkdir(parents=True)
    (spool.folder("live") / file).write_text(json.dumps({"keep_open": True}))
    assert spool.is_open("live")


def test_a_stream_that_ends_cannot_be_asked(spool: Spool) -> None:
    spool.folder("live").mkdir(parents=True)
    (spool.folder("live") / TIMING).touch()
    error = refusal(spool)
    assert (error.code, error.message) == ("not_open", "the stream live is ending")
    assert (error.field, error.hint) == ("name", "submit a new job")
    (spool.folder("live") / TIMING).unlink()
    spool.ask("live", "end")
    assert refusal(spool).message == "the stream live is ending"


def test_what_waits_to_be_said_is_limited(spool: Spool) -> None:
    spool.ask("live", "text", "12345", characters_max=5)
    error = refusal(spool, text="6", limit=5)
    assert (error.code, error.field, error.hint) == ("too_long", "text", "wait, or stop what is being said")
    assert error.message == "5 characters of this stream are still to be said, and the limit is 5"
    spool.ask("live", "stop", characters_max=5)
    spool.ask("live", "text", "1234", characters_max=5)
    spool.ask("live", "text", "5", characters_max=5)
    assert refusal(spool, text="6", limit=5).code == "too_long"
    spool.ask("live", "text", "6")
    assert len(asked(spool)) == 5


def test_what_was_asked_of_a_stream_that_has_ended_is_removed(spool: Spool) -> None:
    spool.remove_asked("live")
    spool.ask("live", "text", "More.")
    spool.remove_asked("live")
    assert asked(spool) == []
    assert not (spool.asked_of_streams / "live").exists()
