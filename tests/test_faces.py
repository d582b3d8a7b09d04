"""Face search: the models match their originals, and a portrait is found under many conditions."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.avatars import BUILT_IN_FOLDER
from pipeline.avatars.faces.checks import pose_problem
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.finder import FaceFinder, Mesh
from pipeline.avatars.faces.orientation import turn_needed
from pipeline.avatars.faces.results import Faces, NoFace, load
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.folder import read_picture
from pipeline.avatars.settings import Box
from tests.clips import Picture, beside, contours, mapped, masked, placed, portrait, seen_by, smaller
from tests.members import few, members
from tests.videos import faces_in

S3FD_BOX = (179, 50, 272, 174)
"""The box that Wav2Lip's own detector (S3FD) finds in the portrait."""
PRESENTER = BUILT_IN_FOLDER / "presenter"

TFLITE = {
    "detector": (
        (36_864, 15.384687, [-3.593353, -2.218740, -0.673210, -0.294374, -0.290440, -1.783675]),
        (2304, 6.494675, [-8.561704, -7.127780, -7.936373, -6.905470, -6.715905, -6.110514]),
    ),
    "surface": (
        (1404, 73.904259, [106.467613, 82.589218, 51.866035, 46.233730, 112.403381, 139.335510]),
        (1, 11.827152, [-11.827152]),
    ),
}
"""Outputs of the original models in TensorFlow Lite for the input `default_rng(0).uniform(0, 1)`: for each output its
size, its mean absolute value, and the first value of each sixth of it."""


@pytest.fixture
def faces(portrait_faces: Faces) -> Faces:
    """The portrait's faces."""
    return portrait_faces


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """The mesh of the portrait's face."""
    finder = FaceFinder()
    return finder.mesh(portrait(), finder.detect(portrait())[0])


def problem(picture: Picture, face_box: Box | None = None) -> str:
    answer = find_in_picture(picture, Choice(face_box))
    assert isinstance(answer, NoFace)
    assert answer.hint
    return answer.code


def face_width(faces: Faces) -> float:
    """Distance from ear to ear in pixels."""
    jaw = faces.landmarks.jaw[0]
    return float(np.linalg.norm(jaw[-1] - jaw[0]))


def overlap(one: Any, other: Any) -> float:
    """Intersection over union of two boxes."""
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(width * height / (sum(area) - width * height))


# The models


@pytest.mark.parametrize("model", TFLITE)
def test_converted_models_match_the_originals(model: str) -> None:
    session = getattr(FaceFinder(), f"_{model}")
    picture = np.random.default_rng(0).uniform(0, 1, (1, 192, 192, 3)).astype(np.float32)
    outputs = session.run(None, {session.get_inputs()[0].name: picture})
    assert len(outputs) == len(TFLITE[model])
    for output, (count, mean, samples) in zip(outputs, TFLITE[model], strict=True):
        numbers = output.ravel()
        assert numbers.size == count
        assert np.abs(numbers).mean() == pytest.approx(mean, abs=1e-4)
        assert numbers[:: max(count // 6, 1)][: len(samples)] == pytest.approx(samples, abs=1e-3)


# The portrait


def test_the_portraits_mouth_is_found(faces: Faces) -> None:
    lips, inner = faces.landmarks.lips_outer[0], faces.landmarks.lips_inner[0]
    assert lips[[0, 10]] == pytest.approx(np.array([(201.3, 138.7), (244.5, 140.5)]), abs=1)
    # The upper edge may also be that of her gums, 1.9 pixels further down.
    assert inner[[5, 15]] == pytest.approx(np.array([(222.9, 143.3), (222.9, 149.2)]), abs=1.5)


def test_the_box_matches_that_of_wav2lips_own_detector(faces: Faces) -> None:
    assert overlap(faces.boxes[0], np.array(S3FD_BOX)) >= 0.9


@pytest.mark.parametrize("degrees", members([-20, 0, 20], 20))
@pytest.mark.parametrize(("x", "y", "scale"), [(0, 0, 0.75), (-60, 40, 1), (100, -50, 1.6)])
def test_landmarks_follow_the_face(degrees: float, x: float, y: float, scale: float, faces: Faces) -> None:
    place = placed(x, y, degrees=degrees, scale=scale, side=512)
    moved = faces_in(seen_by(place, portrait(), 512))
    error = np.linalg.norm(contours(moved.landmarks)[0] - mapped(contours(faces.landmarks)[0], place), axis=1)
    assert error.mean() < 0.02 * scale * face_width(faces)
    assert error.max() < 0.05 * scale * face_width(faces)


def darker(picture: Picture) -> Picture:
    return np.asarray(picture * 0.4, np.uint8)


def brighter(picture: Picture) -> Picture:
    return np.asarray(np.clip(picture * 1.5, 0, 255), np.uint8)


def noisy(picture: Picture) -> Picture:
    grain = np.random.default_rng(0).normal(0, 15, picture.shape)
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def grey(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


@pytest.mark.parametrize("change", [darker, brighter, noisy, grey])
def test_landmarks_do_not_depend_on_light_grain_or_colour(change: Any, faces: Faces) -> None:
    error = np.linalg.norm(contours(faces_in(change(portrait())).landmarks) - contours(faces.landmarks), axis=2)
    assert error.mean() < 0.02 * face_width(faces)
    assert error.max() < 0.05 * face_width(faces)


def test_a_mirrored_face_is_found_mirrored(faces: Faces) -> None:
    mirrored = faces_in(np.ascontiguousarray(portrait()[:, ::-1])).landmarks.lips_outer[0]
    around = np.array([*range(10, -1, -1), *range(19, 10, -1)])
    error = np.linalg.norm(mirrored[around] * (-1, 1) + (511, 0) - faces.landmarks.lips_outer[0], axis=1)
    assert error.max() < 0.03 * face_width(faces)


def test_the_presenters_face_is_found_where_it_was_drawn() -> None:
    own = {name: np.array(points) for name, points in json.loads((PRESENTER / "landmarks.json").read_text()).items()}
    lips = faces_in(read_picture(PRESENTER / "picture.png", 10**7)).landmarks.lips_outer[0]
    error = np.linalg.norm(lips[[0, 10]] - own["lips_outer"][[0, 10]], axis=1)
    assert error.max() < 0.03 * np.ptp(own["jaw"][:, 0])


# Which face


def test_two_equal_faces_are_refused() -> None:
    assert problem(beside(portrait(), portrait())) == "several_faces"


@pytest.mark.parametrize("left", [0, 512])
def test_the_box_chooses_between_two_equal_faces(left: int) -> None:
    x1, y1, x2, y2 = S3FD_BOX
    box = faces_in(beside(portrait(), portrait()), (x1 + left, y1, x2 + left, y2)).boxes[0]
    assert overlap(box - (left, 0, left, 0), np.array(S3FD_BOX)) > 0.85


def test_a_much_smaller_second_face_is_ignored() -> None:
    crowd = portrait()[:300, :330].copy()
    crowd[215:295, 5:85] = cv2.resize(crowd[40:200, 145:305], (80, 80), interpolation=cv2.INTER_AREA)
    assert len(FaceFinder().detect(crowd)) == 2
    assert overlap(faces_in(crowd).boxes[0], np.array(S3FD_BOX)) > 0.85


# Turned pictures


@pytest.mark.parametrize("turns", few([1, 2, 3], 1))
def test_a_turned_picture_is_refused_with_the_turn_that_helps(turns: int) -> None:
    lying = np.ascontiguousarray(np.rot90(portrait(), turns))
    answer = find_in_picture(lying)
    assert isinstance(answer, NoFace)
    assert answer.code == "no_face"
    assert f"--rotate {90 * turns}" in answer.hint
    upright = np.ascontiguousarray(np.rot90(lying, -turn_needed([lying]) // 90))
    assert isinstance(find_in_picture(upright), Faces)


@pytest.mark.parametrize("turns", few([1, 2, 3], 2))
def test_a_turned_face_may_fill_its_picture(turns: int) -> None:
    close = portrait()[35:190, 149:304]
    assert turn_needed([close]) == 0
    assert turn_needed([np.ascontiguousarray(np.rot90(close, turns))]) == 90 * turns


@pytest.mark.parametrize("degrees", [-40, 0, 40])
def test_a_tilted_head_is_not_a_turned_picture(degrees: float) -> None:
    assert turn_needed([seen_by(placed(degrees=degrees, side=512), portrait(), 512)]) == 0


def test_no_turn_helps_where_there_is_no_face() -> None:
    assert turn_needed([np.full((200, 300, 3), 90, np.uint8)]) == 0


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_chooses_between_two_equal_faces(number: int) -> None:
    found = find_in_picture(beside(portrait(), portrait()), Choice(number=number))
    assert isinstance(found, Faces)
    assert overlap(found.boxes[0] - (512 * (number - 1), 0) * 2, np.array(S3FD_BOX)) > 0.85
    assert len(found.others) == 1


def small_in_large(height: int, side: int, x: int, y: int) -> Picture:
    """A face of a height in a picture of 16:9."""
    large = np.full((side, side * 16 // 9, 3), 100, np.uint8)
    small = cv2.resize(portrait(), None, fx=height / 112, fy=height / 112, interpolation=cv2.INTER_AREA)
    large[y : y + len(small), x : x + len(small)] = small
    return large


@pytest.mark.parametrize(("height", "side"), [(60, 1080), (90, 1080), (130, 2160)])
def test_small_faces_are_found_in_large_pictures(height: int, side: int) -> None:
    x, y = side, side // 3
    box = faces_in(small_in_large(height, side, x, y)).boxes[0]
    assert overlap((box - (x, y) * 2) * 112 / height, np.array(S3FD_BOX)) > 0.8


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("height", few([100, 130], 130))
def test_small_faces_in_turned_pictures_are_not_taken_for_upright_ones(height: int, turns: int) -> None:
    answer = find_in_picture(np.ascontiguousarray(np.rot90(small_in_large(height, 1080, 900, 300), turns)))
    assert isinstance(answer, NoFace)
    assert f"--rotate {90 * turns}" in answer.hint


# Refused faces


@pytest.mark.parametrize("value", [0, 90, 255])
def test_no_face_in_a_flat_picture(value: int) -> None:
    assert problem(np.full((200, 300, 3), value, np.uint8)) == "no_face"


@pytest.mark.parametrize("seed", range(4))
def test_no_face_in_noise(seed: int) -> None:
    assert problem(np.random.default_rng(seed).integers(0, 256, (300, 200, 3), np.uint8)) == "no_face"


@pytest.mark.parametrize("sides", [(1, 1), (2, 5000), (5000, 2)])
@pytest.mark.parametrize("box", [None, (0, 0, 1, 1), (-1e6, -1e6, 1e6, 1e6), (1e30, 1e30, 2e30, 2e30)])
@pytest.mark.filterwarnings("error")
def test_no_face_in_a_degenerate_picture(sides: tuple[int, int], box: Box | None) -> None:
    assert problem(np.zeros((*sides, 3), np.uint8), box) == "no_face"


def test_no_face_in_a_box_without_one() -> None:
    assert problem(portrait(), (300, 300, 400, 420)) == "no_face"


def test_a_small_face_is_refused() -> None:
    assert problem(smaller(portrait(), 0.4)) == "face_too_small"


@pytest.mark.parametrize(("degrees", "expected"), [(20, None), (-20, None), (50, "profile"), (-50, "profile")])
def test_a_face_turned_to_the_side_is_refused(degrees: float, expected: str | None, mesh: Mesh) -> None:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([(cosine, 0, sine), (0, 1, 0), (-sine, 0, cosine)], np.float32)
    middle = mesh.points.mean(0)
    answer = pose_problem(replace(mesh, points=(mesh.points - middle) @ turn.T + middle))
    assert (answer.code if answer else None) == expected


MASKS = ((255, 255, 255), (20, 20, 20), (90, 140, 200), (224, 172, 150))


@pytest.mark.parametrize(
    ("colour", "grain"),
    members(product(MASKS, (0, 6)), (MASKS[0], 0), (MASKS[1], 6), (MASKS[2], 0), (MASKS[3], 6)),
    ids=str,
)
def test_a_mouth_behind_a_mask_is_refused(colour: tuple[int, int, int], grain: float, faces: Faces) -> None:
    assert problem(masked(faces.landmarks, colour, grain)) == "mouth_hidden"


def test_results_survive_saving_and_loading(faces: Faces, tmp_path: Path) -> None:
    nothing = NoFace("no_face", "no face was found", "another picture: Анна")
    assert reloaded(nothing, tmp_path) == nothing
    again = reloaded(faces, tmp_path)
    assert isinstance(again, Faces)
    assert np.array_equal(contours(again.landmarks), contours(faces.landmarks))
    assert np.array_equal(again.boxes, faces.boxes)
    assert np.array_equal(again.seen, faces.seen)


def reloaded(thing: Faces | NoFace, folder: Path) -> Faces | NoFace:
    thing.save(folder / "kept")
    with (folder / "kept").open("rb") as file:
        return load(file)
