"""Measure a stream that stays open: `python -m benchmarks.open_stream`.

How long it takes from a text to a playable fragment in which it is heard, and what listening and speaking cost. Prints
Markdown. Run it on an idle machine: the load is printed too.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from daemon.bench.trial import POLL_SECONDS, Trial
from daemon.spool.layout import INIT, PLAYLIST
from pipeline.config import Config

TEXTS = {
    "ru": ("Хороший вопрос!", "Отвечу коротко: мы открыты каждый день, с девяти до шести, без обеда."),
    "en": ("Good question!", "The short answer is that we are open every day from nine to six, without a break."),
    "kk": ("Жақсы сұрақ!", "Қысқаша айтсам, біз күн сайын сағат тоғыздан алтыға дейін жұмыс істейміз."),
}
"""A short and a longer answer."""
LISTENING_SECONDS = (2.0, 4.0)
"""Between two answers, at random."""
COST_SECONDS = 20
LOUD = 300
"""Root mean square above which a fragment has speech, of 32,767."""


def fragments(folder: Path) -> list[str]:
    """The names of all playable fragments."""
    lines = (folder / PLAYLIST).read_text().splitlines()
    return [line for line in lines if line.endswith(".m4s")]


def is_heard(folder: Path, name: str) -> bool:
    """Whether somebody speaks in a fragment."""
    data = (folder / INIT).read_bytes() + (folder / name).read_bytes()
    argv = ["ffmpeg", "-v", "error", "-i", "-", "-map", "0:a", "-f", "s16le", "-"]
    sound = subprocess.run(argv, input=data, capture_output=True, check=True).stdout
    return float(np.sqrt(np.mean(np.frombuffer(sound, np.int16).astype(np.float64) ** 2))) > LOUD


def answer(trial: Trial, name: str, text: str) -> float:
    """Ask for a text while the avatar listens; returns the seconds until it is playable."""
    folder = trial.spool.outbox / name
    known = len(fragments(folder))
    start = time.monotonic()
    trial.spool.ask(name, "text", text)
    while True:
        found, now = fragments(folder), time.monotonic()
        if any(is_heard(folder, fragment) for fragment in found[known:]):
            return now - start
        known = len(found)
        time.sleep(POLL_SECONDS)


def until_silent(trial: Trial, name: str) -> None:
    """Wait until the avatar listens."""
    folder = trial.spool.outbox / name
    known = len(fragments(folder))
    trial.until(lambda: len(fragments(folder)) > known + 1 and not is_heard(folder, fragments(folder)[-1]))


def used_seconds() -> float:
    """CPU time of all processes that this one has started, and of those that they have."""
    return sum(sum(process.cpu_times()[:4]) for process in psutil.Process().children(recursive=True))


def cost(seconds: float) -> float:
    """CPU time per second, from now on."""
    start, before = time.monotonic(), used_seconds()
    time.sleep(seconds)
    return (used_seconds() - before) / (time.monotonic() - start)


def measured(trial: Trial, language: str, answers: int) -> Iterator[str]:
    """Lines of the table for one language."""
    name = f"open-{language}"
    trial.drop(name, text="Hello.", language=language, mode="stream", keep_open=True)
    trial.until((trial.spool.outbox / name / PLAYLIST).exists)
    dice = random.Random(0)
    for kind, text in zip(("short", "longer"), TEXTS[language], strict=True):
        taken = []
        for _ in range(answers):
            until_silent(trial, name)
            time.sleep(dice.uniform(*LISTENING_SECONDS))
            taken.append(answer(trial, name, text))
        taken.sort()
        p95 = taken[min(len(taken) - 1, round(0.95 * len(taken)))]
        yield f"| {language} | {kind} | {statistics.median(taken):.2f} | {p95:.2f} | {taken[-1]:.2f} |"
    trial.spool.ask(name, "end")
    trial.ending(name)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10, help="of each kind and language")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Trial(Path(folder), Config()) as trial:
        print(f"Load {os.getloadavg()[0]:.1f}\n\n| language | answer | p50, s | p95, s | most, s |")
        print("| --- | --- | ---: | ---: | ---: |")
        for language in TEXTS:
            for line in measured(trial, language, options.answers):
                print(line, flush=True)
        trial.drop("cost", text="Hello.", language="en", mode="stream", keep_open=True)
        trial.until((trial.spool.outbox / "cost" / PLAYLIST).exists)
        until_silent(trial, "cost")
        listening = cost(COST_SECONDS)
        trial.spool.ask("cost", "text", f"{TEXTS['en'][1]} " * 8)
        speaking = cost(COST_SECONDS)
        print(f"\nCPU seconds per second of video: listening {listening:.2f}, speaking {speaking:.2f}")


if __name__ == "__main__":
    main()
