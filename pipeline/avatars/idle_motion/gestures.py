"""How a head, its brows and its shoulders follow speech: nods and raised brows on stressed words, a lifted head at the
end of a question, a breath before a phrase, and small nods while it listens.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.avatars.idle_motion.easing import Floats, ramp
from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.avatars.idle_motion.sway import Liveliness, PoseField

BROWS_FROM, BROWS_RISE_MAX = 0.17, 0.032
"""Stress from which on the brows rise, and how far they rise at most."""
NOD_SECONDS, BROWS_SECONDS = 0.08, 0.14
"""Sigmas of the Gaussians under which head and brows move."""
STRESS_SECONDS, CONTEXT_SECONDS = 0.16, 1.0
"""Sigmas of two Gaussians: loudness smoothed by the first (which hardly passes 2 Hz and above) is compared with the
average around it, smoothed by the second."""

QUESTION = {PoseField.BROWS: 0.022, PoseField.NOD: -0.011, PoseField.DOWN: -0.005}
QUESTION_TILT = math.radians(0.7)
QUESTION_BEFORE, QUESTION_RISE, QUESTION_HOLD, QUESTION_FALL = 0.75, 0.45, 0.25, 0.5
"""Seconds before its end at which brows and head begin to rise, and how long they rise, stay and fall."""

BREATH = {PoseField.BREATH: 0.007, PoseField.NOD: -0.003}
BREATH_SECONDS = (0.2, 0.6)
"""A pause that is shorter is without a breath; a breath that takes longer is not deeper."""
BREATH_OUT_SECONDS = 1.6

LISTENING = {PoseField.NOD: 0.009, PoseField.DOWN: 0.005}
LISTENING_SLOT_SECONDS = 1.0
"""A pause is divided into slots of this length, each with a nod or none: no longer than a piece of an open stream in
which nothing is said."""
LISTENING_SHARE = 0.22
"""Fraction of the slots with a nod."""
LISTENING_DOWN, LISTENING_UP = 0.36, 0.54
"""How long a nod takes down and up again, in seconds."""


class Gestures:
    """The poses that speech asks for: a function of the frame, the seed and the speech."""

    def __init__(self, seed: int, prosody: Prosody, liveliness: Liveliness) -> None:
        self._seed = seed
        self._prosody = prosody
        self._liveliness = liveliness
        self._poses = np.zeros((len(prosody.loudness), len(PoseField)), np.float32)
        if len(self._poses):
            self._follow_stress()
            for end in prosody.questions:
                self._ask(end)
            for start, stop in prosody.pauses():
                self._breathe(start, stop)
                self._listen(start, stop)
            np.minimum(self._poses[:, PoseField.BROWS], BROWS_RISE_MAX, out=self._poses[:, PoseField.BROWS])

    def pose(self, frame: int) -> Floats:
        """The amount of each `PoseField` in a frame of the job, [7]."""
        if not len(self._poses):
            return np.zeros(len(PoseField), np.float32)
        known = min(frame - self._prosody.start_frame, len(self._poses) - 1)
        return np.asarray(self._poses[known] * np.float32(self._prosody.share(frame)), np.float32)

    def _follow_stress(self) -> None:
        stress, fps = _stress(self._prosody.loudness, self._prosody.fps), self._prosody.fps
        nods = self._liveliness.nod / 2 * _smooth(stress.clip(min=0), NOD_SECONDS * fps)
        self._poses[:, [PoseField.DOWN, PoseField.NOD]] += nods[:, None]
        risen = np.clip(self._liveliness.brows * (stress - BROWS_FROM), 0, BROWS_RISE_MAX)
        self._poses[:, PoseField.BROWS] += _smooth(risen, BROWS_SECONDS * fps)

    def _ask(self, end: float) -> None:
        """Raise brows and head towards the end of a question, and tilt it slightly to one side."""
        tilt = self._prosody.dice(self._seed, end).choice((-1, 1)) * QUESTION_TILT
        start = end - QUESTION_BEFORE
        fall = end + QUESTION_HOLD
        self._add({**QUESTION, PoseField.ROLL: tilt}, (start, start + QUESTION_RISE), (fall, fall + QUESTION_FALL))

    def _breathe(self, start: float, stop: float) -> None:
        """Breathe in before the phrase that follows a pause, and out while it is said."""
        shortest, longest = BREATH_SECONDS
        if stop - start >= shortest and stop < self._prosody.seconds:
            taken = min(stop - start, longest)
            amounts = {movement: amount * taken / longest for movement, amount in BREATH.items()}
            self._add(amounts, (stop - taken, stop), (stop, stop + BREATH_OUT_SECONDS))

    def _listen(self, start: float, stop: float) -> None:
        nodded = False
        for slot in np.arange(start, stop - LISTENING_SLOT_SECONDS + 1e-6, LISTENING_SLOT_SECONDS):
            if nodded := self._prosody.dice(self._seed, slot).random() < LISTENING_SHARE and not nodded:
                down = slot + LISTENING_DOWN
                self._add(LISTENING, (slot, down), (down, down + LISTENING_UP))

    def _add(self, amounts: dict[PoseField, float], rise: tuple[float, float], fall: tuple[float, float]) -> None:
        """Add a movement that rises and falls in these times, in seconds."""
        fps = self._prosody.fps
        first, stop = max(math.floor(rise[0] * fps), 0), max(math.ceil(fall[1] * fps), 0)
        part = self._poses[first:stop]
        times = np.arange(first, first + len(part), dtype=np.float32) / np.float32(fps)
        shown = self._liveliness.gestures * (ramp(times, *rise) - ramp(times, *fall))
        for movement, amount in amounts.items():
            part[:, movement] += np.float32(amount) * shown


def _stress(loudness: Floats, fps: int) -> Floats:
    """How much louder each frame is than the average around it, smoothed, [frames]."""
    return _smooth(loudness, STRESS_SECONDS * fps) - _smooth(loudness, CONTEXT_SECONDS * fps)


def _smooth(values: Floats, sigma: float) -> Floats:
    """The values [n] under a Gaussian window; the first and the last one go on."""
    return np.asarray(cv2.GaussianBlur(values[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0], np.float32)
