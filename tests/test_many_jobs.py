"""Many jobs: none starves, and none leaks resources (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import BRIEF_WAITS, CheapDaemon, drop_with_time, until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    """One running daemon for the tests that leave it running."""
    with CheapDaemon(tmp_path_factory.mktemp("spool"), **BRIEF_WAITS) as running:
        yield running.start().ready()


@pytest.mark.slow
def test_a_long_job_does_not_starve_short_ones(daemon: CheapDaemon) -> None:
    """A job in 200 chunks of 0.05 s takes two workers 5 s; short jobs dropped after it do not wait for that."""
    daemon.drop("long", text="200 hello")
    daemon.until_ran("long lipsync 10")
    names = [f"short-{number:02d}" for number in range(10)]
    for name in names:
        daemon.drop(name, text="3 hello")
    daemon.endings(names)
    order = daemon.ran()
    assert order.count("long merge") == 0
    starts = [order.index(f"{name} tts") for name in names]
    merges = [order.index(f"{name} merge") for name in names]
    between = [line for line in order[min(starts) : max(merges)] if line.startswith("long ")]
    assert len(between) < 100, "the short jobs waited for chunks of the long one"
    assert daemon.ending("long")["status"] == "done"


@pytest.mark.slow
def test_a_hundred_jobs_leave_nothing_behind(daemon: CheapDaemon) -> None:
    daemon.drop("warm", text="1 hello")
    daemon.ending("warm")
    before = daemon.resources()
    names = daemon.drop_many(100, text="1 hello")
    assert daemon.statuses(names) == {"done": 100}
    daemon.until_work_is_clear()
    assert daemon.resources()["memory"] - before["memory"] < 16 << 20
    for kind in ("descriptors", "shared"):  # some are open briefly; a leak persists
        until(lambda: daemon.resources()[kind] <= before[kind] or None, f"end of more {kind}", pause_seconds=0.5)  # noqa: B023


def test_files_of_ended_jobs_are_pruned_by_size_and_by_age_since_their_end(tmp_path: Path) -> None:
    """A new job whose file was copied with its old modification time is kept: the job has just ended."""
    with CheapDaemon(tmp_path / "spool", **BRIEF_WAITS, retention={"days": 2}, avatars={"cache_days": 3}) as daemon:
        kept = [daemon.spool / name for name in ("done/old.json", "failed/old/job.json", "cache/old.npz")]
        for file in kept:
            file.parent.mkdir(parents=True)
            file.touch()
        for entry in (kept[0], kept[1].parent, kept[2]):
            os.utime(entry, (time.time() - 4 * 86_400,) * 2)
        daemon.start().ready()
        until(lambda: not any(file.exists() for file in kept) or None, "pruned folders")
        for name, text in (("good", "1 hello"), ("bad", "")):
            drop_with_time(daemon, name, text, ns=4000 * 10**9)
            daemon.ending(name)
        daemon.until_work_is_clear()
        assert daemon.ending("good")["submitted_at"].startswith("1970")
        daemon.stop()
        kept[0].touch()
        os.utime(kept[0], (time.time() - 4 * 86_400,) * 2)
        daemon.start()
        until(lambda: not kept[0].exists() or None, "another pruning")
        daemon.ready().wait_for_iterations(1)  # every folder has been pruned by the end of that iteration
        assert (daemon.spool / "done" / "good.json").exists()
        assert (daemon.spool / "failed" / "bad" / "job.json").exists()
