"""What a text-to-speech backend is: text of one sentence in, audio and (where known) phoneme times out."""

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
    """In time order, without overlap; empty when the backend knows none."""


class Backend(Protocol):
    """A text-to-speech engine. One is made per worker process and kept."""

    name: ClassVar[str]

    def voices(self, language: str) -> list[str]:
        """Names of the voices that can speak `language` here and now, best first; empty when there is none."""
        ...

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak `text` (already normalised, one sentence) with one of `voices(language)`.

        `speed` 1.0 is the voice's own pace, 2.0 twice as fast. `scratch` is a folder for files in between, which a
        worker that is killed cannot remove; None: the system's.
        Raises StageError when the engine or service fails.
        """
        ...
