"""What a person is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import skia

from artwork.geometry import Geometry

Layer = Callable[[skia.Canvas, np.random.Generator], None]
"""Draws one part; what is scattered by chance is thrown with the dice."""


@dataclass(frozen=True)
class Person:
    """An avatar to draw."""

    face: Geometry
    layers: Sequence[Layer]
    """From the background to what lies in front."""
    seed: int
    """Of the hair, lashes and lamps, which are scattered by chance."""
