"""List where the picture of a video jumps: `python -m benchmarks.jumps VIDEO...`.

The upper third of a speaking avatar hardly moves, so what is seen to change there is the encoder's work. A change is
the mean difference of luma from the frame before, in grey levels.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import ffmpeg

Picture = NDArray[np.int16]


def upper_thirds(video: Path, width: int, height: int) -> Iterator[Picture]:
    """Luma of the upper third of each frame."""
    argv = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while data := process.stdout.read(width * height * 3 // 2):
            yield np.frombuffer(data, np.uint8, width * (height // 3)).astype(np.int16)


def changes_of(pictures: Iterable[Picture]) -> NDArray[np.float64]:
    """How much each frame differs from the one before; 0 for the first."""
    found: list[float] = []
    before: Picture | None = None
    for picture in pictures:
        found.append(0.0 if before is None else float(np.abs(picture - before).mean()))
        before = picture
    return np.array(found)


def keyframes(video: Path) -> set[int]:
    """The numbers of the keyframes."""
    argv = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=flags", "-of", "csv=p=0"]
    flags = subprocess.run([*argv, str(video)], check=True, capture_output=True, text=True).stdout.split()
    return {number for number, flag in enumerate(flags) if flag.startswith("K")}


def main() -> None:
    """Print a table for each video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", metavar="VIDEO", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=10, help="how many frames to list")
    options = parser.parse_args()
    for video in options.videos:
        picture = next(s for s in ffmpeg.probe(video, ffmpeg.OUR_FORMATS)["streams"] if s["codec_type"] == "video")
        levels, keys = changes_of(upper_thirds(video, picture["width"], picture["height"])), keyframes(video)
        seconds = float(picture["duration"]) / len(levels)
        print(f"{video.name}: {len(levels)} frames, {len(keys)} keyframes, median change {np.median(levels[1:]):.2f}\n")
        print("| frame | second | change | keyframe |\n| ---: | ---: | ---: | --- |")
        for frame in np.argsort(-levels, kind="stable")[: options.count].tolist():
            print(f"| {frame} | {frame * seconds:.2f} | {levels[frame]:.2f} | {'yes' if frame in keys else ''} |")
        print()


if __name__ == "__main__":
    main()
