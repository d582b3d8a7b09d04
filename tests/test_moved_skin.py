"""Mouths in a head that moves: drawn apart from the skin around them, which is displaced where it has moved to."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.idle_motion import LivingCanvas, LivingPicture
from pipeline.avatars.idle_motion.skin import Changes, Place, _show_mouth
from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.canvases import ShiftedCanvas
from pipeline.media.canvas import Regions, StillCanvas
from tests.faces import CPU, NEUTRAL, mixed_track, presenter_landmarks, presenter_picture, row

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 360
FPS = 25
Picture = NDArray[np.uint8]
Face = tuple[Picture, FaceLandmarks]


def face(degrees: float = 0, right: int = 0, down: int = 0) -> Face:
    """The presenter, turned clockwise and moved."""
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), -degrees, 1)
    turn[:, 2] += right, down
    picture = cv2.warpAffine(presenter_picture(SIDE), turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    turn = turn.astype(np.float32)
    landmarks = presenter_landmarks(SIDE).each(lambda points: points @ turn[:, :2].T + turn[:, 2])
    return np.asarray(picture, np.uint8), landmarks


class Leaning(LivingCanvas):
    """Moves further than any head does."""

    def _pose(self, number: int) -> NDArray[np.float32]:
        return np.array([0.08, -0.05, 0.06, 0.04, 0.05, 0.02, 0.1], np.float32)


def living(face: Face, *, leans: bool = False) -> LivingCanvas:
    return (Leaning if leans else LivingCanvas)(LivingPicture(*face), FPS)


def apart(face: Face, track: torch.Tensor, start_frame: int, canvas: LivingCanvas | None = None) -> torch.Tensor:
    """Frames with the mouth and the skin apart."""
    picture, landmarks = face
    canvas = canvas or living(face)
    assert canvas.displaces
    mouths, corners, around = FaceRenderer(landmarks, Still(picture), CPU).render_mouth(track)
    return canvas.compose(Regions(mouths, around=around), corners, start_frame)


def painted(face: Face, track: torch.Tensor, start_frame: int, canvas: LivingCanvas | None = None) -> torch.Tensor:
    """Frames in which the whole region is painted before it moves."""
    picture, landmarks = face
    regions, corners = FaceRenderer(landmarks, Still(picture), CPU).render(track, np.zeros(len(track), np.int64))
    return (canvas or living(face)).compose(Regions(regions), corners, start_frame)


def test_frame_0_with_a_mouth_at_rest_is_the_picture() -> None:
    picture, _ = shown = face()
    at_rest = torch.tensor([NEUTRAL])
    still = StillCanvas(picture).compose(
        Regions(torch.from_numpy(picture[None, :2, :2].copy())), np.zeros((1, 2), np.intp), 0
    )
    assert (apart(shown, at_rest, 0).int() - still.int()).abs().max() <= 1


def test_a_mouth_at_rest_is_part_of_the_picture() -> None:
    shown, at_rest = face(), torch.tensor([NEUTRAL] * 3)
    assert torch.equal(apart(shown, at_rest, 120), painted(shown, at_rest, 120))


@pytest.mark.parametrize(
    ("degrees", "right", "down"), [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, -110, 0), (0, 0, 60), (15, 90, 40)]
)
def test_it_shows_what_is_seen_if_the_region_is_painted_before_it_moves(degrees: float, right: int, down: int) -> None:
    """For every mouth; only that a picture sampled twice is less sharp."""
    shown, track = face(degrees, right, down), mixed_track(16)
    for leans in (False, True):
        made, expected, silent = (
            draw(shown, rows, 40, living(shown, leans=leans)).float()
            for draw, rows in ((apart, track), (painted, track), (painted, torch.tensor([NEUTRAL] * 16)))
        )
        change, difference = (expected - silent).abs(), (made - expected).abs()
        for plane, least, most in ((slice(0, SIDE), 13, 3), (slice(SIDE, None), 3.5, 2)):
            assert change[:, plane].mean() > least * difference[:, plane].mean()
            assert torch.quantile(difference[:, plane].flatten(1)[:, ::4], 0.999, dim=1).max() <= most


def test_a_frame_does_not_depend_on_its_batch_or_on_earlier_frames() -> None:
    shown, track = face(10), mixed_track(12)
    whole = apart(shown, track, 100)
    picture, _ = shown
    canvas = living(shown)
    for index in torch.randperm(12, generator=torch.Generator().manual_seed(3)).tolist():
        painted_before = Regions(torch.from_numpy(picture[None, 100:180, 100:180].copy()))
        canvas.compose(painted_before, np.array([[60, 60]]), 7 * index)
        assert torch.equal(apart(shown, track[index : index + 1], 100 + index, canvas)[0], whole[index])


def test_frames_that_show_the_same_mouth_share_it() -> None:
    picture, landmarks = shown = face()
    track, order = mixed_track(3), np.array([2, 0, 0, 1])
    mouths, corners, around = FaceRenderer(landmarks, Still(picture), CPU).render_mouth(track)
    shared = ShiftedCanvas(living(shown), 60).compose(Regions(mouths, order, around), corners[order], 10)
    assert torch.equal(shared, apart(shown, track[order], 70))


def test_a_matte_moves_with_the_head_only() -> None:
    picture, landmarks = face()
    matte = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    drawn = []
    for mouth in (row(jaw_open=1), torch.tensor([NEUTRAL])):
        canvas = LivingCanvas(LivingPicture(picture, landmarks, matte=matte), FPS)
        drawn.append(apart((picture, landmarks), mouth, 90, canvas)[0])
    rows = SIDE * 3 // 2
    assert torch.equal(*(frame[rows:] for frame in drawn))
    assert not torch.equal(*(frame[:rows] for frame in drawn))


def test_a_mouth_beyond_the_part_that_moves_is_shown_within_it() -> None:
    changes = Changes((10, 20, 40, 50), np.zeros((2, 30, 30), np.float32), np.zeros((2, 15, 15), np.float32))
    _show_mouth(changes, Place((4, 12, 24, 36), 100, 50), np.zeros((2, 9), np.float32))
    assert np.array_equal(changes.luma[:, :16, :14], np.broadcast_to([[[-8]], [[100 - 24]]], (2, 16, 14)))
    assert np.array_equal(changes.chroma[:, :8, :7], np.broadcast_to([[[-4]], [[50 - 12]]], (2, 8, 7)))
    assert not changes.luma[:, 16:].any()
    assert not changes.luma[:, :, 14:].any()
