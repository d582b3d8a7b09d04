"""Measure the memory of a long job: `python -m benchmarks.memory`.

Renders ten minutes of speech with a one-minute video avatar at 1920x1080 and measures all processes of the daemon
together. Memory must not grow with the length of the job. On two cores this takes about as long as the speech, and
needs 5 GB of disk space.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from daemon.bench.measure import VOICE, make_video, seeded_models, text_of
from daemon.bench.trial import Trial
from daemon.outputs.report import FailedReport
from pipeline.config import DEFAULT_MODELS, AvatarsSettings, Config

SIZE = (1920, 1080)
VIDEO_SECONDS = 60
SENTENCES_PER_MINUTE = 13
PARTS = (0.1, 0.25, 0.5, 0.75, 1.0)
LIMIT_BYTES = 3_000_000_000


def measured(engine: str, minutes: float) -> tuple[list[int], int, float]:
    """Peaks up to each of `PARTS` of the job, the overall peak (bytes), and the minutes of speech."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as spool:
        folder = Path(scratch)
        make_video(folder / "avatars" / "long" / "long.mp4", SIZE, VIDEO_SECONDS)
        models = seeded_models(folder, DEFAULT_MODELS) if engine == "wav2lip" else {}
        config = Config(avatars=AvatarsSettings(folder=str(folder / "avatars")), models=models)
        with Trial(Path(spool), config) as trial:
            trial.run("first", text="One.", language="en", voice=VOICE, avatar="long")
            start = time.monotonic()
            text = text_of(round(minutes * SENTENCES_PER_MINUTE))
            seconds, report = trial.run("long", text=text, language="en", voice=VOICE, avatar="long")
            if isinstance(report, FailedReport):
                sys.exit(report.error.message)
            samples = [(moment - start, size) for moment, size in trial.memory.samples]
    peaks = [max((size for moment, size in samples if 0 <= moment <= part * seconds), default=0) for part in PARTS]
    return peaks, max(size for _, size in samples), report.audio.seconds / 60


def main() -> None:
    """Print a table; exit with 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("builtin", "wav2lip"), default="builtin")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    peaks, most, minutes = measured(options.engine, options.minutes)
    print(
        "| engine | minutes of speech | "
        + " | ".join(f"up to {part:.0%}" for part in PARTS)
        + " | including start-up |"
    )
    print("| --- | ---: |" + " ---: |" * (len(PARTS) + 1))
    sizes = " | ".join(f"{size / 2**20:.0f} MiB" for size in (*peaks, most))
    print(f"| {options.engine} | {minutes:.1f} | {sizes} |")
    sys.exit(most > LIMIT_BYTES)


if __name__ == "__main__":
    main()
