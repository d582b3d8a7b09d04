"""How a person's head and shoulders move by themselves.

A pose is an amount for each movement; lengths are relative to the height from the eyes to the chin.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from pipeline.avatars.idle_motion.easing import Floats, ease


class PoseField(IntEnum):
    """The movements, in the order of a pose."""

    SIDEWAYS = 0
    """The head moves to the picture's right."""
    DOWN = 1
    ROLL = 2
    """The head rotates clockwise around the base of the neck, in radians."""
    TURN = 3
    """The nose moves to the picture's right; the ears stay."""
    NOD = 4
    """The nose moves down; the crown stays."""
    BREATH = 5
    """Shoulders and chest move up."""
    BROWS = 6
    """The brows move up."""


AMPLITUDES = {
    PoseField.SIDEWAYS: 0.008,
    PoseField.DOWN: 0.005,
    PoseField.ROLL: math.radians(0.6),
    PoseField.TURN: 0.009,
    PoseField.NOD: 0.007,
}
"""Maximum of each idle movement."""
SINES = (((0.05, 0.09), 0.55), ((0.11, 0.17), 0.3), ((0.2, 0.32), 0.15))
"""The sine waves of each movement: the frequency range in Hz, and the fraction of the amplitude."""
SETTLED_SECONDS = 2.5
"""The movement starts at rest and reaches its full amplitude after this time."""

BREATH_HZ, BREATH_WANDER_HZ, BREATH_WANDER = 0.24, 0.041, 0.12
"""Breathing frequency; the frequency at which it varies, and the maximum deviation in breaths."""
BREATH_RISE = 0.0095


class Liveliness(NamedTuple):
    """How much a person moves."""

    sway: float
    """Factor for the amplitudes."""
    nod: float
    """Nod on stressed speech, per unit of loudness above the average around it."""
    brows: float
    """Rise of the brows on stressed speech, likewise; only the more stressed words raise them."""
    gestures: float
    """Factor for questions, breaths and the nods of a listener."""
    gaze: float
    """How far the eyes wander, in eye widths."""


CALM = Liveliness(sway=1, nod=0.05, brows=0.16, gestures=0.8, gaze=0.06)
LIVELY = Liveliness(sway=1.35, nod=0.08, brows=0.35, gestures=1.2, gaze=0.08)


class Sway:
    """The pose of an avatar that does nothing, at any frame: a function of time and seed."""

    def __init__(self, seed: int, fps: int, liveliness: Liveliness = CALM) -> None:
        dice = np.random.default_rng(seed)
        self._fps = fps
        self._liveliness = liveliness
        self._sines = [
            [(2 * math.pi * dice.uniform(*band), 2 * math.pi * dice.random(), share) for band, share in SINES]
            for _ in AMPLITUDES
        ]

    def settled(self, frame: int) -> float:
        """How much of all movement is shown, 0 to 1: none in frame 0."""
        return ease(frame / self._fps / SETTLED_SECONDS)

    def pose(self, frame: int) -> Floats:
        """The amount of each `PoseField`, [7]; zero in frame 0."""
        seconds = frame / self._fps
        settled = self.settled(frame)
        pose = np.zeros(len(PoseField), np.float32)
        for (movement, amplitude), sines in zip(AMPLITUDES.items(), self._sines, strict=True):
            # Not vectorised: the last bit of a vectorised sine may depend on the position in the array.
            swing = sum(share * math.sin(rate * seconds + phase) for rate, phase, share in sines)
            pose[movement] = self._liveliness.sway * amplitude * settled * swing
        pose[PoseField.BREATH] = BREATH_RISE * _breath(seconds)
        return pose


def _breath(seconds: float) -> float:
    """Depth of the breath, 0 to 1; 0 at the start."""
    breaths = BREATH_HZ * seconds + BREATH_WANDER * math.sin(2 * math.pi * BREATH_WANDER_HZ * seconds)
    return (1 - math.cos(2 * math.pi * breaths)) / 2
