"""Draw every mouth shape of an avatar: python -m artwork.contact_sheet pipeline/assets/presenter sheet.png

Look at it after each change to the renderer: nothing else tells whether a mouth looks right.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.faces.lip_edges import on_lip_edges

FRAME_SIDE = 720
COLUMNS = 6
ZOOM = 1.6

SHAPES: dict[str, tuple[float, ...]] = {
    "rest": (0, 0, 1, 0, 0, 0),
    "aa (father)": (1, 0, 0, 0.05, 0, 0),
    "eh (bed)": (0.6, 0.3, 0, 0.1, 0, 0.1),
    "uh (about)": (0.35, 0, 0, 0.05, 0, 0.1),
    "ee (see)": (0.16, 0.9, 0, 0.35, 0, 0.2),
    "ih (sit)": (0.25, 0.5, 0, 0.15, 0, 0.2),
    "oo (too)": (0.16, -1, 0, 0.05, 0, 0),
    "oh (law)": (0.55, -0.7, 0, 0.05, 0, 0),
    "m b p": (0.12, -0.05, 1, 0, 0, 0),
    "f v": (0.14, 0.05, 0, 0.3, 1, 0),
    "s z": (0.07, 0.2, 0, 0.55, 0, 0.35),
    "sh": (0.1, -0.55, 0, 0.6, 0, 0.3),
    "th": (0.2, 0.05, 0, 0.15, 0, 1),
    "l t d n": (0.25, 0.05, 0, 0.1, 0, 0.9),
    "w r": (0.12, -0.8, 0, 0.05, 0, 0.3),
    "half closed": (0.4, 0, 0.6, 0, 0, 0),
    "jaw 1, closed": (1, 0, 1, 0, 0, 0),
    "smile, open": (0.7, 1, 0, 0.6, 0, 0),
}


def main() -> None:
    """Read the arguments, write the sheet."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("avatar", type=Path, help="the avatar's folder: picture.png and landmarks.json")
    arguments.add_argument("sheet", type=Path, help="the PNG to write")
    chosen = arguments.parse_args()
    cv2.imwrite(str(chosen.sheet), sheet(chosen.avatar))


def sheet(folder: Path) -> NDArray[np.uint8]:
    """Every shape with its name, BGR."""
    renderer = _renderer(folder)
    frames, _ = renderer.render(torch.tensor(list(SHAPES.values())), np.zeros(len(SHAPES), np.int64))
    tiles = [_tile(frame.numpy()[..., ::-1], name) for name, frame in zip(SHAPES, frames, strict=True)]
    return np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])


def _renderer(folder: Path) -> FaceRenderer:
    stored = cv2.imread(str(folder / "picture.png"))
    if stored is None:
        raise SystemExit(f"{folder} has no picture.png")
    scale = FRAME_SIDE / stored.shape[0]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    fitted = cv2.resize(stored, (round(stored.shape[1] * scale), FRAME_SIDE), interpolation=method)
    landmarks = FaceLandmarks.load(folder / "landmarks.json").transformed(scale, 0, 0)
    picture = np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB), np.uint8)
    landmarks = replace(landmarks, lips_inner=on_lip_edges(landmarks.lips_inner, picture))
    return FaceRenderer(landmarks, Still(picture), torch.device("cpu"))


def _tile(frame: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """A frame enlarged, its name in the corner."""
    tile = cv2.resize(np.ascontiguousarray(frame), None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    cv2.putText(tile, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(tile, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


if __name__ == "__main__":
    main()
