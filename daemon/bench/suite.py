"""`lipdrop compare --suite`: 10, 20, 30 and 60 seconds of speech, beside the figures of lipdrop's predecessor."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.bench.compare import Comparison, Plan, Progress, Subject, compare
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

    @property
    def name(self) -> str:
        """Also of the folder of its videos."""
        return f"{self.seconds}s"


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
    config: Config, plan: Plan, progress: Progress, lengths: Sequence[Length] = LENGTHS
) -> list[SuiteRow]:
    """Compare the ways at each length, on one daemon. The videos of each go to a folder in the plan's."""
    progress("starting a daemon")
    with tempfile.TemporaryDirectory(prefix="lipdrop-compare-") as spool, Trial(Path(spool), config) as trial:
        return [SuiteRow(length, _measured(trial, length, plan, progress)) for length in lengths]


def _measured(trial: Trial, length: Length, plan: Plan, progress: Progress) -> Comparison:
    text = " ".join(SENTENCES[number] for number in length.sentences)
    subject = Subject(length.name, {"text": text, "language": "en", "voice": VOICE})
    folder = plan.folder / subject.name
    folder.mkdir(parents=True, exist_ok=True)
    return compare(trial, subject, replace(plan, folder=folder), progress)
