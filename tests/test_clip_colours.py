"""The colours of videos, compared with what their tags' definitions give; combs of interlaced ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import JobError
from pipeline.media import clip_format, clips
from pipeline.media.clips import View
from pipeline.media.pictures import Look
from tests.clips import film, swaying, write_clip
from tests.colour_profiles import bt709_light, to_xyz
from tests.members import few, members, slow, soaking

Floats = NDArray[np.float64]

PATCHES = np.array(
    [(200, 60, 40), (40, 160, 60), (50, 70, 180), (224, 172, 150), (120, 90, 80), (128, 128, 128), (250, 250, 250)]
)
SIDE = 16
LUMA = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
"""The shares of red and blue in the luma of each matrix."""
RANGES = {("tv", 8): (16, 219, 224), ("pc", 8): (0, 255, 255), ("tv", 10): (64, 876, 896)}
"""By range and depth: black, and the ranges of luma and chroma."""


def yuv(rgb: Floats, matrix: str, levels: str = "tv", depth: int = 8) -> NDArray[Any]:
    """Values 0 to 1 as Y, U, V in a matrix (ITU-R BT.601, 709, 2020; SMPTE 240M): [n, 3]."""
    red, blue = LUMA[matrix]
    black, luma_range, chroma_range = RANGES[levels, depth]
    y = rgb @ (red, 1 - red - blue, blue)
    u, v = (rgb[:, 2] - y) / (2 - 2 * blue), (rgb[:, 0] - y) / (2 - 2 * red)
    middle = 1 << depth - 1
    planes = black + luma_range * y, middle + chroma_range * u, middle + chroma_range * v
    return np.rint(np.stack(planes, 1)).clip(0, (1 << depth) - 1).astype(np.uint8 if depth == 8 else "<u2")


def write(file: Path, patches: NDArray[Any], pixels: str, *tags: str, rows: int = 96, frames: int = 2) -> Path:
    """A lossless video of squares, given as Y, U, V [n, 3]."""
    lines = np.repeat(np.repeat(patches[None], SIDE, 1), rows, 0)
    raw = np.ascontiguousarray(lines.transpose(2, 0, 1)).tobytes() * frames
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{lines.shape[1]}x{rows}"]
    argv += ["-r", "25", "-i", "-", "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", *tags, str(file)]
    subprocess.run(argv, input=raw, check=True)
    return file


def shown(file: Path, look: Look = Look()) -> Floats:  # noqa: B008 - frozen
    """The colour in the middle of each square of the last frame, as found in both of the formats that are read."""
    found = clip_format.probe(file, "avatar")
    view = View(look, (0, 0, *found.sides), (found.width // 2 * 2, found.height // 2 * 2))
    *_, rgb = clips.rgb_frames(file, found, view, seconds=9)
    *_, planes = clips.i420_frames(file, found, view, seconds=9)
    colours = rgb[found.height // 2, SIDE // 2 :: SIDE].astype(np.float64)
    luma = planes[found.height // 2, SIDE // 2 :: SIDE]
    assert np.abs(luma - (16 + 219 * colours @ (0.2126, 0.7152, 0.0722) / 255)).max() <= 3
    return np.asarray(colours)


def tagged(matrix: str, primaries: str = "bt709", transfer: str = "bt709", levels: str = "tv") -> tuple[str, ...]:
    return ("-colorspace", matrix, "-color_primaries", primaries, "-color_trc", transfer, "-color_range", levels)


@pytest.mark.parametrize("levels", few(["tv", "pc"], "tv"))
@pytest.mark.parametrize("matrix", members(LUMA, "bt709", "smpte170m"))
def test_a_tagged_video_is_read_as_its_tags_say(matrix: str, levels: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", yuv(PATCHES / 255, matrix, levels), "yuv444p", *tagged(matrix, levels=levels))
    assert np.abs(shown(file) - PATCHES).max() <= 3


@pytest.mark.parametrize(
    ("rows", "matrix"), [slow(96, "smpte170m"), (576, "smpte170m"), (720, "bt709"), slow(1080, "bt709")]
)
def test_an_untagged_video_is_read_by_its_height(rows: int, matrix: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", yuv(PATCHES / 255, matrix), "yuv444p", rows=rows)
    assert np.abs(shown(file) - PATCHES).max() <= 3


BT2020 = ("bt2020", "BT.2020")


@pytest.mark.parametrize(
    ("primaries", "space"),
    members([BT2020, ("smpte170m", "BT.601, 525 lines"), ("bt470bg", "BT.601, 625 lines")], BT2020),
)
def test_other_primaries_are_converted(primaries: str, space: str, tmp_path: Path) -> None:
    matrix = "bt2020nc" if primaries == "bt2020" else primaries
    file = write(tmp_path / "a.mp4", yuv(PATCHES / 255, matrix), "yuv444p", *tagged(matrix, primaries))
    expected = bt709_light((PATCHES / 255) ** 2.4, space) ** (1 / 2.4) * 255
    assert np.abs(shown(file) - expected).max() <= 4


def test_rgb_videos_are_read(tmp_path: Path) -> None:
    frames = [np.repeat(np.repeat(PATCHES[None], SIDE, 1), 96, 0).astype(np.uint8)] * 2
    assert (shown(write_clip(tmp_path / "a.mov", frames, "-c:v", "qtrle", "-pix_fmt", "rgb24")) == PATCHES).all()


# High dynamic range

DARK_NITS = 60.0
"""Below this, no light is compressed: only the primaries, the white and the transfer function are converted."""


def pq(nits: Floats) -> Floats:
    """SMPTE ST 2084, equation 5.2."""
    power = (nits / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(nits: Floats) -> Floats:
    """BT.2100: inverse OOTF of a display of 1,000 cd/m², then the OETF."""
    display = nits / 1000
    luminance = (display @ (0.2627, 0.6780, 0.0593))[:, None]
    scene = display * luminance ** ((1 - 1.2) / 1.2)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper))


@pytest.mark.parametrize(("transfer", "encode"), [("smpte2084", pq), slow("arib-std-b67", hlg)])
def test_high_dynamic_range_becomes_standard(transfer: str, encode: Any, tmp_path: Path) -> None:
    """Diffuse white, 203 cd/m², is the white of the standard video."""
    light = (PATCHES / 255) ** 2.4 * DARK_NITS
    wide = light @ (np.linalg.inv(to_xyz("BT.2020")) @ to_xyz("BT.709")).T
    patches = yuv(encode(np.maximum(wide, 0)), "bt2020nc", depth=10)
    tags = ("-pix_fmt", "yuv444p10le", *tagged("bt2020nc", "bt2020", transfer))
    file = write(tmp_path / "a.mp4", patches, "yuv444p10le", *tags)
    assert np.abs(shown(file) - (light / 203) ** (1 / 2.4) * 255).max() <= 4


@pytest.mark.slow
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_bright_light_is_compressed_smoothly(transfer: str, tmp_path: Path) -> None:
    nits = np.repeat(np.array([10.0, 50, 100, 203, 400, 700, 1000])[:, None], 3, 1)
    patches = yuv({"smpte2084": pq, "arib-std-b67": hlg}[transfer](nits), "bt2020nc", depth=10)
    tags = ("-pix_fmt", "yuv444p10le", *tagged("bt2020nc", "bt2020", transfer))
    found = shown(write(tmp_path / "a.mp4", patches, "yuv444p10le", *tags))
    assert np.ptp(found, axis=1).max() <= 2, "greys stay grey"
    assert (np.diff(found[:5, 0]) > 10).all()
    assert 215 <= found[3, 0] <= 245, "white is bright, with room for highlights"
    assert found[-1, 0] >= 253


def test_colours_that_cannot_be_converted_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", yuv(PATCHES / 255, "bt709"), "yuv444p", *tagged("ycgco"))
    with pytest.raises(JobError) as caught:
        clip_format.probe(file, "avatar")
    assert (caught.value.code, caught.value.field) == ("media", "avatar")
    assert "ycgco" in caught.value.message


# Transparency


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")),
        soaking("mov", ("-c:v", "qtrle", "-pix_fmt", "argb")),
        soaking("mov", ("-c:v", "png", "-pix_fmt", "rgba")),
        ("webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "4", "-b:v", "0")),
        soaking("webm", ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-crf", "4", "-b:v", "9M", "-auto-alt-ref", "0")),
    ],
    ids=["ProRes", "QuickTime RLE", "PNG", "VP9", "VP8"],
)
def test_transparent_videos_are_laid_over_one_colour(ending: str, options: tuple[str, ...], tmp_path: Path) -> None:
    opacity = np.array([255, 0, 255, 0, 128, 255, 0])
    pixels = np.concatenate([PATCHES, opacity[:, None]], 1).astype(np.uint8)
    frame = np.repeat(np.repeat(pixels[None], SIDE, 1), 96, 0)
    file = tmp_path / f"a.{ending}"
    argv = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{frame.shape[1]}x96", "-r", "25"]
    subprocess.run([*argv, "-i", "-", *options, str(file)], input=frame.tobytes() * 2, check=True)
    share = opacity[:, None] / 255
    expected = PATCHES * share + np.array([32, 192, 64]) * (1 - share)
    assert np.abs(shown(file, Look("#20c040")) - expected).max() <= 8


# Interlaced videos

FRAMES = 12


def combs(frames: list[NDArray[np.uint8]]) -> float:
    """How much lines differ from both of their neighbours."""
    luma = np.stack(frames).astype(np.float64).mean(-1)
    return float(np.abs(luma[:, 1:-1] - (luma[:, :-2] + luma[:, 2:]) / 2).mean())


def frames_of(file: Path) -> list[NDArray[np.uint8]]:
    found = clip_format.probe(file, "avatar")
    return list(clips.rgb_frames(file, found, View(Look(), (0, 0, *found.sides), found.sides), seconds=9))


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that moves fast, 50 times a second."""
    places = [swaying(8 * FRAMES)[4 * index] for index in range(2 * FRAMES)]
    return write_clip(tmp_path_factory.mktemp("fields") / "a.mkv", film(places), "-pix_fmt", "yuv444p", fps="50")


def woven(fields: Path, file: Path, filters: str, *options: str) -> Path:
    argv = ["ffmpeg", "-v", "error", "-y", "-i", str(fields), "-vf", filters, "-pix_fmt", "yuv420p"]
    subprocess.run([*argv, "-c:v", "libx264", "-crf", "8", *options, str(file)], check=True)
    return file


MARKED = ("-flags", "+ildct+ilme")


@pytest.mark.parametrize(
    ("filters", "options", "ending"),
    [
        ("tinterlace=interleave_top,setfield=tff", (*MARKED, "-x264-params", "tff=1"), "mp4"),
        soaking("tinterlace=interleave_bottom,setfield=bff", (*MARKED, "-x264-params", "bff=1"), "ts"),
        ("tinterlace=interleave_bottom,setfield=prog", (), "mp4"),
        soaking("tinterlace=interleave_top,setfield=bff", (*MARKED, "-x264-params", "bff=1"), "mp4"),
    ],
    ids=["top first", "bottom first", "not flagged", "flagged wrongly"],
)
def test_interlaced_videos_lose_their_combs(
    filters: str, options: tuple[str, ...], ending: str, fields: Path, tmp_path: Path
) -> None:
    plain = frames_of(woven(fields, tmp_path / "plain.mp4", "framestep=2"))
    found = frames_of(woven(fields, tmp_path / f"a.{ending}", filters, *options))
    assert len(found) == len(plain) == FRAMES
    assert combs(found) < 1.3 * combs(plain)


def test_a_progressive_video_that_is_flagged_interlaced_stays_as_it_is(fields: Path, tmp_path: Path) -> None:
    file = woven(fields, tmp_path / "a.mp4", "framestep=2,setfield=tff", *MARKED, "-x264-params", "tff=1")
    assert clip_format.probe(file, "avatar").fields == ""
    assert len(frames_of(file)) == FRAMES
