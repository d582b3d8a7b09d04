"""The face renderer, on the built-in avatar."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.face_shape import FaceShape
from pipeline.engines.builtin.mouth_motion import Nodes, Pose, movement
from pipeline.engines.builtin.track import Mouth
from pipeline.errors import JobError
from tests.faces import CPU, NEUTRAL, mixed_track, presenter_landmarks, presenter_picture, row, turned_aside

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 720


@pytest.fixture(scope="module")
def landmarks() -> FaceLandmarks:
    return presenter_landmarks(SIDE)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return presenter_picture(SIDE)


@pytest.fixture(scope="module")
def renderer(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> FaceRenderer:
    return FaceRenderer(landmarks, Still(picture), CPU)


def drawn(renderer: FaceRenderer, track: torch.Tensor) -> torch.Tensor:
    """The region of interest of a still picture, for each row of a track."""
    return renderer.render(track, np.zeros(len(track), np.int64))[0]


def box_of(renderer: FaceRenderer) -> tuple[int, int, int, int]:
    """The region of interest in a still picture."""
    frames, corners = renderer.render(row(), np.zeros(1, np.int64))
    (left, top), (height, width) = corners[0].tolist(), frames.shape[1:3]
    return left, top, left + width, top + height


def region(picture: NDArray[np.uint8], renderer: FaceRenderer) -> torch.Tensor:
    x1, y1, x2, y2 = box_of(renderer)
    return torch.from_numpy(picture[y1:y2, x1:x2].copy())


def dark_pixels(frame: torch.Tensor) -> int:
    """Number of pixels around the lips that are as dark as the inside of a mouth."""
    return int((lips_of(frame).max(-1).values < 90).sum())


def lips_of(frame: torch.Tensor) -> torch.Tensor:
    """The part of the presenter's region of interest without nostrils, hair and neck."""
    height, width = frame.shape[:2]
    return frame[round(0.08 * height) : round(0.38 * height), width // 4 : -width // 4]


def lip_width(frame: torch.Tensor) -> int:
    """Columns from the first to the last one that is clearly redder than skin."""
    colours = lips_of(frame).float()
    red = (colours[..., 0] / (colours[..., 1] + 1) > 1.45).sum(0) >= 2
    columns = torch.nonzero(red)
    return int(columns.max() - columns.min())


def test_the_box_is_even_and_inside(renderer: FaceRenderer) -> None:
    x1, y1, x2, y2 = box_of(renderer)
    assert all(edge % 2 == 0 for edge in box_of(renderer))
    assert 0 <= x1 < x2 <= SIDE
    assert 0 <= y1 < y2 <= SIDE


def test_a_neutral_row_gives_the_picture_bit_for_bit(renderer: FaceRenderer, picture: NDArray[np.uint8]) -> None:
    assert torch.equal(drawn(renderer, torch.tensor([NEUTRAL]))[0], region(picture, renderer))


def test_the_border_of_the_box_never_changes(renderer: FaceRenderer, picture: NDArray[np.uint8]) -> None:
    expected = region(picture, renderer)
    frames = drawn(renderer, mixed_track(16))
    assert not torch.equal(frames[0], expected)
    for frame in frames:
        for side in (0, -1):
            assert torch.equal(frame[side], expected[side])
            assert torch.equal(frame[:, side], expected[:, side])


def test_the_border_never_changes_where_the_picture_cuts_the_face_off(
    picture: NDArray[np.uint8], landmarks: FaceLandmarks
) -> None:
    bottom = int(landmarks.jaw[10, 1]) + 6
    cut = FaceRenderer(landmarks, Still(picture[:bottom]), CPU)
    frame = drawn(cut, row(jaw_open=1))[0]
    assert box_of(cut)[3] <= bottom
    assert torch.equal(frame[-1], region(picture, cut)[-1])


def test_eyes_and_nose_do_not_move(renderer: FaceRenderer, landmarks: FaceLandmarks) -> None:
    assert box_of(renderer)[1] > landmarks.left_eye[:, 1].max()
    base = landmarks.nose[1] - np.array(box_of(renderer)[:2])
    frames = drawn(renderer, mixed_track(16))
    still = frames[:, : int(base[1] - 4), int(base[0]) - 10 : int(base[0]) + 10].float()
    assert float((still - still[:1]).abs().max()) <= 12


@pytest.mark.parametrize("size", [1, 3, 16])
def test_a_frame_is_the_same_in_any_batch(renderer: FaceRenderer, size: int) -> None:
    track = mixed_track(48)
    whole = drawn(renderer, track)
    parts = torch.cat([drawn(renderer, part) for part in track.split(size)])
    assert torch.equal(whole, parts)


def test_a_row_that_is_asked_for_again_is_drawn_as_before(renderer: FaceRenderer) -> None:
    opened, closed = row(jaw_open=1), row(closure=1)
    both = drawn(renderer, torch.cat([opened, closed]))
    for _ in range(2):
        assert torch.equal(drawn(renderer, opened)[0], both[0])
        assert torch.equal(drawn(renderer, closed)[0], both[1])
        assert torch.equal(drawn(renderer, closed)[0], both[1])


def test_a_frame_is_the_same_with_any_number_of_threads(renderer: FaceRenderer) -> None:
    alone = drawn(renderer, mixed_track(8))
    torch.set_num_threads(2)
    try:
        assert torch.equal(drawn(renderer, mixed_track(8)), alone)
    finally:
        torch.set_num_threads(1)


def test_the_mouth_opens_with_the_jaw(renderer: FaceRenderer) -> None:
    openings = [dark_pixels(drawn(renderer, row(jaw_open=jaw))[0]) for jaw in (0, 0.25, 0.5, 0.75, 1)]
    assert openings == sorted(set(openings))
    assert openings[-1] > 300


def test_the_chin_goes_down_with_the_jaw(renderer: FaceRenderer, picture: NDArray[np.uint8]) -> None:
    middle = (box_of(renderer)[2] - box_of(renderer)[0]) // 2

    def chin_row(jaw: float) -> int:
        light = drawn(renderer, row(jaw_open=jaw))[0, :, middle].float().sum(-1)
        lower = round(0.48 * len(light))
        return lower + int((light[lower + 3 :] - light[lower:-3]).argmin())

    rows = [chin_row(jaw) for jaw in (0, 0.5, 1)]
    assert rows[0] + 5 < rows[1]
    assert rows[1] + 5 < rows[2]


def test_closed_lips_hide_the_mouth_at_any_jaw_opening(renderer: FaceRenderer) -> None:
    at_rest = dark_pixels(drawn(renderer, torch.tensor([NEUTRAL]))[0])
    closed = drawn(renderer, row(jaw_open=1, closure=1, upper_raise=1, lip_width=1, tongue=1))[0]
    assert dark_pixels(closed) <= at_rest


def test_puckered_lips_are_narrower_than_spread_ones(renderer: FaceRenderer) -> None:
    puckered, spread = (lip_width(drawn(renderer, row(lip_width=width, closure=1))[0]) for width in (-1, 1))
    assert puckered < 0.85 * spread


def test_puckered_open_lips_leave_a_small_round_hole(renderer: FaceRenderer) -> None:
    def hole(track: torch.Tensor) -> tuple[int, int]:
        rows, columns = torch.nonzero(lips_of(drawn(renderer, track)[0]).max(-1).values < 90, as_tuple=True)
        return int(columns.max() - columns.min()), int(rows.max() - rows.min())

    narrow, wide = hole(row(jaw_open=0.16, lip_width=-1)), hole(row(jaw_open=0.35))
    assert 1 < narrow[0] / narrow[1] < 3
    assert narrow[0] < 0.5 * wide[0]


@pytest.mark.parametrize(("jaw", "width"), [(0.16, -1.0), (0.4, -0.85), (0.55, -0.7)])
def test_rounded_lips_open_above_and_below_their_corners(landmarks: FaceLandmarks, jaw: float, width: float) -> None:
    """With a flat top the opening would look like a trapezoid instead of an "oh"."""
    _, shape = FaceShape.measure(landmarks)
    x, y = (
        axis[None]
        for axis in torch.meshgrid(torch.linspace(-0.5, 0.5, 201), torch.linspace(-0.3, 0.6, 361), indexing="xy")
    )
    nodes = Nodes(x, y, torch.tensor(0.005))
    moved = movement(shape, nodes, Pose.of(row(jaw_open=jaw, lip_width=width), shape))
    rows, columns = torch.nonzero((moved.beneath_upper > 0)[0] & (moved.above_lower > 0)[0], as_tuple=True)
    ends = rows[(columns == columns.min()) | (columns == columns.max())].float().mean()
    corner = float((ends - rows.min()) / (rows.max() - rows.min()))
    assert 0.3 < corner < 0.65


@pytest.mark.parametrize(("jaw", "width"), [(0.16, -1.0), (0.55, -0.7)])
def test_a_round_opening_is_dim_red_not_black(renderer: FaceRenderer, jaw: float, width: float) -> None:
    colours = lips_of(drawn(renderer, row(jaw_open=jaw, lip_width=width))[0]).float()
    inside = colours[colours.max(-1).values < 110]
    assert 50 < float(inside[:, 0].median()) < 105
    assert float((inside[:, 0] / inside[:, 1]).median()) > 1.6


def test_puckered_lips_are_as_thick_as_at_rest(renderer: FaceRenderer) -> None:
    def thickness(track: torch.Tensor) -> int:
        colours = lips_of(drawn(renderer, track)[0]).float()
        middle = colours[:, colours.shape[1] // 2]
        return int(((middle[:, 0] / (middle[:, 1] + 1) > 1.45) & (middle[:, 0] > 110)).sum())

    assert thickness(row(jaw_open=0.16, lip_width=-1)) >= thickness(torch.tensor([NEUTRAL]))


def test_a_raised_tongue_shows_between_the_teeth(renderer: FaceRenderer) -> None:
    low, raised = (lips_of(drawn(renderer, row(jaw_open=0.25, tongue=tongue))[0]).float() for tongue in (0, 1))
    pinker = (raised[..., 0] - raised[..., 1]) - (low[..., 0] - low[..., 1])
    assert int((pinker > 15).sum()) > 150


def test_a_pucker_does_not_move_the_background(renderer: FaceRenderer, landmarks: FaceLandmarks) -> None:
    closed, puckered = (drawn(renderer, row(lip_width=width, closure=1))[0].int() for width in (0, -1))
    difference = (closed - puckered).abs().amax(-1)
    corner, mouth = np.array(box_of(renderer)[:2]), landmarks.lips_inner.mean(0)
    beside = mouth + 1.05 * (landmarks.jaw[[5, 6, 7, 13, 14, 15]] - mouth)
    assert int(difference.max()) > 60
    for x, y in np.rint(beside - corner).astype(int):
        assert int(difference[y - 2 : y + 3, x - 2 : x + 3].max()) <= 6


def test_teeth_show_under_a_raised_lip(renderer: FaceRenderer) -> None:
    def pale(frame: torch.Tensor) -> int:
        colours = lips_of(frame).float()
        return int(((colours.min(-1).values > 120) & (colours.max(-1).values - colours.min(-1).values < 55)).sum())

    covered, bare = (pale(drawn(renderer, row(jaw_open=0.1, upper_raise=raised))[0]) for raised in (0, 1))
    assert bare > covered + 40


@pytest.mark.parametrize("amount", [-5.0, 5.0, 1e30, float("nan"), float("inf"), -float("inf")])
def test_amounts_out_of_range_are_clamped(renderer: FaceRenderer, amount: float) -> None:
    wild = torch.full((1, len(Mouth)), amount)
    bounded = torch.nan_to_num(wild).clamp(0, 1)
    bounded[:, Mouth.LIP_WIDTH] = torch.nan_to_num(wild[:, Mouth.LIP_WIDTH]).clamp(-1, 1)
    frames = drawn(renderer, wild)
    assert frames.dtype == torch.uint8
    assert torch.equal(frames, drawn(renderer, bounded))


def test_a_mouth_outside_the_frame_is_refused(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> None:
    bottom = int(landmarks.lips_inner[5, 1])
    with pytest.raises(JobError, match="inside the frame"):
        FaceRenderer(landmarks, Still(picture[:bottom]), CPU)


def test_a_mouth_without_width_is_refused(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> None:
    points = np.full_like(landmarks.lips_inner, 200)
    with pytest.raises(JobError, match="pixels wide"):
        FaceRenderer(replace(landmarks, lips_inner=points), Still(picture), CPU)


def test_no_rows_give_no_frames(renderer: FaceRenderer) -> None:
    x1, y1, x2, y2 = box_of(renderer)
    assert drawn(renderer, torch.empty(0, len(Mouth))).shape == (0, y2 - y1, x2 - x1, 3)


def test_lips_apart_in_the_picture_are_brought_together(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> None:
    """Given a picture whose mouth is open, when the lips meet, then almost nothing dark remains between them."""
    inner = landmarks.lips_inner.copy()
    across = (inner[11:, 0] - inner[0, 0]) / (inner[10, 0] - inner[0, 0])
    inner[11:, 1] += 40 * across * (1 - across)
    parted = picture.copy()
    cv2.fillPoly(parted, [np.rint(inner).astype(np.int32)], (40, 16, 14))
    apart = FaceRenderer(replace(landmarks, lips_inner=inner), Still(parted), CPU)
    before = dark_pixels(region(parted, apart))
    assert before > 250
    assert dark_pixels(drawn(apart, torch.tensor([NEUTRAL]))[0]) < 0.3 * before


def test_a_rotated_face_moves_like_an_upright_one(picture: NDArray[np.uint8], landmarks: FaceLandmarks) -> None:
    """Given a picture rotated by 90 degrees, when the mouth opens, then it opens along the face."""
    turned = np.ascontiguousarray(np.rot90(picture, -1))
    names = ("lips_outer", "lips_inner", "jaw", "nose", "left_eye", "right_eye")
    points = {
        name: np.stack([SIDE - 1 - getattr(landmarks, name)[:, 1], getattr(landmarks, name)[:, 0]], 1) for name in names
    }
    upright = FaceRenderer(landmarks, Still(picture), CPU)
    sideways = FaceRenderer(FaceLandmarks(**points), Still(turned), CPU)
    whole = [source.copy() for source in (picture, turned)]
    for source, renderer in zip(whole, (upright, sideways), strict=True):
        x1, y1, x2, y2 = box_of(renderer)
        source[y1:y2, x1:x2] = drawn(renderer, row(jaw_open=0.8, lip_width=-0.3))[0].numpy()
    difference = np.abs(np.rot90(whole[1], 1).astype(int) - whole[0])
    assert np.quantile(difference, 0.999) <= 12


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("amounts", [{"jaw_open": 0.2, "lip_width": -1.0}, {"jaw_open": 1.0}])
def test_a_turned_mouth_opens_near_the_middle_of_its_lips(
    side: int, amounts: dict[str, float], landmarks: FaceLandmarks
) -> None:
    """Given lips whose farther half is narrower, as in a face that is turned by about 25 degrees."""
    _, shape = FaceShape.measure(turned_aside(landmarks, side))
    x, y = (
        axis[None]
        for axis in torch.meshgrid(torch.linspace(-0.5, 0.5, 201), torch.linspace(-0.3, 0.6, 361), indexing="xy")
    )
    moved = movement(shape, Nodes(x, y, torch.tensor(0.005)), Pose.of(row(**amounts), shape))
    heights = ((moved.beneath_upper > 0) & (moved.above_lower > 0))[0].sum(0)
    highest = x[0, 0, heights == heights.max()].mean()
    assert 0.04 < side * highest < 0.1
