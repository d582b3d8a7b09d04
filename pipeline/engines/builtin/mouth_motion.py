"""Where the skin of a speaking face goes: a smooth displacement above the lip line, and one below it.

Everything is worked out in the face's own frame: origin between the inner mouth corners, x towards the picture's
right corner, y towards the chin, 1 = the distance of the corners. So a face may be turned, small or large.
The maps are inverse ones (for a point of the frame: where it lies in the picture), as sampling needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars.landmarks import FaceLandmarks, Points
from pipeline.engines.builtin.track import Mouth

# Amounts in mouth widths, at full deflection of their parameter.
JAW_DROP = 0.27
"""How far the chin goes down."""
LIP_DROP = 0.33
"""How far the middle of the lower lip goes down; more than the chin, as the lip also rolls out."""
CORNER_DROP = 0.07
PARTED = 0.018
"""Opening of free lips over closed teeth."""
UPPER_RAISE = 0.075
UPPER_LIFT_BY_JAW = 0.025
SPREAD_DROP = 0.035
"""Spread lips are pulled off the lower teeth."""
TONGUE_ROOM = 0.02
"""A raised tongue pushes the lower lip away."""
TUCK_OPENING = 0.065
"""The strip of upper teeth that shows over a tucked lip."""
TUCK_ROLL = 0.45
"""Part of the lower lip's height that is hidden under the teeth."""
PUCKER_ROUNDING = 0.035
"""How far puckered, open lips part above and below on top, so that their opening is round."""

PUCKER_NARROWING = 0.30
SPREAD_WIDENING = 0.12
JAW_NARROWING = 0.05
PUCKER_THICKENING = 0.16
CLOSED_CHIN = 0.45
"""Part of the jaw's opening that is left at the chin while the lips are held together."""

NECK_RANGE = 0.85
"""Below the chin the movement fades over this many mouth widths."""
MEETING_GAP = 0.03
"""Lips nearer than this in the picture count as meeting: landmarks are no better."""
OPEN_FRINGE = 0.05
"""Of an opening in the picture, what may still be teeth or shadow beyond the landmarks on either side."""

CHEEK_DEPTH = 0.92
"""Lips that get narrower pull on the skin down to this part of the way to the chin."""

LINE_TERMS = 6
"""Of the polynomial for a lip line: enough for a Cupid's bow, too few for landmark noise."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FaceFrame:
    """The face's own coordinates: mouth widths from the middle of the mouth."""

    centre: Floats
    """[2]: x, y in pixels."""
    right: Floats
    """[2]: unit vector along the mouth."""
    width_pixels: float

    @classmethod
    def between(cls, left: Floats, right: Floats) -> FaceFrame:
        """The frame of a mouth with these corners."""
        width = float(np.hypot(*(right - left)))
        return cls(_floats((left + right) / 2), _floats((right - left) / width), width)

    @property
    def axes(self) -> Floats:
        """[2, 2]: the frame's x and y axes as rows, in pixels."""
        return np.array([self.right, [-self.right[1], self.right[0]]], np.float32)

    def to_face(self, points: Points) -> Floats:
        """Pixels [..., 2] to face coordinates [..., 2]."""
        return _floats((points - self.centre) @ self.axes.T / self.width_pixels)

    def to_pixels(self, points: Floats) -> Points:
        """Face coordinates [..., 2] to pixels [..., 2]."""
        return _floats(points @ self.axes * self.width_pixels + self.centre)


@dataclass(frozen=True)
class FaceShape:
    """Sizes of a face, in mouth widths."""

    frame: FaceFrame
    upper_line: tuple[float, ...]
    """Where the upper lip ends: coefficients for `lip_line`."""
    lower_line: tuple[float, ...]
    """Where the lower lip begins; the same as the upper line when the picture's lips meet."""
    upper_lip: float
    lower_lip: float
    middle: float
    """Height of the lip line in the middle of the mouth, below the corners."""
    nose: float
    """From there up to the base of the nose."""
    chin: float
    """From there down to the chin."""
    half_width: float
    """From the middle of the face to the widest point of the jaw."""
    cheek: float
    """Half the width of the largest ellipse about the mouth that stays inside the jaw."""
    gap: float
    """How far the picture's lips are apart in the middle."""

    @classmethod
    def measure(cls, landmarks: FaceLandmarks) -> FaceShape:
        """Measure a face in a picture."""
        inner = landmarks.lips_inner
        frame = FaceFrame.between(inner[0], inner[10])
        lips, outer = frame.to_face(inner), frame.to_face(landmarks.lips_outer)
        upper, lower = _fitted_line(lips[:11]), _fitted_line(np.concatenate([lips[10:], lips[:1]]))
        gap = float(lips[15, 1] - lips[5, 1])
        if gap < MEETING_GAP:
            upper = lower = _floats((upper + lower) / 2)
        fringe = _floats(OPEN_FRINGE * (lower - upper))
        jaw = frame.to_face(landmarks.jaw)
        middle = float(lips[5, 1] + lips[15, 1]) / 2
        return cls(
            frame,
            tuple((upper - fringe).tolist()),
            tuple((lower + fringe).tolist()),
            upper_lip=float(np.clip(lips[5, 1] - outer[5, 1], 0.06, 0.3)),
            lower_lip=float(np.clip(outer[15, 1] - lips[15, 1], 0.08, 0.35)),
            middle=middle,
            nose=float(max(middle - frame.to_face(landmarks.nose)[1, 1], 0.25)),
            chin=float(max(jaw[10, 1] - middle, 0.5)),
            half_width=float(max(np.abs(jaw[:, 0]).max(), 1.0)),
            cheek=_cheek(jaw - (0, middle)),
            gap=gap if gap >= MEETING_GAP else 0.0,
        )


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)


def _cheek(jaw: Floats) -> float:
    """Half the width of an ellipse that ends above the chin and touches a jaw [21, 2], seen from the mouth."""
    deep = jaw[:, 1] / (CHEEK_DEPTH * jaw[10, 1])
    beside = (deep > 0) & (deep < 0.9)
    reach = np.abs(jaw[beside, 0]) / np.sqrt(1 - deep[beside] ** 2)
    return float(np.clip(reach.min(initial=1.2), 0.75, 1.2))


def _fitted_line(points: Floats) -> Floats:
    """Coefficients of a smooth curve from corner to corner: (1 - s^2) times a polynomial in s = 2 x."""
    s = 2 * points[:, 0]
    terms = (1 - s**2)[:, None] * s[:, None] ** np.arange(LINE_TERMS)
    return _floats(np.linalg.lstsq(terms, points[:, 1], rcond=None)[0])


def lip_line(coefficients: tuple[float, ...], s: torch.Tensor) -> torch.Tensor:
    """Height of a lip line at s, -1 and 1 being the corners; 0 beyond them."""
    total = torch.full_like(s, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * s + coefficient
    return total * (1 - s * s)


def ramp(values: torch.Tensor, start: float | torch.Tensor, stop: float | torch.Tensor) -> torch.Tensor:
    """A smooth step from 0 at `start` to 1 at `stop`. Of plain products, so that it is exact everywhere alike."""
    t = ((values - start) * (1.0 / (stop - start))).clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Pose:
    """What a track row asks of the face, each [n, 1, 1]; lengths in mouth widths."""

    stretch: torch.Tensor
    """How much further out than in the frame a point of the lips lies in the picture."""
    thickening: torch.Tensor
    drop: torch.Tensor
    """Of the chin."""
    corner: torch.Tensor
    """Drop of the mouth corners."""
    lift: torch.Tensor
    """Of the middle of the upper lip."""
    lower: torch.Tensor
    """Drop of the middle of the lower lip."""
    roll: torch.Tensor
    """How much of the lower lip is hidden."""
    roundness: torch.Tensor
    """0: an opening like a lens, 1: nearly like an ellipse."""
    jaw: torch.Tensor
    """Drop of the lower teeth."""
    tongue: torch.Tensor
    """0: low, 1: its tip behind the upper teeth."""
    pucker: torch.Tensor
    """0: lips flat on the teeth, 1: protruding."""

    @classmethod
    def of(cls, track: torch.Tensor, shape: FaceShape) -> Pose:
        """Read track rows [n, 6]; what lies out of range is clamped."""
        low = torch.zeros(len(Mouth), device=track.device)
        low[Mouth.LIP_WIDTH] = -1
        bounded = torch.minimum(torch.maximum(torch.nan_to_num(track.float()), low), torch.ones_like(low))
        jaw, width, closure, raised, tuck, tongue = (column[:, None, None] for column in bounded.unbind(1))
        free, pucker, spread = 1 - closure, (-width).clamp(min=0), width.clamp(min=0)
        narrow = 1 - PUCKER_NARROWING * pucker + SPREAD_WIDENING * spread - JAW_NARROWING * jaw * free
        opens = PARTED + LIP_DROP * jaw + spread * SPREAD_DROP * (0.4 + 0.6 * raised) + TONGUE_ROOM * tongue
        lift = UPPER_RAISE * raised + UPPER_LIFT_BY_JAW * jaw + PUCKER_ROUNDING * pucker * jaw.clamp(max=0.3) / 0.3
        tucked = TUCK_OPENING - lift
        return cls(
            stretch=1 / narrow - 1,
            thickening=PUCKER_THICKENING * pucker,
            drop=JAW_DROP * jaw * (1 - (1 - CLOSED_CHIN) * closure),
            corner=CORNER_DROP * jaw * free,
            lift=lift * free,
            lower=(opens + (tucked - opens) * tuck) * free,
            roll=TUCK_ROLL * shape.lower_lip * tuck * free,
            roundness=0.5 * jaw.clamp(max=0.4) / 0.4 + 0.6 * pucker,
            jaw=JAW_DROP * jaw,
            tongue=tongue,
            pucker=pucker,
        )


@dataclass(frozen=True)
class Nodes:
    """Points of the frame for which the movement is worked out."""

    x: torch.Tensor
    """[h, w], in mouth widths."""
    y: torch.Tensor
    """[h, w], in mouth widths."""
    spacing: float
    """Mouth widths from column to column."""


@dataclass(frozen=True)
class Movement:
    """Displacements towards the picture's points, and the lips' edges, each [n, h, w], in mouth widths."""

    upper: tuple[torch.Tensor, torch.Tensor]
    """x, y: for points that show what the picture has above the lip line."""
    lower: tuple[torch.Tensor, torch.Tensor]
    """x, y: for points that show what the picture has below the lip line."""
    beneath_upper: torch.Tensor
    """Distance below the edge of the upper lip; negative on the lip."""
    above_lower: torch.Tensor
    """Distance above the edge of the lower lip; negative on the lip."""
    rest_gap: torch.Tensor
    """How far the picture's lips are apart there."""


def movement(shape: FaceShape, nodes: Nodes, pose: Pose) -> Movement:
    """How the face moves at the nodes in each pose."""
    s = ((2 * nodes.x) * (1 + pose.stretch)).clamp(-1, 1)
    upper_rest, lower_rest = lip_line(shape.upper_line, s), lip_line(shape.lower_line, s)
    rest_gap = (lower_rest - upper_rest).clamp(min=0)
    s2 = s * s
    bump = (1 - s2) * (1 + pose.roundness * s2 * (0.5 + 0.5 * s2))
    corner = pose.corner * _corner_field(shape, nodes, pose)
    # Lips that are apart in the picture are brought together first: the lower one does most of the way.
    lift = pose.lift * bump - 0.35 * rest_gap
    upper_edge = upper_rest + corner - lift
    lower_edge = upper_edge + (pose.lift + pose.lower) * bump
    upper = _upper_map(shape, nodes, pose, upper_edge, lift=lift, corner=corner)
    roll = lower_rest + pose.roll * bump
    lower = _lower_map(shape, nodes, pose, lower_edge, lower_edge - roll)
    return Movement(
        upper,
        lower,
        (nodes.y - upper_edge) * _steepness(upper_edge, nodes),
        (lower_edge - nodes.y) * _steepness(lower_edge, nodes),
        rest_gap,
    )


def _corner_field(shape: FaceShape, nodes: Nodes, pose: Pose) -> torch.Tensor:
    """1 at the mouth corners, fading to the middle and to the cheeks. [n, h, w]."""
    out = nodes.x.abs() * (1 + pose.stretch)
    return ramp(out, 0, 0.5) * (1 - ramp(out, 0.5, 0.95 * shape.half_width))


def _upper_map(
    shape: FaceShape,
    nodes: Nodes,
    pose: Pose,
    edge: torch.Tensor,
    *,
    lift: torch.Tensor,
    corner: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacement of what lies above the lip line."""
    height = edge - nodes.y
    grip = 1 - ramp(height, 0.7 * shape.upper_lip, shape.nose)
    thinner = pose.thickening * height.clamp(min=0) * grip
    down = lift * grip - corner * (1 - ramp(height, 0, 1.05 * shape.nose)) + thinner
    return _sideways(shape, nodes, pose, nodes.y + down), down


def _lower_map(
    shape: FaceShape, nodes: Nodes, pose: Pose, edge: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacement of what lies below the lip line: the lip goes its own way, the chin goes with the jaw."""
    depth = nodes.y - edge
    grip = 1 - ramp(depth, 0.6 * shape.lower_lip, 0.9 * shape.chin)
    across = 1 - ramp(nodes.x.abs(), 0.3, 1.02 * shape.half_width)
    chin = shape.middle + shape.chin + pose.drop
    neck = 1 - ramp(nodes.y, chin, chin + NECK_RANGE)
    jaw = pose.drop * across * neck
    thinner = pose.thickening * depth.clamp(min=0) * grip
    down = -(jaw + (shift - jaw) * grip) - thinner
    return _sideways(shape, nodes, pose, nodes.y + down), down


def _sideways(shape: FaceShape, nodes: Nodes, pose: Pose, source_y: torch.Tensor) -> torch.Tensor:
    """Displacement across: lips get narrower or wider; nose, chin and the face's outline do not."""
    down = source_y - shape.middle
    out = nodes.x / shape.cheek
    deep = down / (CHEEK_DEPTH * shape.chin)
    inner = 1 - ramp(out * out + deep * deep, 0.12, 1)
    return pose.stretch * nodes.x * inner * ramp(down, -shape.nose, -shape.upper_lip)


def _steepness(edge: torch.Tensor, nodes: Nodes) -> torch.Tensor:
    """What turns a vertical distance from a curve into about the nearest one. [n, h, w]."""
    slope = torch.zeros_like(edge)
    slope[..., 1:-1] = (edge[..., 2:] - edge[..., :-2]) / (2 * nodes.spacing)
    return 1 / (1 + slope * slope).sqrt()
