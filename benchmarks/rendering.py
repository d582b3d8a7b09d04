"""Measure how fast the built-in engine renders, before encoding: `python -m benchmarks.rendering`.

Runs one process per core, each pinned and with one thread, like the lip-sync workers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.mel import COLUMNS_PER_SECOND
from training.dataset import SpeechClip, held_out_clip

FPS = 25
WARM_UP_FRAMES = 16


@dataclass(frozen=True)
class Task:
    """The work of one process."""

    clip: SpeechClip
    avatar: str
    idle_motion: bool
    size: tuple[int, int]
    core: int


def frames_per_second(task: Task) -> float:
    """Render about 30 s of speech on one core."""
    os.sched_setaffinity(0, {task.core})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clip = task.clip
    frames = clip.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    avatar = Avatars(Config()).load(task.avatar)
    settings = avatar.settings.model_copy(update={"idle_motion": "calm" if task.idle_motion else "off"})
    fitted = replace(avatar, settings=settings).fitted(task.size)
    engine = BuiltinEngine(torch.device("cpu"))
    renderer = engine.renderer(fitted, SpeechFeatures(clip.mel, frames, FPS, clip.phonemes))
    list(renderer.render(0, WARM_UP_FRAMES))
    start = time.perf_counter()
    count = sum(len(batch) for batch in renderer.render(0, frames))
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=720)
    options = parser.parse_args()
    cores, clip = sorted(os.sched_getaffinity(0)), held_out_clip("en", "heart")
    print(f"| avatar | idle motion | frames per second on {len(cores)} cores at {options.side}x{options.side} |")
    print("| --- | --- | ---: |")
    with multiprocessing.get_context("spawn").Pool(len(cores)) as pool:
        for avatar in Avatars(Config()).names():
            for idle_motion in (False, True):
                tasks = [Task(clip, avatar, idle_motion, (options.side, options.side), core) for core in cores]
                rates = pool.map(frames_per_second, tasks, chunksize=1)
                print(f"| {avatar} | {'on' if idle_motion else 'off'} | {np.sum(rates):.0f} |", flush=True)


if __name__ == "__main__":
    main()
