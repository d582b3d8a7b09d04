"""Measures lipdrop as a user meets it: cold start, speed and memory of a daemon on this machine.

Run `python benchmarks/end_to_end.py`; it prints a Markdown table. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SENTENCES = (
    "Положите текст в папку, и через несколько секунд его произнесёт говорящий портрет.",
    "Губы двигаются вместе с речью, звук и картинка совпадают с точностью до кадра.",
    "Молоко, папа, фиалка, шум прибоя и звон весенней капели слышны и видны одинаково хорошо.",
)
SAMPLE_SECONDS = 0.1
POLL_SECONDS = 0.01


@dataclass
class Memory:
    """Watches the proportional memory of a process and all below it."""

    pid: int
    peak_bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample until stopped."""
        while not self._stop.wait(SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._now())

    def _now(self) -> int:
        try:
            parent = psutil.Process(self.pid)
            return sum(int(p.memory_full_info().pss) for p in [parent, *parent.children(recursive=True)])
        except psutil.NoSuchProcess:
            return 0

    def stop(self) -> None:
        """Stop sampling."""
        self._stop.set()


@contextmanager
def daemon(spool: Path) -> Iterator[tuple[float, Memory]]:
    """A daemon on a spool; yields its cold start in seconds and its memory."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "run", "--spool", str(spool)], stderr=subprocess.DEVNULL
    )
    memory = Memory(process.pid)
    threading.Thread(target=memory.watch, daemon=True).start()
    try:
        status = spool / "run" / "health.json"
        while not status.exists() or not all_idle(json.loads(status.read_bytes())):
            time.sleep(POLL_SECONDS)
        yield time.monotonic() - start, memory
    finally:
        memory.stop()
        process.terminate()
        process.wait(60)


def all_idle(status: dict[str, Any]) -> bool:
    """Whether every worker is ready."""
    return all(worker["state"] == "idle" for worker in status["workers"].values())


def run_job(spool: Path, name: str, **job: Any) -> tuple[float, dict[str, Any]]:
    """Drop a job; return the seconds until its timing JSON is there, and the JSON."""
    unfinished = spool / f"{name}.part"
    unfinished.write_text(json.dumps(job), "utf-8")
    start = time.monotonic()
    unfinished.rename(spool / "inbox" / f"{name}.json")
    ending = spool / "outbox" / f"{name}.json"
    while not ending.exists():
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - start
    timing: dict[str, Any] = json.loads(ending.read_bytes())
    if timing["status"] != "done":
        sys.exit(f"{name}: {timing['error']}")
    return seconds, timing


def text_of(sentences: int) -> str:
    """So many sentences of Russian."""
    return " ".join(SENTENCES[index % len(SENTENCES)] for index in range(sentences))


STAGES = ("tts", "convert", "split", "lipsync", "merge")


def row(label: str, seconds: float, timing: dict[str, Any]) -> str:
    """One line of the table."""
    audio, stages = timing["audio"]["seconds"], timing["timing"]
    parts = " | ".join(f"{stages[f'{stage}_seconds']:.2f}" for stage in STAGES)
    return f"| {label} | {audio:.1f} | {seconds:.2f} | {seconds / audio:.3f} | {parts} | {stages['parallelism']:.2f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=13, help="length of the long job (13 is about a minute)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder)) as (cold_start, memory):
        spool = Path(folder)
        rows = [
            row(label, *run_job(spool, label, text=text_of(count), **job))
            for label, count, job in (
                ("short", 1, {}),
                ("long-sequential", options.sentences, {"mode": "sequential"}),
                ("long-parallel", options.sentences, {"mode": "parallel"}),
            )
        ]
    print(f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} cores, {time.strftime('%Y-%m-%d')}\n")
    print("| job | audio s | end to end s | real-time factor | " + " | ".join(STAGES) + " | parallelism |")
    print("| --- |" + " ---: |" * (4 + len(STAGES)))
    print("\n".join(rows))
    print(f"\ncold start {cold_start:.1f} s, peak memory of all processes {memory.peak_bytes / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
