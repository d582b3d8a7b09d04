"""Draw every mouth shape of an avatar and frames of a sentence: `python -m artwork.contact_sheet presenter sheet.png`.

Inspect the sheet after each change to the renderer: whether a mouth looks right can only be judged by eye.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatars, FaceLandmarks, FittedAvatar
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.mel import COLUMNS_PER_SECOND
from training.dataset import clip, joined, say

FRAME_SIDE = 1080
COLUMNS = 6
TILE_SIZE = (320, 272)
"""Width and height in pixels."""
TILE_WIDTH = 1.9
"""Width of the area shown in a tile, in mouth widths."""
ABOVE = 0.32
"""Fraction of a tile's height above the mouth."""
FPS = 25

SENTENCE = "Bob, please move the five yellow fish to the zoo."
SOUNDS = {"B(o)b": "ˈɑ", "(p)lease": "p", "pl(ea)se": "ˈi", "m(o)ve": "ˈu", "(f)ive": "f", "yell(ow)": "oʊ"}
"""The sounds shown, in temporal order, and their phonemes."""

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
    """Write the sheet."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("avatar", help="an avatar that comes with lipdrop, or a picture file")
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
    """Draw every shape and the frames of the sentence with their names: BGR [height, width, 3]."""
    rows = torch.cat([torch.tensor(list(SHAPES.values())), _spoken(avatar.settings.articulation)])
    landmarks = avatar.require_landmarks()
    renderer = FaceRenderer(landmarks, avatar.scene, torch.device("cpu"))
    still = np.zeros(1, np.intp)
    drawn, corners = renderer.render(rows, still.repeat(len(rows)))
    (picture,) = avatar.scene.regions(still, still[:, None].repeat(2, 1), (FRAME_SIDE, FRAME_SIDE))
    frames = [_composed(picture, region, corner) for region, corner in zip(drawn.numpy(), corners, strict=True)]
    place = _place(landmarks[0])
    tiles = [_tile(frame[..., ::-1], place, name) for name, frame in zip([*SHAPES, *SOUNDS], frames, strict=True)]
    return np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])


def _spoken(articulation: float) -> torch.Tensor:
    """Rows of the mouth track in the middle of each of `SOUNDS`."""
    samples, phonemes = joined([(say(SENTENCE, "en", "heart", 1.0), 0.2)], 1.0, 0.0)
    spoken = clip("sheet", samples, phonemes)
    frames = spoken.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    speech = SpeechFeatures(spoken.mel, frames, FPS, spoken.phonemes, articulation=articulation)
    track = MouthModel(torch.device("cpu")).track(speech)
    later = iter(phonemes)
    shown = [next(phoneme for phoneme in later if phoneme.symbol == symbol) for symbol in SOUNDS.values()]
    middles = [int((phoneme.start_seconds + phoneme.end_seconds) / 2 * FPS) for phoneme in shown]
    return torch.from_numpy(track[middles])


def _composed(picture: NDArray[np.uint8], region: NDArray[np.uint8], corner: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The whole frame with the drawn region of interest in it."""
    frame, (x, y) = picture.copy(), corner
    frame[y : y + region.shape[0], x : x + region.shape[1]] = region
    return frame


def _place(landmarks: FaceLandmarks) -> NDArray[np.float32]:
    """The affine map [2, 3] from a tile to the frame."""
    inner = landmarks.lips_inner
    x, y = inner.mean(0)
    width, height = TILE_SIZE
    scale = TILE_WIDTH * float(np.ptp(inner[:, 0])) / width
    return np.array([[scale, 0, x - scale * width / 2], [0, scale, y - scale * height * ABOVE]], np.float32)


def _tile(frame: NDArray[np.uint8], place: NDArray[np.float32], name: str) -> NDArray[np.uint8]:
    """The enlarged mouth with its name in the corner."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    tile = cv2.warpAffine(np.ascontiguousarray(frame), place, TILE_SIZE, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    cv2.putText(tile, name, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(tile, name, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


if __name__ == "__main__":
    main()
