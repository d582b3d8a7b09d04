"""The order of waiting items."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daemon.scheduling.backlog import Backlog, Entry
from daemon.scheduling.flow import Flow
from pipeline.messages import TtsItem
from tests.recording_executor import flow


def entry(job: Flow, number: int, index: int = 0) -> Entry:
    return Entry(job, TtsItem(job.name, job.folder, "hello", "en", None, 1.0, index=index), (number, index), 60.0)


def waiting(backlog: Backlog) -> list[tuple[int, int]]:
    return [found.order for found in backlog.most_urgent_first("tts")]


@pytest.fixture
def jobs(tmp_path: Path) -> list[Flow]:
    """Four jobs: a second one of equal length, one of high priority, one that is due late."""
    keys: tuple[dict[str, object], ...] = ({}, {}, {"priority": 5}, {"text": "hello " * 100})
    return [flow(tmp_path, f"job-{number}", **given) for number, given in enumerate(keys)]


def test_items_are_kept_in_order_however_they_come_and_go(jobs: list[Flow]) -> None:
    entries = [entry(job, number, index) for number, job in enumerate(jobs) for index in range(3)]
    backlog, rng = Backlog(), random.Random(1)
    for found in rng.sample(entries, len(entries)):
        backlog.add(found)
    assert waiting(backlog) == [(number, index) for number in (2, 0, 1, 3) for index in range(3)]
    for found in backlog.most_urgent_first("tts"):
        if found.order[1] == 1:
            backlog.remove(found)
    backlog.drop(jobs[0])
    backlog.drop(jobs[0])
    assert waiting(backlog) == [(number, index) for number in (2, 1, 3) for index in (0, 2)]


def test_each_role_has_a_queue(jobs: list[Flow]) -> None:
    backlog = Backlog()
    assert not backlog
    backlog.add(entry(jobs[0], 0))
    assert list(backlog.most_urgent_first("merge")) == []
    assert backlog
    backlog.drop(jobs[0])
    assert not backlog


def test_items_move_when_the_length_of_their_job_becomes_known(
    jobs: list[Flow], monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = Backlog()
    for number, job in enumerate(jobs):
        backlog.add(entry(job, number))
    monkeypatch.setattr(type(jobs[3]), "expected_seconds", property(lambda _: -10.0))
    backlog.reorder(jobs[3])
    assert waiting(backlog) == [(2, 0), (3, 0), (0, 0), (1, 0)]
    for job in jobs:
        backlog.drop(job)
    assert not backlog
