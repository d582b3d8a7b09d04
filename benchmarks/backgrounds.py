"""Measure what a background costs, encoding included: `python -m benchmarks.backgrounds`.

Compared with the avatar's own picture. CPU time, so that other programs matter little.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.framing import chunk_of, frames_per_cpu_second
from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.extras import TRANSPARENT
from pipeline.stages.lipsync import LipSyncStage

BACKGROUNDS = {"its own": None, "a colour": "#00b140", "transparent, with the MP4": TRANSPARENT}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--avatar", default="presenter")
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    print("| background | frames per second of CPU time |\n| --- | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = WorkerSpec("gan-0", "benchmark", "", Config(base=folder), model="gan")
        stage = LipSyncStage(spec)
        stage.setup("cpu")
        chunk = chunk_of(folder, spec, options.avatar, (720, 720), options.seconds)
        for shown, background in BACKGROUNDS.items():
            others = (TRANSPARENT,) if background == TRANSPARENT else ()
            rate = frames_per_cpu_second(stage, replace(chunk, background=background, transparent=others))
            print(f"| {shown} | {rate:.1f} |", flush=True)


if __name__ == "__main__":
    main()
