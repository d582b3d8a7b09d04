"""Plans when eyes blink, and how far they are shut at any moment."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.idle_motion.easing import ease

CLOSING_SECONDS = 0.10
SHUT_SECONDS = 0.042
"""Longer than a frame at 24 fps, so that every blink has a frame with the eyes shut."""
OPENING_SECONDS = 0.15

FIRST_SECONDS = (1.0, 2.5)
"""Range for the first blink: early, because many videos are short."""
GAP_SECONDS = (2.0, 6.0)
DOUBLE_SHARE = 0.12
"""Fraction of double blinks."""
DOUBLE_SECONDS = 0.36
"""Time between the starts of the two blinks of a double blink."""
STEP_SECONDS, STEPS = 0.1, 6
"""A blink moves by up to STEPS steps in either direction to the best moment."""
PHRASE_END_SECONDS, PHRASE_END = 0.2, 0.5
"""Speakers blink in pauses, above all at the end of a phrase: the best moment is quiet, and the loudness this long
before it counts this much in its favour."""


class Blinks:
    """The blinks of one avatar: a function of time, seed and loudness."""

    def __init__(self, seed: int, fps: int, loudness: NDArray[np.float32] | None) -> None:
        """`loudness`: of each frame of the job, 0 to 1, [frames]; None if unknown."""
        self._dice = np.random.default_rng(seed)
        self._fps = fps
        self._loudness = loudness
        self._starts = [-math.inf]
        self._plan(0.0, FIRST_SECONDS)

    def closure(self, seconds: float) -> float:
        """How far the lids are lowered at `seconds` >= 0: 0 open, 1 shut."""
        while self._starts[-1] <= seconds:
            self._plan(self._starts[-1], GAP_SECONDS)
        since = seconds - self._starts[bisect_right(self._starts, seconds) - 1]
        closed = since / CLOSING_SECONDS
        opened = (since - CLOSING_SECONDS - SHUT_SECONDS) / OPENING_SECONDS
        return ease(closed) - ease(opened)

    def _plan(self, last: float, gap: tuple[float, float]) -> None:
        """Plan the next blink, single or double, after the one at `last`."""
        earliest, latest = last + gap[0], last + gap[1]
        start = self._best(float(self._dice.uniform(earliest, latest)), earliest, latest)
        self._starts.append(start)
        if self._dice.random() < DOUBLE_SHARE:
            self._starts.append(start + DOUBLE_SECONDS)

    def _best(self, start: float, earliest: float, latest: float) -> float:
        """The best moment near `start`; of equally good ones, the nearest."""
        if self._loudness is None:
            return start
        moments = (start + step * STEP_SECONDS for step in sorted(range(-STEPS, STEPS + 1), key=abs))
        return min((moment for moment in moments if earliest <= moment <= latest), key=self._loudness_since)

    def _loudness_since(self, seconds: float) -> float:
        """The loudness at a time, less a part of that shortly before."""
        return self._loudness_at(seconds) - PHRASE_END * self._loudness_at(max(0.0, seconds - PHRASE_END_SECONDS))

    def _loudness_at(self, seconds: float) -> float:
        """The loudness at a time; 0 after the job's end."""
        assert self._loudness is not None
        frame = round(seconds * self._fps)
        return float(self._loudness[frame]) if frame < len(self._loudness) else 0.0
