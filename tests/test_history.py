"""What jobs keep of their runs: killed workers and daemons are in the timing JSON, with times.

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from daemon.outputs.report import read_report
from tests.running import CheapDaemon, until


def kill_busy_worker(daemon: CheapDaemon, item: str, times: int) -> str:
    """Kill the worker that runs an item for the `times`th time; returns its name."""
    until(lambda: daemon.ran().count(item) >= times or None, item)
    name, worker = until(lambda: busy(daemon), "busy worker")
    os.kill(worker["pid"], signal.SIGKILL)
    return name


def busy(daemon: CheapDaemon) -> tuple[str, dict[str, Any]] | None:
    """The worker that is busy; None unless it is exactly one."""
    found = [(name, worker) for name, worker in daemon.status()["workers"].items() if worker["state"] == "busy"]
    return found[0] if len(found) == 1 and found[0][1]["pid"] else None


def runs(report: dict[str, Any], stage: str, index: int = 0) -> list[dict[str, Any]]:
    return [run for run in report["runs"] if (run["stage"], run["index"]) == (stage, index)]


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [run.get("error", {}).get("code", "done") for run in found]


def test_a_killed_worker_and_a_killed_daemon_are_in_the_report(daemon: CheapDaemon) -> None:
    daemon.start("--brisk", "lipsync=LongLipSync").ready()
    daemon.drop("long", text="2 hello")
    victim = kill_busy_worker(daemon, "long lipsync 1", 1)
    until(lambda: daemon.ran().count("long lipsync 1") == 2 or None, "second attempt")
    daemon.wait_for_iterations()
    daemon.restarted("lipsync=LongLipSync").ready()
    (daemon.spool / "go").touch()
    report = daemon.ending("long")
    killed, interrupted, done = again = runs(report, "lipsync", 1)
    assert codes(again) == ["worker_died", "interrupted", "done"]
    assert (killed["worker"], killed["error"]["message"]) == (victim, f"worker {victim} exited with code -9")
    times = [time for run in again for time in (run["start_seconds"], run["end_seconds"])]
    assert times == sorted(times)
    assert interrupted["end_seconds"] > interrupted["start_seconds"], "it ran until the daemon's last sign of life"
    assert done["end_seconds"] <= report["timing"]["total_seconds"]
    for stage in ("tts", "split", "merge"):
        assert codes(runs(report, stage)) == ["done"], stage
    assert "retried" in [warning["code"] for warning in report["warnings"]]
    assert report["machine"]["cores"] > 0
    assert read_report((daemon.spool / "outbox" / "long.json").read_bytes()).runs


def test_a_failed_job_keeps_its_attempts_and_its_settings(daemon: CheapDaemon) -> None:
    daemon.start("--brisk", "lipsync=LongLipSync").ready()
    daemon.drop("fragile", text="2 hello", num_workers=1, metadata={"order": 7})
    for attempt in (1, 2, 3):
        kill_busy_worker(daemon, "fragile lipsync 1", attempt)
    report = daemon.ending("fragile")
    assert (report["status"], report["error"]["code"]) == ("failed", "worker_died")
    assert codes(runs(report, "lipsync", 1)) == ["worker_died"] * 3
    assert codes(runs(report, "lipsync", 0)) == ["done"]
    assert (report["settings"]["num_workers"], report["metadata"]) == (1, {"order": 7})


def test_a_cancelled_jobs_run_ends_as_cancelled(daemon: CheapDaemon) -> None:
    daemon.start("--brisk", "lipsync=LongLipSync").ready()
    daemon.drop("long", text="2 hello")
    daemon.until_ran("long lipsync 1")
    (daemon.spool / "run" / "cancel" / "long").touch()
    report = daemon.ending("long")
    assert codes(runs(report, "lipsync", 1)) == ["cancelled"]


def test_an_orderly_stop_is_an_interruption(daemon: CheapDaemon) -> None:
    daemon = CheapDaemon(daemon.spool, limits={"quiet_seconds": 0.5, "free_megabytes": 1, "drain_seconds": 0.2})
    with daemon.start("--brisk", "lipsync=LongLipSync").ready():
        daemon.drop("long", text="2 hello")
        daemon.until_ran("long lipsync 1")
        daemon.wait_for_iterations()
        assert daemon.stop() == 130
    (daemon.spool / "go").touch()
    with daemon.start():
        report = daemon.ending("long")
    again = runs(report, "lipsync", 1)
    assert codes(again) == ["interrupted", "done"]
    assert again[0]["error"]["message"] == "the daemon was stopped"
