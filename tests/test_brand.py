"""A logo in the corner of a video."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from daemon.scheduling.fingerprints import fingerprint
from daemon.scheduling.open_records import OpenState
from pipeline.avatars.scenes import cut_rgb
from pipeline.brand.logo import Floats, PlacedLogo, placed, read
from pipeline.brand.settings import BrandSettings, LogoSettings
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import brand_files, parse_job
from pipeline.media.canvas import i420
from pipeline.messages import CaptionLook, Chunk, Label, Logo, Segment, Speech, SplitItem
from pipeline.overlay.document import margins
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests.media import speech_like, write_recording

SIZE = (320, 240)
RED = (200, 20, 20)
CAPTIONS = CaptionLook("DejaVu Sans", 0.055, "#ffffff", None, "#000000", "bottom")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A brand's folder: a red square, half transparent on its right, and files that are no logos."""
    brand = tmp_path_factory.mktemp("base") / "brand"
    brand.mkdir()
    rgba = np.zeros((40, 80, 4), np.uint8)
    rgba[..., :3] = RED[::-1]
    rgba[:, :40, 3], rgba[:, 40:, 3] = 255, 128
    assert cv2.imwrite(str(brand / "red.png"), rgba)
    (brand / "text.png").write_text("no picture")
    (brand / "empty.png").touch()
    huge = cv2.imencode(".png", np.zeros((4100, 4100), np.uint8))[1]
    (brand / "huge.png").write_bytes(huge.tobytes())
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:d=0.2", str(brand / "clip.mp4")]
    subprocess.run(argv, check=True)
    return brand


def asked(folder: Path, name: str = "red.png", place: str = "top-left", opacity: float = 1.0) -> Logo:
    return Logo(folder / name, place, 0.25, opacity)


def grey(luma: int = 128) -> NDArray[np.uint8]:
    """A frame."""
    rgb = torch.full((1, SIZE[1], SIZE[0], 3), luma, dtype=torch.uint8)
    return i420(rgb).numpy()


def shown(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The first frame as RGB."""
    return cut_rgb(frames[0], (0, 0), SIZE).astype(np.int64)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the luma that differs."""
    rows, columns = np.nonzero(before[0][: SIZE[1]] != after[0][: SIZE[1]])
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.fixture(scope="module")
def picture(folder: Path) -> Floats:
    return read(folder / "red.png")


def test_a_logo_is_read_with_its_transparency(picture: Floats) -> None:
    assert picture.shape == (40, 80, 4)
    assert picture[20, 20] == pytest.approx([*(np.array(RED) / 255), 1], abs=0.01)
    assert picture[20, 60] == pytest.approx([*(np.array(RED) / 255 / 2), 0.5], abs=0.01)


@pytest.mark.parametrize("place", ["top-left", "top-right", "bottom-left", "bottom-right"])
def test_a_logo_is_in_its_corner_within_the_margins(folder: Path, picture: Floats, place: str) -> None:
    before = grey()
    after = placed(picture, asked(folder, place=place), SIZE, None, None).over(before)
    assert (before == grey()).all(), "the frames themselves stay"
    x1, y1, x2, y2 = changed(before, after)
    assert (x2 - x1, y2 - y1) == (60, 30)  # a quarter of 240 pixels
    free, (vertical, _, horizontal) = margins(SIZE), place.partition("-")
    assert (x1 if horizontal == "left" else SIZE[0] - x2) == pytest.approx(free.left, abs=2)
    assert (y1 if vertical == "top" else SIZE[1] - y2) == pytest.approx(free.top, abs=2)


def test_colours_and_opacity(folder: Path, picture: Floats) -> None:
    at = margins(SIZE)
    y, left, right = at.top + 15, at.left + 15, at.left + 45
    full = shown(placed(picture, asked(folder), SIZE, None, None).over(grey()))
    faint = shown(placed(picture, asked(folder, opacity=0.5), SIZE, None, None).over(grey()))
    below = shown(grey())[y, left]
    red = full[y, left]
    assert red == pytest.approx(np.array(RED), abs=3)
    assert full[y, right] == pytest.approx((red + below) / 2, abs=6)
    assert faint[y, left] == pytest.approx((red + below) / 2, abs=6)
    assert faint[y, right] == pytest.approx((red + 3 * below) / 4, abs=6)


def test_what_was_saved_draws_the_same(folder: Path, picture: Floats, tmp_path: Path) -> None:
    logo = placed(picture, asked(folder, place="bottom-right"), SIZE, None, None)
    logo.save(tmp_path / "logo.npz")
    assert (PlacedLogo.load(tmp_path / "logo.npz").over(grey()) == logo.over(grey())).all()


def test_a_logo_is_seen_where_a_frame_is_clear(folder: Path, picture: Floats) -> None:
    """As it is over what is opaque; laid over grey later, what is clear shows the same."""
    logo, height = placed(picture, asked(folder), SIZE, None, None), SIZE[1]
    full, clear = (np.concatenate([grey(), np.full((1, *SIZE[::-1]), alpha, np.uint8)], 1) for alpha in (255, 0))
    opaque, alone = logo.over_clear(full), logo.over_clear(clear)
    rows = height * 3 // 2
    assert np.abs(opaque[:, :rows].astype(int) - logo.over(grey())).max() <= 1
    assert opaque[:, rows:].min() == 255
    x1, y1, x2, y2 = changed(grey(), logo.over(grey()))
    matte = alone[0, rows:]
    assert matte.sum() == matte[y1:y2, x1:x2].sum() > 0
    y, left, right = y1 + 15, x1 + 15, x1 + 45
    assert (matte[y, left], matte[y, right]) == (255, pytest.approx(128, abs=1))
    for x in (left, right):
        assert shown(alone[:, :rows])[y, x] == pytest.approx(np.array(RED), abs=5)


def test_a_logo_stays_away_from_texts(folder: Path, picture: Floats) -> None:
    def top(place: str, label: Label | None, captions: CaptionLook | None) -> int:
        return placed(picture, asked(folder, place=place), SIZE, label, captions).corner[1]

    label = Label("AI-generated", "bottom-left", None)
    plain = top("bottom-left", None, None)
    assert top("bottom-left", label, None) < plain - 20
    assert top("bottom-right", label, None) == plain
    assert top("bottom-left", None, CAPTIONS) < plain - 35
    assert (
        top("bottom-right", label, CAPTIONS) == top("bottom-left", label, CAPTIONS) < top("bottom-left", None, CAPTIONS)
    )
    assert top("top-left", label, CAPTIONS) == top("top-left", None, None)


def chunk_of(folder: Path, work: Path, **changes: object) -> Chunk:
    write_recording(work / "in.wav", speech_like(0.3))
    item = SplitItem("job", Speech("job", work, work / "in.wav"), 25, "sequential", None, "presenter", (128, 128))
    stage = SplitStage(WorkerSpec("split-0", "split", "", Config(base=folder.parent)))
    stage.setup("cpu")
    [chunk] = stage.process(replace(item, **changes))  # type: ignore[arg-type]
    return chunk


def test_the_logo_is_in_every_frame_of_the_video(folder: Path, tmp_path: Path) -> None:
    chunk = chunk_of(folder, tmp_path, logo=Logo(folder / "red.png", "top-left", 0.5, 1.0))
    stage = LipSyncStage(WorkerSpec("gan-0", "test", "", Config(base=folder.parent), model="gan"))
    stage.setup("cpu")
    *_, segment = stage.process(chunk)
    assert isinstance(segment, Segment)
    video, count = cv2.VideoCapture(str(segment.path)), 0
    while (frame := video.read()[1]) is not None:
        blue, green, red = frame[10:30, 10:30].mean((0, 1))
        assert red > 150
        assert max(blue, green) < 80
        count += 1
    assert count == chunk.stop_frame
    assert chunk.logo in OpenState(silence=chunk).files(), "a stream that stays open draws it for hours"


@pytest.mark.parametrize(
    ("name", "code"),
    [("text.png", "media"), ("empty.png", "media"), ("clip.mp4", "media"), ("huge.png", "too_many_pixels")],
)
def test_what_is_not_a_logo_is_refused_before_a_frame_is_rendered(
    folder: Path, tmp_path: Path, name: str, code: str
) -> None:
    with pytest.raises(JobError) as caught:
        chunk_of(folder, tmp_path, logo=asked(folder, name))
    assert (caught.value.code, caught.value.field) == (code, "logo")
    assert caught.value.hint


def refused(folder: Path, logo: object) -> JobError:
    job = json.dumps({"text": "a", "logo": logo}).encode()
    with pytest.raises(JobError) as caught:
        parse_job(job, Config(base=folder.parent), ())
    return caught.value


@pytest.mark.parametrize("name", ["../brand/red.png", "/etc/passwd", "..", ".hidden", "a\\b"])
def test_a_job_names_files_never_paths(folder: Path, name: str) -> None:
    assert refused(folder, name).code == "range"
    assert refused(folder, {"file": name}).code == "range"


def test_a_missing_logo_is_refused_with_the_nearest_name(folder: Path) -> None:
    error = refused(folder, "rad.png")
    assert (error.code, error.field) == ("brand", "logo")
    assert "red.png" in (error.hint or "")


def test_wrong_values_name_their_key(folder: Path) -> None:
    assert refused(folder, {"file": "red.png", "size": 3}).field == "logo.size"
    assert refused(folder, {"fil": "red.png"}).code == "unknown_field"
    assert refused(folder, 5).code == "type"
    assert refused(folder, 5).message == "logo must be a file's name, false or an object, not 5"


def test_a_job_changes_the_logo_of_the_configuration(folder: Path) -> None:
    brand = BrandSettings(logo=LogoSettings(file="red.png", place="bottom-right", opacity=0.5))
    config = Config(base=folder.parent, brand=brand)
    job = parse_job(b'{"text": "a", "logo": {"place": "top-right"}}', config, ())
    assert config.logo(job.logo) == LogoSettings(file="red.png", place="top-right", opacity=0.5)
    assert brand_files(job, config) == {"logo": folder / "red.png"}
    assert brand_files(parse_job(b'{"text": "a"}', Config(base=folder.parent), ()), Config()) == {}


def test_a_job_leaves_the_brand_of_the_configuration_out(folder: Path) -> None:
    brand = BrandSettings(logo=LogoSettings(file="red.png"), intro="red.png", outro="red.png")
    config = Config(base=folder.parent, brand=brand)
    assert set(brand_files(parse_job(b'{"text": "a"}', config, ()), config)) == {"logo", "intro", "outro"}
    for key, others in (("logo", {"intro", "outro"}), ("intro", {"logo", "outro"}), ("outro", {"logo", "intro"})):
        job = parse_job(json.dumps({"text": "a", key: False}).encode(), config, ())
        assert set(brand_files(job, config)) == others
    stream = parse_job(b'{"text": "a", "mode": "stream", "intro": false}', config, ())
    assert set(brand_files(stream, config)) == {"logo"}


def test_a_configured_logo_must_exist(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    settings = {"brand": {"folder": str(folder), "logo": "red.png"}}
    file.write_text(yaml.safe_dump(settings))
    assert load_config(file).brand.logo.file == "red.png"
    settings["brand"]["logo"] = "blue.png"
    file.write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert (caught.value.code, caught.value.field) == ("brand", "brand.logo")


def test_a_repeated_job_is_run_again_when_the_logo_has_changed(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"one")
    config = Config(base=tmp_path)
    before = fingerprint(b"{}", config, ["presenter"], [logo])
    assert before != fingerprint(b"{}", config, ["presenter"], [])
    logo.write_bytes(b"two")
    assert before != fingerprint(b"{}", config, ["presenter"], [logo])
