"""Avatars: pictures and settings that nobody vouches for, and how a picture is fitted to a frame."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, Avatars, AvatarSettings, FaceLandmarks, FittedAvatar
from pipeline.avatars.faces.tracking import NoFace, find_in_picture
from pipeline.avatars.landmarks import CONTOURS
from pipeline.avatars.scenes import Still
from pipeline.config import AvatarsSettings, Config, LimitsSettings
from pipeline.errors import JobError
from pipeline.job import parse_job
from tests.clips import beside, portrait

PRESENTER = BUILT_IN_FOLDER / "presenter"


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    """The folder of an avatar "anna", still empty."""
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    return folder


def avatars_in(folder: Path, **limits: int) -> Avatars:
    return Avatars(Config(base=folder, limits=LimitsSettings(**limits)))


def load(anna: Path) -> Avatar:
    return avatars_in(anna.parent.parent).load("anna")


def no_face() -> NoFace:
    return NoFace("no_face", "no face was found", "look at the picture")


def pixels(fitted: FittedAvatar) -> NDArray[np.uint8]:
    assert isinstance(fitted.scene, Still)
    return fitted.scene.picture


def picture_of(avatar: Avatar) -> NDArray[np.uint8]:
    assert isinstance(avatar.source, np.ndarray)
    return avatar.source


def refused(anna: Path) -> JobError:
    with pytest.raises(JobError) as caught:
        load(anna).fitted(None)
    assert caught.value.field == "avatar"
    assert caught.value.hint
    return caught.value


def gradient(columns: int, rows: int) -> NDArray[np.uint8]:
    """RGB whose red says the column and whose green says the row, in 255ths of the sides."""
    picture = np.zeros((rows, columns, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, columns)
    picture[..., 1] = np.linspace(0, 255, rows)[:, None]
    return picture


def write_picture(file: Path, picture: NDArray[Any]) -> None:
    encoded = cv2.imencode(file.suffix, picture[..., ::-1] if picture.shape[-1] == 3 else picture)[1]
    file.write_bytes(encoded.tobytes())


def write_good_picture(anna: Path) -> None:
    write_picture(anna / "picture.png", gradient(100, 100))


def png(columns: int, rows: int, *, depth: int = 1) -> bytes:
    """A whole PNG, black and grey: 16k x 16k pixels in some 30 kB, without ever holding them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = bytes(1 + (columns * depth + 7) // 8)
    data = b"".join(packer.compress(line) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", columns, rows, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_turned(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    data = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


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


def test_an_avatar_size_obeys_the_configured_limit(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text("size: 720x720")
    assert pixels(load(anna).fitted(None)).shape == (720, 720, 3)
    with pytest.raises(JobError, match="size 720x720"):
        avatars_in(anna.parent.parent, frame_pixels=640 * 640).load("anna")


# Fitting


@pytest.mark.parametrize("picture", [(400, 400), (600, 300), (300, 600), (1001, 333)])
@pytest.mark.parametrize("size", [(200, 200), (640, 360), (360, 640), (4096, 64), (64, 1080)])
def test_landmarks_and_face_box_follow_the_picture(picture: tuple[int, int], size: tuple[int, int]) -> None:
    """They still lie where the picture shows the colours of their place."""
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
def test_the_picture_covers_the_frame_and_is_cut_evenly(size: tuple[int, int]) -> None:
    picture = pixels(Avatar(gradient(500, 500), AvatarSettings(), no_face).fitted(size)).astype(int)
    left, right = picture[:, 0, 0].mean(), picture[:, -1, 0].mean()
    top, bottom = picture[0, :, 1].mean(), picture[-1, :, 1].mean()
    assert left + right == pytest.approx(255, abs=2)
    assert top + bottom == pytest.approx(255, abs=2)
    wide, high = (right - left) / 255, (bottom - top) / 255
    assert max(wide, high) == pytest.approx(1, abs=0.02)
    assert wide / high == pytest.approx(size[0] / size[1], rel=0.05)


def test_fitting_equals_scaling_first() -> None:
    """As before it was cut first: the same pixels, but for rounding."""
    source = gradient(600, 400)
    fitted = pixels(Avatar(source, AvatarSettings(), no_face).fitted((200, 200)))
    scaled = cv2.resize(source, (300, 200), interpolation=cv2.INTER_AREA)[:, 50:250]
    assert np.abs(fitted.astype(int) - scaled.astype(int)).max() <= 1


# Cropping


@pytest.mark.parametrize("size", [None, (200, 100), (100, 200)])
def test_a_cropped_picture_is_like_one_that_shows_no_more(anna: Path, size: tuple[int, int] | None) -> None:
    """Without the crop nobody knows which of the faces is meant."""
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
    return Avatar(picture, AvatarSettings(), lambda: find_in_picture(picture, None))


def test_a_box_and_landmarks_beside_a_crop_are_in_pixels_of_the_whole_picture() -> None:
    landmarks = FaceLandmarks(**dict.fromkeys(CONTOURS, np.array([[120, 80]], np.float32)))
    settings = AvatarSettings(crop=(100, 50, 300, 350), face_box=(110, 60, 150, 100), pads=(0, 0, 0, 0))
    fitted = Avatar(gradient(400, 400), settings, no_face, landmarks).fitted((100, 150))
    assert fitted.require_landmarks().jaw[0, 0] == pytest.approx((10, 15))
    assert fitted.require_face_boxes()[0] == pytest.approx((5, 5, 25, 25))


def test_a_box_says_which_face_of_a_cropped_picture_speaks(anna: Path) -> None:
    write_picture(anna / "picture.png", beside(portrait(), portrait(), portrait()))
    (anna / "avatar.yaml").write_text("crop: [512, 0, 1536, 512]\nface_box: [1200, 50, 1300, 174]")
    (box,) = load(anna).fitted((1024, 512)).require_face_boxes()
    assert box == pytest.approx((512 + 179, 50, 512 + 272, 184), abs=4)


def test_a_crop_that_reaches_beyond_the_picture_ends_with_it() -> None:
    settings = AvatarSettings(crop=(-50, 100, 1e9, 300))
    assert pixels(Avatar(gradient(400, 400), settings, no_face).fitted(None)).shape == (200, 400, 3)


@pytest.mark.parametrize("crop", ["[500, 500, 600, 600]", "[10, 10, 20, 390]", "[-9, -9, -2, -2]"])
def test_a_crop_that_leaves_next_to_nothing_is_refused(anna: Path, crop: str) -> None:
    write_picture(anna / "picture.png", gradient(400, 400))
    (anna / "avatar.yaml").write_text(f"crop: {crop}")
    assert "crop leaves" in refused(anna).message


def test_a_wide_frame_costs_little_memory() -> None:
    """Scaled whole before it is cut, this square picture would take 10 GB."""
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


# Pictures


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp"])
def test_every_format_is_read(anna: Path, ending: str) -> None:
    write_picture(anna / f"picture{ending}", gradient(120, 80))
    picture = picture_of(load(anna))
    assert picture.shape == (80, 120, 3)
    assert np.abs(picture.astype(int) - gradient(120, 80)).mean() < 4


@pytest.mark.parametrize(
    "picture",
    [
        np.full((80, 100), 128, np.uint8),
        np.full((80, 100), 128 * 257, np.uint16),
        np.full((80, 100, 3), 128 * 257, np.uint16),
        np.full((80, 100, 4), 128, np.uint8),
        np.full((80, 100, 4), 128 * 257, np.uint16),
    ],
    ids=["grey", "grey16", "rgb16", "rgba", "rgba16"],
)
def test_every_depth_is_read(anna: Path, picture: NDArray[Any]) -> None:
    write_picture(anna / "picture.png", picture)
    found = pixels(load(anna).fitted(None))
    assert found.shape == (80, 100, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - 128).max() <= 1


def test_a_turned_photo_stands_upright(anna: Path) -> None:
    upright = gradient(120, 80)
    (anna / "photo.jpg").write_bytes(jpeg_turned(np.ascontiguousarray(np.rot90(upright)), 6))
    picture = picture_of(load(anna))
    assert picture.shape == (80, 120, 3)
    assert np.abs(picture.astype(int) - upright).mean() < 4


def test_a_huge_picture_is_refused_before_it_is_decoded(anna: Path) -> None:
    (anna / "picture.png").write_bytes(png(16_384, 16_384))
    code = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from pipeline.avatars import Avatars\n"
        "from pipeline.config import Config\n"
        "from pipeline.errors import JobError\n"
        "avatars = Avatars(Config(base=Path(sys.argv[1])))\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()\n"
        "try:\n"
        "    avatars.load('anna')\n"
        "except JobError as error:\n"
        "    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "    print(error.code, error.field, more, time.monotonic() - start)\n"
    )
    argv = [sys.executable, "-W", "error", "-c", code, str(anna.parent.parent)]
    error, field, kilobytes, seconds = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert (error, field) == ("too_many_pixels", "avatar")
    assert int(kilobytes) < 30 * 1024
    assert float(seconds) < 1


@pytest.mark.parametrize("sides", [(7072, 7072), (10_000, 10_000), (13_000, 13_000), (20_000, 20_000), (100_000, 600)])
@pytest.mark.filterwarnings("error")
def test_pictures_over_the_limit_are_refused(anna: Path, sides: tuple[int, int]) -> None:
    (anna / "picture.png").write_bytes(png(*sides))
    error = refused(anna)
    assert error.code == "too_many_pixels"


def test_the_configured_limit_of_pixels_counts(anna: Path) -> None:
    (anna / "picture.png").write_bytes(png(100, 101, depth=8))
    assert picture_of(avatars_in(anna.parent.parent, picture_pixels=10_100).load("anna")).shape == (101, 100, 3)
    with pytest.raises(JobError) as caught:
        avatars_in(anna.parent.parent, picture_pixels=10_099).load("anna")
    assert caught.value.code == "too_many_pixels"


WHOLE_PNG = (PRESENTER / "picture.png").read_bytes()
BAD_PICTURES = {
    "text": b"Hello, I am no picture.\n" * 50,
    "ffconcat": b"ffconcat version 1.0\nfile /etc/hostname\nduration 1\n",
    "playlist": b"#EXTM3U\nhttp://127.0.0.1:9/a.png\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/hostname"/></svg>',
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n",
    "gif": b"GIF89a\x64\0\x64\0\0\0\0,\0\0\0\0\x64\0\x64\0\0\x02\x02D\x01\0;",
    "empty": b"",
    "random": np.random.default_rng(1).bytes(5000),
    "signature": WHOLE_PNG[:8],
    "signature and noise": WHOLE_PNG[:8] + np.random.default_rng(2).bytes(5000),
    "half a header": WHOLE_PNG[:20],
    "header only": WHOLE_PNG[:33],
    "truncated": WHOLE_PNG[: len(WHOLE_PNG) // 2],
    "no pixels": png(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", 0, 0)),
    "jpeg start": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "webp start": b"RIFF\x10\0\0\0WEBPVP8 ",
    "bmp start": b"BM" + bytes(20),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_what_is_no_picture_is_refused(anna: Path, name: str, ending: str) -> None:
    (anna / f"picture{ending}").write_bytes(BAD_PICTURES[name])
    error = refused(anna)
    assert error.code == "media"
    assert f"picture{ending}" in error.message


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp"])
def test_a_picture_cut_anywhere_is_refused(anna: Path, ending: str) -> None:
    file = anna / f"picture{ending}"
    write_picture(file, np.random.default_rng(3).integers(0, 255, (100, 100, 3), np.uint8))
    whole = file.read_bytes()
    for length in (1, 10, 25, 40, len(whole) // 3, len(whole) * 3 // 4):
        file.write_bytes(whole[:length])
        assert refused(anna).code == "media", length


def test_a_link_that_leads_nowhere_is_refused(anna: Path) -> None:
    (anna / "picture.png").symlink_to(anna / "gone.png")
    error = refused(anna)
    assert error.code == "media"
    assert "picture.png" in error.message


def test_a_link_to_a_picture_is_read_anew_when_its_target_changes(anna: Path) -> None:
    target = anna.parent.parent / "face.png"
    write_picture(target, gradient(100, 80))
    (anna / "picture.png").symlink_to(target)
    avatars = avatars_in(anna.parent.parent)
    assert picture_of(avatars.load("anna")).shape == (80, 100, 3)
    write_picture(target, gradient(120, 80))
    os.utime(target, ns=(1, 1))
    assert picture_of(avatars.load("anna")).shape == (80, 120, 3)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.timeout(20)
def test_a_picture_that_is_no_plain_file_is_refused(anna: Path, make: Any) -> None:
    make(anna / "picture.png")
    assert refused(anna).code == "media"


@pytest.mark.parametrize("pictures", [[], ["a.png", "b.jpg"]])
def test_there_must_be_one_picture(anna: Path, pictures: list[str]) -> None:
    for name in pictures:
        write_picture(anna / name, gradient(100, 100))
    error = refused(anna)
    assert (error.code, f"{len(pictures)} pictures" in error.message) == ("avatar", True)


# landmarks.json


def landmarks_with(**changes: Any) -> str:
    raw = json.loads((PRESENTER / "landmarks.json").read_text())
    return json.dumps({key: value for key, value in {**raw, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "invalid JSON"),
        ("{", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("9" * 5000, "invalid JSON"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("{}", "lips_outer"),
        (landmarks_with(jaw=None), "'jaw' is missing"),
        (landmarks_with(jaw=[]), "jaw has the shape [0] instead of [21, 2]"),
        (landmarks_with(jaw=[[1, 2]] * 20), "jaw has the shape [20, 2] instead of [21, 2]"),
        (landmarks_with(nose=[[1, 2, 3]] * 3), "nose has the shape [3, 3] instead of [3, 2]"),
        (landmarks_with(nose=[[1, 2], [1], [1, 2]]), "nose is not a list"),
        (landmarks_with(nose="nose"), "nose is not a list"),
        (landmarks_with(nose={"x": 1}), "nose is not a list"),
        (landmarks_with(nose=[["a", 2]] * 3), "nose is not a list"),
        (landmarks_with(nose=[[10**400, 2]] * 3), "nose"),
        (landmarks_with(nose=[[1e300, 2]] * 3), "nose has a point that is not a number"),
        (landmarks_with(nose=[[float("nan"), 2]] * 3), "nose has a point that is not a number"),
        (landmarks_with(left_eye=[[float("inf"), 2]] * 8), "left_eye has a point that is not a number"),
        (landmarks_with(left_eye=[[None, 2]] * 8), "left_eye"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_landmarks_are_refused(anna: Path, content: str, part: str) -> None:
    write_good_picture(anna)
    (anna / "landmarks.json").write_text(content)
    error = refused(anna)
    assert error.code == "avatar"
    assert "anna/landmarks.json" in error.message
    assert part in error.message


def test_landmarks_that_are_no_text_are_refused(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "landmarks.json").write_bytes(b"\xff\xfe\x00")
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("name", ["landmarks.json", "avatar.yaml"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("gone")])
@pytest.mark.timeout(20)
def test_a_text_file_that_is_no_plain_file_is_refused(anna: Path, name: str, make: Any) -> None:
    write_good_picture(anna)
    make(anna / name)
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("name", ["presenter", "host"])
def test_the_landmarks_of_the_built_in_avatars_are_as_documented(name: str) -> None:
    landmarks = FaceLandmarks.load(BUILT_IN_FOLDER / name / "landmarks.json")
    for contour, indices in CONTOURS.items():
        assert getattr(landmarks, contour).shape == (len(indices), 2)
    assert set(vars(landmarks)) == set(CONTOURS)


# avatar.yaml


@pytest.mark.parametrize(
    ("content", "part", "hint"),
    [
        ("- size\n- 720x720", "list", "size: 720x720"),
        ("hello", "str", "size: 720x720"),
        ("[]", "list", "size: 720x720"),
        ("sise: 720x720", "'sise'", "'size'"),
        ("facebox: [1, 2, 3, 4]", "'facebox'", "'face_box'"),
        ("1: 2", "'1'", "known: "),
        ("size: 720", "size", ""),
        ("size: [", "invalid YAML", ""),
        ("day: 2024-99-99", "invalid YAML", ""),
        ("[" * 5000, "invalid YAML", ""),
        ("face_box: [1, 2, 3]", "face_box", ""),
        ("face_box: [.nan, 2, 3, 4]", "face_box", ""),
        ("face_box: [1, 2, .inf, 4]", "face_box", ""),
        ("face_box: [3, 4, 1, 2]", "face_box", ""),
        ("pads: [0, 0, 0, 99999999999999999999]", "pads", ""),
        ("blend: smooth", "blend", ""),
    ],
)
def test_bad_settings_are_refused(anna: Path, content: str, part: str, hint: str) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text(content)
    error = refused(anna)
    assert error.code == "avatar"
    assert "anna/avatar.yaml" in error.message
    assert part in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# " + b"a" * 2_000_000])
def test_settings_that_are_no_small_text_are_refused(anna: Path, content: bytes) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_bytes(content)
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}", "null"])
def test_empty_settings_are_the_defaults(anna: Path, content: str) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text(content)
    assert load(anna).settings == AvatarSettings()


# The folder of avatars


def test_hidden_entries_and_plain_files_are_no_avatars(anna: Path) -> None:
    for name in (".git", "_drafts"):
        (anna.parent / name).mkdir()
    for name in (".DS_Store", "readme.txt", "picture.png"):
        (anna.parent / name).write_text("a")
    (anna.parent / "dangling").symlink_to("gone")
    assert avatars_in(anna.parent.parent).names() == ["anna", "host", "presenter"]


def test_hidden_files_in_an_avatar_are_passed_over(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "._picture.png").write_bytes(b"\0\5\x16\7")
    (anna / ".DS_Store").write_bytes(b"a")
    (anna / "dangling").symlink_to("gone")
    assert picture_of(load(anna)).shape == (100, 100, 3)


@pytest.mark.parametrize("what", ["missing", "file", "dangling"])
def test_without_a_folder_of_avatars_the_built_in_ones_remain(tmp_path: Path, what: str) -> None:
    if what == "file":
        (tmp_path / "avatars").write_text("a")
    elif what == "dangling":
        (tmp_path / "avatars").symlink_to("gone")
    avatars = avatars_in(tmp_path)
    assert avatars.names() == ["host", "presenter"]
    assert avatars.load("presenter").own_landmarks is not None
    with pytest.raises(JobError) as caught:
        avatars.load("anna")
    assert (caught.value.code, caught.value.field, caught.value.hint) == (
        "avatar",
        "avatar",
        "avatars: host, presenter",
    )


def raise_permission_error(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_an_unreadable_folder_of_avatars_has_none(anna: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the root user, whom these tests may run as, never meets: the system call is made to refuse."""
    avatars = avatars_in(anna.parent.parent)
    monkeypatch.setattr(Path, "iterdir", raise_permission_error)
    assert avatars.names() == []
    assert refused(anna).code == "avatar"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o000, 0o100, 0o400])
def test_a_folder_of_avatars_without_rights(anna: Path, mode: int) -> None:
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
    assert Avatars(config).names() == ["carl", "host", "presenter"]
    assert pixels(Avatars(config).load("carl").fitted(None)).shape == (720, 720, 3)


@pytest.mark.parametrize("name", ["nobody", "a\0b", "x" * 5000])
def test_an_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JobError) as caught:
        avatars_in(tmp_path).load(name)
    assert caught.value.code == "avatar"
