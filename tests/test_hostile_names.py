"""Hostile inboxes: files that are not jobs, jobs that change while they are claimed, misleading names."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import random
import shutil
import tempfile
import time
import tracemalloc
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.outputs.report import Failure
from daemon.spool import claims, untrusted
from daemon.spool import recordings as recordings_module
from daemon.spool.claims import PLACEHOLDER
from daemon.spool.intake import Intake
from daemon.spool.layout import DROPPED_AS, RECORDING
from daemon.spool.spool import Spool
from pipeline.errors import JobError
from pipeline.files import write_file
from pipeline.job_file import JOB_MAX_BYTES, JOB_NAME
from tests.hostile import OTHER_NAMES, RAW_NAME, UNFINISHED_JOBS, put_names

JOB = b'{"text": "hello"}'
QUIET_SECONDS = 0.05
DEADLINE_SECONDS = 20
NOBODY = 65534


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def put(spool: Spool, name: str, data: bytes = JOB) -> Path:
    path = spool.inbox / name
    path.write_bytes(data)
    return path


def next_job(intake: Intake) -> str | None:
    intake.scan()
    return intake.next(())


def awaited_job(intake: Intake) -> str:
    """The next job, once the intake accepts it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (name := next_job(intake)) is None:
        assert time.monotonic() < deadline
    return name


# Names


def test_foreign_files_are_ignored_and_reported_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    names = put_names(spool.inbox)
    put(spool, PLACEHOLDER)
    put(spool, "recording.wav")
    put(spool, "good.json")
    intake = Intake(spool, QUIET_SECONDS)
    with caplog.at_level(logging.WARNING):
        assert next_job(intake) == "good"
        assert caplog.messages == []  # an editor that is saving gets time to rename its scratch file
        time.sleep(QUIET_SECONDS)
        for _ in range(3):
            assert next_job(intake) == "good"
    reported = [message.rpartition(": not a readable")[0] for message in caplog.messages]
    assert sorted(reported) == sorted(f"inbox: ignoring {name!a}" for name in names)
    assert all(message.isascii() and message.isprintable() for message in caplog.messages)
    assert {entry.name for entry in spool.inbox.iterdir()} == names | {PLACEHOLDER, "recording.wav", "good.json"}


def test_removed_files_are_forgotten(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    """A stream of new names in the inbox must not exhaust memory."""
    intake = Intake(spool, quiet_seconds=0)
    for number in range(5):
        path = put(spool, f"{number}.txt")
        intake.scan()
        path.unlink()
    intake.scan()
    assert len(caplog.messages) == 5
    assert intake._foreign_files == {}


# Names from which the job's is made


def test_a_job_gets_a_name_made_from_that_of_its_file(spool: Spool) -> None:
    for file in OTHER_NAMES:
        put(spool, file)
    jobs, foreign_files = spool.scan()
    assert {job.file: job.name for job in jobs} == OTHER_NAMES
    assert foreign_files == []
    for job in jobs:
        assert spool.claim(job.name, job.file)
        assert spool.dropped_as(job.name) == (None if job.file == f"{job.name}.json" else job.file)
        spool.clear(job.name)
    assert {name: spool.dropped_as(name) for name in spool.recover()} == {name: f for f, name in OTHER_NAMES.items()}


def test_a_job_is_found_by_its_name_and_by_that_of_its_file(spool: Spool) -> None:
    put(spool, "Мой ролик.json")
    put(spool, "plain.json")
    for called in ("Moy-rolik", "Мой ролик", "Мой ролик.json"):
        assert (spool.find(called), spool.file_of("Moy-rolik")) == ("Moy-rolik", "Мой ролик.json")
    spool.claim("Moy-rolik", "Мой ролик.json")
    for called in ("Moy-rolik", "Мой ролик", "Мой ролик.json"):
        assert (spool.find(called), spool.file_of("Moy-rolik")) == ("Moy-rolik", None)
    assert (spool.find("plain"), spool.file_of("plain")) == ("plain", "plain.json")
    assert [spool.find(called) for called in ("rolik", "../inbox/plain", "plain.txt", "")] == [None] * 4


def test_a_retried_job_remembers_its_file(spool: Spool) -> None:
    put(spool, "мой.json")
    for _ in range(2):
        spool.claim("moy", spool.file_of("moy"))
        assert spool.dropped_as("moy") == "мой.json"
        spool.refuse("moy", Failure(code="media", message="bad"))
        (spool.inbox / "moy.json").write_bytes(spool.failed_job("moy") or b"")
    (spool.inbox / "moy.json").write_text('{"text": "another job"}')
    spool.claim("moy")
    assert spool.dropped_as("moy") is None


def scanned(spool: Spool) -> dict[str, str]:
    return {job.file: job.name for job in spool.scan()[0]}


def test_a_job_that_is_named_by_its_file_keeps_its_name(spool: Spool) -> None:
    put(spool, "my job.json")
    assert scanned(spool) == {"my job.json": "my-job"}
    put(spool, "my-job.json")
    assert scanned(spool) == {"my job.json": "my-job-0b64d7", "my-job.json": "my-job"}


@pytest.mark.parametrize(
    ("owner", "name"), [("my job.json", "my-job"), ("my_job!.json", "my-job-0b64d7"), (None, "my-job-0b64d7")]
)
def test_outputs_of_another_file_are_not_replaced(owner: str | None, name: str, spool: Spool) -> None:
    """Nor while that job runs. The same file again has the same name: so it may be a repeat."""
    put(spool, "my job.json")
    spool.folder("my-job").mkdir()
    if owner is not None:
        (spool.folder("my-job") / DROPPED_AS).write_text(owner)
    assert scanned(spool) == {"my job.json": name}
    spool.report_file("my-job").write_text(json.dumps({"dropped_as": owner} if owner else {}))
    shutil.rmtree(spool.folder("my-job"))
    assert scanned(spool) == {"my job.json": name}


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"[" * 100_000])
def test_a_timing_json_that_a_user_has_overwritten_is_of_another_file(content: bytes, spool: Spool) -> None:
    put(spool, "my job.json")
    spool.report_file("my-job").write_bytes(content)
    assert scanned(spool) == {"my job.json": "my-job-0b64d7"}


class Crash(BaseException):
    """Ends the daemon."""


@pytest.mark.parametrize("step", range(4))
def test_a_crash_while_such_a_job_is_claimed_loses_neither_it_nor_its_name(
    step: int, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a crash before each rename: of the name, the claim, the snapshot; or none."""
    put(spool, "мой.json")
    rename, left = Path.rename, iter(range(step, -1, -1))

    def crashing(path: Path, target: Path) -> Path:
        if next(left, 1) == 0:
            raise Crash
        return rename(path, target)

    with monkeypatch.context() as patch, contextlib.suppress(Crash):
        patch.setattr(Path, "rename", crashing)
        assert spool.claim("moy", "мой.json")
        assert step == 3, "no other step is left out"
    in_flight, waiting = spool.recover(), scanned(spool)
    assert (in_flight, waiting) == (["moy"], {}) if step > 1 else ([], {"мой.json": "moy"})
    if in_flight:
        assert (spool.job_bytes("moy"), spool.dropped_as("moy")) == (JOB, "мой.json")


def test_a_claim_that_cannot_be_copied_is_put_back_under_its_name(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == DROPPED_AS:
            write_file(path, data)
        else:
            raise OSError(errno.ENOSPC, "No space left on device")

    put(spool, "мой.json")
    with monkeypatch.context() as patch:
        patch.setattr(claims, "write_file", full)
        assert not spool.claim("moy", "мой.json")
    assert scanned(spool) == {"мой.json": "moy"}
    assert list(spool.work.iterdir()) == []


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80))
@example("a.json")
@example("a" * 100 + ".json")
@example("a" * 250 + ".json")
@example("....json")
@example(" .json")
@example("\N{PARTY POPPER}.JSON")
@example("job.json.txt")
@example(RAW_NAME.decode("utf-8", "surrogateescape"))
@example("a\n.json")
def test_only_the_name_rule_decides_which_files_are_jobs(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.create()
        with contextlib.suppress(OSError):  # the filesystem may refuse it: too long, or "." and ".."
            (spool.inbox / name).write_bytes(JOB)
        jobs, foreign_files = spool.scan()
        exists = os.path.lexists(spool.inbox / name) and name not in (".", "..")
        like_one = ".json" in name.lower() and not name.startswith((".", "~$"))
        is_plain = name.endswith(".json") and JOB_NAME.match(name.removesuffix(".json")) is not None
        assert {*foreign_files, *(job.file for job in jobs)} <= {name}
        assert len(jobs) >= (exists and is_plain)
        for job in jobs:
            assert like_one
            assert JOB_NAME.match(job.name)
            assert (job.name + ".json" == name) == is_plain
            assert spool.folder(job.name).parent == spool.work
            assert spool.claim(job.name, job.file)


# Files that are incomplete, too large, or unreadable


@pytest.mark.parametrize("data", [data for data, _ in UNFINISHED_JOBS])
def test_an_unfinished_job_is_given_time_and_then_claimed(data: bytes, spool: Spool) -> None:
    put(spool, "a.json", data)
    patient = Intake(spool, quiet_seconds=3600)
    assert next_job(patient) is None
    assert patient.unsettled()
    assert awaited_job(Intake(spool, QUIET_SECONDS)) == "a"


def test_an_object_that_is_completed_later_is_claimed_then(spool: Spool) -> None:
    intake = Intake(spool, quiet_seconds=3600)
    path = put(spool, "a.json", JOB[:8])
    assert next_job(intake) is None
    with path.open("ab") as writer:
        writer.write(JOB[8:])
    assert next_job(intake) == "a"


def test_a_huge_sparse_file_is_never_read(spool: Spool) -> None:
    with (spool.inbox / "huge.json").open("wb") as file:
        file.truncate(1 << 40)
    assert next_job(Intake(spool, quiet_seconds=3600)) == "huge"
    assert spool.claim("huge")
    assert len(spool.job_bytes("huge")) == JOB_MAX_BYTES + 1


def test_an_unreadable_file_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.create()
        path = put(spool, "a.json")
        path.chmod(0)
        for place in (spool.root, spool.inbox, path):
            os.chown(place, NOBODY if os.geteuid() == 0 else -1, -1)
        intake = Intake(spool, quiet_seconds=0)
        with unprivileged():
            assert next_job(intake) is None
            assert next_job(intake) is None
            assert intake.waiting == 0
            path.chmod(0o640)
            assert next_job(intake) == "a"
    assert len(caplog.messages) == 1


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root's privileges during a block, since root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# Files that change between scan and claim, and after


def test_a_claim_takes_the_bytes_present_at_that_moment(spool: Spool) -> None:
    path = put(spool, "a.json")
    with path.open("ab") as writer:
        assert spool.claim("a")
        writer.write(b"appended after the claim")
    assert spool.job_bytes("a") == JOB
    assert spool.scan() == ([], [])


def test_a_file_that_is_replaced_before_the_claim_is_the_job(spool: Spool) -> None:
    intake = Intake(spool, QUIET_SECONDS)
    put(spool, "a.json")
    assert next_job(intake) == "a"
    put(spool, ".new", b'{"text": "another"}').rename(spool.inbox / "a.json")
    assert spool.claim("a")
    assert spool.job_bytes("a") == b'{"text": "another"}'


def test_a_file_that_disappears_before_its_claim_is_skipped(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    assert not spool.claim("a")
    assert list(spool.work.iterdir()) == []
    assert caplog.messages == []


def test_a_link_or_folder_that_replaces_a_job_file_is_quarantined(spool: Spool) -> None:
    (spool.inbox / "folder.json").mkdir()
    (spool.inbox / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(spool.inbox / "fifo.json")
    for name in ("folder", "link", "fifo"):
        assert not spool.claim(name) or spool.job_bytes(name) == b""
    assert not any(b"root:" in path.read_bytes() for path in spool.work.rglob("*.json"))
    put(spool, "folder.json")
    assert spool.claim("folder")


# Recordings


@pytest.mark.parametrize(
    "audio",
    ["none.wav", "../x.wav", "/etc/passwd", "", ".", "..", "a" * 300, "link.wav", "fifo.wav", "folder", "concat:a|b"],
)
def test_a_recording_is_a_regular_file_inside_the_inbox(audio: str, spool: Spool) -> None:
    (spool.root / "x.wav").write_bytes(b"outside")
    (spool.inbox / "link.wav").symlink_to(spool.root / "x.wav")
    (spool.inbox / "folder").mkdir()
    os.mkfifo(spool.inbox / "fifo.wav")
    put(spool, "a.json")
    assert spool.claim("a")
    with pytest.raises(JobError) as caught:
        spool.take_recording("a", audio)
    assert (caught.value.code, caught.value.field) == ("audio", "audio")


def test_a_recording_that_is_swapped_for_a_link_is_refused(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The swap happens between the check and the use."""
    take = untrusted.link

    def swapped(source: Path, target: Path) -> bool:
        source.unlink()
        source.symlink_to("/etc/passwd")
        return take(source, target)

    put(spool, "speech.wav", b"sound")
    put(spool, "a.json")
    assert spool.claim("a")
    monkeypatch.setattr(recordings_module, "link", swapped)
    for _ in range(2):  # the second attempt finds the files of the first one
        with pytest.raises(JobError) as caught:
            spool.take_recording("a", "speech.wav")
        assert caught.value.code == "audio"


def test_a_recording_that_cannot_be_linked_is_copied() -> None:
    """For example if another group member wrote it: the kernel forbids linking files that the user cannot write."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.create()
        path = put(spool, "speech.wav", b"sound")
        path.chmod(0o644)
        put(spool, "a.json")
        assert spool.claim("a")
        if os.geteuid() == 0:
            os.chown(spool.root, NOBODY, -1)
            for place in (spool.root / "work", spool.folder("a"), spool.inbox):
                os.chown(place, NOBODY, -1)
        with unprivileged():
            assert spool.take_recording("a", "speech.wav") is None
            spool.copy_recording("a", "speech.wav", lambda share: None)
            taken = spool.take_recording("a", "speech.wav")
        assert taken is not None
        assert taken.read_bytes() == b"sound"
        assert [entry.name for entry in taken.parent.iterdir() if entry.suffix == ".part"] == []


def test_a_huge_sparse_recording_is_refused_at_once(spool: Spool) -> None:
    with (spool.inbox / "huge.wav").open("wb") as file:
        file.truncate(1 << 40)
    put(spool, "a.json")
    assert spool.claim("a")
    with pytest.raises(JobError) as caught:
        spool.take_recording("a", "huge.wav")
    assert (caught.value.code, caught.value.field) == ("too_large", "audio")
    assert not (spool.folder("a") / RECORDING).exists()


def test_a_recording_is_found_however_its_letters_are_composed(spool: Spool) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "мой é.wav"), unicodedata.normalize("NFD", "мой é.wav")
    path = put(spool, decomposed, b"sound")
    assert spool.find_recording(composed) == path
    put(spool, composed, b"another")
    assert spool.find_recording(composed).read_bytes() == b"another"


# Many


def test_hundreds_of_jobs_are_each_claimed_once_in_little_memory(spool: Spool) -> None:
    names = [f"job-{number:04d}" for number in range(500)]
    random.Random(0).shuffle(names)
    for written in names:
        put(spool, f"{written}.json")
    intake = Intake(spool, QUIET_SECONDS)
    tracemalloc.start()
    taken = []
    while name := intake.next(()) or next_job(intake):
        intake.take(name)
        assert spool.claim(name)
        taken.append(name)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(taken) == sorted(names)
    assert peak_bytes < 10_000_000
