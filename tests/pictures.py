"""Avatars made of generated pictures, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import Avatar, Avatars, FittedAvatar
from pipeline.avatars.scenes import Still
from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError


def anna_folder(spool: Path) -> Path:
    """The new, empty folder of an avatar "anna"."""
    folder = spool / "avatars" / "anna"
    folder.mkdir(parents=True)
    return folder


def avatars_in(folder: Path, **limits: int) -> Avatars:
    return Avatars(Config(base=folder, limits=LimitsSettings(**limits)))


def load(anna: Path) -> Avatar:
    return avatars_in(anna.parent.parent).load("anna")


def pixels(fitted: FittedAvatar) -> NDArray[np.uint8]:
    assert isinstance(fitted.scene, Still)
    return fitted.scene.picture


def picture_of(avatar: Avatar) -> NDArray[np.uint8]:
    assert isinstance(avatar.source, np.ndarray)
    return avatar.source


def refused(anna: Path) -> JobError:
    with pytest.raises(JobError) as caught:
        load(anna).fitted(None)
    assert caught.value.field == "avatar"
    assert caught.value.hint
    return caught.value


def gradient(columns: int, rows: int) -> NDArray[np.uint8]:
    """RGB picture whose red is the column and green the row, in 255ths of the sides."""
    picture = np.zeros((rows, columns, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, columns)
    picture[..., 1] = np.linspace(0, 255, rows)[:, None]
    return picture


def write_picture(file: Path, picture: NDArray[Any]) -> None:
    encoded = cv2.imencode(file.suffix, picture[..., ::-1] if picture.shape[-1] == 3 else picture)[1]
    file.write_bytes(encoded.tobytes())


def write_good_picture(anna: Path) -> None:
    write_picture(anna / "picture.png", gradient(100, 100))
