"""Finds out whether a picture lies on its side or upside down, and how to turn it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.avatars.faces.finder import Detection, FaceFinder, Picture
from pipeline.avatars.faces.results import NoFace

Turn = Literal[0, 90, 180, 270]
"""Degrees, clockwise."""

TURNS: tuple[Turn, ...] = (90, 270, 180)
"""In the order of how often photos lie that way."""
UPRIGHT_SCORE = 0.82
"""The detector was trained with upright faces. If it is as sure as this, the others need not be tried."""
UPRIGHT_DEGREES = 35
"""The same for the tilt of the head."""
MORE_SURE = 0.08
"""A picture is to be turned if the detector is surer of the turned face by this much. The upright faces of 68 portraits
score 0.68 to 0.97, the same faces turned by 90 degrees at most 0.80, turned by 180 degrees at most 0.65."""
MUCH_SURER, TILTED_DEGREES = 0.2, 47
"""If the face is tilted by less, it may be a tilted head in an upright picture: then the difference must be larger."""
SURE, LARGE = 0.65, 0.1
"""Least score of a turned face, and its least height relative to the longer side of the picture."""


def turn_needed(pictures: Sequence[Picture], finder: FaceFinder | None = None) -> Turn:
    """How far to turn pictures, RGB [height, width, 3] each, so that the face in most of them is upright.

    Degrees clockwise; 0 if they are upright, or if no orientation shows a face. Upright pictures cost one run of the
    detector each, others four.
    """
    finder = finder or FaceFinder()
    found = [_turn_of(picture, finder) for picture in pictures]
    return max(TURNS, key=found.count) if 2 * found.count(0) < len(found) else 0


class LiesTurned(NoFace):
    """The reason that a face cannot be used is that the picture lies on its side or upside down."""


def lies_turned(turn: Turn, what: str = "picture") -> LiesTurned:
    """The result for a picture or video whose face is upright only after a turn."""
    lying = "upside down" if turn == 180 else "on its side"
    hint = f"turn it {turn} degrees clockwise: lipdrop avatars add FILE --rotate {turn}"
    return LiesTurned("no_face", f"the {what} lies {lying}: no upright face was found", hint)


def _turn_of(picture: Picture, finder: FaceFinder) -> Turn:
    own = _best(picture, finder)
    if own is not None and own.score >= UPRIGHT_SCORE and abs(own.tilt_degrees) < UPRIGHT_DEGREES:
        return 0
    turned = [(_best(_turned(picture, turn), finder), turn) for turn in TURNS]
    large = LARGE * max(picture.shape[:2])
    faces = [(face, turn) for face, turn in turned if face is not None and face.box[3] - face.box[1] >= large]
    sure = [(face.score, turn) for face, turn in faces if face.score >= _least_score(own)]
    return max(sure)[1] if sure else 0


def _least_score(own: Detection | None) -> float:
    """The score from which a turned face is a reason to turn the picture, whose face as it lies is `own`."""
    if own is None:
        return SURE
    return max(SURE, own.score + (MORE_SURE if abs(own.tilt_degrees) > TILTED_DEGREES else MUCH_SURER))


def _best(picture: Picture, finder: FaceFinder) -> Detection | None:
    return max(finder.detect(picture), key=lambda face: face.score, default=None)


def _turned(picture: Picture, turn: Turn) -> Picture:
    return np.ascontiguousarray(np.rot90(picture, -turn // 90))
