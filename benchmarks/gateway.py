"""What the web gateway adds to a job, and how many requests it answers in a second.

`python -m benchmarks.gateway [--runs N]`. The job has been done before, so that the daemon answers in milliseconds and
the difference between the two ways shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from daemon.bench.trial import Trial
from pipeline.config import Config

JOB = {"text": "One.", "language": "en", "voice": "hibari:heart", "size": "64x64"}
CLIENTS = 8


@contextmanager
def gateway(spool: Path) -> Iterator[httpx.Client]:
    """A gateway of a spool, and a client for it."""
    argv = [sys.executable, "-P", "-m", "daemon", "serve", "--port", "0", "--spool", str(spool)]
    with subprocess.Popen(argv, cwd=spool, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with httpx.Client(base_url=process.stdout.readline().strip(), timeout=60, trust_env=False) as client:
                yield client
        finally:
            process.terminate()


def milliseconds(run: Callable[[], object], runs: int) -> list[float]:
    """How long each run takes."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        found.append(1000 * (time.perf_counter() - start))
    return found


def requests_per_second(client: httpx.Client, path: str, runs: int) -> float:
    """How many requests are answered in a second, by several clients at once."""
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: client.get(path).status_code, range(runs)))
    assert set(answers) == {200}
    return runs / (time.perf_counter() - start)


def ending(trial: Trial) -> int | None:
    """Identifies the latest ending of the plain job."""
    try:
        return trial.spool.report_file("plain").stat().st_ino
    except FileNotFoundError:
        return None


def row(name: str, found: list[float]) -> str:
    """One line of the table."""
    quantiles = statistics.quantiles(found, n=20)
    return f"| {name} | {statistics.median(found):.1f} | {quantiles[-1]:.1f} |"


def main() -> None:
    """Print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="of each job and request")
    runs = parser.parse_args().runs
    with (
        tempfile.TemporaryDirectory() as folder,
        Trial(Path(folder), Config()) as trial,
        gateway(Path(folder)) as client,
    ):

        def over_http() -> None:
            body, headers = (
                json.dumps(JOB, sort_keys=True),
                {"Prefer": "wait=60", "Content-Type": "application/json"},
            )
            assert client.put("/api/jobs/web", content=body, headers=headers).status_code == 200

        def dropped() -> None:
            before = ending(trial)
            trial.drop("plain", **JOB)
            while ending(trial) == before:
                time.sleep(0.0005)

        over_http()
        dropped()
        print("| a job done before, until its report is there | median ms | 95 % below ms |\n| --- | ---: | ---: |")
        print(row("dropped into the inbox", milliseconds(dropped, runs)))
        print(row("PUT with `Prefer: wait`", milliseconds(over_http, runs)))
        print("\n| request | per second |\n| --- | ---: |")
        for path in ("/api/jobs/web", "/api/health", "/api/jobs?limit=20"):
            print(f"| `GET {path}` | {requests_per_second(client, path, runs * 10):.0f} |")


if __name__ == "__main__":
    main()
