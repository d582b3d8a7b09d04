"""The workers' states, deadlines and restarts, with an executor that only records calls and a clock of the test."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling import worker_pool
from daemon.scheduling.backlog import Entry
from daemon.scheduling.budgets import BASE_SECONDS
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from daemon.scheduling.worker_pool import Worker, WorkerPool, WorkerState
from pipeline.config import Config
from pipeline.errors import BootError, ConfigError, ErrorReport
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.log_context import ContextFilter, LogContext
from pipeline.messages import Died, Event, Ready, Task, TtsItem

BOOT_SECONDS = 7.0
NAMES = {"tts-0": "tts", "gan-0": "lipsync", "gan-1": "lipsync", "nogan-2": "lipsync"}
STARTING, IDLE, BUSY, WAITING, DOWN = WorkerState


class Calls:
    """An executor that records its calls; `start` fails while `broken` is set."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.broken = False
        self.hindrance: str | None = None

    def gpu_count(self) -> int:
        return 0

    def start(self, spec: WorkerSpec) -> None:
        self.log.append(("start", spec.name))
        if self.broken:
            raise OSError(11, "Resource temporarily unavailable")

    def send(self, worker: str, task: Task) -> None:
        self.log.append(("send", worker, task.id, task.item))

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        self.log.append(("wait", timeout_seconds))
        return [Ready("tts-0", "cpu", 1)]

    def offers(self) -> None: ...

    def trouble(self) -> str | None:
        return self.hindrance

    def wake(self) -> None: ...

    def forget(self, job: str) -> None: ...

    def kill(self, worker: str) -> None:
        self.log.append(("kill", worker))

    def close(self, busy: Collection[str] = ()) -> None:
        self.log.append(("close", *busy))

    def taken(self) -> list[tuple[Any, ...]]:
        """The calls since the last time."""
        log, self.log = self.log, []
        return log


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def pool(calls: Calls) -> WorkerPool:
    """A pool whose workers were started at 100 s and have not reported yet."""
    specs = [WorkerSpec(name, role, "", Config(), model=name.partition("-")[0]) for name, role in NAMES.items()]
    made = WorkerPool(calls, specs, BOOT_SECONDS)
    made.start_waiting(100)
    assert calls.taken() == [("start", name) for name in NAMES]
    return made


def ready(pool: WorkerPool) -> None:
    for number, name in enumerate(NAMES):
        pool.ready(Ready(name, "cpu", 10 + number))


def entry(tmp_path: Path, name: str = "job", budget_seconds: float = 60.0) -> Entry:
    folder = tmp_path / name
    folder.mkdir()
    flow = JobFlow(name, Job(text="hello"), folder, {}, Config(), Journal(folder, "one", 0.0))
    [item] = flow.begin()
    return Entry(flow, item, (0, 0), budget_seconds)


def waits(pool: WorkerPool, calls: Calls, now: float, timeout_seconds: float) -> float:
    """How long the pool lets the executor wait."""
    assert pool.wait(now, timeout_seconds) == [Ready("tts-0", "cpu", 1)]
    [(_, seconds)] = calls.taken()
    return float(seconds)


def test_a_worker_starts_once_and_gets_its_time_to_boot(pool: WorkerPool, calls: Calls) -> None:
    assert set(pool.states.values()) == {STARTING}
    assert {pool[name].deadline for name in NAMES} == {107}
    pool.start_waiting(200)
    assert calls.taken() == []


def test_a_new_worker_is_due_at_once_with_a_clean_record() -> None:
    worker = Worker(WorkerSpec("tts-0", "tts", "", Config()))
    assert (worker.state, worker.deadline, worker.failures) == (WAITING, 0, 0)
    assert (worker.entry, worker.pid, worker.overdue, worker.task) == (None, None, False, 0)


def test_a_waiting_worker_starts_when_its_time_has_come(pool: WorkerPool, calls: Calls) -> None:
    worker = pool["gan-0"]
    worker.state, worker.deadline, worker.overdue = WAITING, 150, True
    pool.start_waiting(149)
    assert calls.taken() == []
    pool.start_waiting(150)
    assert calls.taken() == [("start", "gan-0")]
    assert (worker.state, worker.deadline, worker.overdue) == (STARTING, 157, False)


def test_a_start_that_the_system_refuses_is_tried_again(pool: WorkerPool, calls: Calls) -> None:
    worker = pool["gan-0"]
    worker.state, worker.deadline, calls.broken = WAITING, 0, True
    pool.start_waiting(0)
    assert (worker.state, worker.failures) == (WAITING, 1)
    calls.broken = False
    pool.start_waiting(time.monotonic())
    assert worker.state is STARTING


def test_waiting_ends_at_the_next_deadline(pool: WorkerPool, calls: Calls, tmp_path: Path) -> None:
    assert waits(pool, calls, 101, 60) == 6
    assert waits(pool, calls, 101, 2) == 2
    assert waits(pool, calls, 110, 60) == 0
    ready(pool)
    assert waits(pool, calls, 110, 60) == 60
    pool.send(pool["gan-0"], entry(tmp_path, budget_seconds=20), 110)
    calls.taken()
    assert waits(pool, calls, 111, 60) == 19
    pool["gan-0"].overdue = True
    assert waits(pool, calls, 130, 60) == 60
    pool.send(pool["gan-1"], entry(tmp_path, "other", budget_seconds=2), 131)
    calls.taken()
    assert waits(pool, calls, 131, 60) == 2
    pool["gan-1"].state = DOWN
    assert waits(pool, calls, 132, 60) == 1, "too short does no harm"
    assert waits(pool, calls, 133, 60) == 60


def test_a_worker_is_killed_once_at_its_deadline(pool: WorkerPool, calls: Calls) -> None:
    pool.kill_overdue(106.9)
    assert calls.taken() == []
    pool["gan-1"].state = WAITING
    pool["nogan-2"].state = IDLE
    pool.kill_overdue(107)
    pool.kill_overdue(108)
    assert calls.taken() == [("kill", "tts-0"), ("kill", "gan-0")]
    assert [pool[name].overdue for name in NAMES] == [True, True, False, False]


def test_a_start_takes_any_time_while_something_hinders_it(pool: WorkerPool, calls: Calls) -> None:
    calls.hindrance = "no cluster"
    pool.kill_overdue(300)
    calls.hindrance = None
    pool.kill_overdue(306.9)
    assert calls.taken() == []
    pool.kill_overdue(307)
    assert calls.taken() == [("kill", name) for name in NAMES]


def test_a_worker_that_advances_is_not_hung(pool: WorkerPool, tmp_path: Path) -> None:
    worker = pool["gan-0"]
    pool.send(worker, entry(tmp_path, budget_seconds=20), 110)
    pool.advance(worker, 0.5, 125)
    assert (worker.share, worker.deadline) == (0.5, 125 + BASE_SECONDS)
    pool.advance(worker, 0.5, 200)
    assert worker.deadline == 125 + BASE_SECONDS, "it has not advanced"


def test_a_busy_worker_is_killed_at_its_budget(pool: WorkerPool, calls: Calls, tmp_path: Path) -> None:
    ready(pool)
    pool.send(pool["gan-0"], entry(tmp_path, budget_seconds=20), 110)
    calls.taken()
    pool.kill_overdue(129)
    assert calls.taken() == []
    pool.kill_overdue(130)
    assert calls.taken() == [("kill", "gan-0")]


def test_items_are_sent_under_new_numbers(pool: WorkerPool, calls: Calls, tmp_path: Path) -> None:
    ready(pool)
    one, two = entry(tmp_path, "one"), entry(tmp_path, "two")
    pool.send(pool["gan-0"], one, 110)
    pool.send(pool["gan-1"], two, 110)
    assert calls.taken() == [("send", "gan-0", 1, one.item), ("send", "gan-1", 2, two.item)]
    assert isinstance(one.item, TtsItem)
    assert [pool[name].task for name in ("gan-0", "gan-1")] == [1, 2]
    assert pool.held == [one, two]
    assert [worker.spec.name for worker in pool.idle("lipsync")] == ["nogan-2"]
    assert pool.free(pool["gan-0"]) is one
    assert pool.held == [two]
    assert pool.states["gan-0"] is IDLE
    assert pool.free(pool["gan-0"]) is None


def test_only_the_workers_of_a_cancelled_job_are_killed(pool: WorkerPool, calls: Calls, tmp_path: Path) -> None:
    ready(pool)
    one, two = entry(tmp_path, "one"), entry(tmp_path, "two")
    pool.send(pool["gan-0"], one, 110)
    pool.send(pool["gan-1"], two, 110)
    calls.taken()
    pool.kill_holders(two.flow)
    assert calls.taken() == [("kill", "gan-1")]


def test_a_ready_worker_is_idle_and_its_failures_are_forgotten(pool: WorkerPool) -> None:
    pool["gan-0"].failures = 3
    ready(pool)
    assert set(pool.states.values()) == {IDLE}
    assert pool.pids == {"tts-0": 10, "gan-0": 11, "gan-1": 12, "nogan-2": 13}
    assert pool["gan-0"].failures == 0
    pool.ready(Ready("gan-1", "cpu", 11, "10.0.0.7"))
    assert pool.nodes == {"tts-0": None, "gan-0": None, "gan-1": "10.0.0.7", "nogan-2": None}
    pool.schedule_restart(pool["gan-1"])
    assert pool.nodes["gan-1"] is None


def test_a_role_is_served_by_a_worker_that_is_up(pool: WorkerPool, tmp_path: Path) -> None:
    assert not pool.serves_every_role()
    pool.ready(Ready("tts-0", "cpu", 1))
    assert not pool.serves_every_role()
    pool.ready(Ready("gan-0", "cpu", 1))
    assert pool.serves_every_role()
    pool.send(pool["gan-0"], entry(tmp_path), 110)
    assert pool.serves_every_role()
    pool["gan-0"].state = DOWN
    assert not pool.serves_every_role()


def test_workers_are_found_by_role_and_model_unless_they_are_down(pool: WorkerPool) -> None:
    pool["gan-1"].state = DOWN
    assert [worker.spec.name for worker in pool.serving("lipsync")] == ["gan-0", "nogan-2"]
    assert [worker.spec.name for worker in pool.serving("lipsync", "nogan")] == ["nogan-2"]
    assert pool.serving("tts", "gan") == []
    assert pool.idle("lipsync") == []


def test_an_unusable_configuration_is_raised_and_other_failed_starts_are_not(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.boot_failed("tts-0", ErrorReport("boot", "no voice", traceback="Traceback: it"))
    assert "tts-0 failed to start: no voice\nTraceback: it" in caplog.text
    with pytest.raises(ConfigError, match="no file") as caught:
        pool.boot_failed("tts-0", ErrorReport("key", "no file", field="models.gan", hint="copy it", fatal=True))
    assert (caught.value.code, caught.value.field, caught.value.hint) == ("key", "models.gan", "copy it")
    assert "no file" not in caplog.text, "it is reported once, when the program ends"


def test_the_error_of_a_dead_worker_names_the_cause(pool: WorkerPool) -> None:
    died = pool.died(Died("gan-0", -9))
    assert (died.code, died.stage, died.retryable) == ("worker_died", "lipsync", True)
    assert died.message == "worker gan-0 exited with code -9"
    pool["gan-0"].overdue = True
    late = pool.died(Died("gan-0", -9))
    assert (late.code, late.stage, late.retryable) == ("timeout", "lipsync", True)
    assert late.message == "worker gan-0 exceeded its deadline and was killed"
    assert late.hint == "is the machine overloaded? resubmit the job"
    lost = pool.died(Died("nogan-2", None, is_lost=True))
    assert (lost.code, lost.stage, lost.retryable) == ("cluster_lost", "lipsync", True)
    assert [(end.worker, end.reason) for end in pool.take_exits()] == [
        ("gan-0", "start"),
        ("gan-0", "deadline"),
        ("nogan-2", "lost"),
    ]


def test_an_exit_has_a_reason_and_is_logged_with_what_was_being_done(
    pool: WorkerPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(ContextFilter())
    caplog.set_level("INFO")
    ready(pool)
    one, two = entry(tmp_path, "one"), entry(tmp_path, "two")
    pool.send(pool["gan-0"], one, 110)
    pool.send(pool["gan-1"], two, 110)
    pool.send(pool["nogan-2"], two, 110)
    pool.kill_holders(two.flow)
    pool["nogan-2"].overdue = True
    caplog.clear()
    for name in NAMES:
        pool.died(Died(name, -9))
    assert [(end.worker, end.reason) for end in pool.take_exits()] == [
        ("tts-0", "crash"),
        ("gan-0", "crash"),
        ("gan-1", "cancel"),
        ("nogan-2", "deadline"),
    ]
    about = [record.context for record in caplog.records]  # type: ignore[attr-defined]
    assert about == [
        LogContext(job=None, stage="tts", worker="tts-0"),
        LogContext(job="one", stage="lipsync", worker="gan-0"),
        LogContext(job="two", stage="lipsync", worker="gan-1"),
        LogContext(job="two", stage="lipsync", worker="nogan-2"),
    ]


def test_a_pool_shrinks_by_those_that_are_not_up_and_waits_for_busy_ones(pool: WorkerPool, tmp_path: Path) -> None:
    ready(pool)
    for name in NAMES:
        pool[name].node = "a"
    pool["gan-0"].state = WAITING
    specs = [worker.spec for name in NAMES if (worker := pool[name])]
    assert pool.resize(specs[:3], {"a"})
    assert sorted(pool.states) == ["gan-1", "nogan-2", "tts-0"]
    pool.send(pool["gan-1"], entry(tmp_path, "one"), 110)
    pool.send(pool["nogan-2"], entry(tmp_path, "two"), 110)
    assert not pool.resize(specs[:2], {"a"})
    pool.free(pool["nogan-2"])
    assert pool.resize(specs[:2], {"a"})
    assert [worker.spec.name for worker in pool.serving("lipsync")] == ["gan-1"]


def test_restarts_pause_longer_each_time_and_end(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    worker, pauses = pool["gan-0"], []
    worker.pid = 5
    for failures in range(1, 6):
        pool.schedule_restart(worker)
        assert (worker.state, worker.failures) == (WAITING, failures)
        pauses.append(worker.deadline - 1000)
    assert pauses == [0, 1, 2, 4, 8]
    assert pool.pids["gan-0"] is None
    pool.schedule_restart(worker)
    assert worker.state is DOWN
    worker.failures = 0
    monkeypatch.setattr(worker_pool, "BACKOFF_LAST_SECONDS", 3.0)
    for _ in range(4):
        pool.schedule_restart(worker)
    assert worker.deadline == 1003


def test_the_last_worker_of_a_role_that_cannot_start_ends_the_program(pool: WorkerPool) -> None:
    for name in ("gan-0", "gan-1", "nogan-2"):
        pool[name].failures = 5
    pool.schedule_restart(pool["gan-0"])
    pool.schedule_restart(pool["gan-1"])
    with pytest.raises(BootError, match="no lipsync worker can be started") as caught:
        pool.schedule_restart(pool["nogan-2"])
    assert caught.value.code == "no_worker"


def test_workers_that_repeatedly_failed_to_start_are_listed(pool: WorkerPool) -> None:
    ready(pool)
    pool.schedule_restart(pool["gan-0"])
    assert pool.failing == []
    pool.schedule_restart(pool["gan-0"])
    assert pool.failing == ["gan-0 is waiting to restart"]


def test_closing_stops_everything(pool: WorkerPool, calls: Calls, tmp_path: Path) -> None:
    ready(pool)
    pool.send(pool["gan-0"], entry(tmp_path), 110)
    calls.taken()
    pool.close()
    assert calls.taken() == [("close", "gan-0")]
    assert pool.held == []
    assert set(pool.states.values()) == {DOWN}
    assert set(pool.pids.values()) == {None}
