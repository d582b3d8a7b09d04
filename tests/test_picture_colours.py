"""The colours of pictures, compared with what the colour spaces' definitions give."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from pipeline.media.colour_spaces import HLG, PQ, ColourSpace
from pipeline.media.colours import picture_to_srgb
from tests.colour_profiles import cmyk_profile, grey_profile, rgb_profile, srgb_of
from tests.members import few
from tests.pictures import load, picture_of

pillow_heif.register_heif_opener()

PATCHES = np.array(
    [(200, 60, 40), (40, 160, 60), (50, 70, 180), (224, 172, 150), (120, 90, 80), (128, 128, 128), (250, 250, 250)],
    np.uint8,
)
SIDE = 16


def picture(patches: NDArray[Any] = PATCHES) -> NDArray[Any]:
    """Squares side by side, high enough for a frame."""
    return np.repeat(np.repeat(patches[None], SIDE, 1), 96, 0)


def shown(anna: Path, settings: str = "") -> NDArray[np.float64]:
    """The colour in the middle of each square."""
    (anna / "avatar.yaml").write_text(settings)
    pixels = picture_of(load(anna)).astype(np.float64)
    return np.asarray(pixels[48, SIDE // 2 :: SIDE])


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
@pytest.mark.parametrize("ending", few(["png", "jpg", "webp", "tiff", "avif", "heic"], "jpg", "heic"))
def test_a_photos_profile_is_applied(space: str, ending: str, anna: Path) -> None:
    by_ending: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    options = by_ending.get(ending, {})
    if ending in ("avif", "heic"):
        options = {"quality": 100, "subsampling": "4:4:4"}
    Image.fromarray(picture()).save(anna / f"a.{ending}", icc_profile=rgb_profile(space), **options)
    expected = srgb_of(PATCHES / 255, space)
    limit = 2.0 if ending in ("png", "webp", "tiff") else 6.0
    assert np.abs(shown(anna) - expected).max() <= limit
    assert np.abs(expected - PATCHES).max() > 15, "the profile matters"


def test_a_profile_is_applied_to_16_bits(anna: Path) -> None:
    cv2.imwrite(str(anna / "a.tiff"), picture()[..., ::-1].astype(np.uint16) * 257)
    with Image.open(anna / "a.tiff") as found:
        assert found.tag_v2[258] == (16, 16, 16)  # type: ignore[attr-defined]
    data = with_profile((anna / "a.tiff").read_bytes(), rgb_profile("ProPhoto"))
    (anna / "a.tiff").write_bytes(data)
    assert np.abs(shown(anna) - srgb_of(PATCHES / 255, "ProPhoto")).max() <= 2


def with_profile(tiff: bytes, icc: bytes) -> bytes:
    """A little-endian TIFF whose directory has moved to the end and names a profile."""
    at = struct.unpack_from("<I", tiff, 4)[0]
    count = struct.unpack_from("<H", tiff, at)[0]
    entries = tiff[at + 2 : at + 2 + 12 * count]
    data = tiff[:4] + struct.pack("<I", len(tiff) + len(icc)) + tiff[8:] + icc
    return (
        data + struct.pack("<H", count + 1) + entries + struct.pack("<HHII", 34675, 7, len(icc), len(tiff)) + bytes(4)
    )


def test_a_grey_profile_is_applied(anna: Path) -> None:
    grey = np.arange(20, 250, 30, dtype=np.uint8)
    Image.fromarray(picture(grey)).save(anna / "a.png", icc_profile=grey_profile(1.0))
    light = grey[:, None] / 255
    assert np.abs(shown(anna) - (1.055 * light ** (1 / 2.4) - 0.055) * 255).max() <= 1


def test_a_profile_of_inks_is_applied(anna: Path) -> None:
    inks = np.array([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 128)], np.uint8)
    Image.fromarray(picture(inks), "CMYK").save(anna / "a.tiff", icc_profile=cmyk_profile())
    found = shown(anna)
    assert np.ptp(found, axis=1).max() <= 2, "all of these inks are grey in the profile"
    assert found[0].min() > 250 and found[1].min() > 250
    assert found[2].max() < found[3].max() < 200


@pytest.mark.parametrize("icc", [b"broken", b"", rgb_profile("Adobe RGB")[:200], grey_profile(1.0)])
def test_a_profile_that_does_not_fit_is_ignored(icc: bytes, anna: Path) -> None:
    Image.fromarray(picture()).save(anna / "a.png", icc_profile=icc)
    assert (shown(anna) == PATCHES).all()


@pytest.mark.parametrize(
    ("gamma", "is_srgb", "expected"), [(1.0, False, 167), (1 / 1.8, False, 119), (1.0, True, 100), (1e-5, False, 100)]
)
def test_a_pngs_gamma_is_applied_unless_it_is_in_srgb(gamma: float, is_srgb: bool, expected: int, anna: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    if is_srgb:
        chunks.add(b"sRGB", b"\0")
    Image.new("L", (64, 64), 100).save(anna / "photo.png", pnginfo=chunks)
    assert picture_of(load(anna))[32, 32] == pytest.approx(expected, abs=1)


CICP_SRGB, CICP_P3, CICP_IGNORED = bytes([1, 13, 0, 1]), bytes([12, 13, 0, 1]), bytes([2, 2, 0, 1])


@pytest.mark.parametrize("beside", ["gAMA", "iCCP", "iCCP and sRGB"])
@pytest.mark.parametrize(("codes", "space"), [(CICP_SRGB, None), (CICP_P3, "Display P3")])
def test_a_pngs_numbers_override_all_else(beside: str, codes: bytes, space: str | None, anna: Path) -> None:
    save_png(anna, beside, codes)
    expected = PATCHES if space is None else srgb_of(PATCHES / 255, space)
    # The reference has a plain exponent, which sRGB's transfer function differs from by less than this.
    assert np.abs(shown(anna) - expected).max() <= (0 if space is None else 11)


@pytest.mark.parametrize("codes", [CICP_IGNORED, bytes([1, 3, 0, 1]), bytes([1, 13, 6, 1])])
def test_a_pngs_numbers_that_mean_nothing_are_ignored(codes: bytes, anna: Path) -> None:
    save_png(anna, "iCCP", codes)
    assert np.abs(shown(anna) - srgb_of(PATCHES / 255, "Adobe RGB")).max() <= 2


def save_png(anna: Path, beside: str, codes: bytes) -> None:
    """Save the patches with `cICP` and what else says how colours are meant."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"cICP", codes)
    if beside == "gAMA":
        chunks.add(b"gAMA", struct.pack(">I", 100_000))
    if "sRGB" in beside:
        chunks.add(b"sRGB", b"\0")
    profile = rgb_profile("Adobe RGB") if "iCCP" in beside else None
    Image.fromarray(picture()).save(anna / "a.png", pnginfo=chunks, icc_profile=profile)


def test_a_cameras_mark_of_adobe_rgb_is_read(anna: Path) -> None:
    """Each of the three directories has one entry, which leads to the next."""
    directories = (0x8769, 4, 1, 26), (0xA005, 4, 1, 44), (0x0001, 2, 4, int.from_bytes(b"R03\0"))
    entries = (struct.pack(">HHHII", 1, tag, kind, count, value) + bytes(4) for tag, kind, count, value in directories)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + b"".join(entries)
    Image.fromarray(picture()).save(anna / "a.jpg", quality=100, subsampling=0, exif=exif)
    with Image.open(anna / "a.jpg") as found:
        assert found.getexif().get_ifd(0xA005).get(1) == "R03"
    # A camera's transfer function differs from sRGB's by less than this.
    assert np.abs(shown(anna) - srgb_of(PATCHES / 255, "Adobe RGB")).max() <= 8


@pytest.mark.parametrize("space", [PQ, HLG])
def test_high_dynamic_range_keeps_white_and_grey(space: str) -> None:
    """Diffuse white, 203 cd/m², is 58 % of PQ and 75 % of HLG (BT.2408), and is nearly white here; greys stay grey."""
    white = {PQ: 0.5806, HLG: 0.75}[space]
    levels = np.rint(np.array([0, white / 2, white, 1]) * 255).astype(np.uint8)
    grey = np.repeat(levels[None, :, None], 3, 2)
    found = picture_to_srgb(grey, ColourSpace("bt2020", space))[0].astype(int)
    assert np.ptp(found, axis=1).max() <= 1
    assert found[0].max() == 0 and found[-1].min() == 255
    assert 220 <= found[2].min() <= 250
    assert 40 <= found[1].min() <= 140


# Transparency

HOLES = np.array([255, 0, 255, 0, 128, 255, 0], np.uint8)


def over(background: tuple[int, int, int]) -> NDArray[np.float64]:
    opacity = HOLES[:, None] / 255
    return np.asarray(PATCHES * opacity + np.array(background) * (1 - opacity))


@pytest.mark.parametrize(("settings", "colour"), [("", (255, 255, 255)), ("background: '#20c040'", (32, 192, 64))])
@pytest.mark.parametrize("ending", ["png", "webp", "tiff", "avif", "heic"])
def test_transparent_pictures_are_laid_over_one_colour(
    ending: str, settings: str, colour: tuple[int, int, int], anna: Path
) -> None:
    rgba = np.concatenate([picture(), picture(HOLES)[..., None]], -1)
    options: dict[str, Any] = {"png": {}, "tiff": {}, "webp": {"lossless": True, "exact": True}}.get(
        ending, {"quality": 100}
    )
    Image.fromarray(rgba).save(anna / f"a.{ending}", **options)
    limit = 1 if ending in ("png", "webp", "tiff") else 8
    assert np.abs(shown(anna, settings) - over(colour)).max() <= limit


@pytest.mark.parametrize("ending", ["png", "gif"])
def test_transparent_palettes_are_laid_over_one_colour(ending: str, anna: Path) -> None:
    indices = np.arange(len(PATCHES), dtype=np.uint8)
    indexed = Image.fromarray(picture(indices), "P")
    indexed.putpalette(PATCHES.tobytes())
    indexed.save(anna / f"a.{ending}", transparency=1)
    expected = PATCHES.astype(float)
    expected[1] = (255, 0, 0)
    assert (shown(anna, "background: '#ff0000'") == expected).all()


def test_transparent_greys_are_laid_over_one_colour(anna: Path) -> None:
    grey = np.stack([picture(np.full(7, 40, np.uint8)), picture(HOLES)], -1)
    Image.fromarray(grey, "LA").save(anna / "a.png")
    expected = 40.0 * HOLES / 255 + 255 * (1 - HOLES / 255)
    assert np.abs(shown(anna) - expected[:, None]).max() <= 1
