"""Train the mouth network: `python -m training.train`, about fourteen minutes on two cores."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.builtin.network import MouthNetwork, normalised, padded
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.loudness import reference_level
from training.dataset import NATURAL_SHARES, SpeechClip, augment, is_installed, training_clips
from training.report import rows, table

WEIGHTS = Path(__file__).parent.parent / "pipeline" / "engines" / "builtin" / "mouth.safetensors"
CROP_COLUMNS = 400
BATCH = 32
LEARNING_RATE = 3e-3
BIT_LIKE = (Mouth.CLOSURE, Mouth.LOWER_TUCK, Mouth.TONGUE)
"""Near-binary parameters, trained with cross-entropy. The others are amounts, trained with squared error."""
WEIGHT = {Mouth.JAW_OPEN: 12.0, Mouth.LIP_WIDTH: 3.0, Mouth.UPPER_RAISE: 3.0}
CLOSED_WEIGHT = 4.0
"""Additional weight of closures during speech: they are short and rare, and a missing one is conspicuous."""


def synthesise(seed: int, hours: float, processes: int) -> list[SpeechClip]:
    """Synthesise training clips in parallel; deterministic for a given seed and number of processes."""
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        parts = [pool.submit(_part, (seed, number), hours / processes) for number in range(processes)]
        return [clip for part in parts for clip in part.result()]


def _part(seed: tuple[int, int], hours: float) -> list[SpeechClip]:
    return list(training_clips(seed, hours))


def crops(clips: Sequence[SpeechClip], random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of random crops: mel [batch, 80, columns] and mouth [batch, 6, columns]."""
    mels, mouths = [], []
    for index in random.choice(len(clips), BATCH, p=_lengths(clips)):
        chosen = clips[index]
        start = int(random.integers(max(1, chosen.mel.shape[1] - CROP_COLUMNS + 1)))
        stop = start + CROP_COLUMNS
        mel, mouth = chosen.mel[:, start:stop], chosen.mouth[start:stop]
        missing = CROP_COLUMNS - len(mouth)
        mels.append(np.pad(mel, ((0, 0), (0, missing)), constant_values=-4.0))
        closed = np.zeros((missing, len(Mouth)), np.float32)
        closed[:, Mouth.CLOSURE] = 1.0
        mouths.append(np.concatenate([mouth, closed]).T)
    return torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(mouths))


def _lengths(clips: Sequence[SpeechClip]) -> NDArray[np.float64]:
    lengths = np.array([clip.mel.shape[1] for clip in clips], np.float64)
    return np.asarray(lengths / lengths.sum())


def loss(logits: torch.Tensor, mouth: torch.Tensor, movement_weight: float = 4) -> torch.Tensor:
    """How far the network's outputs [batch, 6, columns] are from the mouth that is wanted.

    `movement_weight`: how much more errors in movement count than those in place; they cause flicker.
    """
    total = torch.zeros(())
    speaking = mouth[:, Mouth.JAW_OPEN] > 0.04
    for part in BIT_LIKE:
        wrong = nn.functional.binary_cross_entropy_with_logits(logits[:, part], mouth[:, part], reduction="none")
        if part is Mouth.CLOSURE:
            wrong = wrong * (1 + CLOSED_WEIGHT * speaking * mouth[:, part])
        total = total + wrong.mean()
    for part, weight in WEIGHT.items():
        output = torch.tanh(logits[:, part]) if part is Mouth.LIP_WIDTH else torch.sigmoid(logits[:, part])
        total = total + weight * (output - mouth[:, part]).square().mean()
        total = total + movement_weight * weight * (output - mouth[:, part]).diff(dim=-1).square().mean()
    return total


def train(clips: Sequence[SpeechClip], steps: int, seed: int) -> MouthNetwork:
    """Train a network on `steps` batches of the clips."""
    torch.manual_seed(seed)
    random, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    network = MouthNetwork().train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.15)
    began, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        mel, mouth = crops(clips, random)
        mel = augment(mel, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network.logits(padded(normalised(mel, reference_level(mel))))
        wrong = loss(logits.float(), mouth)
        optimizer.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean += 0.02 * (float(wrong.detach()) - mean) if step > 1 else float(wrong.detach())
        if step % 100 == 0:
            print(f"step {step}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    return network.eval()


def main() -> None:
    """Synthesise the speech, train, save the weights and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0, help="hours of speech to synthesise")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    missing = [voice for voice in NATURAL_SHARES if not is_installed(voice)]
    if missing:
        print(f"skipping voices that are not installed: {', '.join(missing)}", flush=True)
    clips = synthesise(options.seed, options.hours, options.threads)
    print(f"{len(clips)} clips synthesised in {time.monotonic() - began:.0f} s", flush=True)
    network = train(clips, options.steps, options.seed)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, options.out)
    options.out.chmod(0o644)
    print(f"{options.out}: {options.out.stat().st_size} bytes, trained in {time.monotonic() - began:.0f} s", flush=True)
    print(table(list(rows(MouthModel(torch.device("cpu"), options.out), fps=25))))


if __name__ == "__main__":
    main()
