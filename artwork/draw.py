"""Draw the avatars that come with lipdrop: `python -m artwork.draw [NAME ...]`; without names, all of them.

Picture and landmarks come from the same geometry. The lower face is suitable for warping: it has no hard edges around
the mouth or across the jaw, the lips meet in one line, and lips, jaw, nose and eyes are splines through exactly the
points of `landmarks.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from artwork.geometry import MARGIN, SIDE, WIDTH
from artwork.people import PEOPLE
from artwork.person import Person

FOLDER = Path(__file__).parents[1] / "pipeline" / "avatars" / "assets"
OVERSAMPLING = 2
"""Drawn at twice the size in half-precision floats, so that many faint layers cause neither aliasing nor banding."""


def render(person: Person) -> NDArray[np.uint8]:
    """Draw a person: RGB [SIDE, WIDTH, 3]."""
    canvas, dice = _Canvas(), np.random.default_rng(person.seed)
    for draw_layer in person.layers:
        draw_layer(canvas.skia, dice)
    return canvas.pixels()[..., :3]


def matte(person: Person) -> NDArray[np.uint8]:
    """How much of each pixel of the drawing is the person, 0 to 255: [SIDE, WIDTH]."""
    behind, canvas, dice = _Canvas(), _Canvas(), np.random.default_rng(person.seed)
    background, *layers, _light = person.layers
    background(behind.skia, dice)  # takes its share of the random numbers
    for draw_layer in layers:
        draw_layer(canvas.skia, dice)
    return canvas.pixels()[..., 3]


class _Canvas:
    """A transparent surface to draw a person on."""

    def __init__(self) -> None:
        info = skia.ImageInfo.Make(
            WIDTH * OVERSAMPLING, SIDE * OVERSAMPLING, skia.kRGBA_F16_ColorType, skia.kPremul_AlphaType
        )
        self._surface = skia.Surface.MakeRaster(info)
        self.skia = self._surface.getCanvas()
        self.skia.scale(OVERSAMPLING, OVERSAMPLING)
        self.skia.translate(MARGIN, 0)

    def pixels(self) -> NDArray[np.uint8]:
        """What has been drawn: RGBA [SIDE, WIDTH, 4]."""
        pixels = np.asarray(self._surface.toarray(colorType=skia.kRGBA_F32_ColorType), np.float32)
        small = cv2.resize(pixels, (WIDTH, SIDE), interpolation=cv2.INTER_AREA)
        return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)


def landmarks_json(person: Person) -> str:
    """The content of a person's `landmarks.json`, one contour per line."""
    contours = person.face.landmarks().items()
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(points)}" for name, points in contours) + "\n}\n"


def write(name: str) -> None:
    """Write the picture, matte and landmarks of a person."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(render(PEOPLE[name]), cv2.COLOR_RGB2BGR)
    for file, pixels in (("picture.png", picture), ("matte.png", matte(PEOPLE[name]))):
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
