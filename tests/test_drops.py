"""Every job file is processed, however and whenever it was written; one daemon owns a spool (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.spool.health import STALE_SECONDS
from tests.hostile import COSTLY_JOB
from tests.running import BOOT_SECONDS, BRIEF_WAITS, CheapDaemon, drop_with_time, until

JOB = json.dumps({"text": "1 hello"})


def slowly(path: Path) -> None:
    with path.open("w") as file:
        for character in JOB:
            file.write(character)
            file.flush()
            time.sleep(0.03)


def renamed_in(path: Path) -> None:
    (path.parent.parent / "made").write_text(JOB)
    (path.parent.parent / "made").rename(path)


def linked_in(path: Path) -> None:
    (path.parent.parent / "linked").write_text(JOB)
    path.hardlink_to(path.parent.parent / "linked")


def copied(path: Path) -> None:
    (path.parent.parent / "original").write_text(JOB)
    with contextlib.suppress(FileNotFoundError):  # claimed before the copy sets its times
        shutil.copy2(path.parent.parent / "original", path)


def as_rsync_does(path: Path) -> None:
    hidden = path.with_name(f".{path.name}.Xa81bc")
    hidden.write_text(JOB)
    time.sleep(0.1)
    hidden.rename(path)


def appended(path: Path) -> None:
    path.write_text(JOB[:9])
    time.sleep(0.2)
    with path.open("a") as file:
        file.write(JOB[9:])


def empty_at_first(path: Path) -> None:
    path.touch()
    time.sleep(0.2)
    path.write_text(JOB)


WAYS: list[Callable[[Path], None]] = [
    slowly,
    renamed_in,
    linked_in,
    copied,
    as_rsync_does,
    appended,
    empty_at_first,
]


@pytest.fixture(scope="module")
def down() -> Iterator[CheapDaemon]:
    """A daemon for several tests. It is not started yet, and its spool is on tmpfs, which can store any time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, CheapDaemon(Path(folder), **BRIEF_WAITS) as daemon:
        yield daemon


@pytest.fixture
def running(down: CheapDaemon) -> CheapDaemon:
    """The same daemon, ready."""
    if down.process is None:
        down.start()
    return down.ready()


@pytest.mark.parametrize("blind", [False, True], ids=["watching", "blind"])
def test_a_job_is_processed_however_it_is_written(blind: bool, daemon: CheapDaemon) -> None:
    """Once with file events, and once with every event missed."""
    limits = {**BRIEF_WAITS["limits"], "quiet_seconds": 10}
    patient = CheapDaemon(daemon.spool, limits=limits)
    with patient.start(*(["--blind"] if blind else [])).ready():
        for way in WAYS:
            way(patient.spool / "inbox" / f"{way.__name__}.json")
        assert patient.statuses([way.__name__ for way in WAYS]) == {"done": len(WAYS)}


def test_jobs_dropped_while_the_daemon_is_down_or_stopped_are_run(down: CheapDaemon) -> None:
    daemon = down
    assert daemon.process is None
    names = daemon.drop_many(20, text="1 before")
    daemon.start().ready()
    assert daemon.statuses(names) == {"done": 20}
    for name in names:
        (daemon.spool / "outbox" / f"{name}.json").unlink()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    names = daemon.drop_many(50, text="1 hello")
    daemon.process.send_signal(signal.SIGCONT)
    assert daemon.statuses(names) == {"done": 50}
    daemon.until_work_is_clear()


def test_jobs_are_claimed_from_an_inbox_that_was_deleted_and_recreated(running: CheapDaemon) -> None:
    """Recreated once by the client that drops a job and once by the daemon."""
    inbox = running.spool / "inbox"
    shutil.rmtree(inbox)
    running.drop("one", text="1 hello")
    assert running.ending("one")["status"] == "done"
    shutil.rmtree(inbox)
    until(lambda: inbox.exists() or None, "new inbox")
    running.drop("two", text="1 hello")
    assert running.ending("two")["status"] == "done"


def test_a_file_with_any_name_is_answered(running: CheapDaemon) -> None:
    """The answer says what the file was called; another file of nearly the same name gets another job."""
    inbox, outbox = running.spool / "inbox", running.spool / "outbox"
    files = {"мой ролик (1).JSON": "moy-rolik-1", "my job.json.txt": "my-job", "my  job.json": "my-job-50a403"}
    for file, name in files.items():
        (inbox / file).write_text(JOB)
        ending = running.ending(name)
        assert (ending["job"], ending["status"], ending["dropped_as"]) == (name, "done", file)
        running.until_work_is_clear()
    first = (outbox / "my-job.json").stat().st_ino
    (inbox / "my job.json.txt").write_text(JOB)
    until(lambda: (outbox / "my-job.json").stat().st_ino != first or None, "a repeat")
    again = running.ending("my-job")
    assert (again["cached"], again["dropped_as"]) == (True, "my job.json.txt")
    (inbox / "плохо.json").write_text("{}")
    refused = running.ending("plokho")
    assert (refused["status"], refused["dropped_as"]) == ("failed", "плохо.json")


def test_a_job_file_may_have_any_modification_time(running: CheapDaemon) -> None:
    years = {"before": -(10**11), "epoch": 0, "far": 3 * 10**11, "last": 2**63 - 1}
    for name, seconds in years.items():
        drop_with_time(running, name, "1 hello", ns=seconds * 10**9)
    running.drop("good", text="1 hello")
    assert running.statuses(["good", *years]) == {"done": 1 + len(years)}
    shown = {name: running.ending(name)["submitted_at"][:10] for name in years}
    assert shown == {"before": "0001-01-01", "epoch": "1970-01-01", "far": "9999-12-31", "last": "9999-12-31"}


@pytest.mark.soak
def test_hundreds_of_costly_files_do_not_block_the_daemon(daemon: CheapDaemon) -> None:
    """They take 20 s to read. The loop never blocks for long, and a job among them does not wait for the last."""
    daemon.start().ready()
    hidden = daemon.spool / "hidden"
    hidden.mkdir()
    for number in range(600):
        (hidden / f"costly-{number:03d}.json").write_bytes(COSTLY_JOB)
        os.utime(hidden / f"costly-{number:03d}.json", (number, number))
    for file in sorted(hidden.iterdir()):
        file.rename(daemon.spool / "inbox" / file.name)
    daemon.drop("good", text="1 hello")
    os.utime(daemon.spool / "inbox" / "good.json", (100, 100))
    silences = []

    def good_has_ended() -> bool | None:
        silences.append(time.monotonic() - daemon.status()["monotonic_seconds"])
        return (daemon.spool / "outbox" / "good.json").exists() or None

    until(good_has_ended, "end of the good job")
    assert max(silences) < STALE_SECONDS / 2
    assert daemon.ending("good")["status"] == "done"


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may read everything")
def test_an_unreadable_file_is_run_once_it_is_readable(daemon: CheapDaemon) -> None:
    if os.geteuid() == 0:
        powers = "-dac_override,-dac_read_search"
        daemon.prefix = ("setpriv", f"--inh-caps={powers}", f"--bounding-set={powers}")
    daemon.start("--brisk").ready()
    (daemon.spool / "locked").write_text(JOB)
    (daemon.spool / "locked").chmod(0)
    path = (daemon.spool / "locked").rename(daemon.spool / "inbox" / "locked.json")
    warning = "inbox: ignoring 'locked.json'"
    until(lambda: warning in daemon.log() or None, "warning")
    daemon.drop("good", text="1 hello")
    assert daemon.ending("good")["status"] == "done"
    assert path.exists()
    path.chmod(0o640)
    assert daemon.ending("locked")["status"] == "done"
    assert daemon.log().count(warning) == 1


def test_a_stale_lock_blocks_nothing_and_a_live_owner_blocks_all_others(running: CheapDaemon) -> None:
    second = CheapDaemon(running.spool, **BRIEF_WAITS).start()
    assert second.process is not None
    assert second.process.wait(BOOT_SECONDS) == 75
    running.restarted().ready()
