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
        print("| background | frames per second of CPU time |\n| --- | ---: |")
        chunk = chunk_of_size((720, 720))
        for shown, background in BACKGROUNDS.items():
            others = (TRANSPARENT,) if background == TRANSPARENT else ()
            rate = frames_per_cpu_second(stage, replace(chunk, background=background, transparent=others))
            print(f"| {shown} | {rate:.1f} |", flush=True)


if __name__ == "__main__":
    main()
