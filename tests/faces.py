"""The face and the mouth tracks for tests of the built-in engine's renderer."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, FaceLandmarks
from pipeline.engines.builtin.track import Mouth

CPU = torch.device("cpu")
MARGIN = 420
"""What the pictures that come with lipdrop show of the room on either side of the square at their top."""
SQUARE = 1080
NEUTRAL = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def built_in_picture(name: str, side: int) -> NDArray[np.uint8]:
    """The square around a person who comes with lipdrop, scaled: RGB [side, side, 3]."""
    stored = cv2.imread(str(BUILT_IN_FOLDER / name / "picture.png"))
    assert stored is not None
    square = cv2.cvtColor(stored[:SQUARE, MARGIN : MARGIN + SQUARE], cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def presenter_picture(side: int) -> NDArray[np.uint8]:
    """The presenter: RGB [side, side, 3]."""
    return built_in_picture("presenter", side)


def presenter_landmarks(side: int) -> FaceLandmarks:
    """The presenter's landmarks at that size."""
    scale = side / SQUARE
    return FaceLandmarks.load(BUILT_IN_FOLDER / "presenter" / "landmarks.json").transformed(scale, MARGIN * scale, 0)


def turned_aside(landmarks: FaceLandmarks, side: int) -> FaceLandmarks:
    """The landmarks with lips whose corners stay and whose middle moves to one side by 0.12 mouth widths."""

    def moved(lips: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high = lips[:, 0].min(), lips[:, 0].max()
        s = (2 * lips[:, 0] - low - high) / (high - low)
        return np.column_stack([lips[:, 0] + side * 0.12 * (high - low) * (1 - s * s), lips[:, 1]]).astype(np.float32)

    return replace(landmarks, lips_inner=moved(landmarks.lips_inner), lips_outer=moved(landmarks.lips_outer))


def row(**amounts: float) -> torch.Tensor:
    """A track of one row; parameters default to 0."""
    values = torch.zeros(1, len(Mouth))
    for name, amount in amounts.items():
        values[0, Mouth[name.upper()]] = amount
    return values


def mixed_track(rows: int) -> torch.Tensor:
    """Random rows, every other one without closure."""
    generator = torch.Generator().manual_seed(7)
    track = torch.rand(rows, len(Mouth), generator=generator)
    track[:, Mouth.LIP_WIDTH] = track[:, Mouth.LIP_WIDTH] * 2 - 1
    track[::2, Mouth.CLOSURE] = 0
    return track
