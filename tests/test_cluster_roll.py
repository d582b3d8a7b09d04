"""Which workers a bridge leaves behind, and how long its successor waits for those that it cannot find."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipeline.executors.cluster.roll import ROLL_FILE, Roll, note_end, seconds_left

FENCE_SECONDS = 24.0


def test_nobody_is_waited_for_where_nothing_is_noted(tmp_path: Path) -> None:
    note_end(tmp_path)
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == 0


def test_workers_that_are_found_or_have_stopped_are_not_waited_for(tmp_path: Path) -> None:
    roll = Roll(tmp_path)
    roll.add("gan-0")
    roll.add("tts-0")
    roll.remove("tts-0")
    assert seconds_left(tmp_path, ("gan-0", "other"), FENCE_SECONDS) == 0
    roll.remove("gan-0")
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == 0


def test_of_a_bridge_that_was_killed_with_its_daemon_the_whole_lease_is_waited_for(tmp_path: Path) -> None:
    roll = Roll(tmp_path)
    roll.add("gan-0")
    roll.add("nogan-1")
    assert seconds_left(tmp_path, ("gan-0",), FENCE_SECONDS) == FENCE_SECONDS


def test_of_one_that_has_ended_only_the_rest_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Roll(tmp_path).add("gan-0")
    ended = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: ended)
    note_end(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: ended + 20)
    note_end(tmp_path)
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == pytest.approx(4)
    monkeypatch.setattr(time, "monotonic", lambda: ended + 86_400)
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == 0


def test_the_clock_of_another_boot_says_nothing(tmp_path: Path) -> None:
    Roll(tmp_path).add("gan-0")
    note_end(tmp_path)
    noted = json.loads((tmp_path / ROLL_FILE).read_bytes())
    (tmp_path / ROLL_FILE).write_text(json.dumps(noted | {"boot_id": "another", "end_seconds": 0.0}))
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == FENCE_SECONDS


def test_a_bridge_begins_with_no_workers(tmp_path: Path) -> None:
    Roll(tmp_path).add("gan-0")
    Roll(tmp_path)
    assert seconds_left(tmp_path, (), FENCE_SECONDS) == 0
