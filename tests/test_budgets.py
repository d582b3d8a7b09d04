"""How long an item may run before its worker counts as hung."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling import stages
from daemon.scheduling.budgets import allowances
from pipeline.config import Config, LimitsSettings
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    MergeItem,
    PackItem,
    Segment,
    Sentence,
    SoundItem,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)

FPS = 25
SPAN = Span(0, 1)
FOLDER = Path("work")


def budget_seconds(item: Item, config: Config, *, avatar_is_video: bool = False) -> float:
    return stages.budget_seconds(item, allowances(config, avatar_is_video=avatar_is_video))


def item(kind: str, seconds: int) -> Item:
    """An item for `seconds` of speech, at 15 characters per second."""
    frames = seconds * FPS
    timeline = Timeline(seconds * PCM_RATE_HZ, frames, FPS, (), "parallel", FOLDER, FOLDER, FOLDER, SPAN, SPAN)
    segment = Segment("job", 0, FOLDER, 0, frames, 64, 64, "gan", "builtin", "cpu", "gan-0", SPAN, 0, 0, timeline)
    speech = Speech("job", FOLDER, FOLDER / "speech.wav", "voice", (Sentence("Hello", 0, seconds),))
    chunk = Chunk("job", FOLDER, 0, 1, 0, frames, "gan", False, None, "presenter", None, None, timeline)
    items: dict[str, Item] = {
        "tts": TtsItem("job", FOLDER, "a" * seconds * 15, "en", None, 1.0),
        "split": SplitItem("job", speech, FPS, "auto", None, "presenter", None),
        "chunk": chunk,
        "pack": PackItem("job", FOLDER, segment, None, is_last=True),
        "sound": SoundItem("job", FOLDER, (chunk,)),
        "merge": MergeItem("job", FOLDER, (segment,), timeline),
    }
    return items[kind]


@pytest.mark.parametrize("kind", ["tts", "split", "chunk", "pack", "sound", "merge"])
def test_a_budget_grows_with_the_work(kind: str) -> None:
    short, long, longest = (budget_seconds(item(kind, seconds), Config()) for seconds in (3, 30, 1800))
    assert 60 < short < 300
    assert short < long < longest
    assert longest - short == pytest.approx((long - short) * (1800 - 3) / (30 - 3))


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("tts", 120 + 0.2 * 450),
        ("split", 120 + 6),
        ("chunk", 120 + 40 * 30),
        ("pack", 120 + 30),
        ("sound", 120 + 30),
        ("merge", 120 + 30),
    ],
)
def test_the_budget_of_thirty_seconds_of_speech(kind: str, seconds: float) -> None:
    assert budget_seconds(item(kind, 30), Config()) == pytest.approx(seconds)


def test_the_budget_of_a_chunk_depends_on_its_own_length() -> None:
    chunk = item("chunk", 30)
    assert isinstance(chunk, Chunk)
    assert budget_seconds(replace(chunk, start_frame=20 * FPS), Config()) == 120 + 40 * 10


@pytest.mark.parametrize(
    ("tts", "sentence_seconds"),
    [
        ({"http": {"url": "http://localhost/", "timeout_seconds": 3600, "retries": 2}}, 3600 * (1 + 2)),
        ({"http": {"url": "http://localhost/", "timeout_seconds": 30, "retries": 10}}, 30 * (1 + 10)),
        ({"command": {"argv": ["speak"], "timeout_seconds": 3600}}, 3600),
        ({"command": {"argv": ["speak"]}, "http": {"url": "http://localhost/", "timeout_seconds": 300}}, 300 * 3),
        ({"backend": "piper", "piper": {"folder": "voices"}}, 120),
    ],
)
def test_a_service_or_program_gets_its_time_limit_for_every_sentence(
    tts: dict[str, Any], sentence_seconds: float
) -> None:
    said = TtsItem("job", FOLDER, "One. Two. Three.\nFour", "en", None, 1.0)
    own, configured = Config(), Config.model_validate({"tts": tts})
    extra = budget_seconds(said, configured) - budget_seconds(said, own)
    assert 4 * sentence_seconds <= extra <= 4 * (4 * sentence_seconds + 600)


def test_a_back_end_that_is_not_used_adds_no_time() -> None:
    said = TtsItem("job", FOLDER, "One. Two.", "en", None, 1.0)
    espeak = Config.model_validate({"tts": {"backend": "espeak", "command": {"argv": ["speak"]}}})
    assert budget_seconds(said, espeak) == budget_seconds(said, Config())


def test_only_an_avatar_video_gets_time_for_tracking_its_face() -> None:
    config = Config()
    picture, video = (budget_seconds(item("split", 3), config, avatar_is_video=flag) for flag in (False, True))
    assert picture < 300
    assert video == picture + 600 + 10 * config.limits.avatar_seconds


def test_a_recording_gets_time_for_the_longest_that_is_accepted() -> None:
    recording = SplitItem("job", Speech("job", FOLDER, FOLDER / "in.mp3"), FPS, "auto", None, "presenter", None)
    short, long = (
        budget_seconds(recording, Config(limits=LimitsSettings(audio_seconds=seconds))) for seconds in (60, 3600)
    )
    assert short < long < 30 * 60


def test_a_recordings_budget_is_that_of_converting_the_longest_one() -> None:
    recording = SplitItem("job", Speech("job", FOLDER, FOLDER / "in.mp3"), FPS, "auto", None, "presenter", None)
    assert budget_seconds(recording, Config(limits=LimitsSettings(audio_seconds=100))) == 120 + 600 + 0.2 * 100
