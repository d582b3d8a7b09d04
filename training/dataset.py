"""Speech with known mouths: synthesised sentences whose phonemes and their times the voices tell.

espeak-ng speaks every language of `texts/` in some seventy variants of voice, hibari speaks English with a neural
voice. Sentences are shuffled word by word for new sequences of sounds, joined with pauses of all lengths, and
resampled for higher and lower voices. `augment` adds rooms, noise, microphones and vocal tracts to the batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.builtin.visemes import mouth_at
from pipeline.mel import COLUMNS_PER_SECOND, SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.voices.base import Backend, Phoneme, Utterance
from pipeline.voices.espeak import Espeak
from pipeline.voices.hibari import Hibari

TEXTS = Path(__file__).parent / "texts"
LOG_UNITS_PER_DECADE = 0.625
"""Mel values are 12.5 dB a unit: the amplitude is 10 ** (0.625 * value)."""

DIALECTS = {
    "ru": ("ru",), "en": ("en-us", "en-gb-x-rp", "en-gb-scotland"), "kk": ("kk",), "de": ("de",), "fr": ("fr",),
    "es": ("es", "es-419"), "it": ("it",), "tr": ("tr",), "pl": ("pl",),
}  # fmt: skip
SHARES = {"ru": 0.32, "en": 0.32, "kk": 0.12, "de": 0.05, "fr": 0.05, "es": 0.05, "it": 0.04, "tr": 0.05}
"""Part of each language in the training set. Polish is in none: it is kept to test an unknown language."""
HELD_OUT_VARIANTS = ("f3", "m4", "Annie", "Michael", "klatt3", "Andrea")
"""Voices that the training never hears."""
UNLIKE_SPEECH = frozenset({
    "", "Demonic", "UniRobot", "anikaRobot", "croak", "fast", "whisper", "whisperf", "AnxiousAndy", "Tweaky",
    "Alicia", "Marco", "pablo", "RicishayMax",
    *(f"robosoft{n}" for n in ("", 2, 3, 4, 5, 6, 7, 8)),
})  # fmt: skip
"""Variants without a voice, or with an echo or other effects over it."""
NATURAL_SHARE = 0.6
"""Part of the English training speech that hibari speaks."""

HELD_OUT_LETTERS = 450
"""At least 20 seconds of speech."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SpeechClip:
    """Some sentences of one voice."""

    name: str
    """Language and voice."""
    mel: Floats
    """Shape [80, columns]."""
    mouth: Floats
    """What the mouth should do at the centre of each column, shape [columns, 6]."""
    phonemes: tuple[Phoneme, ...]


@lru_cache
def sentences(language: str, held_out: bool = False) -> tuple[str, ...]:
    """The sentences of a language to train with, or every eighth one, which is held out to measure with.

    Of a language that is never trained with, all are held out.
    """
    lines = (TEXTS / f"{language}.txt").read_text("utf-8").splitlines()
    if language not in SHARES:
        return tuple(lines)
    return tuple(line for at, line in enumerate(lines) if (at % 8 == 3) == held_out)


@lru_cache
def backend(name: str) -> Backend:
    """The voice backend, loaded once."""
    return Hibari() if name == "hibari" else Espeak()


def variants() -> list[str]:
    """The espeak variants to train with."""
    known = {voice.partition("+")[2] for voice in backend("espeak").voices("ru")}
    return sorted(known - UNLIKE_SPEECH - set(HELD_OUT_VARIANTS))


def say(text: str, language: str, voice: str, speed: float) -> Utterance:
    """The sentence with its phonemes. `voice` is espeak's, or `heart` for hibari."""
    return backend("hibari" if voice == "heart" else "espeak").speak(text, language, voice, speed)


def resampled(samples: Floats, rate_hz: float) -> Floats:
    """The samples at 16 kHz, by Fourier transform."""
    length = round(len(samples) * SAMPLE_RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(samples)
    out = np.zeros(length // 2 + 1, np.complex128)
    kept = min(len(out), len(spectrum))
    out[:kept] = spectrum[:kept]
    return np.asarray(np.fft.irfft(out, length) * (length / len(samples)), np.float32)


def joined(
    utterances: list[tuple[Utterance, float]], pitch: float, lead_seconds: float
) -> tuple[Floats, list[Phoneme]]:
    """Sentences with the pause after each (seconds), at 16 kHz, played `pitch` times as fast."""
    sound = [np.zeros(round(lead_seconds * SAMPLE_RATE_HZ), np.float32)]
    phonemes: list[Phoneme] = []
    for utterance, pause_seconds in utterances:
        offset = sum(map(len, sound)) / SAMPLE_RATE_HZ
        sound.append(resampled(utterance.samples, utterance.sample_rate_hz * pitch))
        sound.append(np.zeros(round(pause_seconds * SAMPLE_RATE_HZ), np.float32))
        phonemes += [
            Phoneme(p.symbol, offset + p.start_seconds / pitch, offset + p.end_seconds / pitch)
            for p in utterance.phonemes
        ]
    return np.concatenate(sound), phonemes


def clip(name: str, samples: Floats, phonemes: list[Phoneme]) -> SpeechClip:
    """The clip of a sound and its phonemes."""
    mel = np.asarray(mel_spectrogram(samples), np.float32)
    times = np.arange(mel.shape[1]) / COLUMNS_PER_SECOND
    return SpeechClip(name, mel, mouth_at(phonemes, times), tuple(phonemes))


def shuffled(language: str, random: np.random.Generator) -> str:
    """A sentence of the language as it is, or as many words from anywhere in its list."""
    lines = sentences(language)
    line = lines[random.integers(len(lines))]
    if random.random() < 0.5:
        return line
    words = " ".join(lines).replace(".", "").replace("?", "").replace("!", "").split()
    return " ".join(random.choice(words, 8)) + "."


def training_clips(seed: int, hours: float, natural_share: float = NATURAL_SHARE) -> Iterator[SpeechClip]:
    """Random clips of a few sentences each, the same for the same seed."""
    random = np.random.default_rng(seed)
    columns = 0
    while columns < hours * 3600 * COLUMNS_PER_SECOND:
        made = random_clip(random, natural_share)
        columns += made.mel.shape[1]
        yield made


def random_clip(random: np.random.Generator, natural_share: float) -> SpeechClip:
    """Two to four sentences of one random voice."""
    language = str(random.choice(list(SHARES), p=np.array(list(SHARES.values())) / sum(SHARES.values())))
    natural = language == "en" and random.random() < natural_share
    dialect, variant = random.choice(DIALECTS[language]), random.choice(variants())
    voice = "heart" if natural else f"{dialect}+{variant}"
    speed = random.uniform(0.75, 1.25) if natural else random.uniform(0.65, 1.1)
    pauses = random.choice([random.uniform(0.0, 0.2), random.uniform(0.2, 1.0)], random.integers(2, 5))
    spoken = [(say(shuffled(language, random), language, voice, speed), float(pause)) for pause in pauses]
    # Sped up or slowed down as on a tape: pitch and formants move together, as between a man and a child.
    samples, phonemes = joined(spoken, random.uniform(0.82, 1.25), random.uniform(0.0, 0.5))
    return clip(f"{language} {voice}", samples, phonemes)


def held_out_clip(language: str, voice: str, speed: float = 0.9) -> SpeechClip:
    """The held-out sentences of the language, 20 seconds and more, with pauses of 0.15 to 0.6 s."""
    random = np.random.default_rng(0)
    lines = sentences(language, held_out=True)
    while sum(map(len, lines)) < HELD_OUT_LETTERS:
        lines = lines + sentences(language, held_out=True)
    spoken = [(say(line, language, voice, speed), float(random.uniform(0.15, 0.6))) for line in lines]
    samples, phonemes = joined(spoken, 1.0, 0.4)
    return clip(f"{language} {voice}", samples, phonemes)


def augment(mel: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mel spectrograms [batch, 80, columns] as other throats, rooms, microphones and noises would make them."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(mel), 1, 1, generator=generator)

    power = torch.pow(10.0, 2 * LOG_UNITS_PER_DECADE * _warped(mel, uniform(0.9, 1.12)))
    power = _reverberated(power, decay=uniform(2.0, 14.0), level=uniform(0.0, 0.25) ** 2)
    power = power * torch.pow(10.0, _curve(mel, generator) * uniform(0.0, 1.0))
    loudness = power.mean((1, 2), keepdim=True)
    ratio = torch.pow(10.0, -uniform(0.8, 7.0))
    noise_shape = torch.pow(10.0, 1.5 * _curve(mel, generator) - 0.02 * torch.arange(80.0)[None, :, None])
    # The power of noise in a band fluctuates from column to column about as a chi-square of few degrees does.
    flutter = -torch.log(torch.rand(mel.shape, generator=generator).clamp_min(1e-4))
    power = power + loudness * ratio * noise_shape * (0.3 + 0.7 * flutter)
    gained = torch.log10(power.clamp_min(1e-12)) / (2 * LOG_UNITS_PER_DECADE) + uniform(-1.2, 0.6)
    return gained.clamp(-4.0, 4.0)


def _warped(mel: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The bands stretched: longer and shorter vocal tracts."""
    at = (torch.arange(80.0)[None, :, None] * factor).clamp(0, 78.999)
    low = at.floor().long()
    part = at - low
    low = low.expand(-1, -1, mel.shape[2])
    return mel.gather(1, low) * (1 - part) + mel.gather(1, low + 1) * part


def _reverberated(power: torch.Tensor, decay: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """The power with an exponential tail; `decay` in columns."""
    after = torch.arange(1.0, 41.0)
    tail = torch.exp(-after / decay[:, 0])
    tail = torch.flip(tail / tail.sum(1, keepdim=True), [1])
    batch = power.shape[0]
    late = torch.nn.functional.pad(power, (40, 0))[..., :-1].transpose(0, 1)
    late = torch.nn.functional.conv1d(late, tail[:, None], groups=batch).transpose(0, 1)
    return power + level * late


def _curve(mel: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A smooth random curve over the bands, about -1 to 1, shape [batch, 80, 1]."""
    points = torch.randn(len(mel), 1, 6, generator=generator) * 0.5
    curve = torch.nn.functional.interpolate(points, 80, mode="linear", align_corners=True)
    return curve.transpose(1, 2)
