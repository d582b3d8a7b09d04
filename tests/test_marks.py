"""Pauses and spelled letters that people ask for within a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job, job_warnings, parse_job
from pipeline.messages import Speech, TtsItem
from pipeline.speech.marks import doubtful
from pipeline.speech.reading import read
from pipeline.speech.sentences import passages, pieces
from pipeline.stages.tts import TtsStage

CONFIG = Config()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "Раз, [pause 0.8] два. [pause 1]Три!", [("Раз,", None, 0.8), ("два.", None, 1.0), ("Три!", None, None)]),
        ("en", "[pause 0.5] One.[Pause 1,5][pause 1] Two", [("One.", 0.5, 2.5), ("Two", None, None)]),
        ("en", "Wait[pause 2], please [pause 10]", [("Wait,", None, 2.0), ("please", None, 10.0)]),
        ("zh", "今天[pause 1]天气很好。", [("今天", None, 1.0), ("天气很好。", None, None)]),
        ("en", "An [i] is [pause] not [a mark", [("An [i] is [pause] not [a mark", None, None)]),
    ],
)
def test_pauses_cut_the_text_and_are_not_shown(
    language: str, text: str, expected: list[tuple[str, float | None, float | None]]
) -> None:
    assert [(one.text, one.pause_before, one.pause_after) for one in read(text, language)] == expected


@pytest.mark.parametrize(
    ("language", "text", "shown", "spoken"),
    [
        ("ru", "Это [spell США].", "Это США.", "Это эс ша а."),
        ("ru", "Код [spell Ab-7 ъ]", "Код Ab-7 ъ", "Код эй би семь твёрдый знак"),
        ("en", "[spell CAB 12], please", "CAB 12, please", "C ay B one two, please"),
        ("kk", "[spell ҚР]", "ҚР", "қа эр"),
        ("de", "[spell AB]", "AB", "A B"),
    ],
)
def test_letters_are_spelled_but_shown_as_written(language: str, text: str, shown: str, spoken: str) -> None:
    (sentence,) = read(text, language)
    assert (sentence.text, sentence.spoken) == (shown, spoken)


def test_no_mark_is_cut_or_lost_in_pieces() -> None:
    text = "слово " * 9 + "[pause 1.25] [spell НАТО и ЕС] " + "слово, " * 30 + "[pause 2] " + "Конец. [pause 3] " * 3
    whole = list(read(text, "ru"))
    assert sum(one.pause_after or 0 for one in whole) == pytest.approx(12.25)
    for cut in (pieces(text, "ru"), passages(text, "ru", 90)):
        parts = [one for piece in cut for one in read(piece, "ru")]
        assert sum((one.pause_after or 0) + (one.pause_before or 0) for one in parts) == pytest.approx(12.25)
        assert " ".join(one.text for one in parts) == " ".join(one.text for one in whole)
        assert any("эн а тэ о и е эс" in one.spoken for one in parts)


def test_a_pause_is_exactly_as_long_as_asked(tmp_path: Path) -> None:
    stage = TtsStage(WorkerSpec("tts-0", "tts", "", CONFIG))
    stage.setup("cpu")
    text = "[pause 0.5] One. [pause 0.8] Two. Three. [pause 1]"
    item = TtsItem("a", tmp_path / "work", text, "en", "espeak:en-us", 1.0, pause_seconds=0.3)
    (speech,) = (result for result in stage.process(item) if isinstance(result, Speech))
    one, two, three = speech.sentences
    assert one.start_seconds == pytest.approx(0.5, abs=1e-4)
    assert two.start_seconds - one.end_seconds == pytest.approx(0.8, abs=1e-4)
    assert three.start_seconds - two.end_seconds == pytest.approx(CONFIG.tts.pause_seconds, abs=1e-4)
    length = (speech.audio.stat().st_size - 44) / 2 / 22_050
    assert length - three.end_seconds == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "code"), [("a [pause 10.5]", "range"), ("[pause 0] a", "range"), ("[pause 1]", "no_speech")]
)
def test_pauses_have_limits_and_are_no_speech(text: str, code: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(Job(text=text).model_dump_json(include={"text"}).encode(), CONFIG, ())
    assert (caught.value.code, caught.value.field) == (code, "text")


def test_what_looks_like_a_mark_is_warned_about() -> None:
    text = "[pause 1] [spell A] [pause x] [spellbound] [spell] [note]"
    assert list(doubtful(text)) == ["[pause x]", "[spell]"]
    (warning,) = job_warnings(Job(text=text, language="en"), CONFIG)
    assert warning.code == "text_mark"
    assert warning.message == "'[pause x]' is not a mark and is read out, like 1 more"
