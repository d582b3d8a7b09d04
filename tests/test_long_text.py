"""Long texts: spoken in pieces, rendered while the rest is spoken, and overtaken by short jobs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.flow import Flow
from daemon.scheduling.long_text import LongText
from daemon.scheduling.scheduler import Scheduler
from daemon.scheduling.workers import worker_specs
from pipeline.config import Config
from pipeline.messages import Item, Sentence, Speech, SplitItem, TtsItem
from pipeline.speech.sentences import passages
from tests.media import speech_like, write_recording
from tests.recording_executor import RecordingExecutor, flow, settle
from tests.running import ONE_PROCESS, RunningDaemon, until

pytestmark = pytest.mark.slow

SENTENCES = [f"Предложение номер {number} ни о чём, и так далее, и тому подобное." for number in range(30)]
LONG = " ".join(SENTENCES)
LETTERS = "abcde"
SCRIPT = """#!/bin/sh
letter=$(head -c 1 | tr A-Z a-z)
while [ "$letter" = d ] && [ ! -e go ]; do sleep 0.05; done
cat $letter.wav
"""


def spoken(item: Item, *, silent: bool = False) -> Speech:
    assert isinstance(item, TtsItem)
    said = () if silent else (Sentence(item.text, 0.0, 1.0),)
    return Speech(item.job, item.folder, item.folder / "speech.wav", "a:b", said, index=item.index)


def begun(tmp_path: Path) -> tuple[Flow, list[TtsItem]]:
    """A flow of a long text, and the items that speak it."""
    long = flow(tmp_path, text=LONG, language="ru")
    assert isinstance(long, LongText)
    return long, [item for item in long.begin() if isinstance(item, TtsItem)]


@pytest.mark.parametrize("characters", [1, 225, 700, 10_000])
def test_passages_keep_every_sentence_and_are_about_equally_long(characters: int) -> None:
    found = passages(LONG, "ru", characters)
    assert [line for passage in found for line in passage.split("\n")] == SENTENCES
    lengths = [len(passage) - passage.count("\n") for passage in found]
    mean = sum(lengths) / len(lengths)
    assert all(abs(length - mean) <= max(map(len, SENTENCES)) for length in lengths)


def test_pieces_are_spoken_in_any_order_and_cut_in_theirs(tmp_path: Path) -> None:
    """Only the last one waits: if nothing else is speech it may not be silent."""
    long, items = begun(tmp_path)
    assert [item.index for item in items] == list(range(long.count - 1))  # type: ignore[operator]
    assert all(item.may_be_silent and item.pause_seconds == Config().tts.pause_seconds for item in items)
    (last,) = long.accept(spoken(items[1]))
    assert isinstance(last, TtsItem)
    assert (last.index, last.may_be_silent, last.pause_seconds) == (long.count - 1, True, 0.0)  # type: ignore[operator]
    assert [(type(item), item.index) for item in long.accept(spoken(items[0]))] == [(SplitItem, 0)]
    assert long.accept(spoken(items[0])) == []


def test_a_text_without_any_speech_is_an_error_of_the_last_piece(tmp_path: Path) -> None:
    long, items = begun(tmp_path)
    *_, last = [following for item in items for following in long.accept(spoken(item, silent=True))]
    assert isinstance(last, TtsItem)
    assert not last.may_be_silent


def test_a_short_job_is_spoken_before_the_rest_of_a_long_one(tmp_path: Path) -> None:
    executor = RecordingExecutor()
    scheduler = Scheduler(executor, Config(), worker_specs(Config(tts_workers=2), 0))
    scheduler.add(flow(tmp_path, "long", text=LONG, language="ru"))
    settle(scheduler)
    scheduler.add(flow(tmp_path, "short"))
    executor.complete("tts-1", spoken(executor.held["tts-1"].item))
    settle(scheduler)
    assert [(item.job, item.index) for item in executor.log] == [("long", 0), ("long", 1), ("short", 0)]


def facts(timing: dict[str, Any]) -> dict[str, Any]:
    """What of a timing JSON does not depend on the clock."""
    ends = [(chunk["start_seconds"], chunk["end_seconds"]) for chunk in timing["chunks"]]
    return {key: timing[key] for key in ("audio", "video", "sentences")} | {"chunks": ends}


def test_a_long_text_is_rendered_while_it_is_spoken_and_equal_however_it_was_made(tmp_path: Path) -> None:
    """One of its two speakers is held up in the fourth sentence; meanwhile a short job ends and the daemon is killed.

    The same text again, one chunk after the other and undisturbed, gives the same file, bit for bit; but for the mark,
    which names the job and its date.
    """
    for at, letter in enumerate(LETTERS):
        write_recording(tmp_path / f"{letter}.wav", speech_like(1.6 + at / 10))
    (tmp_path / "speak").write_text(SCRIPT)
    (tmp_path / "speak").chmod(0o755)
    voice = {"backend": "command", "command": {"argv": ["./speak"]}}
    long = {"text": " ".join(f"{letter.upper()} is spoken here." for letter in LETTERS), "model": "gan"}
    settings = {**ONE_PROCESS, "tts_workers": 2, "tts": voice, "split": {"chunk_seconds": 2}, "language": "en"}
    settings["provenance"] = {"mark": False}
    with RunningDaemon(tmp_path, **settings) as daemon:
        daemon.start().ready()
        daemon.drop("torn", **long, size="64x64", mode="parallel")
        journal = tmp_path / "work" / "torn" / "journal"
        until(lambda: (journal.exists() and b'"kind": "Segment"' in journal.read_bytes()) or None, "segment")
        daemon.drop("short", text="A.", size="64x64")
        assert daemon.ending("short")["status"] == "done"
        daemon.restarted()
        (tmp_path / "go").touch()
        torn = daemon.ending("torn")
        daemon.drop("calm", **long, size="64x64", mode="sequential")
        calm = daemon.ending("calm")
    assert (torn["mode"], calm["mode"]) == ("parallel", "sequential")
    assert len(torn["chunks"]) > 2
    assert facts(torn) == {**facts(calm), "video": {**calm["video"], "file": "torn.mp4"}}
    stays = sorted((chunk["start_seconds"], chunk["end_seconds"]) for chunk in calm["chunks"])
    assert all(before[1] == after[0] for before, after in pairwise(stays))
    starts = {(run["stage"], run["index"]): run["start_seconds"] for run in torn["runs"] if "error" not in run}
    assert starts["lipsync", 0] < max(start for (stage, _), start in starts.items() if stage == "tts")
