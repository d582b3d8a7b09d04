"""The spool's folders: what is seen, claimed, published and recovered."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from daemon.spool import spool as spool_module
from daemon.spool.intake import Intake
from daemon.spool.spool import Spool, SpoolOwned
from daemon.spool.watcher import Watcher
from tests.hostile import COSTLY_JOB

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


def test_a_missing_inbox_is_an_empty_one(spool: Spool) -> None:
    spool.inbox.rmdir()
    assert spool.scan() == ([], [])


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


@pytest.mark.parametrize("left", [None, b"vid"], ids=["gone", "cut off"])
def test_a_json_is_not_shown_without_its_whole_video(left: bytes | None, spool: Spool) -> None:
    """The next start takes the job up again."""
    claim_and_render(spool)
    (spool.folder("a") / "video.mp4").unlink()
    if left is not None:
        (spool.folder("a") / "video.mp4").write_bytes(left)
    with pytest.raises(FileNotFoundError, match="its video is gone"):
        spool.publish("a", timing())
    assert list(spool.outbox.iterdir()) == []
    assert spool.recover() == ["a"]
    assert spool.sealed("a") is None


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


def test_priority_comes_before_age_and_a_name_in_flight_waits(spool: Spool) -> None:
    intake = Intake(spool, QUIET_SECONDS)
    for age, (name, priority) in enumerate([("newest", 0), ("urgent", 5), ("oldest", 0)]):
        path = put(spool, f"{name}.json", json.dumps({"text": "a", "priority": priority}).encode())
        os.utime(path, (1000 - age, 1000 - age))
    assert next_job(intake) == "urgent"
    assert next_job(intake, ("urgent",)) == "oldest"


def test_a_look_reads_no_longer_than_it_may_and_the_next_one_goes_on(spool: Spool) -> None:
    for number in range(100):
        put(spool, f"costly-{number}.json", COSTLY_JOB)
    put(spool, "good.json")
    os.utime(spool.inbox / "good.json", (2**40, 2**40))
    intake, start, looks = Intake(spool, QUIET_SECONDS), time.monotonic(), 0
    intake.look()
    assert time.monotonic() - start < 2
    assert intake.waiting == 101
    while intake.behind():
        assert intake.unsettled()
        intake.look()
        looks += 1
    assert looks > 0
    assert intake.next([f"costly-{number}" for number in range(100)]) == "good"


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


def test_what_is_published_is_on_disk_before_it_can_be_seen(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut keeps the order: a file's bytes, then its name, then the next file's."""
    claim_and_render(spool)
    (spool.folder("a") / "captions.srt").write_text("1")
    steps: list[tuple[str, Path]] = []
    sync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        sync(descriptor)
        steps.append(("synced", Path(f"/proc/self/fd/{descriptor}").readlink()))

    def renamed(source: Path, target: Path) -> Path:
        assert steps[-1] == ("synced", source)
        steps.append(("renamed", target))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    spool.publish("a", {"status": "done", "video": {"bytes": 5}, "captions": ["a.srt"]})
    assert steps[0] == ("synced", spool.folder("a") / "video.mp4")
    moved = [(path, after) for (what, path), after in pairwise(steps) if what == "renamed"]
    assert [path.relative_to(spool.root).as_posix() for path, _ in moved] == [
        *("work/a/timing.json", "outbox/a.mp4", "outbox/a.srt", "done/a.json", "outbox/a.json"),
    ]
    assert all(after == ("synced", path.parent) for path, after in moved)


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
