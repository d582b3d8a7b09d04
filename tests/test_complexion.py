"""The inside of the mouth matches the picture's colours, light and softness."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.engines.builtin.complexion import Complexion
from tests.faces import presenter_landmarks, presenter_picture

SIDE = 720


def complexion(picture: NDArray[np.uint8]) -> Complexion:
    landmarks = presenter_landmarks(SIDE)
    cheeks = landmarks.nose[[0, 2]] + np.array([[-25, 20], [25, 20]], np.float32)
    lips = (landmarks.lips_inner[13:18] + landmarks.lips_outer[13:18]) / 2
    left, top, right, bottom = 200, 250, 520, 560
    offset = np.array([left, top], np.float32)
    region = picture[None, top:bottom, left:right]
    return Complexion.of(region, (cheeks - offset)[None], (lips - offset)[None].astype(np.float32), 100)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return presenter_picture(SIDE)


def test_teeth_are_brighter_than_the_tongue_and_the_tongue_than_the_cavity(picture: NDArray[np.uint8]) -> None:
    found = complexion(picture)
    assert found.teeth.mean() > found.tongue.mean() + 40
    assert found.tongue.mean() > found.cavity.mean() + 40
    assert found.tongue[0] > found.tongue[1] + 40


def test_a_darker_picture_has_a_darker_mouth(picture: NDArray[np.uint8]) -> None:
    bright, dark = complexion(picture), complexion((picture * 0.6).astype(np.uint8))
    for name in ("teeth", "tongue", "cavity"):
        assert 0.5 < getattr(dark, name).mean() / getattr(bright, name).mean() < 0.7


@pytest.mark.parametrize("share", [0.3, 0.07, 0.03])
def test_the_mouth_of_a_very_dark_picture_is_dark(share: float, picture: NDArray[np.uint8]) -> None:
    dark = complexion((picture * share).astype(np.uint8))
    assert dark.teeth.mean() < 1.6 * share * picture[300:400, 300:420].max()


def test_a_grey_picture_has_a_grey_mouth(picture: NDArray[np.uint8]) -> None:
    grey = complexion(np.repeat(picture.mean(-1, keepdims=True).astype(np.uint8), 3, -1))
    for name in ("teeth", "tongue", "cavity"):
        assert np.ptp(getattr(grey, name)) < 1


@pytest.mark.parametrize("sigma", [0.7, 1.5, 2.5])
def test_the_blur_of_a_picture_is_measured(sigma: float) -> None:
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((40, 40))) * 160 + 40
    blurred = cv2.GaussianBlur(np.repeat(checks[..., None], 3, -1), (0, 0), sigma).astype(np.uint8)
    places = np.full((1, 1, 2), 100, np.float32)
    assert Complexion.of(blurred[None], places, places, 100).softness == pytest.approx(sigma, rel=0.4)
