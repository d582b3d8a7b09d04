"""`lipdrop compare --suite`: 10, 20, 30 and 60 seconds of speech, beside the figures of lipdrop's predecessor."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.bench.compare import Comparison, Plan, Progress, Subject, Way, compare
from daemon.bench.measure import SENTENCES, VOICE
from daemon.bench.trial import Trial
from pipeline.config import Config


@dataclass(frozen=True)
class Length:
    """One length of speech."""

    seconds: int
    sentences: tuple[int, ...]
    """Which of the benchmark's sentences take about that long."""
    predecessor: tuple[float, float]
    """What its predecessor took on an RTX 3090, sequentially and in parallel, in seconds."""


LENGTHS = (
    Length(10, (0, 2), (8.5, 8.2)),
    Length(20, (0, 1, 2, 2), (16.8, 9.5)),
    Length(30, (0, 1, 2, 2, 2, 0), (25.2, 13.8)),
    Length(60, (0, 1, 2) * 4 + (0,), (50.4, 27.6)),
)


@dataclass(frozen=True)
class SuiteRow:
    """One length, measured."""

    length: Length
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        """All figures, for `--json`."""
        return {
            "seconds": self.length.seconds,
            "predecessor_seconds": self.length.predecessor,
            **self.comparison.as_dict(),
        }


def measure_suite(
    config: Config, chosen: tuple[Way, ...], runs: int, progress: Progress, lengths: tuple[Length, ...] = LENGTHS
) -> list[SuiteRow]:
    """Compare the ways at each length, on one daemon."""
    progress("starting a daemon")
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="lipdrop-compare-") as spool,
        tempfile.TemporaryDirectory(prefix="lipdrop-compare-") as videos,
        Trial(Path(spool), config) as trial,
    ):
        for length in lengths:
            text = " ".join(SENTENCES[number] for number in length.sentences)
            job = {"text": text, "language": "en", "voice": VOICE}
            subject = Subject(f"{length.seconds}s", job)
            rows.append(SuiteRow(length, compare(trial, subject, Plan(chosen, runs, Path(videos)), progress)))
    return rows
