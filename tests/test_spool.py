"""The spool's folders: scanning, claiming, publishing and recovery."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent

from daemon.outputs.report import Submission, failed_report, json_bytes
from daemon.spool import claims as claims_module
from daemon.spool import front, untrusted
from daemon.spool import publishing as publishing_module
from daemon.spool import recordings as recordings_module
from daemon.spool.front import SpoolOwned
from daemon.spool.intake import Intake
from daemon.spool.spool import Spool
from daemon.spool.watcher import Watcher
from pipeline.errors import ErrorReport, JobError
from pipeline.files import try_lock
from pipeline.job_file import JOB_MAX_BYTES
from tests import reports
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


def claim_and_render(spool: Spool, name: str = "a", data: bytes = JOB) -> None:
    put(spool, f"{name}.json", data)
    assert spool.claim(name)
    (spool.folder(name) / "video.mp4").write_bytes(b"video")


def test_a_missing_inbox_counts_as_empty(spool: Spool) -> None:
    spool.inbox.rmdir()
    assert spool.scan() == ([], [])


def test_publishing_moves_everything_to_its_place(spool: Spool) -> None:
    claim_and_render(spool)
    (spool.folder("a") / "captions.srt").write_text("1")
    spool.publish("a", reports.done())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert (spool.outbox / "a.srt").exists()
    assert json.loads((spool.outbox / "a.json").read_bytes())["status"] == "done"
    assert (spool.done / "a.json").read_bytes() == JOB
    assert list(spool.work.iterdir()) == []


def test_a_failed_job_is_kept_with_its_error(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", reports.failed())
    assert (spool.failed / "a" / "job.json").read_bytes() == JOB
    assert json.loads((spool.failed / "a" / "error.json").read_bytes())["code"] == "voice"
    assert not (spool.outbox / "a.mp4").exists()
    assert (spool.outbox / "a.json").exists()


class PowerCut(BaseException):
    """Death of the daemon at a chosen rename."""


@pytest.mark.parametrize("step", range(1, 5))
def test_a_crash_at_any_rename_of_publishing_converges(
    step: int, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_and_render(spool, data=b'{"text": "before"}')
    spool.publish("a", reports.done())
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
            spool.publish("a", reports.done())
    visible = (spool.outbox / "a.json").exists()
    assert (spool.outbox / "a.mp4").exists() or not visible
    if Spool(spool.root).recover() == ["a"]:  # crashed before the job counted as ended: it runs again
        (spool.folder("a") / "video.mp4").write_bytes(b"video")
        spool.publish("a", reports.done())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert json.loads((spool.outbox / "a.json").read_bytes())["status"] == "done"
    assert (spool.done / "a.json").read_bytes() == JOB
    assert list(spool.work.iterdir()) == []


@pytest.mark.parametrize("left", [None, b"vid"], ids=["gone", "cut off"])
def test_a_report_is_not_published_without_its_complete_video(left: bytes | None, spool: Spool) -> None:
    """The next start resumes the job."""
    claim_and_render(spool)
    (spool.folder("a") / "video.mp4").unlink()
    if left is not None:
        (spool.folder("a") / "video.mp4").write_bytes(left)
    with pytest.raises(FileNotFoundError) as caught:
        spool.publish("a", reports.done())
    assert (caught.value.errno, caught.value.strerror) == (errno.ENOENT, "the video is missing")
    assert caught.value.filename == "a.mp4"
    assert list(spool.outbox.iterdir()) == []
    assert spool.recover() == ["a"]
    assert spool.sealed("a") is None


def test_recovery_finishes_claims_and_removes_empty_folders(spool: Spool) -> None:
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
    spool.publish("a", reports.done())
    claim_and_render(spool)
    assert spool.earlier_report("a") is not None
    (spool.outbox / "a.mp4").write_bytes(b"another length")
    assert spool.earlier_report("a") is None
    (spool.outbox / "a.mp4").unlink()
    assert spool.earlier_report("a") is None


def test_a_different_job_under_the_same_name_is_not_a_repeat(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", reports.done())
    claim_and_render(spool, data=b'{"text": "other"}')
    assert spool.earlier_report("a") is None


def test_one_owner_at_a_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "OWNER_WAIT_SECONDS", 0.1)
    assert not spool.has_owner()
    with spool.owned():
        assert spool.has_owner()
        with pytest.raises(SpoolOwned), Spool(spool.root).owned():
            pass
    assert not spool.has_owner()


def test_folders_are_closed_to_other_users(spool: Spool) -> None:
    claim_and_render(spool)
    (spool.root / "new").mkdir()
    made = Spool(spool.root / "new" / "deep")
    umask = os.umask(0)
    try:
        made.create()
        put(spool, "b.json")
        assert spool.claim("b")
        spool.publish("b", reports.failed())
        spool.open_stream("c", [], fresh=True)
    finally:
        os.umask(umask)
    folders = [
        made.inbox,
        made.outbox,
        made.work,
        made.done,
        made.failed,
        made.run,
        made.cancels,
        made.webhooks,
        made.hooks,
    ]
    assert {folder.stat().st_mode & 0o777 for folder in [*folders, spool.failed / "b", spool.outbox / "c"]} == {0o750}
    names = {"inbox", "outbox", "work", "done", "failed", "run", "webhooks", "hooks"}
    assert {folder.name for folder in made.root.iterdir()} == names
    assert [folder.name for folder in made.run.iterdir()] == ["cancel"]


def test_a_removed_inbox_is_made_again_with_its_mode(spool: Spool) -> None:
    spool.inbox.chmod(0o2770)
    spool.keep_inbox()
    spool.inbox.rmdir()
    umask = os.umask(0o077)
    try:
        spool.keep_inbox()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(umask)
    assert spool.inbox.stat().st_mode & 0o777 == 0o770


def test_a_claimed_job_keeps_the_time_when_it_was_written(spool: Spool) -> None:
    os.utime(put(spool, "a.json"), (1000, 1000.5))
    assert spool.claim("a")
    assert spool.submitted_at("a") == 1000.5
    assert {entry.name for entry in spool.folder("a").iterdir()} == {"job.json"}
    assert spool.folder("a").stat().st_mode & 0o027 == 0
    before = time.time()
    (spool.folder("a") / "video.mp4").write_bytes(b"video")
    spool.publish("a", reports.done())
    assert (spool.done / "a.json").stat().st_mtime >= before - 1


def test_job_files_are_listed_oldest_first_and_others_by_name(spool: Spool) -> None:
    for age, name in enumerate(("new", "old")):
        os.utime(put(spool, f"{name}.json"), (1000 - age, 1000 - age))
    for name in ("b", "a"):
        os.utime(put(spool, f"{name}.json"), (2000, 2000))
    for name in (".gitkeep", "speech.WAV", "notes.txt"):
        put(spool, name)
    (spool.inbox / "folder.json").mkdir()
    jobs, foreign = spool.scan()
    assert [job.name for job in jobs] == ["old", "new", "a", "b"]
    assert (jobs[0].path, jobs[0].bytes, jobs[0].changed_at) == (str(spool.inbox / "old.json"), len(JOB), 999)
    assert sorted(foreign) == ["folder.json", "notes.txt"]


def test_a_job_is_under_way_while_it_waits_or_runs(spool: Spool) -> None:
    assert not spool.is_under_way("a")
    put(spool, "a.json")
    assert spool.is_under_way("a")
    assert spool.claim("a")
    assert spool.is_under_way("a")
    (spool.folder("a") / "video.mp4").write_bytes(b"video")
    assert not spool.has_succeeded("a")
    spool.publish("a", reports.done())
    assert not spool.is_under_way("a")
    assert spool.has_succeeded("a")
    assert not spool.is_under_way("../inbox")


def test_the_job_file_of_a_failed_job_can_be_read(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", reports.failed())
    assert spool.failed_job("a") == JOB
    assert spool.failed_job("b") is None
    (spool.root / "job.json").write_bytes(b"outside")
    assert spool.failed_job("..") is None


def test_a_refused_job_leaves_the_outbox_as_it_is(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", reports.done())
    before = {path.name: path.read_bytes() for path in spool.outbox.iterdir()}
    claim_and_render(spool, data=b'{"text": ""}')
    spool.request_cancel("a")
    spool.refuse("a", reports.failed().error)
    assert {path.name: path.read_bytes() for path in spool.outbox.iterdir()} == before
    assert (spool.failed / "a" / "job.json").read_bytes() == b'{"text": ""}'
    assert json.loads((spool.failed / "a" / "error.json").read_bytes())["code"] == "voice"
    assert spool.cancel_requests() == []
    assert not spool.folder("a").exists()


def test_requests_are_files_that_survive_the_daemon(spool: Spool) -> None:
    assert not spool.is_paused()
    spool.resume()
    spool.pause()
    assert Spool(spool.root).is_paused()
    spool.resume()
    assert not spool.is_paused()
    for name in ("b", "a", ".hidden"):
        spool.request_cancel(name)
    assert Spool(spool.root).cancel_requests() == ["a", "b"]
    spool.remove_cancel_request("a")
    spool.remove_cancel_request("a")
    assert spool.cancel_requests() == ["b"]
    for entry in spool.cancels.iterdir():
        entry.unlink()
    spool.cancels.rmdir()
    assert spool.cancel_requests() == []


def test_the_free_space_is_that_of_the_spools_disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(spool.root)
    monkeypatch.setattr(shutil, "disk_usage", {spool.root: usage}.__getitem__)
    assert spool.free_bytes() == usage.free


def test_a_finished_job_supersedes_its_failure_and_its_cancelling(spool: Spool) -> None:
    claim_and_render(spool)
    spool.publish("a", reports.failed())
    claim_and_render(spool)
    spool.request_cancel("a")
    spool.publish("a", reports.done())
    assert not (spool.failed / "a").exists()
    assert spool.cancel_requests() == []


def test_a_failed_job_frees_its_space_before_its_error_is_written(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_and_render(spool)
    left: list[str] = []

    def noted(path: Path, data: bytes) -> None:
        left.extend(entry.name for entry in spool.folder("a").iterdir())
        path.write_bytes(data)

    monkeypatch.setattr(publishing_module, "write_file", noted)
    spool.publish("a", reports.failed())
    assert "video.mp4" not in left


def test_clearing_keeps_the_files_of_valid_results(spool: Spool) -> None:
    claim_and_render(spool)
    folder = spool.folder("a")
    for name in ("recording", "timing.json", "chunk"):
        (folder / name).write_bytes(b"")
    for name in ("piece-000", "piece-001"):
        (folder / name).mkdir()
        (folder / name / "speech.wav").write_bytes(b"")
    spool.clear("a", keep=[folder / "piece-001" / "speech.wav", spool.inbox / "chunk"])
    assert {entry.name for entry in folder.iterdir()} == {"job.json", "recording", "timing.json", "piece-001"}


def test_a_stream_is_found_by_its_playlist_or_its_player(spool: Spool, tmp_path: Path) -> None:
    assert spool.stream("a") is None
    player = tmp_path / "player.html"
    player.write_text("player")
    spool.open_stream("a", [player], fresh=False)
    assert spool.stream("a") == spool.outbox / "a"
    assert (spool.outbox / "a" / "player.html").read_text() == "player"
    spool.remove_stream("a")
    assert not (spool.outbox / "a").exists()
    spool.open_stream("a", [player], fresh=False)
    (spool.outbox / "a" / "player.html").unlink()
    assert spool.stream("a") is None
    spool.show("a", {}, {"index.m3u8": "list"})
    assert spool.stream("a") == spool.outbox / "a"
    spool.open_stream("a", [], fresh=False)
    assert (spool.outbox / "a" / "index.m3u8").exists()
    spool.open_stream("a", [], fresh=True)
    assert list((spool.outbox / "a").iterdir()) == []
    spool.show("a", {}, {"index.m3u8": "list"})
    spool.remove_stream("a")
    assert not (spool.outbox / "a").exists()
    (spool.outbox / "b").mkdir()
    spool.remove_stream("b")
    assert (spool.outbox / "b").exists()
    (spool.root / "index.m3u8").write_text("outside")
    assert spool.stream("..") is None


def test_a_finished_job_replaces_the_stream_of_an_earlier_one(spool: Spool) -> None:
    spool.open_stream("a", [], fresh=True)
    spool.show("a", {}, {"index.m3u8": "list"})
    claim_and_render(spool)
    spool.publish("a", reports.done(mode="stream"))
    assert spool.stream("a") is not None
    claim_and_render(spool)
    spool.publish("a", reports.done())
    assert spool.stream("a") is None


def test_a_claim_needs_a_file_and_leaves_nothing_without_one(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    assert not spool.claim("a")
    assert list(spool.work.iterdir()) == []
    assert caplog.text == ""
    put(spool, "a.json")
    spool.folder("a").mkdir()
    assert not spool.claim("a")
    assert (spool.inbox / "a.json").exists()
    assert "job a: cannot be claimed yet: File exists" in caplog.text


def test_a_claim_that_cannot_be_copied_does_not_overwrite_a_newer_file(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claimed one is kept in `failed/`."""

    def full(path: Path, data: bytes) -> None:
        put(spool, "a.json", b"newer")
        raise OSError(errno.ENOSPC, "No space left on device")

    put(spool, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(claims_module, "write_file", full)
        assert not spool.claim("a")
    assert (spool.inbox / "a.json").read_bytes() == b"newer"
    [kept] = spool.failed.iterdir()
    assert kept.name.startswith("a.")
    assert [(file.name, file.read_bytes()) for file in kept.iterdir()] == [("claimed.json", JOB)]
    assert list(spool.work.iterdir()) == []


def test_recovery_keeps_sealed_jobs_and_skips_unreadable_claims(spool: Spool) -> None:
    for name in ("sealed", "bad"):
        spool.folder(name).mkdir()
    (spool.folder("sealed") / "timing.json").write_bytes(b"{}")
    (spool.folder("bad") / "claimed.json").symlink_to("/etc/passwd")
    (spool.work / "file").write_bytes(b"")
    assert spool.recover() == ["sealed"]
    [kept] = spool.failed.iterdir()
    assert kept.name.startswith("bad.")


def test_a_recording_may_have_16_gib(spool: Spool) -> None:
    put(spool, "a.json")
    assert spool.claim("a")
    for name, size in (("most.wav", 16 << 30), ("more.wav", (16 << 30) + 1)):
        with (spool.inbox / name).open("wb") as file:
            file.truncate(size)
    assert spool.find_recording("most.wav") == spool.inbox / "most.wav"
    with pytest.raises(JobError, match="the recording is over 17179869184 bytes") as caught:
        spool.find_recording("more.wav")
    assert (caught.value.code, caught.value.field) == ("too_large", "audio")


def test_the_error_of_a_recording_says_what_is_wrong(spool: Spool) -> None:
    (spool.inbox / "folder").mkdir()
    irregular = "not a regular file"
    for name, reason in (
        ("none", "No such file or directory"),
        ("folder", irregular),
    ):
        for find in (spool.find_recording, lambda audio: spool.take_recording("a", audio)):
            with pytest.raises(JobError) as caught:
                find(name)
            assert caught.value.message == f"audio must name a file inside the inbox: {reason}"
            assert (caught.value.code, caught.value.field) == ("audio", "audio")
            assert caught.value.hint == f"copy the file itself to {spool.inbox}"


def test_a_path_as_recording_is_answered_with_the_name_to_write(spool: Spool) -> None:
    for path, hint in (
        ("/home/me/hello.wav", f'copy it to {spool.inbox} and write "audio": "hello.wav"'),
        ("../a", f'copy it to {spool.inbox} and write "audio": "a"'),
        ("/", f"copy a file to {spool.inbox}"),
    ):
        with pytest.raises(JobError) as caught:
            spool.find_recording(path)
        assert (caught.value.code, caught.value.field, caught.value.hint) == ("audio", "audio", hint)
        assert caught.value.message == "audio must be a file's name, not a path"


def test_a_recording_waits_for_a_full_disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(spool, "speech.wav", b"sound")
    monkeypatch.setattr(recordings_module, "link", full)
    with pytest.raises(OSError, match="No space left"):
        spool.take_recording("a", "speech.wav")


def test_a_recording_that_can_be_neither_linked_nor_copied_is_refused(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    put(spool, "speech.wav", b"sound")
    monkeypatch.setattr(recordings_module, "link", refused)
    with pytest.raises(JobError, match="inside the inbox: Input/output error"):
        spool.take_recording("a", "speech.wav")


@pytest.mark.parametrize(("content", "reason"), [(b"", errno.EPERM), (b"1", errno.EXDEV), (b"sound", errno.EMLINK)])
def test_a_file_that_cannot_be_linked_is_copied(
    content: bytes, reason: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Path, **__: bool) -> None:
        raise OSError(reason, "cannot be linked")

    (tmp_path / "source").write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "source")
    monkeypatch.setattr(os, "link", refused)
    untrusted.link_or_copy(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == content
    with pytest.raises(OSError, match="symbolic links"):
        untrusted.link_or_copy(tmp_path / "link", tmp_path / "other")
    assert {entry.name for entry in tmp_path.iterdir()} == {"source", "link", "target"}


def test_a_link_is_linked_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "source")
    untrusted.link_or_copy(tmp_path / "link", tmp_path / "target")
    assert (tmp_path / "target").is_symlink()


def test_commands_that_check_for_an_owner_do_not_see_each_other(spool: Spool) -> None:
    assert not spool.has_owner()
    with spool.owned():
        pass
    with (spool.run / "lock").open() as file:
        assert try_lock(file, shared=True)
        assert not spool.has_owner()


def test_a_starting_daemon_waits_for_such_a_command(spool: Spool) -> None:
    with spool.owned():
        pass
    with (spool.run / "lock").open() as file:
        assert try_lock(file, shared=True)
        threading.Timer(0.2, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        with spool.owned():
            assert spool.has_owner()


def test_a_job_may_fail_twice(spool: Spool) -> None:
    for data in (JOB, b'{"text": "again"}'):
        claim_and_render(spool, data=data)
        spool.publish("a", reports.failed())
    assert (spool.failed / "a" / "job.json").read_bytes() == b'{"text": "again"}'
    (spool.folder("file")).write_bytes(b"")
    assert spool.recover() == []


# Intake


def next_job(intake: Intake, in_flight: tuple[str, ...] = ()) -> str | None:
    intake.scan()
    return intake.next(in_flight)


def test_a_complete_object_is_taken_at_once(spool: Spool) -> None:
    put(spool, "a.json")
    assert next_job(Intake(spool, quiet_seconds=3600)) == "a"


def test_priority_comes_before_age_and_a_name_in_flight_waits(spool: Spool) -> None:
    intake = Intake(spool, QUIET_SECONDS)
    for age, (name, priority) in enumerate([("newest", 0), ("urgent", 5), ("oldest", 0)]):
        path = put(spool, f"{name}.json", json.dumps({"text": "a", "priority": priority}).encode())
        os.utime(path, (1000 - age, 1000 - age))
    assert next_job(intake) == "urgent"
    assert next_job(intake, ("urgent",)) == "oldest"


def test_a_job_without_a_priority_has_priority_0(spool: Spool) -> None:
    path = put(spool, "older.json", b'{"text": "a", "priority": 0}')
    os.utime(path, (1000, 1000))
    put(spool, "newer.json", b'{"text": "a"}')
    assert next_job(Intake(spool, QUIET_SECONDS)) == "older"


@pytest.mark.parametrize("priority", ['"9"', "null", "true", "2.5", "[9]"])
def test_a_priority_of_the_wrong_type_counts_as_0(priority: str, spool: Spool) -> None:
    put(spool, "older.json")
    os.utime(spool.inbox / "older.json", (1000, 1000))
    put(spool, "newer.json", b'{"text": "a", "priority": %s}' % priority.encode())
    assert next_job(Intake(spool, QUIET_SECONDS)) == "older"


def test_a_file_of_the_largest_size_has_its_priority(spool: Spool) -> None:
    put(spool, "older.json")
    os.utime(spool.inbox / "older.json", (1000, 1000))
    put(spool, "full.json", b'{"text": "a", "priority": 1}'.ljust(JOB_MAX_BYTES))
    assert next_job(Intake(spool, QUIET_SECONDS)) == "full"


def test_a_file_that_is_too_large_to_read_has_no_priority(spool: Spool) -> None:
    put(spool, "older.json")
    os.utime(spool.inbox / "older.json", (1000, 1000))
    put(spool, "huge.json", b"{" + b" " * JOB_MAX_BYTES + b"}")
    assert next_job(Intake(spool, QUIET_SECONDS)) == "older"


def test_a_job_counts_from_when_its_file_was_first_seen(spool: Spool) -> None:
    intake = Intake(spool, quiet_seconds=3600)
    path = put(spool, "a.json", b"{")
    before = time.monotonic()
    assert next_job(intake) is None
    after = time.monotonic()
    path.write_bytes(b'{"text": "a"}')
    assert next_job(intake) == "a"
    assert before <= intake.take("a")[1] <= after


def test_a_scan_keeps_its_time_budget_and_the_next_one_continues(spool: Spool) -> None:
    for number in range(60):
        put(spool, f"costly-{number}.json", COSTLY_JOB)
    put(spool, "good.json")
    os.utime(spool.inbox / "good.json", (2**40, 2**40))
    intake, scans = Intake(spool, QUIET_SECONDS), 0
    intake.scan()
    assert intake.waiting == 61
    while intake.behind():
        assert intake.unsettled()
        intake.scan()
        scans += 1
    assert scans > 0
    assert intake.next([f"costly-{number}" for number in range(60)]) == "good"


def test_a_full_disk_leaves_the_job_in_the_inbox(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(b"")
        raise OSError(errno.ENOSPC, "No space left on device")

    put(spool, "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(claims_module, "write_file", full)
        assert not spool.claim("a")
    assert list(spool.work.iterdir()) == []
    assert spool.claim("a")
    assert spool.job_bytes("a") == JOB


def test_removed_folders_are_recreated(spool: Spool) -> None:
    claim_and_render(spool)
    for folder in (spool.outbox, spool.done, spool.failed):
        folder.rmdir()
    spool.publish("a", reports.done())
    assert (spool.outbox / "a.mp4").read_bytes() == b"video"
    assert (spool.done / "a.json").exists()


def test_foreign_files_in_the_folders_are_not_jobs(spool: Spool) -> None:
    (spool.work / ".DS_Store").touch()
    (spool.work / "a file").touch()
    assert spool.recover() == []
    claim_and_render(spool)
    (spool.done / "a.json").write_bytes(JOB)
    for content in (b"[1]", b"{}", b'{"status": "done"}', b'{"video": null, "status": "done"}', b"\xff"):
        (spool.outbox / "a.json").write_bytes(content)
        assert spool.earlier_report("a") is None


def test_captions_of_an_earlier_video_are_removed(spool: Spool) -> None:
    claim_and_render(spool)
    for suffix in (".srt", ".vtt"):
        (spool.outbox / f"a{suffix}").write_text("old")
    spool.publish("a", reports.done(captions=()))
    assert not (spool.outbox / "a.srt").exists()
    assert not (spool.outbox / "a.vtt").exists()


def test_a_recording_is_taken_with_its_job(spool: Spool) -> None:
    put(spool, "speech.wav", b"sound")
    put(spool, "a.json")
    assert spool.claim("a")
    taken = spool.take_recording("a", "speech.wav")
    (spool.inbox / "speech.wav").unlink()
    assert taken is not None
    assert taken.read_bytes() == b"sound"
    assert spool.recover() == ["a"]
    assert spool.take_recording("a", "speech.wav") == taken


def test_all_recordings_of_scenes_are_taken_and_kept(spool: Spool) -> None:
    """Clearing what an interrupted run left keeps them, but not half a copy."""
    put(spool, "one.wav", b"one")
    put(spool, "two.wav", b"two")
    put(spool, "a.json")
    assert spool.claim("a")
    taken = [spool.take_recording("a", f"{name}.wav", number) for number, name in enumerate(("one", "two"))]
    (spool.folder("a") / "recording-2.part").write_bytes(b"half")
    (spool.folder("a") / "speech.wav").write_bytes(b"said")
    spool.clear("a")
    assert [path and path.read_bytes() for path in taken] == [b"one", b"two"]
    assert {path.name for path in spool.folder("a").iterdir()} == {"job.json", "recording", "recording-1"}


def test_outputs_are_synced_before_they_are_visible(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that survives a power cut: a file's bytes, then its name, then the next file."""
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
    spool.publish("a", reports.done())
    assert steps[0] == ("synced", spool.folder("a") / "video.mp4")
    moved = [(path, after) for (what, path), after in pairwise(steps) if what == "renamed"]
    assert [path.relative_to(spool.root).as_posix() for path, _ in moved] == [
        *("work/a/timing.json", "outbox/a.mp4", "outbox/a.srt", "done/a.json", "outbox/a.json"),
    ]
    assert all(after == ("synced", path.parent) for path, after in moved)


def test_a_damaged_seal_lets_the_job_run_again(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    claim_and_render(spool)
    (spool.folder("a") / "timing.json").write_bytes(b'{"status": "do')
    assert spool.recover() == ["a"]
    assert spool.sealed("a") is None
    assert "runs again" in caplog.text
    spool.publish("a", reports.done())
    assert json.loads((spool.outbox / "a.json").read_bytes())["status"] == "done"


def test_a_seal_with_unknown_keys_is_published_unchanged(spool: Spool) -> None:
    """Another version of lipdrop may have written it."""
    claim_and_render(spool)
    sealed = json.loads(json_bytes(reports.done(captions=()))) | {"remarks": [{"code": "new"}]}
    (spool.folder("a") / "timing.json").write_text(json.dumps(sealed))
    report = spool.sealed("a")
    assert report is not None
    spool.publish("a", report)
    assert json.loads((spool.outbox / "a.json").read_bytes()) == sealed


def test_only_error_json_has_the_traceback(spool: Spool) -> None:
    claim_and_render(spool)
    error = ErrorReport(code="internal", message="broken", traceback="Traceback: secret.py")
    spool.publish("a", failed_report("a", error, Submission(0.0, time.monotonic()), 2, {"note": None}))
    kept = json.loads((spool.failed / "a" / "error.json").read_bytes())
    shown = json.loads((spool.outbox / "a.json").read_bytes())
    assert kept.pop("traceback") == "Traceback: secret.py"
    assert shown["error"] == kept
    assert (shown["error"]["attempt"], shown["error"]["hint"], shown["metadata"]) == (2, None, {"note": None})


def test_a_stream_whose_playlist_is_gone_is_not_a_repeat(spool: Spool) -> None:
    claim_and_render(spool)
    spool.open_stream("a", [], fresh=True)
    spool.show("a", {}, {"index.m3u8": "#EXTM3U"})
    spool.publish("a", reports.done(mode="stream"))
    claim_and_render(spool)
    assert spool.earlier_report("a") is not None
    (spool.outbox / "a" / "index.m3u8").unlink()
    assert spool.earlier_report("a") is None


def test_shown_fragments_never_change_and_playlists_do(spool: Spool, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    spool.open_stream("a", [], fresh=True)
    spool.show("a", {"0.m4s": old}, {"index.m3u8": "one"})
    spool.show("a", {"0.m4s": new}, {"index.m3u8": "two"})
    assert (spool.outbox / "a" / "0.m4s").read_bytes() == b"old"
    assert (spool.outbox / "a" / "index.m3u8").read_text() == "two"
    assert {entry.name for entry in (spool.outbox / "a").iterdir()} == {"0.m4s", "index.m3u8"}


def test_a_new_inbox_is_watched(spool: Spool) -> None:
    woken = threading.Event()
    watcher = Watcher([spool.inbox, spool.cancels], woken.set)
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


def test_requests_are_noticed_at_once(spool: Spool) -> None:
    woken = threading.Event()
    watcher = Watcher([spool.inbox, spool.cancels], woken.set)
    watcher.refresh()
    for request in (spool.pause, spool.resume, lambda: spool.request_cancel("a")):
        woken.clear()
        request()
        assert woken.wait(10)
    assert spool.cancel_requests() == ["a"]
    watcher.close()


def test_a_claim_does_not_hold_back_the_next_arrival(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watcher is not told that a file left the inbox, so it need not wait to see whether it was renamed."""
    seen: list[str] = []
    arrived = threading.Event()
    watcher = Watcher([spool.inbox, spool.cancels], arrived.set)

    def note(self: Watcher, event: FileSystemEvent) -> None:
        seen.append(Path(os.fsdecode(event.src_path)).name)
        arrived.set()

    monkeypatch.setattr(Watcher, "on_any_event", note)
    put(spool, "a.json")
    watcher.refresh()
    assert spool.claim("a")
    put(spool, "b.json")
    assert arrived.wait(10)
    assert seen[0] == "b.json"
    watcher.close()
