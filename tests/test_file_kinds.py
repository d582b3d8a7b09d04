"""What an avatar's file is, judged by its content: every kind that is read, and every kind that is refused by name."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.avatars.folder import require_media
from pipeline.avatars.video import VideoSource
from pipeline.errors import JobError
from pipeline.media import pictures
from pipeline.media.pictures import Look
from tests.clips import write_clip
from tests.members import few, members, slow, soaking
from tests.pictures import avatars_in, gradient, load, picture_of, refused
from tests.test_recordings import KINDS, harmed

pillow_heif.register_heif_opener()

COLUMNS, ROWS = 128, 96
PICTURE = gradient(COLUMNS, ROWS)
PICTURES = {
    **{"JPEG": "jfif", "GIF": "gif", "TIFF": "tif", "JPEG2000": "jp2", "BMP": "bmp", "WEBP": "webp", "PNG": "png"},
    **{"AVIF": "avif", "HEIF": "heic"},
}
"""Pillow's names of formats, and a usual ending."""
NAMED = {"usual": ".{}", "wrong": ".mp4", "none": ""}


@pytest.mark.parametrize(
    ("form", "name"),
    few([(form, name) for form in PICTURES for name in NAMED], *((form, "wrong") for form in PICTURES)),
)
def test_every_kind_of_picture_is_read_whatever_its_name(form: str, name: str, anna: Path) -> None:
    ending = NAMED[name].format(PICTURES[form])
    Image.fromarray(PICTURE).save(anna / f"photo{ending}", format=form)
    found = picture_of(load(anna))
    assert found.shape == PICTURE.shape
    assert np.abs(found.astype(int) - PICTURE).mean() < (12 if form == "GIF" else 5)


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "LAB", "I;16", "P", "YCbCr"])
def test_every_mode_of_a_tiff_is_read(mode: str, anna: Path) -> None:
    grey = Image.new("L", (COLUMNS, ROWS), 255)
    picture = (
        Image.new("LAB", grey.size, (255, 128, 128)) if mode == "LAB" else grey.convert("L" if mode == "I;16" else mode)
    )
    if mode == "I;16":
        picture = Image.fromarray(np.full((ROWS, COLUMNS), 65535, np.uint16))
    picture.save(anna / "photo.tiff")
    assert picture_of(load(anna)).min() >= 253


def test_a_tiffs_first_page_is_read(anna: Path) -> None:
    first, second = (Image.new("RGB", (COLUMNS, ROWS), colour) for colour in ("red", "blue"))
    first.save(anna / "scan.tiff", save_all=True, append_images=[second])
    assert (picture_of(load(anna)) == (255, 0, 0)).all()


@pytest.mark.parametrize("form", ["TIFF", "WEBP", "PNG", "AVIF", "JPEG"])
def test_every_kind_of_picture_is_turned_upright(form: str, anna: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(PICTURE))).save(anna / "photo", format=form, exif=exif)
    found = picture_of(load(anna))
    assert found.shape == PICTURE.shape
    assert np.abs(found.astype(int) - PICTURE).mean() < 5


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_picture_that_lies_on_its_side_is_rotated(degrees: int, anna: Path) -> None:
    lying = Image.fromarray(PICTURE).rotate(degrees, expand=True)  # Pillow turns anticlockwise
    lying.save(anna / "photo.png")
    (anna / "avatar.yaml").write_text(f"rotate: {degrees}")
    assert (picture_of(load(anna)) == PICTURE).all()


# Animations


def ramp(count: int) -> list[Image.Image]:
    """Frames that become lighter."""
    return [Image.new("RGB", (COLUMNS, ROWS), (20 * index, 20 * index, 20 * index)) for index in range(count)]


def clip_of(anna: Path, **limits: int) -> list[int]:
    """The lightness of each frame, 0 to 255, at the video's own constant rate."""
    scene: Any = avatars_in(anna.parent.parent, **limits).load("anna").fitted(None).scene
    return [round((int(scene.read(index)[0, 0]) - 16) * 255 / 219) for index in range(scene.frames)]


@pytest.mark.parametrize("form", members(["GIF", "PNG", "WEBP", "AVIF"], "GIF", "WEBP"))
def test_each_frame_of_an_animation_is_shown_at_its_own_time(form: str, anna: Path) -> None:
    by_form: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    options = by_form.get(form, {})
    first, *others = ramp(4)
    file = anna / "moving.bin"
    first.save(file, format=form, save_all=True, append_images=others, duration=[40, 40, 120, 80], **options)
    source = load(anna).source
    assert isinstance(source, VideoSource)
    assert (source.rate, source.sides) == (Fraction(25), (COLUMNS, ROWS))
    assert clip_of(anna) == pytest.approx([0, 20, 40, 40, 40, 60, 60], abs=3)


def test_frames_without_a_length_are_shown_as_in_a_browser(anna: Path) -> None:
    first, *others = ramp(3)
    first.save(anna / "moving.gif", save_all=True, append_images=others, duration=0)
    assert len(clip_of(anna)) == 3
    source = load(anna).source
    assert isinstance(source, VideoSource) and source.rate == 10


@pytest.mark.parametrize("form", members(["GIF", "PNG", "WEBP"], "GIF"))
def test_transparent_frames_are_laid_over_one_colour(form: str, anna: Path) -> None:
    clear = [Image.new("RGBA", (COLUMNS, ROWS), (9 * index, 0, 0, 0)) for index in range(3)]
    for index, frame in enumerate(clear):
        frame.paste((0, 0, 255, 255), (index, 40, COLUMNS, ROWS))
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    clear[0].save(anna / "a", format=form, save_all=True, append_images=clear[1:], duration=40, disposal=2, **options)
    (anna / "avatar.yaml").write_text("background: '#808080'")
    assert clip_of(anna) == pytest.approx([128] * 3, abs=2)


def test_one_frame_is_a_picture(anna: Path) -> None:
    Image.fromarray(PICTURE).save(anna / "a.gif")
    assert not load(anna).moves


def gif(frames: int, columns: int, rows: int) -> bytes:
    """A GIF of tiny frames on a canvas of any size."""
    frame = b"\x21\xf9\x04\0\x02\0\0\0" + b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0"
    header = b"GIF89a" + struct.pack("<HH", columns, rows) + b"\x80\0\0" + bytes(6)
    return header + frame * frames + b";"


@pytest.mark.parametrize(
    ("frames", "sides", "code"),
    [(100_000, (64, 64), "too_long"), (2, (65_000, 65_000), "too_many_pixels"), (7000, (64, 64), "too_long")],
)
def test_bombs_of_frames_are_refused(frames: int, sides: tuple[int, int], code: str, anna: Path) -> None:
    (anna / "bomb.gif").write_bytes(gif(frames, *sides))
    assert refused(anna).code == code


def heic_of(columns: int, rows: int) -> bytes:
    """A HEIC whose header claims a size."""
    content = io.BytesIO()
    Image.fromarray(PICTURE).save(content, format="HEIF")
    data = bytearray(content.getvalue())
    for at in (match.start() for match in re.finditer(b"ispe", bytes(data))):
        struct.pack_into(">II", data, at + 8, columns, rows)
    return bytes(data)


def test_a_heic_that_claims_to_be_huge_is_refused(anna: Path) -> None:
    (anna / "photo.heic").write_bytes(heic_of(60_000, 60_000))
    assert refused(anna).code in ("too_many_pixels", "media")


def damaged(whole: bytes, noise: np.random.Generator) -> bytes:
    """Data that is cut off, and wrong in four places."""
    data = bytearray(whole[: int(noise.integers(1, len(whole) + 1))])
    for at in noise.integers(0, len(data), 4):
        data[at] = noise.integers(0, 256)
    return bytes(data)


@pytest.mark.parametrize("form", PICTURES)
def test_damaged_pictures_are_refused_or_shown(form: str, anna: Path) -> None:
    """Pillow's decoders raise anything; a job must only ever see the error of its file."""
    content, noise = io.BytesIO(), np.random.default_rng(5)
    Image.fromarray(PICTURE).save(content, format=form)
    file = anna / f"photo.{PICTURES[form]}"
    for number in range(15):
        file.write_bytes(damaged(content.getvalue(), noise))
        try:
            if number < 2:
                load(anna)
            else:  # without the process of its own, which takes longer than such a picture
                pictures.read(file, require_media(file), 10**6, Look())
        except JobError as error:
            assert error.code in ("media", "too_many_pixels")


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_damaged_animations_are_refused_or_shown(form: str, anna: Path) -> None:
    content, noise = io.BytesIO(), np.random.default_rng(6)
    first, *others = [Image.fromarray(np.roll(PICTURE, 4 * index, 1)) for index in range(6)]
    first.save(content, format=form, save_all=True, append_images=others, duration=40)
    for _ in range(4):
        (anna / f"a.{form.lower()}").write_bytes(damaged(content.getvalue(), noise))
        try:
            if load(anna).moves:
                assert 0 < len(clip_of(anna, avatar_seconds=CLIP_SECONDS_MAX)) <= CLIP_FRAMES_MAX
        except JobError as error:
            assert error.code in ("media", "too_many_pixels", "too_long", "avatar")


# Refused by name

REFUSED = {
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "Photoshop": b"8BPS\0\1" + bytes(20),
    "PDF": b"%PDF-1.7\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF",
    "icon": b"\0\0\1\0\1\0\x20\x20\0\0",
    "RAW": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 50706, 1, 4, 1) + bytes(4),
    "RAW ": b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
    "RAW  ": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "floating-point": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 339, 3, 1, 3) + bytes(4),
    "floating-point ": b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIIIHHH", 339, 3, 3, 26, 0, 3, 3, 3),
    "JPEG XL": b"\xff\x0a" + bytes(20),
    "web page": b"<!DOCTYPE html><html>",
    "archive": b"PK\3\4" + bytes(30),
    "playlist": b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "sound": b"RIFF\x24\0\0\0WAVEfmt ",
    "GIMP": b"gimp xcf v011\0",
    "OpenEXR": b"v/1\x01" + bytes(20),
    "Netpbm": b"P6\n4 4\n255\n" + bytes(48),
    "Netpbm ": b"PF\n4 4\n-1.0\n" + bytes(192),
    "Targa": bytes((0, 0, 2)) + bytes(9) + bytes((4, 0, 4, 0, 24, 0x20)) + bytes(48),
    "Targa ": bytes((0, 1, 9, 0, 0, 0, 1, 24)) + bytes(4) + bytes((4, 0, 4, 0, 8, 0x20)) + bytes(800),
    "DPX": b"SDPX" + bytes(60),
    "SGI": b"\x01\xda\x01\x01\0\x03" + bytes(60),
    "Sun raster": b"\x59\xa6\x6a\x95" + bytes(60),
    "XBM": b"#define photo_width 16\n#define photo_height 16\n",
    "JPEG XR": b"II\xbc\x01" + bytes(60),
    "raw DV": b"\x1f\x07\0\xbf" + bytes(60),
    "NUT": b"nut/multimedia container\0" + bytes(60),
    "bare video stream": b"\x12\0\x0a\x0a\0\0\0\x01" + bytes(60),
    "empty": b"",
}


@pytest.mark.parametrize("ending", ["own", "jpg", "mp4"])
@pytest.mark.parametrize("format_name", REFUSED)
def test_what_is_refused_is_named(format_name: str, ending: str, anna: Path) -> None:
    (anna / f"photo.{ending}").write_bytes(REFUSED[format_name])
    error = refused(anna)
    assert error.code == "media"
    assert format_name.strip() in error.message
    assert f"photo.{ending}" in error.message


def test_a_file_of_no_known_format_is_named(anna: Path) -> None:
    (anna / "avatar.yaml").write_text("rotate: 90")
    (anna / "photo.xyz").write_bytes(b"\x93" * 99)
    assert refused(anna).message == "photo.xyz is not a picture or a video"


def test_notes_and_documents_beside_a_picture_do_not_matter(anna: Path) -> None:
    Image.fromarray(PICTURE).save(anna / "photo.heic")
    (anna / "photo.psd").write_bytes(REFUSED["Photoshop"])
    (anna / "notes.txt").write_text("Anna, in May")
    assert picture_of(load(anna)).shape == PICTURE.shape


# Videos

CONTAINERS: dict[str, tuple[str, ...]] = {
    "ts": ("-c:v", "mpeg2video", "-q:v", "2"),
    "m2ts": ("-c:v", "libx264"),
    "wmv": ("-c:v", "wmv2", "-q:v", "2"),
    "flv": ("-c:v", "flv", "-q:v", "2"),
    "3gp": ("-c:v", "libx264"),
    "mpg": ("-c:v", "mpeg1video", "-q:v", "2"),
    "vob": ("-c:v", "mpeg2video", "-q:v", "2"),
    "ogv": ("-c:v", "libtheora", "-q:v", "9"),
    "mov": ("-c:v", "prores_ks"),
    "avi": ("-c:v", "msmpeg4", "-q:v", "2"),
}


@pytest.mark.parametrize(
    "ending", ["mov", *map(slow, ("ts", "wmv", "ogv")), *map(soaking, ("m2ts", "flv", "3gp", "mpg", "vob", "avi"))]
)
def test_every_container_is_read(ending: str, anna: Path) -> None:
    frames = [np.full((ROWS, COLUMNS, 3), 40 + 15 * index, np.uint8) for index in range(10)]
    write_clip(
        anna / f"a.{ending}", frames, "-pix_fmt", "yuv420p" if ending != "mov" else "yuv422p10", *CONTAINERS[ending]
    )
    assert clip_of(anna) == pytest.approx([40 + 15 * index for index in range(10)], abs=8)


CLIP_SECONDS_MAX, CLIP_FRAMES_MAX = 10, 11 * 60
DAMAGED = ("mp4", "mov", "webm", "mkv", "ts", "avi")
damage = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS), "place": st.floats(0, 1), "share": st.floats(0, 0.5), "seed": st.integers(0, 999)}
)


@pytest.fixture(scope="module")
def whole_clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A clip of 12 frames in each container."""
    folder, frames = tmp_path_factory.mktemp("whole"), [np.roll(PICTURE, 4 * index, 1) for index in range(12)]
    pixels = {"mov": "yuv422p10"}
    return {
        ending: write_clip(
            folder / f"a.{ending}", frames, "-pix_fmt", pixels.get(ending, "yuv420p"), *CONTAINERS.get(ending, ())
        ).read_bytes()
        for ending in DAMAGED
    }


def check_damaged_clip(ending: str, whole: bytes, anna: Path, *, place: float, share: float, **how: Any) -> None:
    """It is refused as what it is, or shown, within its limits of length and time, whatever its headers claim."""
    for earlier in anna.iterdir():
        earlier.unlink()
    data = harmed(whole, start=round(place * (len(whole) - 1)), count=1 + round(share * len(whole)), **how)
    (anna / f"a.{ending}").write_bytes(data)
    began = time.monotonic()
    try:
        assert 0 < len(clip_of(anna, avatar_seconds=CLIP_SECONDS_MAX)) <= CLIP_FRAMES_MAX
    except JobError as error:
        assert error.code in ("media", "too_many_pixels", "too_long")
    assert time.monotonic() - began < 60


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ending=st.sampled_from(DAMAGED), damage=damage)
def test_damaged_clips_are_refused_or_shown(
    ending: str, damage: dict[str, Any], whole_clips: dict[str, bytes], anna: Path
) -> None:
    check_damaged_clip(ending, whole_clips[ending], anna, **damage)


@pytest.mark.soak
@pytest.mark.parametrize("ending", DAMAGED)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damage)
def test_much_damaged_clips_are_refused_or_shown(
    ending: str, damage: dict[str, Any], whole_clips: dict[str, bytes], anna: Path
) -> None:
    check_damaged_clip(ending, whole_clips[ending], anna, **damage)


def test_a_cover_is_not_the_video(anna: Path, tmp_path: Path) -> None:
    """It is the first stream here, as in files of some shops."""
    video = write_clip(tmp_path / "a.mp4", [np.full((ROWS, COLUMNS, 3), 120, np.uint8)] * 3, "-pix_fmt", "yuv420p")
    Image.fromarray(PICTURE).save(tmp_path / "cover.png")
    argv = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "cover.png"), "-i", str(video), "-map", "0", "-map", "1"]
    argv += ["-c", "copy", "-disposition:v:0", "attached_pic", str(anna / "a.mp4")]
    subprocess.run(argv, check=True)
    assert clip_of(anna) == pytest.approx([120] * 3, abs=3)
