"""Measure what extending a picture to a preset costs, encoding included: `python -m benchmarks.framing`.

Compared with frames of the same size that the picture covers. CPU time, so that other programs matter little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.composition.layout import size_of
from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.messages import Chunk, FrameSize, Preset, Segment, Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests.media import speech_like, write_recording

RUNS = 3


def chunk_of(folder: Path, spec: WorkerSpec, avatar: str, size: FrameSize, seconds: float) -> Chunk:
    """A job of one chunk."""
    write_recording(folder / "in.wav", speech_like(seconds))
    speech = Speech("job", folder, folder / "in.wav")
    stage = SplitStage(spec)
    stage.setup("cpu")
    [chunk] = stage.process(SplitItem("job", speech, 25, "sequential", None, avatar, size))
    return chunk


def frames_per_cpu_second(stage: LipSyncStage, chunks: Sequence[Chunk]) -> list[float]:
    """Render and encode chunks in turns; the median of some runs for each."""
    runs = [[_rate(stage, chunk) for chunk in chunks] for _ in range(RUNS + 1)]  # the first one also prepares
    return [sorted(found)[RUNS // 2] for found in zip(*runs[1:], strict=True)]


def _rate(stage: LipSyncStage, chunk: Chunk) -> float:
    start = sum(os.times()[:4])
    *_, segment = stage.process(chunk)
    assert isinstance(segment, Segment)
    return (chunk.stop_frame - chunk.start_frame) / (sum(os.times()[:4]) - start)


@contextmanager
def prepared(description: str | None) -> Iterator[tuple[LipSyncStage, Callable[[FrameSize], Chunk]]]:
    """A stage that is ready, and what makes a chunk of a frame size, as the command line asks."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--avatar", default="presenter")
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = WorkerSpec("gan-0", "benchmark", "", Config(base=folder), model="gan")
        stage = LipSyncStage(spec)
        stage.setup("cpu")
        yield stage, lambda size: chunk_of(folder, spec, options.avatar, size, options.seconds)


def main() -> None:
    """Print a table."""
    with prepared(__doc__) as (stage, chunk_of_size):
        print("| frames | covered | extended |\n| --- | ---: | ---: |")
        for preset in (Preset.VERTICAL, Preset.SQUARE, Preset.WIDE):
            rates = frames_per_cpu_second(stage, [chunk_of_size(size) for size in (size_of(preset), preset)])
            print(f"| {preset} | {rates[0]:.1f} | {rates[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
