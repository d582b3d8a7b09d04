"""Warnings about faces that can speak, but not at their best."""

from __future__ import annotations

import ast
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.avatars.avatar import Avatar
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.results import Faces
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.settings import AvatarSettings
from pipeline.messages import Notice
from tests.clips import Picture, beside, portrait


def noticed(picture: Picture, size: tuple[int, int] | None = None) -> list[Notice]:
    avatar = Avatar(picture, AvatarSettings(), lambda: find_in_picture(picture))
    return list(avatar.placed(size).notices)


def test_a_good_picture_has_no_warnings() -> None:
    assert noticed(portrait()) == []


def test_a_small_mouth() -> None:
    [notice] = noticed(portrait(), (192, 192))
    assert "16 pixels wide" in notice.message
    assert "larger size" in notice.hint


@pytest.mark.parametrize("height", [62, 95, 128])
def test_a_small_face_in_hd_is_shown_larger_by_a_crop(height: int) -> None:
    """The portrait's face is 124 pixels high."""
    person = cv2.resize(portrait(), None, fx=height / 124, fy=height / 124, interpolation=cv2.INTER_AREA)
    wide = np.full((1080, 1920, 3), 90, np.uint8)
    wide[500 : 500 + person.shape[0], 1200 : 1200 + person.shape[1]] = person
    [hint] = [notice.hint for notice in noticed(wide) if "pixels wide" in notice.message]
    x1, y1, x2, y2 = ast.literal_eval(hint.partition("set crop: ")[2].partition(" in ")[0])
    assert noticed(np.ascontiguousarray(wide[y1:y2, x1:x2]), (512, 512)) == []


def test_a_chin_at_the_edge() -> None:
    assert any("edge" in notice.message for notice in noticed(portrait()[:176]))


def test_a_blurred_face() -> None:
    blurred = np.asarray(cv2.GaussianBlur(portrait(), (0, 0), 4), np.uint8)
    assert any("blurred" in notice.message for notice in noticed(blurred))


@pytest.mark.parametrize("light", [0.13, 0.24])
def test_a_dark_face(light: float) -> None:
    """The skin of the lighter one has a brightness of 55 in red, its brightest channel."""
    dark = np.asarray(portrait() * light, np.uint8)
    [notice] = noticed(dark)
    assert "dark" in notice.message


@pytest.mark.parametrize(("gap", "count"), [(0.3, 0), (0.5, 1)])
def test_a_mouth_that_is_wide_open(gap: float, count: int, portrait_faces: Faces) -> None:
    inner = portrait_faces.landmarks.lips_inner.copy()
    inner[:, 15] = inner[:, 5] + [0, gap * float(np.hypot(*(inner[0, 10] - inner[0, 0])))]
    opened = replace(portrait_faces, landmarks=replace(portrait_faces.landmarks, lips_inner=inner))
    found = Avatar(portrait(), AvatarSettings(), lambda: opened).placed(None).notices
    assert sum("wide open" in notice.message for notice in found) == len(found) == count


@pytest.mark.parametrize(("degrees", "count"), [(20, 0), (33, 1)])
def test_a_turned_face(degrees: float, count: int, portrait_faces: Faces) -> None:
    turned = replace(portrait_faces, turned_degrees=np.array(degrees, np.float32))
    found = Avatar(portrait(), AvatarSettings(), lambda: turned).placed(None).notices
    assert sum("turned 33" in notice.message for notice in found) == len(found) == count


def test_other_faces_and_which_one_speaks() -> None:
    group = beside(portrait(), portrait()[:, ::-1])
    settings = AvatarSettings(face=1)
    found = Avatar(group, settings, lambda: find_in_picture(group, Choice(number=1)))
    place = found.placed(None)
    assert any("number 1 from the left speaks" in notice.message for notice in place.notices)
    assert place.face is not None
    assert place.face.box[2] < 512 < place.face.others[0][0]
