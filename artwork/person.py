"""The definition of a person to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import skia

from artwork.geometry import Geometry

Layer = Callable[[skia.Canvas, np.random.Generator], None]
"""Draws one part; the generator places randomly scattered details."""


@dataclass(frozen=True)
class Person:
    """An avatar to draw."""

    face: Geometry
    layers: Sequence[Layer]
    """From back to front: the background first, the light over all last."""
    seed: int
    """Seed for hair, lashes and lamps, which are scattered randomly."""
