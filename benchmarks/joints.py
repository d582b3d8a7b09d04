"""Measure what keyframes of a still picture add to its motion: `python -m benchmarks.joints [--avatar NAME...]`.

Twenty seconds are rendered once, then encoded in segments as jobs and streams have them. Like `benchmarks.jumps`, but
it also knows how much the rendered frames change, so that a blink is not taken for a pulse. A joint is every keyframe
but the first.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.jumps import changes_of, keyframes, upper_thirds
from pipeline.avatars import Avatars
from pipeline.config import AvatarsSettings, Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.media import rate
from pipeline.media.encoder import SegmentEncoder
from training.dataset import SpeechClip, held_out_clip

FPS = 25
SECONDS = 20
SIDE = 720
SEGMENTS = {
    "video, one": (0, 20),
    "video, two": (0, 10, 20),
    "video, the last one short": (0, 7.6, 15.2, 20),
    "stream": (0, 1, 2, 3, 5, 8, 12, 16, 20),
}
"""Where they begin and end, in seconds."""


def rendered(config: Config, avatar: str, clip: SpeechClip) -> NDArray[np.uint8]:
    """The frames of an avatar that speaks, I420."""
    fitted, frames = Avatars(config).load(avatar).fitted((SIDE, SIDE)), SECONDS * FPS
    engine = BuiltinEngine(torch.device("cpu"))
    renderer = engine.renderer(fitted, SpeechFeatures(clip.mel, frames, FPS, clip.phonemes))
    return np.concatenate([batch.numpy() for batch in renderer.render(0, frames)])


def encoded(frames: NDArray[np.uint8], name: str, config: Config) -> Iterator[Path]:
    """The segments."""
    video, edges = config.video, [round(second * FPS) for second in SEGMENTS[name]]
    is_stream = name == "stream"
    usual = rate.STREAM_USUAL_SECONDS if is_stream else min(rate.STILL_GOP_SECONDS, SECONDS / (len(edges) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.mp4"
        for start, stop in pairwise(edges):
            options = rate.still(
                stop - start,
                FPS,
                video.crf,
                video.preset,
                gop_seconds=rate.STREAM_GOP_SECONDS if is_stream else rate.STILL_GOP_SECONDS,
                followed=stop < edges[-1],
                usual_seconds=usual,
            )
            with SegmentEncoder(path, (SIDE, SIDE), FPS, video.preset, options, threads=1) as encoder:
                encoder.write(frames[start:stop])
            yield path


def row(frames: NDArray[np.uint8], name: str, config: Config) -> str:
    """A line of the table."""
    shown, joints, size = list[NDArray[np.int16]](), set[int](), 0
    for path in encoded(frames, name, config):
        size += path.stat().st_size
        joints |= {len(shown) + frame for frame in keyframes(path)}
        shown += upper_thirds(path, SIDE, SIDE)
    found = changes_of(shown)
    own = changes_of(frame.reshape(-1)[: SIDE * (SIDE // 3)].astype(np.int16) for frame in frames)
    jumps = np.array(sorted(joints - {0}))
    largest = jumps[np.argmax(found[jumps])]
    cells = np.median(found[1:]), found[jumps].mean(), found[largest], own[largest]
    return f"{name} | {' | '.join(f'{cell:.2f}' for cell in cells)} | {size / SECONDS / 1000:.0f}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--avatar", nargs="+", default=["presenter"])
    parser.add_argument(
        "--avatars", type=Path, default=None, metavar="FOLDER", help="where they are; default: lipdrop's"
    )
    options = parser.parse_args()
    config = Config()
    if options.avatars is not None:
        config = Config(avatars=AvatarsSettings(folder=str(options.avatars.absolute())))
    clip = held_out_clip("en", "heart")
    print("| avatar | segments | usual change | at joints, mean | largest | of that, motion | kB/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for avatar in options.avatar:
        frames = rendered(config, avatar, clip)
        for name in SEGMENTS:
            print(f"| {avatar} | {row(frames, name, config)} |", flush=True)


if __name__ == "__main__":
    main()
