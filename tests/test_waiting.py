"""When the jobs that wait in the inbox are expected to end, and who says so."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from daemon.admission import Admission
from daemon.cli.overview import overview
from daemon.cli.steps import steps
from daemon.publisher import Publisher
from daemon.scheduling.estimates import Left
from daemon.scheduling.forecast import Forecast, Queued
from daemon.scheduling.scheduler import Scheduler
from daemon.spool import intake
from daemon.spool.health import write_health
from daemon.spool.intake import Intake
from daemon.spool.spool import Spool
from daemon.web.states import States
from pipeline.config import Config
from tests.recording_executor import RecordingExecutor, flow, settle
from tests.reports import healthy
from tests.test_pace import KNOWN, learnt

ONE_SECOND = "a" * 10
"""A text that is spoken in a second, by the pace `KNOWN`."""
RENDER_SECONDS = 1 + 0.1 * 25
"""What one worker needs for its video."""


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.create()
    return spool


def drop(spool: Spool, name: str, age_seconds: float, **job: object) -> None:
    file = spool.dropped_file(name)
    file.write_text(json.dumps(job))
    os.utime(file, (time.time() - age_seconds,) * 2)


def admission(spool: Spool, scheduler: Scheduler) -> Admission:
    """An admission that has listed the inbox."""
    found = Admission(Config(), spool, scheduler, Mock(spec=Publisher), lambda: None)
    found.is_exhausted()
    return found


def test_outlines_are_those_of_the_valid_jobs_in_the_order_in_which_they_are_taken(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(spool, "first", 9, text="abc", size="128x128")
    drop(spool, "bad", 8, text="abc", fps=26)
    drop(spool, "recording", 7, audio="a.wav")
    drop(spool, "urgent", 6, text="ab", priority=1)
    spool.dropped_file("unfinished").write_text("{")
    found = Intake(spool, quiet_seconds=9)
    found.scan()
    shown = [(job.name, job.outline.characters, job.outline.size) for job in found.outlines()]
    assert shown == [("urgent", 2, None), ("first", 3, "128x128"), ("recording", None, None)]
    monkeypatch.setattr(intake, "READ_SECONDS", -1.0)
    drop(spool, "unread", 8.5, text="abc")
    found.scan()
    assert [job.name for job in found.outlines()] == ["urgent", "first"]


def test_a_job_in_the_inbox_ends_after_those_before_it(
    spool: Spool, scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.pace = learnt(**KNOWN)
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    for number in range(30):
        drop(spool, f"{number:02}", 100 - number, text=ONE_SECOND)
    now = time.monotonic()
    ends = admission(spool, scheduler).expected_ends(is_open=True)
    etas = [end - now for end in ends.values()]
    assert list(ends) == [f"{number:02}" for number in range(30)]
    assert etas == sorted(etas)
    [in_flight] = [one.eta_seconds for one in scheduler.progress.values()]
    assert in_flight is not None and etas[0] > in_flight
    assert etas[20] - etas[10] == pytest.approx(10 * RENDER_SECONDS / 2, abs=0.3), "two workers render all the time"


def test_short_jobs_in_flight_are_done_first_and_long_ones_wait_for_those_that_take_their_places() -> None:
    def queued(name: str, seconds: float) -> Queued:
        return Queued((0, seconds), name, Left(0.0, 0.0, [1.0] * int(seconds), 0.0, 1))

    in_flight = [queued("long", 90), queued("short", 10)]
    waiting = [queued("medium", 50), queued("tiny", 5), queued("late", 95)]
    ends = Forecast(speakers=1, renderers=1, places=2).ends(in_flight, waiting)
    assert sorted(ends, key=lambda name: ends[name] or 0.0) == ["short", "medium", "tiny", "long", "late"]
    assert ends["short"] == 10


def test_a_job_that_has_been_taken_up_or_dropped_again_is_expected_once(
    spool: Spool, scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.pace = learnt(**KNOWN)
    drop(spool, "a", 9, text=ONE_SECOND)
    drop(spool, "b", 8, text=ONE_SECOND)
    waits = admission(spool, scheduler)
    assert list(waits.expected_ends(is_open=True)) == ["a", "b"]
    scheduler.add(flow(tmp_path, "a"))
    assert list(scheduler.progress) == ["a"]
    assert list(scheduler.etas(scheduler.waiting)) == ["a", "b"]
    assert list(admission(spool, scheduler).expected_ends(is_open=True)) == ["b"]


def test_nothing_is_expected_behind_a_job_of_unknown_length(
    spool: Spool, scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.pace = learnt(**KNOWN)
    drop(spool, "a", 9, text=ONE_SECOND)
    drop(spool, "b", 8, audio="b.wav")
    drop(spool, "c", 7, text=ONE_SECOND)
    assert list(admission(spool, scheduler).expected_ends(is_open=True)) == ["a"]
    scheduler.pace = learnt()
    assert admission(spool, scheduler).expected_ends(is_open=True) == {}, "before the first job"
    scheduler.pace = learnt(**{kind: rate for kind, rate in KNOWN.items() if kind != "render"})
    scheduler.add(flow(tmp_path))
    assert admission(spool, scheduler).expected_ends(is_open=True) == {}, "too little is known of the job in flight"


def test_everybody_who_asks_is_told(spool: Spool) -> None:
    drop(spool, "a", 9, text=ONE_SECOND)
    drop(spool, "b", 8, text=ONE_SECOND)
    write_health(spool, healthy(waiting=2, expected_ends={"a": time.monotonic() + 60}))
    with spool.owned():
        known, unknown = steps(spool, ["a", "b"])
        asked = overview(spool).of_job(spool, "a")
        states = [States(spool).find(name) for name in ("a", "b")]
    assert known.text() == "waiting, 60 s left"
    assert unknown.text() == "waiting"
    assert asked is not None
    left = [asked["eta_seconds"], *(state and state.eta_seconds for state in states)]
    assert left == [pytest.approx(60, abs=2), pytest.approx(60, abs=2), None]
    assert [step.eta_seconds for step in steps(spool, ["a"])] == [None], "without a daemon nobody knows"
