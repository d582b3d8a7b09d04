"""Cutting an avatar out of its background."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.scenes import Clip, Still, cut_rgb
from pipeline.composition import matte
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.avatars.avatar import FittedAvatar


REST_MAX = 0.1
"""Share of a transparent picture's opaque part that may be something else than the person who is cut out already."""


def cut_out(
    avatar: FittedAvatar, own_matte: matte.Matte | None, read_opacity: Callable[[], matte.Matte | None]
) -> FittedAvatar:
    """The avatar with its matte, and with colours that are free of its background.

    Both [height, width]. `own_matte`: given by its folder; None: as the picture's own transparency says, or found by a
    network. `read_opacity`: of its picture; None: it is opaque. Raises JobError if no person is found.
    """
    layout = None if avatar.layout is None else avatar.layout.standing
    files = None if avatar.files is None else replace(avatar.files, key=f"{avatar.files.key}-cutout-{matte.VERSION}")
    cut = replace(avatar, layout=layout, files=files)
    scene = avatar.scene
    if isinstance(scene, Clip):
        return replace(cut, scene=_clip(avatar, scene))
    assert isinstance(scene, Still)
    pixels = _picture(avatar, scene, own_matte, read_opacity)
    person, found = (np.ascontiguousarray(part) for part in np.split(pixels, [3], axis=2))
    return replace(cut, scene=Still(person), matte=found[..., 0])


def _picture(
    avatar: FittedAvatar, scene: Still, own_matte: matte.Matte | None, read_opacity: Callable[[], matte.Matte | None]
) -> NDArray[np.uint8]:
    """The person's colours and matte: RGBA [height, width, 4]."""

    def build(target: Path) -> None:
        found = _matte(scene.picture, _face(avatar, 0), read_opacity()) if own_matte is None else own_matte
        colours = matte.foreground(scene.picture, found)
        with target.open("wb") as file:
            np.save(file, np.dstack([colours, found]))

    with avatar.derive("cutout", f"{matte.VERSION}.npy", build) as kept:
        return np.asarray(np.load(kept), np.uint8)


def _matte(picture: matte.Picture, face: matte.Box | None, opacity: matte.Matte | None) -> matte.Matte:
    """The matte of a picture, whose person may have been cut out before: then its transparency is the matte.

    If more than the person is opaque (round corners, a frame), both count. Raises JobError if no person is found.
    """
    if opacity is None:
        return matte.find_matte(picture, face)
    try:
        found = matte.find_matte(picture, face)
    except JobError:  # a drawing, perhaps
        return opacity
    rest = np.minimum(opacity, 255 - found).sum() / max(int(opacity.sum()), 1)
    return opacity if rest < REST_MAX else np.minimum(opacity, found)


def _clip(avatar: FittedAvatar, scene: Clip) -> Clip:
    """The same frames with their mattes."""
    width, height = scene.size

    def build(target: Path) -> None:
        room = math.inf if avatar.files is None else avatar.files.cache.bytes_max
        if scene.frames * width * height * 5 // 2 > room:
            message = f"the mattes of the video take more than the {room} bytes of avatars.cache_bytes"
            hint = "use a shorter video or a smaller size"
            raise JobError("too_large", message, field="avatar", hint=hint)
        from pipeline.media.canvas import picture_i420  # imports torch, which the daemon's process does without

        with target.open("wb") as file:
            for picture, found in matte.follow(_frames(avatar, scene)):
                file.write(picture_i420(matte.foreground(picture, found)).data)
                file.write(found.data)

    return replace(scene, file=avatar.derive("cutout", f"{matte.VERSION}.yuva", build), has_mattes=True)


def _frames(avatar: FittedAvatar, scene: Clip) -> Iterator[tuple[NDArray[np.uint8], matte.Box | None]]:
    """The pictures of a video, and where the face is in them."""
    for index in range(scene.frames):
        yield cut_rgb(scene.read(index), (0, 0), scene.size), _face(avatar, index)


def _face(avatar: FittedAvatar, index: int) -> matte.Box | None:
    """Where the face is in a frame."""
    return None if isinstance(avatar.face_boxes, NoFace) else avatar.face_boxes[index]
