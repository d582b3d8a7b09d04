"""What a transcript is worth: mouths that hear a recording, know its text, or are told its phonemes.

`python -m benchmarks.transcripts`. Sentences are spoken by voices whose phonemes are known, and recorded in quiet
and in worse places.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.mel import SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.media.pcm import as_int16
from pipeline.messages import Phoneme, Word
from pipeline.speech.alignment.aligner import Aligner
from pipeline.speech.alignment.transcript import Expected, Transcript, transcribed
from training.dataset import joined, say, sentences
from training.measures import Scores, measured

FPS = 25
VOICES = (("en", "heart", 1.0), ("ru", "ru+m4", 0.9), ("kk", "kk+Annie", 0.9))
"""Language, voice and speed. The references of the alignment are espeak's too, so heart is the test."""
SENTENCES = 12
PAUSES_SECONDS = (0.15, 0.9)
SHOWN = ("closures", "correlation", "false_closures", "still_pauses")

Samples = NDArray[np.float32]


def quiet(samples: Samples, _: np.random.Generator) -> Samples:
    """As it is."""
    return samples


def noise(decibels: float) -> Callable[[Samples, np.random.Generator], Samples]:
    """Pink noise that much below the speech."""

    def added(samples: Samples, random: np.random.Generator) -> Samples:
        spectrum = np.fft.rfft(random.normal(size=len(samples)))
        pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 30.0), len(samples))
        speech = samples[np.abs(samples) > 0.02 * np.abs(samples).max()]
        level = np.sqrt(np.square(speech).mean()) * 10 ** (-decibels / 20)
        return np.asarray(samples + pink / pink.std() * level, np.float32)

    return added


def room(samples: Samples, random: np.random.Generator) -> Samples:
    """A room with half a second of reverberation, as loud as the voice itself."""
    count = SAMPLE_RATE_HZ // 2
    echo = random.normal(size=count) * 10 ** (-3 * np.arange(count) / count)
    echo /= np.sqrt(np.square(echo).sum())
    echo[0] += 1
    length = len(samples) + count
    wet = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(echo, length), length)
    return np.asarray(wet[: len(samples)] / np.abs(wet).max() * 0.8, np.float32)


PLACES = {"quiet": quiet, "noise -20 dB": noise(20), "noise -10 dB": noise(10), "room": room}


def main() -> None:
    """Print a table: for each measure hearing / with transcript / told."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    model, aligner = MouthModel(torch.device("cpu")), Aligner()
    print(f"| voice, place | {' | '.join(name.replace('_', ' ') for name in SHOWN)} | words |")
    print("|" + " --- |" * (len(SHOWN) + 2))
    for language, voice, speed in VOICES:
        lines = sentences(language, held_out=True)[:SENTENCES]
        random = np.random.default_rng(0)
        spoken = [(say(line, language, voice, speed), float(random.uniform(*PAUSES_SECONDS))) for line in lines]
        samples, phonemes = joined(spoken, 1.0, 0.4)
        words = _words([(one.words, len(one.samples) / one.sample_rate_hz + pause) for one, pause in spoken])
        expected = [
            Expected(line, reference) for line in lines if (reference := aligner.reference(line, language)) is not None
        ]
        for place, changed in PLACES.items():
            recorded = changed(samples, random)
            found = transcribed(as_int16(recorded), expected)
            told = (), found.phonemes if found else (), tuple(phonemes)
            scores = [_scored(model, recorded, known, phonemes) for known in told]
            print(f"| {voice}, {place} | {' | '.join(_cell(scores, name) for name in SHOWN)} | {_late(found, words)} |")


def _scored(model: MouthModel, samples: Samples, known: tuple[Phoneme, ...], phonemes: Sequence[Phoneme]) -> Scores:
    mel = mel_spectrogram(samples)
    frames = len(samples) * FPS // SAMPLE_RATE_HZ
    track = model.track(SpeechFeatures(mel, frames, FPS, known))
    return measured(track, phonemes, FPS)


def _words(spoken: Sequence[tuple[Sequence[Word], float]]) -> list[Word]:
    """The words of sentences that last so many seconds, pauses included."""
    starts = np.cumsum([0.4, *(seconds for _, seconds in spoken)])
    return [word.later(float(start)) for (words, _), start in zip(spoken, starts, strict=False) for word in words]


def _late(found: Transcript | None, words: Sequence[Word]) -> str:
    """How far the words' starts are from the truth: median and 90th percentile."""
    heard = [word for sentence in found.sentences for word in sentence.words] if found else []
    if len(heard) != len(words):
        return f"{len(heard)} of {len(words)} found"
    errors = 1000 * np.abs([one.start_seconds - other.start_seconds for one, other in zip(heard, words, strict=True)])
    return f"{np.median(errors):.0f} / {np.quantile(errors, 0.9):.0f} ms"


def _cell(scores: Sequence[Scores], name: str) -> str:
    return " / ".join(f"{getattr(one, name):.3f}" for one in scores)


if __name__ == "__main__":
    main()
