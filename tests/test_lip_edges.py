"""Landmarks of the lips are put on the edges that the picture shows."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.engines.builtin.lip_edges import on_lip_edges
from tests.faces import presenter_landmarks, presenter_picture

SIDE = 720
OPENING = 16
"""Height of the mouth that is painted into the picture, in pixels."""


@pytest.fixture(scope="module")
def landmarks() -> FaceLandmarks:
    return presenter_landmarks(SIDE)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return presenter_picture(SIDE)


def error(found: FaceLandmarks, true: FaceLandmarks) -> float:
    """Mean distance of the lips' inner edges from the true ones, in pixels."""
    return float(np.hypot(*(found.lips_inner - true.lips_inner).T).mean())


def open_mouth(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> tuple[FaceLandmarks, NDArray[np.uint8]]:
    """A face whose lips are apart, teeth between them, dark towards the corners."""
    inner = landmarks.lips_inner.copy()
    across = (inner[11:, 0] - inner[0, 0]) / (inner[10, 0] - inner[0, 0])
    inner[11:, 1] += OPENING * 4 * across * (1 - across)
    painted, outline = picture.copy(), [np.rint(inner).astype(np.int32)]
    cv2.fillPoly(painted, outline, (40, 16, 14))
    teeth = np.zeros_like(picture)
    cv2.fillPoly(teeth, outline, (235, 228, 210))
    painted[:, 330:390] = np.where(teeth[:, 330:390].any(-1, keepdims=True), teeth[:, 330:390], painted[:, 330:390])
    return replace(landmarks, lips_inner=inner), cv2.GaussianBlur(painted, (0, 0), 0.8).astype(np.uint8)


def test_the_seam_of_closed_lips_is_found(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> None:
    astray = replace(landmarks, lips_inner=landmarks.lips_inner + np.array([0, 4], np.float32))
    assert error(on_lip_edges(astray, picture), landmarks) < 1.2
    assert error(on_lip_edges(landmarks, picture), landmarks) < 1.2


def test_the_edges_of_open_lips_are_found(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> None:
    """Given landmarks that leave a strip of teeth on each lip, the edges of the lips are found."""
    true, painted = open_mouth(landmarks, picture)
    narrow = true.lips_inner.copy()
    narrow[1:10, 1] += 3
    narrow[11:, 1] -= 3
    astray = replace(true, lips_inner=narrow)
    assert error(astray, true) > 2.5
    assert error(on_lip_edges(astray, painted), true) < 1.2


def test_a_lip_keeps_no_teeth_where_its_edge_is_unclear(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> None:
    """Given edges inside the mouth (its teeth's), the landmarks on the lips stay where they are."""
    true, painted = open_mouth(landmarks, picture)
    wide = true.lips_inner.copy()
    wide[11:, 1] += 5
    smooth = cv2.GaussianBlur(painted, (0, 0), 6).astype(np.uint8)
    found = on_lip_edges(replace(true, lips_inner=wide), smooth).lips_inner
    assert (found[13:18, 1] > true.lips_inner[13:18, 1] - 1).all()


def test_other_contours_stay(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> None:
    found = on_lip_edges(landmarks, picture)
    assert found.lips_outer is landmarks.lips_outer
    assert found.jaw is landmarks.jaw


def test_a_tiny_mouth_is_left_alone(landmarks: FaceLandmarks, picture: NDArray[np.uint8]) -> None:
    tiny = landmarks.transformed(0.05, 0, 0)
    assert on_lip_edges(tiny, picture) is tiny
