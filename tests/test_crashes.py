"""Workers and daemons that die, and workers that fail to start (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.running import BRIEF_WAITS, ROOT, CheapDaemon, in_process, until


def test_a_finished_item_is_not_rerun_when_its_worker_dies_late(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LateDeathLipSync").ready()
    daemon.drop("late", text="2 hello")
    ending = daemon.ending("late")
    assert (ending["status"], ending["attempts"]) == ("done", 1)
    assert sorted(daemon.ran()) == ["late lipsync 0", "late lipsync 1", "late merge", "late split", "late tts"]


def test_a_killed_daemon_resumes_where_it_stopped(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("long", text="4 hello")
    daemon.until_ran("long lipsync 2")
    seen = daemon.status()["monotonic_seconds"]
    (daemon.spool / "work" / "long" / "half").write_bytes(b"half a segment")
    daemon.restarted("lipsync=LongLipSync").ready()
    resumed = time.monotonic()
    (daemon.spool / "go").touch()
    timing = daemon.ending("long")
    assert (timing["status"], timing["attempts"]) == ("done", 2)
    assert timing["timing"]["total_seconds"] > resumed - seen, "it counts from the drop"
    count = Counter(daemon.ran())
    assert {what for what, times in count.items() if times > 1} == {"long lipsync 1", "long lipsync 2"}
    daemon.until_work_is_clear()


def test_a_server_of_workers_that_hangs_while_starting_dies_with_the_daemon(daemon: CheapDaemon) -> None:
    """It hangs before the first line of its code runs."""
    hook = daemon.spool / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if 'multiprocessing.forkserver' in str(sys.orig_argv):\n"
        f"    open(f'{hook}/{{os.getpid()}}.up', 'w').close()\n"
        "    time.sleep(600)\n"
    )
    daemon.environment = {"PYTHONPATH": f"{hook}:{ROOT}"}
    daemon.start()
    until(lambda: list(hook.glob("*.up")) or None, "the server")
    daemon.restarted()


def test_a_killed_server_of_workers_costs_only_time(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("long", text="2 hello")
    daemon.until_ran("long lipsync 1")
    server = psutil.Process(daemon.worker_pid("tts-0")).parent()
    assert server is not None
    workers = server.children()
    assert len(workers) == 5
    server.kill()
    assert psutil.wait_procs(workers, 10)[1] == []
    (daemon.spool / "go").touch()
    ending = daemon.ending("long")
    assert (ending["status"], ending["attempts"]) == ("done", 2)
    assert Counter(daemon.ran())["long tts"] == 1


def test_stale_results_are_recomputed(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync")
    for change in ("config", "torn", "gone"):
        daemon.drop(change, text="3 hello")
        daemon.until_ran(f"{change} lipsync 2")  # chunk 0 is done, 1 and 2 hang
        daemon.stop(signal.SIGKILL)
        make_stale(daemon, change)
        (daemon.spool / "go").touch()
        assert daemon.start("lipsync=LongLipSync").ending(change)["status"] == "done"
        count = Counter(daemon.ran())
        again = "lipsync 0" if change == "torn" else "tts"
        assert count[f"{change} {again}"] == 2
        assert count[f"{change} tts"] == (1 if change == "torn" else 2)
        (daemon.spool / "go").unlink()


def make_stale(daemon: CheapDaemon, change: str) -> None:
    """Change the configuration, or truncate or remove a file of the job `change`."""
    work = daemon.spool / "work" / change
    if change == "config":
        CheapDaemon(daemon.spool, **BRIEF_WAITS, video={"crf": 30})
    elif change == "torn":
        os.truncate(work / "chunk-0", 3)
    else:
        (work / "speech.wav").unlink()


def test_a_job_that_kills_the_daemon_fails_after_three_attempts(daemon: CheapDaemon) -> None:
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
def test_a_job_that_kills_the_daemon_does_not_fail_other_jobs(daemon: CheapDaemon) -> None:
    """Not even a long job that is running at each crash."""
    stages = ("tts=KillsDaemonLateTts", "lipsync=WeightyLipSync")
    daemon.drop("good", text="8 hello")
    daemon.start(*stages)
    daemon.until_ran("good lipsync 1")
    daemon.drop("poison", text="poison")
    for _ in range(3):
        assert daemon.process is not None
        assert daemon.process.wait(60) == -signal.SIGKILL
        daemon.start(*stages)
    assert daemon.ending("poison")["error"]["code"] == "daemon_died"
    timing = daemon.ending("good")
    assert (timing["status"], timing["attempts"]) == ("done", 2)
    assert daemon.ran().count("poison tts") == 3


def test_the_first_sigterm_drains(daemon: CheapDaemon) -> None:
    daemon.start("--brisk", "lipsync=LongLipSync").ready()
    daemon.drop("in-flight", text="2 hello")
    daemon.until_ran("in-flight lipsync 1")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.status()["state"] == "draining" or None, "draining daemon")
    daemon.drop("too-late", text="1 hello")
    daemon.wait_for_iterations()
    (daemon.spool / "go").touch()
    assert daemon.process.wait(60) == 0
    assert daemon.ending("in-flight")["status"] == "done"
    assert (daemon.spool / "inbox" / "too-late.json").exists()
    assert "stopping: finishing in-flight, for up to 60 s; Ctrl-C again stops now" in daemon.log()
    assert daemon.log().splitlines()[-1].endswith("stopped")


def test_an_orderly_stop_costs_no_attempt(daemon: CheapDaemon) -> None:
    """SIGTERM drains for the configured time, then requeues, well within the unit's stop timeout."""
    daemon = CheapDaemon(daemon.spool, limits={**BRIEF_WAITS["limits"], "drain_seconds": 0.5, "attempts": 1})
    daemon.drop("long", text="2 hello")
    with daemon.start("lipsync=LongLipSync"):
        until(lambda: (daemon.ready().status()["jobs"] == {"long": "lipsync"}) or None, "job in lip-sync")
        assert daemon.stop(seconds=15) == 130
        assert daemon.status()["state"] == "stopped"
        assert daemon.log().splitlines()[-1].endswith("stopped; the next start resumes long")
    (daemon.spool / "go").touch()
    with daemon.start():
        ending = daemon.ending("long")
    assert (ending["status"], ending["attempts"]) == ("done", 1)


def test_other_workers_continue_while_one_does_not_start(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=GanNeverStarts")
    health = until(lambda: ((t := daemon.status()).get("state") == "degraded" and t) or None, "degraded state")
    assert "gan-0" in health["why"]
    daemon.drop("served", text="4 hello")
    assert {chunk["worker"] for chunk in daemon.ending("served")["chunks"]} == {"nogan-1"}
    assert in_process("health", cwd=daemon.spool).returncode == 0


@pytest.mark.soak
def test_a_worker_that_never_becomes_ready_is_not_restarted_and_others_continue(tmp_path: Path) -> None:
    limits = {**BRIEF_WAITS["limits"], "boot_seconds": 8}
    with CheapDaemon(tmp_path / "spool", limits=limits).start("--hasty", "lipsync=GanHangsInSetup") as daemon:
        until(
            lambda: daemon.status().get("workers", {}).get("gan-0", {}).get("state") == "down" or None, "end of gan-0"
        )
        daemon.drop("served", text="4 hello")
        assert {chunk["worker"] for chunk in daemon.ending("served")["chunks"]} == {"nogan-1"}
        health = daemon.status()
        assert (health["state"], health["why"]) == ("degraded", "workers fail to start: gan-0 is down")
        assert in_process("health", cwd=daemon.spool).returncode == 0
