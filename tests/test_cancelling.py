"""`lipdrop cancel`, `retry`, `pause` and `resume`, and waiting for a job (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.spool.spool import Spool
from tests.running import ORPHANS_SECONDS, REAL_TTS, CheapDaemon, RunningDaemon, in_process, until
from tests.shims import exhaust, needs_compiler


def cancel(daemon: RunningDaemon, name: str) -> None:
    assert in_process("cancel", name, cwd=daemon.spool).returncode == 0


def cancelled(daemon: CheapDaemon, name: str) -> dict[str, Any]:
    """Cancel a job; returns its timing JSON."""
    cancel(daemon, name)
    ending = daemon.ending(name)
    daemon.until_work_is_clear()
    assert (daemon.spool / "failed" / name / "job.json").exists()
    assert not (daemon.spool / "inbox" / f"{name}.json").exists()
    assert not list((daemon.spool / "run" / "cancel").iterdir())
    assert (ending["status"], ending["error"]["code"]) == ("failed", "cancelled")
    return ending


def test_a_running_job_is_cancelled_with_its_processes(daemon: CheapDaemon) -> None:
    daemon.start("lipsync=LongLipSync").ready()
    daemon.drop("running", text="3 hello")
    daemon.until_ran("running lipsync 2")
    busy = [psutil.Process(daemon.worker_pid(worker)) for worker in ("gan-0", "nogan-1")]
    cancelled(daemon, "running")
    assert not psutil.wait_procs(busy, timeout=ORPHANS_SECONDS)[1]
    (daemon.spool / "go").touch()
    assert in_process("retry", "running", cwd=daemon.spool).returncode == 0
    again = until(lambda: ((t := daemon.ending("running"))["status"] == "done" and t) or None, "second ending")
    assert again["attempts"] == 1
    assert not (daemon.spool / "failed" / "running").exists()


def test_a_queued_job_is_cancelled_while_intake_is_paused(daemon: CheapDaemon) -> None:
    daemon.start("--patient").ready()
    assert in_process("pause", cwd=daemon.spool).returncode == 0
    until(lambda: daemon.status()["state"] == "paused" or None, "paused state", 60)
    for name in ("queued", "kept"):
        daemon.drop(name, text="1 hello")
    cancelled(daemon, "queued")
    daemon.restarted("--patient")
    until(lambda: daemon.status()["state"] == "paused" or None, "paused state after a restart")
    daemon.wait_for_iterations()
    assert (daemon.spool / "inbox" / "kept.json").exists()
    assert in_process("resume", cwd=daemon.spool).returncode == 0
    assert daemon.ending("kept")["status"] == "done"
    assert daemon.ran().count("queued tts") == 0


def test_a_job_is_cancelled_while_the_daemon_is_down(daemon: CheapDaemon) -> None:
    daemon.drop("early", text="1 hello")
    cancel(daemon, "early")
    (daemon.spool / "inbox" / "Ранний (2).json").write_text('{"text": "1 hello"}')
    cancel(daemon, "Ранний (2)")
    daemon.start("--once")
    assert [daemon.ending(name)["error"]["code"] for name in ("early", "Ranniy-2")] == ["cancelled"] * 2
    assert daemon.ran() == []


@needs_compiler
def test_a_job_is_cancelled_although_the_disk_was_full(daemon: CheapDaemon, tmp_path: Path) -> None:
    """Nothing can be claimed while the disk is full: both the job and the request to cancel it stay."""
    quota = exhaust(daemon, "/.job.json", tmp_path)
    assert in_process("pause", cwd=daemon.spool).returncode == 0
    daemon.drop("queued", text="1 hello")
    cancel(daemon, "queued")
    daemon.start("--brisk")
    until(lambda: daemon.status().get("state") == "paused" or None, "paused state")
    daemon.wait_for_iterations()
    until(lambda: (daemon.spool / "inbox" / "queued.json").exists() or None, "job that could not be claimed")
    assert not (daemon.spool / "outbox" / "queued.json").exists()
    quota.unlink()
    assert daemon.ending("queued")["error"]["code"] == "cancelled"
    daemon.until_work_is_clear()
    assert not list((daemon.spool / "run" / "cancel").iterdir())
    assert daemon.ran() == []


@pytest.mark.slow
def test_processes_forked_by_a_speech_command_end_with_its_worker(daemon: CheapDaemon) -> None:
    """A shell script is killed with its worker; the programs that it runs are not children of the worker.

    First the worker is killed, then the job, which another worker tries again, is cancelled.
    """
    script, pids = daemon.spool / "speak", daemon.spool / "pids"
    script.write_text(f"#!/bin/sh\n(sleep 600 & echo $! >>{pids}; wait) &\nwait\n")
    script.chmod(0o755)
    speaks = CheapDaemon(daemon.spool, tts={"backend": "command", "command": {"argv": [str(script)]}})
    with speaks.start(REAL_TTS).ready():
        speaks.drop("forks", text="Привет")
        first = psutil.Process(int(until(lambda: written_line(pids, 0), "fork of the command")))
        os.kill(speaks.worker_pid("tts-0"), signal.SIGKILL)
        assert not psutil.wait_procs([first], timeout=ORPHANS_SECONDS)[1]
        second = psutil.Process(int(until(lambda: written_line(pids, 1), "another fork")))
        cancel(speaks, "forks")
        assert speaks.ending("forks")["error"]["code"] == "cancelled"
        assert not psutil.wait_procs([second], timeout=ORPHANS_SECONDS)[1]


def written_line(path: Path, number: int) -> str | None:
    """A line of a file that is being written; None if it is not complete yet."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return next((line for line in lines[number : number + 1] if line.endswith("\n")), None)


def test_a_killed_speech_program_leaves_no_file(daemon: CheapDaemon, tmp_path: Path) -> None:
    spool, temporary = daemon.spool, tmp_path / "tmp"
    temporary.mkdir()
    (spool / "speak").write_text(f'#!/bin/sh\necho "$@" >>{spool}/arguments\nsleep 600\n')
    (spool / "speak").chmod(0o755)
    (spool / "anna.onnx").touch()
    (spool / "anna.onnx.json").write_text('{"language": {"code": "ru"}}')
    command = {"argv": ["./speak", "--output_file", "{output}"]}
    piper = {"folder": ".", "command": "./speak"}
    speaks = CheapDaemon(spool, tts={"command": command, "piper": piper})
    speaks.environment["TMPDIR"] = str(temporary)
    with speaks.start(REAL_TTS).ready():
        for voice, name in (("command:default", "by-command"), ("piper:anna", "by-piper")):
            speaks.drop(name, text="Привет", voice=voice)
            arguments = until(lambda: written_line(spool / "arguments", 0), "speech")
            assert Path(arguments.partition("--output_file ")[2].split()[0]).is_relative_to(spool / "work" / name)
            os.kill(speaks.worker_pid("tts-0"), signal.SIGKILL)
            cancel(speaks, name)
            assert speaks.ending(name)["error"]["code"] == "cancelled"
            speaks.until_work_is_clear()
            assert not list(temporary.glob("lipdrop-*"))
            (spool / "arguments").unlink()


@pytest.mark.parametrize("command", ["cancel", "retry", "status"])
@pytest.mark.parametrize("name", ["missing", "", ".", ".."])
def test_a_job_that_does_not_exist_is_a_usage_error(command: str, name: str, tmp_path: Path) -> None:
    Spool(tmp_path).create()
    (tmp_path / "job.json").write_text(json.dumps({"text": "1 hello"}))
    assert in_process(command, name, cwd=tmp_path).returncode == 2


def test_waiting_ends_when_the_job_is_removed_from_the_inbox(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    assert in_process("pause", cwd=daemon.spool).returncode == 0
    path = daemon.spool / "inbox" / "gone.json"
    (daemon.spool / "gone.txt").write_text("hello")
    remover = subprocess.Popen(["sh", "-c", f"until [ -e {path} ]; do sleep 0.05; done; sleep 0.5; rm {path}"])
    ended = in_process("submit", "--wait", "gone.txt", cwd=daemon.spool)
    remover.wait(10)
    assert ended.returncode == 1
    assert "gone: failed: removed: " in ended.stderr
