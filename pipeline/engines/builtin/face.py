"""Moves the mouth of a face: warps the skin and draws the inside of the mouth between the parted lips."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.readiness import check_mouth
from pipeline.avatars.scenes import Corners, Indices, Scene
from pipeline.engines.builtin.complexion import Complexion
from pipeline.engines.builtin.corners import without_corners
from pipeline.engines.builtin.face_shape import MOVES_MAX, FaceShape, lip_line
from pipeline.engines.builtin.light import lit_frames, relative_light
from pipeline.engines.builtin.mouth_interior import MouthInterior
from pipeline.engines.builtin.mouth_motion import (
    JAW_DROP,
    LIP_DROP,
    NECK_RANGE,
    PARTED,
    PUCKER_DROP,
    PUCKER_LIFT,
    ROUNDED,
    SPREAD_DROP,
    SPREAD_WIDENING,
    TONGUE_ROOM,
    UPPER_LIFT_BY_JAW,
    UPPER_RAISE,
    Pose,
    movement,
    ramp,
)
from pipeline.engines.builtin.patch import Area, Bounds, Patch, Shift
from pipeline.engines.builtin.rolled_lips import lip_tint, rim
from pipeline.engines.builtin.source import Source
from pipeline.media.canvas import Displacement

BATCH_FRAMES = 16
"""Batch size that takes the least time: half of it spends more on calls, larger ones on memory."""
NODES_PER_MOUTH = 15
"""About how many points along the mouth have their movement computed; it is smooth, so it is interpolated between."""
LIP_NODES_PER_MOUTH = 44
"""The same near the lips' edges."""
FEATHER_PIXELS = 1.25
"""Softness of the lips' edges."""
EDGE_SHADE = 0.035
"""Width of the darkening along parted lips, in mouth widths."""
UPPER_DARKENING, LOWER_DARKENING = 0.3, 0.16
"""The edge of the upper lip is darker, since light comes from above."""
OPEN_ENOUGH = 0.06
"""The opening at which the darkening reaches its maximum, in mouth widths."""
MOUTH_MARGIN = 0.07
"""Margin around the lips' edges, in mouth widths: more than the distance of two nodes."""
ONLY = np.zeros(1, np.int64)
"""The only frame of a still picture."""


class FaceRenderer:
    """Moves the mouth of a face, in a still picture or in a clip."""

    def __init__(
        self,
        landmarks: FaceLandmarks,
        scene: Scene,
        device: torch.device,
        light: NDArray[np.float32] | None = None,
    ) -> None:
        """`landmarks`: contours [points, 2], or [clip frames, points, 2]. Raises JobError if the mouth is cut off.

        `light` [clip frames]: brightness of the skin, 0..255; None: it does not change.
        """
        check_mouth(landmarks, scene.size)
        self._frame, shape = FaceShape.measure(landmarks)
        self._is_still = len(self._frame.centre) == 1
        self._measured, self._shape = shape, shape.to(device)
        self._unit = max(float(np.median(self._frame.width_pixels)), LIP_NODES_PER_MOUTH)
        # Even, so that the nodes are also in the middle of whole pixels of chroma.
        self._skin_step = max(round(self._unit / NODES_PER_MOUTH / 2) * 2, 2)
        self._lip_step = round(self._unit / LIP_NODES_PER_MOUTH)
        self._scene = scene
        self._device = device
        self._region = Area.about(_moving_bounds(shape), self._frame, Area.whole(scene.size, self._frame))
        self._mouth = Area.about(_mouth_bounds(shape), self._frame, self._region)
        count = len(self._frame.centre)
        chosen = lit_frames(np.ones(count, np.float32) if light is None else light[:count])
        colours, tint = self._colours(landmarks, shape, chosen)
        self._interior = MouthInterior(colours, self._unit, device)
        self._lip_tint = None if tint is None else torch.from_numpy(tint).to(device)[:, None, None]
        self._light = None if light is None else relative_light(light, chosen)
        # A mouth at rest is asked for again and again.
        self._one = lru_cache(maxsize=1)(self._render_one)
        self._one_mouth = lru_cache(maxsize=1)(self._render_one_mouth)

    def render(self, track: torch.Tensor, clip_frames: Indices) -> tuple[torch.Tensor, Corners]:
        """Draw each row of a track, float32 [n, 6] (columns: Mouth), into its frame of the clip [n] (0 for a still).

        Returns RGB uint8 [n, h, w, 3] of the region of interest, and its upper left corner in each frame [n, 2].
        Corners and size are even.
        """
        if len(track) == 1 and self._is_still:
            frames = self._one(tuple(track[0].tolist()))
        else:
            frames = self._render_all(track.to(self._device), clip_frames)
        return frames.permute(0, 2, 3, 1), self._region.corners[clip_frames]

    def render_mouth(self, track: torch.Tensor) -> tuple[torch.Tensor, Corners, Displacement]:
        """Draw only the lips and what is between them in a still picture, for each row of a track; the skin is moved.

        Returns RGB uint8 [n, h, w, 3] of the mouth, its upper left corner in each frame [n, 2], and how the picture
        around it is displaced.
        """
        if len(track) == 1:
            mouths, shifts = self._one_mouth(tuple(track[0].tolist()))
        else:
            mouths, shifts = self._render_mouth(track.to(self._device))
        (x, y), (width, height) = self._region.corners[0].tolist(), self._region.size
        around = Displacement((x, y, x + width, y + height), self._skin_step, shifts)
        return mouths.permute(0, 2, 3, 1), self._mouth.corners.repeat(len(track), 0), around

    def _render_one(self, row: tuple[float, ...]) -> torch.Tensor:
        """A row in a still picture, as uint8 [1, 3, height, width]."""
        return self._render(torch.tensor([row], device=self._device), ONLY)

    def _render_one_mouth(self, row: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        return self._render_mouth(torch.tensor([row], device=self._device))

    def _render_all(self, track: torch.Tensor, clip_frames: Indices) -> torch.Tensor:
        """Track rows to uint8 [n, 3, height, width], in batches."""
        width, height = self._region.size
        frames = torch.empty(len(track), 3, height, width, dtype=torch.uint8, device=self._device)
        for start in range(0, len(track), BATCH_FRAMES):
            part = slice(start, start + BATCH_FRAMES)
            frames[part] = self._render(track[part], clip_frames[part])
        return frames

    def _render(self, track: torch.Tensor, clip_frames: Indices) -> torch.Tensor:
        """Track rows to uint8 [n, 3, height, width]."""
        if self._is_still:
            clip_frames = clip_frames[:1]
        shape, source = self._shape.at(clip_frames), self._source(clip_frames)
        pose, skin = Pose.of(track, shape), self._patch(self._region, clip_frames, self._skin_step)
        pixels = source.at(skin.places(_skin_shift(shape, skin, pose), source.per_pixel))
        mouths = self._render_lips(source, shape, pose, clip_frames)
        width, height = self._mouth.size
        corners = self._mouth.corners[clip_frames] - self._region.corners[clip_frames]
        for whole, mouth, (x, y) in zip(pixels, mouths, np.broadcast_to(corners, (len(track), 2)), strict=True):
            whole[:, y : y + height, x : x + width] = mouth
        return pixels

    def _render_mouth(self, track: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Track rows in a still picture to lips, uint8 [n, 3, height, width], and the shifts of a `Displacement`."""
        shape, skin = self._shape.at(ONLY), self._patch(self._region, ONLY, self._skin_step)
        pose = Pose.of(track, shape)
        shifts = torch.stack(skin.in_pixels(_skin_shift(shape, skin, pose)), 1)
        return self._render_lips(self._still, shape, pose, ONLY), shifts

    def _patch(self, area: Area, clip_frames: Indices, step: int) -> Patch:
        region = self._region.at(clip_frames)
        return Patch(self._frame.at(clip_frames), area.at(clip_frames), region, step, self._device)

    def _render_lips(self, source: Source, shape: FaceShape, pose: Pose, clip_frames: Indices) -> torch.Tensor:
        """The lips and the inside of the mouth, uint8 [n, 3, height, width]."""
        patch = self._patch(self._mouth, clip_frames, self._lip_step)
        moved = movement(shape, patch.nodes, pose)
        upper, lower = (
            self._lip(source, patch.places(shift, source.per_pixel), pose.pucker)
            for shift in (moved.upper, moved.lower)
        )
        fields = moved.beneath_upper, moved.above_lower, moved.rest_gap, moved.seam_sharpness
        below, above, rest_gap, sharpness = patch.enlarged(*fields).unbind(1)
        inside = torch.minimum(below, above)
        on_lower = ((below - above) * (sharpness * (patch.pixels / 2)) + 0.5).clamp(0, 1)
        skin = upper + (lower - upper) * on_lower[:, None]
        parted = ((below + above + rest_gap) * (1 / OPEN_ENOUGH)).clamp(0, 1)
        shade = (1 + inside * (1 / EDGE_SHADE)).clamp(0, 1)
        darkening = UPPER_DARKENING + (LOWER_DARKENING - UPPER_DARKENING) * on_lower
        skin = skin * (1 - darkening * parted * shade * shade)[:, None]
        if self._lip_tint is not None and self._may_be_rounded(pose):
            skin = skin * (1 - patch.enlarged(rim(shape, patch.nodes, pose)) * (1 - self._lip_tint))
        opening = (inside * (patch.pixels / FEATHER_PIXELS)).clamp(0, 1)[:, None]
        rows, columns = self._seen(opening)
        part = (slice(None), rows, columns)
        x, y = (position[part] for position in patch.points())
        interior = self._interior.render(pose, x, y - shape.middle, below[part], inside[part])
        if self._light is not None:
            interior = interior * torch.from_numpy(self._light[clip_frames]).to(self._device)[:, None, None, None]
        lips = skin[..., rows, columns]
        lips += (interior - lips) * opening[..., rows, columns]
        return skin.add_(0.5).clamp_(0, 255).to(torch.uint8)

    def _may_be_rounded(self, pose: Pose) -> bool:
        """Whether the lips are rounded in any frame; to know it, a GPU would be waited for."""
        return self._device.type != "cpu" or float(pose.pucker.max()) > ROUNDED[0]

    def _seen(self, opening: torch.Tensor) -> tuple[slice, slice]:
        """The rows and columns in which the inside of the mouth is seen in any frame of [n, 1, height, width]."""
        if self._device.type != "cpu":  # to know them would mean to wait for a GPU
            return slice(None), slice(None)
        seen = opening.amax((0, 1)) > 0
        rows, columns = (seen.any(axis).nonzero()[:, 0].tolist() or [0] for axis in (1, 0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def _lip(self, source: Source, places: torch.Tensor, pucker: torch.Tensor) -> torch.Tensor:
        """One lip and the skin beside it, float [n, 3, height, width]; rounded lips leave no corners behind."""
        lip = source.at(places).float()
        if not self._is_still:
            return lip
        rounded = ramp(pucker, *ROUNDED)[:, None]
        if self._device.type != "cpu":  # choosing frames would wait for a GPU, which samples all of them in no time
            return torch.lerp(lip, self._cornerless.at(places).float(), rounded)
        some = rounded[:, 0, 0, 0].nonzero()[:, 0]
        if len(some):
            lip[some] = torch.lerp(lip[some], self._cornerless.at(places[some]).float(), rounded[some])
        return lip

    def _source(self, clip_frames: Indices) -> Source:
        """The region of interest in some frames of the clip."""
        if self._is_still:
            return self._still
        regions = self._scene.regions(clip_frames, self._region.corners[clip_frames], self._region.size)
        return Source.clip(regions, self._device)

    @cached_property
    def _still(self) -> Source:
        """The region of interest in a still picture."""
        return Source.still(self._picture(), self._device)

    @cached_property
    def _cornerless(self) -> Source:
        """The same without the corners of the mouth."""
        centre = self._frame.centre - self._region.corners.astype(np.float32)
        frame = replace(self._frame, centre=centre)
        return Source.still(without_corners(self._picture(), frame, self._measured), self._device)

    def _picture(self) -> NDArray[np.uint8]:
        """The region of interest in a still picture, [h, w, 3]."""
        regions = self._scene.regions(np.zeros(1, np.int64), self._region.corners, self._region.size)
        return np.asarray(regions[0])

    def _colours(
        self, landmarks: FaceLandmarks, shape: FaceShape, chosen: Indices
    ) -> tuple[Complexion, NDArray[np.float32] | None]:
        """The colours of cheeks, chin and lips in the chosen frames, and the tint of lips that roll out."""
        frame, corners = self._frame.at(chosen), self._region.corners[chosen]
        middle, chin = (float(size.median()) for size in (shape.middle, shape.chin))
        skin = frame.to_pixels(np.array([[-0.62, -0.15], [0.62, -0.15], [0, middle + 0.72 * chin]]))
        inner, outer = (contour.reshape(-1, 20, 2)[chosen] for contour in (landmarks.lips_inner, landmarks.lips_outer))
        regions = self._scene.regions(chosen, corners, self._region.size)
        offset = corners[:, None].astype(np.float32)
        middle_line = np.asarray((inner + outer) / 2, np.float32) - offset
        upper, lower = middle_line[:, 3:8], middle_line[:, 13:18]
        colours = Complexion.of(regions, skin - offset, lower, self._unit)
        heights = float(shape.upper_lip.median()), float(shape.lower_lip.median())
        return colours, lip_tint(regions, (upper, lower), heights, colours, self._unit)


def _skin_shift(shape: FaceShape, patch: Patch, pose: Pose) -> Shift:
    """How the skin is displaced at the nodes of a patch, as if the lips were closed."""
    moved = movement(shape, patch.nodes, pose)
    on_upper = moved.beneath_upper < moved.above_lower
    x, y = (torch.where(on_upper, upper, lower) for upper, lower in zip(moved.upper, moved.lower, strict=True))
    return x, y


def _moving_bounds(shape: FaceShape) -> Bounds:
    """Bounds of all movement in any frame."""
    side = 1.05 * float(shape.half_width.max())
    top = float((shape.middle - 1.25 * shape.nose).min())
    return -side, top, side, float((shape.middle + shape.chin).max()) + MOVES_MAX * JAW_DROP + NECK_RANGE


def _mouth_bounds(shape: FaceShape) -> Bounds:
    """Bounds of all positions of the lips' edges, with a margin."""
    seam = lip_line(shape.seam, torch.linspace(-1, 1, 33).expand(1, 1, -1))
    top = float(seam.min()) - UPPER_RAISE - MOVES_MAX * UPPER_LIFT_BY_JAW - PUCKER_LIFT - MOUTH_MARGIN
    drop = PARTED + MOVES_MAX * LIP_DROP + TONGUE_ROOM + max(SPREAD_DROP, PUCKER_DROP)
    bottom = float(seam.max()) + drop + MOUTH_MARGIN
    side = (1 + SPREAD_WIDENING) / 2 + MOUTH_MARGIN
    return -side, top, side, bottom
