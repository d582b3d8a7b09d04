"""Avatars: how a picture is fitted to a frame, and the folder of avatars."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, Avatars, AvatarSettings, FaceLandmarks
from pipeline.avatars.faces.tracking import NoFace, find_in_picture
from pipeline.avatars.landmarks import CONTOURS
from pipeline.config import AvatarsSettings, Config
from pipeline.errors import JobError
from pipeline.job import parse_job
from tests.clips import beside, portrait
from tests.members import slow
from tests.pictures import (
    avatars_in,
    gradient,
    load,
    picture_of,
    pixels,
    refused,
    write_good_picture,
    write_picture,
)

PRESENTER = BUILT_IN_FOLDER / "presenter"
BUILT_IN = ["expert", "guide", "host", "presenter"]


def no_face() -> NoFace:
    return NoFace("no_face", "no face was found", "look at the picture")


# Sizes


@pytest.mark.parametrize("size", ["57600x64", "64x57600", "4098x64", "62x64"])
def test_a_job_with_a_side_out_of_bounds_is_refused(size: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_job(json.dumps({"text": "a", "size": size}).encode(), Config(), ["presenter"])
    assert (caught.value.code, caught.value.field) == ("range", "size")
    assert "64 to 4096" in (caught.value.hint or "")


def test_a_job_with_the_longest_side_is_accepted() -> None:
    job = parse_job(b'{"text": "a", "size": "4096x64"}', Config(), ["presenter"])
    assert job.frame_size == (4096, 64)


@pytest.mark.parametrize("size", ["9998x9998", "8192x64", "10x10", "721x720", "big", "720x720x3", "-2x64"])
def test_an_avatar_size_out_of_bounds_is_refused(anna: Path, size: str) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text(f"size: {size}")
    error = refused(anna)
    assert error.code == "avatar"
    assert "avatar.yaml: size" in error.message


def test_the_limit_of_an_avatars_size_is_configurable(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text("size: 720x720")
    assert pixels(load(anna).fitted(None)).shape == (720, 720, 3)
    with pytest.raises(JobError, match="size 720x720"):
        avatars_in(anna.parent.parent, frame_pixels=640 * 640).load("anna")


# Fitting


@pytest.mark.parametrize("picture", [(400, 400), (600, 300), (300, 600), (1001, 333)])
@pytest.mark.parametrize("size", [(200, 200), (640, 360), (360, 640), (4096, 64), (64, 1080)])
def test_landmarks_and_face_box_follow_the_fitting(picture: tuple[int, int], size: tuple[int, int]) -> None:
    """They stay at the points whose colours encode their position."""
    columns, rows = picture
    scale = max(size[0] / columns, size[1] / rows)
    x, y = columns / 2 + 0.2 * size[0] / scale, rows / 2 - 0.2 * size[1] / scale
    landmarks = FaceLandmarks(**dict.fromkeys(CONTOURS, np.array([[x, y]], np.float32)))
    settings = AvatarSettings(face_box=(x, y, columns, rows), pads=(0, 0, 0, 0))
    fitted = Avatar(gradient(columns, rows), settings, no_face, landmarks).fitted(size)
    assert pixels(fitted).shape == (size[1], size[0], 3)
    found_x, found_y = fitted.require_landmarks().jaw[0, 0]
    assert (found_x, found_y) == pytest.approx((0.7 * size[0], 0.3 * size[1]), abs=max(1, 0.6 * scale))
    assert fitted.require_face_boxes()[0] == pytest.approx((found_x, found_y, *size), abs=0.01)
    shown = pixels(fitted)[int(found_y), int(found_x)].astype(float) / 255
    assert shown[:2] == pytest.approx((x / columns, y / rows), abs=0.01)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (500, 500)])
def test_the_picture_covers_the_frame_and_is_cropped_evenly(size: tuple[int, int]) -> None:
    picture = pixels(Avatar(gradient(500, 500), AvatarSettings(), no_face).fitted(size)).astype(int)
    left, right = picture[:, 0, 0].mean(), picture[:, -1, 0].mean()
    top, bottom = picture[0, :, 1].mean(), picture[-1, :, 1].mean()
    assert left + right == pytest.approx(255, abs=2)
    assert top + bottom == pytest.approx(255, abs=2)
    wide, high = (right - left) / 255, (bottom - top) / 255
    assert max(wide, high) == pytest.approx(1, abs=0.02)
    assert wide / high == pytest.approx(size[0] / size[1], rel=0.05)


def test_fitting_equals_scaling_first() -> None:
    """Cropping first gives the same pixels except for rounding."""
    source = gradient(600, 400)
    fitted = pixels(Avatar(source, AvatarSettings(), no_face).fitted((200, 200)))
    scaled = cv2.resize(source, (300, 200), interpolation=cv2.INTER_AREA)[:, 50:250]
    assert np.abs(fitted.astype(int) - scaled.astype(int)).max() <= 1


# Cropping


@pytest.mark.parametrize("size", [None, slow((200, 100)), slow((100, 200))])
def test_a_crop_equals_a_picture_of_that_part(anna: Path, size: tuple[int, int] | None) -> None:
    """Without the crop it would be ambiguous which face to use."""
    write_picture(anna / "picture.png", beside(portrait(), portrait()))
    with pytest.raises(JobError) as caught:
        load(anna).fitted(size).require_landmarks()
    assert caught.value.code == "several_faces"
    (anna / "avatar.yaml").write_text("crop: [512, 0, 1024, 512]")
    cropped, plain = load(anna).fitted(size), avatar_of(portrait()).fitted(size)
    assert (pixels(cropped) == pixels(plain)).all()
    for name in CONTOURS:
        found, expected = (getattr(fitted.require_landmarks(), name) for fitted in (cropped, plain))
        assert found == pytest.approx(expected, abs=1e-3)
    assert cropped.require_face_boxes() == pytest.approx(plain.require_face_boxes(), abs=1e-3)


def avatar_of(picture: NDArray[np.uint8]) -> Avatar:
    return Avatar(picture, AvatarSettings(), lambda: find_in_picture(picture))


def test_with_a_crop_box_and_landmarks_are_in_pixels_of_the_whole_picture() -> None:
    landmarks = FaceLandmarks(**dict.fromkeys(CONTOURS, np.array([[120, 80]], np.float32)))
    settings = AvatarSettings(crop=(100, 50, 300, 350), face_box=(110, 60, 150, 100), pads=(0, 0, 0, 0))
    fitted = Avatar(gradient(400, 400), settings, no_face, landmarks).fitted((100, 150))
    assert fitted.require_landmarks().jaw[0, 0] == pytest.approx((10, 15))
    assert fitted.require_face_boxes()[0] == pytest.approx((5, 5, 25, 25))


def test_a_box_chooses_a_face_in_a_cropped_picture(anna: Path) -> None:
    write_picture(anna / "picture.png", beside(portrait(), portrait(), portrait()))
    (anna / "avatar.yaml").write_text("crop: [512, 0, 1536, 512]\nface_box: [1200, 50, 1300, 174]")
    (box,) = load(anna).fitted((1024, 512)).require_face_boxes()
    assert box == pytest.approx((512 + 179, 50, 512 + 272, 184), abs=4)


def test_a_crop_is_limited_to_the_picture() -> None:
    settings = AvatarSettings(crop=(-50, 100, 1e9, 300))
    assert pixels(Avatar(gradient(400, 400), settings, no_face).fitted(None)).shape == (200, 400, 3)


@pytest.mark.parametrize("crop", ["[500, 500, 600, 600]", "[10, 10, 20, 390]", "[-9, -9, -2, -2]"])
def test_a_crop_that_leaves_too_little_is_refused(anna: Path, crop: str) -> None:
    write_picture(anna / "picture.png", gradient(400, 400))
    (anna / "avatar.yaml").write_text(f"crop: {crop}")
    assert "crop leaves" in refused(anna).message


def test_a_wide_frame_costs_little_memory() -> None:
    """Scaled before cropping, this square picture would take 10 GB."""
    code = (
        "import resource, numpy as np\n"
        "from pipeline.avatars import Avatar, AvatarSettings\n"
        "from pipeline.avatars.faces.results import NoFace\n"
        "none = NoFace('no_face', '', '')\n"
        "avatar = Avatar(np.zeros((1080, 1080, 3), np.uint8), AvatarSettings(), lambda: none)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert avatar.fitted((57600, 64)).scene.picture.shape == (64, 57600, 3)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 * 1024


@pytest.mark.parametrize("sides", [(5000, 2), (2, 5000), (5000, 200), (1, 1), (40, 40)])
def test_a_picture_too_thin_for_a_frame_is_refused(anna: Path, sides: tuple[int, int]) -> None:
    write_picture(anna / "picture.png", gradient(*sides))
    error = refused(anna)
    assert error.code == "avatar"
    assert "too small" in error.message


@pytest.mark.parametrize("sides", [(5000, 2), (2, 5000), (1, 1)])
def test_a_thin_picture_still_fits_a_given_size(anna: Path, sides: tuple[int, int]) -> None:
    write_picture(anna / "picture.png", gradient(*sides))
    assert pixels(load(anna).fitted((640, 360))).shape == (360, 640, 3)


# The folder of avatars


def test_hidden_entries_and_plain_files_are_not_avatars(anna: Path) -> None:
    for name in (".git", "_drafts"):
        (anna.parent / name).mkdir()
    for name in (".DS_Store", "readme.txt", "picture.png"):
        (anna.parent / name).write_text("a")
    (anna.parent / "dangling").symlink_to("gone")
    assert avatars_in(anna.parent.parent).names() == ["anna", *BUILT_IN]


def test_hidden_files_in_an_avatar_are_ignored(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "._picture.png").write_bytes(b"\0\5\x16\7")
    (anna / ".DS_Store").write_bytes(b"a")
    (anna / "dangling").symlink_to("gone")
    assert picture_of(load(anna)).shape == (100, 100, 3)


@pytest.mark.parametrize("what", ["missing", "file", "dangling"])
def test_without_an_avatar_folder_the_built_in_avatars_remain(tmp_path: Path, what: str) -> None:
    if what == "file":
        (tmp_path / "avatars").write_text("a")
    elif what == "dangling":
        (tmp_path / "avatars").symlink_to("gone")
    avatars = avatars_in(tmp_path)
    assert avatars.names() == BUILT_IN
    assert avatars.load("presenter").own_landmarks is not None
    with pytest.raises(JobError) as caught:
        avatars.load("anna")
    assert (caught.value.code, caught.value.field, caught.value.hint) == (
        "avatar",
        "avatar",
        "avatars: expert, guide, host, presenter",
    )


def raise_permission_error(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_an_unreadable_avatar_folder_has_no_avatars(anna: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is patched to fail, because root, who may run these tests, can read every folder."""
    avatars = avatars_in(anna.parent.parent)
    monkeypatch.setattr(Path, "iterdir", raise_permission_error)
    assert avatars.names() == []
    assert refused(anna).code == "avatar"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize("mode", [0o000, 0o100, 0o400])
def test_an_avatar_folder_without_permissions(anna: Path, mode: int) -> None:
    write_good_picture(anna)
    anna.parent.chmod(mode)
    try:
        avatars = avatars_in(anna.parent.parent)
        assert "presenter" in avatars.names()
        with pytest.raises(JobError):
            avatars.load("nobody")
    finally:
        anna.parent.chmod(0o700)


def test_another_folder_can_be_configured(anna: Path) -> None:
    shutil.copytree(PRESENTER, anna.parent.parent / "faces" / "carl")
    config = Config(base=anna.parent.parent, avatars=AvatarsSettings(folder="faces"))
    assert Avatars(config).names() == ["carl", *BUILT_IN]
    assert pixels(Avatars(config).load("carl").fitted(None)).shape == (720, 720, 3)


@pytest.mark.parametrize("name", ["nobody", "a\0b", "x" * 5000])
def test_an_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JobError) as caught:
        avatars_in(tmp_path).load(name)
    assert caught.value.code == "avatar"
