"""Properties of the picture that the drawn inside of the mouth matches: light, colours and softness of edges."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEETH_ALBEDO = np.array([0.95, 0.89, 0.805], np.float32)
TONGUE_ALBEDO = np.array([0.72, 0.36, 0.35], np.float32)
CAVITY_ALBEDO = np.array([0.28, 0.125, 0.11], np.float32)

SKIN_RADIUS, LIP_RADIUS = 0.12, 0.04
"""Half the sides of the squares over which median colours are taken, in mouth widths."""
LIGHT_MIN, LIGHT_MAX = 110.0, 240.0
"""The light on teeth is within these, 0..255: dark skin does not make teeth dark."""
DARK_SKIN = 1.6
"""But it is at most this much brighter than the skin: below, it is the picture that is dark."""
PLAIN_TINT = 0.1
"""If the skin's red and blue differ by less than this fraction of its brightness, the picture has little colour."""
SIGMAS = np.linspace(0.2, 4, 39)
"""Candidate blurs of pictures, in pixels."""
EDGE_GROWTH = np.array([erf(1.5 / (sigma * 2**0.5)) / erf(0.5 / (sigma * 2**0.5)) for sigma in SIGMAS])
"""For each blur, how much more an edge changes over three pixels than over one."""
EDGE_SHARE = 0.995
"""Quantile of local change above which a point counts as an edge."""

Floats = NDArray[np.float32]
Regions = NDArray[np.uint8]
"""[n, height, width, 3], RGB: the same face in some frames."""


@dataclass(frozen=True)
class Complexion:
    """Colours of a face and of the inside of its mouth, RGB 0..255, and its sharpness."""

    skin: Floats
    """Where it is brightest."""
    colour: float
    """How much colour the picture has: from 0, as a black-and-white one, to 1."""
    cavity: Floats
    tongue: Floats
    teeth: Floats
    softness: float
    """Softness of the picture's edges: sigma in pixels."""

    @classmethod
    def of(cls, regions: Regions, skin: Floats, lips: Floats, width_pixels: float) -> Complexion:
        """Measure at points on skin and lips, [n, points, 2] each, in pixels of the regions.

        `width_pixels`: width of the mouth. Teeth and tongue are lit like the brightest skin point.
        """
        brightest = max(colours_at(regions, skin, SKIN_RADIUS * width_pixels), key=np.sum)
        lip = np.median(colours_at(regions, lips, LIP_RADIUS * width_pixels), 0)
        least = min(LIGHT_MIN, DARK_SKIN * float(brightest.max()))
        light = float(np.clip(brightest.max() * 1.04, least, LIGHT_MAX))
        tint = brightest / max(float(brightest.mean()), 1.0)
        colour = min(float(np.ptp(tint)) / PLAIN_TINT, 1.0)
        return cls(
            skin=brightest,
            colour=colour,
            cavity=faded(CAVITY_ALBEDO * light + 0.03 * lip, colour),
            tongue=faded(0.5 * lip + 0.5 * TONGUE_ALBEDO * light, colour),
            teeth=faded(TEETH_ALBEDO * light * (0.94 + 0.06 * tint), colour),
            softness=_softness(regions),
        )


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)


def faded(rgb: Floats, colour: float) -> Floats:
    """The colour desaturated; 0 gives grey, as in a black-and-white picture."""
    return _floats(rgb * colour + rgb.mean() * (1 - colour))


def colours_at(regions: Regions, points: Floats, radius: float) -> Floats:
    """Median colours [points, 3] of squares around points, clipped to the regions."""
    reach = max(round(radius), 1)
    rows, columns = regions.shape[1:3]
    places = np.clip(np.rint(points).astype(int), reach, (columns - reach - 1, rows - reach - 1))
    squares = [
        [region[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3) for x, y in some]
        for region, some in zip(regions, places, strict=True)
    ]
    return _floats(np.median(np.array(squares), (0, 2)))


def _softness(regions: Regions) -> float:
    """The blur of the picture's strongest edges, as if they were steps: sigma in pixels."""
    light = regions.astype(np.float32).mean(-1)
    one, three = (np.abs(light[:, :, by:] - light[:, :, :-by]) for by in (1, 3))
    growth = np.quantile(three, EDGE_SHARE) / max(float(np.quantile(one, EDGE_SHARE)), 1.0)
    return float(np.interp(growth, EDGE_GROWTH, SIGMAS))
