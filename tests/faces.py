"""The face and the mouth tracks that the tests of the built-in engine's renderer share."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, FaceLandmarks
from pipeline.engines.builtin.track import Mouth

CPU = torch.device("cpu")
NEUTRAL = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def presenter_picture(side: int) -> NDArray[np.uint8]:
    """The avatar that comes with the project, RGB, scaled down to so many pixels."""
    stored = cv2.imread(str(BUILT_IN_FOLDER / "presenter" / "picture.png"))
    assert stored is not None
    fitted = cv2.resize(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(fitted, np.uint8)


def presenter_landmarks(side: int) -> FaceLandmarks:
    """Its landmarks at that size."""
    return FaceLandmarks.load(BUILT_IN_FOLDER / "presenter" / "landmarks.json").transformed(side / 1080, 0, 0)


def row(**amounts: float) -> torch.Tensor:
    """One track row, free lips unless told."""
    values = torch.zeros(1, len(Mouth))
    for name, amount in amounts.items():
        values[0, Mouth[name.upper()]] = amount
    return values


def mixed_track(rows: int) -> torch.Tensor:
    """Rows of all kinds; every other one with free lips."""
    generator = torch.Generator().manual_seed(7)
    track = torch.rand(rows, len(Mouth), generator=generator)
    track[:, Mouth.LIP_WIDTH] = track[:, Mouth.LIP_WIDTH] * 2 - 1
    track[::2, Mouth.CLOSURE] = 0
    return track
