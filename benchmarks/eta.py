"""How wrong the expected time left of jobs is, after ten jobs: real jobs on a daemon that has learnt nothing before.

`python -m benchmarks.eta [JOBS]` prints, for every job, its time and the error of what was expected.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

from daemon.spool.health import read_health
from daemon.spool.spool import Spool
from tests.running import RunningDaemon

LEARNT_FROM = 10
"""Jobs whose errors do not count."""

SENTENCES = {
    "en": "The quick brown fox jumps over the lazy dog near the old river bank.",
    "ru": "Каждый охотник желает знать, где сидит фазан и куда он полетит завтра.",
}


def job(number: int, rng: random.Random) -> dict[str, object]:
    """A job of 1 to 8 sentences."""
    language = ("en", "ru")[number % 2]
    return {"text": " ".join([SENTENCES[language]] * rng.randint(1, 8)), "language": language}


def samples(daemon: RunningDaemon, name: str) -> Iterator[tuple[float, float]]:
    """When each expectation was written, and what it was, until the job has ended. Times are monotonic."""
    last = 0.0
    while not (daemon.spool / "outbox" / f"{name}.json").exists():
        report = read_health(Spool(daemon.spool))
        found = report.progress.get(name) if report else None
        if report and found and found.eta_seconds is not None and report.monotonic_seconds > last:
            last = report.monotonic_seconds
            yield last, found.eta_seconds
        time.sleep(0.02)


def main() -> None:
    """Run the jobs one after the other and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20, help="how many")
    count = parser.parse_args().jobs
    rng, first, everywhere = random.Random(1), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, RunningDaemon(Path(folder) / "spool") as daemon:
        daemon.start().ready()
        for number in range(count):
            name, began = f"job-{number:02d}", time.monotonic()
            daemon.drop(name, **job(number, rng))
            found = list(samples(daemon, name))
            ended = time.monotonic()
            errors = [abs(at + expected - ended) / (ended - began) for at, expected in found]
            print(
                f"{name}: {ended - began:5.1f} s", *(f"{100 * error:.0f}" for error in errors[:: 1 + len(errors) // 12])
            )
            if number >= LEARNT_FROM and errors:
                first.append(errors[0])
                everywhere += errors
    print(f"at the start: median {median(first):.0%}, mean {mean(first):.0%}, worst {max(first):.0%}")
    print(f"at any time:  median {median(everywhere):.0%}, mean {mean(everywhere):.0%}, worst {max(everywhere):.0%}")


if __name__ == "__main__":
    main()
