"""Health, the watchdog, clock jumps, and defects of the daemon (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.spool.health import STALE_SECONDS
from tests import shims
from tests.running import REAL_TTS, CheapDaemon, drop_with_time, in_process, until
from tests.shims import needs_compiler


@pytest.mark.slow
def test_a_hung_loop_is_unhealthy_and_does_not_feed_the_watchdog(daemon: CheapDaemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        daemon.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = daemon.start().ready().process
        assert process is not None
        assert in_process("health", cwd=daemon.spool).returncode == 0
        listener.settimeout(5)
        until(lambda: b"WATCHDOG=1" in listener.recv(1000) or None, "feed of the watchdog")
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: is_stopped(process.pid) or None, "stopped daemon")
        drain(listener)
        until(lambda: health(daemon)[0] == 1 or None, "bad health", STALE_SECONDS + 10)
        assert health(daemon) == (1, "stale")
        with pytest.raises(BlockingIOError):  # nothing has fed the watchdog
            listener.recv(1000)
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: health(daemon)[0] == 0 or None, "good health")
        listener.setblocking(True)
        listener.settimeout(5)
        assert b"WATCHDOG=1" in listener.recv(1000)
    assert daemon.stop() == 0
    assert in_process("health", cwd=daemon.spool).returncode == 1


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def drain(listener: socket.socket) -> None:
    """Read everything that has been sent so far; makes the socket non-blocking."""
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.recv(1000)


def health(daemon: CheapDaemon) -> tuple[int, str]:
    """Exit code and state of `lipdrop health`."""
    ended = in_process("health", "--json", cwd=daemon.spool)
    return ended.returncode, json.loads(ended.stdout)["state"]


@needs_compiler
def test_the_wall_clock_may_jump(daemon: CheapDaemon, tmp_path: Path) -> None:
    jump = tmp_path / "jump"
    jump.write_text("0")
    daemon.environment = {"LD_PRELOAD": shims.compiled(shims.CLOCK, tmp_path), "CLOCK_JUMP": str(jump)}
    daemon.start("lipsync=LongLipSync").ready()
    for days in (-1, 1):
        daemon.drop(f"long{days}", text="3 hello")
        daemon.until_ran(f"long{days} lipsync 2")
        jump.write_text(str(days * 86_400))
        assert until_ahead(daemon, days)["state"] == "ok"
        (daemon.spool / "go").touch()
        ending = daemon.ending(f"long{days}")
        assert (ending["status"], ending["attempts"]) == ("done", 1)
        assert 0 < ending["timing"]["total_seconds"] < 43_200
        drop_with_time(daemon, f"next{days}", "1 hello", ns=int(time.time() + days * 86_400) * 10**9)
        assert daemon.ending(f"next{days}")["status"] == "done"
        assert in_process("health", cwd=daemon.spool).returncode == 0
        (daemon.spool / "go").unlink()


def until_ahead(daemon: CheapDaemon, days: int) -> dict[str, Any]:
    """Wait until the daemon's clock is ahead of the test's by about `days`; its health file."""

    def found() -> dict[str, Any] | None:
        status = daemon.status()
        ahead_seconds = seconds_of(status["at"]) - time.time()
        return status if abs(ahead_seconds - days * 86_400) < 43_200 else None

    return until(found, "jump of the clock")


def seconds_of(stamp: str) -> float:
    moment: datetime = datetime.fromisoformat(stamp)
    return moment.timestamp()


def test_a_defect_of_the_daemon_fails_only_the_job_that_triggers_it(daemon: CheapDaemon) -> None:
    daemon.start("--defective").ready()
    daemon.drop("at-intake", text="1 defect")
    daemon.drop("at-the-end", text="1 hello", captions=True)
    daemon.drop("good", text="1 hello")
    assert daemon.ending("good")["status"] == "done"
    for name, stage in (("at-intake", "intake"), ("at-the-end", "publish")):
        error = daemon.ending(name)["error"]
        assert (error["code"], error["stage"]) == ("internal", stage)
        kept = json.loads((daemon.spool / "failed" / name / "error.json").read_bytes())
        assert "ZeroDivisionError" in kept["traceback"]
    assert daemon.process is not None
    assert daemon.process.poll() is None
    daemon.until_work_is_clear()


def test_a_defect_is_reported_to_the_operator_with_its_traceback(daemon: CheapDaemon) -> None:
    daemon.start("tts=CrashingTts").ready()
    daemon.drop("crash", text="1 hello")
    shown = daemon.ending("crash")["error"]
    assert (shown["code"], shown["stage"], shown["attempt"]) == ("internal", "tts", 3)
    assert "traceback" not in shown
    kept = json.loads((daemon.spool / "failed" / "crash" / "error.json").read_bytes())
    assert "ZeroDivisionError: a defect" in kept["traceback"]
    assert {key: kept[key] for key in shown} == shown
    assert "ZeroDivisionError: a defect" in daemon.log()


def test_an_unreachable_tts_service_is_explained(tmp_path: Path) -> None:
    service = {"backend": "http", "http": {"url": "http://127.0.0.1:9/tts", "retries": 0}}
    with CheapDaemon(tmp_path / "spool", tts=service).start(REAL_TTS) as daemon:
        daemon.drop("service", text="Привет")
        error = daemon.ending("service")["error"]
    assert (error["code"], error["stage"]) == ("tts_unreachable", "tts")
    assert error["hint"]
