"""The avatars that come with lipdrop: their files are valid and match the code in `artwork/`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, Avatars, FaceLandmarks
from pipeline.avatars.landmarks import CONTOURS
from pipeline.config import Config
from pipeline.messages import Preset
from tests.members import soaking

NAMES = ["expert", "guide", "host", "presenter"]
PICTURE_BYTES_MAX = 1_500_000


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> Avatars:
    """They decode each picture once."""
    return Avatars(Config(base=tmp_path_factory.mktemp("avatars")))


def picture(avatar: Avatar) -> NDArray[np.uint8]:
    assert isinstance(avatar.source, np.ndarray)
    return avatar.source


def landmarks(avatar: Avatar) -> FaceLandmarks:
    assert avatar.own_landmarks is not None
    return avatar.own_landmarks


def test_these_avatars_come_with_lipdrop(avatars: Avatars) -> None:
    assert avatars.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_landmarks_are_inside_the_face_box(name: str, avatars: Avatars) -> None:
    avatar = avatars.load(name)
    assert picture(avatar).shape == (1400, 1920, 3)
    assert avatar.settings.face_box is not None
    x1, y1, x2, y2 = avatar.settings.face_box
    for contour in CONTOURS:
        points = getattr(landmarks(avatar), contour)
        assert (points >= (x1, y1)).all()
        assert (points <= (x2, y2)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_lips_meet_in_one_line_and_are_redder_than_the_chin(name: str, avatars: Avatars) -> None:
    avatar = avatars.load(name)
    inner = landmarks(avatar).lips_inner
    assert np.array_equal(inner[1:10], inner[:10:-1])
    lip = (inner[15] + landmarks(avatar).lips_outer[15]) / 2
    chin = landmarks(avatar).jaw[10] - (0, 25)
    lip_redness, chin_redness = (redness(avatar, point) for point in (lip, chin))
    assert lip_redness > chin_redness + 0.05


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("eye", ["left_eye", "right_eye"])
def test_the_lids_match_the_landmarks(name: str, eye: str, avatars: Avatars) -> None:
    """On a vertical line through the eye, the darkest pixel above the pupil belongs to the upper lid."""
    avatar = avatars.load(name)
    contour = getattr(landmarks(avatar), eye)
    across, upper, lower = int(contour[1, 0]), contour[1, 1], contour[7, 1]
    light = picture(avatar)[round(upper) - 8 : round(lower), across].astype(int).sum(1)
    darkest = round(upper) - 8 + int(light.argmin())
    assert abs(darkest - upper) <= 3


@pytest.mark.parametrize("name", NAMES)
def test_upright_frames_show_the_body_to_their_lower_edge(name: str, avatars: Avatars) -> None:
    avatar = avatars.load(name)
    place = avatar.placed(Preset.VERTICAL)
    assert place.layout.is_covered
    assert avatar.read_matte is not None
    left, top, columns, rows = place.cut
    bottom = avatar.read_matte()[top + rows - 1, left : left + columns]
    assert bottom.min() == 255, "the jacket fills the width of the frame"


@pytest.mark.parametrize("name", NAMES)
def test_other_frames_do_not_show_it(name: str, avatars: Avatars) -> None:
    avatar = avatars.load(name)
    for size in (None, (720, 1280), (1280, 720), Preset.SQUARE, Preset.WIDE):
        _, top, _, rows = avatar.placed(size).cut
        assert top + rows <= 1080


def redness(avatar: Avatar, point: np.ndarray) -> float:
    red, green, _ = picture(avatar)[round(point[1]), round(point[0])].astype(float)
    return float(red / green)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_enough_for_the_repository(name: str) -> None:
    assert (BUILT_IN_FOLDER / name / "picture.png").stat().st_size < PICTURE_BYTES_MAX


@pytest.mark.parametrize("name", NAMES)
def test_the_landmarks_match_the_drawing(name: str) -> None:
    pytest.importorskip("skia", reason="the extra `artwork` is not installed")
    from artwork.draw import landmarks_json
    from artwork.people import PEOPLE

    assert (BUILT_IN_FOLDER / name / "landmarks.json").read_text("utf-8") == landmarks_json(PEOPLE[name])
    assert sorted(PEOPLE) == NAMES


@pytest.mark.parametrize("name", [soaking(name) for name in NAMES])
def test_the_picture_and_the_matte_match_the_drawing(name: str) -> None:
    """But for the rounding of other processors."""
    pytest.importorskip("skia", reason="the extra `artwork` is not installed")
    from artwork.draw import drawn
    from artwork.people import PEOPLE

    for file, pixels in zip(("picture.png", "matte.png"), drawn(PEOPLE[name]), strict=True):
        stored = cv2.imread(str(BUILT_IN_FOLDER / name / file), cv2.IMREAD_UNCHANGED)
        assert stored is not None
        found = stored if stored.ndim == 2 else stored[..., ::-1]
        assert np.abs(found.astype(int) - pixels).max() <= 1


def test_a_fold_is_continued_below_the_square_as_wide_as_it_ends() -> None:
    pytest.importorskip("skia", reason="the extra `artwork` is not installed")
    from artwork.geometry import HEIGHT, SIDE
    from artwork.touches import Stroke

    fold = Stroke([(120, 950), (92, 1014), (74, 1100)], (2, 14, 14), "#000000", (1, 1), 6)
    own, longer = fold.shape(1), fold.continued().shape(1)
    assert longer[:, 1].max() > HEIGHT
    for y, width in ((1000, None), (SIDE, 14), (HEIGHT - 10, 14)):
        extents = [np.ptp(shape[np.abs(shape[:, 1] - y) < 9, 0]) for shape in (own, longer) if shape[:, 1].max() > y]
        assert np.ptp(extents) < 4
        assert width is None or extents[-1] == pytest.approx(width, abs=5)
