"""Plans when eyes blink, and how far they are shut at any moment."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np

from pipeline.avatars.idle_motion.easing import Floats, ease
from pipeline.avatars.idle_motion.prosody import Prosody

CLOSING_SECONDS = 0.10
SHUT_SECONDS = 0.042
"""Longer than a frame at 24 fps, so that every blink has a frame with the eyes shut."""
OPENING_SECONDS = 0.15
BLINK_SECONDS = CLOSING_SECONDS + SHUT_SECONDS + OPENING_SECONDS

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

FURTHER_SHARE, FURTHER_APART_SECONDS = 0.6, 1.2
"""Fraction of the phrases in a text that end with a blink, unless there is another one within this time."""
SLOW_SHARE, SLOW = 0.15, 1.6
"""Fraction of slow blinks, and how much longer their lids stay down and take to rise."""


class Blinks:
    """The blinks of one avatar: a function of time, seed and speech.

    In a whole job their times follow the loudness. In a text of many the usual ones depend on time alone, so that they
    continue from text to text; further ones are at the ends of phrases.
    """

    def __init__(self, seed: int, fps: int, prosody: Prosody | None = None) -> None:
        """`prosody`: None if unknown."""
        self._seed = seed
        self._dice = np.random.default_rng(seed)
        self._fps = fps
        self._loudness: Floats | None = None
        self._starts = [-math.inf]
        self._slowness = [1.0]
        if prosody is not None and prosody.first_frame is None and len(prosody.loudness):
            self._loudness = prosody.loudness
        self._plan(0.0, FIRST_SECONDS)
        self._prosody = prosody
        self._further = [] if prosody is None or prosody.first_frame is None else self._at_phrase_ends(prosody)

    def closure(self, seconds: float) -> float:
        """How far the lids are lowered at `seconds` >= 0: 0 open, 1 shut."""
        last = self._last(seconds)
        usual = _closure(seconds - self._starts[last], self._slowness[last])
        if self._prosody is None or not self._further:
            return usual
        further = max(_closure(seconds - start, 1) for start in self._further)
        return max(usual, further * self._prosody.share(round(seconds * self._fps)))

    def _last(self, seconds: float) -> int:
        """Index of the last usual blink that has begun."""
        while self._starts[-1] <= seconds:
            self._plan(self._starts[-1], GAP_SECONDS)
        return bisect_right(self._starts, seconds) - 1

    def _plan(self, last: float, gap: tuple[float, float]) -> None:
        """Plan the next blink, single or double, after the one at `last`."""
        earliest, latest = last + gap[0], last + gap[1]
        start = self._best(float(self._dice.uniform(earliest, latest)), earliest, latest)
        self._starts.append(start)
        kind = self._dice.random()
        self._slowness.append(SLOW if kind > 1 - SLOW_SHARE else 1.0)
        if kind < DOUBLE_SHARE:
            self._starts.append(start + DOUBLE_SECONDS)
            self._slowness.append(1.0)

    def _at_phrase_ends(self, text: Prosody) -> list[float]:
        """When further blinks of a text begin, in seconds of the job."""
        offset, found = text.start_frame / self._fps, [-math.inf]
        for _, end in text.phrases:
            start = offset + end
            if text.dice(self._seed, end).random() < FURTHER_SHARE and end + BLINK_SECONDS < text.seconds:
                last = self._last(start + FURTHER_APART_SECONDS)
                near = min(abs(start - other) for other in (*self._starts[max(last - 1, 0) : last + 1], found[-1]))
                if near >= FURTHER_APART_SECONDS:
                    found.append(start)
        return found[1:]

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


def _closure(since: float, slowness: float) -> float:
    """How far the lids are lowered so many seconds after a blink has begun."""
    opened = (since - CLOSING_SECONDS - slowness * SHUT_SECONDS) / (slowness * OPENING_SECONDS)
    return ease(since / CLOSING_SECONDS) - ease(opened)
