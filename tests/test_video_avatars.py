"""Videos as avatars: faces followed through real clips, videos that nobody vouches for, and what is made of them."""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatar, Avatars, FaceLandmarks, FittedAvatar
from pipeline.avatars.faces.finder import FaceFinder
from pipeline.avatars.faces.tracking import Faces, NoFace, find_in_clip, find_in_picture
from pipeline.avatars.folder import digest
from pipeline.avatars.scenes import Clip
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import VideoSource
from pipeline.config import Config, LimitsSettings
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.canvases import make_canvas
from pipeline.engines.settings import Wav2LipSettings
from pipeline.engines.wav2lip import Wav2LipEngine
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.executors.base import WorkerSpec
from pipeline.media import clips, ffmpeg
from pipeline.media.canvas import Regions
from pipeline.messages import Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests import media
from tests.clips import (
    GAP,
    SIDE,
    Affine,
    Picture,
    contours,
    film,
    interrupted,
    mapped,
    placed,
    portrait,
    swaying,
    write_clip,
)
from tests.seeded_weights import WAV2LIP_DATA

CPU = torch.device("cpu")
FRAMES = 50


@pytest.fixture(scope="module")
def sway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a face that moves as `swaying` says."""
    return write_clip(tmp_path_factory.mktemp("clips") / "sway.mp4", film(swaying(FRAMES)))


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that is gone for a while."""
    return write_clip(tmp_path_factory.mktemp("clips") / "gap.mp4", film(interrupted()))


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: what one has found, the next one need not look for."""
    return tmp_path_factory.mktemp("spool")


def avatar_of(file: Path, spool: Path, settings: str = "", **limits: int) -> Avatar:
    """The avatar of a video, under a name of its own."""
    folder = spool / "avatars" / str(len(list(spool.glob("avatars/*"))))
    folder.mkdir(parents=True)
    (folder / file.name).hardlink_to(file)
    (folder / "avatar.yaml").write_text(settings)
    return Avatars(Config(base=spool, limits=LimitsSettings(**limits))).load(folder.name)


def clip_of(fitted: FittedAvatar) -> Clip:
    assert isinstance(fitted.scene, Clip)
    return fitted.scene


def faces_of(avatar: Avatar) -> Faces:
    assert isinstance(avatar.faces, Faces), avatar.faces
    return avatar.faces


def refused(file: Path, spool: Path, **limits: int) -> JobError:
    with pytest.raises(JobError) as caught:
        avatar_of(file, spool, "", **limits).fitted(None)
    assert caught.value.field == "avatar"
    assert caught.value.hint
    return caught.value


# Following a face


@pytest.fixture(scope="module")
def own() -> Faces:
    """The portrait's face."""
    found = find_in_picture(portrait(), None)
    assert isinstance(found, Faces)
    return found


def errors(found: NDArray[np.float64], places: list[Affine | None], own: Faces) -> NDArray[np.float64]:
    """How far the points [frames, 80, 2] are off, in widths of the face; of frames that show one: [frames, 80]."""
    width = np.ptp(own.landmarks.jaw[0][:, 0])
    shown = [(points, place) for points, place in zip(found, places, strict=True) if place is not None]
    offs = [points - mapped(contours(own.landmarks)[0], place) for points, place in shown]
    widths = np.array([width * np.hypot(*place[:, 0]) for _, place in shown])
    return np.asarray(np.linalg.norm(offs, axis=-1) / widths[:, None])


def jitter(found: NDArray[np.float64], places: list[Affine | None], own: Faces) -> float:
    """How much the points shake beside the face's own movement: the mean second difference, in widths."""
    truth = [mapped(contours(own.landmarks)[0], place) for place in places if place is not None]
    shake = np.abs(np.diff(found - np.array(truth), n=2, axis=0)).mean()
    return float(shake / np.ptp(own.landmarks.jaw[0][:, 0]))


def test_landmarks_follow_a_moving_face_smoothly(sway: Path, spool: Path, own: Faces) -> None:
    avatar = avatar_of(sway, spool)
    assert list(avatar.placed(None).unseen) == []
    places: list[Affine | None] = [*swaying(FRAMES)]
    found = contours(faces_of(avatar).landmarks)
    assert errors(found, places, own).mean(1).max() < 0.015
    finder = FaceFinder()
    meshes = [finder.mesh(frame, finder.detect(frame)[0]).points for frame in film(places)]
    unsmoothed = contours(FaceLandmarks.of_mesh(np.array(meshes)))
    assert jitter(found, places, own) < 0.5 * jitter(unsmoothed, places, own)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (placed(-60, -20), placed(60, 30)),
        (placed(-10), placed(14)),
        (placed(), placed(scale=1.35)),
        (placed(degrees=-10), placed(degrees=10)),
    ],
    ids=["far", "near", "closer", "turned"],
)
def test_a_cut_does_not_smear(before: Affine, after: Affine, own: Faces) -> None:
    places: list[Affine | None] = [*[before] * 8, *[after] * 8]
    found = find_in_clip(film(places), None)
    assert isinstance(found, Faces)
    assert errors(contours(found.landmarks), places, own).mean(1).max() < 0.025


def test_a_face_that_is_gone_for_a_while_is_followed_on_both_sides(gap: Path, spool: Path, own: Faces) -> None:
    avatar = avatar_of(gap, spool)
    assert list(avatar.placed(None).unseen) == [GAP]
    found = contours(faces_of(avatar).landmarks)
    assert errors(found, interrupted(), own).mean(1).max() < 0.02
    steps = np.diff(found[GAP[0] - 1 : GAP[1] + 1].mean(1), axis=0)
    assert np.ptp(steps, axis=0).max() < 0.01, "in between it goes straight on"


def test_a_face_that_comes_later_is_waited_for(own: Faces) -> None:
    places: list[Affine | None] = [*[None] * 5, *swaying(10)]
    found = find_in_clip(film(places), None)
    assert isinstance(found, Faces)
    assert found.seen.tolist() == [False] * 5 + [True] * 10
    assert errors(contours(found.landmarks), places, own).mean(1).max() < 0.02
    assert (found.boxes[:5] == found.boxes[5]).all()


def side_by_side(frames: list[Picture]) -> list[Picture]:
    return [np.concatenate([frame, frame], axis=1) for frame in frames]


def test_in_a_video_of_two_the_one_in_the_box_speaks(own: Faces) -> None:
    frames = side_by_side(film(swaying(4)))
    nobody = find_in_clip(frames, None)
    assert isinstance(nobody, NoFace)
    assert nobody.code == "several_faces"
    right = find_in_clip(frames, (SIDE + 80, 80, SIDE + 170, 180))
    assert isinstance(right, Faces)
    found = contours(right.landmarks) - (SIDE, 0)
    assert errors(found, [*swaying(4)], own).mean(1).max() < 0.02


def test_a_cropped_video_is_like_one_that_shows_no_more(sway: Path, spool: Path, tmp_path: Path) -> None:
    """The same frames, and the face where it is in them; without the crop nobody knows which face is meant."""
    two = write_clip(tmp_path / "two.mp4", side_by_side(film(swaying(10))))
    with pytest.raises(JobError) as caught:
        avatar_of(two, spool).fitted(None).require_landmarks()
    assert caught.value.code == "several_faces"
    cropped = avatar_of(two, spool, f"crop: [{SIDE}, 0, {2 * SIDE}, {SIDE}]").fitted(None)
    plain = avatar_of(sway, spool).fitted(None)
    assert cropped.scene.size == (SIDE, SIDE)
    shown, other = (clip_of(fitted).read(7).astype(int) for fitted in (cropped, plain))
    assert np.abs(shown - other).mean() < 1  # both have been through an encoder
    found, expected = (contours(fitted.require_landmarks())[:10] for fitted in (cropped, plain))
    assert np.abs(found - expected).mean() < 0.5


def test_a_box_in_a_cropped_video_is_in_pixels_of_the_whole(spool: Path, tmp_path: Path) -> None:
    two = write_clip(tmp_path / "two.mp4", side_by_side(film(swaying(5))))
    half = f"crop: [{SIDE // 4}, 0, {2 * SIDE}, {SIDE}]\nface_box: [{SIDE + 80}, 80, {SIDE + 170}, 180]"
    mouth = avatar_of(two, spool, half).fitted(None).require_landmarks().lips_outer.mean((0, 1))
    assert mouth[0] > SIDE  # the right one's, though the left one's mouth is inside the crop, too


def resized(frames: list[Picture], size: tuple[int, int]) -> list[Picture]:
    return [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (lambda: film([None] * 3), "no_face"),
        (lambda: resized(film(swaying(3)), (SIDE // 4, SIDE // 4)), "face_too_small"),
        (lambda: side_by_side(film(swaying(3))), "several_faces"),
    ],
    ids=["none", "tiny", "two"],
)
def test_what_is_wrong_with_all_faces_is_told_by_the_engine(
    frames: Callable[[], list[Picture]], code: str, tmp_path: Path, engine: Wav2LipEngine
) -> None:
    avatar = avatar_of(write_clip(tmp_path / "clip.mp4", frames()), tmp_path, "size: 128x128")
    assert list(avatar.placed(None).unseen) == []
    fitted = avatar.fitted(None)
    with pytest.raises(JobError) as caught:
        engine.renderer(fitted, speech(5))
    assert (caught.value.code, caught.value.field) == (code, "avatar")
    with pytest.raises(JobError, match=caught.value.message):
        fitted.require_landmarks()


# Where the face is not seen


def test_held_is_the_last_frame_with_a_face(gap: Path, spool: Path) -> None:
    scene = clip_of(avatar_of(gap, spool, "no_face: hold").fitted(None))
    assert scene.order.tolist() == [*range(GAP[0]), *[GAP[0] - 1] * 10, *range(GAP[1], 36)]
    assert scene.drawn.all()


def test_before_the_first_face_its_frame_is_held(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "clip.mp4", film([None, None, None, *swaying(3)]))
    assert clip_of(avatar_of(file, tmp_path).fitted(None)).order.tolist() == [3, 3, 3, 3, 4, 5]


@pytest.mark.parametrize("policy", ["interpolate", "passthrough"])
def test_else_the_video_runs_on(policy: str, gap: Path, spool: Path) -> None:
    scene = clip_of(avatar_of(gap, spool, f"no_face: {policy}").fitted(None))
    assert scene.order.tolist() == list(range(36))
    undrawn = np.flatnonzero(~scene.drawn).tolist()
    assert undrawn == (list(range(*GAP)) if policy == "passthrough" else [])


def test_a_missing_face_fails_the_job_if_that_is_wanted(gap: Path, sway: Path, spool: Path) -> None:
    with pytest.raises(JobError, match="frames 12 to 21") as caught:
        avatar_of(gap, spool, "no_face: fail").fitted(None)
    assert (caught.value.code, caught.value.field) == ("no_face", "avatar")
    assert avatar_of(sway, spool, "no_face: fail").fitted(None)


def wide(places: list[Affine]) -> list[Picture]:
    """The portrait in the middle of frames that are three times as wide, moved."""
    picture, edge = portrait(), cv2.BORDER_REPLICATE
    beside = np.array([(0, 0, SIDE), (0, 0, 0)])
    shown = (cv2.warpAffine(picture, place + beside, (3 * SIDE, SIDE), borderMode=edge) for place in places)
    return [np.asarray(frame, np.uint8) for frame in shown]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that walks from the middle of a wide picture to its right."""
    places = [placed(20 * max(frame - 5, 0)) for frame in range(20)]
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", wide(places))


@pytest.mark.parametrize("policy", ["hold", "interpolate", "passthrough"])
def test_a_face_that_walks_out_of_the_frame_is_not_seen_there(
    policy: str, walk: Path, spool: Path, engine: Wav2LipEngine
) -> None:
    avatar = avatar_of(walk, spool, f"no_face: {policy}")
    assert list(avatar.placed(None).unseen) == []
    assert clip_of(avatar.fitted((3 * SIDE, SIDE))).drawn.all()
    fitted = avatar.fitted((SIDE, SIDE))
    assert engine.renderer(fitted, speech(20))
    gone = 5 + SIDE // 2 // 20 + 1
    scene = clip_of(fitted)
    assert scene.order[-1] == pytest.approx(gone - 1 if policy == "hold" else 19, abs=1)
    assert scene.drawn.sum() == pytest.approx(gone if policy == "passthrough" else 20, abs=1)


def test_a_face_that_walks_out_of_the_frame_fails_the_job_if_that_is_wanted(walk: Path, spool: Path) -> None:
    avatar = avatar_of(walk, spool, "no_face: fail")
    assert avatar.fitted((3 * SIDE, SIDE))
    with pytest.raises(JobError, match="to 19 of the video"):
        avatar.fitted((SIDE, SIDE))


def test_a_face_that_no_frame_shows_is_told(tmp_path: Path, engine: Wav2LipEngine) -> None:
    file = write_clip(tmp_path / "a.mp4", wide([placed(SIDE)] * 3))
    with pytest.raises(JobError, match="outside the frames") as caught:
        engine.renderer(avatar_of(file, tmp_path).fitted((SIDE, SIDE)), speech(3))
    assert (caught.value.code, caught.value.field) == ("no_face", "avatar")
    assert "size" in (caught.value.hint or "")


# Videos of every kind


def turned(file: Path, quarters: int) -> Path:
    """An MP4 that says of itself that it is to be shown turned clockwise."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    before, track, after = file.read_bytes().partition(b"tkhd")
    assert upright in after[:100]
    file.write_bytes(before + track + after.replace(upright, matrix, 1))
    return file


def narrow(frames: list[Picture]) -> list[Picture]:
    """For pixels that are twice as wide as high."""
    return resized(frames, (SIDE // 2, SIDE))


def lying(frames: list[Picture], quarters: int) -> list[Picture]:
    return [np.ascontiguousarray(np.rot90(frame, quarters)) for frame in frames]


YUV = ("-pix_fmt", "yuv420p")
KINDS: dict[str, Callable[[Path, list[Picture]], Path]] = {
    "turned 90": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 1)), 1),
    "turned 180": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 2)), 2),
    "turned 270": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 3)), 3),
    "anamorphic": lambda path, frames: write_clip(path / "a.mp4", narrow(frames), *YUV, "-vf", "setsar=2"),
    "anamorphic, turned": lambda path, frames: turned(
        write_clip(path / "a.mp4", narrow(lying(frames, 1)), *YUV, "-vf", "setsar=2"), 1
    ),
    "10-bit": lambda path, frames: write_clip(path / "a.mp4", frames, "-pix_fmt", "yuv420p10le"),
    "4:4:4": lambda path, frames: write_clip(path / "a.mkv", frames, "-pix_fmt", "yuv444p"),
    "VP9": lambda path, frames: write_clip(
        path / "a.webm", frames, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"
    ),
    "MPEG-4": lambda path, frames: write_clip(path / "a.avi", frames, "-c:v", "mpeg4", "-q:v", "2"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_video_is_shown_as_a_player_shows_it(kind: str, tmp_path: Path, own: Faces) -> None:
    places: list[Affine | None] = [*swaying(8)]
    avatar = avatar_of(KINDS[kind](tmp_path, film(places)), tmp_path)
    assert avatar.sides == (SIDE, SIDE)
    assert errors(contours(faces_of(avatar).landmarks), places, own).mean(1).max() < 0.03
    scene = clip_of(avatar.fitted(None))
    assert (scene.size, scene.frames, scene.rate) == ((SIDE, SIDE), 8, Fraction(25))
    luma = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) * (219 / 255) + 16 for frame in film(places)]
    for index, expected in enumerate(luma):
        assert np.abs(scene.read(index)[:SIDE] - expected).mean() < 8


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_turned_video_is_as_wide_as_it_is_shown(quarters: int, tmp_path: Path, own: Faces) -> None:
    places: list[Affine | None] = [*swaying(3)]
    tall = [np.ascontiguousarray(frame[:, :200]) for frame in film(places)]
    avatar = avatar_of(turned(write_clip(tmp_path / "a.mp4", lying(tall, quarters)), quarters), tmp_path)
    assert avatar.sides == avatar.fitted(None).scene.size == (200, SIDE)
    assert errors(contours(faces_of(avatar).landmarks), places, own).mean(1).max() < 0.02


def test_sides_may_be_odd(tmp_path: Path) -> None:
    frames = [np.ascontiguousarray(frame[:255, :253]) for frame in film(swaying(3))]
    avatar = avatar_of(write_clip(tmp_path / "a.mkv", frames, "-pix_fmt", "yuv444p"), tmp_path)
    assert avatar.sides == (253, 255)
    assert avatar.fitted(None).scene.size == (252, 254)
    assert faces_of(avatar).seen.all()


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    scene = clip_of(avatar_of(write_clip(tmp_path / "a.mp4", film(swaying(1))), tmp_path).fitted(None))
    assert scene.frames == 1
    assert (scene.shown(0, 100, 25) == 0).all()


def test_a_variable_rate_becomes_a_constant_one(tmp_path: Path) -> None:
    """Ten frames at 25 a second, then ten at 5 a second: 2.4 s in all."""
    slow = "setpts='if(lt(N,10),N,10+(N-10)*5)/25/TB'"
    file = write_clip(tmp_path / "a.mp4", film(swaying(20)), *YUV, "-vf", slow, "-vsync", "vfr")
    scene = clip_of(avatar_of(file, tmp_path).fitted(None))
    assert scene.frames / scene.rate == pytest.approx(2.4, abs=0.25)
    changes = [not np.array_equal(scene.read(n), scene.read(n + 1)) for n in range(scene.frames - 1)]
    half = round(float(scene.rate * Fraction(4, 10)))
    assert all(changes[: half - 1])
    assert sum(changes[half:]) <= 11


def test_what_ffmpeg_complains_of_and_yet_shows_is_taken(tmp_path: Path) -> None:
    """Trimmed without re-encoding, inside an open group of pictures."""
    open_groups = ("-bf", "3", "-g", "20", "-x264-params", "open-gop=1:bframes=3:scenecut=0")
    whole = write_clip(tmp_path / "whole.mp4", film(swaying(FRAMES)), *YUV, *open_groups)
    trim = ["ffmpeg", "-v", "error", "-ss", "1.1", "-i", str(whole), "-c", "copy", str(tmp_path / "trimmed.mp4")]
    subprocess.run(trim, check=True)
    watch = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "trimmed.mp4"), "-f", "null", "-"]
    assert subprocess.run(watch, check=True, capture_output=True).stderr
    assert faces_of(avatar_of(tmp_path / "trimmed.mp4", tmp_path)).seen.all()


def test_many_complaints_do_not_stop_the_reading(sway: Path) -> None:
    """More of them than a pipe holds: each frame's statistics, six times over."""
    chatty = ffmpeg.source(sway, clips.FORMATS)["v:0"].filter("loop", loop=5, size=FRAMES).filter("signalstats")
    chatty = chatty.filter("metadata", mode="print", file="/dev/stderr")
    assert sum(1 for _ in ffmpeg.read_frames(chatty, "gray", SIDE * SIDE, "avatar", 60)) == 6 * FRAMES


def test_of_many_complaints_the_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a program that can write no large file, and that complains in 20 MB."""
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nulimit -f 1000\nseq 3000000 >&2\nexit 1\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    source = ffmpeg.source(tmp_path / "video.mp4", clips.FORMATS)
    tracemalloc.start()
    try:
        with pytest.raises(JobError, match=r"ffmpeg: 3000000$"):
            list(ffmpeg.read_frames(source, "gray", SIDE * SIDE, "avatar", 60))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_killed_ffmpeg_is_not_the_end_of_the_video(sway: Path) -> None:
    frames = clips.rgb_frames(sway, Fraction(25), (512, 512), (0, 0, 512, 512), (512, 512), seconds=9)
    next(frames)
    for child in psutil.Process().children():
        child.kill()
    with pytest.raises(StageError) as caught:
        list(frames)
    assert caught.value.code == "media_killed"


# Videos that are none


def lost_index(whole: bytes) -> bytes:
    """An MP4 whose end, the index, is missing."""
    return whole[: whole.index(b"moov") - 4]


BAD: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda whole: b"",
    "noise": lambda whole: np.random.default_rng(1).bytes(20_000),
    "text": lambda whole: b"Hello, I am no video.\n" * 100,
    "no index": lost_index,
    "half": lambda whole: whole[: len(whole) // 2],
    "one box": lambda whole: whole[:40],
    "HLS": lambda whole: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nsway.mp4\n#EXT-X-ENDLIST\n",
    "ffconcat": lambda whole: b"ffconcat version 1.0\nfile sway.mp4\n",
    "picture": lambda whole: cv2.imencode(".png", portrait())[1].tobytes(),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_video_is_refused(kind: str, sway: Path, tmp_path: Path) -> None:
    """The playlists name a video that lies beside them: were it opened, they would be played."""
    (tmp_path / "bad.mp4").write_bytes(BAD[kind](sway.read_bytes()))
    folder = tmp_path / "avatars" / "0"
    error = refused_beside(tmp_path / "bad.mp4", sway, folder)
    assert error.code == "media"
    assert not list(tmp_path.glob("cache/*.i420"))


def refused_beside(file: Path, other: Path, folder: Path) -> JobError:
    folder.mkdir(parents=True)
    video = folder / "bad.mp4"
    video.hardlink_to(file)
    shutil.copy(other, folder / "sway.mp4")
    cache = Avatars(Config(base=folder.parent.parent))._cache
    with pytest.raises(JobError) as caught:
        VideoSource.open(video, digest(video), cache, pixels_max=10**7, seconds_max=10).find_faces(
            (0, 0, SIDE, SIDE), None
        )
    return caught.value


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_video_that_was_cut_off_is_refused(part: float, sway: Path, tmp_path: Path) -> None:
    """Its index is at its start, so only the pictures are missing."""
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-c", "copy", "-movflags", "+faststart", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(part * len(whole))])
    assert refused(tmp_path / "cut.mp4", tmp_path).code == "media"
    kept = {"".join(file.suffixes) for file in tmp_path.glob("cache/*")}
    assert kept <= {".json", ".json.lock", ".npz.lock", ".i420.lock"}  # its header is whole


def test_no_program_is_started_for_a_known_video(sway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that meets it for the first time would wait for it."""
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    shutil.copy(sway, folder)
    known = Avatars(Config(base=tmp_path)).load("anna").fitted((256, 256))
    monkeypatch.setenv("PATH", "")
    again = Avatars(Config(base=tmp_path)).load("anna").fitted((256, 256))
    assert np.array_equal(clip_of(again).read(3), clip_of(known).read(3))
    assert again.scene.size == known.scene.size
    (folder / "sway.mp4").write_bytes(sway.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="is not installed"):
        Avatars(Config(base=tmp_path)).load("anna")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine", "-t", "1", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    error = refused(tmp_path / "a.mp4", tmp_path)
    assert (error.code, "holds no video" in error.message) == ("media", True)


def test_a_video_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    (folder / "a.mp4").symlink_to("/proc/self/mem")
    with pytest.raises(JobError) as caught:
        Avatars(Config(base=tmp_path)).load("anna")
    assert (caught.value.code, caught.value.field) == ("media", "avatar")


def test_a_long_video_is_refused(sway: Path, tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:r=1", "-t", "4", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    assert refused(tmp_path / "a.mp4", tmp_path, avatar_seconds=2).code == "too_long"


def test_a_video_that_hides_its_length_is_read_up_to_the_limit(sway: Path, tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-c", "copy", "-f", "matroska", "-"]
    (tmp_path / "a.mkv").write_bytes(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert clips.probe(tmp_path / "a.mkv", "avatar").seconds is None
    scene = clip_of(avatar_of(tmp_path / "a.mkv", tmp_path, avatar_seconds=1).fitted(None))
    assert scene.frames == 25
    assert len(scene.order) == 25


@pytest.mark.parametrize("options", [(), ("-vf", "setsar=1000")], ids=["square", "wide pixels"])
def test_a_video_of_too_many_pixels_is_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    file = write_clip(tmp_path / "a.mp4", film([None]), *YUV, *options)
    limit = SIDE * SIDE * 2 if options else SIDE * SIDE - 1
    assert refused(file, tmp_path, picture_pixels=limit).code == "too_many_pixels"


# Its frames in a job


class Frames:
    """Clips of noise without any ffmpeg."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, frames: int, rate: Fraction, size: tuple[int, int] = (16, 8)) -> Clip:
        path = self.folder / f"{frames}.i420"
        path.write_bytes(np.random.default_rng(0).bytes(frames * size[0] * size[1] * 3 // 2))
        return Clip(path.open("rb"), size, frames, rate, np.arange(frames), np.ones(frames, bool))


@pytest.fixture
def noise(tmp_path: Path) -> Frames:
    return Frames(tmp_path)


def test_it_runs_forth_and_back(noise: Frames) -> None:
    shown = noise(4, Fraction(25)).shown(0, 14, 25)
    assert shown.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


@pytest.mark.parametrize("fps", [24, 25, 30, 50])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(1, 3), Fraction(60)], ids=str)
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_it_runs_by_the_clock_at_any_rate(frames: int, rate: Fraction, fps: int, noise: Frames) -> None:
    clip = noise(frames, rate)
    there = list(range(frames))
    cycle = there + there[-2:0:-1]
    expected = [cycle[int(n * rate / fps + Fraction(1, 2)) % len(cycle)] for n in range(400)]
    assert clip.shown(0, 400, fps).tolist() == expected
    assert clip.shown(123, 321, fps).tolist() == expected[123:321]
    assert clip.shown(360_000, 360_010, fps).min() >= 0
    assert clip.shown(360_000, 360_010, fps).max() < frames


def test_frames_are_those_that_ffmpeg_makes(sway: Path, spool: Path) -> None:
    scene = clip_of(avatar_of(sway, spool).fitted((128, 128)))
    scale = "scale=128:128:out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-vf", scale, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, capture_output=True).stdout
    whole = np.frombuffer(raw, np.uint8).reshape(FRAMES, 192, 128)
    for index in (0, 7, FRAMES - 1):
        assert np.array_equal(scene.read(index), whole[index])


def test_a_region_painted_back_is_the_frame_again(tmp_path: Path) -> None:
    """In colours that RGB can show; beyond, some of the encoder's ringing is lost."""
    muted = [np.asarray(frame * 0.7 + 40, np.uint8) for frame in film(swaying(20))]
    avatar = avatar_of(write_clip(tmp_path / "a.mp4", muted), tmp_path).fitted(None)
    scene = clip_of(avatar)
    indices = scene.shown(30, 50, 25)
    corners = np.array([(2 * n, 100 - 2 * n) for n in range(20)], np.intp)
    regions = scene.regions(indices, corners, (120, 140))
    frames = make_canvas(avatar, speech(50)).compose(Regions(torch.from_numpy(regions)), corners, 30).numpy()
    own = np.stack([scene.read(int(index)) for index in indices])
    assert np.abs(frames.astype(int) - own).max() <= 1


def test_where_no_mouth_is_drawn_the_frame_stays_as_it_is(gap: Path, spool: Path) -> None:
    avatar = avatar_of(gap, spool, "no_face: passthrough").fitted(None)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(20, 8, 8, 3)
    frames = make_canvas(avatar, speech(50)).compose(Regions(red), np.zeros((20, 2), np.intp), 5).numpy()
    for frame, index in zip(frames, range(5, 25), strict=True):
        assert np.array_equal(frame, clip_of(avatar).read(index)) == (GAP[0] <= index < GAP[1])


def test_a_clip_outlives_its_file(sway: Path, tmp_path: Path) -> None:
    avatar = avatar_of(sway, tmp_path)
    scene = clip_of(avatar.fitted(None))
    first = scene.read(3)
    for file in tmp_path.glob("cache/*"):
        file.unlink()
    assert np.array_equal(scene.read(3), first)
    again = clip_of(avatar_of(sway, tmp_path).fitted(None))
    assert np.array_equal(again.read(3), first)


def test_a_long_clip_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    size, frames = (1280, 720), 3000
    with (tmp_path / "hollow.i420").open("wb") as file:
        file.truncate(frames * 1280 * 1080)
    clip = Clip(
        (tmp_path / "hollow.i420").open("rb"), size, frames, Fraction(25), np.arange(frames), np.ones(frames, bool)
    )
    tracemalloc.start()
    for start in range(0, frames, 100):
        indices = clip.shown(start, start + 2, 25)
        assert clip.regions(indices, np.zeros((2, 2), np.intp), (64, 64)).shape == (2, 64, 64, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("known", [10, FRAMES, 90])
@pytest.mark.parametrize("policy", ["hold", "interpolate", "passthrough"])
def test_frames_without_their_faces_are_not_shown(known: int, policy: Any, sway: Path, spool: Path) -> None:
    """Should the two decodings of a video ever differ in length."""
    avatar = avatar_of(sway, spool)
    assert isinstance(avatar.source, VideoSource)
    faces = replace(faces_of(avatar), seen=np.arange(known) >= 2)
    scene = avatar.source.scene((0, 0, SIDE, SIDE), (64, 64), faces, AvatarSettings(no_face=policy))
    assert scene.frames == min(known, FRAMES)
    shown = scene.shown(0, 300, 25)
    assert shown.max() == scene.frames - 1
    assert scene.drawn[shown].shape == (300,)


# Sizes


@pytest.mark.parametrize("size", [(128, 128), (256, 128), (96, 160), (640, 360)])
def test_the_face_follows_the_size(size: tuple[int, int], sway: Path, spool: Path) -> None:
    avatar = avatar_of(sway, spool, f"size: {size[0]}x{size[1]}")
    fitted = avatar.fitted(None)
    assert fitted.scene.size == size
    scale = max(size) / SIDE
    offset = (np.array(size) - max(size)) / 2
    expected = contours(faces_of(avatar).landmarks) * scale + offset
    assert contours(fitted.require_landmarks()) == pytest.approx(expected, abs=1)
    boxes = fitted.require_face_boxes()
    assert (boxes >= 0).all()
    assert (boxes <= np.tile(size, 2)).all()


def test_a_phones_video_keeps_its_proportions(tmp_path: Path, own: Faces) -> None:
    tall = [
        cv2.copyMakeBorder(cv2.resize(f, (1080, 1080)), 420, 420, 0, 0, cv2.BORDER_REPLICATE) for f in film(swaying(3))
    ]
    avatar = avatar_of(write_clip(tmp_path / "a.mp4", tall), tmp_path)  # type: ignore[arg-type]
    assert avatar.sides == (1080, 1920)
    assert avatar.fitted(None).scene.size == (606, 1080)
    found = (contours(faces_of(avatar).landmarks) - (0, 420)) * (SIDE / 1080)
    assert errors(found, [*swaying(3)], own).mean(1).max() < 0.02


# Wav2Lip on videos


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Wav2LipEngine:
    return Wav2LipEngine(checkpoint, CPU, config_key="models.gan.checkpoint", exact=True)


def speech(frames: int) -> SpeechFeatures:
    mel = np.load(WAV2LIP_DATA / "mel_spectrogram.npz")["mel"]
    return SpeechFeatures(mel, frames, 25)


def rendered(engine: Wav2LipEngine, avatar: FittedAvatar, edges: list[int]) -> NDArray[np.uint8]:
    renderer = engine.renderer(avatar, speech(edges[-1]))
    batches = [batch for start, stop in itertools.pairwise(edges) for batch in renderer.render(start, stop)]
    return torch.cat(batches).numpy()


def test_frames_are_the_same_however_the_job_is_cut(sway: Path, spool: Path, engine: Wav2LipEngine) -> None:
    avatar = avatar_of(sway, spool).fitted((128, 128))
    whole = rendered(engine, avatar, [0, 10])
    assert len({frame.tobytes() for frame in whole}) == 10
    assert np.array_equal(rendered(engine, avatar, [0, 5, 10]), whole)


def test_the_mouth_follows_the_face(sway: Path, spool: Path, engine: Wav2LipEngine) -> None:
    """What is changed of each frame lies in the lower half of that frame's box, about its middle."""
    avatar = avatar_of(sway, spool).fitted(None)
    scene, boxes = clip_of(avatar), avatar.require_face_boxes()
    made = rendered(engine, avatar, [0, 16])
    for frame, index in zip(made, scene.shown(0, 16, 25), strict=True):
        change = np.abs(frame[:SIDE].astype(int) - scene.read(int(index))[:SIDE])
        rows, columns = np.nonzero(change > 4)
        x1, y1, x2, y2 = boxes[index]
        assert x1 - 2 <= columns.min()
        assert columns.max() <= x2 + 2
        assert (y1 + y2) / 2 - 10 <= rows.min()
        assert rows.max() <= y2 + 2
        assert columns.mean() == pytest.approx((x1 + x2) / 2, abs=0.06 * float(x2 - x1))


def test_a_job_with_a_video_for_an_avatar(gap: Path, tmp_path: Path, checkpoint: Path) -> None:
    avatar_of(gap, tmp_path, "no_face: passthrough")
    model = Wav2LipSettings(checkpoint=str(checkpoint), silence_gate=True)
    spec = WorkerSpec("gan-0", "test", "", Config(base=tmp_path, models={"gan": model}), model="gan")
    media.write_recording(tmp_path / "in.wav", media.speech_like(0.8))
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "in.wav"), 25, "auto", None, "0", (128, 128))
    [chunk] = SplitStage(spec).process(item)
    assert chunk.timeline.unseen == (GAP,)
    stage = LipSyncStage(spec)
    stage.setup("cpu")
    [segment] = stage.process(chunk)
    made = media.frames(segment.path, (128, 128))
    assert len(made) == chunk.stop_frame == 20
    scene = clip_of(Avatars(spec.config).load("0").fitted((128, 128)))
    for frame, index in zip(made, scene.shown(0, 20, 25), strict=True):
        own = (scene.read(int(index))[:128] - 16.0) * 255 / 219
        assert np.abs(frame[:60] - own[:60]).mean() < 3, "the eyes and all above are the video's own"
