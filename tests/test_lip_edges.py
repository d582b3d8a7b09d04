"""Landmarks of the lips snap to the edges in the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars.faces.lip_edges import on_lip_edges
from tests.faces import presenter_landmarks, presenter_picture

Points = NDArray[np.float32]
SIDE = 720
OPENING = 16
"""Height of the open mouth painted into the picture, in pixels."""


@pytest.fixture(scope="module")
def seam() -> Points:
    return presenter_landmarks(SIDE).lips_inner


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return presenter_picture(SIDE)


def error(found: Points, true: Points) -> float:
    """Mean distance of the lips' inner edges from the true ones, in pixels."""
    return float(np.hypot(*(found - true).T).mean())


def open_mouth(closed: Points, picture: NDArray[np.uint8]) -> tuple[Points, NDArray[np.uint8]]:
    """A face with open lips: teeth between them, dark towards the corners."""
    inner = closed.copy()
    across = (inner[11:, 0] - inner[0, 0]) / (inner[10, 0] - inner[0, 0])
    inner[11:, 1] += OPENING * 4 * across * (1 - across)
    painted, outline = picture.copy(), [np.rint(inner).astype(np.int32)]
    cv2.fillPoly(painted, outline, (40, 16, 14))
    teeth = np.zeros_like(picture)
    cv2.fillPoly(teeth, outline, (235, 228, 210))
    painted[:, 330:390] = np.where(teeth[:, 330:390].any(-1, keepdims=True), teeth[:, 330:390], painted[:, 330:390])
    return inner, cv2.GaussianBlur(painted, (0, 0), 0.8).astype(np.uint8)


def test_the_seam_of_closed_lips_is_found(seam: Points, picture: NDArray[np.uint8]) -> None:
    assert error(on_lip_edges(seam + np.array([0, 4], np.float32), picture), seam) < 1.2
    assert error(on_lip_edges(seam, picture), seam) < 1.2


def test_a_beard_is_not_the_seam(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given a beard around the lips, darker than the line between them, and landmarks below that line."""
    outer, dice = presenter_landmarks(SIDE).lips_outer, np.random.default_rng(4)
    bearded, lips = picture.copy(), np.zeros_like(picture)
    for x, y in dice.uniform(outer.min(0) - 30, outer.max(0) + 40, (900, 2)):
        tip = x + dice.normal(0, 5), y + dice.uniform(6, 14)
        cv2.line(bearded, (round(x), round(y)), (round(tip[0]), round(tip[1])), (40, 28, 20), 1, cv2.LINE_AA)
    cv2.fillPoly(lips, [np.rint(outer).astype(np.int32)], (1, 1, 1))
    found = on_lip_edges(seam + np.array([0, 6], np.float32), np.where(lips > 0, picture, bearded))
    assert error(found, seam) < 1.2


def test_the_edges_of_open_lips_are_found(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given landmarks that leave a strip of teeth on each lip."""
    true, painted = open_mouth(seam, picture)
    narrow = true.copy()
    narrow[1:10, 1] += 3
    narrow[11:, 1] -= 3
    assert error(narrow, true) > 2.5
    assert error(on_lip_edges(narrow, painted), true) < 1.2


def test_the_edges_of_open_lips_are_found_from_the_middle_of_the_lips(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given landmarks that take a third of the lips for the inside of the mouth."""
    true, painted = open_mouth(seam, picture)
    wide = true.copy()
    wide[1:10, 1] -= 4
    wide[11:, 1] += 5
    assert error(on_lip_edges(wide, painted), true) < 1.2


def test_the_dark_below_teeth_is_not_the_edge_of_a_lip(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given teeth that end in the middle of the opening, and lips that are nearly as bright as they."""
    true, painted = open_mouth(seam, picture)
    pale = np.asarray(cv2.addWeighted(painted, 0.5, np.full_like(painted, 215), 0.5, 0), np.uint8)
    teeth = [np.rint(np.concatenate([true[:11], (true[11:] + true[9:0:-1]) / 2])).astype(np.int32)]
    dark = np.zeros_like(pale)
    cv2.fillPoly(dark, [np.rint(true).astype(np.int32)], (1, 1, 1))
    cv2.fillPoly(dark, teeth, (0, 0, 0))
    pale = np.where(dark > 0, 30, pale).astype(np.uint8)
    cv2.fillPoly(pale, teeth, (245, 245, 240))
    found = on_lip_edges(true, cv2.GaussianBlur(pale, (0, 0), 0.8).astype(np.uint8))
    assert error(found[3:8], true[3:8]) < 1.5


def test_the_line_between_both_rows_of_teeth_is_not_the_edge_of_a_lip(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given lower teeth that show below the upper ones."""
    true, painted = open_mouth(seam, picture)
    line = true[11:] - np.array([0, 6], np.float32)
    cv2.fillPoly(painted, [np.rint(true).astype(np.int32)], (235, 230, 220))
    cv2.fillPoly(painted, [np.rint(np.concatenate([true[:11], line])).astype(np.int32)], (240, 235, 225))
    cv2.polylines(painted, [np.rint(line[1:-1]).astype(np.int32)], False, (90, 70, 60), 1, cv2.LINE_AA)
    found = on_lip_edges(true, cv2.GaussianBlur(painted, (0, 0), 0.8).astype(np.uint8))
    assert error(found[13:18], true[13:18]) < 1.5


def test_an_opening_ends_where_skin_begins(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given corners well inside the mouth."""
    true, painted = open_mouth(seam, picture)
    short = true[0] + 0.88 * (true - true[0]) + 0.06 * (true[10] - true[0])
    found = on_lip_edges(short.astype(np.float32), painted)
    for corner in (0, 10):
        assert abs(short[corner, 0] - true[corner, 0]) > 4
        assert abs(found[corner, 0] - true[corner, 0]) < 2.5


def test_unclear_edges_put_no_teeth_on_the_lips(seam: Points, picture: NDArray[np.uint8]) -> None:
    """Given a blurred picture and landmarks well inside the lower lip, they do not move onto the teeth."""
    true, painted = open_mouth(seam, picture)
    wide = true.copy()
    wide[11:, 1] += 5
    found = on_lip_edges(wide, cv2.GaussianBlur(painted, (0, 0), 6).astype(np.uint8))
    assert (found[13:18, 1] > true[13:18, 1] - 1).all()


def test_a_tiny_mouth_is_unchanged(seam: Points, picture: NDArray[np.uint8]) -> None:
    tiny = seam * np.float32(0.05)
    assert on_lip_edges(tiny, picture) is tiny
