"""What the motion of a face follows in speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.avatars.idle_motion.easing import Floats, ease

EDGE_SECONDS = 0.3
"""Motion that follows a text begins and ends within it, over this time: the next one is not known yet."""
HUSH_SECONDS = 0.2
"""Speech that is broken off takes the motion with it."""


@dataclass(frozen=True)
class Prosody:
    """The speech of a whole job, or of one of its texts. Times are in seconds from its start."""

    loudness: Floats
    """Of each frame, 0 to 1, [frames]."""
    fps: int
    phrases: Sequence[tuple[float, float]] = ()
    """Start and end of each phrase, with pauses between them."""
    questions: Sequence[float] = ()
    """The ends of questions."""
    first_frame: int | None = None
    """The frame of the job at which this text starts. None: this is the whole job."""
    hush_frame: int | None = None
    """The frame of the job at which the speech is broken off; None: it is not."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.loudness) / self.fps

    @property
    def start_frame(self) -> int:
        """The frame of the job that is frame 0 here."""
        return self.first_frame or 0

    def share(self, frame: int) -> float:
        """How much of its motion is shown in a frame of the job, 0 to 1: none at the edges of a text."""
        if self.first_frame is None:
            return 1.0
        since, left = frame - self.first_frame, self.first_frame + len(self.loudness) - frame
        share = ease(min(since, left) / self.fps / EDGE_SECONDS)
        if self.hush_frame is not None:
            share *= 1 - ease((frame - self.hush_frame) / self.fps / HUSH_SECONDS)
        return share

    def pauses(self) -> Iterator[tuple[float, float]]:
        """Start and end of each pause, also of those before and after all phrases."""
        edges = [0.0, *(time for phrase in self.phrases for time in phrase), self.seconds]
        yield from zip(edges[::2], edges[1::2], strict=True)

    def dice(self, seed: int, seconds: float) -> np.random.Generator:
        """Random numbers for what happens at this time in a job with this seed."""
        return np.random.default_rng((seed, self.start_frame + round(seconds * self.fps)))
