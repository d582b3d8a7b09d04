"""The inside of the mouth: the cavity, the tongue, the lower and upper teeth, drawn once per face."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from pipeline.engines.builtin.complexion import Complexion
from pipeline.engines.builtin.face_shape import centred
from pipeline.engines.builtin.mouth_motion import Pose, ramp

Floats = NDArray[np.float32]
Array = NDArray[np.floating[Any]]

# All lengths in mouth widths.
UPPER_TEETH = (0.148, 0.118, 0.098, 0.062, 0.042)
"""Widths of the teeth from the middle to the side, as seen from the front."""
LOWER_TEETH = (0.088, 0.092, 0.092, 0.062, 0.045)
UPPER_SHOWING = 0.055
"""How far the upper teeth reach below the resting lip line."""
OVERBITE = 0.02
"""How far the upper teeth cover the lower ones when the teeth are together."""
TONGUE_LOW = 0.145
"""How far the resting tongue rises above the edges of the lower teeth."""
TIP_UP = 0.014
"""How far the raised tip of the tongue reaches behind the upper teeth."""
TIP_HALF_WIDTH = 0.25
TIP_HEIGHT = 0.11
TONGUE_HALF_WIDTH = 0.36
PUCKER_HIDES_UPPER, PUCKER_HIDES_LOWER = 0.14, 0.025
"""Puckered lips are in front of the teeth and hide this much more of them."""
PUCKER_SHADE = 0.36
"""Fraction of light that puckered lips block, for each colour; flesh absorbs some more than others."""
PUCKER_WARMTH = 0.6
TONGUE_BACK = 0.03
"""How far the tongue is drawn back behind puckered lips."""
LIP_SHADOW = 0.09
"""Height of the shadow under the upper lip."""
CORNER_SHADOW = 0.05
"""Distance from the lips within which the light is dimmer."""
LAYER_SOFTNESS = 0.7
"""Softness added by drawing and sampling a layer: sigma in pixels."""
LAYER_HALF_WIDTH = 0.6
LAYER_HALF_HEIGHT = 0.55


class MouthInterior:
    """The layers of one face's mouth, back to front."""

    def __init__(self, colours: Complexion, width_pixels: float, device: torch.device) -> None:
        """`width_pixels`: width of the mouth in the picture."""
        pixels = max(width_pixels, 48.0)
        x_grid, y_grid = _layer_grid(pixels)
        edge = 1.3 / pixels
        layers = (
            _tongue(x_grid, y_grid, colours),
            _teeth(x_grid, -y_grid, LOWER_TEETH, colours.teeth * 0.86, edge),
            _tongue_tip(x_grid, y_grid, colours),
            _teeth(x_grid, y_grid, UPPER_TEETH, colours.teeth, edge),
        )
        flesh = colours.tongue / colours.tongue.max()
        blur = max(colours.softness**2 - LAYER_SOFTNESS**2, 0.01) ** 0.5 * pixels / width_pixels
        blurred = [cv2.GaussianBlur(layer, (0, 0), blur) for layer in layers]
        self._layers = [torch.from_numpy(layer).permute(2, 0, 1)[None].to(device) for layer in blurred]
        self._shade = torch.from_numpy(PUCKER_SHADE * (1 + PUCKER_WARMTH * (1 - flesh))).to(device)[:, None, None]
        self._cavity = torch.from_numpy(colours.cavity).to(device)[:, None, None]

    def render(
        self, pose: Pose, x: torch.Tensor, y: torch.Tensor, beneath_upper: torch.Tensor, inside: torch.Tensor
    ) -> torch.Tensor:
        """Draw the mouth's inside. RGB [n, 3, h, w], 0..255.

        `x`, `y` [n or 1, h, w]: positions of the pixels, in mouth widths from the middle of the lips' seam;
        `beneath_upper`, `inside` [n, h, w]: their distances from the upper lip and from the nearer lip.
        """
        x = 0.5 * centred(2 * x, pose.skew)
        lower_edge = UPPER_SHOWING - OVERBITE + pose.jaw + PUCKER_HIDES_LOWER * pose.pucker
        low, up = lower_edge - TONGUE_LOW + TONGUE_BACK * pose.pucker, UPPER_SHOWING - TIP_UP
        upper_edge = UPPER_SHOWING - PUCKER_HIDES_UPPER * pose.pucker
        edges = (low, lower_edge, lower_edge + (up - lower_edge) * pose.tongue, upper_edge)
        whole = torch.ones_like(pose.tongue)
        covers = (whole, whole, pose.tongue, whole)
        colour = self._cavity * (0.85 + 0.3 * ramp(beneath_upper, 0.02, 0.25))[:, None]
        for layer, edge, cover in zip(self._layers, edges, covers, strict=True):
            sampled = _sample(layer, x, y - edge) * cover[:, None]
            colour = colour * (1 - sampled[:, 3:]) + sampled[:, :3]
        return colour * _light(beneath_upper, inside)[:, None] * (1 - self._shade * pose.pucker[:, None])


def _sample(layer: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One layer at points of the face. RGBA [n, 4, h, w], premultiplied by alpha."""
    grid = torch.stack([(x / LAYER_HALF_WIDTH).expand_as(y), y / LAYER_HALF_HEIGHT], -1)
    return grid_sample(layer.expand(len(y), -1, -1, -1), grid, padding_mode="border", align_corners=True)


def _light(beneath_upper: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Light between the lips, 0..1, [n, h, w]."""
    under_lip = 0.91 + 0.09 * ramp(beneath_upper, -0.01, LIP_SHADOW)
    beside_lips = 0.93 + 0.07 * ramp(inside, -0.01, CORNER_SHADOW)
    return under_lip * beside_lips


def _layer_grid(pixels: float) -> tuple[Floats, Floats]:
    """x, y [h, w] of a layer's pixels, in mouth widths; the layer's edge is at y = 0."""
    width, height = (round(2 * half * pixels) for half in (LAYER_HALF_WIDTH, LAYER_HALF_HEIGHT))
    x, y = np.meshgrid(
        np.linspace(-LAYER_HALF_WIDTH, LAYER_HALF_WIDTH, width, dtype=np.float32),
        np.linspace(-LAYER_HALF_HEIGHT, LAYER_HALF_HEIGHT, height, dtype=np.float32),
    )
    return x, y


def _step(values: Array, start: float, stop: float) -> Floats:
    t = np.clip((values - start) / (stop - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _layer(colour: Floats, light: Array, alpha: Array) -> Floats:
    """RGBA [h, w, 4] with the colours multiplied by alpha."""
    return np.dstack([colour * light[..., None] * alpha[..., None], alpha]).astype(np.float32)


def _teeth(x: Floats, y: Floats, widths: tuple[float, ...], colour: Floats, edge: float) -> Floats:
    """A row of teeth that ends at y = 0 in the middle and curves up to the sides. RGBA [h, w, 4]."""
    bounds = np.concatenate([[0.0], np.cumsum(widths)])
    out = np.abs(x)
    tooth = np.clip(np.searchsorted(bounds, out, side="right") - 1, 0, len(widths) - 1)
    across = (out - bounds[tooth]) / np.asarray(widths)[tooth] * 2 - 1
    rounding = (0.010 + 0.004 * tooth) * np.abs(across) ** 3.5
    curve = 0.055 * (out / 0.35) ** 2 + rounding + np.where(tooth == 1, 0.008, 0.0)
    height = -y - curve
    beside = np.abs(out[..., None] - bounds).min(-1) / (0.006 + 0.4 * edge)
    joint = 1 - (0.1 + 0.08 * _step(height, 0.1, 0.0)) * np.exp(-(beside**2)) * min(0.011 / edge, 1.0)
    modelled = 1.02 - 0.07 * across**2 - 0.10 * _step(height, 0.05, 0.2) - 0.06 * _step(height, 0.03, 0.0)
    receding = 1 - 0.58 * _step(out, 0.17, float(bounds[-1]))
    alpha = _step(height, -edge, edge) * (1 - _step(out, float(bounds[-2]), float(bounds[-1])))
    return _layer(colour, joint * modelled * receding, alpha)


def _tongue(x: Floats, y: Floats, colours: Complexion) -> Floats:
    """A mound whose top is at y = 0 in the middle, dark at the back, lit at the front. RGBA [h, w, 4]."""
    out = np.abs(x) / TONGUE_HALF_WIDTH
    depth = y - 0.11 * out**2.4
    groove = 1 - 0.14 * np.exp(-((x / 0.022) ** 2)) * _step(depth, 0.0, 0.08)
    light = (0.55 + 0.45 * _step(depth, -0.02, 0.14)) * groove * (1 - 0.35 * _step(out, 0.4, 1.0))
    alpha = _step(depth, -0.03, 0.03) * (1 - _step(out, 0.9, 1.15))
    return _layer(colours.tongue, light, alpha)


def _tongue_tip(x: Floats, y: Floats, colours: Complexion) -> Floats:
    """A round tip whose top is at y = 0 in the middle: lit from the front, turning away below. RGBA [h, w, 4]."""
    out = np.abs(x) / TIP_HALF_WIDTH
    depth = (y - 0.035 * out**2) / TIP_HEIGHT
    light = (
        (0.75 + 0.3 * _step(depth, 0.0, 0.4)) * (1 - 0.35 * _step(depth, 0.5, 1.0)) * (1 - 0.25 * _step(out, 0.3, 1.0))
    )
    alpha = _step(depth, -0.1, 0.1) * (1 - _step(depth, 0.7, 1.0)) * (1 - _step(out, 0.6, 1.05))
    return _layer(colours.tongue, light, alpha)
