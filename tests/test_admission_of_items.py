"""What the scheduler does before and when it sends an item, without workers or a clock."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling import stages
from daemon.scheduling.flow import Flow
from daemon.scheduling.scheduler import JobFailed, Scheduler
from pipeline.config import Config
from pipeline.messages import Chunk, Item, MergeItem, SoundItem, SplitItem, TtsItem
from tests import faults
from tests.cheap_daemon import cheap_specs
from tests.recording_executor import RecordingExecutor, flow, settle

CONFIG = Config()
SPEC = cheap_specs(CONFIG)[0]


def cut(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Complete the items of a job up to its chunks."""
    speech_item = executor.held["tts-0"].item
    assert isinstance(speech_item, TtsItem)
    executor.complete("tts-0", *faults.CheapTts(SPEC).process(speech_item))
    settle(scheduler)
    split_item = executor.held["split-0"].item
    assert isinstance(split_item, SplitItem)
    executor.complete("split-0", *faults.CheapSplit(SPEC).process(split_item))
    settle(scheduler)


def test_the_start_of_an_item_is_synced_to_the_journal_before_it_is_sent(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item may crash the machine, so its attempt must already be on disk."""
    job, fsync = flow(tmp_path), os.fsync
    scheduler.add(job)

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        record = json.loads(Path(path).read_bytes().rpartition(b"\n")[2])
        executor.log.append((path, record["begun"], record["run"]["worker"]))

    monkeypatch.setattr(os, "fsync", recorded)
    settle(scheduler)
    [synced, sent] = executor.log
    assert synced == (str(job.folder / "journal"), "TtsItem 0", "tts-0")
    assert isinstance(sent, TtsItem)


def test_an_item_whose_start_cannot_be_synced_is_not_sent(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    scheduler.add(flow(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        settle(scheduler)
    assert executor.log == []
    settle(scheduler)
    assert [type(item) for item in executor.log] == [TtsItem]


def crashed(tmp_path: Path, names: list[str], items: Callable[[Flow], list[Item]]) -> list[Flow]:
    """Flows of jobs that had `items` running when the daemon died."""
    for name in names:
        before = flow(tmp_path, name)
        before.begin()
        for item in items(before):
            before.journal.begin(item, "gan-0")
    return [flow(tmp_path, name) for name in names]


def chunks_of(job: Flow) -> list[Item]:
    """Bring a flow up to its chunks; all of them are running, and the sound is encoded."""
    [speech] = faults.CheapTts(SPEC).process(TtsItem(job.name, job.folder, "hello", "en", None, 1.0))
    [split] = job.accept(speech)
    assert isinstance(split, SplitItem)
    return [item for chunk in faults.CheapSplit(SPEC).process(split) for item in job.accept(chunk)]


def test_items_that_ran_during_a_crash_run_one_at_a_time(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    """Otherwise the item that kills the daemon would use up the attempts of the others."""
    [job] = crashed(tmp_path, ["job"], chunks_of)
    scheduler.add(job)
    for count in range(1, faults.CHUNKS + 2):
        settle(scheduler)
        assert len(executor.log) == count
        [worker] = executor.held
        item = executor.held[worker].item
        assert isinstance(item, (Chunk, SoundItem))
        stage: Any = faults.CheapLipSync(SPEC) if isinstance(item, Chunk) else faults.CheapMerge(SPEC)
        executor.complete(worker, *stage.process(item))
    settle(scheduler)
    assert list(executor.held) == ["merge-0"]
    assert isinstance(executor.held["merge-0"].item, MergeItem)


def test_other_items_run_alongside_one_that_ran_during_a_crash(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    [suspect] = crashed(tmp_path, ["suspect"], chunks_of)
    scheduler.add(suspect)
    scheduler.add(flow(tmp_path, "new"))
    settle(scheduler)
    assert {(item.job, type(item)) for item in executor.log} == {("suspect", Chunk), ("new", TtsItem)}
    cut(scheduler, executor)
    held = {(task.item.job, type(task.item)) for task in executor.held.values()}
    assert held == {("suspect", Chunk), ("new", Chunk), ("new", SoundItem)}


def first_items(job: Flow) -> list[Item]:
    return job.begin()


def test_a_job_during_which_the_daemon_died_three_times_fails_without_a_fourth_attempt(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    for attempts in range(1, CONFIG.limits.attempts + 1):
        [job] = crashed(tmp_path, ["poison"], first_items)
        assert job.journal.most_attempts == attempts
    scheduler.add(job)
    [failed] = settle(scheduler)
    assert isinstance(failed, JobFailed)
    assert (failed.error.code, failed.error.stage, failed.attempts) == ("daemon_died", "tts", 3)
    assert failed.error.message == "the daemon died each time it ran this job"
    assert failed.error.hint == "see the log for the cause"
    assert executor.log == []


def test_a_job_during_which_the_daemon_died_twice_runs_again(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    for _ in range(CONFIG.limits.attempts - 1):
        [job] = crashed(tmp_path, ["job"], first_items)
    scheduler.add(job)
    assert settle(scheduler) == []
    assert [type(item) for item in executor.log] == [TtsItem]


def test_budgets_are_computed_once_per_item_when_it_enters_the_backlog(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[Any] = []

    def counted(item: Item, _: object) -> float:
        computed.append(type(item))
        return 60.0

    monkeypatch.setattr(stages, "budget_seconds", counted)
    for name in ("one", "two", "three"):
        scheduler.add(flow(tmp_path, name))
    assert computed == [TtsItem] * 3
    settle(scheduler)
    settle(scheduler)
    assert len(executor.log) == 1
    assert computed == [TtsItem] * 3
