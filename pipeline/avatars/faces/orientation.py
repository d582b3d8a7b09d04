"""Finds out whether a picture lies on its side or upside down, and how to turn it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import cv2
import numpy as np

from pipeline.avatars.faces.finder import SIDE, Detection, FaceFinder, Picture
from pipeline.avatars.faces.results import NoFace

VIEWED_SIDE = 4 * SIDE
"""The longer side of a picture whose parts are searched too, in pixels."""

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
MUCH_SURER, TILTED_DEGREES = 0.15, 47
"""If the face is tilted by less, it may be a tilted head in an upright picture: then the difference must be larger.
Faces that are tilted by more after a turn are no reason for it."""
SURE, LARGE = 0.65, 0.1
"""Least score of a turned face, and its least height relative to the longer side of the picture or part."""
AROUND = 2.5
"""How far the part around a face reaches from its middle, in heights of the face."""
ROOM = 0.3
"""Room around the picture, relative to its sides, in which a face that fills it is smaller."""


def turn_needed(pictures: Sequence[Picture], finder: FaceFinder | None = None) -> Turn:
    """How far to turn pictures, RGB [height, width, 3] each, so that the face in most of them is upright.

    Degrees clockwise; 0 if they are upright, or if no orientation shows a face. Upright pictures cost one run of the
    detector each, others four for each view of them.
    """
    finder = finder or FaceFinder()
    found = [_turn_of(picture, finder) for picture in pictures]
    return max(TURNS, key=found.count) if 2 * found.count(0) < len(found) else 0


def turn_of_face(picture: Picture, face: Detection, finder: FaceFinder) -> Turn:
    """How far to turn a picture so that a face in it is upright: judged in the part around it, where it is large."""
    middle, reach = (face.box[:2] + face.box[2:]) / 2, AROUND * float(face.box[3] - face.box[1])
    left, top = np.maximum(middle - reach, 0).astype(int)
    right, bottom = np.ceil(middle + reach).astype(int)
    return turn_needed([np.ascontiguousarray(picture[top:bottom, left:right])], finder)


def is_surely_upright(face: Detection) -> bool:
    """Whether the detector is so sure of an upright face that it needs no comparison with turned pictures."""
    return face.score >= UPRIGHT_SCORE and abs(face.tilt_degrees) < UPRIGHT_DEGREES


class LiesTurned(NoFace):
    """The reason that a face cannot be used is that the picture lies on its side or upside down."""


def lies_turned(turn: Turn, what: str = "picture") -> LiesTurned:
    """The result for a picture or video whose face is upright only after a turn."""
    lying = "upside down" if turn == 180 else "on its side"
    hint = f"turn it {turn} degrees clockwise: lipdrop avatars add FILE --rotate {turn}"
    return LiesTurned("no_face", f"the {what} lies {lying}: no upright face was found", hint)


def _turn_of(picture: Picture, finder: FaceFinder) -> Turn:
    own = _best([picture], finder)
    if own is not None and is_surely_upright(own):
        return 0
    views = list(_views(_shrunk(picture)))
    own = _best(views, finder)
    turned = [(_best([_turned(view, turn) for view in views], finder, TILTED_DEGREES), turn) for turn in TURNS]
    least = _least_score(own)
    sure = [(face.score, turn) for face, turn in turned if face is not None and face.score >= least]
    return max(sure)[1] if sure else 0


def _views(picture: Picture) -> Iterator[Picture]:
    """The picture, with room around it, and its parts: the detector is surest of faces of middle size."""
    yield picture
    rows, columns = (round(side * ROOM) for side in picture.shape[:2])
    yield np.pad(picture, ((rows, rows), (columns, columns), (0, 0)), "edge")
    side = max(max(picture.shape[:2]) // 2, 1)
    for top in _starts(picture.shape[0], side):
        for left in _starts(picture.shape[1], side):
            yield picture[top : top + side, left : left + side]


def _shrunk(picture: Picture) -> Picture:
    """The picture, no larger than its parts need."""
    scale = VIEWED_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = [max(round(side * scale), 1) for side in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _starts(length: int, side: int) -> list[int]:
    """Where parts begin that overlap by half."""
    return list(range(0, max(length - side, 0) + 1, max(side // 2, 1)))


def _least_score(own: Detection | None) -> float:
    """The score from which a turned face is a reason to turn the picture, whose face as it lies is `own`."""
    if own is None:
        return SURE
    return max(SURE, own.score + (MORE_SURE if abs(own.tilt_degrees) > TILTED_DEGREES else MUCH_SURER))


def _best(views: Iterable[Picture], finder: FaceFinder, tilt_max_degrees: float = 180) -> Detection | None:
    """The face that the detector is surest of, among those that are large in some view and not tilted too far."""
    found = ((face, max(view.shape[:2])) for view in views for face in finder.detect(view))
    large = [face for face, side in found if face.box[3] - face.box[1] >= LARGE * side]
    upright = [face for face in large if abs(face.tilt_degrees) <= tilt_max_degrees]
    return max(upright, key=lambda face: face.score, default=None)


def _turned(picture: Picture, turn: Turn) -> Picture:
    return np.ascontiguousarray(np.rot90(picture, -turn // 90))
