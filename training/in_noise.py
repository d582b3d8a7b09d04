"""Train the network that knows other sounds than speech: `python -m training.in_noise`.

It starts as the network of `training.train`. Besides what is heard it sees the voice that enhancement makes of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.engines.builtin.mouth import WEIGHTS, WEIGHTS_IN_NOISE, loaded
from pipeline.engines.builtin.network import BANDS, MouthNetwork, both, normalised, padded
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import mouth_at
from pipeline.engines.enhancement import enhanced
from pipeline.engines.loudness import reference_level
from pipeline.engines.mel import COLUMNS_PER_SECOND, HOP_SAMPLES, SAMPLE_RATE_HZ, SILENCE, mel_spectrogram
from pipeline.media import pcm
from pipeline.media.pcm import resampled
from pipeline.messages import Phoneme
from training.backgrounds import Background, Doubles, babble, breaths, laughter, music, noise
from training.dataset import SHARES, Floats, augment, joined, random_voice, say, shuffled
from training.train import CROP_COLUMNS, loss

SECONDS = 7200
"""Of speech."""
SENTENCES, LONG_PAUSE_SHARE, PAUSE_SECONDS, LONG_PAUSE_SECONDS = 3, 0.3, (0.0, 1.0), (1.0, 3.0)
"""In each clip, and how long the pauses before and after them are."""
SOUNDS: dict[Background, int] = {noise: 40, babble: 64, laughter: 48, breaths: 48, music: 24}
"""Background sounds of each kind: voices and what resembles them are hardest to tell from the speech."""
BABBLERS = 96
"""Sentences of which a babble is made."""
VERSIONS, QUIET_SHARE, BACKGROUND_DB = 4, 0.15, (2.0, 22.0)
"""How often each clip is heard; how often with nothing behind it, and elsewhere how far below the speech that is."""
UNCHANGED_SHARE = 0.25
"""Of the batches: what is heard in place of the voice, since not every recording is enhanced."""
BATCH, STEPS, LEARNING_RATE = 16, 5000, 2e-3
AVERAGED_STEPS = 100
"""The weights are averaged over about so many steps."""
SPEAKING = 1e-3
"""Power, relative to the loudest, from which on a sample is speech."""
PEAK = 0.7

PAUSE_COLUMNS = 40
"""Silence between both spectrograms while they are varied together, in which a room's echo fades away."""


class Speech(NamedTuple):
    """Sentences with pauses."""

    samples: Floats
    mouth: Floats
    """Shape [6, columns]: between what the phonemes say and what the network of `training.train` hears."""


def speech(random: np.random.Generator) -> Iterator[Speech]:
    """Clips, each of sentences by a random voice with pauses."""
    teacher, columns = loaded(WEIGHTS), 0
    while columns < SECONDS * COLUMNS_PER_SECOND:
        samples, phonemes = sentences_with_pauses(random)
        mel = torch.from_numpy(mel_spectrogram(samples))
        told = mouth_at(phonemes, np.arange(mel.shape[1]) / COLUMNS_PER_SECOND).T
        yield Speech(samples, np.asarray((_taught(teacher, mel[None]) + told) / 2, np.float32))
        columns += mel.shape[1]


def sentences_with_pauses(random: np.random.Generator) -> tuple[Floats, list[Phoneme]]:
    """Some sentences by a random voice, at 16 kHz, and their phonemes."""
    language = str(random.choice(list(SHARES), p=_shares()))
    voice, speed = random_voice(language, random), random.uniform(0.7, 1.15)
    spoken = [(say(shuffled(language, random), language, voice, speed), _pause(random)) for _ in range(SENTENCES)]
    samples, phonemes = joined(spoken, random.uniform(0.82, 1.25), _pause(random))
    missing = CROP_COLUMNS * HOP_SAMPLES - len(samples)
    return np.pad(samples, (0, max(0, missing))), phonemes


@torch.inference_mode()
def _taught(teacher: MouthNetwork, mel: torch.Tensor) -> Floats:
    return np.asarray(teacher(padded(normalised(mel, reference_level(mel))))[0].numpy(), np.float32)


def _pause(random: np.random.Generator) -> float:
    is_long = random.random() < LONG_PAUSE_SHARE
    return random.uniform(*(LONG_PAUSE_SECONDS if is_long else PAUSE_SECONDS))


def backgrounds(random: np.random.Generator) -> list[Doubles]:
    """Sounds of each kind."""
    languages = [str(language) for language in random.choice(list(SHARES), BABBLERS)]
    voices = [_sentence(language, random) for language in languages]
    return [make(random, voices) for make, count in SOUNDS.items() for _ in range(count)]


def _sentence(language: str, random: np.random.Generator) -> Floats:
    spoken = say(shuffled(language, random), language, random_voice(language, random), random.uniform(0.7, 1.15))
    return resampled(spoken.samples, spoken.sample_rate_hz, SAMPLE_RATE_HZ)


def clips(random: np.random.Generator) -> Iterator[Floats]:
    """What is heard, the enhanced voice, and the mouth: [166, columns] each."""
    sounds = backgrounds(random)
    for said in speech(random):
        for _ in range(VERSIONS):
            sound = sounds[random.integers(len(sounds))]
            heard = behind(said.samples, np.roll(sound, random.integers(len(sound))), random)
            samples = pcm.as_int16(PEAK / np.abs(heard).max() * heard)
            spectra = (mel_spectrogram(voice) for voice in (pcm.as_float(samples), enhanced(samples)))
            yield np.concatenate([*spectra, said.mouth])


def behind(speech: Floats, sound: Doubles, random: np.random.Generator) -> Floats:
    """Speech with a sound behind it, mostly."""
    if random.random() < QUIET_SHARE:
        return speech
    power = cv2.blur(speech[None] ** 2, (801, 1))[0]
    level = np.sqrt(np.mean(speech[power > SPEAKING * power.max()] ** 2))
    sound = np.resize(sound, len(speech))
    ratio = 10 ** (-random.uniform(*BACKGROUND_DB) / 20)
    return np.asarray(speech + sound / np.sqrt(np.mean(sound**2)) * level * ratio, np.float32)


def batch(clips: Sequence[Floats], random: np.random.Generator) -> torch.Tensor:
    """Random crops [batch, rows, columns] of clips [rows, columns]."""
    chosen = [clips[at] for at in random.choice(len(clips), BATCH)]
    starts = [int(random.integers(clip.shape[1] - CROP_COLUMNS + 1)) for clip in chosen]
    cut = [clip[:, start : start + CROP_COLUMNS] for clip, start in zip(chosen, starts, strict=True)]
    return torch.from_numpy(np.stack(cut))


def varied(heard: torch.Tensor, voice: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Features [batch, 160, columns] of both mel spectrograms [batch, 80, columns], of another throat and room."""
    pause = torch.full((*heard.shape[:2], PAUSE_COLUMNS), SILENCE)
    together = augment(torch.cat([heard, pause, voice], 2), generator, noise=False)
    heard, voice = together[..., : heard.shape[2]], together[..., -voice.shape[2] :]
    unchanged = torch.rand(len(heard), 1, 1, generator=generator) < UNCHANGED_SHARE
    return both(heard, torch.where(unchanged, heard, voice))


class Course:
    """The state of the training."""

    def __init__(self, clips: Sequence[Floats], seed: int, steps: int) -> None:
        """`clips`: what is heard, the enhanced voice and the mouth, [166, columns] each."""
        self._clips = clips
        self._random, self._generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self._network = _untaught().train()
        averaging = get_ema_multi_avg_fn(1 - 1 / AVERAGED_STEPS)
        self._averaged = AveragedModel(self._network, multi_avg_fn=averaging, use_buffers=True)
        self._optimizer = torch.optim.AdamW(self._network.parameters(), LEARNING_RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR
        self._schedule = schedule(self._optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)

    @property
    def network(self) -> MouthNetwork:
        """With the averaged weights."""
        network = self._averaged.module
        assert isinstance(network, MouthNetwork)
        return network

    def step(self) -> float:
        """Train with one batch; the loss."""
        heard, voice, wanted = batch(self._clips, self._random).split([BANDS, BANDS, len(Mouth)], 1)
        features = varied(heard, voice, self._generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network.logits(padded(features))
        wrong = loss(logits.float(), wanted, movement_weight=1)
        self._optimizer.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._averaged.update_parameters(self._network)
        return float(wrong.detach())


def _untaught() -> MouthNetwork:
    """The network of `training.train`, which hears the mean of both spectrograms."""
    network, weights = MouthNetwork(spectrograms=2), loaded(WEIGHTS).state_dict()
    weights["enter.0.weight"] = weights["enter.0.weight"].repeat(1, 2, 1) / 2
    network.load_state_dict(weights)
    return network


def main() -> None:
    """Synthesise the sounds, train, save the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    began = time.monotonic()
    course = Course(list(clips(np.random.default_rng(options.seed))), options.seed, STEPS)
    print(f"sounds synthesised in {time.monotonic() - began:.0f} s", flush=True)
    mean = 0.0
    for number in range(1, STEPS + 1):
        mean += (course.step() - mean) / min(number, 50)
        if number % 50 == 0:
            print(f"step {number}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    weights = course.network.eval().state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, WEIGHTS_IN_NOISE)


def _shares() -> list[float]:
    return [share / sum(SHARES.values()) for share in SHARES.values()]


if __name__ == "__main__":
    main()
