"""Measure what the mouth does in sounds behind a recording's speech: `python -m benchmarks.mouth_in_noise`.

The sounds are synthesised, by other rules than those of `training.backgrounds`. Levels are relative to the speech
without its pauses.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel, articulated
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import phoneme_track
from pipeline.engines.mel import SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.media import pcm
from pipeline.messages import Phoneme
from training.dataset import is_installed, joined, say, sentences
from training.measures import CLOSED, STILL, correlation, met, opening, still

FPS = 25
VOICES = (("en", "heart"), ("en", "en-us+m4"), ("ru", "ru+f3"), ("ru", "elena"), ("en", "joe"))
"""Held-out voices, and hibari's; the last two only if they are installed."""
BABBLE = (
    ("en", "en-us+f2"), ("en", "en-us+m3"), ("ru", "ru+m1"), ("ru", "ru+f4"),
    ("kk", "kk+f1"), ("kk", "kk+m2"), ("en", "heart"), ("ru", "ru+f5"),
)  # fmt: skip
SENTENCES = 5
LEAD_SECONDS, EDGE_SECONDS = 3.0, (0.08, 0.09)
"""Before the speech, two thirds of it after the speech; and how long before it the mouth may open, how late close."""
LEVELS_DB = (5, 10, 20)
SPEAKING = 1e-3
"""Power, relative to the loudest, from which on speech is not a pause."""

Doubles = NDArray[np.float64]
Sound = Callable[[int, np.random.Generator], Doubles]
"""Makes so many samples."""


@dataclass(frozen=True)
class Scores:
    """What a mouth does while something else is heard."""

    beside: float
    """Share of frames before and after the speech with a closed and still mouth."""
    pauses: float
    """The same in its pauses."""
    closures: float
    """Share of m, b, p whose lips meet."""
    correlation: float
    """Of the opening with that of the phonemes, during the speech."""


@dataclass(frozen=True)
class Speech:
    """Sentences with pauses."""

    samples: Doubles
    phonemes: Sequence[Phoneme]


def spoken(language: str, voice: str) -> Speech:
    """Some held-out sentences, at 16 kHz."""
    random = np.random.default_rng(1)
    lines = sentences(language, held_out=True)[:SENTENCES]
    said = [(say(line, language, voice, 0.9), float(random.uniform(0.3, 0.9))) for line in lines]
    samples, phonemes = joined(said, 1.0, LEAD_SECONDS)
    rest = np.zeros(round(2 / 3 * LEAD_SECONDS * SAMPLE_RATE_HZ))
    return Speech(np.concatenate([samples, rest]), phonemes)


def noise(slope: float) -> Sound:
    """Noise whose power falls with frequency to the power of `slope`: 0 is white, 1 pink."""

    def make(count: int, random: np.random.Generator) -> Doubles:
        spectrum = np.fft.rfft(random.normal(size=count))
        return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** (slope / 2), count)

    return make


def babble() -> Sound:
    """Eight voices at once."""
    voices = []
    for number, (language, voice) in enumerate(BABBLE):
        lines = np.roll(np.array(sentences(language)), -5 * number)[:6]
        voices.append(joined([(say(str(line), language, voice, 0.95), 0.1) for line in lines], 1.0, 0.0)[0])

    def make(count: int, random: np.random.Generator) -> Doubles:
        turned = (np.resize(np.roll(voice / voice.std(), random.integers(len(voice))), count) for voice in voices)
        return np.asarray(sum(turned), np.float64)

    return make


def breaths(count: int, random: np.random.Generator) -> Doubles:
    """Breaths of about a second."""
    sound, at = np.zeros(count), 0
    while at < count:
        length = min(_samples(random.uniform(0.5, 1.4)), count - at)
        breath = random.normal(size=length) * np.sin(np.linspace(0, np.pi, length)) ** 1.5
        sound[at : at + length] = _resonant(breath, random.uniform((500, 1300, 2500), (900, 2000, 3500)), 500)
        at += length + _samples(random.uniform(0.3, 1.5))
    return sound


def laughter(count: int, random: np.random.Generator) -> Doubles:
    """Bouts of four to ten syllables: a breath, then a hummed vowel whose pitch falls."""
    sound, at = np.zeros(count), _samples(random.uniform(0, 0.5))
    while at < count:
        length = _samples(1 / random.uniform(3.8, 6))
        pitch_hz, formants_hz = random.uniform(140, 420), random.uniform((600, 1100, 2400), (900, 1700, 3000))
        for number in range(random.integers(4, 11)):
            syllable = _syllable(random, length, pitch_hz * (1 - 0.03 * number), formants_hz)[: max(0, count - at)]
            sound[at : at + length] += syllable * 0.93**number
            at += length
        at += _samples(random.uniform(0.3, 1.2))
    return sound


def music(count: int, random: np.random.Generator) -> Doubles:
    """A melody of plucked notes over slow chords, with a drum."""
    beat = SAMPLE_RATE_HZ // 2
    played, time = np.zeros(count + 4 * beat), np.arange(4 * beat) / SAMPLE_RATE_HZ
    for number, at in enumerate(range(0, count, beat)):
        for pitch_hz in (220, 277.2, 329.6, float(random.choice([440, 554.4, 659.3]))):
            tone = sum(np.sin(2 * np.pi * pitch_hz * part * time) / part for part in range(1, 6))
            played[at : at + len(time)] += tone * np.exp(-(4 if pitch_hz > 400 else 1.5) * time)
        played[at : at + 2000] += (number % 2) * random.normal(size=2000) * np.exp(-np.arange(2000) / 400)
    return played[:count]


def _syllable(random: np.random.Generator, length: int, pitch_hz: float, formants_hz: Doubles) -> Doubles:
    begins, lasts = int(0.35 * length), int(0.55 * length)
    phase = 2 * np.pi * np.cumsum(pitch_hz * np.exp(-np.linspace(0, 0.25, lasts))) / SAMPLE_RATE_HZ
    sound = random.normal(size=length) * 0.35 * np.exp(-np.linspace(0, 4, length))
    hum = sum(np.sin(part * phase) / part for part in range(1, 13))
    sound[begins : begins + lasts] += hum * np.sin(np.linspace(0, np.pi, lasts)) ** 0.7
    return _resonant(sound, formants_hz, 120)


def _resonant(sound: Doubles, formants_hz: Doubles, width_hz: float) -> Doubles:
    frequencies_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    gain = 0.02 + sum(1 / (1 + ((frequencies_hz - formant_hz) / width_hz) ** 2) for formant_hz in formants_hz)
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def behind(speech: Speech, sound: Doubles, level_db: float) -> Doubles:
    """Speech with a sound that many decibels below it."""
    power = np.convolve(speech.samples**2, np.ones(800) / 800, "same")
    level = np.sqrt(np.mean(speech.samples[power > SPEAKING * power.max()] ** 2))
    return np.asarray(speech.samples + sound / np.sqrt(np.mean(sound**2)) * level * 10 ** (-level_db / 20))


def recorded(sound: Doubles, folder: Path) -> SpeechFeatures:
    """The features of a sound of which nothing else is known."""
    samples = pcm.as_int16((0.7 * sound / np.abs(sound).max()).astype(np.float32))
    wav = folder / f"{len(list(folder.iterdir()))}.wav"
    pcm.write_wav(wav, samples, SAMPLE_RATE_HZ)
    return SpeechFeatures(mel_spectrogram(pcm.as_float(samples)), len(sound) * FPS // SAMPLE_RATE_HZ, FPS, wav=wav)


def scored(model: MouthModel, speech: Speech, heard: SpeechFeatures) -> Scores:
    """What the mouth does, compared with the phonemes."""
    track = model.track(heard)
    truth = opening(articulated(phoneme_track(speech.phonemes, len(track), FPS), 1))
    open_by = opening(track)
    calm = (track[:, Mouth.CLOSURE] >= CLOSED) & (np.abs(np.diff(open_by, prepend=open_by[:1])) < STILL)
    first = int((speech.phonemes[0].start_seconds - EDGE_SECONDS[0]) * FPS)
    last = int(np.ceil((speech.phonemes[-1].end_seconds + EDGE_SECONDS[1]) * FPS))
    return Scores(
        beside=float(np.concatenate([calm[:first], calm[last:]]).mean()),
        pauses=float(still(track, speech.phonemes, FPS).mean()),
        closures=float(np.mean(met(track, speech.phonemes, FPS))),
        correlation=correlation(open_by[first:last], truth[first:last]),
    )


def main() -> None:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    model = MouthModel(torch.device("cpu"))
    speeches = [spoken(*voice) for voice in VOICES if "+" in voice[1] or is_installed(voice[1])]
    sounds = {
        "white noise": noise(0), "pink noise": noise(1), "a babble of eight voices": babble(), "breaths": breaths,
        "laughter": laughter, "music": music,
    }  # fmt: skip
    names = [field.name for field in fields(Scores)]
    print("| sound | dB below | " + " | ".join(names) + " |\n| --- | ---: |" + " ---: |" * len(names))
    with TemporaryDirectory() as folder:

        def line(name: str, sound: Sound, level_db: float) -> None:
            dice = [np.random.default_rng(number) for number in range(len(speeches))]
            heard = [
                behind(s, sound(len(s.samples), random), level_db) for s, random in zip(speeches, dice, strict=True)
            ]
            found = [scored(model, s, recorded(h, Path(folder))) for s, h in zip(speeches, heard, strict=True)]
            means = np.mean([astuple(scores) for scores in found], 0)
            print(f"| {name} | {level_db:.0f} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |", flush=True)

        line("nothing", noise(0), 90)
        for name, sound in sounds.items():
            for level_db in LEVELS_DB:
                line(name, sound, level_db)


if __name__ == "__main__":
    main()
