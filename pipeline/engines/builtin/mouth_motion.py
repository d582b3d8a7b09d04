"""How the skin of a speaking face moves: one smooth displacement above the lip line and one below it.

Everything is computed in the face's own frame, so that rotation and size do not matter: the origin is between the inner
mouth corners, x points towards the picture's right corner, y towards the chin; the unit is the distance of the corners.
The maps are inverse (from a point of the frame to its place in the picture), as needed for sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.engines.builtin.face_shape import CHEEK_DEPTH, FaceShape, centred, lip_gap, lip_line
from pipeline.engines.builtin.track import Mouth

# Amounts in mouth widths, at full deflection of their parameter.
JAW_DROP = 0.28
"""How far the chin goes down."""
LIP_DROP = 0.37
"""How far the middle of the lower lip goes down: more than the chin, as the lip also rolls out."""
CORNER_DROP = 0.085
PARTED = 0.018
"""Opening of free lips over closed teeth."""
UPPER_RAISE = 0.075
UPPER_LIFT_BY_JAW = 0.08
SPREAD_LIFT = 0.14
"""How far the corners of spread lips rise."""
SPREAD_DROP = 0.035
"""How far spread lips are pulled off the lower teeth."""
TONGUE_ROOM = 0.05
"""How far a raised tongue pushes the lower lip away."""
TUCK_OPENING = 0.08
"""The strip of upper teeth that shows over a tucked lip."""
TUCK_JAW = 0.7
"""Fraction by which a tuck closes the jaw, so that the lip reaches the teeth."""
TUCK_ROLL = 0.45
"""Fraction of the lower lip's height that is hidden under the teeth."""
FAINT_WIDTH = 0.3
"""Lips that are faintly rounded or spread become narrower or wider by this fraction of what the amount says: in speech
the width of people's mouths stays near its median and leaves it for single sounds."""
PUCKER_NARROWING = 0.24
PUCKER_OPENING = 0.34
"""Fraction of their width over which puckered lips part, leaving a small round hole."""
UPPER_ROUNDNESS, LOWER_ROUNDNESS = 1.0, 0.6
"""How much rounder than a lens the opening of puckered lips is. Their corners hang, so the lower edge needs less."""
PUCKER_LIFT, PUCKER_DROP = 0.06, 0.03
"""How much further puckered, open lips part above and below, so that their opening is round."""
UPPER_THICKENING, LOWER_THICKENING = 0.32, 0.18
"""Puckered lips roll out: the fraction by which less of the picture's lips fills their height at rest."""
FULL_UPPER_LIP, THICKENING_MAX = 0.13, 0.55
"""A thinner upper lip rolls out further, up to this height in mouth widths and this maximum thickening."""
PUCKER_PRESSURE = 0.04
"""Puckered lips press against each other beside their opening, which hides this much of their edges and the seam."""
SEAM_BLUR = 0.85
"""The fraction of the seam's sharpness that is lost there."""
ROUNDED = (0.1, 0.6)
"""Between these amounts of pucker, skin replaces the corners that narrowed lips leave, and hidden lips roll out."""
PUCKER_LEVELLING, JAW_LEVELLING = 0.9, 0.6
"""Fractions of a smile removed by puckering (it levels the corners with the middle of the opening) and by the jaw."""
CORNER_DROP_MAX = 0.5
"""Maximum drop of the corners, as a fraction of the distance from mouth to nose: more would smear the skin between."""
SPREAD_WIDENING = 0.46
JAW_NARROWING = 0.05
CLOSED_CHIN = 0.45
"""Fraction of the jaw's opening that remains at the chin while the lips are closed."""

CORNER_REACH = 0.62
"""Distance from the middle at which the drop of the corners is complete."""
CORNER_ROOM = 0.04
"""How far beyond the corners of the mouth the skin moves sideways with the lips."""
NECK_RANGE = 0.85
"""Below the chin the movement fades over this many mouth widths."""


def ramp(values: torch.Tensor, start: float | torch.Tensor, stop: float | torch.Tensor) -> torch.Tensor:
    """A smooth step from 0 at `start` to 1 at `stop`. Uses only products, which are equally exact on all devices."""
    t = ((values - start) * (1.0 / (stop - start))).clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Pose:
    """Track rows as amounts of movement, each [n, 1, 1]; lengths in mouth widths."""

    stretch: torch.Tensor
    """How much further out a point of the lips is in the picture than in the frame."""
    upper_thickening: torch.Tensor
    """The part of the upper lip's height in the frame that is missing in the picture."""
    lower_thickening: torch.Tensor
    drop: torch.Tensor
    """Drop of the chin."""
    corner: torch.Tensor
    """Drop of the mouth corners."""
    lift: torch.Tensor
    """Lift of the middle of the upper lip."""
    lower: torch.Tensor
    """Drop of the middle of the lower lip."""
    roll: torch.Tensor
    """How much of the lower lip is hidden."""
    span: torch.Tensor
    """Fraction of their width over which the lips part."""
    upper_roundness: torch.Tensor
    """0: the upper lip's edge is shaped like a lens, 1: nearly like an ellipse."""
    lower_roundness: torch.Tensor
    jaw: torch.Tensor
    """Drop of the lower teeth."""
    tongue: torch.Tensor
    """0: low, 1: its tip behind the upper teeth."""
    pucker: torch.Tensor
    """0: lips flat on the teeth, 1: protruding."""
    skew: torch.Tensor
    """That of the face's shape."""

    @classmethod
    def of(cls, track: torch.Tensor, shape: FaceShape) -> Pose:
        """Read track rows [n, 6]; values out of range are clamped."""
        low = torch.zeros(len(Mouth), device=track.device)
        low[Mouth.LIP_WIDTH] = -1
        bounded = torch.minimum(torch.maximum(torch.nan_to_num(track.float()), low), torch.ones_like(low))
        jaw, width, closure, raised, tuck, tongue = (column[:, None, None] for column in bounded.unbind(1))
        jaw = jaw * (1 - TUCK_JAW * tuck) * shape.moves
        width = width * (FAINT_WIDTH + (1 - FAINT_WIDTH) * width.abs())
        free, pucker, spread = 1 - closure, (-width).clamp(min=0), width.clamp(min=0)
        narrow = 1 - PUCKER_NARROWING * pucker + SPREAD_WIDENING * spread * shape.moves - JAW_NARROWING * jaw * free
        rounding = pucker * jaw.clamp(max=0.15) / 0.15
        pulled = SPREAD_DROP * spread * (0.4 + 0.6 * raised)
        opens = PARTED + LIP_DROP * jaw + PUCKER_DROP * rounding + pulled + TONGUE_ROOM * tongue
        lift = UPPER_RAISE * raised + UPPER_LIFT_BY_JAW * jaw + PUCKER_LIFT * rounding
        tucked = (TUCK_OPENING - lift).clamp(min=0)
        lower = opens + (tucked - opens) * tuck
        smile = shape.middle.clamp(min=0)
        by_jaw = (CORNER_DROP + JAW_LEVELLING * smile) * jaw * free
        level = smile + (lower - lift) / 2 * free
        corner = by_jaw + (level - by_jaw) * PUCKER_LEVELLING * pucker * (2 - pucker) - SPREAD_LIFT * spread * free
        blunt = 0.5 * jaw.clamp(max=0.4) / 0.4
        thin = (1 - shape.upper_lip / FULL_UPPER_LIP).clamp(UPPER_THICKENING, THICKENING_MAX)
        return cls(
            stretch=1 / narrow - 1,
            upper_thickening=thin * pucker,
            lower_thickening=LOWER_THICKENING * pucker,
            drop=JAW_DROP * jaw * (1 - (1 - CLOSED_CHIN) * closure),
            corner=torch.minimum(corner, CORNER_DROP_MAX * shape.nose),
            lift=lift * free,
            lower=lower * free,
            roll=TUCK_ROLL * shape.lower_lip * tuck * free,
            span=1 - (1 - PUCKER_OPENING) * pucker * (1 - 0.9 * jaw),
            upper_roundness=blunt + UPPER_ROUNDNESS * pucker,
            lower_roundness=blunt + LOWER_ROUNDNESS * pucker,
            jaw=JAW_DROP * jaw,
            tongue=tongue,
            pucker=pucker,
            skew=shape.skew,
        )


@dataclass(frozen=True)
class Nodes:
    """Points of the frame at which the movement is computed."""

    x: torch.Tensor
    """[n, h, w], in mouth widths."""
    y: torch.Tensor
    """[n, h, w], in mouth widths."""
    spacing: torch.Tensor
    """[n, 1, 1]: mouth widths from column to column."""


@dataclass(frozen=True)
class Movement:
    """Displacements towards the picture's points, and the lips' edges, each [n, h, w], in mouth widths."""

    upper: tuple[torch.Tensor, torch.Tensor]
    """x, y: for points that show the picture above the lip line."""
    lower: tuple[torch.Tensor, torch.Tensor]
    """x, y: for points that show the picture below the lip line."""
    beneath_upper: torch.Tensor
    """Distance below the edge of the upper lip; negative on the lip."""
    above_lower: torch.Tensor
    """Distance above the edge of the lower lip; negative on the lip."""
    rest_gap: torch.Tensor
    """Distance between the picture's lips where it remains visible as a dark line when they meet."""
    seam_sharpness: torch.Tensor
    """1: the lips meet within a pixel; less: they blend over a wider range."""


def movement(shape: FaceShape, nodes: Nodes, pose: Pose) -> Movement:
    """The movement of the face at the nodes in each pose."""
    s = ((2 * nodes.x) * (1 + pose.stretch)).clamp(-1, 1)
    seam, own_gap = lip_line(shape.seam, s), lip_gap(shape.own_gap, s)
    own_shift = lip_line(shape.own_seam, s) - seam
    front = centred(s, pose.skew)
    upper_bump, lower_bump = (_opening(front / pose.span, by) for by in (pose.upper_roundness, pose.lower_roundness))
    out = nodes.x.abs() * (1 + pose.stretch)
    cheek_fade = 1 - ramp(out, 0.5, 0.95 * shape.half_width)
    corner = pose.corner * ramp(out, 0, CORNER_REACH) * cheek_fade
    upper_edge = seam + corner - pose.lift * upper_bump
    lower_edge = seam + corner + pose.lower * lower_bump
    # The opening may be narrower than the lips, but their outlines part over the whole width.
    whole = _opening(front, 0.5 * pose.lower_roundness)
    upper_rise = upper_bump + (whole - upper_bump) * ramp(upper_edge - nodes.y, 0, shape.upper_lip)
    lower_fall = lower_bump + (whole - lower_bump) * ramp(nodes.y - lower_edge, 0, shape.lower_lip)
    pressed = pose.pucker * (2 - pose.pucker) * ramp(0.5 * front.abs(), 0.1, 0.4) * (1 - ramp(out, 0.54, 0.8))
    hidden = PUCKER_PRESSURE * pressed
    # Lips of the picture that are off the seam are first moved to it.
    upper_shift = (own_shift - 0.5 * own_gap) * cheek_fade + pose.lift * upper_rise - hidden
    lower_shift = corner - (own_shift + 0.5 * own_gap) * cheek_fade + pose.lower * lower_fall
    lower_shift = lower_shift - pose.roll * lower_bump - hidden
    within = 1 - front * front
    return Movement(
        _upper_map(
            shape, nodes, pose, upper_edge, lift=upper_shift, corner=corner, fuller=pose.upper_thickening * within
        ),
        _lower_map(shape, nodes, pose, lower_edge, shift=lower_shift, fuller=pose.lower_thickening * within),
        (nodes.y - upper_edge) * _steepness(upper_edge, nodes),
        (lower_edge - nodes.y) * _steepness(lower_edge, nodes),
        own_gap * (1 - pressed),
        1 - SEAM_BLUR * pressed * (1 - lower_bump),
    )


def _opening(s: torch.Tensor, roundness: torch.Tensor) -> torch.Tensor:
    """How far the lips part at s: 1 in the middle, 0 at -1 and 1 and beyond."""
    s2 = (s * s).clamp(max=1)
    return (1 - s2) * (1 + roundness * s2 * (0.5 + 0.5 * s2))


def _upper_map(
    shape: FaceShape,
    nodes: Nodes,
    pose: Pose,
    edge: torch.Tensor,
    *,
    lift: torch.Tensor,
    corner: torch.Tensor,
    fuller: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacement above the lip line."""
    height = edge - nodes.y
    grip = 1 - ramp(height, 0.7 * shape.upper_lip, 0.92 * shape.nose)
    thinner = fuller * height.clamp(min=0) * grip
    down = lift * grip - corner * (1 - ramp(height, 0, 1.05 * shape.nose)) + thinner
    return _sideways(shape, nodes, pose, nodes.y + down), down


def _lower_map(
    shape: FaceShape,
    nodes: Nodes,
    pose: Pose,
    edge: torch.Tensor,
    *,
    shift: torch.Tensor,
    fuller: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacement below the lip line: the lip moves independently, the chin with the jaw."""
    depth = nodes.y - edge
    grip = 1 - ramp(depth, 0.6 * shape.lower_lip, 0.9 * shape.chin)
    across = 1 - ramp(nodes.x.abs(), 0.3, 1.02 * shape.half_width)
    chin = shape.middle + shape.chin + pose.drop
    neck = 1 - ramp(nodes.y, chin, chin + NECK_RANGE)
    jaw = (pose.drop - shape.own_drop) * across * neck
    thinner = fuller * depth.clamp(min=0) * grip
    down = -(jaw + (shift - jaw) * grip) - thinner
    return _sideways(shape, nodes, pose, nodes.y + down), down


def _sideways(shape: FaceShape, nodes: Nodes, pose: Pose, source_y: torch.Tensor) -> torch.Tensor:
    """Horizontal displacement: lips become narrower or wider; nose, chin and outline of the face do not."""
    down = source_y - shape.middle
    out = nodes.x / shape.cheek
    deep = down / (CHEEK_DEPTH * shape.chin)
    # The skin between lips and cheek is stretched evenly, which smears it least.
    reach = ((0.5 / (1 + pose.stretch) + CORNER_ROOM) / shape.cheek).clamp(max=0.8)
    beyond = torch.minimum((out * out + deep * deep).sqrt().maximum(reach), torch.ones_like(reach))
    inner = (1 / beyond - 1) / (1 / reach - 1)
    stretch = (1 + pose.stretch) * shape.own_width - 1
    return stretch * nodes.x * inner * ramp(down, -shape.nose, -shape.upper_lip)


def _steepness(edge: torch.Tensor, nodes: Nodes) -> torch.Tensor:
    """Factor that turns a vertical distance from a curve into approximately the shortest one. [n, h, w]."""
    slope = torch.zeros_like(edge)
    slope[..., 1:-1] = (edge[..., 2:] - edge[..., :-2]) / (2 * nodes.spacing)
    return 1 / (1 + slope * slope).sqrt()
