#!/usr/bin/env python3
"""Make a video of every text in a folder, without lipdrop's commands: only files are written and read.

Usage: batch.py SPOOL TEXTS [KEY=VALUE ...]      such as: batch.py . texts language=en captions=true

Any program may drop jobs like this, also while the daemon is down. Prints a line for each job as it ends; exits with 1
if one failed. Needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def drop(spool: Path, name: str, job: dict) -> None:
    """Put a job into the inbox. A rename is atomic, so the daemon never sees half a file."""
    unfinished = spool / "inbox" / f".{name}.json.part"
    unfinished.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")
    unfinished.rename(spool / "inbox" / f"{name}.json")


def ended(spool: Path, name: str) -> dict | None:
    """The timing JSON of a job, which is written last; None while the job waits or runs."""
    if (spool / "inbox" / f"{name}.json").exists() or (spool / "work" / name).exists():
        return None  # a timing JSON that exists already is an earlier job's
    try:
        return json.loads((spool / "outbox" / f"{name}.json").read_text("utf-8"))
    except FileNotFoundError:
        return None


def settings(words: list[str]) -> dict:
    """KEY=VALUE arguments as keys of a job; true, false and numbers are read as JSON."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def main(spool: Path, texts: Path, options: dict) -> int:
    """Drop all jobs, then report each as it ends."""
    waiting = []
    for file in sorted(texts.glob("*.txt")):
        drop(spool, file.stem, {"text": file.read_text("utf-8"), **options})
        waiting.append(file.stem)
    failures = 0
    while waiting:
        for name in list(waiting):
            report = ended(spool, name)
            if report is None:
                continue
            waiting.remove(name)
            if report["status"] == "done":
                print(
                    f"{name}: {report['audio']['seconds']:.1f} s of video in {report['timing']['total_seconds']:.1f} s"
                )
            else:
                failures += 1
                print(f"{name}: failed: {report['error']['code']}: {report['error']['message']}", file=sys.stderr)
        time.sleep(0.2)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), settings(sys.argv[3:])))
