"""The daemon recovers from a crash before any step from claiming a job to publishing it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from tests.running import ROOT

pytestmark = pytest.mark.timeout(600)

MEMORY = "/dev/shm"
"""A folder in memory."""

EXPECTED_FILES = {
    *("outbox/a.mp4", "outbox/a.json", "outbox/a.srt", "outbox/a.vtt", "outbox/bad.json"),
    *("done/a.json", "failed/bad/job.json", "failed/bad/error.json"),
    *("done/a.log.jsonl", "failed/bad/log.jsonl"),
}


RENAMES, ALL = r"os\.(rename|rmdir) ", ""
"""Steps before which the daemon is killed: the patterns of those that claim, finish and publish, and of all."""


@pytest.fixture(scope="module", params=[RENAMES, pytest.param(ALL, marks=pytest.mark.slow)], ids=["renames", "all"])
def chosen(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def crashes(chosen: str) -> list[dict[str, Any]]:
    """In memory if possible: what a killed process has written is there whether or not it is on the disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        argv = [sys.executable, "-m", "tests.crash_steps", folder, chosen]
        shown = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600).stdout
    return [json.loads(line) for line in shown.splitlines()]


def test_there_is_a_crash_before_every_step_of_claiming_and_publishing(
    chosen: str, crashes: list[dict[str, Any]]
) -> None:
    expected = {
        "os.rename inbox/a.json -> work/a/claimed.json",
        "os.rename work/a/.job.json.part -> work/a/job.json",
        "os.remove work/a/claimed.json",
        "open work/a/journal",
        "os.rename work/a/.timing.json.part -> work/a/timing.json",
        "os.remove outbox/a.json",
        "os.rename work/a/video.mp4 -> outbox/a.mp4",
        "os.rename work/a/captions.srt -> outbox/a.srt",
        "os.rename work/a/log.jsonl -> done/a.log.jsonl",
        "os.rename work/a/job.json -> done/a.json",
        "os.rename work/a/timing.json -> outbox/a.json",
        "os.rename work/bad/error.json -> failed/bad/error.json",
        "os.rename work/bad/timing.json -> outbox/bad.json",
    }
    assert {step for step in expected if re.match(chosen, step)} <= {crash["step"] for crash in crashes}
    assert all(crash["crashed"] == -9 for crash in crashes)


def test_each_crash_converges_to_one_video_and_one_json(crashes: list[dict[str, Any]]) -> None:
    for crash in crashes:
        step, files = crash["step"], crash["files"]
        assert {file for file in files if not file.startswith("webhooks/")} == EXPECTED_FILES, step
        assert files["outbox/a.json"]["status"] == "done", step
        assert files["outbox/a.json"]["video"]["frames"] == 50, step
        assert files["done/a.json"]["text"] == "2 new", step
        assert files["outbox/bad.json"]["error"]["code"] == "unknown_field", step
        assert files["failed/bad/error.json"]["hint"], step


def test_each_crash_leaves_one_webhook_call_for_each_job(crashes: list[dict[str, Any]]) -> None:
    assert any(".json.part -> webhooks/evt_" in crash["step"] for crash in crashes)
    for crash in crashes:
        calls = [content for file, content in crash["files"].items() if file.startswith("webhooks/evt_")]
        assert sorted((call["job"], call["event"]) for call in calls) == [("a", "done"), ("bad", "failed")], crash
        for call in calls:
            sent = json.loads(call["body"])
            assert sent["data"] == crash["files"][f"outbox/{call['job']}.json"], crash["step"]


def test_each_crash_runs_the_hook_for_each_job(crashes: list[dict[str, Any]]) -> None:
    assert any(".json.part -> hooks/run_" in crash["step"] for crash in crashes)
    for crash in crashes:
        assert set(crash["hooked"]) == {"a done", "bad failed"}, crash["step"]
        assert crash["due"] == [], crash["step"]


def test_a_json_is_never_seen_without_its_video(crashes: list[dict[str, Any]]) -> None:
    """Nor with the video of an earlier job of that name. Both jobs' outputs are seen, and states with neither."""
    digests = set()
    for crash in crashes:
        seen = crash["seen"]
        if "a.json" in seen:
            assert seen["a.json"]["video"]["sha256"] == seen["a.mp4"], crash["step"]
            digests.add(seen["a.mp4"])
    assert len(digests) == 2
    assert any("a.json" not in crash["seen"] for crash in crashes)
