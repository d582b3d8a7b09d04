"""Measure the mouth model on held-out sentences: `python -m benchmarks.mouth_quality`."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.mel import COLUMNS_PER_SECOND
from training.report import rows, table

LONG_SECONDS = 600


def speed(model: MouthModel) -> float:
    """Seconds to compute the track of ten minutes of audio."""
    mel = np.random.default_rng(0).uniform(-4, 1, (80, LONG_SECONDS * COLUMNS_PER_SECOND)).astype(np.float32)
    began = time.perf_counter()
    model.track(SpeechFeatures(mel, LONG_SECONDS * 25, 25))
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=int, default=25)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = MouthModel(torch.device("cpu"))
    print(table(list(rows(model, options.fps))))
    print(f"\nten minutes of audio: {speed(model):.2f} s on one thread")


if __name__ == "__main__":
    main()
