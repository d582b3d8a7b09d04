"""Video avatars made of clips, for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import Avatar, Avatars, FittedAvatar
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.results import Faces
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.scenes import Clip
from pipeline.avatars.settings import Box
from pipeline.avatars.unseen_frames import Showing, shown
from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError
from tests.clips import Affine, Picture, contours, mapped

SWAY_FRAMES = 30
"""Frames of the clip of the fixture `sway`."""
YUV = ("-pix_fmt", "yuv420p")


def avatar_of(file: Path, spool: Path, settings: str = "", **limits: int) -> Avatar:
    """A new avatar with this video in its folder."""
    folder = spool / "avatars" / str(len(list(spool.glob("avatars/*"))))
    folder.mkdir(parents=True)
    (folder / file.name).hardlink_to(file)
    (folder / "avatar.yaml").write_text(settings)
    return Avatars(Config(base=spool, limits=LimitsSettings(**limits))).load(folder.name)


def clip_of(fitted: FittedAvatar) -> Clip:
    assert isinstance(fitted.scene, Clip)
    return fitted.scene


def plainly(frames: int) -> Showing:
    """How frames are shown that all have a face."""
    none = np.zeros(frames, bool)
    return shown("hold", ~none, none, none, 1)


def faces_of(avatar: Avatar) -> Faces:
    assert isinstance(avatar.faces, Faces), avatar.faces
    return avatar.faces


def faces_in(picture: Picture, face_box: Box | None = None) -> Faces:
    """The face of a still picture."""
    found = find_in_picture(picture, Choice(face_box))
    assert isinstance(found, Faces), found
    return found


def refused(file: Path, spool: Path, **limits: int) -> JobError:
    """The error of a job with this video."""
    with pytest.raises(JobError) as caught:
        avatar_of(file, spool, "", **limits).fitted(None)
    assert caught.value.field == "avatar"
    assert caught.value.hint
    return caught.value


def errors(found: NDArray[np.float64], places: list[Affine | None], own: Faces) -> NDArray[np.float64]:
    """Distances of the points [frames, 80, 2] from the truth, in face widths, in frames with a face: [frames, 80]."""
    width = np.ptp(own.landmarks.jaw[0][:, 0])
    shown = [(points, place) for points, place in zip(found, places, strict=True) if place is not None]
    offs = [points - mapped(contours(own.landmarks)[0], place) for points, place in shown]
    widths = np.array([width * np.hypot(*place[:, 0]) for _, place in shown])
    return np.asarray(np.linalg.norm(offs, axis=-1) / widths[:, None])


def side_by_side(frames: list[Picture]) -> list[Picture]:
    return [np.concatenate([frame, frame], axis=1) for frame in frames]


def resized(frames: list[Picture], size: tuple[int, int]) -> list[Picture]:
    return [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]
