"""Video avatars in jobs: frames without a face, the order of frames, and Wav2Lip on them."""

from __future__ import annotations

import itertools
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatars, FaceLandmarks, FittedAvatar
from pipeline.avatars.faces.results import NoFace
from pipeline.avatars.scenes import Clip
from pipeline.avatars.settings import AvatarSettings
from pipeline.avatars.video import VideoSource
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.canvases import Canvases
from pipeline.engines.settings import Wav2LipSettings
from pipeline.engines.wav2lip import Wav2LipEngine
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.media.canvas import Regions
from pipeline.messages import Segment, Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests import media
from tests.clips import GAP, SIDE, Affine, Picture, film, placed, portrait, swaying, write_clip
from tests.members import members, slow
from tests.seeded_weights import WAV2LIP_DATA
from tests.videos import SWAY_FRAMES, avatar_of, clip_of, faces_of, plainly, resized, side_by_side

CPU = torch.device("cpu")


# Where the face is not seen


@pytest.mark.slow
def test_hold_shows_the_last_frame_with_a_face(gap: Path, video_spool: Path) -> None:
    scene = clip_of(avatar_of(gap, video_spool, "no_face: hold").fitted(None))
    assert scene.order.tolist() == [*range(GAP[0]), *[GAP[0] - 1] * 10, *range(GAP[1], 36)]
    assert (scene.opacity == 1).all()


def test_hold_shows_the_first_frame_with_a_face_before_it(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "clip.mp4", film([None, None, None, *swaying(3)]))
    assert clip_of(avatar_of(file, tmp_path).fitted(None)).order.tolist() == [3, 3, 3, 3, 4, 5]


@pytest.mark.parametrize("policy", ["interpolate", "passthrough"])
def test_the_other_policies_let_the_video_play(policy: str, gap: Path, video_spool: Path) -> None:
    scene = clip_of(avatar_of(gap, video_spool, f"no_face: {policy}").fitted(None))
    assert scene.order.tolist() == list(range(36))
    undrawn = np.flatnonzero(scene.opacity == 0).tolist()
    assert undrawn == (list(range(*GAP)) if policy == "passthrough" else [])


def test_fail_refuses_a_video_with_a_gap(gap: Path, sway: Path, video_spool: Path) -> None:
    with pytest.raises(JobError, match="frames 12 to 21") as caught:
        avatar_of(gap, video_spool, "no_face: fail").fitted(None)
    assert (caught.value.code, caught.value.field) == ("no_face", "avatar")
    assert avatar_of(sway, video_spool, "no_face: fail").fitted(None)


def wide(places: list[Affine]) -> list[Picture]:
    """The portrait in frames three times as wide, moved."""
    picture, edge = portrait(), cv2.BORDER_REPLICATE
    beside = np.array([(0, 0, SIDE), (0, 0, 0)])
    shown = (cv2.warpAffine(picture, place + beside, (3 * SIDE, SIDE), borderMode=edge) for place in places)
    return [np.asarray(frame, np.uint8) for frame in shown]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that moves from the middle of a wide picture to the right."""
    places = [placed(20 * max(frame - 5, 0)) for frame in range(20)]
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", wide(places))


@pytest.mark.slow
@pytest.mark.parametrize("policy", members(["hold", "interpolate", "passthrough"], "hold"))
def test_a_face_that_leaves_the_frame_is_not_seen(
    policy: str, walk: Path, video_spool: Path, engine: Wav2LipEngine
) -> None:
    avatar = avatar_of(walk, video_spool, f"no_face: {policy}")
    assert list(avatar.placed(None).unseen) == []
    assert (clip_of(avatar.fitted((3 * SIDE, SIDE))).opacity == 1).all()
    fitted = avatar.fitted((SIDE, SIDE))
    assert engine.renderer(fitted, speech(20))
    middle = avatar.placed((SIDE, SIDE)).cut[0] - SIDE  # frames are about where the face is most of the time
    gone = 5 + (SIDE // 2 + middle) // 20 + 1
    scene = clip_of(fitted)
    assert scene.order[-1] == pytest.approx(gone - 1 if policy == "hold" else 19, abs=1)
    assert np.count_nonzero(scene.opacity) == pytest.approx(gone if policy == "passthrough" else 20, abs=1)


def test_fail_refuses_a_face_that_leaves_the_frame(walk: Path, video_spool: Path) -> None:
    avatar = avatar_of(walk, video_spool, "no_face: fail")
    assert avatar.fitted((3 * SIDE, SIDE))
    with pytest.raises(JobError, match="to 19 of the video"):
        avatar.fitted((SIDE, SIDE))


def test_frames_are_about_the_face_wherever_it_is(tmp_path: Path, engine: Wav2LipEngine) -> None:
    fitted = avatar_of(write_clip(tmp_path / "a.mp4", wide([placed(SIDE)] * 3)), tmp_path).fitted((SIDE, SIDE))
    assert engine.renderer(fitted, speech(3))
    assert fitted.require_landmarks().nose[..., 0].mean() == pytest.approx(SIDE / 2, abs=12)
    assert fitted.unseen == ()


def test_a_face_outside_every_frame_is_reported(walk: Path, video_spool: Path) -> None:
    outside = faces_of(avatar_of(walk, video_spool)).within((0, 0, 64, 64))
    assert isinstance(outside, NoFace)
    assert (outside.code, "outside the frames" in outside.message, "size" in outside.hint) == ("no_face", True, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (lambda: film([None] * 3), "no_face"),
        slow(lambda: resized(film(swaying(3)), (SIDE // 4, SIDE // 4)), "face_too_small"),
        slow(lambda: side_by_side(film(swaying(3))), "several_faces"),
    ],
    ids=["none", "tiny", "two"],
)
def test_the_engine_reports_why_no_face_can_speak(
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


# Frames in a job


class Frames:
    """Makes clips of noise without ffmpeg."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, frames: int, rate: Fraction, size: tuple[int, int] = (16, 8)) -> Clip:
        path = self.folder / f"{frames}.i420"
        path.write_bytes(np.random.default_rng(0).bytes(frames * size[0] * size[1] * 3 // 2))
        return Clip(path.open("rb"), size, frames, rate, *plainly(frames))


@pytest.fixture
def noise(tmp_path: Path) -> Frames:
    return Frames(tmp_path)


def test_a_clip_plays_forwards_and_backwards(noise: Frames) -> None:
    shown = noise(4, Fraction(25)).shown(0, 14, 25)
    assert shown.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(1, 3), Fraction(60)], ids=str)
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_a_clip_plays_in_real_time_at_any_rate(frames: int, rate: Fraction, fps: int, noise: Frames) -> None:
    clip = noise(frames, rate)
    forwards = list(range(frames))
    cycle = forwards + forwards[-2:0:-1]
    expected = [cycle[int(n * rate / fps + Fraction(1, 2)) % len(cycle)] for n in range(400)]
    assert clip.shown(0, 400, fps).tolist() == expected
    assert clip.shown(123, 321, fps).tolist() == expected[123:321]
    assert clip.shown(360_000, 360_010, fps).min() >= 0
    assert clip.shown(360_000, 360_010, fps).max() < frames


def test_frames_equal_those_of_ffmpeg(sway: Path, video_spool: Path) -> None:
    scene = clip_of(avatar_of(sway, video_spool).fitted((128, 128)))
    scale = "scale=128:128:out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-vf", scale, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, capture_output=True).stdout
    whole = np.frombuffer(raw, np.uint8).reshape(SWAY_FRAMES, 192, 128)
    for index in (0, 7, SWAY_FRAMES - 1):
        assert np.array_equal(scene.read(index), whole[index])


def test_painting_a_region_back_restores_the_frame(tmp_path: Path) -> None:
    """With colours inside the RGB gamut; outside it, some of the encoder's ringing would be clipped."""
    muted = [np.asarray(frame * 0.7 + 40, np.uint8) for frame in film(swaying(20))]
    avatar = avatar_of(write_clip(tmp_path / "a.mp4", muted), tmp_path).fitted(None)
    scene = clip_of(avatar)
    indices = scene.shown(30, 50, 25)
    corners = np.array([(2 * n, 100 - 2 * n) for n in range(20)], np.intp)
    regions = scene.regions(indices, corners, (120, 140))
    frames = Canvases().canvas(avatar, speech(50)).compose(Regions(torch.from_numpy(regions)), corners, 30).numpy()
    own = np.stack([scene.read(int(index)) for index in indices])
    assert np.abs(frames.astype(int) - own).max() <= 1


def test_frames_without_a_drawn_mouth_are_unchanged(gap: Path, video_spool: Path) -> None:
    avatar = avatar_of(gap, video_spool, "no_face: passthrough").fitted(None)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(20, 8, 8, 3)
    frames = Canvases().canvas(avatar, speech(50)).compose(Regions(red), np.zeros((20, 2), np.intp), 5).numpy()
    for frame, index in zip(frames, range(5, 25), strict=True):
        assert np.array_equal(frame, clip_of(avatar).read(index)) == (GAP[0] <= index < GAP[1])


def test_a_clip_outlives_its_file(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4", film(swaying(4)))
    avatar = avatar_of(video, tmp_path)
    scene = clip_of(avatar.fitted(None))
    first = scene.read(3)
    for file in tmp_path.glob("cache/*"):
        file.unlink()
    assert np.array_equal(scene.read(3), first)
    again = clip_of(avatar_of(video, tmp_path).fitted(None))
    assert np.array_equal(again.read(3), first)


def test_memory_does_not_grow_with_a_clips_length(tmp_path: Path) -> None:
    size, frames = (1280, 720), 3000
    with (tmp_path / "hollow.i420").open("wb") as file:
        file.truncate(frames * 1280 * 1080)
    clip = Clip((tmp_path / "hollow.i420").open("rb"), size, frames, Fraction(25), *plainly(frames))
    tracemalloc.start()
    for start in range(0, frames, 100):
        indices = clip.shown(start, start + 2, 25)
        assert clip.regions(indices, np.zeros((2, 2), np.intp), (64, 64)).shape == (2, 64, 64, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("known", [10, SWAY_FRAMES, 90])
@pytest.mark.parametrize("policy", ["hold", "interpolate", "passthrough"])
def test_only_frames_with_known_faces_are_shown(known: int, policy: Any, sway: Path, video_spool: Path) -> None:
    """Two decodings of a video may differ in length."""
    avatar = avatar_of(sway, video_spool)
    assert isinstance(avatar.source, VideoSource)
    faces = replace(faces_of(avatar), seen=np.arange(known) >= 2)
    scene = avatar.source.scene((0, 0, SIDE, SIDE), (64, 64), faces, AvatarSettings(no_face=policy))
    assert scene.frames == min(known, SWAY_FRAMES)
    shown = scene.shown(0, 300, 25)
    assert shown.max() == scene.frames - 1
    assert scene.opacity[shown].shape == (300,)


# Wav2Lip on videos


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Wav2LipEngine:
    """With half the usual batch, so that few frames fill several."""
    made = Wav2LipEngine(checkpoint, CPU, config_key="models.gan.checkpoint", exact=True)
    made.batch_frames = 4
    return made


def speech(frames: int) -> SpeechFeatures:
    mel = np.load(WAV2LIP_DATA / "mel_spectrogram.npz")["mel"]
    return SpeechFeatures(mel, frames, 25)


def rendered(engine: Wav2LipEngine, avatar: FittedAvatar, edges: list[int]) -> NDArray[np.uint8]:
    renderer = engine.renderer(avatar, speech(edges[-1]))
    batches = [batch for start, stop in itertools.pairwise(edges) for batch in renderer.render(start, stop)]
    return torch.cat(batches).numpy()


def test_frames_do_not_depend_on_how_the_job_is_split(sway: Path, video_spool: Path, engine: Wav2LipEngine) -> None:
    avatar = avatar_of(sway, video_spool).fitted((128, 128))
    whole = rendered(engine, avatar, [0, 6])
    assert len({frame.tobytes() for frame in whole}) == 6
    assert np.array_equal(rendered(engine, avatar, [0, 2, 6]), whole)


def test_the_mouth_follows_the_face(sway: Path, video_spool: Path, engine: Wav2LipEngine) -> None:
    """Each frame changes only in the lower half of its face box, around the middle."""
    avatar = avatar_of(sway, video_spool).fitted(None)
    scene, boxes = clip_of(avatar), avatar.require_face_boxes()
    made = rendered(engine, avatar, [0, 8])
    for frame, index in zip(made, scene.shown(0, 8, 25), strict=True):
        change = np.abs(frame[:SIDE].astype(int) - scene.read(int(index))[:SIDE])
        rows, columns = np.nonzero(change > 4)
        x1, y1, x2, y2 = boxes[index]
        assert x1 - 2 <= columns.min()
        assert columns.max() <= x2 + 2
        assert (y1 + y2) / 2 - 10 <= rows.min()
        assert rows.max() <= y2 + 2
        assert columns.mean() == pytest.approx((x1 + x2) / 2, abs=0.06 * float(x2 - x1))


@pytest.mark.slow
def test_a_job_with_a_video_avatar(gap: Path, tmp_path: Path, checkpoint: Path) -> None:
    avatar_of(gap, tmp_path, "no_face: passthrough")
    model = Wav2LipSettings(checkpoint=str(checkpoint), silence_gate=True)
    spec = WorkerSpec("gan-0", "test", "", Config(base=tmp_path, models={"gan": model}), model="gan")
    media.write_recording(tmp_path / "in.wav", media.speech_like(0.6))
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "in.wav"), 25, "auto", None, "0", (128, 128))
    [chunk] = SplitStage(spec).process(item)
    assert chunk.timeline.unseen == (GAP,)
    stage = LipSyncStage(spec)
    stage.setup("cpu")
    [segment] = (result for result in stage.process(chunk) if isinstance(result, Segment))
    made = media.frames(segment.path, (128, 128))
    assert len(made) == chunk.stop_frame == 15
    scene = clip_of(Avatars(spec.config).load("0").fitted((128, 128)))
    for frame, index in zip(made, scene.shown(0, 15, 25), strict=True):
        own = (scene.read(int(index))[:128] - 16.0) * 255 / 219
        assert np.abs(frame[:60] - own[:60]).mean() < 3, "the eyes and everything above are unchanged"


def test_a_wide_crop_of_a_video_keeps_the_head(tmp_path: Path) -> None:
    """Given a tall video with the face near its top, which a crop of the middle would miss."""
    tall = [np.concatenate([frame, np.full((256, 256, 3), 90, np.uint8)]) for frame in film(swaying(4))]
    avatar = avatar_of(write_clip(tmp_path / "a.mp4", tall), tmp_path)
    place = avatar.placed((256, 192))
    assert isinstance(place.landmarks, FaceLandmarks)
    assert place.cut[2:] == (256, 192)
    assert place.landmarks.jaw[..., 1].max() < 190
    assert place.landmarks.left_eye[..., 1].min() > 40, "with room for forehead and hair"
