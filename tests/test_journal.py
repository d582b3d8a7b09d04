"""The journal: what is begun and what is finished, across the death of its writer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from daemon.scheduling import journal as journal_module
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal, fingerprint
from pipeline.config import Config, VideoSettings
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.messages import Chunk, Item, MergeItem, SplitItem, TtsItem
from tests import faults

STAGES = {TtsItem: "CountedTts", SplitItem: "CountedSplit", Chunk: "CountedLipSync", MergeItem: "CountedMerge"}
SPEC = WorkerSpec("gan-0", "lipsync", "", Config())


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "spool" / "work" / "job"
    folder.mkdir(parents=True)
    return folder


def opened(work: Path, mark: str = "one") -> Journal:
    return Journal(work, mark, time.monotonic())


def flow(work: Path, mark: str = "one") -> JobFlow:
    return JobFlow("job", Job(text="3 hello"), work, None, Config(), opened(work, mark))


def run(flow: JobFlow, items: list[Item], steps: int = 6) -> list[Item]:
    """Run so many items, or all there are; returns those that are left."""
    while items and steps > 0:
        item, *items = items
        steps -= 1
        for result in getattr(faults, STAGES[type(item)])(SPEC).process(item):
            items += flow.accept(result)
    return items


@pytest.mark.parametrize("steps", range(7))
def test_a_flow_begins_where_its_journal_ends(steps: int, work: Path) -> None:
    """Tts, split, three chunks, merge: after any number of them a new flow asks for the rest, no more."""
    before = flow(work)
    left = run(before, before.begin(), steps)
    after = flow(work)
    assert after.begin() == left
    assert (after.speech, after.segments, after.video) == (before.speech, before.segments, before.video)
    assert run(after, left) == []
    assert after.video is not None


def test_a_split_that_is_cut_off_is_done_anew(work: Path) -> None:
    first = flow(work)
    [split] = run(first, first.begin(), 1)
    assert isinstance(split, SplitItem)
    chunk = next(iter(faults.CountedSplit(SPEC).process(split)))
    assert first.accept(chunk) == []
    assert flow(work).begin() == [split]


@pytest.mark.parametrize("gone", ["speech.wav", "chunk-0"])
def test_results_end_with_the_first_whose_file_is_not_whole(gone: str, work: Path) -> None:
    first = flow(work)
    run(first, first.begin(), 4)
    (work / gone).write_bytes(b"")
    kinds = [type(item) for item in flow(work).begin()]
    assert kinds == {"speech.wav": [TtsItem], "chunk-0": [Chunk, Chunk, Chunk]}[gone]


def test_another_fingerprint_begins_anew(work: Path) -> None:
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0])
    run(first, items, 2)
    other = flow(work, "two")
    assert [type(item) for item in other.begin()] == [TtsItem]
    assert other.journal.attempts(items[0]) == 0


def test_after_a_boot_attempts_count_and_results_do_not(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0])
    run(first, items, 2)
    monkeypatch.setattr(journal_module, "_boot_id", lambda: "another boot")
    other = flow(work)
    assert other.begin() == items
    assert other.journal.attempts(items[0]) == 1


def test_attempts_outlive_their_writer(work: Path) -> None:
    [item] = flow(work).begin()
    opened(work).begin(item)
    opened(work).begin(item)
    opened(work).release(item)
    assert opened(work).attempts(item) == 1
    assert opened(work).most_attempts == 1


def test_half_a_line_costs_nothing_but_itself(work: Path) -> None:
    first = flow(work)
    [item] = first.begin()
    first.journal.begin(item)
    with (work / "journal").open("ab") as file:
        file.write(b'\n{"begun": "Tt')
    first.journal.begin(item)
    assert opened(work).attempts(item) == 2


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"\xff", b'{"fingerprint": "one"}', b'\n{"kind": 1}'])
def test_a_journal_that_is_none_is_begun_anew(content: bytes, work: Path) -> None:
    (work / "journal").write_bytes(content)
    assert opened(work).results == []
    assert json.loads((work / "journal").read_bytes())["fingerprint"] == "one"


def test_a_job_is_first_seen_by_the_daemon_that_died(work: Path) -> None:
    seen = opened(work).seen_seconds
    assert opened(work).seen_seconds == seen


def test_the_fingerprint_is_of_all_that_a_video_depends_on(tmp_path: Path) -> None:
    avatar = tmp_path / "avatars" / "mine"
    avatar.mkdir(parents=True)
    (avatar / "picture.png").write_bytes(b"1")
    config = Config(base=tmp_path)
    marks = [
        fingerprint(b"job", config, "mine", None),
        fingerprint(b"other job", config, "mine", None),
        fingerprint(b"job", config, "presenter", None),
        fingerprint(b"job", Config(base=tmp_path, video=VideoSettings(crf=30)), "mine", None),
    ]
    marks.append(fingerprint(b"job", config, "mine", avatar / "picture.png"))
    (avatar / "picture.png").write_bytes(b"22")
    marks.append(fingerprint(b"job", config, "mine", avatar / "picture.png"))
    marks.append(fingerprint(b"job", config, "mine", None))
    assert len(set(marks)) == len(marks)
    assert fingerprint(b"job", config, "mine", None) == marks[-1]
