"""Measure what a background costs, encoding included: `python -m benchmarks.backgrounds`.

Compared with the avatar's own picture. CPU time, so that other programs matter little.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.framing import frames_per_cpu_second, prepared
from pipeline.extras import TRANSPARENT

BACKGROUNDS = {"its own": None, "a colour": "#00b140", "transparent, with the MP4": TRANSPARENT}


def main() -> None:
    """Print a table."""
    with prepared(__doc__) as (stage, chunk_of_size):
        chunk = chunk_of_size((720, 720))
        chunks = [
            replace(chunk, background=background, transparent=(TRANSPARENT,) if background == TRANSPARENT else ())
            for background in BACKGROUNDS.values()
        ]
        print("| background | frames per second of CPU time |\n| --- | ---: |")
        for shown, rate in zip(BACKGROUNDS, frames_per_cpu_second(stage, chunks), strict=True):
            print(f"| {shown} | {rate:.1f} |")


if __name__ == "__main__":
    main()
