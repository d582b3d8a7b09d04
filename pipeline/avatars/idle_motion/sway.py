"""How a person's head, brows and shoulders move.

A pose is an amount for each movement; lengths are relative to the height from the eyes to the chin.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import cv2
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


CALM, LIVELY = Liveliness(1, 0.012, 0), Liveliness(1.35, 0.024, 0.35)
BROWS_FROM, BROWS_RISE_MAX = 0.17, 0.032
"""Stress from which on the brows rise, and how far they rise at most."""
BROWS_SECONDS = 0.14
"""Sigma of the Gaussian under which they rise and fall."""
STRESS_SECONDS, CONTEXT_SECONDS = 0.16, 1.0
"""Sigmas of two Gaussians: loudness smoothed by the first (which hardly passes 2 Hz and above) is compared with the
average around it, smoothed by the second."""


class Sway:
    """The pose of an avatar at any frame: a function of time, seed and, if known, loudness."""

    def __init__(self, seed: int, fps: int, loudness: Floats | None, liveliness: Liveliness = CALM) -> None:
        """`loudness`: of each frame of the job, 0 to 1, [frames]; None if unknown."""
        dice = np.random.default_rng(seed)
        self._fps = fps
        self._liveliness = liveliness
        self._sines = [
            [(2 * math.pi * dice.uniform(*band), 2 * math.pi * dice.random(), share) for band, share in SINES]
            for _ in AMPLITUDES
        ]
        self._stress = None if loudness is None else _stress(loudness, fps)
        self._brows = None if self._stress is None else _brows(self._stress, fps, liveliness.brows)

    def pose(self, frame: int) -> Floats:
        """The amount of each `PoseField`, [7]; zero in frame 0."""
        seconds = frame / self._fps
        settled = ease(seconds / SETTLED_SECONDS)
        pose = np.zeros(len(PoseField), np.float32)
        for (movement, amplitude), sines in zip(AMPLITUDES.items(), self._sines, strict=True):
            # Not vectorised: the last bit of a vectorised sine may depend on the position in the array.
            swing = sum(share * math.sin(rate * seconds + phase) for rate, phase, share in sines)
            pose[movement] = self._liveliness.sway * amplitude * settled * swing
        if self._stress is not None and self._brows is not None:
            known = min(frame, len(self._stress) - 1)
            nod = self._liveliness.nod * settled * float(self._stress[known])
            pose[[PoseField.DOWN, PoseField.NOD]] += np.float32(nod / 2)
            pose[PoseField.BROWS] = settled * float(self._brows[known])
        pose[PoseField.BREATH] = BREATH_RISE * _breath(seconds)
        return pose


def _stress(loudness: Floats, fps: int) -> Floats:
    """How much louder each frame is than the average around it, smoothed, [frames]."""
    near, around = (
        cv2.GaussianBlur(loudness[None], (0, 0), seconds * fps, borderType=cv2.BORDER_REPLICATE)[0]
        for seconds in (STRESS_SECONDS, CONTEXT_SECONDS)
    )
    return np.asarray(near - around, np.float32)


def _brows(stress: Floats, fps: int, rise: float) -> Floats:
    """How far the brows rise in each frame, [frames]."""
    risen = np.clip(rise * (stress - BROWS_FROM), 0, BROWS_RISE_MAX)
    smooth = cv2.GaussianBlur(risen[None], (0, 0), BROWS_SECONDS * fps, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[0], np.float32)


def _breath(seconds: float) -> float:
    """Depth of the breath, 0 to 1; 0 at the start."""
    breaths = BREATH_HZ * seconds + BREATH_WANDER * math.sin(2 * math.pi * BREATH_WANDER_HZ * seconds)
    return (1 - math.cos(2 * math.pi * breaths)) / 2
