"""Measure the mouth model on voices and sentences that it never heard: `python -m benchmarks.mouth_quality`."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.mel import COLUMNS_PER_SECOND
from training.dataset import DIALECTS, HELD_OUT_VARIANTS, Clip, held_out_clip
from training.measures import Scores, average, measured

LONG_SECONDS = 600


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    seconds: float
    heard: Scores
    """Of the network alone."""
    told: Scores
    """With the phonemes."""


def row(name: str, clips: list[Clip], model: MouthModel, fps: int) -> Row:
    """The mean scores of some clips."""
    heard: list[Scores] = []
    told: list[Scores] = []
    for clip in clips:
        frames = clip.mel.shape[1] * fps // COLUMNS_PER_SECOND
        for phonemes, scores in (((), heard), (clip.phonemes, told)):
            track = model.track(SpeechFeatures(clip.mel, frames, fps, phonemes))
            scores.append(measured(track, clip.phonemes, fps))
    return Row(name, sum(clip.mel.shape[1] for clip in clips) / COLUMNS_PER_SECOND, average(heard), average(told))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table, the network's scores before the ones with phonemes."""
    names = list(asdict(rows[0].heard))
    lines = ["| speech | s | with | " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    lines.append("|" + " --- |" * (len(names) + 3))
    for line in rows:
        for kind, scores in (("audio", line.heard), ("phonemes", line.told)):
            values = " | ".join(f"{value:.3f}" for value in asdict(scores).values())
            lines.append(f"| {line.name} | {line.seconds:.0f} | {kind} | {values} |")
    return "\n".join(lines)


def speed(model: MouthModel) -> float:
    """Seconds for the track of ten minutes."""
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
    rows = []
    for language in ("ru", "en", "kk", "pl"):
        voices = [f"{DIALECTS[language][0]}+{variant}" for variant in HELD_OUT_VARIANTS]
        clips = [held_out_clip(language, voice) for voice in voices]
        rows.append(row(f"{language}: {', '.join(HELD_OUT_VARIANTS)}", clips, model, options.fps))
    rows.append(row("en: hibari's heart", [held_out_clip("en", "heart")], model, options.fps))
    print(table(rows))
    print(f"\nten minutes of audio: {speed(model):.2f} s on one thread")


if __name__ == "__main__":
    main()
