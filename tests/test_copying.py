"""A recording of gigabytes never blocks the supervision loop, even if it must be copied."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.fingerprints import SMALL_BYTES, fingerprint
from daemon.spool import untrusted
from daemon.spool.copying import Copy
from daemon.spool.health import read_health
from daemon.spool.layout import RECORDING
from daemon.spool.recordings import Recordings
from daemon.spool.spool import Spool
from daemon.supervisor import Supervisor
from pipeline.config import Config, LimitsSettings
from pipeline.executors.threads import ThreadExecutor
from tests.cheap_daemon import cheap_specs
from tests.running import until

BIG_BYTES = 3 << 30
DEADLINE_SECONDS = 60


class Gate:
    """Holds a copy after its first step."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def pass_by(self) -> None:
        self.reached.set()
        assert self.opened.wait(DEADLINE_SECONDS)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Given recordings on a filesystem from which files can be neither linked nor share blocks."""
    made, copy, link = Gate(), untrusted.copy, os.link

    def refused(source: Path, target: Path, *, follow_symlinks: bool = True) -> None:
        if Path(target).name == RECORDING:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(source, target, follow_symlinks=follow_symlinks)

    def held(source: Path, target: Path, advanced: object = None) -> None:
        def after_step(share: float) -> None:
            advanced(share)  # type: ignore[operator]
            made.pass_by()

        copy(source, target, after_step)

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(untrusted, "_share_blocks", lambda reader, writer: False)
    monkeypatch.setattr("daemon.spool.recordings.copy", held)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the loop runs in a thread
    yield made
    made.opened.set()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def run_once(spool: Spool) -> threading.Thread:
    """The daemon's loop, until no job is left."""
    config = Config(spool=str(spool.root), limits=LimitsSettings(quiet_seconds=0.05, free_megabytes=0))
    loop = Supervisor(config, spool, ThreadExecutor(), cheap_specs(config))
    thread = threading.Thread(target=loop.run, kwargs={"once": True})
    thread.start()
    return thread


def put(spool: Spool, name: str, content: str) -> None:
    (spool.inbox / f"{name}.part").write_text(content)
    (spool.inbox / f"{name}.part").rename(spool.inbox / f"{name}.json")


def copied_share(spool: Spool) -> float | None:
    """How much of the big recording is copied, if the daemon reports that."""
    report = read_health(spool)
    is_copied = report is not None and report.jobs.get("big") == "copy"
    return report.progress["big"].share or None if report is not None and is_copied else None


def test_other_jobs_go_on_while_gigabytes_are_copied(spool: Spool, gate: Gate) -> None:
    """Given a sparse file. The copy is held after its first step; then it is cancelled."""
    with (spool.inbox / "big.wav").open("wb") as file:
        file.truncate(BIG_BYTES)
    put(spool, "big", '{"audio": "big.wav"}')
    loop = run_once(spool)
    assert gate.reached.wait(DEADLINE_SECONDS)
    for number in range(3):
        put(spool, f"small-{number}", '{"text": "1 hello"}')
        until(lambda: spool.report_file(f"small-{number}").exists() or None, "another job")  # noqa: B023
    assert until(lambda: copied_share(spool), "progress") == pytest.approx(untrusted.STEP_BYTES / BIG_BYTES)
    spool.request_cancel("big")
    until(lambda: spool.report_file("big").exists() or None, "the cancelled job")
    gate.opened.set()
    loop.join(DEADLINE_SECONDS)
    assert not loop.is_alive()
    assert list(spool.work.iterdir()) == []


def test_a_job_runs_when_its_recording_is_copied(spool: Spool, gate: Gate) -> None:
    (spool.inbox / "speech.wav").write_text("1 hello")
    put(spool, "a", '{"audio": "speech.wav"}')
    gate.opened.set()
    run_once(spool).join(DEADLINE_SECONDS)
    assert spool.has_succeeded("a")


def test_other_jobs_go_on_while_gigabytes_are_read(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To see whether the job is a repeated one. The reading is held."""
    gate = Gate()

    def held(job: bytes, *rest: Any) -> str:
        if b"big" in job:
            assert threading.current_thread().name == "fingerprint"
            gate.pass_by()
        return fingerprint(job, *rest)

    monkeypatch.setattr("daemon.admission.fingerprint", held)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the loop runs in a thread
    (spool.inbox / "big.wav").write_bytes(b"1 hello".ljust(SMALL_BYTES + 1))
    put(spool, "big", '{"audio": "big.wav"}')
    loop = run_once(spool)
    assert gate.reached.wait(DEADLINE_SECONDS)
    put(spool, "small", '{"text": "1 hello"}')
    until(lambda: spool.report_file("small").exists() or None, "another job")
    assert not spool.report_file("big").exists()
    gate.opened.set()
    loop.join(DEADLINE_SECONDS)
    assert spool.has_succeeded("big")


def test_a_job_fails_if_its_files_cannot_be_compared(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.admission.fingerprint", lambda *_: str(1 // 0))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (spool.inbox / "big.wav").write_bytes(b"1 hello".ljust(SMALL_BYTES + 1))
    put(spool, "big", '{"audio": "big.wav"}')
    run_once(spool).join(DEADLINE_SECONDS)
    assert b'"code": "internal"' in spool.report_file("big").read_bytes()


def test_a_copy_that_was_cut_off_by_a_crash_is_made_again(spool: Spool, gate: Gate) -> None:
    (spool.inbox / "speech.wav").write_text("1 hello")
    put(spool, "a", '{"audio": "speech.wav"}')
    assert spool.claim("a")
    (spool.folder("a") / RECORDING).with_suffix(".part").write_text("1 he")
    gate.opened.set()
    run_once(spool).join(DEADLINE_SECONDS)
    assert spool.has_succeeded("a")


def test_a_recording_that_disappears_before_it_is_copied_fails_its_job(spool: Spool, gate: Gate) -> None:
    (spool.inbox / "speech.wav").symlink_to("/etc/passwd")
    put(spool, "a", '{"audio": "speech.wav"}')
    run_once(spool).join(DEADLINE_SECONDS)
    assert b'"code": "audio"' in spool.report_file("a").read_bytes()


def test_blocks_are_shared_where_the_filesystem_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for a filesystem that can: the test's own may not."""

    def shared(writer: int, request: int, reader: int) -> int:
        assert request == untrusted.FICLONE
        os.write(writer, os.read(reader, 100))
        return 0

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(fcntl, "ioctl", shared)
    (tmp_path / "source").write_bytes(b"sound")
    os.utime(tmp_path / "source", ns=(1, 2))
    assert untrusted.link(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"sound"
    assert (tmp_path / "target").stat().st_mtime_ns == 2
    assert {entry.name for entry in tmp_path.iterdir()} == {"source", "target"}


class Steps(Recordings):
    """Recordings whose copies go on for as long as they are wanted."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.begun = threading.Event()
        self._error = error

    def copy_recording(self, name: str, audio: str, advanced: Callable[[float], None], number: int = 0) -> None:
        self.asked.append((name, audio, number))
        if self._error is not None:
            raise self._error
        while True:
            advanced(0.25)
            self.begun.set()
            time.sleep(0.001)


def test_a_copy_goes_on_beside_the_daemon_until_it_is_stopped() -> None:
    spool, woken = Steps(), threading.Event()
    copy = Copy(spool, "job", "a.wav", 2, woken.set)
    assert (copy.name, copy.daemon, copy.share, copy.is_done) == ("copy-job", True, 0.0, False)
    copy.start()
    assert spool.begun.wait(DEADLINE_SECONDS)
    assert (copy.share, copy.is_done) == (0.25, False)
    copy.stop()
    assert woken.wait(DEADLINE_SECONDS)
    assert copy.is_done
    copy.check()
    assert spool.asked == [("job", "a.wav", 2)]


def test_the_end_of_a_copy_says_why() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    copy = Copy(Steps(error), "job", "a.wav", 0, lambda: None)
    copy.start()
    copy.join(DEADLINE_SECONDS)
    with pytest.raises(OSError, match="No space left") as caught:
        copy.check()
    assert caught.value is error
