"""Measures streams as a viewer meets them: the time to the first piece, and how far rendering keeps ahead of playing.

Run `python -m benchmarks.streaming`; it prints Markdown. Nothing else should run meanwhile: the load is printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from daemon.trial import POLL_SECONDS, Trial
from pipeline.config import Config

TEXTS = {
    "ru": "Положите текст в папку, и говорящий портрет начнёт его произносить почти сразу. "
    "Пока звучит первое предложение, второе уже готово, а третье ещё рисуется, и никто ничего не ждёт. "
    "Губы двигаются вместе с речью. Звук и картинка совпадают с точностью до кадра. ",
    "en": "Put a text into the folder, and the talking portrait will begin to speak almost at once. "
    "While the first sentence is heard the second one is ready, and the third one is still being drawn. "
    "The lips move along with the speech. Sound and picture match to the frame. ",
}
CHARACTERS_PER_SECOND = {"ru": 18.0, "en": 19.4}


def text_of(language: str, seconds: float) -> str:
    """A text that takes about so long to say."""
    text = TEXTS[language]
    return (text * 100)[: round(seconds * CHARACTERS_PER_SECOND[language])].rpartition(".")[0] + "."


def stream(spool: Path, name: str, **job: Any) -> tuple[float, dict[str, Any]]:
    """Drop a job; return the seconds until its first piece can be played, and its timing JSON."""
    unfinished = spool / f"{name}.part"
    unfinished.write_text(json.dumps({"mode": "stream", **job}), "utf-8")
    start = time.monotonic()
    unfinished.rename(spool / "inbox" / f"{name}.json")
    wait_for(spool / "outbox" / name / "index.m3u8")
    seconds = time.monotonic() - start
    ending = spool / "outbox" / f"{name}.json"
    wait_for(ending)
    timing: dict[str, Any] = json.loads(ending.read_bytes())
    return seconds, timing


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    while not path.exists():
        time.sleep(POLL_SECONDS)


def first_pieces(spool: Path, jobs: int) -> list[float]:
    """The seconds to the first piece of jobs of about 30 s, in turn in each language, one after the other."""
    names = [(f"first-{number}", list(TEXTS)[number % len(TEXTS)]) for number in range(jobs)]
    return sorted(stream(spool, name, text=text_of(code, 30), language=code)[0] for name, code in names)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20, help="how many jobs the first piece is measured with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Trial(Path(folder), Config()) as trial:
        spool = trial.spool.root
        stream(spool, "warm-up", text=text_of("en", 10), language="en")
        load = os.getloadavg()[0]
        print("| language | text | audio s | first piece s | least slack s | rendered in s |")
        print("| --- | --- | ---: | ---: | ---: | ---: |")
        for code in TEXTS:
            for length in (30, 120):
                seconds, timing = stream(spool, f"{code}-{length}", text=text_of(code, length), language=code)
                slack = min(chunk["slack_seconds"] for chunk in timing["chunks"][1:])
                total, audio = timing["timing"]["total_seconds"], timing["audio"]["seconds"]
                print(f"| {code} | {length} s | {audio:.1f} | {seconds:.2f} | {slack:.2f} | {total:.1f} |", flush=True)
        firsts = first_pieces(spool, options.jobs)
    p95 = firsts[min(len(firsts) - 1, round(0.95 * len(firsts)) - 1)]
    print(f"\nfirst piece of {len(firsts)} jobs: p50 {statistics.median(firsts):.2f} s, p95 {p95:.2f} s")
    print(f"{os.cpu_count()} cores; load before {load:.1f}, after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
