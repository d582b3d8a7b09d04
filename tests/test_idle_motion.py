"""Idle motion of the built-in presenter: blinks, sway and breath."""

from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.idle_motion import LivingCanvas, LivingPicture
from pipeline.avatars.idle_motion.blinks import CLOSING_SECONDS, DOUBLE_SECONDS, Blinks
from pipeline.avatars.idle_motion.eyelids import LEVELS, eyelids
from pipeline.avatars.idle_motion.fine_plane import FinePlane
from pipeline.avatars.idle_motion.prosody import Prosody
from pipeline.avatars.idle_motion.sway import PoseField, Sway
from pipeline.avatars.idle_motion.warp import Warp, make_warp
from pipeline.media.canvas import PixelBox, Regions, StillCanvas, i420
from pipeline.media.planes import PLANE_STEPS, planes_of
from tests.faces import presenter_landmarks, presenter_picture

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 360
FPS = 25
MOUTH: PixelBox = (152, 196, 208, 220)
"""Around the presenter's mouth."""

Picture = NDArray[np.uint8]


def presenter(side: int) -> tuple[Picture, FaceLandmarks]:
    return presenter_picture(side), presenter_landmarks(side)


@pytest.fixture(scope="module")
def picture() -> Picture:
    return presenter(SIDE)[0]


@pytest.fixture(scope="module")
def landmarks() -> FaceLandmarks:
    return presenter(SIDE)[1]


@pytest.fixture
def living(picture: Picture, landmarks: FaceLandmarks) -> LivingCanvas:
    return LivingCanvas(LivingPicture(picture, landmarks), FPS)


def cut(picture: Picture, box: PixelBox, frames: int = 1) -> torch.Tensor:
    x1, y1, x2, y2 = box
    return torch.from_numpy(picture[y1:y2, x1:x2].copy()).repeat(frames, 1, 1, 1)


def corners(box: PixelBox, frames: int = 1) -> NDArray[np.intp]:
    return np.tile(np.array(box[:2], np.intp), (frames, 1))


def maps(warp: Warp, pose: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The sources of all points of the box: those of its bands, one below the other."""
    bands = list(warp.bands(pose))
    edges = [warp.box[1], *(band.box[3] for band in bands)]
    assert [band.box[1] for band in bands] == edges[:-1]
    assert edges[-1] == warp.box[3]
    return np.concatenate([band.luma for band in bands], 1), np.concatenate([band.chroma for band in bands], 1)


def shown(canvas: LivingCanvas, picture: Picture, first: int, frames: int = 1) -> torch.Tensor:
    """Frames in which the engine did not change the mouth."""
    return canvas.compose(Regions(cut(picture, MOUTH, frames)), corners(MOUTH, frames), first)


def rgb(frame: torch.Tensor) -> Picture:
    return np.asarray(cv2.cvtColor(frame.numpy(), cv2.COLOR_YUV2RGB_I420), np.uint8)


def eye_white(frame: Picture, eye: NDArray[np.float32]) -> int:
    """Number of pale grey pixels inside an eye's landmarks: neither skin nor lashes."""
    inside = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.rint(eye).astype(np.int32)], 1)
    colours = frame[inside > 0].astype(int)
    return int(((colours.min(1) > 180) & (colours.max(1) - colours.min(1) < 45)).sum())


def first_blink(picture: Picture) -> int:
    """The first frame with shut eyes."""
    blinks = LivingCanvas(LivingPicture(picture, presenter(SIDE)[1]), FPS)._blinks
    return next(frame for frame in range(10 * FPS) if blinks.closure(frame / FPS) == 1)


# Frames


def test_frame_0_is_the_picture(living: LivingCanvas, picture: Picture) -> None:
    assert torch.equal(shown(living, picture, 0), i420(torch.from_numpy(picture)[None]))


def test_a_frame_does_not_depend_on_its_batch_or_on_earlier_frames(picture: Picture, landmarks: FaceLandmarks) -> None:
    """During the first blink; mouths and boxes drawn earlier leave no trace."""
    start = first_blink(picture) - 6
    region = torch.randint(0, 256, (16, 24, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    whole = LivingCanvas(LivingPicture(picture, landmarks), FPS).compose(Regions(region), corners(MOUTH, 16), start)
    other = LivingCanvas(LivingPicture(picture, landmarks), FPS)
    for index in torch.randperm(16, generator=torch.Generator().manual_seed(2)).tolist():
        other.compose(Regions(region[:1, :, :20]), corners((4, 4, 24, 28)), 3 * index)
        assert torch.equal(
            other.compose(Regions(region[index : index + 1]), corners(MOUTH), start + index)[0], whole[index]
        )


def test_a_frame_does_not_depend_on_the_number_of_threads(picture: Picture, landmarks: FaceLandmarks) -> None:
    start, threads = first_blink(picture) - 3, cv2.getNumThreads()
    frames = []
    try:
        for count in (1, 2):
            cv2.setNumThreads(count)
            frames.append(shown(LivingCanvas(LivingPicture(picture, landmarks), FPS), picture, start, 6))
    finally:
        cv2.setNumThreads(threads)
    assert torch.equal(*frames)


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_motion_depends_on_time_not_on_the_frame_rate(
    fps: int, living: LivingCanvas, picture: Picture, landmarks: FaceLandmarks
) -> None:
    other = LivingCanvas(LivingPicture(picture, landmarks), fps)
    for seconds in (1, 2, 7):
        assert torch.equal(shown(other, picture, seconds * fps), shown(living, picture, seconds * FPS))


def test_a_frame_is_the_painted_picture_moved(living: LivingCanvas, picture: Picture, landmarks: FaceLandmarks) -> None:
    """Given a green disc as a mouth, it moves with the head, like the rest of the picture."""
    disc = cut(picture, MOUTH).numpy()
    cv2.circle(disc[0], (28, 12), 9, (0, 255, 0), -1)
    warp = make_warp(landmarks, SIDE, SIDE)
    assert warp is not None
    assert warp.box == (0, 0, SIDE, SIDE)
    painted = StillCanvas(picture).compose(Regions(torch.from_numpy(disc)), corners(MOUTH), 0)[0].numpy()

    def distance(frame: int) -> float:
        """Displacement of the middle of the mouth, in half pixels."""
        return float(np.hypot(*(maps(warp, living._sway.pose(frame))[0][:, 208, 180] - (360, 416))))

    for frame in sorted(range(50, 1000), key=distance)[-3:]:
        assert 0.8 < distance(frame) < 6
        moved = planes_of(living.compose(Regions(torch.from_numpy(disc)), corners(MOUTH), frame)[0].numpy())
        luma, chroma = maps(warp, living._sway.pose(frame))
        for plane, still, (x, y), step in zip(
            moved, planes_of(painted), (luma, chroma, chroma), PLANE_STEPS, strict=True
        ):
            expected = cv2.remap(still, x / 2, y / 2, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(int)
            x1, y1, x2, y2 = (side // step for side in MOUTH)
            error, change = (np.abs(expected - other)[y1:y2, x1:x2].mean() for other in (plane, still))
            assert error < 0.4 * change
            assert np.abs(expected - plane).mean() < 0.8


def test_eyes_blink_even_if_the_engine_repaints_them(
    living: LivingCanvas, picture: Picture, landmarks: FaceLandmarks
) -> None:
    box, frame = (120, 120, 240, 240), first_blink(picture)
    repainted = living.compose(Regions(cut(picture, box)), corners(box), frame)
    assert torch.equal(repainted, shown(living, picture, frame))


def test_different_pictures_blink_and_sway_differently(picture: Picture, landmarks: FaceLandmarks) -> None:
    changed = picture.copy()
    changed[0, 0] ^= 1
    one, other = (LivingCanvas(LivingPicture(some, landmarks), FPS) for some in (picture, changed))
    assert not np.allclose(one._sway.pose(100), other._sway.pose(100), rtol=0.05)
    times = np.arange(0, 60, 0.02)
    assert [one._blinks.closure(t) for t in times] != [other._blinks.closure(t) for t in times]


# Blinks


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_every_blink_has_a_frame_with_the_eyes_shut(fps: int) -> None:
    for seed in range(20):
        closures = np.array([Blinks(seed, fps).closure(frame / fps) for frame in range(12 * fps)])
        begins = np.flatnonzero((closures[:-1] == 0) & (closures[1:] > 0))
        assert len(begins) >= 2
        for begin in begins[:-1]:
            assert 1.0 in closures[begin : begin + round(0.2 * fps)]


def test_blinks_come_irregularly_every_two_to_six_seconds() -> None:
    blinks = Blinks(3, FPS)
    blinks.closure(3600)
    starts = np.array(blinks._starts[1:])
    gaps = np.diff(starts)
    double = np.isclose(gaps, DOUBLE_SECONDS)
    assert 1 <= starts[0] <= 2.5
    assert ((gaps >= 2) & (gaps <= 6))[~double].all()
    assert 0.04 < double.mean() < 0.2
    assert 3.5 < gaps[~double].mean() < 4.5
    assert gaps[~double].std() > 0.8


def test_blinks_do_not_depend_on_the_order_of_queries() -> None:
    forwards, backwards = Blinks(5, FPS), Blinks(5, FPS)
    times = [frame / FPS for frame in range(2000)]
    expected = [forwards.closure(t) for t in times]
    assert [backwards.closure(t) for t in reversed(times)] == expected[::-1]


def test_blinks_come_in_pauses() -> None:
    """Given speech with a pause of 0.3 s in each second, most blinks start in the pauses."""
    loudness = np.where(np.arange(120 * FPS) % FPS < 0.3 * FPS, 0, 0.8).astype(np.float32)
    blinks = Blinks(1, FPS, Prosody(loudness, FPS))
    blinks.closure(110)
    starts = [start for start in blinks._starts[1:] if start < 110]
    quiet = np.mean([loudness[round(start * FPS)] == 0 for start in starts])
    assert quiet > 0.8


def test_many_blinks_begin_at_the_end_of_a_phrase() -> None:
    """Given two seconds of speech and then one of silence, again and again."""
    loudness = np.where(np.arange(240 * FPS) % (3 * FPS) < 2 * FPS, 0.8, 0).astype(np.float32)
    blinks = Blinks(1, FPS, Prosody(loudness, FPS))
    blinks.closure(230)
    into_pause = np.array([start % 3 - 2 for start in blinks._starts[1:] if start < 230])
    assert np.mean((into_pause > -0.03) & (into_pause < 0.25)) > 0.4


@pytest.mark.parametrize("offset", [(0, 0), (0, -1.5), (0, 1.5), (1.5, 0), (-1.5, 0)])
@pytest.mark.parametrize("degrees", [0, 25, 180])
def test_shut_eyes_show_no_white(degrees: int, offset: tuple[float, float]) -> None:
    """Even if the landmarks are slightly off or the head is tilted."""
    upright, points = presenter(720)
    turn = cv2.getRotationMatrix2D((360, 300), degrees, 1).astype(np.float32)
    picture = np.asarray(cv2.warpAffine(upright, turn, (720, 720), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    turned = FaceLandmarks(
        **{field.name: getattr(points, field.name) @ turn[:, :2].T + turn[:, 2] for field in fields(points)}
    )
    eyes = turned.left_eye, turned.right_eye
    aside = np.array(offset, np.float32)
    shifted = replace(turned, left_eye=eyes[0] + aside, right_eye=eyes[1] + aside)
    shut = i420(torch.from_numpy(picture)[None])[0]
    for lids in eyelids(picture, shifted):
        lids.paint(planes_of(shut.numpy()), LEVELS)
    for eye in eyes:
        assert eye_white(picture, eye) > 120
        assert eye_white(rgb(shut), eye) < 0.03 * eye_white(picture, eye)


def shut_lids(picture: Picture, landmarks: FaceLandmarks, *, whole: bool = False) -> list[tuple[Picture, Picture]]:
    """Of each eye: what is seen of its shut lid, and of the skin below, [h, w, 3] each. `whole`: with its dark line."""
    shut = i420(torch.from_numpy(picture)[None])[0]
    for lids in eyelids(picture, landmarks):
        lids.paint(planes_of(shut.numpy()), LEVELS)
    parts = []
    for eye in (landmarks.left_eye, landmarks.right_eye):
        (left, top), (right, bottom) = eye.min(0).astype(int), eye.max(0).astype(int)
        columns = rgb(shut)[:, (3 * left + right) // 4 : (left + 3 * right) // 4]
        parts.append((columns[top : bottom if whole else (top + 2 * bottom) // 3], columns[bottom + 6 : bottom + 20]))
    return parts


def roughness(part: Picture) -> float:
    """Contrast of the finest detail."""
    exact = part.astype(np.float32)
    return float((exact - cv2.GaussianBlur(exact, (0, 0), 2)).std())


def test_glasses_and_heavy_brows_do_not_colour_the_lids() -> None:
    """Given a dark rim over the skin between lids and brows."""
    picture, points = presenter(720)
    worn = picture.copy()
    for eye in (points.left_eye, points.right_eye):
        middle, width = eye.mean(0), float(np.ptp(eye[:, 0]))
        axes = int(0.8 * width), int(0.42 * width)
        cv2.ellipse(worn, np.rint(middle).astype(int).tolist(), axes, 0, 180, 360, (30, 25, 25), int(0.2 * width))
    for lid, skin in shut_lids(worn, points):
        assert np.median(lid) > 0.7 * np.median(skin)


def test_a_lid_has_the_grain_of_the_skin() -> None:
    """It would look like a patch without."""
    picture, points = presenter(720)
    noise = np.random.default_rng(0).normal(0, 8, (720, 720, 1))
    grainy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    for lid, skin in shut_lids(grainy, points):
        assert 0.4 < roughness(lid) / roughness(skin) < 1.6


def test_the_lids_of_deep_set_eyes_are_dark_at_their_fold() -> None:
    """A bright lid in the shadow of a brow would look like a patch."""
    picture, points = presenter(720)
    (left, top), (right, bottom) = points.left_eye.min(0).astype(int), points.left_eye.max(0).astype(int)
    shadow = np.ones((720, 720, 1), np.float32)
    shadow[: (top + bottom) // 2] = 0.6
    shaded = (picture * cv2.GaussianBlur(shadow, (0, 0), 3)[..., None]).astype(np.uint8)
    lid, _ = shut_lids(shaded, points)[0]
    above = shaded[top - 20 : top - 10, (3 * left + right) // 4 : (left + 3 * right) // 4]
    assert np.median(lid[:4]) < 1.35 * np.median(above)


def test_the_line_of_a_shut_eye_is_as_dark_in_dark_pictures() -> None:
    picture, points = presenter(720)
    for light in (1.0, 0.08):
        for lid, skin in shut_lids((picture * light).astype(np.uint8), points, whole=True):
            assert np.percentile(lid, 2) < 0.5 * np.median(skin)


def test_an_eye_closes_in_steps_and_nothing_else_changes(picture: Picture, landmarks: FaceLandmarks) -> None:
    open_eyes = i420(torch.from_numpy(picture)[None])[0]
    whites = []
    for level in (0, 4, 8, 12, LEVELS):
        frame = open_eyes.clone()
        for lids in eyelids(picture, landmarks):
            lids.paint(planes_of(frame.numpy()), level)
        whites.append(eye_white(rgb(frame), landmarks.left_eye))
        luma, still = planes_of(frame.numpy())[0].astype(int), planes_of(open_eyes.numpy())[0].astype(int)
        rows, columns = np.nonzero(np.abs(luma - still) > 2)
        if level:
            eyes = np.concatenate([landmarks.left_eye, landmarks.right_eye])
            assert (eyes[:, 0].min() - 5 <= columns).all() and (columns <= eyes[:, 0].max() + 5).all()
            assert (eyes[:, 1].min() - 10 <= rows).all() and (rows <= eyes[:, 1].max() + 10).all()
    assert whites == sorted(whites, reverse=True)
    assert whites[0] > 30
    assert whites[-1] < 0.05 * whites[0]


def test_after_a_blink_the_picture_is_restored_exactly(picture: Picture, landmarks: FaceLandmarks) -> None:
    """The face is too small for sway, so frames before and after a blink equal the picture."""
    small = replace(landmarks, jaw=landmarks.jaw * 0 + (landmarks.left_eye[4] + landmarks.right_eye[4]) / 2)
    canvas, frame = LivingCanvas(LivingPicture(picture, small), FPS), first_blink(picture)
    still = i420(torch.from_numpy(picture)[None])[0]
    blinking = [not torch.equal(one, still) for one in shown(canvas, picture, frame - 10, 25)]
    assert blinking[:6] == [False] * 6
    assert blinking[10]
    assert blinking[-5:] == [False] * 5
    assert 5 <= sum(blinking) <= 8


def test_eyes_that_are_shut_or_too_small_do_not_blink(picture: Picture, landmarks: FaceLandmarks) -> None:
    shut = landmarks.left_eye.copy()
    shut[1:4, 1] = shut[5:8, 1][::-1] - 1
    assert len(eyelids(picture, landmarks)) == 2
    assert eyelids(picture, replace(landmarks, left_eye=shut)) == []
    assert eyelids(picture, replace(landmarks, right_eye=landmarks.right_eye * 0.2)) == []
    assert eyelids(picture, replace(landmarks, right_eye=landmarks.right_eye + 300)) == []


# Sway


def test_the_sway_is_slow_small_and_centred() -> None:
    fps = 50
    poses = np.array([Sway(11, fps).pose(frame) for frame in range(120 * fps)])
    assert not poses[0].any()
    assert np.degrees(np.abs(poses[:, PoseField.ROLL])).max() < 0.6
    for movement in (PoseField.SIDEWAYS, PoseField.DOWN, PoseField.TURN, PoseField.NOD):
        assert 0.002 < np.abs(poses[:, movement]).max() < 0.01
        assert abs(poses[:, movement].mean()) < 0.0015
    speeds = np.abs(np.diff(poses, axis=0)).max(0) * fps
    assert speeds.max() < 0.015


def test_raised_brows_move_nothing_below_the_eyes(picture: Picture, landmarks: FaceLandmarks) -> None:
    warp = make_warp(landmarks, SIDE, SIDE)
    assert warp is not None
    raised = np.zeros(len(PoseField), np.float32)
    raised[PoseField.BROWS] = 0.03
    rest, up = (maps(warp, pose)[0] for pose in (0 * raised, raised))
    moved = np.abs(up - rest).max(0) > 0.2
    eyes = np.concatenate([landmarks.left_eye, landmarks.right_eye])
    assert moved[int(eyes[:, 1].min()) - 25].any()
    assert not moved[int(eyes[:, 1].max()) :].any()


def test_lively_frames_are_the_same_however_a_job_is_cut(picture: Picture, landmarks: FaceLandmarks) -> None:
    loudness = np.random.default_rng(3).uniform(0, 1, 90).astype(np.float32)
    loudness[50:60] = 1

    def canvas() -> LivingCanvas:
        return LivingCanvas(LivingPicture(picture, landmarks, lively=True), FPS, Prosody(loudness, FPS))

    whole = shown(canvas(), picture, 48, 12)
    parts = [shown(canvas(), picture, first, 4) for first in (56, 48, 52)]
    assert torch.equal(whole, torch.cat([parts[1], parts[2], parts[0]]))
    calm = LivingCanvas(LivingPicture(picture, landmarks), FPS, Prosody(loudness, FPS))
    assert not torch.equal(whole, shown(calm, picture, 48, 12))


def small_face() -> tuple[Picture, FaceLandmarks]:
    """The presenter at a small size, in the lower left of a noisy picture."""
    room = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    picture, landmarks = presenter(240)
    room[240:, 40:280] = picture
    return room, landmarks.transformed(1, -40, -240)


def test_nothing_moves_far_from_the_head_and_shoulders() -> None:
    room, landmarks = small_face()
    canvas = LivingCanvas(LivingPicture(room, landmarks), FPS)
    box = (130, 370, 190, 400)
    still = StillCanvas(room).compose(Regions(cut(room, box)), corners(box), 0)[0, :480].int()
    for frame in (30, 90, 150):
        changed = (canvas.compose(Regions(cut(room, box)), corners(box), frame)[0, :480].int() - still).abs() > 0
        assert changed[300:400, 100:220].float().mean() > 0.3
        assert not changed[:, 400:].any()
        assert not changed[:200].any()


def test_the_borders_stay_and_show_nothing_from_outside(living: LivingCanvas, picture: Picture) -> None:
    still = i420(torch.from_numpy(picture)[None])[0, :SIDE].int()
    for frame in (50, 110, 170):
        change = (shown(living, picture, frame)[0, :SIDE].int() - still).abs()
        assert change.max() > 20
        for border in (change[0], change[-1], change[:, 0], change[:, -1]):
            assert border.max() <= 3


def test_a_moved_picture_stays_sharp() -> None:
    """Noise shifted by half a pixel keeps nearly all its contrast; linear interpolation would halve its variance."""
    plane = np.random.default_rng(0).integers(40, 216, (64, 64), dtype=np.uint8)
    smooth = np.asarray(cv2.GaussianBlur(plane, (0, 0), 0.8), np.uint8)
    columns, rows = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(64, dtype=np.float32))
    fine, moved = FinePlane(smooth), np.empty((64, 64), np.uint8)
    for offset, least in ((0.0, 1.0), (0.25, 0.9), (0.5, 0.95)):
        fine.sample(np.stack([2 * (columns + offset), 2 * rows]).astype(np.float32), moved)
        assert moved[8:-8, 8:-8].std() >= least * smooth[8:-8, 8:-8].std()


def test_refining_a_part_equals_refining_the_whole() -> None:
    dice = np.random.default_rng(1)
    plane = dice.integers(0, 256, (40, 56), dtype=np.uint8)
    fine = FinePlane(plane)
    for box in ((0, 0, 10, 8), (20, 12, 30, 30), (50, 34, 56, 40)):
        x1, y1, x2, y2 = box
        plane[y1:y2, x1:x2] = dice.integers(0, 256, (y2 - y1, x2 - x1), dtype=np.uint8)
        fine.refine(plane, box)
        assert np.array_equal(fine._fine, FinePlane(plane)._fine)
    plane[20, 25] ^= 1
    fine.refine(plane, (20, 12, 30, 30))
    assert np.array_equal(fine._fine, FinePlane(plane)._fine)


# Kinds of pictures


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 300), (640, 96), (1440, 1080)])
def test_pictures_of_any_size_move(width: int, height: int) -> None:
    face, landmarks = presenter(min(width, height))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: face.shape[0], : face.shape[1]] = face
    canvas, box = LivingCanvas(LivingPicture(picture, landmarks), FPS), (0, 0, 16, 10)
    frames = canvas.compose(Regions(cut(picture, box, 2)), corners(box, 2), 200)
    assert frames.shape == (2, height * 3 // 2, width)
    assert not torch.equal(frames[0], i420(torch.from_numpy(picture)[None])[0])


@pytest.mark.parametrize("where", [(-150, 0), (150, 0), (0, -110), (0, 170), (120, 160)])
def test_a_face_at_the_border_moves(where: tuple[int, int]) -> None:
    picture, landmarks = presenter(SIDE)
    shift = np.array([[1, 0, where[0]], [0, 1, where[1]]], np.float32)
    moved = np.asarray(cv2.warpAffine(picture, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    canvas = LivingCanvas(LivingPicture(moved, landmarks.transformed(1, -where[0], -where[1])), FPS)
    frames = shown(canvas, moved, first_blink(moved) - 4, 8).int()
    assert (frames - i420(torch.from_numpy(moved)[None]).int()).abs().max() > 10


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), -1e30, 1e30, -50.0])
def test_invalid_landmarks_leave_the_picture_still(value: float, picture: Picture, landmarks: FaceLandmarks) -> None:
    invalid = replace(
        landmarks, **{field.name: np.full_like(getattr(landmarks, field.name), value) for field in fields(landmarks)}
    )
    canvas = LivingCanvas(LivingPicture(picture, invalid), FPS)
    still = i420(torch.from_numpy(picture)[None])
    assert torch.equal(shown(canvas, picture, 30, 50), still.repeat(50, 1, 1))


def test_a_face_outside_the_picture_moves_nothing(landmarks: FaceLandmarks) -> None:
    assert make_warp(landmarks, SIDE, SIDE) is not None
    assert make_warp(landmarks.transformed(1, 1000, 0), SIDE, SIDE) is None


def test_a_blink_is_over_in_a_third_of_a_second() -> None:
    blinks = Blinks(0, FPS)
    start = blinks._starts[1]
    closures = [blinks.closure(start + offset) for offset in (0, CLOSING_SECONDS / 2, CLOSING_SECONDS, 0.2, 0.3)]
    assert closures == [0, pytest.approx(0.5), pytest.approx(1), pytest.approx(0.68, abs=0.1), 0]
