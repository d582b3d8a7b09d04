"""Captions: times and markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.outputs.captions import files, srt, webvtt, write
from pipeline.messages import Sentence
from tests import reports


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
    cue = Sentence("a", seconds, seconds)
    assert webvtt([cue]) == f"WEBVTT\n\n{clock} --> {clock}\na\n"
    comma = clock.replace(".", ",")
    assert srt([cue]) == f"1\n{comma} --> {comma}\na\n"


def test_only_webvtt_is_escaped() -> None:
    cues = [Sentence("a < b & c > d", 0, 1), Sentence("next", 1, 2)]
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
