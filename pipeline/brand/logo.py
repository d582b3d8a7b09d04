"""The logo: read once, then blended into every frame while it is rendered."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import JobError, about
from pipeline.media import picture_decoder
from pipeline.media.canvas import CHROMA_BLUE, CHROMA_RED, LUMA
from pipeline.media.kinds import identify
from pipeline.media.pictures import WHITE, Look
from pipeline.media.planes import PLANE_STEPS, Plane, planes_of
from pipeline.messages import CaptionLook, Label, Logo
from pipeline.overlay.document import beyond_texts, margins

BLACK = "#000000"
PIXELS_MAX = 16_000_000
"""Of a logo's file."""
OFFSETS = (16, 128, 128)
"""Y, U and V of black."""

Floats = NDArray[np.float32]


def read(file: Path) -> Floats:
    """A logo as RGBA [height, width, 4], 0..1, colours multiplied by the opacity. Raises JobError.

    The decoder lays pictures over a colour. What differs over black and white is transparent.
    """
    black, white = (_over(file, colour).astype(np.float32) / 255 for colour in (BLACK, WHITE))
    opacity = np.clip(1 - (white - black).mean(2, keepdims=True), 0, 1)
    return np.concatenate([np.minimum(black, opacity), opacity], axis=2)


def _over(file: Path, colour: str) -> NDArray[np.uint8]:
    try:
        kind = identify(file)
        if kind is None or kind.medium != "picture":
            what = "not a picture" if kind is None else f"{kind.name}, not a still picture"
            raise JobError("media", f"{file.name} is {what}", field="logo", hint="use a PNG, which may be transparent")
        with about("logo"):
            return picture_decoder.picture(file, kind, PIXELS_MAX, Look(colour))
    except OSError as error:
        message = f"{file.name} cannot be read: {error.strerror}"
        raise JobError("media", message, field="logo", hint="make it a file that lipdrop can read") from None


def placed(
    picture: Floats, asked: Logo, size: tuple[int, int], label: Label | None, captions: CaptionLook | None
) -> PlacedLogo:
    """A picture from `read` as it is drawn into frames of `size` (width, height), away from the texts."""
    scaled = _scaled(picture, asked.size * min(size)) * np.float32(asked.opacity)
    height, width = scaled.shape[:2]
    free, (vertical, _, horizontal) = margins(size), asked.place.partition("-")
    edge = beyond_texts(size, asked.place, label, captions)
    x = free.left if horizontal == "left" else size[0] - free.right - width
    y = edge if vertical == "top" else size[1] - edge - height
    corner = (_even(x, size[0] - width), _even(y, size[1] - height))
    return PlacedLogo(scaled, corner)


def _even(value: int, most: int) -> int:
    return max(0, min(value, most)) // 2 * 2


def _scaled(picture: Floats, longer: float) -> Floats:
    """Scaled to a length of the longer side; sides are even, transparent rows and columns make them so."""
    rows, columns = picture.shape[:2]
    scale = longer / max(rows, columns)
    sides = max(1, round(columns * scale)), max(1, round(rows * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, sides, interpolation=method)
    return np.pad(small, ((0, sides[1] % 2), (0, sides[0] % 2), (0, 0)))


def _yuv(rgb: Floats) -> list[Floats]:
    """Y, U and V of RGB [h, w, 3], 0..1, without the offsets of black."""
    weights = np.array([LUMA, CHROMA_BLUE, CHROMA_RED], np.float32) * 255
    luma, blue, red = np.moveaxis(rgb @ weights.T, 2, 0)
    return [luma, _halved(blue), _halved(red)]


def _halved(plane: Floats) -> Floats:
    rows, columns = plane.shape
    return np.asarray(plane.reshape(rows // 2, 2, columns // 2, 2).mean((1, 3)), np.float32)


class PlacedLogo:
    """A logo at its place in frames of one size."""

    def __init__(self, picture: Floats, corner: tuple[int, int]) -> None:
        """`picture`: like that of `read`, with even sides; `corner`: x, y of its top left corner, even."""
        self.picture = picture
        self.corner = corner
        opacity = picture[..., 3]
        shares = (opacity, *[_halved(opacity)] * 2)
        self._layers = list(zip(PLANE_STEPS, OFFSETS, _yuv(picture[..., :3]), shares, strict=True))

    def save(self, path: Path) -> None:
        """Write it to a file, for `load`."""
        with path.open("wb") as file:
            np.savez(file, picture=self.picture, corner=np.array(self.corner))

    @classmethod
    def load(cls, path: Path) -> PlacedLogo:
        """Read what `save` wrote."""
        with np.load(path) as kept:
            x, y = kept["corner"].tolist()
            return cls(kept["picture"], (x, y))

    def over(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frames, I420 [n, height * 3 / 2, width], with the logo."""
        drawn = frames.copy()
        for frame in drawn:
            for plane, (step, offset, above, opacity) in zip(planes_of(frame), self._layers, strict=True):
                below = self._part(plane, step)
                mixed = below + (offset - below.astype(np.float32)) * opacity + above
                below[:] = np.rint(np.clip(mixed, 0, 255))
        return drawn

    def over_clear(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames with mattes, [n, height * 5 / 2, width], with the logo, which is also seen where they are clear."""
        drawn, opacity = frames.copy(), self.picture[..., 3]
        for frame in drawn:
            colours, whole = np.split(frame, [len(frame) * 3 // 5])
            matte = self._part(whole, 1)
            shines = np.asarray((1 - opacity) * matte / 255, np.float32)
            matte[:] = np.rint((opacity + shines) * 255)
            shares = [shines, *[_halved(shines)] * 2]
            for plane, layer, share in zip(planes_of(colours), self._layers, shares, strict=True):
                step, offset, above, own = layer
                below = self._part(plane, step)
                mixed = (below * share + offset * own + above) / np.maximum(own + share, 1e-6)
                below[:] = np.where(own > 0, np.rint(np.clip(mixed, 0, 255)), below)
        return drawn

    def _part(self, plane: Plane, step: int) -> Plane:
        """What the logo covers of a plane."""
        (x, y), (rows, columns) = self.corner, self.picture.shape[:2]
        return plane[y // step : (y + rows) // step, x // step : (x + columns) // step]
