"""What docs/promises.md promises, with the faults injected into real processes: cheap stages, the real daemon."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.spool.health import STALE_SECONDS
from daemon.spool.spool import Spool
from tests.hostile import COSTLY_JOB
from tests.running import BOOT_SECONDS, ORPHANS_SECONDS, ROOT, CheapDaemon, lipdrop, until

JOB = json.dumps({"text": "1 hello"})
FAST = {"limits": {"quiet_seconds": 0.5, "free_megabytes": 1}}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[CheapDaemon]:
    """A daemon for one test, not started yet."""
    with CheapDaemon(tmp_path / "spool", **FAST) as running:
        yield running


def statuses(daemon: CheapDaemon, names: list[str]) -> Counter[str]:
    return Counter(ending["status"] for ending in daemon.endings(names))


def until_work_is_clear(daemon: CheapDaemon) -> None:
    """A job's folder goes after its JSON has come."""
    until(lambda: not any((daemon.spool / "work").iterdir()) or None, "clear work folder")


def drop_of(daemon: CheapDaemon, name: str, text: str, ns: int) -> None:
    """Drop a job whose file has a time of its own, in nanoseconds."""
    made = daemon.spool / f"{name}.json"
    made.write_text(json.dumps({"text": text}))
    os.utime(made, ns=(0, ns))
    made.rename(daemon.spool / "inbox" / made.name)


needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler makes the fault")


def compiled(shim: str, folder: Path) -> str:
    """A library to be loaded before libc, made of its C source."""
    (folder / "shim.c").write_text(shim)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c"], check=True)
    return str(folder / "shim.so")


# 1 to 4: every drop, one owner


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
    with contextlib.suppress(FileNotFoundError):  # taken in before it is given its time
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


@pytest.mark.parametrize("blind", [False, True], ids=["watching", "blind"])
def test_a_job_is_acted_on_however_it_is_written(blind: bool, daemon: CheapDaemon) -> None:
    """Once with file events, and once where every event is lost."""
    patient = CheapDaemon(daemon.spool, **{**FAST, "limits": {**FAST["limits"], "quiet_seconds": 10}})
    with patient.start(*(["--blind"] if blind else [])).ready():
        _drop_in_all_ways(patient)


def _drop_in_all_ways(daemon: CheapDaemon) -> None:
    for way in WAYS:
        way(daemon.spool / "inbox" / f"{way.__name__}.json")
    assert statuses(daemon, [way.__name__ for way in WAYS]) == {"done": len(WAYS)}


def test_jobs_dropped_while_the_daemon_is_down_or_stopped_are_run(daemon: CheapDaemon) -> None:
    names = daemon.drop_many(50, text="1 before")
    daemon.start().ready()
    assert statuses(daemon, names) == {"done": 50}
    for name in names:
        (daemon.spool / "outbox" / f"{name}.json").unlink()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    names = daemon.drop_many(100, text="1 hello")
    daemon.process.send_signal(signal.SIGCONT)
    assert statuses(daemon, names) == {"done": 100}
    until_work_is_clear(daemon)


def test_an_inbox_that_is_deleted_and_made_again_is_taken_from(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    for name in ("one", "two"):
        shutil.rmtree(daemon.spool / "inbox")
        time.sleep(0.3)
        daemon.drop(name, text="1 hello")
        assert daemon.ending(name)["status"] == "done"


def test_a_job_may_be_of_any_time() -> None:
    """On a disk in memory, which takes every time there is."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, CheapDaemon(Path(folder), **FAST) as daemon:
        daemon.start().ready()
        years = {"before": -(10**11), "epoch": 0, "far": 3 * 10**11, "last": 2**63 - 1}
        for name, seconds in years.items():
            drop_of(daemon, name, "1 hello", ns=seconds * 10**9)
        daemon.drop("good", text="1 hello")
        assert statuses(daemon, ["good", *years]) == {"done": 1 + len(years)}
        told = {name: daemon.ending(name)["submitted_at"][:10] for name in years}
    assert told == {"before": "0001-01-01", "epoch": "1970-01-01", "far": "9999-12-31", "last": "9999-12-31"}


@pytest.mark.soak
def test_hundreds_of_costly_files_hold_nobody_up(daemon: CheapDaemon) -> None:
    """They take 20 s to read; the loop is never gone for long, and a job among them does not wait for the last."""
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
def test_a_file_that_may_not_be_read_is_run_when_it_may(daemon: CheapDaemon) -> None:
    if os.geteuid() == 0:
        powers = "-dac_override,-dac_read_search"
        daemon.prefix = ("setpriv", f"--inh-caps={powers}", f"--bounding-set={powers}")
    daemon.start().ready()
    (daemon.spool / "locked").write_text(JOB)
    (daemon.spool / "locked").chmod(0)
    path = (daemon.spool / "locked").rename(daemon.spool / "inbox" / "locked.json")
    until(lambda: "'locked.json' is ignored" in daemon.log() or None, "warning")
    daemon.drop("good", text="1 hello")
    assert daemon.ending("good")["status"] == "done"
    assert path.exists()
    path.chmod(0o640)
    assert daemon.ending("locked")["status"] == "done"
    assert daemon.log().count("is ignored") == 1


def test_a_lock_that_a_crash_left_blocks_nobody_and_a_living_owner_blocks_everybody(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    second = CheapDaemon(daemon.spool, **FAST).start()
    assert second.process is not None
    assert second.process.wait(BOOT_SECONDS) == 75
    daemon.restarted().ready()


# 5, 6, 7, 9: death


def test_a_finished_item_is_not_run_again_when_its_worker_dies_late(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LateDeathLipSync").ready()
    daemon.drop("late", text="2 hello")
    assert daemon.ending("late")["attempts"] == 1
    assert sorted(daemon.ran()) == ["late lipsync 0", "late lipsync 1", "late merge", "late split", "late tts"]


def test_a_daemon_that_is_killed_is_taken_up_where_it_was(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("long", text="4 hello")
    until(lambda: "long lipsync 2" in daemon.ran() or None, "two chunks that hang")
    seen = daemon.status()["monotonic_seconds"]
    (daemon.spool / "work" / "long" / "half").write_bytes(b"half a segment")
    daemon.restarted("lipsync=LongLipSync").ready()
    (daemon.spool / "go").touch()
    timing = daemon.ending("long")
    assert (timing["status"], timing["attempts"]) == ("done", 2)
    assert timing["timing"]["total_seconds"] > time.monotonic() - seen - 5
    assert timing["timing"]["queued_seconds"] >= -time.monotonic()
    count = Counter(daemon.ran())
    assert {what for what, times in count.items() if times > 1} == {"long lipsync 1", "long lipsync 2"}
    until_work_is_clear(daemon)


def test_a_daemon_that_is_killed_takes_workers_along_that_hang_in_their_start(daemon: CheapDaemon) -> None:
    """Here before the first line of lipdrop's own runs."""
    hook = daemon.spool / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        f"    open(f'{hook}/{{os.getpid()}}.up', 'w').close()\n"
        "    time.sleep(600)\n"
    )
    daemon.environment = {"PYTHONPATH": f"{hook}:{ROOT}"}
    daemon.start()
    until(lambda: len(list(hook.glob("*.up"))) == 5 or None, "all workers")
    daemon.restarted()


@pytest.mark.parametrize("change", ["config", "torn", "gone"])
def test_what_does_not_hold_any_more_is_made_anew(change: str, daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("long", text="3 hello")
    until(lambda: "long lipsync 2" in daemon.ran() or None, "two chunks that hang, and one that is done")
    daemon.stop(signal.SIGKILL)
    work = daemon.spool / "work" / "long"
    if change == "config":
        CheapDaemon(daemon.spool, **FAST, video={"crf": 30})
    elif change == "torn":
        os.truncate(work / "chunk-0", 3)
    else:
        (work / "speech.wav").unlink()
    (daemon.spool / "go").touch()
    assert daemon.start().ending("long")["status"] == "done"
    count = Counter(daemon.ran())
    again = {"torn": "long lipsync 0"}.get(change, "long tts")
    assert count[again] == 2
    assert count["long tts"] == (1 if change == "torn" else 2)


def test_a_job_that_kills_the_daemon_ends_failed_after_three_attempts(daemon: CheapDaemon) -> None:
    daemon.drop("poison", text="poison")
    for _ in range(3):
        daemon.start("tts=KillsDaemonTts")
        assert daemon.process is not None
        assert daemon.process.wait(60) == -signal.SIGKILL
    daemon.drop("good", text="1 hello")
    daemon.start("tts=KillsDaemonTts")
    timing = daemon.ending("poison")
    assert timing["status"] == "failed"
    assert (timing["error"]["code"], timing["error"]["stage"], timing["error"]["attempt"]) == ("daemon_died", "tts", 3)
    assert daemon.ending("good")["status"] == "done"
    assert daemon.ran().count("poison tts") == 3


@pytest.mark.soak
def test_a_job_that_kills_the_daemon_takes_no_other_along(daemon: CheapDaemon) -> None:
    """Not even a long one that runs each time it strikes."""
    stages = ("tts=KillsDaemonLateTts", "lipsync=WeightyLipSync")
    daemon.drop("good", text="8 hello")
    daemon.start(*stages)
    until(lambda: "good lipsync 1" in daemon.ran() or None, "two chunks that run")
    daemon.drop("poison", text="poison")
    for _ in range(3):
        assert daemon.process is not None
        assert daemon.process.wait(60) == -signal.SIGKILL
        daemon.start(*stages)
    assert daemon.ending("poison")["error"]["code"] == "daemon_died"
    timing = daemon.ending("good")
    assert (timing["status"], timing["attempts"]) == ("done", 2)
    assert daemon.ran().count("poison tts") == 3


def test_a_daemon_that_is_stopped_in_good_order_spends_no_attempt(daemon: CheapDaemon) -> None:
    """SIGTERM drains for the configured time, then requeues: well inside the unit's stop time."""
    daemon = CheapDaemon(daemon.spool, limits={**FAST["limits"], "drain_seconds": 0.5, "attempts": 1})
    daemon.drop("long", text="2 hello")
    with daemon.start("lipsync=LongLipSync"):
        until(lambda: (daemon.ready().status()["jobs"] == {"long": "lipsync"}) or None, "job in lip-sync")
        asked = time.monotonic()
        assert daemon.stop() == 130
        assert time.monotonic() - asked < 15
        assert daemon.status()["state"] == "stopped"
    (daemon.spool / "go").touch()
    with daemon.start():
        assert daemon.ending("long")["attempts"] == 1


# 10: workers that do not start


def test_the_rest_serves_on_while_a_worker_does_not_start(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=GanNeverStarts")
    health = until(lambda: ((t := daemon.status()).get("state") == "degraded" and t) or None, "degraded state")
    assert "gan-0" in health["why"]
    daemon.drop("served", text="4 hello")
    assert {chunk["worker"] for chunk in daemon.ending("served")["chunks"]} == {"nogan-1"}
    assert lipdrop("health", cwd=daemon.spool).returncode == 0


@pytest.mark.soak
def test_a_worker_that_never_gets_ready_is_given_up_and_the_rest_serves_on(tmp_path: Path) -> None:
    limits = {**FAST["limits"], "boot_seconds": 8}
    with CheapDaemon(tmp_path / "spool", limits=limits).start("--hasty", "lipsync=GanHangsInSetup") as daemon:
        until(
            lambda: daemon.status().get("workers", {}).get("gan-0", {}).get("state") == "down" or None, "end of gan-0"
        )
        daemon.drop("served", text="4 hello")
        assert {chunk["worker"] for chunk in daemon.ending("served")["chunks"]} == {"nogan-1"}
        health = daemon.status()
        assert (health["state"], health["why"]) == ("degraded", "workers that do not start: gan-0 is down")
        assert lipdrop("health", cwd=daemon.spool).returncode == 0


# 11: a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk of its own can be mounted by root alone")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_pauses_and_costs_nothing(small_disk: Path) -> None:
    """Once it fills up under a running stage, which gets a real ENOSPC; once it is full before the job comes."""
    with CheapDaemon(small_disk / "spool", limits={"free_megabytes": 4}).start("tts=FillsDiskTts").ready() as daemon:
        (daemon.spool / "second").write_text(JOB)
        daemon.drop("first", text="1 hello")
        health = until(lambda: ((t := daemon.status())["state"] == "paused" and t) or None, "paused state")
        assert "disk is full" in health["why"]
        assert lipdrop("health", cwd=daemon.spool).returncode == 1
        (daemon.spool / "second").rename(daemon.spool / "inbox" / "second.json")
        time.sleep(3)
        assert daemon.ran() == ["first tts"]
        assert (daemon.spool / "inbox" / "second.json").exists()
        (daemon.spool / "go").touch()
        (daemon.spool / "work" / "first" / "huge").unlink()
        assert [ending["attempts"] for ending in daemon.endings(["first", "second"])] == [1, 1]
        assert daemon.process is not None
        assert daemon.process.poll() is None


def test_a_recording_waits_for_room_and_lets_smaller_ones_pass(small_disk: Path) -> None:
    """Of 9 MB on a disk of 16 MB, and it has to be copied."""
    with CheapDaemon(small_disk / "spool", **FAST) as daemon:
        daemon.start("--linkless").ready()
        (daemon.spool / "inbox" / "large.wav").write_bytes(b"1 ".ljust(9 << 20))
        (daemon.spool / "inbox" / "small.wav").write_bytes(b"1 ".ljust(1 << 20))
        daemon.drop("large", audio="large.wav")
        until(lambda: "job large: has to wait: [Errno 28]" in daemon.log() or None, "job that waits")
        daemon.drop("small", audio="small.wav")
        assert daemon.ending("small")["status"] == "done"
        part = daemon.spool / "work" / "large" / "recording.part"
        until(lambda: not part.exists() or None, "end of another try")
        assert daemon.ran().count("large split") == 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        ending = daemon.ending("large")
        assert (ending["status"], ending["attempts"]) == ("done", 1)


QUOTA_SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t write(int file, const void *data, size_t count) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    int refused = length > 0 && strstr(path, getenv("REFUSED"));
    if (refused && access(getenv("QUOTA"), F_OK) == 0) { errno = EDQUOT; return -1; }
    return syscall(SYS_write, file, data, count);
}
"""


def exhausted(daemon: CheapDaemon, refused: str, folder: Path) -> Path:
    """Let the disk refuse a file's bytes, by a part of its path, as long as the returned file is there."""
    quota = folder / "quota"
    quota.touch()
    daemon.environment = {"LD_PRELOAD": compiled(QUOTA_SHIM, folder), "QUOTA": str(quota), "REFUSED": refused}
    return quota


@needs_compiler
def test_a_quota_pauses_and_costs_nothing(daemon: CheapDaemon, tmp_path: Path) -> None:
    """The disk looks as if it had room, and refuses what a stage writes."""
    daemon = CheapDaemon(daemon.spool, limits={**FAST["limits"], "attempts": 1})
    quota = exhausted(daemon, "/speech.wav", tmp_path)
    with daemon.start().ready():
        daemon.drop("first", text="1 hello")
        health = until(lambda: ((t := daemon.status())["state"] == "paused" and t) or None, "paused state")
        assert "quota" in health["why"]
        until(lambda: daemon.ran().count("first tts") > 1 or None, "more tries than a job has")
        quota.unlink()
        ending = daemon.ending("first")
        assert (ending["status"], ending["attempts"]) == ("done", 1)


# 12: cancel, retry, pause, resume


def cancelled(daemon: CheapDaemon, name: str) -> dict[str, Any]:
    """Cancel a job; its ending."""
    assert lipdrop("cancel", name, cwd=daemon.spool).returncode == 0
    ending = daemon.ending(name)
    until_work_is_clear(daemon)
    assert (daemon.spool / "failed" / name / "job.json").exists()
    assert not (daemon.spool / "inbox" / f"{name}.json").exists()
    assert not list((daemon.spool / "run" / "cancel").iterdir())
    assert (ending["status"], ending["error"]["code"]) == ("failed", "cancelled")
    return ending


def test_a_running_job_is_cancelled_with_its_processes(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("running", text="3 hello")
    until(lambda: "running lipsync 2" in daemon.ran() or None, "two chunks that hang")
    busy = [psutil.Process(daemon.worker_pid(worker)) for worker in ("gan-0", "nogan-1")]
    cancelled(daemon, "running")
    assert not psutil.wait_procs(busy, timeout=ORPHANS_SECONDS)[1]
    (daemon.spool / "go").touch()
    assert lipdrop("retry", "running", cwd=daemon.spool).returncode == 0
    again = until(lambda: ((t := daemon.ending("running"))["status"] == "done" and t) or None, "second ending")
    assert again["attempts"] == 1
    assert not (daemon.spool / "failed" / "running").exists()


def test_a_queued_job_is_cancelled_while_intake_is_paused(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    assert lipdrop("pause", cwd=daemon.spool).returncode == 0
    until(lambda: daemon.status()["state"] == "paused" or None, "paused state")
    for name in ("queued", "kept"):
        daemon.drop(name, text="1 hello")
    cancelled(daemon, "queued")
    daemon.restarted()
    until(lambda: daemon.status()["state"] == "paused" or None, "paused state after a restart")
    time.sleep(1)
    assert (daemon.spool / "inbox" / "kept.json").exists()
    assert lipdrop("resume", cwd=daemon.spool).returncode == 0
    assert daemon.ending("kept")["status"] == "done"
    assert daemon.ran().count("queued tts") == 0


def test_a_job_is_cancelled_while_the_daemon_is_down(daemon: CheapDaemon) -> None:
    daemon.drop("early", text="1 hello")
    assert lipdrop("cancel", "early", cwd=daemon.spool).returncode == 0
    assert daemon.start("--once").ending("early")["error"]["code"] == "cancelled"
    assert daemon.ran() == []


@needs_compiler
def test_a_job_is_cancelled_although_the_disk_is_full_meanwhile(daemon: CheapDaemon, tmp_path: Path) -> None:
    """Nothing can be claimed then, and the job stays in the inbox; so does the wish to end it."""
    quota = exhausted(daemon, "/.job.json", tmp_path)
    assert lipdrop("pause", cwd=daemon.spool).returncode == 0
    daemon.drop("queued", text="1 hello")
    assert lipdrop("cancel", "queued", cwd=daemon.spool).returncode == 0
    daemon.start()
    until(lambda: daemon.log().count("job queued: cannot be claimed yet") > 1 or None, "two refused claims", 10)
    assert (daemon.spool / "inbox" / "queued.json").exists()
    quota.unlink()
    assert daemon.ending("queued")["error"]["code"] == "cancelled"
    until_work_is_clear(daemon)
    assert not list((daemon.spool / "run" / "cancel").iterdir())
    assert daemon.ran() == []


@pytest.mark.parametrize("command", ["cancel", "retry", "status"])
@pytest.mark.parametrize("name", ["nobody", "", ".", ".."])
def test_what_is_not_there_is_a_usage_error(command: str, name: str, tmp_path: Path) -> None:
    Spool(tmp_path).create()
    (tmp_path / "job.json").write_text(JOB)
    assert lipdrop(command, name, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("arguments", [["somebody", "--watch"], ["--watch", "--json"]])
def test_watching_shows_everything_to_people(arguments: list[str], tmp_path: Path) -> None:
    ended = lipdrop("status", *arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--watch" in ended.stderr


def test_waiting_ends_when_the_job_is_taken_out_of_the_inbox(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    lipdrop("pause", cwd=daemon.spool)
    path = daemon.spool / "inbox" / "gone.json"
    (daemon.spool / "gone.txt").write_text("hello")
    remover = subprocess.Popen(["sh", "-c", f"until [ -e {path} ]; do sleep 0.05; done; sleep 1; rm {path}"])
    ended = lipdrop("submit", "--wait", "gone.txt", cwd=daemon.spool)
    remover.wait(10)
    assert ended.returncode == 1
    assert ended.stderr == "gone: removed before it ended\n"


# 14, 15: many jobs


def test_a_long_job_does_not_starve_short_ones(daemon: CheapDaemon) -> None:
    """A job of ten minutes in 600 chunks of 0.05 s takes two workers 15 s; the short ones need not wait for that."""
    daemon.start().ready()
    daemon.drop("long", text="600 hello")
    until(lambda: "long lipsync 20" in daemon.ran() or None, "chunk 20")
    names = [f"short-{number:02d}" for number in range(20)]
    for name in names:
        daemon.drop(name, text="3 hello")
    daemon.endings(names)
    order = daemon.ran()
    assert order.count("long merge") == 0
    starts = [order.index(f"{name} tts") for name in names]
    first = min(starts)
    between = [line for line in order[first : order.index("short-19 merge")] if line.startswith("long ")]
    assert len(between) < 200, "the short jobs waited for chunks of the long one"
    assert daemon.ending("long")["status"] == "done"


def test_a_hundred_jobs_leave_nothing_behind(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    daemon.drop("warm", text="1 hello")
    daemon.ending("warm")
    before = daemon.resources()
    names = daemon.drop_many(100, text="1 hello")
    assert statuses(daemon, names) == {"done": 100}
    until_work_is_clear(daemon)
    assert daemon.resources()["memory"] - before["memory"] < 16 << 20
    for kind in ("descriptors", "shared"):  # what is open but for a moment goes by itself, only a leak stays
        until(lambda: daemon.resources()[kind] <= before[kind] or None, f"end of more {kind}")  # noqa: B023


def test_what_is_kept_of_ended_jobs_is_bounded_and_as_old_as_their_end(tmp_path: Path) -> None:
    """An old file that was copied with its time stays, for its job has just ended."""
    with CheapDaemon(tmp_path / "spool", **FAST, retention={"days": 2}, avatars={"cache_days": 3}) as daemon:
        kept = [daemon.spool / name for name in ("done/old.json", "failed/old/job.json", "cache/old.npz")]
        for file in kept:
            file.parent.mkdir(parents=True)
            file.touch()
        for entry in (kept[0], kept[1].parent, kept[2]):
            os.utime(entry, (time.time() - 4 * 86_400,) * 2)
        daemon.start().ready()
        until(lambda: not any(file.exists() for file in kept) or None, "pruned folders")
        for name, text in (("good", "1 hello"), ("bad", "")):
            drop_of(daemon, name, text, ns=4000 * 10**9)
            daemon.ending(name)
        until_work_is_clear(daemon)
        assert daemon.ending("good")["submitted_at"].startswith("1970")
        daemon.stop()
        daemon.start().ready()
        time.sleep(1)
        assert (daemon.spool / "done" / "good.json").exists()
        assert (daemon.spool / "failed" / "bad" / "job.json").exists()


# 16, 17, 18: telling


def test_health_goes_bad_and_the_watchdog_hungry_when_the_loop_hangs(daemon: CheapDaemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        daemon.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = daemon.start().ready().process
        assert process is not None
        assert lipdrop("health", cwd=daemon.spool).returncode == 0
        listener.settimeout(5)
        until(lambda: b"WATCHDOG=1" in listener.recv(1000) or None, "feed of the watchdog")
        os.kill(process.pid, signal.SIGSTOP)
        listener.settimeout(4)
        with pytest.raises(TimeoutError):
            while True:
                listener.recv(1000)
        shown = until(lambda: lipdrop_failed("health", "--json", spool=daemon.spool), "bad health", STALE_SECONDS + 10)
        assert json.loads(shown)["state"] == "stale"
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: lipdrop("health", cwd=daemon.spool).returncode == 0 or None, "good health")
    assert daemon.stop() == 0
    assert lipdrop("health", cwd=daemon.spool).returncode == 1


def lipdrop_failed(*arguments: str, spool: Path) -> str | None:
    ended = lipdrop(*arguments, cwd=spool)
    return ended.stdout if ended.returncode == 1 else None


CLOCK_SHIM = """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long jump = 0;
    int code = syscall(SYS_clock_gettime, clock, now);
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("CLOCK_JUMP"), "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &jump) == 1) now->tv_sec += jump; fclose(file); }
    return code;
}
"""


@needs_compiler
@pytest.mark.parametrize("days", [-1, 1])
def test_the_wall_clock_may_jump(days: int, daemon: CheapDaemon, tmp_path: Path) -> None:
    jump = tmp_path / "jump"
    jump.write_text("0")
    daemon.environment = {"LD_PRELOAD": compiled(CLOCK_SHIM, tmp_path), "CLOCK_JUMP": str(jump)}
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("long", text="3 hello")
    until(lambda: "long lipsync 2" in daemon.ran() or None, "two chunks that hang")
    now = time.time()
    jump.write_text(str(days * 86_400))
    told = until(
        lambda: (abs(seconds_of((t := daemon.status())["at"]) - now) > 43_200 and t) or None, "jump of the clock"
    )
    assert told["state"] == "ok"
    (daemon.spool / "go").touch()
    ending = daemon.ending("long")
    assert (ending["status"], ending["attempts"]) == ("done", 1)
    assert 0 < ending["timing"]["total_seconds"] < 60
    drop_of(daemon, "next", "1 hello", ns=int(now + days * 86_400) * 10**9)
    assert daemon.ending("next")["status"] == "done"
    assert lipdrop("health", cwd=daemon.spool).returncode == 0


def seconds_of(stamp: str) -> float:
    moment: datetime = datetime.fromisoformat(stamp)
    return moment.timestamp()


def test_a_defect_of_the_daemon_itself_costs_the_job_alone_that_meets_it(daemon: CheapDaemon) -> None:
    daemon.start("--defective").ready()
    daemon.drop("at-intake", text="1 defect")
    daemon.drop("at-the-end", text="1 hello", captions=True)
    daemon.drop("good", text="1 hello")
    assert daemon.ending("good")["status"] == "done"
    for name, stage in (("at-intake", "intake"), ("at-the-end", "publish")):
        error = daemon.ending(name)["error"]
        assert (error["code"], error["stage"]) == ("internal", stage)
        assert (
            "ZeroDivisionError" in json.loads((daemon.spool / "failed" / name / "error.json").read_bytes())["traceback"]
        )
    assert daemon.process is not None
    assert daemon.process.poll() is None
    until_work_is_clear(daemon)


def test_a_defect_is_explained_with_its_traceback_for_the_operator(daemon: CheapDaemon) -> None:
    daemon.start("tts=CrashingTts").ready()
    daemon.drop("crash", text="1 hello")
    shown = daemon.ending("crash")["error"]
    assert (shown["code"], shown["stage"], shown["attempt"]) == ("internal", "tts", 3)
    assert "traceback" not in shown
    kept = json.loads((daemon.spool / "failed" / "crash" / "error.json").read_bytes())
    assert "ZeroDivisionError: a defect" in kept["traceback"]
    assert {key: kept[key] for key in shown} == shown
    assert "ZeroDivisionError: a defect" in daemon.log()
