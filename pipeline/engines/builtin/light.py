"""The light on the inside of a mouth, which follows that on the face through the frames of a clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.scenes import Indices

COLOUR_SAMPLES = 5
"""Number of frames of a clip that are sampled for the colours of its face."""
WELL_LIT = 0.5
"""They are at least this bright, relative to the brightest: a fade to black has no colours."""
UNNOTICED = 0.05
"""Changes of the light by less than this are ignored: turning the head changes it as much."""

Floats = NDArray[np.float32]


def lit_frames(light: Floats) -> Indices:
    """Frames of a clip, spread evenly over those that are well lit. `light` [frames]: brightness of the skin."""
    lit = np.flatnonzero(light >= WELL_LIT * light.max())
    return lit[np.unique(np.linspace(0, len(lit) - 1, COLOUR_SAMPLES).astype(np.intp))]


def relative_light(light: Floats, chosen: Indices) -> Floats | None:
    """The light in each frame, relative to that in the chosen ones [frames]; None if it does not change."""
    relative = light / max(float(np.median(light[chosen])), 1.0)
    change = np.log(np.maximum(relative, 1e-3))
    noticed = np.sign(change) * np.maximum(np.abs(change) - UNNOTICED, 0)
    return np.exp(noticed).astype(np.float32) if noticed.any() else None
