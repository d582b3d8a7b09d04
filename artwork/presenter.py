"""Draws the avatar `presenter`: its picture and, from the same geometry, its landmarks.

Run: python artwork/presenter.py

The lower face is made to be warped: nothing hard-edged lies around the mouth or crosses the jaw, the lips
meet in one line, and lips, jaw, nose and eyes are splines through the very points of `landmarks.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import skia
from face import draw_face
from geometry import SIDE, Geometry
from hair import draw_hair_back, draw_hair_front
from numpy.typing import NDArray
from scene import draw_background, draw_light
from torso import draw_neck, draw_torso

FOLDER = Path(__file__).parents[1] / "pipeline" / "assets" / "presenter"
OVERSAMPLING = 2
"""Drawn at twice the size, in half floats: many faint layers neither alias nor band."""
SEED = 7
"""Of the hair, lashes and lamps, which are scattered by chance."""


def render() -> NDArray[np.uint8]:
    """The picture, [SIDE, SIDE, 3], RGB."""
    side = SIDE * OVERSAMPLING
    info = skia.ImageInfo.Make(side, side, skia.kRGBA_F16_ColorType, skia.kPremul_AlphaType)
    surface = skia.Surface.MakeRaster(info)
    canvas = surface.getCanvas()
    canvas.scale(OVERSAMPLING, OVERSAMPLING)
    dice = np.random.default_rng(SEED)
    face = Geometry.of_presenter()
    draw_background(canvas, dice)
    draw_hair_back(canvas, dice)
    draw_neck(canvas, face)
    draw_torso(canvas)
    draw_face(canvas, face, dice)
    draw_hair_front(canvas, dice)
    draw_light(canvas)
    pixels = surface.toarray(colorType=skia.kRGBA_F32_ColorType)
    small = cv2.resize(np.asarray(pixels[..., :3], np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small * 255), 0, 255).astype(np.uint8)


def main() -> None:
    """Write the picture and its landmarks."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(render(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(FOLDER / "picture.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    landmarks = Geometry.of_presenter().landmarks()
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(points)}" for name, points in landmarks.items())
    (FOLDER / "landmarks.json").write_text("{\n" + lines + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
