"""The journal: attempts and results survive the death of their writer."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.scheduling import fingerprints
from daemon.scheduling import journal as journal_module
from daemon.scheduling.fingerprints import SMALL_BYTES, fingerprint, is_quick
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from pipeline.config import Config, VideoSettings
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.messages import Chunk, Fragment, Item, MergeItem, Pack, SoundItem, Soundtrack, Span, SplitItem, TtsItem
from pipeline.speech.voices import natural
from tests import faults

STAGES: dict[type[Item], str] = {
    TtsItem: "CountedTts",
    SplitItem: "CountedSplit",
    Chunk: "CountedLipSync",
    SoundItem: "CountedMerge",
    MergeItem: "CountedMerge",
}
SPEC = WorkerSpec("gan-0", "lipsync", "", Config())


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "spool" / "work" / "job"
    folder.mkdir(parents=True)
    return folder


def opened(work: Path, mark: str = "one") -> Journal:
    return Journal(work, mark, time.monotonic())


def flow(work: Path, mark: str = "one") -> JobFlow:
    return JobFlow("job", Job(text="3 hello"), work, {}, Config(), opened(work, mark))


def run(flow: JobFlow, items: list[Item], steps: int = 7) -> list[Item]:
    """Run up to `steps` items; return the remaining ones."""
    while items and steps > 0:
        item, *items = items
        steps -= 1
        for result in getattr(faults, STAGES[type(item)])(SPEC).process(item):
            items += flow.accept(result)
    return items


@pytest.mark.parametrize("steps", range(8))
def test_a_flow_begins_where_its_journal_ends(steps: int, work: Path) -> None:
    """TTS, split, three chunks, sound, merge: after any number of them, a new flow yields the remaining items."""
    before = flow(work)
    left = run(before, before.begin(), steps)
    after = flow(work)
    assert after.begin() == left
    assert (after.speech, after.segments, after.video) == (before.speech, before.segments, before.video)
    assert run(after, left) == []
    assert after.video is not None


def test_the_merge_waits_for_the_sound(work: Path) -> None:
    made = flow(work)
    *chunks, sound = run(made, made.begin(), 2)
    assert isinstance(sound, SoundItem)
    assert sound.chunks == tuple(chunks)
    assert run(made, chunks) == []
    [merge] = run(made, [sound], 1)
    assert isinstance(merge, MergeItem)
    assert merge.sound == made.sound is not None
    [soundtrack] = faults.CountedMerge(SPEC).process(sound)
    assert isinstance(soundtrack, Soundtrack)
    assert made.accept(soundtrack) == [], "a retry yielded it again"


def test_with_clips_the_sound_is_encoded_when_they_are_joined(work: Path) -> None:
    (work / "brand").mkdir()
    (work / "brand" / "intro.mp4").touch()
    config = Config.model_validate({"base": work, "brand": {"intro": "intro.mp4"}})
    made = JobFlow("job", Job(text="3 hello"), work, {}, config, opened(work))
    chunks = run(made, made.begin(), 2)
    assert {type(item) for item in chunks} == {Chunk}
    [merge] = run(made, chunks, 3)
    assert isinstance(merge, MergeItem)
    assert merge.sound is None


def test_an_interrupted_split_runs_again_from_the_start(work: Path) -> None:
    first = flow(work)
    [split] = run(first, first.begin(), 1)
    assert isinstance(split, SplitItem)
    chunk = next(iter(faults.CountedSplit(SPEC).process(split)))
    assert first.accept(chunk) == []
    assert flow(work).begin() == [split]


def test_a_split_that_runs_again_may_cut_elsewhere(work: Path) -> None:
    """For example after a restart with fewer workers: nothing of what it had cut before is left."""
    first = flow(work)
    [split] = run(first, first.begin(), 1)
    assert isinstance(split, SplitItem)
    chunks = list(faults.CountedSplit(SPEC).process(split))
    assert [item for chunk in chunks[:2] for item in first.accept(chunk)] == []
    after = flow(work)
    assert after.begin() == [split]
    whole = replace(chunks[0], count=1, stop_frame=chunks[-1].stop_frame)
    assert after.accept(whole) == [whole, SoundItem("job", work, (whole,))]
    assert flow(work).begin() == [whole, SoundItem("job", work, (whole,))]


@pytest.mark.parametrize("gone", ["speech.wav", "chunk-0"])
def test_results_are_valid_up_to_the_first_with_an_incomplete_file(gone: str, work: Path) -> None:
    first = flow(work)
    run(first, first.begin(), 4)
    (work / gone).write_bytes(b"")
    kinds = [type(item) for item in flow(work).begin()]
    assert kinds == {"speech.wav": [TtsItem], "chunk-0": [Chunk, Chunk, Chunk, SoundItem]}[gone]


def test_a_piece_of_a_stream_is_valid_only_with_all_its_fragments(work: Path) -> None:
    files = [work / name for name in ("init.mp4", "0.m4s", "1.m4s")]
    for file in files:
        file.write_bytes(b"abc")
    pack = Pack("job", 0, files[0], tuple(Fragment(file, 5) for file in files[1:]), 1.0, Span(0, 1))
    opened(work).keep(pack)
    again = opened(work)
    assert again.results == [pack]
    assert again.files == {work / "journal", *files}
    files[2].write_bytes(b"a")
    assert opened(work).results == []


def test_results_survive_any_number_of_restarts(work: Path) -> None:
    first = flow(work)
    left = run(first, first.begin(), 4)
    for _ in range(3):
        assert flow(work).begin() == left


def test_a_journal_of_another_folder_keeps_only_attempts(work: Path) -> None:
    """Its results name files of the other folder."""
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0], "gan-0")
    run(first, items, 2)
    moved = work.rename(work.with_name("moved"))
    other = flow(moved)
    assert [type(item) for item in other.begin()] == [TtsItem]
    assert other.journal.attempts(items[0]) == 1


def test_another_fingerprint_starts_a_new_journal(work: Path) -> None:
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0], "gan-0")
    run(first, items, 2)
    other = flow(work, "two")
    assert [type(item) for item in other.begin()] == [TtsItem]
    assert other.journal.attempts(items[0]) == 0


def test_after_a_reboot_only_attempts_are_kept(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0], "gan-0")
    run(first, items, 2)
    monkeypatch.setattr(journal_module, "_boot_id", lambda: "another boot")
    other = flow(work)
    assert other.begin() == items
    assert other.journal.attempts(items[0]) == 1


def test_attempts_survive_their_writer(work: Path) -> None:
    [item] = flow(work).begin()
    opened(work).begin(item, "gan-0")
    opened(work).begin(item, "gan-0")
    opened(work).release(item)
    assert opened(work).attempts(item) == 1
    assert opened(work).most_attempts == 1


def test_an_incomplete_line_does_not_damage_others(work: Path) -> None:
    first = flow(work)
    [item] = first.begin()
    first.journal.begin(item, "gan-0")
    with (work / "journal").open("ab") as file:
        file.write(b'\n{"begun": "Tt')
    first.journal.begin(item, "gan-0")
    assert opened(work).attempts(item) == 2


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b"\xff", b'{"fingerprint": "one"}', b'\n{"kind": 1}'])
def test_a_damaged_journal_is_replaced(content: bytes, work: Path) -> None:
    (work / "journal").write_bytes(content)
    assert opened(work).results == []
    assert json.loads((work / "journal").read_bytes())["fingerprint"] == "one"


def test_the_time_when_a_job_was_first_seen_is_kept(work: Path) -> None:
    seen = opened(work).seen_seconds
    assert opened(work).seen_seconds == seen


def test_the_fingerprint_covers_everything_that_a_video_depends_on(tmp_path: Path) -> None:
    avatar = tmp_path / "avatars" / "mine"
    avatar.mkdir(parents=True)
    (avatar / "picture.png").write_bytes(b"1")
    config = Config(base=tmp_path)
    marks = [
        fingerprint(b"job", config, ["mine"], []),
        fingerprint(b"other job", config, ["mine"], []),
        fingerprint(b"job", config, ["presenter"], []),
        fingerprint(b"job", Config(base=tmp_path, video=VideoSettings(crf=30)), ["mine"], []),
    ]
    marks.append(fingerprint(b"job", config, ["mine"], [avatar / "picture.png"]))
    (avatar / "picture.png").write_bytes(b"22")
    marks.append(fingerprint(b"job", config, ["mine"], [avatar / "picture.png"]))
    marks.append(fingerprint(b"job", config, ["mine"], []))
    marks.append(fingerprint(b"job", config, ["presenter", "mine"], [tmp_path / "one"]))
    (avatar / "picture.png").write_bytes(b"3")
    marks.append(fingerprint(b"job", config, ["presenter", "mine"], [tmp_path / "one"]))
    marks.append(fingerprint(b"job", config, ["presenter", "mine"], [tmp_path / "one", avatar / "picture.png"]))
    assert len(set(marks)) == len(marks)
    assert fingerprint(b"job", config, ["presenter", "mine"], [tmp_path / "one"]) == marks[-2]


def test_the_fingerprint_covers_the_certificate_and_pipers_voices(tmp_path: Path) -> None:
    sign, piper = {"certificate": "own.pem", "key": "own.key"}, {"folder": "voices"}
    (tmp_path / "voices").mkdir()
    config = Config.model_validate({"base": tmp_path, "provenance": {"sign": sign}, "tts": {"piper": piper}})
    marks = [fingerprint(b"job", config, [], [])]
    for name in ("own.pem", "voices/ru.onnx", "voices/ru.onnx.json"):
        (tmp_path / name).write_bytes(b"1")
        marks.append(fingerprint(b"job", config, [], []))
    assert len(set(marks)) == len(marks)


def test_the_fingerprint_covers_which_natural_voices_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(natural, "VOICES_FOLDER", tmp_path)
    marks = []
    for name in ("anna", "irina"):
        natural.installed.cache_clear()
        marks.append(fingerprint(b"job", Config(), [], []))
        (tmp_path / name).mkdir()
        assert fingerprint(b"job", Config(), [], []) == marks[-1], "workers keep the voices that they have"
    natural.installed.cache_clear()
    assert len(set(marks)) == 2


def test_the_fingerprint_does_not_depend_on_where_workers_run(tmp_path: Path) -> None:
    elsewhere = {
        "ray": {"address": "10.0.0.1:6379"},
        "workers": [{"model": "gan", "place": {"num_cpus": 4}}, {"model": "nogan", "count": 1}],
        **dict.fromkeys(("tts_workers", "split_workers", "merge_workers"), 3),
    }
    config = Config.model_validate({**elsewhere, "base": tmp_path})
    assert fingerprint(b"job", config, [], []) == fingerprint(b"job", Config(base=tmp_path), [], [])


@pytest.mark.parametrize("size", [9, 5_000_000])
@pytest.mark.parametrize("way", ["overwritten", "renamed", "linked"])
def test_content_of_the_same_size_and_time_is_another(size: int, way: str, tmp_path: Path) -> None:
    """Copies may preserve times, and a recording may be as long as the one before."""
    recording, target = tmp_path / "a.wav", tmp_path / "target.wav"
    target.write_bytes(bytes(size))
    os.utime(target, ns=(10**18, 10**18))
    recording.symlink_to(target) if way == "linked" else target.rename(recording)
    before = fingerprint(b"job", Config(base=tmp_path), ["mine"], [recording])
    assert fingerprint(b"job", Config(base=tmp_path), ["mine"], [recording]) == before
    other = target if way != "overwritten" else recording
    other.write_bytes(b"1" * size)
    os.utime(other, ns=(10**18, 10**18))
    if way == "renamed":
        other.rename(recording)
    assert fingerprint(b"job", Config(base=tmp_path), ["mine"], [recording]) != before


def test_what_is_no_file_in_an_avatars_folder_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "avatars" / "mine" / "folder").mkdir(parents=True)
    os.mkfifo(tmp_path / "avatars" / "mine" / "pipe")
    assert fingerprint(b"job", Config(base=tmp_path), ["mine"], [])


AROUND = (("log", {"level": "debug"}), ("metrics", {"textfile": "a.prom"}), ("hooks", {"on_done": ["true"]}))


def test_the_fingerprint_ignores_what_no_video_depends_on(tmp_path: Path) -> None:
    mark = fingerprint(b"job", Config(base=tmp_path), ["mine"], [])
    for key, value in (("limits", {"attempts": 9}), ("retention", {"days": 1}), ("spool", "elsewhere"), *AROUND):
        config = Config.model_validate({"base": tmp_path, key: value})
        assert getattr(config, key) != getattr(Config(base=tmp_path), key)
        assert fingerprint(b"job", config, ["mine"], []) == mark


def test_the_fingerprint_covers_the_version_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"gan": {"engine": "wav2lip", "checkpoint": "gan.pth"}}
    config = Config.model_validate({"base": tmp_path, "models": models})
    recording = tmp_path / "recording"

    def mark() -> str:
        return fingerprint(b"job", config, ["mine"], [recording])

    marks = [mark()]
    for file in (recording, tmp_path / "gan.pth"):
        file.write_bytes(b"")
        marks.append(mark())
    monkeypatch.setattr(fingerprints, "version", {"lipdrop": "another"}.__getitem__)
    marks.append(mark())
    assert len(set(marks)) == len(marks)


def test_the_names_of_an_avatars_files_count_too(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "mine"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    config = Config(base=tmp_path)
    mark = fingerprint(b"job", config, ["mine"], [])
    (folder / "one").rename(folder / "other")
    assert fingerprint(b"job", config, ["mine"], []) != mark


def test_an_attempt_is_counted_once_it_is_on_disk(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(work)
    [item] = flow(work).begin()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal.begin(item, "gan-0")
    assert (len(synced), journal.attempts(item)) == (1, 1)
    journal.release(item)
    assert (len(synced), journal.attempts(item)) == (1, 0)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.begin(item, "gan-0")
    assert journal.attempts(item) == 0


def test_an_attempt_is_taken_back_even_on_a_full_disk(work: Path) -> None:
    journal = opened(work)
    [item] = flow(work).begin()
    journal.begin(item, "gan-0")
    (work / "journal").unlink()
    (work / "journal").mkdir()
    journal.release(item)
    assert journal.attempts(item) == 0


def test_only_items_that_ran_when_the_daemon_died_are_suspects(work: Path) -> None:
    first = flow(work)
    items = first.begin()
    first.journal.begin(items[0], "gan-0")
    assert not first.journal.is_suspect(items[0])
    after = opened(work)
    assert after.is_suspect(items[0])
    after.release(items[0])
    assert not opened(work).is_suspect(items[0])


def test_nothing_is_kept_after_a_result_that_could_not_be_written(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = flow(work)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_append", _refused)
        items = run(first, first.begin(), 1)
    run(first, items, 1)
    assert len(first.chunks) == 3
    assert opened(work).results == []


def _refused(journal: Journal, line: dict[str, object], *, synced: bool = False) -> None:
    raise OSError(28, "No space left on device")


def test_a_journal_knows_its_files(work: Path) -> None:
    first = flow(work)
    run(first, first.begin(), 3)
    assert opened(work).files == {work / "journal", work / "speech.wav", work / "chunk-0"}


LATER_NS = 1_000_000_000


def replaced(file: Path, content: bytes) -> None:
    """Replace a file by another one of the same name and size that is a second newer."""
    mtime_ns = file.stat().st_mtime_ns
    new = file.with_name("new")
    new.write_bytes(content)
    assert new.stat().st_size == file.stat().st_size
    os.utime(new, ns=(mtime_ns + LATER_NS, mtime_ns + LATER_NS))
    new.replace(file)


@pytest.mark.parametrize(
    "name", ["gan.pth", "nogan.pth", "recording", "avatars/mine/picture.png", "avatars/mine/avatar.yaml"]
)
def test_a_file_that_is_replaced_under_its_own_name_invalidates_results(name: str, tmp_path: Path, work: Path) -> None:
    (tmp_path / "avatars" / "mine").mkdir(parents=True)
    for file in ("gan.pth", "nogan.pth", "recording", "avatars/mine/picture.png", "avatars/mine/avatar.yaml"):
        (tmp_path / file).write_bytes(b"old content")
    models = {model: {"engine": "wav2lip", "checkpoint": f"{model}.pth"} for model in ("gan", "nogan")}
    config = Config.model_validate({"base": tmp_path, "models": models})

    def mark() -> str:
        return fingerprint(b"job", config, ["mine"], [tmp_path / "recording"])

    first = flow(work, mark())
    run(first, first.begin())
    assert flow(work, mark()).begin() == []
    replaced(tmp_path / name, b"new content")
    assert [type(item) for item in flow(work, mark()).begin()] == [TtsItem]


@pytest.mark.parametrize("place", [0.0, 0.37, 0.99])
def test_one_byte_of_a_large_recording_makes_another_fingerprint(place: float, tmp_path: Path) -> None:
    """Although its size and its modification time stay."""
    recording, config = tmp_path / "recording", Config.model_validate({"base": tmp_path})
    recording.write_bytes(bytes(3 * SMALL_BYTES))
    before, time_ns = fingerprint(b"job", config, ["mine"], [recording]), recording.stat().st_mtime_ns
    assert is_quick(config, ["mine"], [recording])
    with recording.open("r+b") as content:
        content.seek(round(place * 3 * SMALL_BYTES))
        content.write(b"1")
    os.utime(recording, ns=(time_ns, time_ns))
    assert not is_quick(config, ["mine"], [recording])
    assert fingerprint(b"job", config, ["mine"], [recording]) != before


def test_the_same_content_under_another_time_has_the_same_fingerprint(tmp_path: Path) -> None:
    recording, config = tmp_path / "recording", Config.model_validate({"base": tmp_path})
    recording.write_bytes(b"sound")
    before = fingerprint(b"job", config, ["mine"], [recording])
    recording.unlink()
    recording.write_bytes(b"sound")
    os.utime(recording, ns=(1, 1))
    assert fingerprint(b"job", config, ["mine"], [recording]) == before
