"""Composes the frames of a still picture with idle motion."""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.idle_motion.blinks import Blinks
from pipeline.avatars.idle_motion.eyelids import GAZE_LEVELS, LEVELS, eyelids
from pipeline.avatars.idle_motion.fine_plane import LINEAR, FinePlane
from pipeline.avatars.idle_motion.gaze import Gaze
from pipeline.avatars.idle_motion.gestures import Gestures
from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.avatars.idle_motion.skin import Changes, Place, Skin
from pipeline.avatars.idle_motion.sway import CALM, LIVELY, Sway
from pipeline.avatars.idle_motion.warp import Warp, make_warp
from pipeline.media.canvas import Displacement, PixelBox, Regions, i420, paint
from pipeline.media.planes import PLANE_STEPS, Plane, Planes, colour_rows, planes_of


class LivingPicture:
    """A still picture that can blink, look aside, sway and breathe. One thread at a time may compose frames of it.

    Parts that cannot be moved safely stay still: eyes that are too small or closed, or a face that is too small or
    outside the picture.
    """

    def __init__(
        self,
        picture: NDArray[np.uint8],
        landmarks: FaceLandmarks,
        *,
        lively: bool = False,
        matte: NDArray[np.uint8] | None = None,
    ) -> None:
        """`picture`: RGB [height, width, 3], both even. `lively`: moves more, and its brows too.

        `matte` [height, width]: of the person, if it is cut out; it moves with it.
        """
        height, width = picture.shape[:2]
        still = i420(torch.from_numpy(picture)[None])[0].numpy()
        warp = make_warp(landmarks, width, height)
        self.seed = int.from_bytes(hashlib.blake2b(picture.tobytes(), digest_size=8).digest(), "big")
        self.lively = lively
        self.still = still if matte is None else np.concatenate([still, matte])
        """The frame at rest, [rows, width]; with a matte, it is below the planes."""
        self.rows = len(still)
        """Those of its planes."""
        self.eyelids = eyelids(picture, landmarks)
        self.moving = _Moving(warp, planes_of(still), matte) if warp else None


class LivingCanvas:
    """The frames of one job that show a living picture.

    A frame depends only on its number, the picture and the speech of the job or of the text that it belongs to, bit for
    bit: not on its batch or on earlier frames. Frame 0 is the picture at rest.
    """

    def __init__(self, picture: LivingPicture, fps: int, prosody: Prosody | None = None) -> None:
        """`prosody`: of the speech; None if it is unknown."""
        self.displaces = picture.moving is not None
        self._picture = picture
        self._painted = picture.still.copy()
        """The picture into which a frame's mouth and eyes are painted, before it moves."""
        self._fps = fps
        self._liveliness = LIVELY if picture.lively else CALM
        self._blinks = Blinks(picture.seed, fps, prosody)
        self._sway = Sway(picture.seed, fps, self._liveliness)
        self._gestures = None if prosody is None else Gestures(picture.seed, prosody, self._liveliness)
        self._gaze = None if prosody is None else Gaze(picture.seed, prosody)

    def compose(self, regions: Regions, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """See `pipeline.media.canvas.Canvas`; what is drawn and displaced moves with the picture."""
        moving, rows = self._picture.moving, self._picture.rows
        frames = torch.empty(len(regions), *self._painted.shape, dtype=torch.uint8)
        planes, at_rest = planes_of(self._painted[:rows]), planes_of(self._picture.still[:rows])
        (width, height), around = regions.size, regions.around
        for index, (frame, (x, y), region) in enumerate(zip(frames.numpy(), corners.tolist(), regions, strict=True)):
            number, box, painted = start_frame + index, (x, y, x + width, y + height), list[PixelBox]()
            if around is None:
                paint(planes, (x, y), region)
                painted.append(box)
            painted += self._move_eyes(planes, number)
            if moving is None or not moving.is_whole:
                frame[:] = self._painted
            if moving is not None:
                mouth = None if around is None else Mouth(region, box, around, index)
                moving.move(planes, painted, mouth, self._pose(number), frame)
            for plane, rest, step in zip(planes, at_rest, PLANE_STEPS, strict=True):
                for box in painted:
                    _within(plane, _scaled(box, step))[:] = _within(rest, _scaled(box, step))
        return frames

    def _pose(self, number: int) -> NDArray[np.float32]:
        """The pose of the head in a frame, [7]."""
        pose = self._sway.pose(number)
        if self._gestures is not None:
            pose += np.float32(self._sway.settled(number)) * self._gestures.pose(number)
        return pose

    def _move_eyes(self, planes: Planes, number: int) -> list[PixelBox]:
        """Lower the lids and turn the eyes in a frame; returns the boxes it changed."""
        if not self._picture.eyelids:
            return []
        level = round(LEVELS * self._blinks.closure(number / self._fps))
        gaze = 0 if self._gaze is None else round(GAZE_LEVELS * self._liveliness.gaze * self._gaze.at(number))
        if level == gaze == 0:
            return []
        for lids in self._picture.eyelids:
            lids.paint(planes, level, gaze)
        return [lids.box for lids in self._picture.eyelids]


class Mouth(NamedTuple):
    """A mouth that is drawn for one frame, and the skin around it."""

    region: Planes
    box: PixelBox
    """Where it belongs in the picture."""
    around: Displacement
    frame: int
    """Which of its shifts are those of the frame."""


class _Moving:
    """Moves frames that differ from the picture only inside a few boxes."""

    def __init__(self, warp: Warp, still: Planes, matte: Plane | None) -> None:
        self._warp = warp
        self._matte = None if matte is None else FinePlane(matte, LINEAR)
        self._fine = tuple(FinePlane(plane) for plane in still)
        self.is_whole = warp.box == (0, 0, *still[0].shape[::-1])
        """Whether all of the picture may move."""
        self._painted: list[PixelBox] = []
        """The boxes in which the fine planes hold the previous frame instead of the picture."""
        self._skin = lru_cache(maxsize=1)(partial(Skin, warp))

    def move(
        self,
        planes: Planes,
        painted: list[PixelBox],
        mouth: Mouth | None,
        pose: NDArray[np.float32],
        frame: Plane,
    ) -> None:
        """Fill the part of a frame that moves, and of its matte, if there is one below its planes.

        `planes`: those of the picture, in which only the boxes `painted` have changed. `mouth`: None if it is painted.
        """
        rows = colour_rows(len(planes[0]))
        moved, matte = planes_of(frame[:rows]), frame[rows:]
        for plane, fine, step in zip(planes, self._fine, PLANE_STEPS, strict=True):
            for box in {*painted, *self._painted}:
                fine.refine(plane, _scaled(box, step))
        changes = None if mouth is None else self._changes(mouth, pose)
        for band in self._warp.bands(pose):
            if self._matte is not None:
                self._matte.sample(band.luma, _within(matte, band.box))
            if changes is not None:
                changes.add_to(band)
            points = band.luma, band.chroma, band.chroma
            for plane, fine, source, step in zip(moved, self._fine, points, PLANE_STEPS, strict=True):
                fine.sample(source, _within(plane, _scaled(band.box, step)))
        self._painted = painted

    def _changes(self, mouth: Mouth, pose: NDArray[np.float32]) -> Changes | None:
        """How a mouth and the skin around it change a frame; None if they are as in the picture."""
        shifts = mouth.around.shifts[mouth.frame]
        if not shifts.any() and all(
            fine.shows(part, _scaled(mouth.box, step))
            for fine, part, step in zip(self._fine, mouth.region, PLANE_STEPS, strict=True)
        ):
            return None
        luma_row, chroma_row, _ = (fine.inset(part) for fine, part in zip(self._fine, mouth.region, strict=True))
        around = mouth.around
        columns, rows = around.shifts.shape[:1:-1]
        skin = self._skin(around.box, around.step, (columns, rows))
        return skin.changes(pose, shifts, Place(mouth.box, luma_row, chroma_row))


def _scaled(box: PixelBox, step: int) -> PixelBox:
    x1, y1, x2, y2 = box
    return x1 // step, y1 // step, x2 // step, y2 // step


def _within(plane: Plane, box: PixelBox) -> Plane:
    x1, y1, x2, y2 = box
    return plane[y1:y2, x1:x2]
