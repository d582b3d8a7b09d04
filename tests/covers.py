"""Paints things in front of the mouth of a face: drawn in another way than those that the network was trained with."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
SKIN: Colour = (205, 150, 125)

Painter = Callable[[Picture, FaceLandmarks], Picture]


def _measures(face: FaceLandmarks) -> tuple[NDArray[np.float32], float]:
    """Middle of the mouth, and width of the face; `face`: of one picture."""
    return face.lips_outer.mean(0), float(np.linalg.norm(face.jaw[-1] - face.jaw[0]))


def _point(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)


def hand(picture: Picture, face: FaceLandmarks, down: float = -0.25, tone: Colour = SKIN) -> Picture:
    """Four fingers whose tips are `down` face widths below the mouth, and a palm."""
    (x, y), width = _measures(face)
    made = picture.copy()
    for finger in range(4):
        across = (finger - 1.5) * 0.17 * width
        ends = _point(x + across, y + down * width), _point(x + across * 1.15, y + (down + 1.3) * width)
        dark, light = (tuple(int(part * share) for part in tone) for share in (0.55, 0.9 + 0.04 * finger))
        cv2.line(made, *ends, dark, round(0.19 * width), cv2.LINE_AA)
        cv2.line(made, *ends, light, round(0.16 * width), cv2.LINE_AA)
    palm = _point(x, y + (down + 1.3) * width)
    cv2.ellipse(made, palm, _point(0.5 * width, 0.5 * width), 0, 0, 360, tone, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(made, (0, 0), 0.6), np.uint8)


def microphone(picture: Picture, face: FaceLandmarks, down: float = 0.05) -> Picture:
    """A ball of wire on a black handle."""
    (x, y), width = _measures(face)
    made, radius = picture.copy(), 0.24 * width
    centre = _point(x, y + down * width)
    cv2.line(made, centre, _point(x + 0.3 * width, y + 2 * width), (25, 25, 28), round(0.24 * width), cv2.LINE_AA)
    cv2.circle(made, centre, round(radius), (70, 72, 76), -1, cv2.LINE_AA)
    for step in range(-6, 7):
        reach = (max(1 - (step / 7) ** 2, 0)) ** 0.5 * radius
        off = step / 7 * radius
        cv2.line(
            made, _point(centre[0] - reach, centre[1] + off), _point(centre[0] + reach, centre[1] + off), (30,) * 3, 1
        )
        cv2.line(
            made, _point(centre[0] + off, centre[1] - reach), _point(centre[0] + off, centre[1] + reach), (30,) * 3, 1
        )
    return made


def cup(picture: Picture, face: FaceLandmarks) -> Picture:
    """A white cup with a red band."""
    (x, y), width = _measures(face)
    made = picture.copy()
    outline = np.array([(-0.3, -0.12), (0.3, -0.12), (0.22, 0.6), (-0.22, 0.6)]) * width + (x, y)
    cv2.fillPoly(made, [np.rint(outline).astype(np.int32)], (238, 236, 230), cv2.LINE_AA)
    cv2.rectangle(
        made, _point(x - 0.27 * width, y + 0.15 * width), _point(x + 0.27 * width, y + 0.3 * width), (180, 30, 30), -1
    )
    return made


def scarf(picture: Picture, face: FaceLandmarks) -> Picture:
    """Striped cloth from the nose down."""
    (_, y), width = _measures(face)
    made, top = picture.copy(), round(y - 0.17 * width)
    rows = np.arange(picture.shape[0] - top)[:, None] + 0.1 * np.arange(picture.shape[1])
    stripes = np.where((rows / (0.09 * width)) % 2 < 1, 150, 90)
    made[top:] = np.clip(stripes[..., None] * np.array([0.5, 0.8, 1.1]), 0, 255)
    return made


def sandwich(picture: Picture, face: FaceLandmarks) -> Picture:
    """Bread with things in it, held before the mouth."""
    (x, y), width = _measures(face)
    made = picture.copy()
    layers = [((196, 150, 90), -0.16), ((90, 150, 60), -0.05), ((200, 60, 50), 0.02), ((196, 150, 90), 0.09)]
    for colour, top in layers:
        corners = _point(x - 0.36 * width, y + top * width), _point(x + 0.36 * width, y + (top + 0.12) * width)
        cv2.rectangle(made, *corners, colour, -1, cv2.LINE_AA)
    grain = np.random.default_rng(0).normal(0, 8, made.shape)
    inside = (made != picture).any(-1, keepdims=True)
    return np.asarray(np.where(inside, np.clip(made + grain, 0, 255), picture), np.uint8)


def boom(picture: Picture, face: FaceLandmarks) -> Picture:
    """The foam of a microphone on an arm, which comes from the side and hides the lips."""
    (x, y), width = _measures(face)
    made = picture.copy()
    middle, reach = _point(x - 0.45 * width, y + 0.06 * width), _point(0.68 * width, 0.14 * width)
    cv2.ellipse(made, middle, reach, -8, 0, 360, (52, 52, 56), -1, cv2.LINE_AA)
    return made


def beard(picture: Picture, face: FaceLandmarks) -> Picture:
    """Not a cover: a dark beard and a moustache around visible lips."""
    hair = np.zeros(picture.shape[:2], np.float32)
    outline = np.concatenate([face.jaw[3:18], face.nose[::-1]])
    cv2.fillPoly(hair, [np.rint(outline).astype(np.int32)], (0.75,))
    cv2.fillPoly(hair, [np.rint(face.lips_outer).astype(np.int32)], (0,))
    share = cv2.GaussianBlur(hair, (0, 0), 1.5)[..., None]
    grain = np.random.default_rng(0).normal(55, 14, (*picture.shape[:2], 1))
    return np.asarray(np.clip(picture * (1 - share) + grain * share, 0, 255), np.uint8)


COVERS: dict[str, Painter] = {
    "hand": hand,
    "dark hand": lambda picture, face: hand(picture, face, tone=(90, 60, 45)),
    "microphone": microphone,
    "cup": cup,
    "scarf": scarf,
    "sandwich": sandwich,
    "boom": boom,
}

HARMLESS: dict[str, Painter] = {
    "beard": beard,
    "hand at the chin": lambda picture, face: hand(picture, face, down=0.42),
    "microphone below": lambda picture, face: microphone(picture, face, down=0.75),
}
