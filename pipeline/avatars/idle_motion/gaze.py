"""Plans where eyes look: mostly at the viewer; for moments of speech to one side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.avatars.idle_motion.easing import ease
from pipeline.avatars.idle_motion.gestures import QUESTION_BEFORE, QUESTION_HOLD
from pipeline.avatars.idle_motion.prosody import Prosody

FIRST_SECONDS = (1.5, 3.5)
"""Range for the first glance after speech begins: few people look away at once."""
GAP_SECONDS = (2.0, 5.0)
AWAY_SECONDS = (0.5, 1.2)
RETRY_SECONDS = (0.2, 0.9)
"""If a glance does not suit what is said, another one is tried so much later."""
SACCADE_SECONDS = 0.06
LEAST = 0.6
"""The smallest glance, relative to the largest."""


@dataclass(frozen=True)
class Glance:
    """A look to one side, in seconds from the start of the speech."""

    start: float
    stop: float
    amount: float
    """-1 to 1: to the picture's left or right."""

    def at(self, seconds: float) -> float:
        """How far the eyes are turned at a time."""
        return self.amount * (
            ease((seconds - self.start) / SACCADE_SECONDS) - ease((seconds - self.stop) / SACCADE_SECONDS)
        )


class Gaze:
    """The gaze of one avatar while it speaks: a function of the frame, the seed and the speech."""

    def __init__(self, seed: int, prosody: Prosody) -> None:
        self._prosody = prosody
        self._glances = list(_glances(seed, prosody))
        self._starts = [glance.start for glance in self._glances]

    def at(self, frame: int) -> float:
        """How far the eyes are turned in a frame of the job, -1 to 1; 0: to the viewer."""
        seconds = (frame - self._prosody.start_frame) / self._prosody.fps
        before = bisect_right(self._starts, seconds) - 1
        return self._glances[before].at(seconds) * self._prosody.share(frame) if before >= 0 else 0.0


def _glances(seed: int, prosody: Prosody) -> Iterator[Glance]:
    """Glances at irregular times."""
    dice = prosody.dice(seed, 0)
    last = prosody.phrases[0][0] if prosody.phrases else prosody.seconds
    gap = FIRST_SECONDS
    while (start := last + dice.uniform(*gap)) < prosody.seconds:
        amount = dice.uniform(LEAST, 1) * dice.choice((-1, 1))
        glance = Glance(start, start + dice.uniform(*AWAY_SECONDS), float(amount))
        last, gap = start, RETRY_SECONDS
        if _is_apt(glance, prosody):
            yield glance
            last, gap = glance.stop, GAP_SECONDS


def _is_apt(glance: Glance, prosody: Prosody) -> bool:
    """Whether it begins while something is said, ends in time, and leaves the end of every question to the viewer."""
    after = glance.stop + SACCADE_SECONDS
    asks = any(glance.start < end + QUESTION_HOLD and after > end - QUESTION_BEFORE for end in prosody.questions)
    return any(start <= glance.start < stop for start, stop in prosody.phrases) and after < prosody.seconds and not asks
