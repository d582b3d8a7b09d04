"""The spool's folders: what is seen, claimed, published and recovered."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from daemon import intake as intake_module
from daemon import spool as spool_module
from daemon.intake import Intake
from daemon.spool import Spool, SpoolOwned
from daemon.watcher import Watcher
from pipeline.errors import JobError

JOB = b'{"text": "hello"}'
QUIET_SECONDS = 0.05


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def names(spool: Spool) -> list[str]:
    return [file.name for file in spool.scan()[0]]


def put(spool: Spool, name: str, data: bytes = JOB) -> Path:
    path = spool.inbox / name
    path.write_bytes(data)
    return path


def timing(status: str = "done", size: int = 5) -> dict[str, Any]:
    return {
        "status": status,
        "video": {"bytes": size},
        "captions": ["a.srt"],
        "error": {"code": "voice"},
        "timing": {"total_seconds": 1},
    }


def claim_and_render(spool: Spool, name: str = "a", data: bytes = JOB) -> None:
    put(spool, f"{name}.json", data)
    assert spool.claim(name)
    (spool.folder(name) / "video.mp4").write_bytes(b"video")


@pytest.mark.parametrize(
    "name",
    [".x.json", "x.json~", ".x.json.swp", ".goutputstream-A1", "._x.json", ".nfs0001", "x.json.part", "x.json.tmp"],
)
def test_what_editors_and_copiers_leave_is_passed_over_silently(name: str, spool: Spool) -> None:
    put(spool, name)
    assert spool.scan() == ([], [])


@pytest.mark.parametrize("name", ["x.JSON", "x.txt", "x.wav"])
def test_other_files_are_left_alone(name: str, spool: Spool) -> None:
    put(spool, name)
    assert names(spool) == []


@pytest.mark.parametrize("name", ["a b.json", "a\nb.json", "-x.json", "é.json", "a" * 101 + ".json", "_x.json"])
def test_an_illegal_name_is_a_stranger(name: str, spool: Spool) -> None:
    put(spool, name)
    assert spool.scan() == ([], [name])


def test_a_name_that_is_not_utf8_is_a_stranger(spool: Spool) -> None:
    Path(os.fsdecode(os.fsencode(spool.inbox) + b"/\xff.json")).write_bytes(JOB)
    assert names(spool) == []
    assert len(spool.scan()[1]) == 1


def test_what_is_no_plain_file_is_never_opened(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(spool.inbox / "fifo.json")
    (spool.inbox / "folder.json").mkdir()
    put(spool, "target.txt")
    (spool.inbox / "link.json").symlink_to(spool.inbox / "target.txt")
    (spool.inbox / "dangling.json").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(spool.inbox)
        listener.bind("socket.json")
        found = spool.scan()
    assert found[0] == []
    assert sorted(found[1]) == ["dangling.json", "fifo.json", "folder.json", "link.json", "socket.json"]


def test_a_missing_inbox_is_an_empty_one(spool: Spool) -> None:
    spool.inbox.rmdir()
    assert spool.scan() == ([], [])


def test_a_claim_takes_the_bytes_that_are_there(spool: Spool) -> None:
    path = put(spool, "a.json")
    with path.open("ab") as writer:
        assert spool.claim("a")
        writer.write(b"appended after the claim")
    assert spool.job_bytes("a") == JOB
    assert names(spool) == []


def test_a_file_that_is_gone_meanwhile_is_not_claimed(spool: Spool) -> None:
    assert not spool.claim("a")
    assert list(spool.work.iterdir()) == []


def test_publishing_moves_everything_to_its_place(spool: Spool) -> None:
    claim_and_render(spool)
    (spool.folder("a") / "captions.srt").write_text("1")
    spool.publish("a", timing())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert (spool.outbox / "a.srt").exists()
    assert json.loads((spool.outbox / "a.json").read_bytes())["status"] == "done"
    assert (spool.done / "a.json").read_bytes() == JOB
    assert list(spool.work.iterdir()) == []


def test_a_failed_job_is_kept_with_its_error(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", timing("failed"))
    assert (spool.failed / "a" / "job.json").read_bytes() == JOB
    assert json.loads((spool.failed / "a" / "error.json").read_bytes()) == {"code": "voice"}
    assert not (spool.outbox / "a.mp4").exists()
    assert (spool.outbox / "a.json").exists()


class PowerCut(BaseException):
    """The daemon's death at a chosen rename."""


@pytest.mark.parametrize("step", range(1, 5))
def test_a_crash_at_any_rename_of_publishing_converges(
    step: int, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_and_render(spool, data=b'{"text": "before"}')
    spool.publish("a", timing())
    claim_and_render(spool)
    count = 0
    rename = Path.rename

    def cut(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == step:
            raise PowerCut
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        with pytest.raises(PowerCut):
            spool.publish("a", timing())
    visible = (spool.outbox / "a.json").exists()
    assert (spool.outbox / "a.mp4").exists() or not visible
    if Spool(spool.root).recover() == ["a"]:  # cut before the job counted as published: it runs again
        (spool.folder("a") / "video.mp4").write_bytes(b"video")
        spool.publish("a", timing())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert json.loads((spool.outbox / "a.json").read_bytes())["status"] == "done"
    assert (spool.done / "a.json").read_bytes() == JOB
    assert list(spool.work.iterdir()) == []


def test_recovery_finishes_a_claim_and_forgets_empty_folders(spool: Spool) -> None:
    for name in ("claimed", "taken", "empty"):
        spool.folder(name).mkdir()
    (spool.folder("claimed") / "claimed.json").write_bytes(JOB)
    (spool.folder("taken") / "job.json").write_bytes(JOB)
    (spool.folder("taken") / "chunk-000.mp4").write_bytes(b"half")
    assert spool.recover() == ["claimed", "taken"]
    assert spool.job_bytes("claimed") == JOB
    spool.clear("taken")
    assert [entry.name for entry in spool.folder("taken").iterdir()] == ["job.json"]
    assert not spool.folder("empty").exists()


def test_the_same_job_with_its_outputs_is_a_repeat(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", timing())
    claim_and_render(spool)
    assert spool.is_repeat("a") is not None
    (spool.outbox / "a.mp4").write_bytes(b"another length")
    assert spool.is_repeat("a") is None
    (spool.outbox / "a.mp4").unlink()
    assert spool.is_repeat("a") is None


def test_another_job_under_the_same_name_is_no_repeat(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", timing())
    claim_and_render(spool, data=b'{"text": "other"}')
    assert spool.is_repeat("a") is None


def test_one_owner_at_a_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "OWNER_PATIENCE_SECONDS", 0.1)
    assert not spool.has_owner()
    with spool.owned():
        assert spool.has_owner()
        with pytest.raises(SpoolOwned), Spool(spool.root).owned():
            pass
    assert not spool.has_owner()


# Intake


def next_job(intake: Intake, in_flight: tuple[str, ...] = ()) -> str | None:
    intake.look()
    return intake.next(in_flight)


def test_a_whole_object_is_taken_at_once(spool: Spool) -> None:
    put(spool, "a.json")
    assert next_job(Intake(spool, quiet_seconds=3600)) == "a"


def test_a_truncated_object_is_given_time_and_then_taken(spool: Spool) -> None:
    intake = Intake(spool, QUIET_SECONDS)
    put(spool, "a.json", JOB[:8])
    assert next_job(intake) is None
    assert intake.unsettled()
    deadline = time.monotonic() + 10
    while next_job(intake) is None:
        assert time.monotonic() < deadline


def test_an_object_that_is_completed_later_is_taken_then(spool: Spool) -> None:
    intake = Intake(spool, quiet_seconds=3600)
    path = put(spool, "a.json", JOB[:8])
    assert next_job(intake) is None
    with path.open("ab") as writer:
        writer.write(JOB[8:])
    assert next_job(intake) == "a"


def test_priority_comes_before_age_and_a_name_in_flight_waits(spool: Spool) -> None:
    intake = Intake(spool, QUIET_SECONDS)
    for age, (name, priority) in enumerate([("newest", 0), ("urgent", 5), ("oldest", 0)]):
        path = put(spool, f"{name}.json", json.dumps({"text": "a", "priority": priority}).encode())
        os.utime(path, (1000 - age, 1000 - age))
    assert next_job(intake) == "urgent"
    assert next_job(intake, ("urgent",)) == "oldest"


def test_a_file_that_may_not_be_read_is_tried_again_later(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    intake = Intake(spool, quiet_seconds=0)
    put(spool, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(intake_module, "read_file", refuse)
        assert next_job(intake) is None
        assert next_job(intake) is None
    assert next_job(intake) == "a"


def test_a_huge_sparse_file_is_never_read(spool: Spool) -> None:
    with (spool.inbox / "huge.json").open("wb") as file:
        file.truncate(1 << 40)
    assert next_job(Intake(spool, quiet_seconds=3600)) == "huge"
    assert spool.claim("huge")
    assert len(spool.job_bytes("huge")) == 64 * 1024 + 1


def test_what_replaces_a_job_file_before_the_claim_is_put_aside(spool: Spool) -> None:
    for name in ("folder", "link"):
        put(spool, f"{name}.json")
    (spool.inbox / "folder.json").unlink()
    (spool.inbox / "folder.json").mkdir()
    (spool.inbox / "link.json").unlink()
    (spool.inbox / "link.json").symlink_to("/etc/passwd")
    assert not spool.claim("folder")
    assert not spool.claim("link")
    assert spool.recover() == []
    assert len(list(spool.failed.iterdir())) == 2
    put(spool, "folder.json")
    assert spool.claim("folder")


def test_a_full_disk_leaves_the_job_in_the_inbox(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(b"")
        raise OSError(errno.ENOSPC, "No space left on device")

    put(spool, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "write_file", full)
        assert not spool.claim("a")
    assert list(spool.work.iterdir()) == []
    assert spool.claim("a")
    assert spool.job_bytes("a") == JOB


def test_folders_that_were_removed_cost_nothing(spool: Spool) -> None:
    claim_and_render(spool)
    for folder in (spool.outbox, spool.done, spool.failed):
        folder.rmdir()
    spool.publish("a", timing())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert (spool.done / "a.json").exists()


def test_strange_things_in_the_folders_are_no_jobs(spool: Spool) -> None:
    (spool.work / ".DS_Store").touch()
    (spool.work / "a file").touch()
    assert spool.recover() == []
    claim_and_render(spool)
    (spool.done / "a.json").write_bytes(JOB)
    for content in (b"[1]", b"{}", b'{"status": "done"}', b'{"video": null, "status": "done"}', b"\xff"):
        (spool.outbox / "a.json").write_bytes(content)
        assert spool.is_repeat("a") is None


def test_captions_of_an_earlier_video_do_not_stay(spool: Spool) -> None:
    claim_and_render(spool)
    for suffix in (".srt", ".vtt"):
        (spool.outbox / f"a{suffix}").write_text("old")
    spool.publish("a", {**timing(), "captions": []})
    assert not (spool.outbox / "a.srt").exists()
    assert not (spool.outbox / "a.vtt").exists()


def test_a_recording_is_taken_along(spool: Spool) -> None:
    put(spool, "speech.wav", b"sound")
    put(spool, "a.json")
    assert spool.claim("a")
    taken = spool.take_recording("a", "speech.wav")
    (spool.inbox / "speech.wav").unlink()
    assert taken.read_bytes() == b"sound"
    assert spool.recover() == ["a"]
    assert spool.take_recording("a", "speech.wav").read_bytes() == b"sound"


@pytest.mark.parametrize(
    "audio", ["none.wav", "../x.wav", "/etc/passwd", "", ".", "..", "a" * 300, "link.wav", "fifo.wav"]
)
def test_a_recording_is_a_plain_file_inside_the_inbox(audio: str, spool: Spool) -> None:
    (spool.root / "x.wav").write_bytes(b"outside")
    (spool.inbox / "link.wav").symlink_to(spool.root / "x.wav")
    os.mkfifo(spool.inbox / "fifo.wav")
    put(spool, "a.json")
    assert spool.claim("a")
    with pytest.raises(JobError) as caught:
        spool.take_recording("a", audio)
    assert (caught.value.code, caught.value.field) == ("audio", "audio")


def test_a_new_inbox_is_watched(spool: Spool) -> None:
    woken = threading.Event()
    watcher = Watcher(spool.inbox, woken.set)
    watcher.refresh()
    spool.inbox.rmdir()
    watcher.refresh()
    spool.inbox.mkdir()
    watcher.refresh()
    woken.clear()
    put(spool, "a.json")
    assert woken.wait(10)
    assert watcher.changed()
    watcher.close()
