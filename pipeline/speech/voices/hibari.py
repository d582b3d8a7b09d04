"""hibari: a small neural English voice with its weights in the package, about a hundred times faster than real time.

The model computes the duration of each phoneme, but the package does not return it. The exported graph has the
durations as an internal value, so the graph is loaded with that value declared as an output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, StageError
from pipeline.messages import Phoneme, Span, Word
from pipeline.speech.voices.base import About, Utterance
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.settings import VoiceSettings

THREADS = 1
"""The model is small: more threads would only take cores from the lip-sync workers."""
SEED = 0
"""Seed of the noise: the same text gives the same samples."""
DURATIONS = "/Clip_output_0"
"""The internal value of the graph with each phoneme's duration, in steps of two spectrum frames."""
STEP_SECONDS = 0.025
LATE_SECONDS = 3 * STEP_SECONDS
"""How late the durations place every phoneme, at any speed: they count from three steps before the first sample.
Measured: vowels start 45 to 60 ms and end 60 to 90 ms before the durations say; and a network trained on espeak alone,
whose times are right, heard hibari's sounds 75 ms before their phonemes."""
SPEED_RANGE = (0.5, 2.0)

_STRESS = frozenset("ˈˌ")
_ATTACHED = frozenset("ːʲʰ\u0303")
_SPACE = " "
_PAUSES = frozenset(';:,.!?—…"“”()')
_IPA = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ", "ᵊ": "ə", "ʤ": "dʒ", "ʧ": "tʃ"}
"""The voice's own symbols for sounds that IPA writes with two symbols or another one."""


class Hibari:
    """Speaks English with hibari. Raises ConfigError `tts_missing` if the package is not installed."""

    name: ClassVar[str] = "hibari"

    def __init__(self) -> None:
        try:
            import hibari.voices
        except ImportError:
            raise ConfigError(
                "tts_missing", "hibari is not installed", field="tts.backend", hint="pip install hibari-tts"
            ) from None
        self._known: dict[str, Any] = hibari.voices.VOICES

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Hibari:
        """See `Backend`."""
        return cls()

    def voices(self, language: str) -> list[str]:
        """The voices whose weights are installed; nothing is downloaded."""
        if language.partition("-")[0] != "en":
            return []
        installed = [name for name in self._known if _weights(name) is not None]
        british = language.lower() == "en-gb"
        return sorted(installed, key=lambda name: bool(self._known[name].get("british")) != british)

    def about(self, voice: str) -> About:
        """See `Describing`."""
        return About("neural", "Apache-2.0", self._known[voice].get("gender"))

    def languages(self) -> dict[str, str]:
        """See `Describing`."""
        return {"en": "English"}

    def prepare(self, voice: str) -> Iterator[None]:
        """See `Preparing`: the network, then the dictionaries."""
        _model(voice)
        yield
        self.speak("Hello.", "en", voice, 1.0)
        yield

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak one sentence; with phoneme times, unless this release of the model does not contain them."""
        model, has_durations = _model(voice)
        sounds, phonemes, spans, start = [np.zeros(0, np.float32)], list[Phoneme](), list[Span](), 0.0
        for clause in model.phonemize(_latin(text)):
            samples, steps = _synthesize(model, has_durations, clause, min(max(speed, SPEED_RANGE[0]), SPEED_RANGE[1]))
            letters = [letter for letter in clause if letter in model.vocab]
            phonemes += _phonemes(letters, steps, start)
            spans += _word_spans(letters, steps, start)
            sounds.append(samples)
            start += len(samples) / model.sample_rate
        return finished(np.concatenate(sounds), model.sample_rate, tuple(phonemes), _words(text, spans))


def _weights(voice: str) -> Path | None:
    from hibari.voices import voice_path

    try:
        return Path(voice_path(voice, download_missing=False))
    except FileNotFoundError:
        return None


@cache
def _model(voice: str) -> tuple[Any, bool]:
    """The loaded voice, and whether its graph also returns durations."""
    from hibari import Hibari as Model

    weights = _weights(voice)
    if weights is None:
        raise StageError("tts_engine", f"the weights of hibari's voice {voice} are missing")
    graph = weights.read_bytes() + _declared_output(DURATIONS)
    try:
        return Model(voice=voice, model=graph, threads=THREADS), True
    except Exception as error:
        # onnxruntime's exceptions have no base class of their own; anything else is a bug.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
    return Model(voice=voice, model=str(weights), threads=THREADS), False


def _declared_output(value: str) -> bytes:
    """Bytes that declare an additional output when appended to an ONNX file.

    Protocol buffers merge by concatenation: a second ModelProto.graph (field 7) adds its output (field 12), a
    ValueInfoProto with a name (field 1), to the first one's.
    """
    return _field(7, _field(12, _field(1, value.encode())))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protocol buffer field of fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def _latin(text: str) -> str:
    """The text in Latin letters: the voice skips words in other scripts."""
    from anyascii import anyascii

    return "".join(letter if letter.isascii() or not letter.isalpha() else anyascii(letter) for letter in text)


def _synthesize(
    model: Any, has_durations: bool, clause: str, speed: float
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Samples of one clause, and the duration of each of its ids in steps; None if unknown."""
    from hibari import dsp

    ids = model.ids(clause)
    noise = np.random.default_rng(SEED)
    if not has_durations:
        return model.from_ids(ids, speed, noise), None
    inputs = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
    *spectrum, steps = model.sess.run(None, inputs)
    return dsp.synth(*(part[0] for part in spectrum), noise), steps.ravel()


def _phonemes(letters: Sequence[str], steps: NDArray[np.float32] | None, start_seconds: float) -> list[Phoneme]:
    """The phonemes of one clause. `steps` has one entry per letter and one for the silence on either side.

    Stress is a separate letter: its time belongs to the following sound. A space between words is not silence: its time
    belongs to the preceding word. No phoneme starts before the utterance.
    """
    found: list[Phoneme] = []
    edges = _edges(letters, steps, start_seconds)
    stress, begin = "", 0.0
    for letter, (left, right) in zip(letters, pairwise(edges), strict=False):
        if letter in _STRESS:
            stress, begin = letter, left
        elif letter in _ATTACHED or letter == _SPACE:
            if found and found[-1].end_seconds == left:
                found[-1] = replace(found[-1], symbol=(found[-1].symbol + letter).strip(), end_seconds=right)
        elif letter not in _PAUSES:
            found.append(Phoneme(stress + _IPA.get(letter, letter), begin if stress else left, right))
            stress = ""
    return found


def _edges(letters: Sequence[str], steps: NDArray[np.float32] | None, start_seconds: float) -> list[float]:
    """When each letter of a clause begins, and when the last one ends; empty if unknown."""
    if steps is None or len(steps) != len(letters) + 2:
        return []
    first = start_seconds - LATE_SECONDS
    return [max(0.0, first + STEP_SECONDS * float(step)) for step in accumulate(steps)][:-1]


def _word_spans(letters: Sequence[str], steps: NDArray[np.float32] | None, start_seconds: float) -> list[Span]:
    """When each word of a clause is heard: letters between spaces, without marks."""
    edges = _edges(letters, steps, start_seconds)
    found: list[Span] = []
    begins = True
    for letter, (left, right) in zip(letters, pairwise(edges), strict=False):
        if letter == _SPACE:
            begins = True
        elif letter not in _PAUSES:
            found.append(Span(left, right) if begins else Span(found.pop().start_seconds, right))
            begins = False
    return found


def _words(text: str, spans: Sequence[Span]) -> tuple[Word, ...]:
    """The words with their times; none if the voice has joined or divided words."""
    words = [word for word in text.split() if any(character.isalnum() for character in word)]
    if len(words) != len(spans):
        return ()
    return tuple(Word(word, span.start_seconds, span.end_seconds) for word, span in zip(words, spans, strict=True))
