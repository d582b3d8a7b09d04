"""The daemon with its real stages is killed or stopped while it works, and started again (docs/promises.md)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.running import ONE_WORKER, ORPHANS_SECONDS, RunningDaemon, assert_video_matches, until

pytestmark = pytest.mark.slow

TEXT = "Мама мыла раму. Потом папа пил какао, а мы молчали."
SIZE = "64x64"


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon that the tests start; the previous test may have left it running."""
    with RunningDaemon(tmp_path_factory.mktemp("spool"), split={"chunk_seconds": 3}, **ONE_WORKER) as daemon:
        yield daemon


@pytest.fixture
def daemon(spool: RunningDaemon) -> RunningDaemon:
    if spool.process is None or spool.process.poll() is not None:
        spool.start()
    return spool.ready()


@pytest.mark.soak
def test_killed_workers_cost_only_time(tmp_path: Path) -> None:
    """Every worker is killed while idle, then the lip-sync workers while busy: each job succeeds exactly once."""
    with RunningDaemon(tmp_path / "spool") as daemon:
        daemon.start().ready()
        for worker in ("tts-0", "split-0", "gan-0", "nogan-1", "merge-0"):
            os.kill(daemon.worker_pid(worker), signal.SIGKILL)
        daemon.record("long.wav", 40)
        names = [f"job-{number}" for number in range(4)]
        for name in names:
            daemon.drop(name, audio="long.wav", size=SIZE)
        until(lambda: "lipsync" in daemon.status()["jobs"].values() or None, "job in lip-sync")
        for worker in ("gan-0", "nogan-1"):
            os.kill(daemon.worker_pid(worker), signal.SIGKILL)
        endings = daemon.endings(names)
        assert [ending["status"] for ending in endings] == ["done"] * 4
        assert max(ending["attempts"] for ending in endings) == 2
        for ending in endings:
            assert_video_matches(daemon, ending)
        assert sum(daemon.log().count(f"job {name}: done in") for name in names) == 4


def test_a_killed_daemon_leaves_no_process_and_loses_no_job(daemon: RunningDaemon) -> None:
    daemon.record("recorded.wav", 12)
    daemon.drop("spoken", text=TEXT * 3, size=SIZE)
    daemon.drop("recorded", audio="recorded.wav", size=SIZE)
    work = daemon.spool / "work" / "spoken"
    until(lambda: any(path.name == "chunk-000.mp4" for path in finished(work)) or None, "finished chunk")
    family = daemon.family()
    assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not psutil.wait_procs(family, timeout=ORPHANS_SECONDS)[1]
    made = times(work)
    names = {path.name for path in made}
    assert {"speech.wav", "mel.npy", "track.wav", "chunk-000.mp4"} <= names
    assert "video.mp4" not in names
    first = len(daemon.log())
    daemon.start()
    until(lambda: "job spoken: started" in daemon.log()[first:] or None, "job started again")
    later = until(lambda: found if len(found := times(work)) > len(made) else None, "another finished file")
    assert {path: later[path] for path in made} == made
    for ending in daemon.endings(["spoken", "recorded"]):
        assert ending["status"] == "done"
        assert_video_matches(daemon, ending)
    assert daemon.ending("spoken")["sentences"]


def times(work: Path) -> dict[Path, int]:
    """When each finished file in a job's work folder was modified, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in finished(work)}


def finished(work: Path) -> set[Path]:
    """The files in a job's work folder that are complete according to its journal."""
    journal = work / "journal"
    text = journal.read_text() if journal.exists() else ""
    whole = text[: text.rfind("\n") + 1]  # the last line may be half written
    lines = [json.loads(line) for line in whole.splitlines() if line]
    return {Path(file) for line in lines for file in line.get("files", {})}


def test_the_second_sigterm_stops_now_and_the_next_start_resumes(daemon: RunningDaemon) -> None:
    daemon.record("stopped.wav", 12)
    os.kill(daemon.worker_pid("gan-0"), signal.SIGSTOP)  # so that the job is still in lip-sync at the second SIGTERM
    daemon.drop("stopped", audio="stopped.wav", size=SIZE)
    until(lambda: "lipsync" in daemon.status()["jobs"].values() or None, "job in lip-sync")
    family = daemon.family()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.status().get("state") == "draining" or None, "draining daemon")
    assert daemon.stop(seconds=15) == 130
    assert not psutil.wait_procs(family, timeout=ORPHANS_SECONDS)[1]
    assert daemon.start("--once").ending("stopped")["status"] == "done"
    assert daemon.process.wait(60) == 0
