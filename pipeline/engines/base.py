"""The engine interface: an avatar and a job's speech in, video frames out.

To add an engine, write a module with its Engine and Renderer, and register it in `pipeline/engines/settings.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.media import pcm
from pipeline.messages import PCM_RATE_HZ, Phoneme

if TYPE_CHECKING:
    import torch

    from pipeline.avatars import FittedAvatar
    from pipeline.config import Config


@dataclass(frozen=True)
class SpeechFeatures:
    """The speech of a whole job, whichever chunk is rendered, or of one piece of a stream."""

    mel: NDArray[np.float32]
    """Mel spectrogram of the whole job, shape [80, columns], 80 columns per second (see `pipeline.engines.mel`)."""
    frames: int
    """Video frames of the whole job."""
    fps: int
    phonemes: Sequence[Phoneme] = ()
    """Phonemes of the whole job in time order; empty if the voice does not report them."""
    first_frame: int | None = None
    """The frame of the job at which this piece of a stream starts, its frame 0. None: this is a whole job."""
    wav: Path | None = None
    """The 16 kHz mono WAV file behind `samples`; None: silence."""
    articulation: float = 1.0
    """How far the mouth moves, 1: as people's do; for engines that can vary it."""
    questions: Sequence[float] | None = None
    """The ends of questions, in seconds; None if it is not known what is said."""
    hush_frame: int | None = None
    """The frame of the job at which the speech is broken off; None: it is not."""
    planned: SpeechFeatures | None = None
    """Speech that is broken off, as a whole: earlier frames have followed it."""

    @property
    def offset(self) -> int:
        """The frame of the job that is frame 0 here."""
        return self.first_frame or 0

    @cached_property
    def samples(self) -> NDArray[np.int16]:
        """PCM of the whole job at `PCM_RATE_HZ`, shape [samples]; mapped from its file, not read into memory."""
        if self.wav is None:
            return np.zeros(round(self.frames * PCM_RATE_HZ / self.fps), np.int16)
        return pcm.map_wav(self.wav)


def frame_times(frames: int, fps: float) -> NDArray[np.float64]:
    """Centres of the frames in seconds, shape [frames]: frame k is shown from k / fps to (k + 1) / fps."""
    return np.asarray((np.arange(frames) + 0.5) / fps, np.float64)


class Renderer(Protocol):
    """Renders any frames of one job. A frame's pixels depend only on its global index, never on the chunk."""

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield the frames [start_frame, stop_frame) in order, in batches.

        Each batch is uint8 of shape [n, height * 3 / 2, width]: I420 planes, BT.709 limited range, on the CPU. If the
        avatar has a matte, that of each frame follows, in `height` more rows.
        """
        ...


class Engine(Protocol):
    """A lip-sync model on one device, loaded once per worker."""

    name: str
    """Appears in the timing JSON and in the names of cached files: lower-case letters, digits and hyphens."""

    @classmethod
    def load(cls, model: str, config: Config, device: torch.device) -> Self:
        """Load a configured model (see `Config.model_settings`). Raises ConfigError if its files cannot be used."""
        ...

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Renderer:
        """Prepare to render one job. Raises JobError if this avatar cannot be used.

        `avatar.derive` caches files that the engine computes from an avatar.
        """
        ...
