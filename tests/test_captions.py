"""Captions: times and markup."""

from __future__ import annotations

import pytest

from daemon.outputs.captions import srt, webvtt
from pipeline.messages import Sentence


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
    cues = [Sentence("a < b & c", 0, 1), Sentence("next", 1, 2)]
    assert "a &lt; b &amp; c" in webvtt(cues)
    first, second = srt(cues).split("\n\n")
    assert first.endswith("a < b & c")
    assert second.startswith("2\n")
