"""The frame of a video that shows the person best: eyes open, mouth at ease."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.checks import PRESENCE_MIN
from pipeline.avatars.faces.finder import FaceFinder, Floats, Mesh, Picture
from pipeline.media import ffmpeg

SEARCH_SECONDS = 4.0
"""The frame is searched for in the beginning: blinks and vowels are much shorter, and decoding takes time."""
STEP_SECONDS = 0.2
"""Distance of the frames that are compared."""
SIDE_MAX = 640
"""Frames are compared at this size of their longer side."""

EYES = ((33, 133), (362, 263))
"""Mesh points: the corners of the eyes on the picture's left and right."""
LIPS, CORNERS = (13, 14), (61, 291)
"""Mesh points: middle of the inner lips, corners of the mouth."""
EYE_SIZE = (32, 20)
"""Width and height of the pictures of an eye that are compared."""
EYE_SCALE = 1.4
"""Width of such a picture, in widths of the eye."""

SAME_EYES = 0.04
"""Eyes differ that much while they are open, as parts of the range of grey; in a blink they differ by 0.08 to 0.15. The
mesh's own lids hardly move in a blink."""
AT_EASE = 0.03
"""Opening of a mouth at ease, in distances of the eyes. The median of people who speak is 0.10."""
EYES_WEIGHT, OPENING_WEIGHT, WIDTH_WEIGHT = 20.0, 6.0, 4.0
"""A blink costs as much as a mouth that is as wide open as in a long vowel, or as round as in "oo"."""

TIMEOUT_SECONDS = 120.0
"""For decoding some frames."""


@dataclass(frozen=True)
class Shown:
    """A finished video."""

    path: Path
    frames: int
    fps: int
    size: tuple[int, int]
    """Width and height."""
    intro_frames: int = 0
    """Frames before those that show the person."""
    sound: Path | None = None
    """A WAV of its sound; None: only the video has it."""


@dataclass(frozen=True)
class Look:
    """What a face looks like in one frame. Lengths are in distances of the eyes, so that nearness does not matter."""

    eyes: NDArray[np.float32]
    """Both, side by side, in grey from 0 to 1: [height, 2 * width]."""
    opening: float
    """Of the mouth."""
    width: float
    """Of the mouth."""


def best_frame(video: Shown) -> int:
    """The number of the frame for a poster; that of the first if no face is found. Raises StageError."""
    step = max(1, round(STEP_SECONDS * video.fps))
    count = -(-min(video.frames - video.intro_frames, round(SEARCH_SECONDS * video.fps)) // step)
    looks = _looks(_pictures(video, step, count))
    return video.intro_frames + (min(looks, key=_costs(looks).__getitem__) * step if looks else 0)


def _pictures(video: Shown, step: int, count: int) -> NDArray[np.uint8]:
    """Every `step`-th of the first frames after the intro, made smaller: RGB [count, height, width, 3]."""
    scale = min(1.0, SIDE_MAX / max(video.size))
    small = (max(2, round(video.size[0] * scale)), max(2, round(video.size[1] * scale)))
    begin = {"ss": (video.intro_frames - 0.5) / video.fps} if video.intro_frames else {}
    shown = ffmpeg.source(video.path, ffmpeg.OUR_FORMATS, t=count * step / video.fps, **begin)["v"]
    chosen = shown.filter("select", f"not(mod(n,{step}))").filter("scale", *small)
    return ffmpeg.pictures(chosen, small, timeout_seconds=TIMEOUT_SECONDS)


def _looks(pictures: NDArray[np.uint8]) -> dict[int, Look]:
    """The looks of the largest face, by the number of the picture; without those that show no face."""
    finder, mesh, found = FaceFinder(), None, {}
    for number, picture in enumerate(pictures):
        mesh = _mesh(finder, picture, mesh)
        if mesh is not None:
            found[number] = look(picture, mesh.points)
    return found


def _mesh(finder: FaceFinder, picture: Picture, before: Mesh | None) -> Mesh | None:
    """The face near that of the picture before, else the largest one; None if there is none."""
    followed = None if before is None else finder.follow(picture, before)
    if followed is not None and followed.presence >= PRESENCE_MIN:
        return followed
    detected = finder.detect(picture)
    found = finder.mesh(picture, detected[0]) if detected else None
    return found if found is not None and found.presence >= PRESENCE_MIN else None


def look(picture: Picture, points: Floats) -> Look:
    """The look of a face with these mesh points [468, 2 or 3]."""
    flat = points[:, :2]
    left, right = (flat[list(corners)].mean(0) for corners in EYES)
    apart = max(float(np.hypot(*(right - left))), 1e-6)
    opening, width = (float(np.hypot(*(flat[one] - flat[other]))) / apart for one, other in (LIPS, CORNERS))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    eyes = [_eye(grey, *flat[list(corners)]) for corners in EYES]
    return Look(np.concatenate(eyes, axis=1), opening, width)


def _eye(grey: NDArray[Any], left: Floats, right: Floats) -> NDArray[np.float32]:
    """An eye between its corners, turned upright, in grey from 0 to 1."""
    across = (right - left) * EYE_SCALE / EYE_SIZE[0]
    axes = np.column_stack([across, (-across[1], across[0])])
    corner = (left + right) / 2 - axes @ (np.array(EYE_SIZE) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shown = cv2.warpAffine(grey, np.column_stack([axes, corner]), EYE_SIZE, flags=flags)
    return np.asarray(shown / np.float32(255), np.float32)


def _costs(looks: dict[int, Look]) -> dict[int, float]:
    """How far each look is from a pleasant one: eyes as they are most of the time, a mouth at ease."""
    eyes = np.median([one.eyes for one in looks.values()], axis=0)
    width = float(np.median([one.width for one in looks.values()]))
    return {
        number: EYES_WEIGHT * max(0.0, float(np.abs(one.eyes - eyes).mean()) - SAME_EYES)
        + OPENING_WEIGHT * abs(one.opening - AT_EASE)
        + WIDTH_WEIGHT * max(0.0, 1 - one.width / max(width, 1e-6))
        for number, one in looks.items()
    }
