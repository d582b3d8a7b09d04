"""The test portrait, pictures made from it, and clips in which it moves in a known way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.folder import read_picture

Picture = NDArray[np.uint8]
Affine = NDArray[np.float64]
"""[2, 3]: from pixels of the portrait to pixels of a frame."""

FILE = Path(__file__).parent / "data" / "portraits" / "astronaut.png"
FACE_MIDDLE = (225, 115)
SIDE = 256
"""Width and height of the clips; the face is about 95 x 125 pixels."""


def portrait() -> Picture:
    """RGB [512, 512, 3]."""
    return read_picture(FILE, 512 * 512)


def placed(x: float = 0, y: float = 0, *, degrees: float = 0, scale: float = 1, side: int = SIDE) -> Affine:
    """The face rotated, scaled, and moved by x, y from the centre of a square frame."""
    matrix = np.asarray(cv2.getRotationMatrix2D(FACE_MIDDLE, degrees, scale), np.float64)
    matrix[:, 2] += np.array([x, y]) + side / 2 - FACE_MIDDLE
    return matrix


def seen_by(place: Affine, picture: Picture, side: int = SIDE) -> Picture:
    """The frame that shows the portrait at a place."""
    flags = cv2.INTER_AREA if np.hypot(*place[:, 0]) < 1 else cv2.INTER_CUBIC
    shown = cv2.warpAffine(picture, place, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def beside(*pictures: Picture) -> Picture:
    return np.concatenate(pictures, axis=1)


def smaller(picture: Picture, scale: float) -> Picture:
    """The picture, scaled down, in the corner of a grey one."""
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    around = np.full(picture.shape, 60, np.uint8)
    around[: small.shape[0], : small.shape[1]] = small
    return around


def masked(landmarks: FaceLandmarks, colour: tuple[int, int, int], grain: float) -> Picture:
    """The portrait with a mask from the nose down to the jaw."""
    outline = np.concatenate([landmarks.jaw[0][3:18], landmarks.nose[0][::-1] - (0, 3)])
    covered = cv2.fillPoly(np.zeros((512, 512), np.uint8), [np.rint(outline).astype(np.int32)], (1,))
    cloth = np.array(colour) + np.random.default_rng(1).normal(0, grain, (512, 512, 3))
    return np.asarray(np.where(covered[..., None] > 0, np.clip(cloth, 0, 255), portrait()), np.uint8)


def swaying(frames: int, *, fps: float = 25) -> list[Affine]:
    """A head that sways, turns and comes nearer, like a speaker's."""
    seconds = np.arange(frames) / fps
    return [
        placed(14 * np.sin(3.1 * t), 6 * np.sin(4.3 * t), degrees=7 * np.sin(2.2 * t), scale=1 + 0.08 * np.sin(1.7 * t))
        for t in seconds
    ]


def film(places: Iterable[Affine | None]) -> list[Picture]:
    """One frame per place; None: the wall without a face."""
    picture, wall = portrait(), np.full((SIDE, SIDE, 3), 90, np.uint8)
    return [wall if place is None else seen_by(place, picture) for place in places]


GAP = (12, 22)
"""Frames of the interrupted clip that show only the wall."""


def interrupted() -> list[Affine | None]:
    """A face that disappears for a while."""
    return [None if GAP[0] <= frame < GAP[1] else place for frame, place in enumerate(swaying(36))]


def write_clip(path: Path, frames: list[Picture], *options: str, fps: str = "25", inputs: tuple[str, ...] = ()) -> Path:
    """Encode RGB frames; `options` are output options, `inputs` input options."""
    height, width = frames[0].shape[:2]
    argv = ["ffmpeg", "-v", "error", "-y", *inputs, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    argv += ["-r", fps, "-i", "-", *(options or ("-pix_fmt", "yuv420p")), "-crf", "12", "-preset", "ultrafast"]
    subprocess.run([*argv, str(path)], input=b"".join(frame.tobytes() for frame in frames), check=True)
    return path


def contours(landmarks: FaceLandmarks) -> NDArray[np.float64]:
    """All points of all contours: [..., 80, 2]."""
    return np.concatenate([getattr(landmarks, field.name) for field in fields(landmarks)], axis=-2).astype(np.float64)


def mapped(points: NDArray[np.float64], place: Affine) -> NDArray[np.float64]:
    """The portrait's points [n, 2] in a frame."""
    return np.asarray(points @ place[:, :2].T + place[:, 2], np.float64)
