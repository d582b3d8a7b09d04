"""The scheduler's decisions, event by event: retries, losses, cancelling, a full disk, the choice of a worker."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.scheduling import stages
from daemon.scheduling.budgets import Allowances
from daemon.scheduling.flow import Flow
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.progress import CUT, RENDERED, SPOKEN, Progress
from daemon.scheduling.scheduler import FULL_DISK_SECONDS, LOSSES_MAX, JobDone, JobFailed, Outcome, Scheduler
from daemon.scheduling.worker_pool import WorkerState
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.errors import DISK_FULL, ConfigError, ErrorReport
from pipeline.messages import (
    Advanced,
    Chunk,
    Died,
    Failed,
    Finished,
    Item,
    MergeItem,
    PackItem,
    Ready,
    Segment,
    SoundItem,
    SplitItem,
    TtsItem,
    Yielded,
)
from tests import faults
from tests.cheap_daemon import cheap_specs
from tests.faults import CHUNKS
from tests.recording_executor import RecordingExecutor, flow, settle

CONFIG = Config()
SPEC = cheap_specs(CONFIG)[0]
ATTEMPTS = CONFIG.limits.attempts
GLITCH = ErrorReport("service", "no answer", stage="tts", retryable=True)
RENDERERS = ("gan-0", "nogan-1")


def speak(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Complete the tts item of a job."""
    item = executor.held["tts-0"].item
    assert isinstance(item, TtsItem)
    executor.complete("tts-0", *faults.CheapTts(SPEC).process(item))
    settle(scheduler)


def cut(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Complete the items of a job up to its chunks."""
    speak(scheduler, executor)
    split(scheduler, executor)


def split(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Complete the split item of a job."""
    item = executor.held["split-0"].item
    assert isinstance(item, SplitItem)
    executor.complete("split-0", *faults.CheapSplit(SPEC).process(item))
    settle(scheduler)
    if isinstance(sound := executor.held["merge-0"].item, SoundItem):
        executor.complete("merge-0", faults.encoded(sound))
        settle(scheduler)


def rendered(item: Item) -> Segment:
    assert isinstance(item, Chunk)
    [segment] = faults.CheapLipSync(SPEC).process(item)
    return segment


def render(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Complete all chunks of a job."""
    while any(isinstance(task.item, Chunk) for task in executor.held.values()):
        for name in RENDERERS:
            if name in executor.held:
                executor.complete(name, rendered(executor.held[name].item))
        settle(scheduler)


def merge(executor: RecordingExecutor) -> None:
    item = executor.held["merge-0"].item
    assert isinstance(item, MergeItem)
    executor.complete("merge-0", *faults.CheapMerge(SPEC).process(item))


def the_failure(outcomes: list[Outcome]) -> JobFailed:
    [failed] = outcomes
    assert isinstance(failed, JobFailed)
    return failed


def test_the_step_of_a_job_is_the_role_that_works_on_it(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    scheduler.add(flow(tmp_path, "next"))
    assert scheduler.jobs == {"job": "queued", "next": "queued"}
    settle(scheduler)
    assert scheduler.jobs == {"job": "tts", "next": "queued"}
    cut(scheduler, executor)
    assert scheduler.jobs == {"job": "lipsync", "next": "tts"}
    render(scheduler, executor)
    assert scheduler.jobs["job"] == "merge"
    merge(executor)
    [done] = settle(scheduler)
    assert isinstance(done, JobDone)
    assert (done.flow.name, done.attempts) == ("job", 1)
    assert scheduler.jobs == {"next": "tts"}


def test_a_job_that_waits_for_a_worker_between_two_steps_is_in_the_former(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    for name in ("job", "next"):
        scheduler.add(flow(tmp_path, name))
    settle(scheduler)
    speak(scheduler, executor)
    speak(scheduler, executor)
    assert isinstance(executor.held["split-0"].item, SplitItem)
    assert scheduler.jobs == {"job": "split", "next": "tts"}


def test_the_progress_of_a_job_grows_with_its_chunks_and_within_them(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    assert scheduler.progress == {"job": Progress(0.0, None)}
    before = time.monotonic()
    settle(scheduler)
    began = scheduler.progress["job"].began_seconds
    assert began is not None
    assert before <= began <= time.monotonic()
    speak(scheduler, executor)
    assert scheduler.progress == {"job": Progress(SPOKEN, began)}
    item = executor.held["split-0"].item
    assert isinstance(item, SplitItem)
    executor.complete("split-0", *faults.CheapSplit(SPEC).process(item))
    settle(scheduler)
    assert scheduler.progress == {"job": Progress(CUT, began, 0, CHUNKS)}
    [first, second] = (executor.held[name] for name in RENDERERS)
    executor.report(Advanced(RENDERERS[0], first.id, 0.5), Advanced(RENDERERS[1], second.id - 1, 0.9))  # one is stale
    settle(scheduler)
    assert scheduler.progress["job"].share == round(CUT + (RENDERED - CUT) * 0.5 / CHUNKS, 3)
    executor.complete(RENDERERS[0], rendered(first.item))
    settle(scheduler)
    assert scheduler.progress["job"].share == pytest.approx(CUT + (RENDERED - CUT) / CHUNKS, abs=0.001)
    while len(held := [name for name in RENDERERS if name in executor.held]) > 1 or len(executor.log) < 2 + CHUNKS:
        executor.complete(held[0], rendered(executor.held[held[0]].item))
        settle(scheduler)
    last = executor.held[held[0]]
    executor.report(Advanced(held[0], last.id, 0.9), Yielded(held[0], last.id, rendered(last.item)))  # not yet finished
    settle(scheduler)
    assert scheduler.progress["job"].share == RENDERED
    executor.report(Finished(held[0], last.id))
    del executor.held[held[0]]
    settle(scheduler)
    found = scheduler.progress["job"]
    assert (found.share, found.began_seconds, found.chunks_done, found.chunks) == (RENDERED, began, CHUNKS, CHUNKS)


def test_a_text_is_spoken_as_the_job_asks(tmp_path: Path) -> None:
    job = flow(tmp_path, voice="espeak:ru", speed=1.5, language="en")
    assert job.begin() == [TtsItem("job", job.folder, "hello", "en", "espeak:ru", 1.5, "presenter")]


def test_speech_is_cut_as_the_job_asks(tmp_path: Path) -> None:
    job = flow(tmp_path, model="nogan", size="64x128", avatar="host", fps=50, mode="parallel", articulation=0.7)
    [speech] = faults.CheapTts(SPEC).process(TtsItem(job.name, job.folder, "hello", "en", None, 1.0))
    asked = SplitItem("job", speech, 50, "parallel", "nogan", "host", (64, 128), articulation=0.7)
    assert job.accept(speech) == [asked]


def test_a_job_that_is_not_streamed_has_no_results_of_packing(tmp_path: Path) -> None:
    job = flow(tmp_path)
    [speech] = faults.CheapTts(SPEC).process(TtsItem(job.name, job.folder, "hello", "en", None, 1.0))
    [split] = job.accept(speech)
    assert isinstance(split, SplitItem)
    chunk = next(faults.CheapSplit(SPEC).process(split))
    assert not job.has_results(PackItem(job.name, job.folder, rendered(chunk), None, is_last=True))


def test_an_outcome_is_returned_without_waiting(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.step(0.25)
    assert executor.patience_seconds[-1] == 0.25
    scheduler.add(flow(tmp_path))
    scheduler.cancel("job")
    assert [outcome.flow.name for outcome in scheduler.step(0.25)] == ["job"]
    assert executor.patience_seconds[-1] == 0
    assert scheduler.step(0.25) == []


def test_an_item_is_retried_until_its_attempts_are_used_up(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    for attempt in range(1, ATTEMPTS + 1):
        outcomes = settle(scheduler)
        assert outcomes == []
        assert len(executor.log) == attempt
        executor.fail("tts-0", GLITCH)
    failed = the_failure(settle(scheduler))
    assert (failed.error, failed.attempts) == (GLITCH, ATTEMPTS)
    assert settle(scheduler) == []
    assert scheduler.jobs == {}
    assert len(executor.log) == ATTEMPTS


def test_an_error_that_is_not_retryable_loses_the_job_at_once(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    bad = replace(GLITCH, retryable=False)
    executor.fail("tts-0", bad)
    failed = the_failure(settle(scheduler))
    assert (failed.error, failed.attempts) == (bad, 1)


def test_a_full_disk_costs_no_attempts_and_pauses_all_work(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = flow(tmp_path)
    scheduler.add(job)
    settle(scheduler)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    executor.fail("tts-0", replace(GLITCH, code=DISK_FULL))
    assert settle(scheduler) == []
    assert job.journal.attempts(executor.log[0]) == 0
    assert not scheduler.has_room()
    assert len(executor.log) == 1
    monkeypatch.setattr(time, "monotonic", lambda: now + FULL_DISK_SECONDS - 0.1)
    assert not scheduler.has_room()
    monkeypatch.setattr(time, "monotonic", lambda: now + FULL_DISK_SECONDS)
    assert scheduler.has_room()
    settle(scheduler)
    assert len(executor.log) == 2
    assert job.journal.attempts(executor.log[0]) == 1


def test_a_worker_that_is_lost_with_its_cluster_costs_no_attempt(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    job = flow(tmp_path)
    scheduler.add(job)
    for _ in range(ATTEMPTS + 2):
        settle(scheduler)
        executor.held.clear()
        executor.report(Died("tts-0", None, is_lost=True))
    assert settle(scheduler) == []
    assert executor.log == [executor.log[0]] * (ATTEMPTS + 3)
    assert job.journal.attempts(executor.log[0]) == 1, "the one that runs"


def test_without_room_nothing_is_sent(executor: RecordingExecutor, tmp_path: Path) -> None:
    room = False
    scheduler = Scheduler(executor, CONFIG, cheap_specs(CONFIG), disk_has_room=lambda: room)
    settle(scheduler)
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    assert executor.log == []
    room = True
    settle(scheduler)
    assert len(executor.log) == 1
    for _ in range(ATTEMPTS):  # these do not count
        room = False
        executor.fail("tts-0", GLITCH)
        assert settle(scheduler) == []
        assert executor.held == {}
        room = True
        settle(scheduler)
    assert executor.held["tts-0"].item.job == "job"


def test_cancelling_kills_the_workers_of_that_job_only(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    scheduler.add(flow(tmp_path, "other"))
    cut(scheduler, executor)
    scheduler.cancel("job")
    assert executor.killed == ["gan-0", "nogan-1"]
    scheduler.cancel("job")
    assert executor.killed == ["gan-0", "nogan-1"]
    assert settle(scheduler) == []
    for name in executor.killed:
        executor.die(name)
    failed = the_failure(settle(scheduler))
    assert (failed.flow.name, failed.attempts) == ("job", 1)
    assert (failed.error.code, failed.error.stage) == ("cancelled", "lipsync")
    assert failed.error.message == "the job was cancelled"
    assert failed.error.hint == "run it again with: lipdrop retry job"
    assert scheduler.jobs == {"other": "tts"}
    assert len([item for item in executor.log if isinstance(item, Chunk)]) == 2


def test_a_waiting_job_is_cancelled_at_once(scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path) -> None:
    scheduler.add(flow(tmp_path))
    scheduler.cancel("job")
    failed = the_failure(settle(scheduler))
    assert (failed.error.code, failed.error.stage) == ("cancelled", "queued")
    assert executor.log == []


def test_results_for_a_lost_job_are_ignored(scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    cut(scheduler, executor)
    executor.fail("gan-0", replace(GLITCH, retryable=False, code="no_face"))
    assert settle(scheduler) == []
    executor.complete("nogan-1", rendered(executor.held["nogan-1"].item))
    failed = the_failure(settle(scheduler))
    assert failed.error.code == "no_face"
    assert failed.flow.segments == {}
    assert len([item for item in executor.log if isinstance(item, Chunk)]) == 2


def test_the_first_error_of_a_job_counts(scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    cut(scheduler, executor)
    executor.fail("gan-0", replace(GLITCH, retryable=False, code="first"))
    settle(scheduler)
    executor.fail("nogan-1", replace(GLITCH, retryable=False, code="second"))
    assert the_failure(settle(scheduler)).error.code == "first"


def test_the_result_of_an_earlier_task_is_ignored(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    job = flow(tmp_path)
    scheduler.add(job)
    settle(scheduler)
    item = executor.held["tts-0"].item
    assert isinstance(item, TtsItem)
    [speech] = faults.CheapTts(SPEC).process(item)
    executor.report(Yielded("tts-0", executor.held["tts-0"].id + 1, speech), Yielded("split-0", 0, speech))
    settle(scheduler)
    assert job.speech is None


def test_a_worker_that_dies_after_its_results_costs_no_retry(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    job = flow(tmp_path)
    scheduler.add(job)
    settle(scheduler)
    item = executor.held["tts-0"].item
    assert isinstance(item, TtsItem)
    executor.report(*(Yielded("tts-0", executor.held["tts-0"].id, it) for it in faults.CheapTts(SPEC).process(item)))
    executor.die("tts-0")
    assert settle(scheduler) == []
    assert [type(sent) for sent in executor.log] == [TtsItem, SplitItem]
    assert scheduler.workers["tts-0"] is WorkerState.IDLE


def test_a_dead_workers_item_goes_to_another_worker(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path, num_workers=1))
    settle(scheduler)
    cut(scheduler, executor)
    [name] = executor.held
    item = executor.held[name].item
    executor.die(name)
    settle(scheduler)
    [again] = executor.held.values()
    assert again.item == item
    assert executor.log.count(item) == 2
    executor.die(next(iter(executor.held)))
    settle(scheduler)
    executor.die(next(iter(executor.held)))
    failed = the_failure(settle(scheduler))
    assert (failed.error.code, failed.error.stage, failed.attempts) == ("worker_died", "lipsync", ATTEMPTS)


def test_a_failed_start_stops_the_program_if_the_configuration_is_at_fault(
    scheduler: Scheduler, executor: RecordingExecutor
) -> None:
    executor.report(Failed("gan-0", None, ErrorReport("key", "no file", field="models.gan", fatal=True)))
    with pytest.raises(ConfigError, match="no file"):
        settle(scheduler)


def test_num_workers_limits_the_chunks_of_a_job_at_once(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path, num_workers=1))
    settle(scheduler)
    cut(scheduler, executor)
    assert list(executor.held) == ["gan-0"]


def test_all_workers_render_a_job_without_a_limit(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    cut(scheduler, executor)
    assert sorted(executor.held) == ["gan-0", "nogan-1"]


def make_unlike(scheduler: Scheduler, executor: RecordingExecutor) -> None:
    """Put the two lip-sync workers on machines of different kinds."""
    settle(scheduler)
    executor.report(*(Ready(name, "cpu", 1, f"node-{name}", f"kind of {name}") for name in ("gan-0", "nogan-1")))
    settle(scheduler)


def test_all_chunks_of_a_job_are_rendered_by_workers_of_one_kind(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_unlike(scheduler, executor)
    job = flow(tmp_path)
    scheduler.add(job)
    settle(scheduler)
    cut(scheduler, executor)
    assert list(executor.held) == ["gan-0"]
    assert [run.node for run in job.journal.history.runs if run.stage != "sound"] == [None, None, "node-gan-0"]
    assert "no worker of the kind" not in caplog.text
    executor.die("gan-0")
    settle(scheduler)
    assert list(executor.held) == ["nogan-1"], "nobody of that kind is left"
    assert "job job: no worker of the kind that began it is left" in caplog.text


def test_the_next_daemon_renders_with_workers_of_the_same_kind(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for those that still start."""
    make_unlike(scheduler, executor)
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    cut(scheduler, executor)
    assert list(executor.held) == ["gan-0"]
    later = RecordingExecutor()
    monkeypatch.setattr(later, "start", lambda spec: None)
    successor = Scheduler(later, CONFIG, cheap_specs(CONFIG))
    successor.add(flow(tmp_path))
    settle(successor)
    later.report(Ready("nogan-1", "cpu", 1, "node-nogan-1", "kind of nogan-1"))
    settle(successor)
    assert list(later.held) == []
    later.report(Ready("gan-0", "cpu", 1, "node-gan-0", "kind of gan-0"))
    settle(successor)
    assert list(later.held) == ["gan-0"]


def test_health_knows_what_each_worker_does(scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path) -> None:
    make_unlike(scheduler, executor)
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    assert {name: (item.job, stages.step(item)) for name, item in scheduler.items.items()} == {"tts-0": ("job", "tts")}
    assert scheduler.devices["gan-0"] == "cpu"
    executor.die("gan-0")
    settle(scheduler)
    assert scheduler.devices["gan-0"] == SPEC.device, "it is up again"


def test_an_item_that_loses_its_node_again_and_again_costs_attempts(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    settle(scheduler)
    job = flow(tmp_path)
    scheduler.add(job)
    outcomes: list[Outcome] = []
    losses = 0
    while not outcomes:
        settle(scheduler)
        del executor.held["tts-0"]
        executor.report(Died("tts-0", None, is_lost=True))
        losses += 1
        outcomes = settle(scheduler)
    assert losses == LOSSES_MAX + ATTEMPTS
    [failed] = outcomes
    assert isinstance(failed, JobFailed)
    assert (failed.error.code, failed.attempts) == ("cluster_lost", ATTEMPTS)
    assert scheduler.workers["tts-0"] is not WorkerState.DOWN, "it did not fail to start"


def test_in_a_mixed_job_a_worker_of_the_other_model_renders_if_only_it_is_of_the_kind(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    make_unlike(scheduler, executor)
    job = flow(tmp_path)
    first, *others = chunks(job, mixed=True)
    for chunk in (first, *(replace(other, model="nogan") for other in others)):
        job.accept(chunk)
    scheduler.add(replace_journal(job, Journal(job.folder, "fingerprint", 0.0)))
    settle(scheduler)
    assert renderers(executor) == ["gan-0"]
    executor.complete("gan-0", *faults.CheapLipSync(SPEC).process(first))
    settle(scheduler)
    assert renderers(executor) == ["gan-0"]


def renderers(executor: RecordingExecutor) -> list[str]:
    """The workers that render."""
    return [name for name, task in executor.held.items() if isinstance(task.item, Chunk)]


def chunks(job: Flow, **changes: object) -> list[Chunk]:
    [speech] = faults.CheapTts(SPEC).process(TtsItem(job.name, job.folder, "hello", "en", None, 1.0))
    [split] = [item for item in job.accept(speech) if isinstance(item, SplitItem)]
    return [replace(chunk, **changes) for chunk in faults.CheapSplit(SPEC).process(split)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "workers"),
    [
        ({"model": "nogan"}, ["nogan-1", "gan-0"]),
        ({"model": "nogan", "mixed": True}, ["nogan-1"]),
        ({"model": "other", "mixed": True}, ["gan-0", "nogan-1"]),
    ],
)
def test_a_chunk_prefers_a_worker_of_its_model_and_in_a_mixed_job_needs_one(
    changes: dict[str, object], workers: list[str], scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    job = flow(tmp_path)
    for chunk in chunks(job, **changes):
        job.accept(chunk)
    continued = Journal(job.folder, "fingerprint", 0.0)
    scheduler.add(replace_journal(job, continued))
    settle(scheduler)
    assert renderers(executor) == workers


def replace_journal(job: Flow, journal: Journal) -> Flow:
    """The flow of the same job in a new daemon."""
    return make_flow(job.name, job.job, folder=job.folder, recordings={}, config=CONFIG, journal=journal)


def test_closing_takes_back_the_attempts_of_held_items(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    job = flow(tmp_path)
    scheduler.add(job)
    settle(scheduler)
    assert job.journal.attempts(executor.log[0]) == 1
    scheduler.close()
    assert job.journal.attempts(executor.log[0]) == 0
    assert Journal(job.folder, "fingerprint", 0.0).attempts(executor.log[0]) == 0
    assert executor.is_closed


def test_an_overdue_worker_is_killed(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "budget_seconds", lambda item, allowed: 0.0)
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    assert executor.killed == ["tts-0"]
    executor.die("tts-0")
    settle(scheduler)
    assert len(executor.log) == 2


def test_the_budget_of_a_job_depends_on_its_avatar(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def budget(item: Item, allowed: Allowances) -> float:
        given.append(allowed.avatar_seconds)
        return 60.0

    monkeypatch.setattr(stages, "budget_seconds", budget)
    monkeypatch.setattr(Avatars, "is_video", lambda avatars, name: name == "film")
    scheduler.add(flow(tmp_path, "picture", avatar="presenter"))
    scheduler.add(flow(tmp_path, "video", avatar="film"))
    assert given == [0.0, CONFIG.limits.avatar_seconds]


def test_jobs_of_equal_urgency_keep_their_order(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    jobs = [flow(tmp_path, name) for name in ("first", "second", "third")]
    for job in jobs:
        job.journal._head["seen_seconds"] = 5.0
        scheduler.add(job)
    settle(scheduler)
    assert executor.held["tts-0"].item.job == "first"
    speak(scheduler, executor)
    assert executor.held["tts-0"].item.job == "second"


def test_the_chunks_of_a_job_are_rendered_in_order(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    cut(scheduler, executor)
    render(scheduler, executor)
    assert [item.index for item in executor.log if isinstance(item, Chunk)] == list(range(faults.CHUNKS))


def test_the_state_of_the_workers_can_be_read(
    scheduler: Scheduler, executor: RecordingExecutor, tmp_path: Path
) -> None:
    assert scheduler.serves_every_role()
    assert set(scheduler.pids.values()) == {1}
    scheduler.add(flow(tmp_path))
    settle(scheduler)
    assert scheduler.workers["tts-0"] is WorkerState.BUSY
    assert scheduler.failing == []
    executor.complete("tts-0")
    executor.report(Finished("merge-0", 0), Died("merge-0", 1), Ready("split-0", "cpu", 7))
    scheduler.step(0)
    assert scheduler.workers["merge-0"] is WorkerState.WAITING
    assert scheduler.pids["split-0"] == 7
    assert not scheduler.serves_every_role()
