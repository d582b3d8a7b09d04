"""The rim of lips that rolls out when they are rounded, for faces whose picture hardly shows their lips.

Without it the opening of "oo" would be a hole in the skin. It is a soft ellipse around the opening, in which the skin
has the colour of lips: darker and redder, with some light on the lower one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.builtin.complexion import Complexion, Floats, Regions, colours_at, faded
from pipeline.engines.builtin.face_shape import FaceShape, centred
from pipeline.engines.builtin.mouth_motion import ROUNDED, Nodes, Pose, ramp

LIP_OF_SKIN = np.array([0.86, 0.7, 0.72], np.float32)
"""The colour of a lip, as fractions of that of the skin beside it, RGB."""
LIP_RADIUS = 0.02
"""Half the sides of the squares over which a lip's colour is taken, in mouth widths."""
HIDDEN, VISIBLE = 0.025, 0.038
"""How visible lips are that get all or nothing of a rim: the sum of their heights, in mouth widths, each times how much
its lip's colour differs from the skin's, as a fraction."""
BESIDE, ABOVE, BELOW = 0.1, 0.12, 0.16
"""Widths of the rim, in mouth widths."""
SOFT_FROM = 0.55
"""Where its outer edge begins to fade: the square of a fraction of the way from the middle."""
LOWER_STRENGTH = 0.85
"""Light comes from above: the lower lip is less dark."""
SHINE, SHINE_HALF_WIDTH = 0.6, 0.18
"""Fraction by which the light in the middle of the lower lip hides its colour, and its width."""


def lip_tint(
    regions: Regions,
    lips: tuple[Floats, Floats],
    heights: tuple[float, float],
    colours: Complexion,
    width_pixels: float,
) -> NDArray[np.float32] | None:
    """What the skin's colour is multiplied by where lips roll out, RGB; None if the picture's lips are visible.

    `lips`: points on the upper and the lower lip, [n, points, 2] each, in pixels of the regions; `heights` of the lips,
    in mouth widths; `width_pixels`: width of the mouth.
    """
    radius = LIP_RADIUS * width_pixels
    found = [np.median(colours_at(regions, points, radius), 0) for points in lips]
    contrasts = [float(np.abs(lip - colours.skin).mean() / max(colours.skin.mean(), 1)) for lip in found]
    visible = float(np.dot(heights, contrasts))
    hidden = float(1 - ramp(torch.tensor(visible), HIDDEN, VISIBLE))
    return 1 - hidden * (1 - faded(LIP_OF_SKIN, colours.colour)) if hidden else None


def rim(shape: FaceShape, nodes: Nodes, pose: Pose) -> torch.Tensor:
    """How much of the colour of lips is seen at the nodes in each pose, 0 to 1 [n, h, w]."""
    width, height = pose.span / (2 * (1 + pose.stretch)), (pose.lower + pose.lift) / 2
    down = nodes.y - shape.middle - (pose.lower - pose.lift) / 2
    below = ramp(down, -height - ABOVE, height + BELOW)
    out = down / (height + ABOVE + (BELOW - ABOVE) * below)
    x = 0.5 * centred(2 * nodes.x, pose.skew)
    far = (x / (width + BESIDE)) ** 2 + out * out
    lit = height + BELOW / 3
    shine = ramp(down, height, lit) * (1 - ramp(down, lit, height + BELOW))
    shine = shine * (1 - ramp(x.abs(), 0, SHINE_HALF_WIDTH))
    strength = 1 - (1 - LOWER_STRENGTH) * below - SHINE * shine
    return ramp(pose.pucker, *ROUNDED) * (1 - ramp(far, SOFT_FROM, 1)) * strength
