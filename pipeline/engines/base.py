"""What a lip-sync engine is: an avatar and a job's speech in, video frames out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Phoneme

if TYPE_CHECKING:
    import torch

    from pipeline.avatars import FittedAvatar


@dataclass(frozen=True)
class SpeechFeatures:
    """What an engine knows of the whole job's audio, whichever chunk it renders; or of one piece of a stream's."""

    mel: NDArray[np.float32]
    """Mel spectrogram of the whole job, shape [80, columns], 80 columns a second (see `pipeline.engines.mel`)."""
    frames: int
    """Video frames of the whole job."""
    fps: int
    phonemes: Sequence[Phoneme] = ()
    """Of the whole job, in time order; empty when the voice gives none."""
    first_frame: int | None = None
    """The job's frame that a piece of a stream begins with, and that is frame 0 here; None: this is the whole job's."""

    @property
    def offset(self) -> int:
        """The job's frame that is frame 0 here."""
        return self.first_frame or 0


def frame_times(frames: int, fps: float) -> NDArray[np.float64]:
    """Centres of the frames in seconds, shape [frames]: frame k is on screen from k / fps to (k + 1) / fps."""
    return np.asarray((np.arange(frames) + 0.5) / fps, np.float64)


class Renderer(Protocol):
    """Renders any frames of one job; a frame's pixels depend on its global index alone, never on the chunk."""

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield the frames [start_frame, stop_frame) in order, in batches.

        Each batch is uint8 of shape [n, height * 3 / 2, width]: I420 planes, BT.709 limited range, on the CPU.
        """
        ...


class Engine(Protocol):
    """A lip-sync model on one device, loaded once per worker."""

    name: str

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Renderer:
        """Prepare to render one job. Raises JobError when this avatar cannot be used."""
        ...
