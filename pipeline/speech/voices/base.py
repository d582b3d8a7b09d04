"""The interface of a TTS back end: one sentence in, audio and (if known) phoneme times out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Phoneme


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence."""

    samples: NDArray[np.float32]
    """Mono audio, shape [n], -1 to 1."""
    sample_rate_hz: int
    phonemes: tuple[Phoneme, ...] = ()
    """In time order, without overlap; empty if the back end reports none."""


class Backend(Protocol):
    """A TTS engine; created once per worker process."""

    name: ClassVar[str]

    def voices(self, language: str) -> list[str]:
        """Names of the installed voices for `language`, best first; may be empty."""
        ...

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak `text` (already normalised, one sentence) with one of `voices(language)`.

        `speed` 1.0 is the voice's own pace, 2.0 twice as fast. `scratch` is a folder for temporary files, which
        outlive a killed worker; None: the system default. Raises StageError when the engine or service fails.
        """
        ...
