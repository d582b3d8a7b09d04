"""Cutting an avatar out of its background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.scenes import Still
from pipeline.composition import matte
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.avatars.avatar import FittedAvatar


def cut_out(avatar: FittedAvatar, own_matte: NDArray[np.uint8] | None) -> FittedAvatar:
    """The avatar with its matte, and with colours that are free of its background.

    `own_matte` [height, width]: given by its folder; None: found by a network. Raises JobError if no person is found.
    """
    scene = avatar.scene
    if not isinstance(scene, Still):
        message = "the background of a video avatar cannot be replaced"
        raise JobError("background", message, field="background", hint="use an avatar made of a picture")

    def build(target: Path) -> None:
        found = matte.find_matte(scene.picture, _face(avatar)) if own_matte is None else own_matte
        colours = matte.foreground(scene.picture, found)
        with target.open("wb") as file:
            np.save(file, np.dstack([colours, found]))

    with avatar.derive("cutout", f"{matte.VERSION}.npy", build) as file:
        pixels = np.asarray(np.load(file), np.uint8)
    files = None if avatar.files is None else replace(avatar.files, key=f"{avatar.files.key}-cutout-{matte.VERSION}")
    person = Still(np.ascontiguousarray(pixels[..., :3]))
    layout = None if avatar.layout is None else avatar.layout.standing
    return replace(avatar, scene=person, matte=np.ascontiguousarray(pixels[..., 3]), files=files, layout=layout)


def _face(avatar: FittedAvatar) -> matte.Box | None:
    """Where the face is in the first frame."""
    return None if isinstance(avatar.face_boxes, NoFace) else avatar.face_boxes[0]
