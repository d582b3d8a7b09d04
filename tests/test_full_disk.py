"""A full disk or an exhausted quota pauses the work and costs no attempts (docs/promises.md).

Real processes: the daemon with cheap stages.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import BRIEF_WAITS, CheapDaemon, in_process, until
from tests.shims import exhaust, needs_compiler

JOB = json.dumps({"text": "1 hello"})
PAUSE_SECONDS = 2.0
"""More than a brisk daemon waits after a failed write."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def until_paused(daemon: CheapDaemon) -> dict[str, Any]:
    """Wait until the daemon reports that it is paused; its health file."""
    return until(lambda: ((t := daemon.status())["state"] == "paused" and t) or None, "paused state")


def test_a_full_disk_pauses_and_costs_nothing(small_disk: Path) -> None:
    """It fills up during a stage, which gets a real ENOSPC, and is still full when the second job arrives."""
    with CheapDaemon(small_disk / "spool", limits={"free_megabytes": 4}) as daemon:
        daemon.start("--brisk", "tts=FillsDiskTts").ready()
        (daemon.spool / "second").write_text(JOB)
        daemon.drop("first", text="1 hello")
        assert "disk is full" in until_paused(daemon)["why"]
        assert in_process("health", cwd=daemon.spool).returncode == 1
        (daemon.spool / "second").rename(daemon.spool / "inbox" / "second.json")
        seen = daemon.status()["monotonic_seconds"]
        until(lambda: daemon.status()["monotonic_seconds"] > seen + PAUSE_SECONDS or None, "pause")
        assert daemon.ran() == ["first tts"]
        assert (daemon.spool / "inbox" / "second.json").exists()
        (daemon.spool / "go").touch()
        (daemon.spool / "work" / "first" / "huge").unlink()
        assert [ending["attempts"] for ending in daemon.endings(["first", "second"])] == [1, 1]
        assert daemon.process is not None
        assert daemon.process.poll() is None


def test_a_recording_waits_for_disk_space_while_smaller_ones_pass(small_disk: Path) -> None:
    """A recording of 9 MB has to be copied on a disk of 16 MB."""
    with CheapDaemon(small_disk / "spool", **BRIEF_WAITS) as daemon:
        daemon.start("--brisk", "--linkless").ready()
        (daemon.spool / "inbox" / "large.wav").write_bytes(b"1 ".ljust(9 << 20))
        (daemon.spool / "inbox" / "small.wav").write_bytes(b"1 ".ljust(1 << 20))
        daemon.drop("large", audio="large.wav")
        until(lambda: refusals(daemon) or None, "refused copy")
        daemon.drop("small", audio="small.wav")
        assert daemon.ending("small")["status"] == "done"
        before = refusals(daemon)
        until(lambda: refusals(daemon) > before or None, "another refused copy")
        assert daemon.ran().count("large split") == 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        ending = daemon.ending("large")
        assert (ending["status"], ending["attempts"]) == ("done", 1)


def refusals(daemon: CheapDaemon) -> int:
    """How many times the copy of the large recording has failed for lack of space."""
    return sum(line.count("[Errno 28]") for line in daemon.log().splitlines() if "job large: " in line)


@needs_compiler
def test_a_quota_pauses_and_costs_nothing(daemon: CheapDaemon, tmp_path: Path) -> None:
    """The disk appears to have space but refuses a stage's writes."""
    daemon = CheapDaemon(daemon.spool, limits={**BRIEF_WAITS["limits"], "attempts": 1})
    quota = exhaust(daemon, "/speech.wav", tmp_path)
    with daemon.start("--brisk").ready():
        daemon.drop("first", text="1 hello")
        assert "quota" in until_paused(daemon)["why"]
        until(lambda: daemon.ran().count("first tts") > 1 or None, "more tries than the job has attempts")
        quota.unlink()
        ending = daemon.ending("first")
        assert (ending["status"], ending["attempts"]) == ("done", 1)
