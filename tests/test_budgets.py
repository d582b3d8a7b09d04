"""How long an item may take before its worker counts as hung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.job_flow import budget_seconds
from pipeline.config import AvatarsSettings, Config, LimitsSettings
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    MergeItem,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)

FPS = 25
SPAN = Span(0, 1)
FOLDER = Path("work")


def item(kind: str, seconds: int, avatar: str = "presenter") -> Item:
    """For so many seconds of speech; a letter takes a fifteenth of one."""
    frames = seconds * FPS
    timeline = Timeline(seconds * PCM_RATE_HZ, frames, FPS, (), "parallel", FOLDER, FOLDER, FOLDER, SPAN, SPAN)
    segment = Segment("job", 0, FOLDER, 0, frames, 64, 64, "gan", "builtin", "cpu", "gan-0", SPAN, 0, 0, timeline)
    speech = Speech("job", FOLDER, FOLDER / "speech.wav", "voice", (Sentence("Hello", 0, seconds),))
    items: dict[str, Item] = {
        "tts": TtsItem("job", FOLDER, "a" * seconds * 15, "en", None, 1.0),
        "split": SplitItem("job", speech, FPS, "auto", None, avatar, None),
        "chunk": Chunk("job", FOLDER, 0, 1, 0, frames, "gan", False, None, avatar, None, None, timeline),
        "merge": MergeItem("job", FOLDER, (segment,), timeline),
    }
    return items[kind]


@pytest.mark.parametrize("kind", ["tts", "split", "chunk", "merge"])
def test_a_deadline_grows_with_the_work(kind: str) -> None:
    short, long, longest = (budget_seconds(item(kind, seconds), Config()) for seconds in (3, 30, 1800))
    assert 60 < short < 300
    assert short < long < longest
    assert longest - short == pytest.approx((long - short) * (1800 - 3) / (30 - 3))


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
def test_a_service_or_program_may_take_its_time_for_every_sentence(
    tts: dict[str, Any], sentence_seconds: float
) -> None:
    said = TtsItem("job", FOLDER, "One. Two. Three.\nFour", "en", None, 1.0)
    own, configured = Config(), Config.model_validate({"tts": tts})
    extra = budget_seconds(said, configured) - budget_seconds(said, own)
    assert 4 * sentence_seconds <= extra <= 4 * (3 * sentence_seconds + 600)


def test_what_will_not_speak_is_not_waited_for() -> None:
    said = TtsItem("job", FOLDER, "One. Two.", "en", None, 1.0)
    espeak = Config.model_validate({"tts": {"backend": "espeak", "command": {"argv": ["speak"]}}})
    assert budget_seconds(said, espeak) == budget_seconds(said, Config())


def test_only_a_video_is_given_the_time_to_follow_its_face(tmp_path: Path) -> None:
    config = Config(avatars=AvatarsSettings(folder=str(tmp_path)))
    for name, file in (("still", "a.png"), ("video", "a.mp4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    still, video, gone = (budget_seconds(item("split", 3, name), config) for name in ("still", "video", "gone"))
    assert still == gone < 300
    assert video > still + 5 * config.limits.avatar_seconds


def test_a_recording_is_given_the_time_that_the_longest_may_take() -> None:
    recording = SplitItem("job", Speech("job", FOLDER, FOLDER / "in.mp3"), FPS, "auto", None, "presenter", None)
    short, long = (
        budget_seconds(recording, Config(limits=LimitsSettings(audio_seconds=seconds))) for seconds in (60, 3600)
    )
    assert short < long < 30 * 60
