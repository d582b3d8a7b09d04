"""Draw every mouth shape of an avatar, then frames of a sentence: python -m artwork.contact_sheet presenter sheet.png

Look at it after each change to the renderer: nothing else tells whether a mouth looks right.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from anyascii import anyascii
from numpy.typing import NDArray

from pipeline.avatars import Avatars, FittedAvatar
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.mel import COLUMNS_PER_SECOND
from training.dataset import clip, joined, say

FRAME_SIDE = 720
COLUMNS = 6
ZOOM = 1.6
FPS = 25

SENTENCE = "Bob, move the five yellow fish to the zoo."
SPOKEN_TILES = 6

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
    arguments.add_argument("avatar", help="an avatar that comes with lipdrop, or the file of a picture")
    arguments.add_argument("sheet", type=Path, help="the picture to write")
    chosen = arguments.parse_args()
    cv2.imwrite(str(chosen.sheet), sheet(fitted(chosen.avatar)))


def fitted(name: str) -> FittedAvatar:
    """The avatar at the sheet's size."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Config(base=Path(scratch))
        if Path(name).is_file():
            folder = Path(scratch) / "avatars" / "own"
            folder.mkdir(parents=True)
            shutil.copy(name, folder)
            name = "own"
        return Avatars(config).load(name).fitted((FRAME_SIDE, FRAME_SIDE))


def sheet(avatar: FittedAvatar) -> NDArray[np.uint8]:
    """Every shape and the frames of the sentence, with their names, BGR."""
    names, track = _spoken()
    rows = torch.cat([torch.tensor(list(SHAPES.values())), track])
    renderer = FaceRenderer(avatar.require_landmarks(), avatar.scene, torch.device("cpu"))
    frames, _ = renderer.render(rows, np.zeros(len(rows), np.intp))
    tiles = [_tile(frame.numpy()[..., ::-1], name) for name, frame in zip([*SHAPES, *names], frames, strict=True)]
    return np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])


def _spoken() -> tuple[list[str], torch.Tensor]:
    """What is heard in some frames of the sentence, evenly spread, and their rows of the mouth track."""
    samples, phonemes = joined([(say(SENTENCE, "en", "heart", 1.0), 0.2)], 1.0, 0.0)
    spoken = clip("sheet", samples, phonemes)
    frames = spoken.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    track = MouthModel(torch.device("cpu")).track(SpeechFeatures(spoken.mel, frames, FPS, spoken.phonemes))
    chosen = np.linspace(0, frames - 1, SPOKEN_TILES + 2).round().astype(int)[1:-1]
    times = (chosen + 0.5) / FPS
    heard = [next((p.symbol for p in phonemes if p.start_seconds <= t < p.end_seconds), "-") for t in times]
    return [f"{t:.2f} s: {anyascii(symbol)}" for t, symbol in zip(times, heard, strict=True)], torch.from_numpy(
        track[chosen]
    )


def _tile(frame: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """A frame enlarged, its name in the corner."""
    tile = cv2.resize(np.ascontiguousarray(frame), None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    cv2.putText(tile, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(tile, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


if __name__ == "__main__":
    main()
