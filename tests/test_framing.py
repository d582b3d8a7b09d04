"""Which part of a picture the frames show: the head stays in it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.avatars import Avatar, Avatars, AvatarSettings, FaceLandmarks
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.framing import ABOVE_EYES, Head, framed
from pipeline.config import Config
from tests.clips import portrait

SQUARE, WIDE, TALL = (0, 0, 1000, 1000), 16 / 9, 9 / 16


def head(top: float, chin: float, bottom: float, middle: float = 500) -> Head:
    height = (chin - top) / (1 + ABOVE_EYES)
    return Head(middle, top, chin, bottom, chin - height, height)


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> Avatars:
    """They decode each picture once."""
    return Avatars(Config(base=tmp_path_factory.mktemp("avatars")))


@pytest.mark.parametrize(
    ("aspect", "found", "cut"),
    [
        (1.0, head(100, 500, 600, middle=200), (0, 0, 1000, 1000)),
        (WIDE, None, (0, 219, 1000, 562)),
        (WIDE, head(300, 500, 600), (0, 219, 1000, 562)),
        (WIDE, head(100, 500, 600), (0, 100, 1000, 562)),
        (WIDE, head(-80, 300, 350), (0, 0, 1000, 562)),
        (WIDE, head(400, 850, 900), (0, 338, 1000, 562)),
        (WIDE, head(100, 660, 700), (0, 108, 1000, 562)),
        (WIDE, head(0, 900, 1000), (0, 358, 1000, 562)),
        (TALL, head(100, 500, 600, middle=600), (319, 0, 562, 1000)),
        (TALL, head(100, 500, 600, middle=30), (0, 0, 562, 1000)),
        (TALL, None, (219, 0, 562, 1000)),
    ],
    ids=[
        "same aspect ratio",
        "no face",
        "in the middle",
        "above",
        "at the top edge",
        "below",
        "a little too high",
        "much too high",
        "on the right",
        "at the left edge",
        "tall without a face",
    ],
)
def test_the_frames_show_the_head(aspect: float, found: Head | None, cut: tuple[int, int, int, int]) -> None:
    assert framed(SQUARE, aspect, found) == cut


@pytest.mark.parametrize("name", ["presenter", "host", "guide", "expert"])
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480)])
def test_the_shipped_avatars_keep_their_heads(name: str, size: tuple[int, int], avatars: Avatars) -> None:
    avatar = avatars.load(name)
    _, top, _, rows = avatar.placed(size).cut
    assert avatar.own_landmarks is not None
    eyes, chin = avatar.own_landmarks.left_eye[:, 1].mean(), avatar.own_landmarks.jaw[10, 1]
    assert top <= eyes - 1.25 * (chin - eyes)
    assert top + rows > chin + 0.2 * (chin - eyes)


@pytest.mark.parametrize("name", ["presenter", "host", "guide", "expert"])
@pytest.mark.parametrize("size", [None, (1080, 1080), (720, 720)])
def test_square_frames_of_the_shipped_avatars_have_the_person_in_the_middle(
    name: str, size: tuple[int, int] | None, avatars: Avatars
) -> None:
    assert avatars.load(name).placed(size).cut == (420, 0, 1080, 1080)


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (1282, 720)])
def test_frames_of_the_pictures_aspect_ratio_show_all_of_it(size: tuple[int, int], avatars: Avatars) -> None:
    assert avatars.load("host").placed(size).cut[:2] == (0, 0 if size != (1282, 720) else 1)


def test_a_face_at_the_edge_of_a_photo_stays_in_the_frames() -> None:
    photo = np.full((512, 1400, 3), 90, np.uint8)
    photo[:, :512] = portrait()
    place = Avatar(photo, AvatarSettings(), lambda: find_in_picture(photo)).placed((720, 1280))
    assert isinstance(place.landmarks, FaceLandmarks)
    x = place.landmarks.jaw[..., 0]
    assert (x.min() + x.max()) / 2 == pytest.approx(360, abs=3)
