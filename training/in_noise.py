"""Train the network that knows other sounds than speech: `python -m training.in_noise`.

It starts as the network of `training.train` and learns to do in noise, music, laughter and other voices what that one
does without them. So it needs no phonemes.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.engines.builtin.mouth import WEIGHTS, WEIGHTS_IN_NOISE, loaded
from pipeline.engines.builtin.network import MouthNetwork, normalised, padded
from pipeline.engines.loudness import reference_level
from pipeline.engines.mel import COLUMNS_PER_SECOND, SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.media.pcm import resampled
from training.backgrounds import BACKGROUNDS
from training.dataset import LOG_UNITS_PER_DECADE, NATURAL, SHARES, Floats, augment, backend, random_voice, shuffled
from training.train import CROP_COLUMNS, loss

SECONDS = 1100
"""Of speech."""
SOUNDS = 16
"""Background sounds of each kind."""
BABBLERS = 24
"""Sentences of which a babble is made."""
BATCH, STEPS, LEARNING_RATE = 16, 400, 1e-3
QUIET_SHARE, BACKGROUND_DB = 0.4, (3.0, 25.0)
"""Share of the speech with nothing behind it; elsewhere how far below the speech it is."""
SPEAKING = 1e-3
"""Power, relative to the loudest column's, from which on a column is speech."""
SUBTRACTED_SHARE, KEPT = 0.6, 0.1
"""Of how much of it the mean of the background is subtracted, as `pipeline.engines.builtin.denoising` does."""


def speech(random: np.random.Generator) -> list[Floats]:
    """Mel spectrograms [80, columns], each of three sentences by a random voice with pauses."""
    mels, columns = [], 0
    while columns < SECONDS * COLUMNS_PER_SECOND:
        language, pitch = str(random.choice(list(SHARES), p=_shares())), random.uniform(0.82, 1.25)
        voice, parts = random_voice(language, random), []
        for _ in range(3):
            parts += [sentence(language, voice, pitch, random), np.zeros(_samples(random.uniform(0, 1)), np.float32)]
        mels.append(np.asarray(mel_spectrogram(np.concatenate(parts)), np.float32))
        columns += mels[-1].shape[1]
    return mels


def sentence(language: str, voice: str, pitch: float, random: np.random.Generator) -> Floats:
    """A sentence at 16 kHz, played `pitch` times as fast."""
    text, speed = shuffled(language, random), random.uniform(0.7, 1.15)
    natural = NATURAL.get(voice)
    engine, name = (backend(natural.backend), natural.name) if natural else (backend("espeak"), voice)
    spoken = engine.speak(text, language, name, speed)
    return resampled(spoken.samples, spoken.sample_rate_hz * pitch, SAMPLE_RATE_HZ)


def backgrounds(random: np.random.Generator) -> list[Floats]:
    """Mel spectrograms [80, columns] of sounds of each kind."""
    languages = [str(language) for language in random.choice(list(SHARES), BABBLERS)]
    voices = [sentence(language, random_voice(language, random), 1.0, random) for language in languages]
    sounds = (make(random, voices) for make in BACKGROUNDS for _ in range(SOUNDS))
    return [np.asarray(mel_spectrogram((0.1 * sound / sound.std()).astype(np.float32)), np.float32) for sound in sounds]


def crops(mels: Sequence[Floats], random: np.random.Generator) -> torch.Tensor:
    """A batch of random crops [batch, 80, columns]."""
    chosen = [mels[at] for at in random.choice(len(mels), BATCH)]
    starts = [int(random.integers(max(1, mel.shape[1] - CROP_COLUMNS + 1))) for mel in chosen]
    cut = [mel[:, start : start + CROP_COLUMNS] for mel, start in zip(chosen, starts, strict=True)]
    missing = [((0, 0), (0, CROP_COLUMNS - mel.shape[1])) for mel in cut]
    padded_mels = [np.pad(mel, more, constant_values=-4.0) for mel, more in zip(cut, missing, strict=True)]
    return torch.from_numpy(np.stack(padded_mels))


def behind(mel: torch.Tensor, background: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mel spectrograms [batch, 80, columns] of speech with those of a background behind most of them."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(mel), 1, 1, generator=generator)

    voice, noise = (torch.pow(10.0, 2 * LOG_UNITS_PER_DECADE * of) for of in (mel, background))
    columns = voice.mean(1, keepdim=True)
    speaking = columns > SPEAKING * columns.amax(2, keepdim=True)
    level = (columns * speaking).sum(2, keepdim=True) / speaking.sum(2, keepdim=True)
    ratio = torch.pow(10.0, -0.1 * uniform(*BACKGROUND_DB)) * (uniform(0, 1) > QUIET_SHARE)
    noise = noise / noise.mean((1, 2), keepdim=True) * level * ratio
    power = voice + noise
    cleaner = torch.maximum(power - noise.mean(2, keepdim=True), KEPT * power)
    power = torch.where(uniform(0, 1) < SUBTRACTED_SHARE, cleaner, power)
    return torch.log10(power) / (2 * LOG_UNITS_PER_DECADE)


class Course:
    """The state of the training."""

    def __init__(self, mels: Sequence[Floats], sounds: Sequence[Floats], seed: int) -> None:
        """`mels`: speech; `sounds`: what is put behind it."""
        self._mels, self._sounds = mels, sounds
        self._random, self._generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self._teacher = loaded(WEIGHTS)
        self.network: MouthNetwork = copy.deepcopy(self._teacher).train()
        self._optimizer = torch.optim.AdamW(self.network.parameters(), LEARNING_RATE, weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=0.1
        )

    def step(self) -> float:
        """Train with one batch; the loss."""
        mel = crops(self._mels, self._random)
        with torch.inference_mode():
            wanted = self._teacher(padded(normalised(mel, reference_level(mel))))
        heard = augment(behind(mel, crops(self._sounds, self._random), self._generator), self._generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network.logits(padded(normalised(heard, reference_level(heard))))
        wrong = loss(logits.float(), wanted.clone(), movement_weight=0)
        self._optimizer.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        return float(wrong.detach())


def main() -> None:
    """Synthesise the sounds, train, save the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stop", type=int, default=STEPS, metavar="STEP", help="stop after so many steps")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began, random = time.monotonic(), np.random.default_rng(options.seed)
    course = Course(speech(random), backgrounds(random), options.seed)
    print(f"sounds synthesised in {time.monotonic() - began:.0f} s", flush=True)
    for number in range(1, options.stop + 1):
        wrong = course.step()
        if number % 50 == 0:
            print(f"step {number}: loss {wrong:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    weights = course.network.eval().state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, WEIGHTS_IN_NOISE)


def _shares() -> list[float]:
    return [share / sum(SHARES.values()) for share in SHARES.values()]


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


if __name__ == "__main__":
    main()
