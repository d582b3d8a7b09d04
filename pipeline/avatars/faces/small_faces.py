"""Finds faces that are small in a picture: for the detector, which sees it scaled down, they are a few pixels high."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.finder import Detection, FaceFinder, Floats, Picture, distinct
from pipeline.avatars.settings import Box

TILES = (960, 480)
"""Sides of the tiles, in pixels: in a tile of 480 faces of 60 pixels are as large as those of 240 in 1920."""
SEARCHED_FRAMES = (0, *(4**power for power in range(8)))
"""Frames of a video that are searched, until a face is found."""
PRESENCE_SURE = 0.9
"""Many tiles are many chances of taking something else for a face: the mesh must fit well."""
SMALL = 0.08
"""Faces below this height, relative to the picture's longer side, are less than 16 pixels high for the detector."""
AROUND = 5.0
"""Side of the part that is looked at from near, in heights of the face."""


def detect(picture: Picture, finder: FaceFinder) -> list[Detection]:
    """All faces of a picture, largest first; those that are small in it are looked at again from near."""
    faces, least = finder.detect(picture), SMALL * max(picture.shape[:2])
    near = (face if face.box[3] - face.box[1] >= least else _from_near(picture, face, finder) for face in faces)
    return distinct([face for face in near if face is not None])


def _from_near(picture: Picture, face: Detection, finder: FaceFinder) -> Detection | None:
    """The face, found in the part of the picture around it; None if it is not one."""
    middle, side = (face.box[:2] + face.box[2:]) / 2, int(AROUND * (face.box[3] - face.box[1])) + 1
    left, top = np.maximum(np.rint(middle - side / 2), 0).astype(int).tolist()
    found = list(_in_tile(picture, (left, top), side, finder))
    return min(found, key=lambda one: float(np.abs((one.box[:2] + one.box[2:]) / 2 - middle).sum()), default=None)


def detect_in_tiles(picture: Picture, finder: FaceFinder) -> list[Detection]:
    """Faces in a picture in which none was found as a whole, largest first; coordinates are those of the picture."""
    for side in TILES:
        if max(picture.shape[:2]) > side:
            found = [face for tile in _tiles(picture, side) for face in _in_tile(picture, tile, side, finder)]
            if found:
                return distinct(found)
    return []


def small_face_in(frames: Iterable[Picture], choice: Choice) -> Box | None:
    """The box of the face that should speak, from the first of some frames of a video in which one is found."""
    finder = FaceFinder()
    for number, picture in enumerate(frames):
        if number in SEARCHED_FRAMES:
            chosen = choice.among(detect(picture, finder) or detect_in_tiles(picture, finder))
            if isinstance(chosen, Detection) and chosen.score:
                x1, y1, x2, y2 = chosen.box.tolist()
                return x1, y1, x2, y2
    return None


def _tiles(picture: Picture, side: int) -> Iterator[tuple[int, int]]:
    """Left upper corners of tiles that overlap by half."""
    for top in _starts(picture.shape[0], side):
        for left in _starts(picture.shape[1], side):
            yield left, top


def _starts(length: int, side: int) -> list[int]:
    count = max(-(-2 * (length - side) // side), 0) + 1
    return [int(start) for start in np.linspace(0, max(length - side, 0), count)]


def _in_tile(picture: Picture, corner: tuple[int, int], side: int, finder: FaceFinder) -> Iterator[Detection]:
    left, top = corner
    offset: Floats = np.array(corner, np.float32)
    tile = np.ascontiguousarray(picture[top : top + side, left : left + side])
    for face in finder.detect(tile):
        if finder.mesh(tile, face).presence >= PRESENCE_SURE:
            yield Detection(face.box + np.tile(offset, 2), face.eyes + offset, face.score)
