"""The scheduler with cheap stages: in threads, or in real processes where workers die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from daemon.scheduling import stages as stage_table
from daemon.scheduling import worker_pool
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from daemon.scheduling.scheduler import JobDone, JobFailed, Outcome, Scheduler
from daemon.scheduling.worker_pool import WorkerState
from pipeline.config import Config, LimitsSettings
from pipeline.errors import BootError, ConfigError
from pipeline.executors.base import Executor
from pipeline.executors.processes import ProcessExecutor
from pipeline.executors.threads import ThreadExecutor
from pipeline.job import Job
from tests.cheap_daemon import PRELOADED, cheap_specs
from tests.faults import CHUNKS, runs

DEADLINE_SECONDS = 30
Start = Callable[..., Scheduler]


def processes() -> ProcessExecutor:
    """Workers in processes, which import no more than the stages of these tests need."""
    return ProcessExecutor(preloaded=PRELOADED)


@pytest.fixture(params=[ThreadExecutor, processes], ids=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Executor:
    made: Executor = request.param()
    return made


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a scheduler on cheap stages; keyword arguments replace some of them with faulty ones."""
    started: list[Scheduler] = []

    def make(executor: Executor, config: Config | None = None, **stages: str) -> Scheduler:
        config = config or Config()
        roles = {"tts": "CheapTts", "split": "CheapSplit", "lipsync": "CheapLipSync", "merge": "CheapMerge"} | stages
        started.append(Scheduler(executor, config, cheap_specs(config, **roles)))
        return started[-1]

    yield make
    for scheduler in started:
        scheduler.close()


def flow(tmp_path: Path, name: str = "job", **keys: object) -> JobFlow:
    folder = tmp_path / name
    folder.mkdir()
    journal = Journal(folder, "fingerprint", time.monotonic())
    return JobFlow(name, Job.model_validate({"text": "hello", **keys}), folder, {}, Config(), journal)


def outcomes(scheduler: Scheduler, count: int = 1, each: Callable[[], None] = lambda: None) -> list[Outcome]:
    """Run until `count` jobs have ended."""
    ended: list[Outcome] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(ended) < count:
        assert time.monotonic() < deadline, (scheduler.jobs, scheduler.workers)
        ended += scheduler.step(0.2)
        each()
    return ended


def until(scheduler: Scheduler, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, (scheduler.jobs, scheduler.workers)
        assert not scheduler.step(0.1)


def all_idle(scheduler: Scheduler) -> bool:
    return all(state is WorkerState.IDLE for state in scheduler.workers.values())


def test_a_job_runs_through_all_stages(executor: Executor, start: Start, tmp_path: Path) -> None:
    scheduler = start(executor)
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert sorted(done.flow.segments) == list(range(CHUNKS))
    assert done.flow.video is not None
    assert all(len(runs(tmp_path / "job", index)) == 1 for index in range(CHUNKS))
    assert scheduler.jobs == {}


def test_chunks_of_one_job_use_both_workers(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync="SlowLipSync")
    scheduler.add(flow(tmp_path))
    outcomes(scheduler)
    workers = {runs(tmp_path / "job", index)[0].split()[1] for index in range(CHUNKS)}
    assert workers == {"gan-0", "nogan-1"}


def test_num_workers_caps_the_workers(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync="SlowLipSync")
    scheduler.add(flow(tmp_path, num_workers=1))
    busiest = 0

    def count() -> None:
        nonlocal busiest
        states = scheduler.workers
        busiest = max(busiest, sum(states[name] is WorkerState.BUSY for name in ("gan-0", "nogan-1")))

    [done] = outcomes(scheduler, each=count)
    assert isinstance(done, JobDone)
    assert busiest == 1


def test_a_busy_worker_does_not_finish_when_the_scheduler_closes(start: Start, tmp_path: Path) -> None:
    """Its result would be lost, and whoever stops the daemon would wait."""
    scheduler = start(processes(), lipsync="LateLipSync")
    scheduler.add(flow(tmp_path))
    until(scheduler, (tmp_path / "job" / "log-0").exists)
    scheduler.close()
    assert not (tmp_path / "job" / "late").exists()


def test_the_higher_priority_goes_first(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync="SlowLipSync")
    until(scheduler, lambda: all_idle(scheduler))
    for name, priority in (("low", -1), ("middle", 0), ("high", 5)):
        scheduler.add(flow(tmp_path, name, priority=priority))
    ended = outcomes(scheduler, 3)
    assert [outcome.flow.name for outcome in ended] == ["high", "middle", "low"]


def test_jobs_overlap(start: Start, tmp_path: Path) -> None:
    """While one job is rendered, the next ones pass through the stages before lip-sync."""
    scheduler = start(processes(), lipsync="SlowLipSync")
    flows = [flow(tmp_path, f"job-{number}") for number in range(3)]
    for each in flows:
        scheduler.add(each)
    [first, *_] = outcomes(scheduler)
    assert first.flow is flows[0]
    assert all(len(each.chunks) == CHUNKS for each in flows[1:])
    outcomes(scheduler, 2)


def failure_alongside_a_good_job(scheduler: Scheduler, folder: Path) -> JobFailed:
    """Run a bad job and a good one; return the failure."""
    scheduler.add(flow(folder, "bad", text="bad"))
    scheduler.add(flow(folder, "good"))
    ended = {outcome.flow.name: outcome for outcome in outcomes(scheduler, 2)}
    assert isinstance(ended["good"], JobDone)
    failed = ended["bad"]
    assert isinstance(failed, JobFailed)
    return failed


def test_a_bad_job_fails_at_once_and_the_next_one_runs(executor: Executor, start: Start, tmp_path: Path) -> None:
    scheduler = start(executor, tts="BadJobTts")
    failed = failure_alongside_a_good_job(scheduler, tmp_path)
    assert (failed.error.code, failed.error.field, failed.error.hint) == ("voice", "voice", "voices: a, b")
    assert (failed.error.stage, failed.attempts) == ("tts", 1)
    assert scheduler.workers["tts-0"] is WorkerState.IDLE


def test_a_failed_job_ends_once_no_worker_uses_its_folder(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync="FailsInOneChunk")
    until(scheduler, lambda: all_idle(scheduler))
    scheduler.add(flow(tmp_path))
    [failed] = outcomes(scheduler)
    assert isinstance(failed, JobFailed)
    assert failed.error.code == "no_face"
    assert (tmp_path / "job" / "late").exists()
    assert not (tmp_path / "job" / "log-2").exists()


def test_a_failing_service_is_retried(executor: Executor, start: Start, tmp_path: Path) -> None:
    scheduler = start(executor, tts="FailsTwiceTts")
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert done.attempts == 3


def test_a_bug_in_a_stage_fails_the_job_with_a_traceback(executor: Executor, start: Start, tmp_path: Path) -> None:
    scheduler = start(executor, tts="CrashingTts")
    scheduler.add(flow(tmp_path))
    [failed] = outcomes(scheduler)
    assert isinstance(failed, JobFailed)
    assert (failed.error.code, failed.attempts) == ("internal", 3)
    assert "ZeroDivisionError: a defect" in failed.error.traceback


@pytest.mark.parametrize("fault", ["KilledOnce", "KilledMidSend"])
def test_a_worker_that_dies_costs_one_retry_of_its_item(fault: str, start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync=fault)
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert done.attempts == 2
    assert sorted(len(runs(tmp_path / "job", index)) for index in range(CHUNKS)) == [1, 1, 1, 2]


def test_a_worker_that_dies_while_it_encodes_the_sound_costs_a_retry(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), merge="KilledInSound")
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert done.attempts == 2
    assert [len(runs(tmp_path / "job", index)) for index in range(CHUNKS)] == [1] * CHUNKS


def test_a_job_that_kills_its_workers_fails_after_three_attempts(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), lipsync="KilledAlways")
    scheduler.add(flow(tmp_path))
    [failed] = outcomes(scheduler)
    assert isinstance(failed, JobFailed)
    assert (failed.error.code, failed.attempts) == ("worker_died", 3)


def test_an_idle_worker_that_is_killed_is_replaced_at_once(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes())
    until(scheduler, lambda: all_idle(scheduler))
    for victim in ("tts-0", "split-0", "gan-0", "nogan-1", "merge-0"):
        pid = scheduler.pids[victim]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        while scheduler.workers[victim] is WorkerState.IDLE:
            assert not scheduler.step(DEADLINE_SECONDS)
        assert time.monotonic() - killed < DEADLINE_SECONDS / 2, "it was seen only when the wait was over"
        scheduler.add(flow(tmp_path, f"job-{victim}"))
        [done] = outcomes(scheduler)
        assert isinstance(done, JobDone)
        assert done.attempts == 1


def test_a_hung_worker_is_killed_at_its_deadline(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_table, "budget_seconds", lambda item, allowed: 2.0)
    scheduler = start(processes(), lipsync="HangsOnce")
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert done.attempts == 2
    assert len(runs(tmp_path / "job", 1)) == 2


def test_a_job_that_keeps_hanging_fails_with_a_hint(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_table, "budget_seconds", lambda item, allowed: 0.3)
    scheduler = start(processes(), Config(limits=LimitsSettings(attempts=1)), lipsync="SlowLipSync")
    scheduler.add(flow(tmp_path))
    [failed] = outcomes(scheduler)
    assert isinstance(failed, JobFailed)
    assert failed.error.code == "timeout"
    assert failed.error.hint


def test_a_crash_in_native_code_is_logged(start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # the next one writes to this test's standard error
    scheduler = start(processes(), tts="SegfaultingTts")
    scheduler.add(flow(tmp_path))
    [failed] = outcomes(scheduler)
    assert isinstance(failed, JobFailed)
    assert failed.error.code == "worker_died"
    shown = capfd.readouterr().err
    assert "Segmentation fault" in shown
    assert "faults.py" in shown


def test_a_worker_with_an_unusable_configuration_stops_everything(executor: Executor, start: Start) -> None:
    scheduler = start(executor, lipsync="BadConfigInSetup")
    with pytest.raises(ConfigError, match="no checkpoint") as caught:
        until(scheduler, lambda: False)
    assert caught.value.field == "models.gan.checkpoint"


def test_a_configuration_error_that_shows_only_in_a_job_fails_only_that_job(start: Start, tmp_path: Path) -> None:
    scheduler = start(ThreadExecutor(), tts="BadConfigTts")
    failed = failure_alongside_a_good_job(scheduler, tmp_path)
    assert (failed.error.code, failed.error.field, failed.attempts) == ("tts_missing", "tts.command.argv", 1)


def test_workers_that_cannot_start_are_not_restarted_endlessly(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "BACKOFF_FIRST_SECONDS", 0.01)
    scheduler = start(processes(), merge="KilledInSetup")
    with pytest.raises(BootError, match="merge"):
        until(scheduler, lambda: False)


def test_a_worker_that_is_not_ready_in_time_is_killed(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(limits=LimitsSettings(boot_seconds=0.01))
    scheduler = start(processes(), config, lipsync="GanHangsInSetup")
    until(scheduler, lambda: "exited with code -9" in caplog.text)
    assert "exceeded its deadline" in caplog.text


def test_jobs_that_kill_their_worker_do_not_use_up_its_restarts(start: Start, tmp_path: Path) -> None:
    scheduler = start(processes(), tts="KilledByText")
    for name, text in (("one", "kill"), ("two", "kill"), ("three", "live")):
        scheduler.add(flow(tmp_path, name, text=text))
    ended = {outcome.flow.name: outcome for outcome in outcomes(scheduler, 3)}
    assert [type(ended[name]) for name in ("one", "two", "three")] == [JobFailed, JobFailed, JobDone]


def test_a_hung_worker_in_a_thread_is_abandoned(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_table, "budget_seconds", lambda item, allowed: 0.5)
    scheduler = start(ThreadExecutor(), lipsync="HangsOnce")
    scheduler.add(flow(tmp_path))
    [done] = outcomes(scheduler)
    assert isinstance(done, JobDone)
    assert done.attempts == 2
