"""Train the network that knows other sounds than speech: `python -m training.in_noise`.

It starts as the network of `training.train` and learns to do in noise, music, laughter and other voices what that one
does without them. So it needs no phonemes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.engines.builtin.mouth import WEIGHTS, WEIGHTS_IN_NOISE, loaded
from pipeline.engines.builtin.network import BANDS, MouthNetwork, normalised, padded
from pipeline.engines.loudness import reference_level
from pipeline.engines.mel import COLUMNS_PER_SECOND, SAMPLE_RATE_HZ, SILENCE, mel_spectrogram
from pipeline.media.pcm import resampled
from training.backgrounds import Background, babble, breaths, laughter, music, noise
from training.dataset import LOG_UNITS_PER_DECADE, NATURAL, SHARES, Floats, augment, backend, random_voice, shuffled
from training.train import CROP_COLUMNS, loss

SECONDS = 2400
"""Of speech."""
SENTENCES, LONG_PAUSE_SHARE, PAUSE_SECONDS, LONG_PAUSE_SECONDS = 3, 0.3, (0.0, 1.0), (1.0, 3.0)
"""In each clip, and how long the pauses before and after them are."""
SOUNDS: dict[Background, int] = {noise: 20, babble: 32, laughter: 24, breaths: 24, music: 12}
"""Background sounds of each kind: voices and what resembles them are hardest to tell from the speech."""
BABBLERS = 48
"""Sentences of which a babble is made."""
BATCH, STEPS, WARM_UP_STEPS, LEARNING_RATE = 16, 2000, 50, 1.5e-3
AVERAGED_STEPS = 300
"""The weights are averaged over about so many steps."""
QUIET_SHARE, BACKGROUND_DB = 0.3, (2.0, 22.0)
"""Share of the speech with nothing behind it; elsewhere how far below the speech it is."""
SPEAKING = 1e-3
"""Power, relative to the loudest column's, from which on a column is speech."""
SUBTRACTED_SHARE, KEPT = 0.6, 0.1
"""Of how much of it the mean of the background is subtracted, as `pipeline.engines.builtin.denoising` does."""

T = TypeVar("T")


class Clip(NamedTuple):
    """Speech, and what the network of `training.train` does."""

    mel: Floats
    """Shape [80, columns]."""
    mouth: Floats
    """Shape [6, columns]."""


def speech(random: np.random.Generator) -> list[Clip]:
    """Clips, each of sentences by a random voice with pauses."""
    teacher, clips, columns = loaded(WEIGHTS), list[Clip](), 0
    while columns < SECONDS * COLUMNS_PER_SECOND:
        language, pitch = str(random.choice(list(SHARES), p=_shares())), random.uniform(0.82, 1.25)
        voice, parts = random_voice(language, random), [_pause(random)]
        for _ in range(SENTENCES):
            parts += [sentence(language, voice, pitch, random), _pause(random)]
        mel = mel_spectrogram(np.concatenate(parts))
        mel = np.pad(mel, ((0, 0), (0, max(0, CROP_COLUMNS - mel.shape[1]))), constant_values=SILENCE)
        clips.append(Clip(np.asarray(mel, np.float32), _taught(teacher, torch.from_numpy(mel)[None])))
        columns += mel.shape[1]
    return clips


@torch.inference_mode()
def _taught(teacher: MouthNetwork, mel: torch.Tensor) -> Floats:
    return np.asarray(teacher(padded(normalised(mel, reference_level(mel))))[0].numpy(), np.float32)


def _pause(random: np.random.Generator) -> Floats:
    is_long = random.random() < LONG_PAUSE_SHARE
    return np.zeros(_samples(random.uniform(*(LONG_PAUSE_SECONDS if is_long else PAUSE_SECONDS))), np.float32)


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
    sounds = (make(random, voices) for make, count in SOUNDS.items() for _ in range(count))
    return [np.asarray(mel_spectrogram((0.1 * sound / sound.std()).astype(np.float32)), np.float32) for sound in sounds]


def crops(arrays: Sequence[Floats], random: np.random.Generator) -> torch.Tensor:
    """A batch of random crops [batch, rows, columns] of arrays [rows, columns]."""
    starts = [int(random.integers(array.shape[1] - CROP_COLUMNS + 1)) for array in arrays]
    cut = [array[:, start : start + CROP_COLUMNS] for array, start in zip(arrays, starts, strict=True)]
    return torch.from_numpy(np.stack(cut))


def chosen(arrays: Sequence[T], random: np.random.Generator) -> list[T]:
    """A batch of them."""
    return [arrays[at] for at in random.choice(len(arrays), BATCH)]


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

    def __init__(self, clips: Sequence[Clip], sounds: Sequence[Floats], seed: int) -> None:
        """`clips`: speech; `sounds`: what is put behind it."""
        self._clips, self._sounds = [np.concatenate(clip) for clip in clips], sounds
        self._random, self._generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self._network = loaded(WEIGHTS).train()
        averaging = get_ema_multi_avg_fn(1 - 1 / AVERAGED_STEPS)
        self._averaged = AveragedModel(self._network, multi_avg_fn=averaging, use_buffers=True)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), LEARNING_RATE, weight_decay=0.01)
        warm_up = torch.optim.lr_scheduler.LambdaLR
        self._schedule = warm_up(self._optimizer, lambda step: min(1, (step + 1) / WARM_UP_STEPS))

    @property
    def network(self) -> MouthNetwork:
        """With the averaged weights."""
        network = self._averaged.module
        assert isinstance(network, MouthNetwork)
        return network

    def step(self) -> float:
        """Train with one batch; the loss."""
        taught = crops(chosen(self._clips, self._random), self._random)
        mel, wanted = taught[:, :BANDS], taught[:, BANDS:]
        background = crops(chosen(self._sounds, self._random), self._random)
        heard = augment(behind(mel, background, self._generator), self._generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network.logits(padded(normalised(heard, reference_level(heard))))
        wrong = loss(logits.float(), wanted, movement_weight=1)
        self._optimizer.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._averaged.update_parameters(self._network)
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
    mean = 0.0
    for number in range(1, options.stop + 1):
        mean += (course.step() - mean) / min(number, 50)
        if number % 50 == 0:
            print(f"step {number}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    weights = course.network.eval().state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, WEIGHTS_IN_NOISE)


def _shares() -> list[float]:
    return [share / sum(SHARES.values()) for share in SHARES.values()]


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


if __name__ == "__main__":
    main()
