"""Files of an avatar's folder: pictures, landmarks.json and avatar.yaml, all untrusted."""

from __future__ import annotations

import json
import os
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

from pipeline.avatars import BUILT_IN_FOLDER, AvatarSettings, FaceLandmarks
from pipeline.avatars.landmarks import CONTOURS
from pipeline.avatars.settings import FORMATS
from pipeline.errors import JobError
from tests.members import few
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


def png(columns: int, rows: int, *, depth: int = 1) -> bytes:
    """A complete black greyscale PNG: 16k x 16k pixels take about 30 kB, and are never held in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = bytes(1 + (columns * depth + 7) // 8)
    data = b"".join(packer.compress(line) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", columns, rows, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def rotated_jpeg(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    data = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


# Pictures


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp"])
def test_every_format_is_read(anna: Path, ending: str) -> None:
    write_picture(anna / f"picture{ending}", gradient(120, 80))
    picture = picture_of(load(anna))
    assert picture.shape == (80, 120, 3)
    assert np.abs(picture.astype(int) - gradient(120, 80)).mean() < 4


@pytest.mark.parametrize(
    ("picture", "shown"),
    [
        (np.full((80, 100), 128, np.uint8), 128),
        (np.full((80, 100), 128 * 257, np.uint16), 128),
        (np.full((80, 100, 3), 128 * 257, np.uint16), 128),
        (np.full((80, 100, 4), 128, np.uint8), 191),
        (np.full((80, 100, 4), 128 * 257, np.uint16), 191),
    ],
    ids=["grey", "grey16", "rgb16", "rgba", "rgba16"],
)
def test_every_depth_is_read(anna: Path, picture: NDArray[Any], shown: int) -> None:
    """Transparent ones are laid over white."""
    write_picture(anna / "picture.png", picture)
    found = pixels(load(anna).fitted(None))
    assert found.shape == (80, 100, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - shown).max() <= 1


def test_a_rotated_photo_is_turned_upright(anna: Path) -> None:
    upright = gradient(120, 80)
    (anna / "photo.jpg").write_bytes(rotated_jpeg(np.ascontiguousarray(np.rot90(upright)), 6))
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
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "try:\n"
        "    avatars.load('anna')\n"
        "except JobError as error:\n"
        "    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "    print(error.code, error.field, more, time.process_time() - start)\n"
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


def test_the_pixel_limit_is_configurable(anna: Path) -> None:
    (anna / "picture.png").write_bytes(png(100, 101, depth=8))
    assert picture_of(avatars_in(anna.parent.parent, picture_pixels=10_100).load("anna")).shape == (101, 100, 3)
    with pytest.raises(JobError) as caught:
        avatars_in(anna.parent.parent, picture_pixels=10_099).load("anna")
    assert caught.value.code == "too_many_pixels"


WHOLE_PNG = (PRESENTER / "picture.png").read_bytes()
BAD_PICTURES = {
    "text": b"Hello, I am not a picture.\n" * 50,
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
@pytest.mark.parametrize("ending", few([".png", ".jpg"], ".jpg"))
def test_a_file_that_is_not_a_picture_is_refused(anna: Path, name: str, ending: str) -> None:
    (anna / f"picture{ending}").write_bytes(BAD_PICTURES[name])
    error = refused(anna)
    assert error.code == "media"
    assert f"picture{ending}" in error.message


@pytest.mark.parametrize("ending", few([".png", ".jpg", ".webp", ".bmp"], ".jpg"))
def test_a_truncated_picture_is_refused(anna: Path, ending: str) -> None:
    file = anna / f"picture{ending}"
    write_picture(file, np.random.default_rng(3).integers(0, 255, (100, 100, 3), np.uint8))
    whole = file.read_bytes()
    for length in (1, 10, 25, 40, len(whole) // 3, len(whole) * 3 // 4):
        file.write_bytes(whole[:length])
        assert refused(anna).code == "media", length


def test_a_dangling_link_is_refused(anna: Path) -> None:
    (anna / "picture.png").symlink_to(anna / "gone.png")
    error = refused(anna)
    assert error.code == "media"
    assert "picture.png" in error.message


def test_a_linked_picture_is_reloaded_when_its_target_changes(anna: Path) -> None:
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
def test_a_picture_that_is_not_a_regular_file_is_refused(anna: Path, make: Any) -> None:
    make(anna / "picture.png")
    assert refused(anna).code == "media"


@pytest.mark.parametrize("pictures", [[], ["a.png", "b.jpg"]])
def test_there_must_be_exactly_one_picture(anna: Path, pictures: list[str]) -> None:
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
    assert "jaw (21)" in (error.hint or ""), "the hint has the format"


def test_landmarks_that_are_not_text_are_refused(anna: Path) -> None:
    write_good_picture(anna)
    (anna / "landmarks.json").write_bytes(b"\xff\xfe\x00")
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("name", ["landmarks.json", "avatar.yaml"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("gone")])
@pytest.mark.timeout(20)
def test_a_text_file_that_is_not_a_regular_file_is_refused(anna: Path, name: str, make: Any) -> None:
    write_good_picture(anna)
    make(anna / name)
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("name", ["presenter", "host", "guide", "expert"])
def test_the_built_in_avatars_have_all_landmarks(name: str) -> None:
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
        ("beyond_crop: maybe", "beyond_crop", "true or false"),
        ("size: 720", "size", "WIDTHxHEIGHT"),
        ("size: [", "invalid YAML", "idle_motion"),
        ("day: 2024-99-99", "invalid YAML", ""),
        ("[" * 5000, "invalid YAML", ""),
        ("face_box: [1, 2, 3]", "face_box", "[x1, y1, x2, y2] in pixels"),
        ("face_box: [.nan, 2, 3, 4]", "face_box", ""),
        ("face_box: [1, 2, .inf, 4]", "face_box", ""),
        ("face_box: [3, 4, 1, 2]", "face_box", "x1 < x2"),
        ("pads: [0, 0, 0, 99999999999999999999]", "pads.3", "[top, bottom, left, right]"),
        ("blend: smooth", "blend", "feather or paste"),
        ("no_face: skip", "no_face", "hold, interpolate, passthrough or fail"),
        ("silence_gate: 2", "silence_gate", "auto, on or off"),
        ("idle_motion: wild", "idle_motion", "off, calm or lively"),
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


def test_hints_cover_every_setting() -> None:
    assert list(FORMATS) == list(AvatarSettings.model_fields)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# " + b"a" * 2_000_000])
def test_settings_that_are_not_a_small_text_are_refused(anna: Path, content: bytes) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_bytes(content)
    assert refused(anna).code == "avatar"


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}", "null"])
def test_empty_settings_are_the_defaults(anna: Path, content: str) -> None:
    write_good_picture(anna)
    (anna / "avatar.yaml").write_text(content)
    assert load(anna).settings == AvatarSettings()
