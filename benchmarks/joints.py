"""Measure what keyframes of a still picture add to its motion: `python -m benchmarks.joints [--avatar NAME...]`.

Twenty seconds are rendered once, then encoded in segments as jobs and streams have them. Like `benchmarks.jumps`, but
it also knows how much the rendered frames change, so that a blink is not taken for a pulse.
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

from benchmarks.jumps import changes_of, upper_thirds
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
    "video, a joint after 10 s": (10, rate.STILL_GOP_SECONDS),
    "stream, pieces of 2 s": (2, rate.STREAM_GOP_SECONDS),
    "stream, pieces of 1 s": (1, rate.STREAM_GOP_SECONDS),
}
"""How long segments are, and the longest distance of keyframes."""


def rendered(config: Config, avatar: str, clip: SpeechClip) -> NDArray[np.uint8]:
    """The frames of an avatar that speaks, I420."""
    fitted, frames = Avatars(config).load(avatar).fitted((SIDE, SIDE)), SECONDS * FPS
    engine = BuiltinEngine(torch.device("cpu"))
    renderer = engine.renderer(fitted, SpeechFeatures(clip.mel, frames, FPS, clip.phonemes))
    return np.concatenate([batch.numpy() for batch in renderer.render(0, frames)])


def encoded(frames: NDArray[np.uint8], seconds: float, gop_seconds: int, config: Config) -> Iterator[Path]:
    """Segments of that length."""
    video = config.video
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.mp4"
        for start, stop in pairwise([*range(0, len(frames), round(seconds * FPS)), len(frames)]):
            is_last = stop == len(frames)
            options = rate.still(stop - start, FPS, video.crf, gop_seconds=gop_seconds, followed=not is_last)
            with SegmentEncoder(path, (SIDE, SIDE), FPS, video.preset, options, threads=1) as encoder:
                encoder.write(frames[start:stop])
            yield path


def row(frames: NDArray[np.uint8], name: str, config: Config) -> str:
    """A line of the table."""
    seconds, gop_seconds = SEGMENTS[name]
    shown, size = list[NDArray[np.int16]](), 0
    for path in encoded(frames, seconds, gop_seconds, config):
        size += path.stat().st_size
        shown += upper_thirds(path, SIDE, SIDE)
    found = changes_of(shown)
    own = changes_of(frame.reshape(-1)[: SIDE * (SIDE // 3)].astype(np.int16) for frame in frames)
    joints = np.arange(round(seconds * FPS), len(frames), round(seconds * FPS))
    largest = joints[np.argmax(found[joints])]
    usual = np.median(found[1:])
    return f"{name} | {usual:.2f} | {found[joints].max():.2f} | {own[largest]:.2f} | {size / SECONDS / 1000:.0f}"


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
    print("| avatar | segments | usual change | largest at a joint | of that, motion | kB/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for avatar in options.avatar:
        frames = rendered(config, avatar, clip)
        for name in SEGMENTS:
            print(f"| {avatar} | {row(frames, name, config)} |", flush=True)


if __name__ == "__main__":
    main()
