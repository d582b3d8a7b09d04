"""The network that sees lips finds them as its original does, and more exactly than the face mesh."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, FaceLandmarks
from pipeline.avatars.faces.finder import FaceFinder
from pipeline.avatars.faces.lips import with_exact_lips
from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.face import FaceRenderer
from tests.clips import Picture, placed, portrait, seen_by
from tests.faces import CPU, MARGIN, SQUARE, built_in_picture, row
from tests.videos import faces_in

SIDE = 720
MEDIAPIPE = {
    **{61: (201.3, 138.7), 40: (206.7, 138.5), 0: (223.1, 140.0), 270: (239.5, 139.7), 291: (244.5, 140.5)},
    **{91: (206.2, 146.9), 17: (222.2, 154.1), 321: (238.7, 148.4), 78: (202.8, 139.4), 308: (242.9, 141.0)},
    **{81: (212.4, 141.0), 13: (223.0, 142.7), 311: (233.6, 141.8), 178: (212.1, 147.2), 14: (222.5, 149.6)},
}
"""Points that MediaPipe 0.10.21 itself finds in the portrait (`FaceMesh(refine_landmarks=True)`), in its pixels."""


def test_the_portraits_lips_are_where_mediapipe_finds_them() -> None:
    finder, true = FaceFinder(), np.array(list(MEDIAPIPE.values()))
    mesh = finder.mesh(portrait(), finder.detect(portrait())[0]).points
    exact = with_exact_lips(mesh, portrait())
    error, error_of_mesh = (np.hypot(*(points[list(MEDIAPIPE), :2] - true).T).mean() for points in (exact, mesh))
    assert error < 0.9 < error_of_mesh
    others = [1, 33, 152, 234, 454]
    assert np.array_equal(exact[others], mesh[others])


def test_lips_of_a_tilted_head_are_found() -> None:
    place = placed(0, 0, degrees=35, scale=1, side=512)
    finder, picture = FaceFinder(), seen_by(place, portrait(), 512)
    exact = with_exact_lips(finder.mesh(picture, finder.detect(picture)[0]).points, picture)
    true = np.array(list(MEDIAPIPE.values())) @ place[:, :2].T + place[:, 2]
    assert np.hypot(*(exact[list(MEDIAPIPE), :2] - true).T).mean() < 1.2


@pytest.mark.parametrize("name", ["host", "expert"])
@pytest.mark.parametrize(("jaw", "upper", "least"), [(0.7, 0.6, 0.9), (0.2, 0.0, 0.74)])
def test_openings_are_found(name: str, jaw: float, upper: float, least: float) -> None:
    """Given smiles that the engine opened, whose lips differ little from the skin."""
    picture, opening = opened(name, row(jaw_open=jaw, lip_width=1.0, upper_raise=upper))
    found = filled(faces_in(picture).landmarks.lips_inner[0], picture)
    assert (found & opening).sum() / (found | opening).sum() > least


@pytest.mark.parametrize("name", ["presenter", "guide"])
def test_full_lips_that_are_closed_are_not_taken_for_open_ones(name: str) -> None:
    inner = faces_in(with_full_lips(name)).landmarks.lips_inner[0]
    assert inner[1:10] == pytest.approx(inner[:10:-1], abs=0.5)


def with_full_lips(name: str) -> Picture:
    """A person who comes with lipdrop, whose lips are 1.6 times as high."""
    inner = contours_of(name).lips_inner
    (x, y), width = inner.mean(0), float(np.ptp(inner[:, 0]))
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    near = np.clip(1 - np.hypot((columns - x) / width, (rows - y) / (0.75 * width)), 0, 1)
    source = y + (rows - y) * (1 - (1 - 1 / 1.6) * near * near * (3 - 2 * near))
    stretched = cv2.remap(built_in_picture(name, SIDE), columns, source.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(stretched, np.uint8)


def opened(name: str, track: torch.Tensor) -> tuple[Picture, NDArray[np.bool_]]:
    """A person who comes with lipdrop in one mouth shape, and where the inside of the mouth is seen."""
    picture, own = built_in_picture(name, SIDE), contours_of(name)
    green = np.full_like(picture, (0, 255, 0))
    return drawn_into(picture, own, track), drawn_into(green, own, track)[..., 0] > 12


def contours_of(name: str) -> FaceLandmarks:
    """The landmarks of a person who comes with lipdrop."""
    scale = SIDE / SQUARE
    return FaceLandmarks.load(BUILT_IN_FOLDER / name / "landmarks.json").transformed(scale, MARGIN * scale, 0)


def drawn_into(picture: Picture, own: FaceLandmarks, track: torch.Tensor) -> Picture:
    """The picture with the face's mouth in that shape."""
    [region], [(x, y)] = FaceRenderer(own, Still(picture), CPU).render(track, np.zeros(1, np.int64))
    whole = picture.copy()
    whole[y : y + len(region), x : x + region.shape[1]] = region.numpy()
    return whole


def filled(contour: NDArray[Any], picture: Picture) -> NDArray[np.bool_]:
    """The inside of a contour [n, 2]."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(contour).astype(np.int32)], 1)
    return mask > 0
