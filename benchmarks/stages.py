"""Measure where a job's CPU time goes: `python -m benchmarks.stages [--avatar NAME]`.

The stages run one after the other in this process, with everything loaded. What their programs (ffmpeg, espeak-ng) use
is counted too, and listed apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.messages import MergeItem, Segment, SoundItem, SplitItem, TtsItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.merge import MergeStage
from pipeline.stages.split import SplitStage
from pipeline.stages.tts import TtsStage

TEXT = (
    "The morning began slowly over the quiet harbour, and the fishermen were already mending their nets. "
    "A small boat came in with the tide, carrying apples, letters and a sleepy dog. "
    "Nobody knew who had sent the letters, but everyone wanted to read them."
)
FPS = 25

T = TypeVar("T")


def measured(name: str, work: Callable[[], Iterable[T]]) -> list[T]:
    """Do the work once, print a line, and return its results."""
    before = os.times()
    results = list(work())
    after = os.times()
    own = after.user + after.system - before.user - before.system
    programs = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"| {name} | {own:.2f} | {programs:.2f} |", flush=True)
    return results


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--avatar", default="presenter")
    parser.add_argument("--side", type=int, default=720)
    options = parser.parse_args()
    size = (options.side, options.side)
    spec = WorkerSpec("gan-0", "benchmark", "", Config(), model="gan")
    tts, split, lipsync, merge = TtsStage(spec), SplitStage(spec), LipSyncStage(spec), MergeStage(spec)
    for stage in (tts, split, lipsync):
        stage.setup("cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        list(tts.process(TtsItem("job", folder, "Hello.", "en", None, 1.0)))
        print("| stage | in Python, s | in programs, s |\n| --- | ---: | ---: |")
        [speech] = measured("tts", lambda: tts.process(TtsItem("job", folder, TEXT, "en", None, 1.0)))
        item = SplitItem("job", speech, FPS, "sequential", None, options.avatar, size)
        [chunk] = measured("split", lambda: split.process(item))
        results = measured("lip-sync", lambda: lipsync.process(chunk))
        segments = tuple(result for result in results if isinstance(result, Segment))
        [sound] = measured("sound", lambda: merge.process(SoundItem("job", folder, (chunk,))))
        whole = MergeItem("job", folder, segments, chunk.timeline, sound=sound)
        measured("merge", lambda: merge.process(whole))
        print(f"\n{chunk.timeline.seconds:.1f} s of speech, {options.avatar}, {options.side}x{options.side}")


if __name__ == "__main__":
    main()
