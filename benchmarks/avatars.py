"""Measure how quickly a worker can start to render an avatar: `python -m benchmarks.avatars`.

For a new avatar the face is searched for and, for a video, all frames are written at the job's size. After that the
results are cached for all workers: *another worker* has not used the avatar yet, *the same* has just finished a job
with it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.talking_face import PORTRAIT
from daemon.bench.measure import make_video, seeded_models
from pipeline.avatars import Avatars
from pipeline.config import AvatarsSettings, Config
from pipeline.engines import load_engine
from pipeline.engines.base import Engine, SpeechFeatures
from pipeline.engines.mel import COLUMNS_PER_SECOND, MEL_BANDS, SILENCE

FPS = 25
SPEECH_SECONDS = 10
SIZES = {"picture": (720, 720), "video": (1280, 720)}
VIDEO_SECONDS = 30
WORKERS = 9
"""Number of other workers that load the avatar; the median is reported."""


def ready_seconds(avatars: Avatars, name: str, engine: Engine) -> float:
    """Time from the name of an avatar to a job's renderer."""
    silence = np.full((MEL_BANDS, SPEECH_SECONDS * COLUMNS_PER_SECOND), SILENCE, np.float32)
    start = time.perf_counter()
    fitted = avatars.load(name).fitted(SIZES.get(name))
    engine.renderer(fitted, SpeechFeatures(silence, SPEECH_SECONDS * FPS, FPS))
    return time.perf_counter() - start


def measured(name: str, engine: Engine, new_avatars: Callable[[], Avatars]) -> tuple[float, float, float]:
    """Seconds for a new avatar, for other workers, and for the same worker again."""
    first = ready_seconds(new_avatars(), name, engine)
    others = [new_avatars() for _ in range(WORKERS)]
    known = [ready_seconds(avatars, name, engine) for avatars in others]
    again = [ready_seconds(avatars, name, engine) for avatars in others]
    return first, median(known), median(again)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    torch.set_num_threads(1)  # as in a worker
    print("| engine | avatar | size | new s | another worker ms | the same ms |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_video(folder / "avatars" / "video" / "video.mp4", SIZES["video"], VIDEO_SECONDS)
        (folder / "avatars" / "picture").mkdir()
        shutil.copy(PORTRAIT, folder / "avatars" / "picture")
        avatars_settings = AvatarsSettings(folder=str(folder / "avatars"))
        builtin = Config(avatars=avatars_settings)
        for config in (builtin, builtin.model_copy(update={"models": seeded_models(folder, builtin.models)})):
            engine = load_engine("gan", config, torch.device("cpu"))
            ready_seconds(Avatars(config, folder / "warm-up"), "presenter", engine)
            for name, (width, height) in SIZES.items():
                cache = folder / f"{engine.name}-{name}"
                first, other, same = measured(name, engine, lambda: Avatars(config, cache))  # noqa: B023
                times = f"{first:.2f} | {1000 * other:.0f} | {1000 * same:.0f}"
                print(f"| {engine.name} | {name} | {width}x{height} | {times} |", flush=True)


if __name__ == "__main__":
    main()
