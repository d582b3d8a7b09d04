"""Backgrounds: a person is cut out of a picture and shown before something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from daemon.scheduling.fingerprints import fingerprint
from pipeline.avatars import BUILT_IN_FOLDER, Avatars, scenes
from pipeline.avatars.avatar import FittedAvatar
from pipeline.composition import matte
from pipeline.composition.background import Backgrounds, Still
from pipeline.composition.cutout import CutOut
from pipeline.composition.layout import Layout
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import parse_job
from pipeline.media.planes import planes_of
from pipeline.messages import Chunk, Preset, Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests.clips import film, portrait, swaying, write_clip
from tests.media import speech_like, write_recording
from tests.members import members

SIDE = 128
SIZE = (SIDE, SIDE)
GREEN, GREEN_YUV = "#00ff00", (173, 42, 26)
FACE = np.array([179, 50, 272, 174], np.float32)
"""In the portrait."""
Picture = NDArray[np.uint8]


def config(folder: Path) -> Config:
    return Config(base=folder)


def background_file(folder: Path, name: str, picture: Picture) -> Path:
    (folder / "backgrounds").mkdir(exist_ok=True)
    file = folder / "backgrounds" / name
    cv2.imwrite(str(file), picture[..., ::-1])
    return file


def avatar_folder(folder: Path, name: str, **pictures: Picture) -> None:
    (folder / "avatars" / name).mkdir(parents=True)
    for stem, picture in pictures.items():
        cv2.imwrite(
            str(folder / "avatars" / name / f"{stem}.png"), picture[..., ::-1] if picture.ndim == 3 else picture
        )


def chunk_of(folder: Path, background: str, **changes: str) -> Chunk:
    write_recording(folder / "in.wav", speech_like(1.2))
    speech = Speech("job", folder, folder / "in.wav")
    item = SplitItem("job", speech, 25, "sequential", "gan", "presenter", SIZE, background=background)
    [chunk] = SplitStage(WorkerSpec("split-0", "split", "", config(folder))).process(replace(item, **changes))  # type: ignore[arg-type]
    return chunk


def lip_sync(folder: Path) -> LipSyncStage:
    stage = LipSyncStage(WorkerSpec("gan-0", "gan", "", config(folder), model="gan"))
    stage.setup("cpu")
    return stage


def shown(stage: LipSyncStage, chunk: Chunk, start: int, stop: int) -> Picture:
    """Frames of a job as they go to the encoder."""
    part = replace(chunk, start_frame=start, stop_frame=stop)
    avatar = stage._avatars.fitted(chunk.avatar, chunk.size, is_cut_out=True)
    return np.concatenate(list(stage._composed(part, avatar, stage._background(part, avatar))))


def person(folder: Path, stage: LipSyncStage, chunk: Chunk, start: int, stop: int) -> Picture:
    """The same frames before they are laid over the background: with their mattes."""
    part = replace(chunk, start_frame=start, stop_frame=stop)
    avatar = stage._avatars.fitted(chunk.avatar, chunk.size, is_cut_out=True)
    return np.concatenate([batch.numpy() for batch in stage._frames(part, avatar)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backgrounds")


@pytest.fixture(scope="module")
def stage(folder: Path) -> LipSyncStage:
    return lip_sync(folder)


@pytest.fixture(scope="module")
def green(folder: Path) -> Chunk:
    return chunk_of(folder, GREEN)


def test_around_the_presenter_nothing_is_left_of_the_old_background(
    folder: Path, stage: LipSyncStage, green: Chunk
) -> None:
    frames, mattes = shown(stage, green, 0, 30), person(folder, stage, green, 0, 30)[:, SIDE * 3 // 2 :]
    for frame, opacity in zip(frames, mattes, strict=True):
        luma, blue, red = planes_of(frame)
        assert 0.3 < (opacity == 0).mean() < 0.7
        assert (luma[opacity == 0] == GREEN_YUV[0]).all()
        clear = opacity.reshape(SIDE // 2, 2, SIDE // 2, 2).max((1, 3)) == 0
        assert (blue[clear] == GREEN_YUV[1]).all()
        assert (red[clear] == GREEN_YUV[2]).all()


def test_edges_are_soft_and_the_inside_is_opaque(folder: Path, stage: LipSyncStage, green: Chunk) -> None:
    opacity = person(folder, stage, green, 0, 1)[0, SIDE * 3 // 2 :]
    rows = [row for row in opacity if row.max() == 255 and row.min() == 0]
    assert len(rows) > SIDE // 2
    soft = [((row > 0) & (row < 255)).sum() for row in rows]
    assert np.mean(soft) >= 2, "on both sides of each row"
    assert opacity[SIDE // 2 - 10 : SIDE // 2 + 10, SIDE // 2 - 10 : SIDE // 2 + 10].min() == 255


def test_at_the_edges_the_colours_are_those_of_the_person(tmp_path: Path) -> None:
    """Given the presenter before magenta: her hair and shoulders have no trace of it."""
    files = (str(BUILT_IN_FOLDER / "presenter" / name) for name in ("picture.png", "matte.png"))
    own, alpha = (np.asarray(cv2.imread(file), np.uint8) for file in files)
    share = cv2.resize(alpha[:1080, 420:1500], (360, 360), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    drawn = cv2.resize(own[:1080, 420:1500, ::-1], (360, 360), interpolation=cv2.INTER_AREA)
    clean = matte.foreground(np.asarray(drawn, np.uint8), np.rint(share[..., 0] * 255).astype(np.uint8))
    before = np.rint(clean * share + np.array([255, 0, 255]) * (1 - share)).astype(np.uint8)
    found = matte.find_matte(before, np.array([121, 101, 239, 244], np.float32))
    assert np.abs(found / 255 - share[..., 0]).mean() < 0.01
    colours = matte.foreground(before, found).astype(int)
    edge = (found > 40) & (found < 255)
    old, new, own_purple = (purple(picture)[edge].mean() for picture in (before, colours, clean))
    assert old > own_purple + 120
    assert new < own_purple + 40


def purple(picture: NDArray[Any]) -> NDArray[np.int_]:
    return np.asarray(np.minimum(picture[..., 0], picture[..., 2]).astype(int) - picture[..., 1])


def test_frames_do_not_depend_on_the_chunk(folder: Path, stage: LipSyncStage, green: Chunk) -> None:
    whole = shown(stage, green, 0, 30)
    assert np.array_equal(whole[11:30], shown(stage, green, 11, 30))
    assert np.array_equal(whole[0:11], shown(lip_sync(folder), green, 0, 11))


def test_the_matte_moves_with_the_head(folder: Path, stage: LipSyncStage, green: Chunk) -> None:
    frames = person(folder, stage, green, 0, 30)
    still = frames[0, SIDE * 3 // 2 :].astype(int)
    moved = frames[29, SIDE * 3 // 2 :].astype(int)
    assert 0.1 < np.abs(moved - still).mean() < 4
    unfilled = moved[SIDE // 2 - 10 : SIDE // 2 + 10, SIDE // 2 - 10 : SIDE // 2 + 10]
    assert unfilled.min() == 255


def test_jobs_without_a_background_are_as_before(folder: Path, stage: LipSyncStage, green: Chunk) -> None:
    avatar = stage._avatars.fitted("presenter", SIZE)
    assert avatar.matte is None
    plain = next(iter(stage._composed(replace(green, stop_frame=2), avatar, None)))
    assert plain.shape[1:] == (SIDE * 3 // 2, SIDE)


def test_a_person_is_cut_out_of_a_photo() -> None:
    found = matte.find_matte(portrait(), FACE)
    assert found[100:170, 200:250].min() == 255, "the face"
    assert found[400:, 100:250].mean() > 250, "the suit"
    assert found[:60, :120].max() == 0
    assert found[:120, 340:].max() == 0
    hair = found[20:60, 150:300]
    assert ((hair > 10) & (hair < 245)).sum() > 50


def test_a_picture_without_a_person_is_refused() -> None:
    across = np.tile(np.linspace(0, 255, 200, dtype=np.uint8)[:, None], (200, 1, 3))
    with pytest.raises(JobError) as caught:
        matte.find_matte(across, None)
    assert (caught.value.code, caught.value.field) == ("no_person", "background")
    with pytest.raises(JobError):
        matte.find_matte(portrait(), np.array([380, 20, 480, 120], np.float32))


def test_an_avatar_may_bring_its_own_matte(tmp_path: Path) -> None:
    half = np.zeros((512, 512), np.uint8)
    half[:, :256] = 255
    avatar_folder(tmp_path, "anna", picture=portrait(), matte=half)
    avatar = Avatars(config(tmp_path)).fitted("anna", SIZE, is_cut_out=True)
    assert avatar.matte is not None
    assert avatar.matte[:, : SIDE // 2 - 2].min() == 255
    assert avatar.matte[:, SIDE // 2 + 2 :].max() == 0


HIDDEN = np.array((255, 0, 255), np.uint8)
"""A colour that transparent pixels have, and nobody should see."""


def transparent(opacity: Picture, picture: Picture) -> Picture:
    """A picture with an alpha channel, RGBA."""
    shown = np.where(opacity[..., None] > 0, picture, HIDDEN)
    return np.dstack([shown, opacity]).astype(np.uint8)


def saved_and_cut_out(folder: Path, rgba: Picture, name: str) -> FittedAvatar:
    avatar = folder / "avatars" / "anna"
    avatar.mkdir(parents=True)
    Image.fromarray(rgba).save(avatar / name, lossless=True)
    return Avatars(config(folder)).fitted("anna", (512, 512), is_cut_out=True)


@pytest.mark.parametrize("name", members(["a.png", "a.webp", "a.tiff"], "a.png"))
def test_a_picture_that_is_cut_out_already_keeps_its_edges(name: str, tmp_path: Path) -> None:
    """Edges that the network would not find, with the hair cut off: the picture's own ones count."""
    opacity = matte.find_matte(portrait(), FACE)
    opacity[:40] = 0
    avatar = saved_and_cut_out(tmp_path, transparent(opacity, portrait()), name)
    assert avatar.matte is not None
    assert np.array_equal(avatar.matte, opacity)
    assert isinstance(avatar.scene, scenes.Still)
    edge = (opacity > 128) & (opacity < 250)
    assert purple(avatar.scene.picture)[edge].mean() < purple(portrait())[edge].mean() + 5


def test_of_a_picture_with_round_corners_the_person_is_cut_out(tmp_path: Path) -> None:
    opacity = np.zeros((512, 512), np.uint8)
    cv2.circle(opacity, (256, 256), 256, 255, -1)
    avatar = saved_and_cut_out(tmp_path, transparent(opacity, portrait()), "a.png")
    assert avatar.matte is not None
    assert avatar.matte[100:170, 200:250].min() == 255, "the face"
    assert avatar.matte[60:120, 340:400].max() == 0, "within the circle"
    assert avatar.matte[440:, :60].max() == 0, "the person outside of it"


def test_what_no_network_takes_for_a_person_is_as_transparent_as_its_picture(tmp_path: Path) -> None:
    """A drawing: a box."""
    opacity = np.zeros((512, 512), np.uint8)
    opacity[100:400, 150:350] = 255
    avatar = saved_and_cut_out(tmp_path, transparent(opacity, np.full((512, 512, 3), 90, np.uint8)), "a.png")
    assert avatar.matte is not None
    assert np.array_equal(avatar.matte, opacity)


def test_a_matte_of_another_size_is_refused(tmp_path: Path) -> None:
    avatar_folder(tmp_path, "anna", picture=portrait(), matte=np.zeros((512, 500), np.uint8))
    avatars = Avatars(config(tmp_path))
    avatars.fitted("anna", SIZE)
    with pytest.raises(JobError, match=r"matte\.png has 500x512 pixels, the picture 512x512"):
        avatars.fitted("anna", SIZE, is_cut_out=True)


def test_a_picture_called_matte_is_still_a_picture(tmp_path: Path) -> None:
    avatar_folder(tmp_path, "anna", matte=portrait())
    assert Avatars(config(tmp_path)).load("anna").sides == (512, 512)


def test_a_picture_covers_the_frame(tmp_path: Path) -> None:
    """Given a wide picture with red sides: only its middle is seen."""
    wide = np.zeros((64, 256, 3), np.uint8)
    wide[:, :90], wide[:, -90:], wide[:, 90:-90] = (255, 0, 0), (255, 0, 0), (0, 0, 255)
    background_file(tmp_path, "wide.png", wide)
    frames = Backgrounds(config(tmp_path)).open("wide.png", SIZE, 25).frames(7, 2)
    assert frames.shape == (2, SIDE * 3 // 2, SIDE)
    for frame in frames:
        luma, blue, red = planes_of(frame)
        assert (int(luma.min()), int(luma.max())) == (32, 32)
        assert np.array_equal(blue, np.full_like(blue, 240))
        assert np.array_equal(red, np.full_like(red, 118))


def test_a_video_loops_without_a_jump(tmp_path: Path) -> None:
    """Given a video whose grey rises from frame to frame: it fades back to its beginning."""
    (tmp_path / "backgrounds").mkdir()
    film_ = [np.full((64, 64, 3), 20 + 4 * number, np.uint8) for number in range(50)]
    write_clip(tmp_path / "backgrounds" / "loop.mp4", film_)
    opened = Backgrounds(config(tmp_path)).open("loop.mp4", (64, 64), 25)
    luma = opened.frames(0, 120)[:, :64].reshape(120, -1).mean(1)
    steps = np.diff(luma)
    assert luma[24] > luma[0] + 75
    assert np.abs(steps).max() < 8, "the way back takes a second"
    assert np.array_equal(opened.frames(70, 3), opened.frames(68, 5)[2:])
    doubled = Backgrounds(config(tmp_path)).open("loop.mp4", (64, 64), 50).frames(0, 60)
    assert np.array_equal(doubled[40], opened.frames(20, 1)[0])


def test_opaque_and_clear_pixels_are_exact() -> None:
    dice = np.random.default_rng(3)
    above = dice.integers(0, 256, (1, 160, 64), np.uint8)
    above[:, 96:] = 255
    below = dice.integers(0, 256, (1, 96, 64), np.uint8)
    composition = CutOut(Layout.covered((64, 64)), Still(below[0]))
    assert np.array_equal(composition.compose(above, 0), above[:, :96])
    above[:, 96:] = 0
    assert np.array_equal(composition.compose(above, 0), below)


def test_a_person_who_is_cut_out_does_not_float(stage: LipSyncStage) -> None:
    avatar = stage._avatars.load("presenter")
    short = replace(avatar, settings=avatar.settings.model_copy(update={"beyond_crop": False}))
    own, cut = (short.fitted(Preset.VERTICAL, is_cut_out=is_cut) for is_cut in (False, True))
    assert own.layout is not None
    assert cut.layout is not None
    assert own.layout.corner[1] + own.layout.inner[1] < 1920
    assert cut.layout.corner[1] + cut.layout.inner[1] == 1920


def test_in_a_larger_frame_the_background_is_all_around(folder: Path, stage: LipSyncStage, green: Chunk) -> None:
    """Given a frame whose sides the picture does not reach."""
    avatar = replace(
        stage._avatars.fitted("presenter", SIZE, is_cut_out=True), layout=Layout((192, 128), (32, 0), SIZE)
    )
    first = replace(green, stop_frame=1)
    [frame] = stage._composed(first, avatar, stage._background(first, avatar))
    luma = planes_of(frame[0])[0]
    assert (luma[:, :32] == GREEN_YUV[0]).all()
    assert (luma[:, 160:] == GREEN_YUV[0]).all()
    assert (luma[60, 80:110] != GREEN_YUV[0]).all()
    inner = stage._avatars.fitted("presenter", SIZE, is_cut_out=True)
    [covered] = stage._composed(first, inner, stage._background(first, inner))
    assert np.array_equal(luma[:, 60:130], planes_of(covered[0])[0][:, 28:98])


@pytest.mark.parametrize(
    ("background", "code", "hint"),
    [
        ("#12", "range", "like"),
        ("#12345g", "range", "like"),
        ("../secret.png", "background", '"background": "secret.png"'),
        ("/etc/passwd", "background", '"background": "passwd"'),
        ("ofice.png", "background", "did you mean 'office.png'?"),
        (".hidden.png", "background", "copy it"),
        ("notes.png", "media", "save it as"),
        ("", "range", None),
        (5, "type", None),
    ],
)
def test_other_backgrounds_are_refused(background: object, code: str, hint: str | None, tmp_path: Path) -> None:
    background_file(tmp_path, "office.png", np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "backgrounds" / "notes.png").write_text("nothing to see")
    job = str({"text": "hi", "background": background}).replace("'", '"').encode()
    with pytest.raises(JobError) as caught:
        parse_job(job, config(tmp_path), ["presenter"])
    assert (caught.value.code, caught.value.field) == (code, "background")
    assert hint is None or hint in (caught.value.hint or "")


def test_a_broken_picture_is_refused_before_anything_is_rendered(tmp_path: Path) -> None:
    file = background_file(tmp_path, "office.png", np.zeros((64, 64, 3), np.uint8))
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(JobError) as caught:
        chunk_of(tmp_path, "office.png")
    assert (caught.value.code, caught.value.field) == ("media", "background")


def test_people_are_cut_out_of_videos(tmp_path: Path) -> None:
    (tmp_path / "avatars" / "anna").mkdir(parents=True)
    write_clip(tmp_path / "avatars" / "anna" / "a.mp4", film(swaying(6)))
    chunk, stage = chunk_of(tmp_path, GREEN, avatar="anna"), lip_sync(tmp_path)
    frames, behind = person(tmp_path, stage, chunk, 0, 12), shown(stage, chunk, 0, 12)
    middle, corner = slice(SIDE // 2 - 12, SIDE // 2 + 12), slice(0, 8)
    for frame, whole in zip(frames, behind, strict=True):
        opacity = frame[SIDE * 3 // 2 :]
        assert opacity[middle, middle].min() > 250
        assert opacity[corner, corner].max() == 0
        assert (planes_of(whole)[0][opacity == 0] == GREEN_YUV[0]).all()
    assert np.array_equal(behind[5:12], shown(stage, chunk, 5, 12))
    mattes = frames[:, SIDE * 3 // 2 :]
    assert np.array_equal(mattes[0], mattes[10]), "back at the first frame of six"
    assert not np.array_equal(mattes[0], mattes[5])


def test_a_video_without_a_person_is_refused(tmp_path: Path) -> None:
    grey = np.full((200, 200, 3), 90, np.uint8)
    with pytest.raises(JobError) as caught:
        list(matte.follow([(grey, None)]))
    assert caught.value.code == "no_person"
    kept = [found for _, found in matte.follow([(portrait(), FACE), (np.full_like(portrait(), 90), FACE)])]
    assert kept[1][100:170, 200:250].mean() > 200, "what was found before"


@pytest.mark.slow
def test_the_matte_of_a_video_does_not_flicker() -> None:
    """Given a person who does not move, filmed with noise."""
    dice = np.random.default_rng(2)
    small = np.asarray(cv2.resize(portrait(), (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    noisy = [np.clip(small + dice.normal(0, 5, small.shape), 0, 255).astype(np.uint8) for _ in range(6)]
    face = np.asarray(FACE / 2, np.float32)
    together = np.stack([found for _, found in matte.follow((picture, face) for picture in noisy)]).astype(int)
    alone = np.stack([matte.find_matte(picture, face) for picture in noisy]).astype(int)
    flicker, before = (np.abs(np.diff(mattes[1:], axis=0)).mean() for mattes in (together, alone))
    assert flicker < before / 2
    assert np.abs(together - alone).mean() < 6, "and it is the same matte"


def test_a_changed_background_makes_another_video(tmp_path: Path) -> None:
    file = background_file(tmp_path, "office.png", np.zeros((64, 64, 3), np.uint8))
    first = fingerprint(b"{}", config(tmp_path), ["presenter"], [file])
    background_file(tmp_path, "office.png", np.full((64, 64, 3), 9, np.uint8))
    assert fingerprint(b"{}", config(tmp_path), ["presenter"], [file]) != first
