"""Captions: times and markup."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.outputs.captions import files, srt, webvtt, write
from pipeline.messages import Sentence, Word
from pipeline.speech.cues import (
    CUE_SECONDS_MAX,
    LEADING,
    LINE_CHARACTERS,
    Cue,
    Part,
    cues,
)
from tests import reports


def one_part(text: str, start_seconds: float, end_seconds: float) -> Cue:
    """A cue of one part."""
    return Cue((Part(text, start_seconds, end_seconds, 0.0, "", False),), start_seconds, end_seconds)


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [
        (0.0, "00:00:00.000"),
        (0.0004, "00:00:00.000"),
        (0.9996, "00:00:01.000"),
        (59.9994, "00:00:59.999"),
        (59.9996, "00:01:00.000"),
        (3599.9996, "01:00:00.000"),
        (3661.05, "01:01:01.050"),
        (359999.9996, "100:00:00.000"),
    ],
)
def test_times_carry_into_minutes_and_hours(seconds: float, clock: str) -> None:
    cue = one_part("a", seconds, seconds)
    assert webvtt([cue]) == f"WEBVTT\n\n{clock} --> {clock}\na\n"
    comma = clock.replace(".", ",")
    assert srt([cue]) == f"1\n{comma} --> {comma}\na\n"


def test_words_carry_their_times() -> None:
    """Strictly within the cue and increasing, as WebVTT asks; only where they are known."""
    text = "We saw A&B at the old harbour, where a hundred ships lay."
    words = [Word(word, 0.5 * at, 0.5 * at + 0.4) for at, word in enumerate(text.split())]
    words[2] = Word("A&B", 0.5, 0.5)
    known, unknown = Sentence(text, 0.0, 6.0, tuple(words)), Sentence("Nobody knows.", 7.0, 8.0)
    assert webvtt(cues([known, unknown]), with_words=True) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:05.900\n"
        "<c>We</c> <00:00:00.500><c>saw</c> <c>A&amp;B</c> <00:00:01.500><c>at</c> <00:00:02.000><c>the</c> "
        "<00:00:02.500><c>old</c> <00:00:03.000><c>harbour,</c>\n"
        "<00:00:03.500><c>where</c> <00:00:04.000><c>a</c> <00:00:04.500><c>hundred</c> <00:00:05.000><c>ships</c> "
        "<00:00:05.500><c>lay.</c>\n\n"
        "00:00:07.000 --> 00:00:08.000\n<c>Nobody</c> <c>knows.</c>\n"
    )


def test_only_webvtt_is_escaped() -> None:
    cues = [one_part("a < b & c > d", 0, 1), one_part("next", 1, 2)]
    first, second = "00:00:00.000 --> 00:00:01.000", "00:00:01.000 --> 00:00:02.000"
    assert webvtt(cues) == f"WEBVTT\n\n{first}\na &lt; b &amp; c &gt; d\n\n{second}\nnext\n"
    first, second = first.replace(".", ","), second.replace(".", ",")
    assert srt(cues) == f"1\n{first}\na < b & c > d\n\n2\n{second}\nnext\n"


def test_a_jobs_captions_are_written_as_utf_8(tmp_path: Path) -> None:
    report = reports.done()
    [said] = report.sentences
    report = report.model_copy(update={"sentences": [said.model_copy(update={"text": "Привет"})]})
    write(tmp_path, report)
    assert (tmp_path / "captions.srt").read_bytes().decode() == "1\n00:00:00,000 --> 00:00:01,000\nПривет\n"
    assert (tmp_path / "captions.vtt").read_bytes().decode() == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nПривет\n"
    assert files("a") == ["a.srt", "a.vtt"]


LETTERS = st.sampled_from("abcdeЖзиқ好")
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=12) | st.sampled_from(["the", "на", "үшін", "x" * 100, "end,"]))


@st.composite
def said(draw: st.DrawFn) -> list[Sentence]:
    """Sentences at 5 to 30 characters per second, some with the times of their words."""
    found: list[Sentence] = []
    at = 0.0
    for words in draw(st.lists(WORDS.filter(bool), max_size=8)):
        text = " ".join(words)
        length = len(text) / draw(st.floats(5, 30))
        found.append(Sentence(text, at, at + length))
        at += length + draw(st.sampled_from([0.0, 0.25, 2.0]))
    return found


@given(said())
def test_captions_keep_within_the_limits_and_lose_nothing(sentences: list[Sentence]) -> None:
    shown = cues(sentences)
    for cue in shown:
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert max(map(len, lines)) <= LINE_CHARACTERS
        assert 0 <= cue.end_seconds - cue.start_seconds <= CUE_SECONDS_MAX + 1e-6
    for cue, following in pairwise(shown):
        assert cue.end_seconds <= following.start_seconds
    assert "".join("".join(cue.text.split()) for cue in shown) == "".join("".join(s.text.split()) for s in sentences)


TEXTS = {
    "ru": "Сегодня мы поговорим о погоде, о планах на выходные и о том, как приготовить ужин для большой семьи "
    "из пяти человек, если в доме почти ничего нет, а до магазина идти через весь город.",
    "en": "The quick brown fox jumps over the lazy dog while the rest of the animals in the forest are watching the "
    "show with a great deal of interest and some of them are waiting for the end of it.",
    "kk": "Біз бүгін ауа райы туралы, демалыс күндерінің жоспарлары туралы және үлкен отбасы үшін дәмді кешкі ас "
    "әзірлеу туралы сөйлесеміз.",
}


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("rate", [9, 13, 17])
def test_lines_end_where_a_reader_pauses(language: str, rate: int) -> None:
    text = TEXTS[language]
    shown = cues([Sentence(text, 0, len(text) / rate)])
    lines = [line for cue in shown for line in cue.text.split("\n")]
    assert len(lines) > 3
    assert [line for line in lines if line.split()[-1].lower() in LEADING] == []
    assert [line for line in lines if line.split()[0] in ("туралы", "үшін")] == []
    assert all(1 <= cue.end_seconds - cue.start_seconds <= 7 for cue in shown)


def test_captions_follow_the_words() -> None:
    """A cue begins with its first word, even if a long pause is in the middle of the sentence."""
    text = "We waited for a very long time, and then everybody in the whole house heard the doorbell ring."
    words = text.split()
    times = [0.1 * index + (5 if index > 6 else 0) for index in range(len(words))]
    timed = tuple(Word(word, at, at + 0.1) for word, at in zip(words, times, strict=True))
    first, second, *_ = cues([Sentence(text, 0.0, times[-1] + 0.1, timed)])
    assert first.text == "We waited for a very long time,"
    assert (first.start_seconds, first.end_seconds) == (0.0, 1.0)
    assert second.start_seconds == times[7]


def test_a_short_sentence_stays_for_a_second() -> None:
    alone, _ = cues([Sentence("Yes.", 0, 0.3), Sentence("And then a new story begins.", 5, 7)])
    assert (alone.start_seconds, alone.end_seconds) == (0, 1)
    [both] = cues([Sentence("Yes.", 0, 0.3), Sentence("No.", 0.5, 0.8)])
    assert (both.text, both.start_seconds, both.end_seconds) == ("Yes. No.", 0, 1)
