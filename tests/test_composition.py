"""Frames of a preset: where the picture goes in them, and what is around it."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, Avatars, AvatarSettings, FaceLandmarks
from pipeline.avatars.faces.tracking import find_in_picture
from pipeline.avatars.scenes import Clip
from pipeline.composition.composition import SEAM, Composition
from pipeline.composition.compositions import Compositions
from pipeline.composition.fill import Fill
from pipeline.composition.layout import EYES_SLACK, THIRD, Layout, Subject, extended, size_of
from pipeline.config import Config, LimitsSettings
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import parse_job
from pipeline.media.planes import planes_of
from pipeline.messages import Chunk, Preset, Segment, Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests.clips import portrait
from tests.media import frames as decoded
from tests.media import speech_like, streams, write_recording
from tests.videos import avatar_of, clip_of

BUILT_IN = ["presenter", "host", "guide", "expert"]
LAYOUT = Layout((160, 240), (0, 60), (160, 120))
SEAM_PIXELS = round(SEAM * 160) // 2 * 2
sides = st.integers(64, 4000)
shares = st.floats(0, 1)


subjects = st.tuples(shares, shares, st.floats(8, 2000))
"""x and eyes in parts of the picture, height in pixels."""


@settings(max_examples=60)
@given(sides, sides, st.none() | subjects, st.sampled_from(Preset))
@example(1920, 1080, (0.5, 0.415, 550), Preset.VERTICAL)
@example(64, 4000, (0.0, 1.0, 2000), Preset.WIDE)
def test_any_picture_has_a_place(
    columns: int, rows: int, head: tuple[float, float, float] | None, preset: Preset
) -> None:
    subject = None if head is None else Subject(100 + head[0] * columns, 50 + head[1] * rows, head[2])
    cut, layout = extended((100, 50, columns, rows), preset, subject)
    left, top, shown_columns, shown_rows = cut
    assert 100 <= left < left + shown_columns <= 100 + columns
    assert 50 <= top < top + shown_rows <= 50 + rows
    assert layout.size == size_of(preset)
    assert all(number % 2 == 0 for number in (*layout.corner, *layout.inner))
    for corner, inner, outer in zip(layout.corner, layout.inner, layout.size, strict=True):
        assert 0 <= corner < corner + inner <= outer
    if min(shown_columns, shown_rows) > 60:
        scales = [layout.inner[0] / shown_columns, layout.inner[1] / shown_rows]
        assert scales[0] == pytest.approx(scales[1], rel=0.06)  # not stretched, but for rounding to whole pixels
    if head is None:
        scale = min(layout.size[0] / columns, layout.size[1] / rows)
        lost = (columns - shown_columns) * scale, (rows - shown_rows) * scale
        assert max(lost) <= 4 + scale, "all is shown, but for rounding to even sides"


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Avatar]:
    shipped = Avatars(Config(base=tmp_path_factory.mktemp("avatars")))
    photo = portrait()
    found = find_in_picture(photo)
    return {
        **{name: shipped.load(name) for name in BUILT_IN},
        "photo": Avatar(photo, AvatarSettings(), lambda: found),
    }


def face_of(avatar: Avatar, preset: Preset) -> tuple[float, float, float]:
    """x, y of the eyes' middle, and the height from there to the chin, in parts of the video's frames."""
    place = avatar.placed(preset)
    assert isinstance(place.landmarks, FaceLandmarks)
    face, (x, y), (width, height) = place.landmarks[0], place.layout.corner, place.layout.size
    eyes = np.concatenate([face.left_eye, face.right_eye]).mean(0)
    return (x + eyes[0]) / width, (y + eyes[1]) / height, (face.jaw[10, 1] - eyes[1]) / height


@pytest.mark.parametrize("name", [*BUILT_IN, "photo"])
@pytest.mark.parametrize("preset", Preset)
def test_the_face_is_where_photographers_put_it(avatars: dict[str, Avatar], name: str, preset: Preset) -> None:
    x, y, height = face_of(avatars[name], preset)
    assert y == pytest.approx(THIRD, abs=EYES_SLACK + 0.01)
    assert x == pytest.approx(0.5, abs=0.03 if preset is not Preset.WIDE else 1 / 6)
    assert 0.1 < height < 0.3


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("preset", Preset)
def test_the_shipped_avatars_cover_frames_of_all_shapes(avatars: dict[str, Avatar], name: str, preset: Preset) -> None:
    assert avatars[name].placed(preset).layout.is_covered
    assert preset is not Preset.VERTICAL or face_of(avatars[name], preset)[1] == pytest.approx(THIRD, abs=0.02)


@pytest.mark.parametrize("preset", Preset)
def test_what_is_beyond_the_crop_is_shown_in_its_place(preset: Preset) -> None:
    """The head is where it is without, and more of the picture is seen around."""
    area, subject = (200, 100, 600, 500), Subject(470, 320, 260)
    cut, layout = extended(area, preset, subject)
    larger, around = extended(area, preset, subject, (0, 0, 1000, 1400))
    scale = layout.inner[1] / cut[3]
    assert around.inner[1] / larger[3] == pytest.approx(scale, rel=0.01)
    for axis in (0, 1):
        start, start_around = layout.corner[axis] - scale * cut[axis], around.corner[axis] - scale * larger[axis]
        assert start_around == pytest.approx(start, abs=2 * scale)
        assert around.inner[axis] >= layout.inner[axis]
    assert (around.inner == layout.inner) == layout.is_covered


def test_a_face_beside_the_middle_of_a_wide_picture_stays_there() -> None:
    cut, layout = extended((0, 0, 1920, 1080), Preset.WIDE, Subject(640, 400, 480))
    assert (cut, layout.is_covered) == ((0, 0, 1920, 1080), True)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(16, 236, shape, dtype=np.uint8)


def flat(layout: Layout, luma: int) -> NDArray[np.uint8]:
    """A grey inner frame."""
    width, height = layout.inner
    frame = np.full((height * 3 // 2, width), 128, np.uint8)
    frame[:height] = luma
    return frame


class Numbered:
    """Surroundings whose luma is the number of the frame."""

    def frames(self, start_frame: int, count: int) -> NDArray[np.uint8]:
        numbers = np.arange(start_frame, start_frame + count, dtype=np.uint8)
        return np.broadcast_to(numbers[:, None, None], (count, 360, 160)).copy()


def test_the_inside_of_the_picture_is_unchanged_and_its_border_fades() -> None:
    inner = noise(3, 180, 160)
    outer = Composition(LAYOUT, Numbered()).compose(inner, 7)
    for number, (frame, picture) in enumerate(zip(outer, inner, strict=True), 7):
        for plane, above, step in zip(planes_of(frame), planes_of(picture), (1, 2, 2), strict=True):
            top, rows, seam = 60 // step, 120 // step, SEAM_PIXELS // step
            inside = slice(seam, rows - seam)
            assert (plane[top : top + rows][inside] == above[inside]).all()
            assert (plane[:top] == number).all()
            assert (plane[top + rows :] == number).all()
    border = Composition(LAYOUT, Numbered()).compose(flat(LAYOUT, 200)[None], 50)[0][60 : 60 + SEAM_PIXELS, 80]
    assert (np.diff(border.astype(int)) > 0).all()
    assert 50 < border[0] < 80
    assert 180 < border[-1] < 200


def test_frames_do_not_depend_on_how_they_are_batched() -> None:
    inner, composition = noise(5, 180, 160), Composition(LAYOUT, Numbered())
    parts = [composition.compose(inner[:2], 3), composition.compose(inner[2:], 5)]
    assert (np.concatenate(parts) == composition.compose(inner, 3)).all()


def test_a_picture_is_continued_and_becomes_darker() -> None:
    picture = flat(LAYOUT, 100)
    planes_of(picture)[0][:, 80:] = 180
    fill, *colours = planes_of(Fill(LAYOUT, [picture]).frames(0, 1)[0])
    assert all((plane == 128).all() for plane in colours)
    left, right = fill[:60, 16].astype(int), fill[:60, 144].astype(int)
    assert [left[-1], right[-1]] == pytest.approx([100, 180], abs=8)
    assert (np.diff(left) >= -1).all()
    assert 16 + (100 - 16) * 0.65 < left[0] < 90
    assert np.abs(np.diff(fill.astype(int), axis=1)).max() < 12, "the edge between both halves is blurred"


def test_the_fill_of_a_moving_picture_stands_still(sway: Path, video_spool: Path) -> None:
    fitted = avatar_of(sway, video_spool, "crop: [64, 0, 192, 256]").fitted(Preset.WIDE)
    scene, layout = clip_of(fitted), fitted.layout
    assert isinstance(scene, Clip)
    assert layout is not None
    shown = [scene.read(index) for index in (0, 8)]
    assert np.abs(shown[0].astype(int) - shown[1]).mean() > 1, "the clip moves"
    batches = iter([torch.from_numpy(np.stack(shown))])
    [first, second] = next(iter(Compositions().frames(fitted, batches, 0)))
    x, width = layout.corner[0], layout.inner[0]
    assert x > 100
    luma = [planes_of(frame)[0] for frame in (first, second)]
    assert (luma[0][:, :x] == luma[1][:, :x]).all()
    assert (luma[0][:, x + width :] == luma[1][:, x + width :]).all()
    mean = np.mean([planes_of(scene.read(index))[0][:, :16].mean() for index in range(scene.frames)])
    assert luma[0][:, x - 8 : x].mean() == pytest.approx(float(mean), abs=20)
    assert scene.rate == Fraction(25)


def split(folder: Path, size: Preset) -> Chunk:
    write_recording(folder / "in.wav", speech_like(0.4))
    plain = shutil.copytree(BUILT_IN_FOLDER / "presenter", folder / "avatars" / "plain")
    (plain / "avatar.yaml").write_text("crop: [0, 0, 1920, 1080]\nface_box: [782, 304, 1138, 732]\n")
    item = SplitItem("job", Speech("job", folder, folder / "in.wav"), 25, "sequential", None, "plain", size)
    stage = SplitStage(WorkerSpec("split-0", "split", "", Config(base=folder)))
    stage.setup("cpu")
    [chunk] = stage.process(item)
    return chunk


@pytest.mark.slow
def test_a_chunk_is_rendered_at_the_size_of_its_preset(tmp_path: Path) -> None:
    chunk = split(tmp_path, Preset.VERTICAL)
    stage = LipSyncStage(WorkerSpec("gan-0", "test", "", Config(base=tmp_path), model="gan"))
    stage.setup("cpu")
    *_, segment = stage.process(chunk)
    assert isinstance(segment, Segment)
    assert (segment.width, segment.height) == (1080, 1920)
    video = streams(segment.path)["video"]
    assert (video["width"], video["height"], video["nb_read_packets"]) == (1080, 1920, "10")
    shown = decoded(segment.path, (1080, 1920)).astype(int)
    assert np.abs(shown[0, 1700:] - shown[-1, 1700:]).max() < 6, "below the picture nothing moves"
    bright, dark = shown[0, 1450, 540], shown[0, 1900, 540]
    assert bright > dark > 60, "her white blouse is continued, darker"
    eyes = shown[0, 560:720, 300:780]
    assert np.ptp(eyes) > 150


def job(size: str, **limits: int) -> None:
    config = Config(limits=LimitsSettings(**limits))
    parsed = parse_job(json.dumps({"text": "a", "size": size}).encode(), config, ())
    assert parsed.frame_size == Preset(size)


@pytest.mark.parametrize("preset", Preset)
def test_a_job_may_name_a_preset(preset: Preset) -> None:
    job(preset.value)


def test_presets_obey_the_limit_of_frames() -> None:
    with pytest.raises(JobError) as caught:
        job("wide", frame_pixels=1080 * 1080)
    assert (caught.value.code, caught.value.field) == ("range", "size")


def test_an_avatar_may_have_a_preset(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    (folder / "a.png").hardlink_to(Path(__file__).parent / "data" / "portraits" / "astronaut.png")
    (folder / "avatar.yaml").write_text("size: square\n")
    place = Avatars(Config(base=tmp_path)).load("anna").placed(None)
    assert place.layout.size == (1080, 1080)
    assert not place.layout.is_covered
