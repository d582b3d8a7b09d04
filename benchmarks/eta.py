"""How wrong the expected time left of jobs is, after ten jobs: real jobs on a daemon that has learnt nothing before.

`python -m benchmarks.eta [--jobs N] [--queue N] [--busy N]` prints, for every job, its time and the error of what was
expected: first of jobs one after the other, then of jobs that are dropped at once and wait for each other. With
`--busy`, other programs use the processor meanwhile: up to N at a time, more or fewer every 10 to 40 seconds.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median

from daemon.spool.health import read_health
from daemon.spool.spool import Spool
from tests.running import RunningDaemon

LEARNT_FROM = 10
"""Jobs whose errors do not count."""

BUSY_SECONDS = (10.0, 40.0)
"""For how long the number of other busy programs stays the same."""

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


def one_by_one(daemon: RunningDaemon, jobs: Sequence[dict[str, object]]) -> None:
    """Run jobs one after the other and print the errors."""
    first, everywhere = list[float](), list[float]()
    for number, job in enumerate(jobs):
        name, began = f"job-{number:02d}", time.monotonic()
        daemon.drop(name, **job)
        found = list(samples(daemon, name))
        ended = time.monotonic()
        errors = [abs(at + expected - ended) / (ended - began) for at, expected in found]
        print(f"{name}: {ended - began:5.1f} s", *(f"{100 * error:.0f}" for error in errors[:: 1 + len(errors) // 12]))
        if number >= LEARNT_FROM and errors:
            first.append(errors[0])
            everywhere += errors
    summarize("at the start", first)
    summarize("at any time", everywhere)


def at_once(daemon: RunningDaemon, jobs: Sequence[dict[str, object]]) -> None:
    """Drop jobs at once and print the errors of what was first expected of each."""
    spool, began = Spool(daemon.spool), time.monotonic()
    names = [f"queued-{number:02d}" for number in range(len(jobs))]
    for name, job in zip(names, jobs, strict=True):
        daemon.drop(name, **job)
    first, ended = dict[str, float](), dict[str, float]()
    while len(ended) < len(names):
        report = read_health(spool)
        for name in names:
            left = report.left_seconds(name) if report else None
            if left is not None and spool.is_under_way(name):
                first.setdefault(name, time.monotonic() + left)
            if name not in ended and spool.report_file(name).exists():
                ended[name] = time.monotonic()
        time.sleep(0.02)
    errors = [abs(first[name] - ended[name]) / (ended[name] - began) for name in names]
    for name, error in zip(names, errors, strict=True):
        print(f"{name}: {ended[name] - began:5.1f} s {100 * error:.0f}")
    summarize("in the queue", errors)


@contextmanager
def others(most: int) -> Iterator[None]:
    """Up to `most` programs that do nothing but keep a core busy."""
    ended, rng = threading.Event(), random.Random(2)

    def keep_busy() -> None:
        while not ended.is_set():
            spin = [sys.executable, "-c", "while True: pass"]
            running = [subprocess.Popen(spin) for _ in range(rng.randint(0, most))]
            ended.wait(rng.uniform(*BUSY_SECONDS))
            for process in running:
                process.kill()
                process.wait()

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def summarize(what: str, errors: Sequence[float]) -> None:
    """Print the distribution of errors."""
    print(f"{what}: median {median(errors):.0%}, mean {mean(errors):.0%}, worst {max(errors):.0%} of {len(errors)}")


def main() -> None:
    """Run the jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20, help="how many one after the other")
    parser.add_argument("--queue", type=int, default=20, help="how many at once")
    parser.add_argument("--busy", type=int, default=0, help="how many other programs use the processor")
    given, rng = parser.parse_args(), random.Random(1)
    with tempfile.TemporaryDirectory() as folder, RunningDaemon(Path(folder) / "spool") as daemon, others(given.busy):
        daemon.start().ready()
        one_by_one(daemon, [job(number, rng) for number in range(given.jobs)])
        at_once(daemon, [job(number, rng) for number in range(given.queue)])


if __name__ == "__main__":
    main()
