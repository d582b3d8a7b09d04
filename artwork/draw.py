"""Draw the avatars that come with lipdrop: `python -m artwork.draw [NAME ...]`; without names, all of them.

Picture and landmarks come from the same geometry. The lower face is suitable for warping: it has no hard edges around
the mouth or across the jaw, the lips meet in one line, and lips, jaw, nose and eyes are splines through exactly the
points of `landmarks.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from artwork.geometry import HEIGHT, MARGIN, SIDE, WIDTH
from artwork.people import PEOPLE
from artwork.person import Person

FOLDER = Path(__file__).parents[1] / "pipeline" / "avatars" / "assets"
OVERSAMPLING = 2
"""Drawn at twice the size in half-precision floats, so that many faint layers cause neither aliasing nor banding."""
SQUARE, BELOW = (0, SIDE), (SIDE, HEIGHT)
"""Rows of the picture: first, and last + 1."""


def drawn(person: Person) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a person: RGB [HEIGHT, WIDTH, 3], and how much of each pixel is the person, 0 to 255: [HEIGHT, WIDTH]."""
    layers = _recorded(person)
    _background, *person_alone, _light = layers
    return _played(layers)[..., :3], _played(person_alone)[..., 3]


def _recorded(person: Person) -> list[skia.Picture]:
    """The drawing commands of each layer."""
    dice, everything = np.random.default_rng(person.seed), skia.Rect.MakeLTRB(-MARGIN, 0, SIDE + MARGIN, HEIGHT)
    layers = []
    for draw_layer in person.layers:
        recorder = skia.PictureRecorder()
        draw_layer(recorder.beginRecording(everything), dice)
        layers.append(recorder.finishRecordingAsPicture())
    return layers


def _played(layers: Sequence[skia.Picture]) -> NDArray[np.uint8]:
    """RGBA [HEIGHT, WIDTH, 4]. The square is drawn by itself, so that no pixel of it depends on what is below."""
    canvases = [_Canvas(*rows) for rows in (SQUARE, BELOW)]
    for canvas in canvases:
        for layer in layers:
            canvas.skia.drawPicture(layer)
    return np.vstack([canvas.pixels() for canvas in canvases])


class _Canvas:
    """A transparent surface to draw some rows of a picture on."""

    def __init__(self, top: int, bottom: int) -> None:
        self._size = (WIDTH, bottom - top)
        width, height = (side * OVERSAMPLING for side in self._size)
        info = skia.ImageInfo.Make(width, height, skia.kRGBA_F16_ColorType, skia.kPremul_AlphaType)
        self._surface = skia.Surface.MakeRaster(info)
        self.skia = self._surface.getCanvas()
        self.skia.scale(OVERSAMPLING, OVERSAMPLING)
        self.skia.translate(MARGIN, -top)

    def pixels(self) -> NDArray[np.uint8]:
        """What has been drawn: RGBA [rows, WIDTH, 4]."""
        pixels = np.asarray(self._surface.toarray(colorType=skia.kRGBA_F32_ColorType), np.float32)
        small = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)


def landmarks_json(person: Person) -> str:
    """The content of a person's `landmarks.json`, one contour per line."""
    contours = person.face.landmarks().items()
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(points)}" for name, points in contours) + "\n}\n"


def write(name: str) -> None:
    """Write the picture, matte and landmarks of a person."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    picture, matte = drawn(PEOPLE[name])
    for file, pixels in (("picture.png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)), ("matte.png", matte)):
        cv2.imwrite(str(folder / file), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    (folder / "landmarks.json").write_text(landmarks_json(PEOPLE[name]), "utf-8")


def main() -> None:
    """Draw the people named in the arguments."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(PEOPLE)}")
    names = arguments.parse_args().names or list(PEOPLE)
    unknown = [name for name in names if name not in PEOPLE]
    if unknown:
        arguments.error(f"unknown person {unknown[0]!r}, choose from: {', '.join(PEOPLE)}")
    for name in names:
        write(name)


if __name__ == "__main__":
    main()
