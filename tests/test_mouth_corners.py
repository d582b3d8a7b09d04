"""The skin that rounded lips leave bare: neither the corners of the closed mouth nor a patch is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.corners import without_corners
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.face_shape import FaceFrame, FaceShape
from tests.faces import presenter_landmarks, presenter_picture, turned_aside

SIDE = 720
Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def face() -> tuple[FaceFrame, FaceShape]:
    return FaceShape.measure(presenter_landmarks(SIDE))


def beside(picture: Picture, frame: FaceFrame, side: int, out: float = 0.5) -> NDArray[np.float64]:
    """Brightness of a column of pixels across a corner of the mouth, or further out."""
    (x, y), unit = frame.centre[0], frame.width_pixels[0]
    rows = slice(round(y - 0.13 * unit), round(y + 0.13 * unit))
    return np.asarray(picture[rows, round(x + side * out * unit)].mean(-1, dtype=np.float64))


def line(column: NDArray[np.float64]) -> float:
    """How much darker the darkest point is than a straight transition from end to end."""
    return float((np.linspace(column[0], column[-1], len(column)) - column).max())


@pytest.mark.parametrize("side", [-1, 1])
def test_nothing_of_the_corners_remains(face: tuple[FaceFrame, FaceShape], side: int) -> None:
    picture = presenter_picture(SIDE)
    healed = without_corners(picture, *face)
    assert line(beside(picture, face[0], side, 0.47)) > 60
    assert line(beside(healed, face[0], side, 0.47)) < 18
    assert line(beside(healed, face[0], side, 0.53)) < 8


def test_everything_else_is_unchanged(face: tuple[FaceFrame, FaceShape]) -> None:
    picture = presenter_picture(SIDE)
    changed = np.argwhere((without_corners(picture, *face) != picture).any(-1))[:, ::-1]
    x, y = face[0].to_face(changed[None].astype(np.float32))[0].T
    assert ((np.abs(x) > 0.36) & (np.abs(x) < 0.69)).all()
    assert (np.abs(y) < 0.4).all()


@pytest.mark.parametrize("side", [-1, 1])
def test_the_farther_half_of_a_turned_mouth_keeps_its_lips_and_its_contour(side: int) -> None:
    picture = presenter_picture(SIDE)
    frame, shape = FaceShape.measure(turned_aside(presenter_landmarks(SIDE), side))
    changed = np.argwhere((without_corners(picture, frame, shape) != picture).any(-1))[:, ::-1]
    x = side * frame.to_face(changed[None].astype(np.float32))[0, :, 0]
    assert 0.4 < x[x > 0].min() < 0.5 < x[x > 0].max() < 0.64
    assert 0.3 < -x[x < 0].max() < 0.4 < -x[x < 0].min() < 0.69


def test_the_grain_of_the_skin_is_kept(face: tuple[FaceFrame, FaceShape]) -> None:
    grain = np.random.default_rng(1).normal(0, 6, (SIDE, SIDE, 1)) * np.ones(3)
    slope = np.linspace(90, 200, SIDE)[:, None, None]
    healed = without_corners((slope + grain).clip(0, 255).astype(np.uint8), *face)
    (x, y), unit = face[0].centre[0], face[0].width_pixels[0]
    patch = healed[round(y - 0.05 * unit) : round(y + 0.1 * unit), round(x + 0.42 * unit) : round(x + 0.62 * unit)]
    rows = np.arange(len(patch)) + round(y - 0.05 * unit)
    around = slope[rows] * np.ones_like(patch)
    assert 4 < (patch - around).std() < 8
    assert abs((patch - around).mean()) < 3


def test_nothing_of_the_background_shows(face: tuple[FaceFrame, FaceShape]) -> None:
    """Given a face turned aside, where skin ends below a corner."""
    (x, y), unit = face[0].centre[0], face[0].width_pixels[0]
    picture = np.full((SIDE, SIDE, 3), (190, 140, 120), np.uint8)
    picture[round(y + 0.38 * unit) :, round(x + 0.5 * unit) :] = (20, 60, 200)
    healed = without_corners(picture, *face)[: round(y + 0.2 * unit)].astype(int)
    assert (np.abs(healed - picture[0, 0]) <= 16).all()
    assert (np.ptp(healed - picture[0, 0], axis=-1) <= 1).all()


def test_the_ends_of_a_moustache_are_not_smeared(face: tuple[FaceFrame, FaceShape]) -> None:
    (x, y), unit = face[0].centre[0], face[0].width_pixels[0]
    picture = np.full((SIDE, SIDE, 3), (210, 170, 150), np.uint8)
    picture[round(y - 0.35 * unit) : round(y), round(x - 0.6 * unit) : round(x + 0.6 * unit)] = (60, 40, 30)
    assert (without_corners(picture, *face) == picture).all()


def test_rounded_lips_are_drawn_without_their_corners(face: tuple[FaceFrame, FaceShape]) -> None:
    """Also in a crop: in the renderer's own region."""
    renderer = FaceRenderer(presenter_landmarks(SIDE), Still(presenter_picture(SIDE)), torch.device("cpu"))
    track = torch.tensor([[0.0, -1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    frames, corners = renderer.render(track, np.zeros(2, np.int64))
    frame = replace(face[0], centre=face[0].centre - corners[0].astype(np.float32))
    rounded, closed = frames.numpy()
    for side in (-1, 1):
        assert line(beside(closed, frame, side, 0.47)) > 60
        assert max(line(beside(rounded, frame, side, out)) for out in (0.36, 0.4, 0.44)) < 18
