"""The interface of a TTS back end: one sentence in, audio and (if known) phoneme times out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Phoneme, Word
from pipeline.speech.stress import Stress
from pipeline.speech.voices.settings import VoiceSettings


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence."""

    samples: NDArray[np.float32]
    """Mono audio, shape [n], -1 to 1."""
    sample_rate_hz: int
    phonemes: tuple[Phoneme, ...] = ()
    """In time order, without overlap; empty if the back end reports none."""
    words: tuple[Word, ...] = ()
    """The words as they were passed to the voice, in time order; empty if the back end reports none."""


Sex = Literal["female", "male"]
"""What a voice sounds like."""


ROBOTIC = "robotic"
"""The kind of a voice that is put together by rules."""


@dataclass(frozen=True)
class About:
    """What people want to know about a voice before they choose it."""

    kind: str = ""
    """How it sounds or where it comes from, in one or two words; empty if unknown."""
    licence: str = ""
    """SPDX expression or a short description; empty if unknown."""
    sex: Sex | None = None
    """None if unknown."""


class Backend(Protocol):
    """A TTS engine, loaded once per worker process."""

    name: ClassVar[str]
    """Its name in `pipeline.speech.voices.settings.BACKENDS`."""

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Self:
        """Start the engine. Relative paths in the settings are resolved from `base`.

        Raises ConfigError `tts_missing` if the engine is not installed or not configured.
        """
        ...

    def voices(self, language: str) -> list[str]:
        """Names of the installed voices for `language`, best first; may be empty."""
        ...

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak `text` (already normalised, one sentence) with one of `voices(language)`.

        `speed` 1.0 is the voice's own pace, 2.0 twice as fast. `scratch` is a folder for temporary files; it is removed
        with the job, even if the worker was killed. None: the system default. Raises StageError if the engine fails.
        """
        ...


@runtime_checkable
class Describing(Protocol):
    """What a back end may offer besides: descriptions for lists of voices."""

    def about(self, voice: str) -> About:
        """Describe one of the voices."""
        ...

    def languages(self) -> dict[str, str]:
        """Tags of the languages that its voices speak, with their English names where they are known, else empty."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A back end that loads much when a voice speaks for the first time, and can do so beforehand."""

    def prepare(self, voice: str) -> Iterator[None]:
        """Load what one of the voices needs, in steps of a fraction of a second. Raises StageError like `speak`."""
        ...


@runtime_checkable
class Concurrent(Protocol):
    """A back end that may speak several sentences at the same time, from several threads."""

    @property
    def concurrency(self) -> int:
        """How many at most."""
        ...


@runtime_checkable
class Stressing(Protocol):
    """A back end that is told how words are said."""

    @property
    def stress(self) -> Stress:
        """Where it wants marks of stress as in `pipeline.speech.stress`."""
        ...

    @property
    def phonemes(self) -> bool:
        """Whether it understands phonemes in espeak-ng's notation between double brackets."""
        ...
