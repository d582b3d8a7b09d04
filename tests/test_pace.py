"""What is learnt from finished jobs, and the expected times that follow from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.scheduling.estimates import (
    Estimate,
    Left,
    _work_done,
    estimate,
    kinds,
    learn,
    makespan,
    mode_of,
    work,
)
from daemon.scheduling.forecast import Forecast, Queued
from daemon.scheduling.pace import FOLLOWED, KINDS_MAX, OUTLIER, POINTS_MAX, Pace, Work, fitted
from daemon.scheduling.scheduler import JobDone, Scheduler
from pipeline.config import Config
from pipeline.job import Job, Outline
from tests.recording_executor import RecordingExecutor, flow, settle
from tests.test_scheduler_rules import cut, merge, render, speak, split

CONFIG = Config()


def learnt(**rates: tuple[float, float]) -> Pace:
    """A pace that was learnt from jobs of exactly these fixed costs and costs per unit."""
    pace = Pace()
    for kind, (fixed, rate) in rates.items():
        for size in (10, 100, 1000):
            pace.measured(kind, size=size, cost=fixed + rate * size)
    return pace


KNOWN = {"speech": (0, 0.1), "speak": (1, 0.01), "prepare": (0.5, 0), "render": (1, 0.1), "finish": (2, 0)}


# Pace


def test_a_fixed_cost_and_a_rate_are_told_apart() -> None:
    pace = learnt(work=(2.0, 0.5))
    assert pace.expected("work", size=50) == pytest.approx(27)
    assert pace.expected("unknown", size=50) is None
    assert pace.expected("unknown", "work", size=50) == pytest.approx(27)


def test_one_slow_job_does_not_count() -> None:
    points = [(size, 2.0 + size) for size in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert fitted([*points, (3.5, 100.0)]) == pytest.approx((2, 1), abs=0.5)


@pytest.mark.parametrize(
    "points", [[(10.0, 5.0)], [(10.0, 5.0), (11.0, 5.5), (9.0, 4.5)], [(10.0, 5.0), (100.0, 50.0)]]
)
def test_jobs_of_similar_sizes_are_taken_as_proportional(points: list[tuple[float, float]]) -> None:
    assert fitted(points) == pytest.approx((0, 0.5))


def test_a_line_is_fitted_to_sizes_that_are_half_as_large_again() -> None:
    assert fitted([(10.0, 20.0), (15.0, 25.0)]) == pytest.approx((10, 1))
    assert fitted([(10.0, 20.0), (14.9, 25.0)])[0] == 0


def test_a_line_is_never_negative() -> None:
    assert fitted([(1.0, 0.0), (2.0, 10.0), (3.0, 20.0)])[0] == 0
    assert fitted([(1.0, 9.0), (2.0, 6.0), (3.0, 3.0)]) == (6.0, 0.0)


def test_old_measurements_are_forgotten(tmp_path: Path) -> None:
    pace = learnt(work=(0, 1000.0))
    for _ in range(POINTS_MAX):
        pace.measured("work", size=10, cost=10)
    assert pace.expected("work", size=10) == pytest.approx(10)
    for number in range(KINDS_MAX):
        pace.measured(f"kind {number}", size=1, cost=1)
    assert pace.expected("work", size=10) is None
    pace.save(tmp_path / "pace.json")
    assert len(kept(tmp_path)) == KINDS_MAX


def kept(folder: Path) -> dict[str, list[list[float]]]:
    """The measurements in a file."""
    found: dict[str, list[list[float]]] = json.loads((folder / "pace.json").read_bytes())["points"]
    return found


def test_the_latest_measurements_are_kept_to_the_millisecond(tmp_path: Path) -> None:
    pace = Pace()
    for number in range(POINTS_MAX + 3):
        pace.measured("work", size=number + 0.12345, cost=0.123456)
    pace.save(tmp_path / "pace.json")
    assert kept(tmp_path) == {"work": [[number + 0.123, 0.1235] for number in range(3, POINTS_MAX + 3)]}


def test_work_that_takes_no_time_is_known_too() -> None:
    pace = Pace()
    pace.measured("work", size=1, cost=0)
    assert pace.expected("work", size=1) == 0


def test_what_was_learnt_survives_a_restart(tmp_path: Path) -> None:
    before = learnt(work=(2.0, 0.5))
    before.worked([Work(["work"], 50, 54)])
    before.save(tmp_path / "pace.json")
    after = Pace.load(tmp_path / "pace.json")
    assert after.expected("work", size=50) == pytest.approx(27, rel=0.1)
    assert after.expected_seconds("work", size=50) == before.expected_seconds("work", size=50)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"[]", b"\xff", b'{"slowdown": 0}', b'{"slowdown": NaN}']
    + [b'{"points": {"work": [%s]}}' % point for point in (b"[1]", b"[NaN, 1]", b"[-1, 1]")],
)
def test_a_damaged_file_is_as_good_as_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "pace.json").write_bytes(content)
    assert Pace.load(tmp_path / "pace.json").expected_seconds("work", size=1) is None


def job_of(size: float, slowdown: float) -> list[Work]:
    """The pieces of work of a job on a machine that is slower than usual."""
    return [Work(["speak"], size, (1 + 0.01 * size) * slowdown), Work(["render"], size, 0.1 * size * slowdown)]


def error_of(pace: Pace, slowdown: float) -> float:
    """How wrong the expected time of a job is, as a part of the time that it takes."""
    expected = sum(pace.expected_seconds(*work.kinds, size=work.size) or 0.0 for work in job_of(60, slowdown))
    taken = sum(work.seconds for work in job_of(60, slowdown))
    return abs(expected - taken) / taken


def test_a_busy_machine_is_noticed_after_a_few_jobs_and_so_is_its_end() -> None:
    pace = Pace()
    for size in (20, 40, 80, 160) * 3:
        pace.worked(job_of(size, 1))
    assert error_of(pace, 1) < 0.01
    for size in (30, 90, 50):
        pace.worked(job_of(size, 2))
    assert error_of(pace, 2) < 0.2
    for size in (90, 30, 50):
        pace.worked(job_of(size, 1))
    assert error_of(pace, 1) < 0.2


def test_what_is_known_of_sizes_outlasts_a_busy_hour() -> None:
    pace = Pace()
    for size in (20, 40, 80, 160) * 3:
        pace.worked(job_of(size, 1))
    for _ in range(POINTS_MAX):
        pace.worked(job_of(50, 3))
    assert pace.expected("speak", size=50) == pytest.approx(1.5, rel=0.15)
    assert error_of(pace, 3) < 0.05


def test_a_job_that_hung_hardly_counts() -> None:
    pace = Pace()
    for _ in range(5):
        pace.worked([Work(["work"], 10, 10)])
    pace.worked([Work(["work"], 10, 10_000)])
    assert pace.expected_seconds("work", size=10) == pytest.approx(10 * OUTLIER**FOLLOWED)


def test_a_job_that_took_no_time_hardly_counts() -> None:
    pace = Pace()
    for _ in range(5):
        pace.worked([Work(["work"], 10, 10)])
    pace.worked([Work(["work"], 10, 0.001)])
    assert pace.expected_seconds("work", size=10) == pytest.approx(10 * OUTLIER**-FOLLOWED)


def test_an_avatar_that_takes_longer_is_not_taken_for_a_busy_machine() -> None:
    pace = learnt(render=(0, 0.1), **{"render small": (0, 0.1)})
    for _ in range(3):
        pace.worked([Work(["render large", "render"], 100, 50)])
    assert pace.expected_seconds("render large", "render", size=100) == pytest.approx(50)
    assert pace.expected_seconds("render small", "render", size=100) == pytest.approx(10)


def test_speech_is_no_longer_on_a_busy_machine() -> None:
    pace = learnt(speech=(0, 0.1), speak=(0, 0.01))
    pace.worked([Work(["speak"], 100, 3)])
    assert pace.expected("speech", size=100) == pytest.approx(10)
    assert pace.expected_seconds("speak", size=100) == pytest.approx(OUTLIER**FOLLOWED)


@pytest.mark.parametrize(("size", "cost"), [(0, 1), (-1, 1), (1, -1)])
def test_impossible_measurements_are_ignored(size: float, cost: float) -> None:
    pace = Pace()
    pace.measured("work", size=size, cost=cost)
    assert pace.expected("work", size=1) is None


# Estimates


def test_the_estimate_of_a_job_adds_up_its_steps() -> None:
    pace = learnt(**KNOWN, size=(0, 1000))
    text = "a" * 200  # 20 s, in two chunks of 250 frames at once
    found = estimate(pace, Outline.of(Job(text=text)), CONFIG)
    assert found is not None
    assert found.video_seconds == pytest.approx(20)
    assert found.work_seconds == pytest.approx(3 + 0.5 + 26 + 2)
    assert found.video_bytes == pytest.approx(500_000)
    alone = estimate(pace, Outline.of(Job(text=text, mode="sequential")), CONFIG)
    assert alone is not None
    assert alone.work_seconds == pytest.approx(3 + 0.5 + 51 + 2)
    fast = estimate(pace, Outline.of(Job(text=text, speed=2.0)), CONFIG)
    assert fast is not None
    assert fast.video_seconds == pytest.approx(10)


def test_only_the_length_is_estimated_before_a_job_was_done() -> None:
    assert estimate(Pace(), Outline.of(Job(text="a" * 30)), CONFIG) == Estimate(2.0, None, None)
    assert estimate(learnt(speech=(0, 0.1)), Outline.of(Job(text="a" * 30, speed=2.0)), CONFIG) == Estimate(
        1.5, None, None
    )
    assert estimate(learnt(**KNOWN, size=(0, 1)), Outline.of(Job(audio="a.wav")), CONFIG) is None


def test_the_usual_rate_of_speech_is_that_of_its_speed() -> None:
    assert estimate(Pace(), Outline.of(Job(text="a" * 30, speed=2.0)), CONFIG) == Estimate(1.0, None, None)


def test_what_is_spoken_in_pieces_is_rendered_meanwhile() -> None:
    whole = Left(2, 0.5, (4, 4), 1, 1)
    assert whole.rendered_seconds(3) == 3 + 0.5 + 8
    assert replace(whole, in_pieces=True).rendered_seconds(3) == 8 + 0.5
    assert replace(whole, in_pieces=True).rendered_seconds(9) == 9 + 0.5


LONG = "a" * round(2 * 15 * CONFIG.split.chunk_seconds)
"""A text of two chunks, at 15 characters a second."""


@pytest.mark.parametrize(
    ("keys", "in_pieces"),
    [
        ({"text": "hello"}, False),
        ({"text": "hello", "mode": "stream"}, True),
        ({"scenes": [{"text": "hello"}, {"text": "world"}]}, True),
        ({"text": LONG}, True),
        ({"text": LONG[1:]}, False),
        ({"text": LONG, "speed": 1.1}, False),
    ],
)
def test_streams_scenes_and_long_texts_are_spoken_in_pieces(keys: dict[str, object], *, in_pieces: bool) -> None:
    left = work(learnt(**KNOWN), Outline.of(Job.model_validate(keys)), CONFIG)
    assert left is not None
    assert left.in_pieces == in_pieces


@pytest.mark.parametrize(
    ("mode", "seconds", "expected"),
    [
        ("auto", 9.99, "sequential"),
        ("auto", 10.0, "parallel"),
        ("stream", 5.0, "stream"),
        ("parallel", 5.0, "parallel"),
    ],
)
def test_short_jobs_are_rendered_in_one_chunk(mode: str, seconds: float, expected: str) -> None:
    assert mode_of(Outline.of(Job.model_validate({"text": "hello", "mode": mode})), seconds, CONFIG) == expected


def test_what_is_known_is_that_of_the_avatar_and_its_size() -> None:
    known = kinds(Outline.of(Job.model_validate({"text": "hello", "avatar": "me.png", "size": "480x640"})), CONFIG)
    assert known.render("stream") == ("render stream me.png 480x640", "render stream", "render")
    assert (known.prepare, known.size) == (("prepare me.png 480x640", "prepare"), ("size me.png 480x640", "size"))
    assert kinds(Outline.of(Job(text="hello")), CONFIG).look == f"{CONFIG.avatars.default} own"


def test_workers_take_chunks_in_order() -> None:
    assert makespan([3, 3, 3], 2) == 6
    assert makespan([1, 1, 4], 2) == 5
    assert makespan([], 2) == 0


# Time left


def job(speak: float = 0, chunks: tuple[float, ...] = (), *, lanes: int = 2, streamed: bool = False) -> Left:
    return Left(speak, 0.5, chunks, 1.0, lanes, streamed)


def queued(*jobs: Left | None) -> list[Queued]:
    """Jobs, the most urgent one first."""
    return [Queued((0, float(number)), str(number), left) for number, left in enumerate(jobs)]


def ends(in_flight: list[Queued], waiting: list[Queued] | None = None, *, places: int = 8) -> list[float | None]:
    """When jobs are expected to end, in the order of their names, with one worker that speaks and two that render."""
    found = Forecast(speakers=1, renderers=2, places=places).ends(in_flight, waiting or [])
    return [found[name] for name in sorted(found)]


def test_a_job_takes_all_its_steps() -> None:
    assert ends(queued(job(2, (4, 4)))) == [7.5]
    assert ends(queued(job(2, (4, 4), lanes=1))) == [11.5]
    assert ends(queued(job(2, (4, 4), streamed=True))) == [5.5]
    assert ends(queued(job(0, ()))) == [1.5]


def test_a_job_waits_for_those_before_it() -> None:
    assert ends(queued(job(2, (4, 4)), None, job(1, (10, 10)))) == [7.5, None, 2 + 0.5 + 4 + 10 + 1]
    assert ends(queued(job(0, (40, 40)), job(1, (1, 1))))[1] == 0.5 + 40 + 1 + 1
    assert ends(queued(job(5, (2,)), job(1, (2,))))[1] == 5 + 1 + 0.5 + 2 + 1, "it is spoken after the first"


def test_a_chunk_that_has_begun_is_not_interrupted_for_a_more_urgent_job() -> None:
    running = replace(job(0, (10, 10, 10)), prepare_seconds=0, chunks_running=2)
    assert ends(queued(job(1, (2, 2)), running)) == [10 + 2 + 1, 12 + 10 + 1]


def test_a_worker_that_speaks_another_job_is_waited_for() -> None:
    speaking = replace(job(4, (1,)), is_speaking=True)
    assert ends(queued(job(1, (1,)), speaking)) == [4 + 1 + 0.5 + 1 + 1, 4 + 0.5 + 1 + 1]


def test_a_job_is_taken_up_when_another_has_ended() -> None:
    first, second, third = queued(job(0, (4,)), job(0, (8,)), job(0, (1,)))
    assert ends([first, second], [third], places=2) == [0.5 + 4 + 1, 0.5 + 8 + 1, 5.5 + 0.5 + 1 + 1]
    assert ends([first], [second, third], places=1) == [5.5, 5.5 + 9.5, 15 + 2.5]
    unknown, known = queued(None, job(0, (1,)))
    assert ends([unknown], [known], places=1) == [None, 2.5], "nothing is known of it, so it does not count"


@pytest.mark.parametrize(("places", "expected"), [(2, [None, 5.5, 11.0, 16.5]), (3, [None, 5.5, 5.5, 11.0])])
def test_a_job_of_which_nothing_is_known_keeps_its_place(places: int, expected: list[float | None]) -> None:
    unknown, *others = queued(None, *[job(0, (4,))] * 3)
    assert ends([unknown], others, places=places) == expected


def test_as_many_jobs_are_spoken_at_once_as_there_are_voices() -> None:
    jobs = queued(*[job(2)] * 4)
    found = Forecast(speakers=2, renderers=2, places=8).ends(jobs, [])
    assert [found[one.name] for one in jobs] == [3.5, 3.5, 5.5, 5.5]
    assert ends(jobs) == [3.5, 5.5, 7.5, 9.5]


def test_a_recording_waits_for_no_voice() -> None:
    assert ends(queued(job(5, (2,)), job(0, (2,))))[1] == 0.5 + 2 + 1


def test_a_job_has_no_more_workers_than_its_lanes() -> None:
    found = Forecast(speakers=1, renderers=3, places=8).ends(queued(job(0, (4, 4, 4), lanes=2)), [])
    assert found == {"0": 0.5 + 8 + 1}


def test_an_end_is_known_to_a_tenth_of_a_second() -> None:
    assert ends(queued(job(0.26))) == [1.8]


def test_an_expected_end_comes_closer_with_every_step(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.pace = learnt(**KNOWN)
    scheduler.add(flow(tmp_path))
    found = [scheduler.progress["job"]]
    settle(scheduler)
    for step in (speak, lambda *_: None, split, render):
        step(scheduler, executor)
        found.append(scheduler.progress["job"])
    expected = [one.eta_seconds for one in found]
    render_seconds = 1 + 0.1 * 12.5  # "hello" takes half a second
    assert expected[:3] == [pytest.approx(left + render_seconds + 2, abs=0.2) for left in (1.05 + 0.5, 0.5, 0.5)]
    assert expected[-1] == pytest.approx(2, abs=0.2)
    assert found[3].eta_seconds is not None  # now its real length is known
    shares = [one.share for one in found]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_a_finished_job_teaches_every_kind_of_its_work(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path, speed=2.0))
    settle(scheduler)
    cut(scheduler, executor)
    render(scheduler, executor)
    merge(executor)
    [done] = settle(scheduler)
    assert isinstance(done, JobDone)
    pace = Pace()
    learn(pace, done.flow, max(one.span.end_seconds for one in done.flow.segments.values()) + 3)
    for kind in ("speech ru", "speech", "prepare", "render", "size"):
        assert pace.expected(kind, size=10) is not None, kind
    timeline, segments = done.flow.timeline, list(done.flow.segments.values())
    assert pace.expected("speech", size=len("hello")) == pytest.approx(2 * timeline.seconds)
    done_work = list(_work_done(done.flow, kinds(Outline.of(done.flow.job), CONFIG), 0.0))
    prepare, rendered = done_work[1], done_work[2:-1]
    assert prepare.seconds == timeline.convert.seconds + timeline.split.seconds
    assert [one.size for one in rendered] == [one.stop_frame - one.start_frame for one in segments]
    assert pace.expected("finish", size=timeline.seconds) == pytest.approx(3)
