"""The face renderer on a clip: the presenter moves and speaks, and its mouth is redrawn for other speech."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
from tests.faces import CPU, NEUTRAL, mixed_track, presenter_landmarks, presenter_picture, row

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 360
FRAMES = 60
DARK = 90
"""The presenter's lips are lighter than this, and nearly all of the inside of the mouth is darker."""

Pictures = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class MemoryClip:
    """Frames in memory, RGB [n, height, width, 3]."""

    frames: Pictures

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.frames.shape[2], self.frames.shape[1]

    def shown(self, start_frame: int, stop_frame: int, fps: int) -> NDArray[np.intp]:
        """Frames in order."""
        return np.arange(start_frame, stop_frame)

    def regions(self, indices: NDArray[np.intp], corners: NDArray[np.intp], size: tuple[int, int]) -> Pictures:
        """Cut regions out of some frames."""
        width, height = size
        places = zip(indices, corners, strict=True)
        return np.stack([self.frames[i, y : y + height, x : x + width] for i, (x, y) in places])


@dataclass(frozen=True)
class Footage:
    """A clip of a speaking, moving face with its ground truth."""

    clip: MemoryClip
    landmarks: FaceLandmarks
    moves: Points
    """[n, 2, 3]: affine maps from the still picture to each frame."""
    renderer: FaceRenderer
    still: FaceRenderer
    picture: Pictures

    def painted(self, track: torch.Tensor) -> Pictures:
        """The clip's frames with the mouth of `track`."""
        frames = self.clip.frames.copy()
        paint(frames, *self.renderer.render(track, np.arange(FRAMES)))
        return frames

    def mouths(self, frames: Pictures) -> Pictures:
        """The mouth in each frame, warped back to its position in the still picture."""
        lips = presenter_landmarks(SIDE).lips_outer
        (x1, y1), (x2, y2) = lips.min(0).astype(int) - 4, lips.max(0).astype(int) + np.array([4, 24])
        return moved(frames, self.moves, cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)[:, y1:y2, x1:x2]


def paint(frames: Pictures, regions: torch.Tensor, corners: NDArray[np.int64]) -> None:
    """Paint rendered regions into whole frames."""
    height, width = regions.shape[1:3]
    for frame, part, (x, y) in zip(frames, regions.numpy(), corners, strict=True):
        frame[y : y + height, x : x + width] = part


def moved(frames: Pictures, maps: Points, flags: int = cv2.INTER_CUBIC) -> Pictures:
    """Warp each frame by its affine map [2, 3]."""
    border = cv2.BORDER_REPLICATE
    pairs = zip(frames, maps, strict=True)
    return np.stack([cv2.warpAffine(one, by, (SIDE, SIDE), flags=flags, borderMode=border) for one, by in pairs])


def smooth_track(seed: int) -> torch.Tensor:
    """Speech-like movement: jaw, lip width and closures."""
    noise = np.random.default_rng(seed).normal(size=(FRAMES, 3))
    jaw, width, closure = cv2.GaussianBlur(noise, (1, 15), 0, sigmaY=2.0).T * 3
    track = np.zeros((FRAMES, len(Mouth)), np.float32)
    track[:, Mouth.JAW_OPEN] = np.clip(0.45 + 0.3 * jaw, 0, 1)
    track[:, Mouth.LIP_WIDTH] = np.clip(0.4 * width, -0.8, 0.8)
    track[:, Mouth.CLOSURE] = np.clip(closure - 0.5, 0, 1)
    return torch.from_numpy(track)


def spoken(landmarks: FaceLandmarks, track: torch.Tensor) -> FaceLandmarks:
    """The landmarks of a still face while it speaks, according to the renderer's geometry."""
    frame, shape = FaceShape.measure(landmarks)
    pose = Pose.of(track, shape)
    lips, outer, jaw = (frame.to_face(getattr(landmarks, name)[None]) for name in ("lips_inner", "lips_outer", "jaw"))
    dropped = np.repeat(jaw, len(track), 0)
    dropped[:, 8:13, 1] += pose.drop[:, 0].numpy()
    carried = {"lips_inner": _edges(shape, pose, lips), "lips_outer": _edges(shape, pose, outer), "jaw": dropped}
    contours = {field.name: getattr(landmarks, field.name)[None].repeat(len(track), 0) for field in fields(landmarks)}
    for name, points in carried.items():
        contours[name] = frame.to_pixels(points.reshape(1, -1, 2)).reshape(points.shape)
    return FaceLandmarks(**contours)


def _edges(shape: FaceShape, pose: Pose, points: Points) -> Points:
    """Move a contour of the lips [1, 20, 2] along with the edges of both lips: [n, 20, 2]."""
    x = torch.from_numpy(points[:, :, 0])[:, None] / (1 + pose.stretch)
    # The nodes are so far apart that there is no slope, so that distances from the edges are plain heights.
    nodes = Nodes(x, torch.zeros_like(x), torch.tensor(1e9))
    moved, at_rest = (movement(shape, nodes, some) for some in (pose, Pose.of(torch.tensor([NEUTRAL]), shape)))
    seam = -at_rest.beneath_upper
    upper, lower = -moved.beneath_upper - seam, moved.above_lower - seam
    shifts = torch.cat([upper[..., :11], lower[..., 11:]], -1)[:, 0].numpy()
    return np.stack([x[:, 0].numpy(), points[:, :, 1] + shifts], -1).astype(np.float32)


def moves() -> Points:
    """Slow rotation by 8 degrees, scaling by a tenth, and translation: affine maps [n, 2, 3]."""
    phase = np.arange(FRAMES) / FRAMES * 2 * np.pi
    maps = []
    for angle, scale, dx, dy in zip(
        8 * np.sin(2 * phase), 1 + 0.1 * np.sin(3 * phase), 12 * np.sin(phase), 8 * np.cos(2 * phase), strict=True
    ):
        matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE * 0.45), float(angle), float(scale))
        matrix[:, 2] += (dx, dy)
        maps.append(matrix)
    return np.asarray(maps, np.float32)


@pytest.fixture(scope="module")
def footage() -> Footage:
    picture, landmarks, track, maps = presenter_picture(SIDE), presenter_landmarks(SIDE), smooth_track(3), moves()
    still = FaceRenderer(landmarks, Still(picture), CPU)
    frames = np.repeat(picture[None], FRAMES, 0)
    paint(frames, *still.render(track, np.zeros(FRAMES, np.int64)))
    clip, speaking = MemoryClip(moved(frames, maps)), spoken(landmarks, track)
    turned, shifted = maps[:, :, :2].swapaxes(1, 2), maps[:, None, :, 2]
    seen = FaceLandmarks(**{field.name: getattr(speaking, field.name) @ turned + shifted for field in fields(speaking)})
    return Footage(clip, seen, maps, FaceRenderer(seen, clip, CPU), still, picture)


def openings(mouths: Pictures) -> NDArray[np.int64]:
    """Number of dark pixels in each frame."""
    return np.asarray((mouths.max(-1) < DARK).sum((1, 2)), np.int64)


def rest() -> torch.Tensor:
    return torch.tensor([NEUTRAL]).repeat(FRAMES, 1)


def flicker(counts: NDArray[np.int64]) -> float:
    """Mean absolute second difference."""
    return float(np.abs(np.diff(counts, 2)).mean())


def test_a_rest_track_closes_the_speaking_mouth(footage: Footage) -> None:
    assert np.quantile(openings(footage.mouths(footage.clip.frames)), 0.75) > 100
    assert np.quantile(openings(footage.mouths(footage.painted(rest()))), 0.98) <= 4


def test_a_rest_track_holds_the_speaking_mouth_still(footage: Footage) -> None:
    source, held = (
        footage.mouths(frames).astype(np.float32) for frames in (footage.clip.frames, footage.painted(rest()))
    )
    assert held.std(0).mean() < 0.3 * source.std(0).mean()


def test_a_mouth_that_is_wide_open_in_a_picture_closes_as_it_opened() -> None:
    """Given a picture of an open mouth, when it closes, then the chin rises, and the lips meet where they had met."""
    picture, landmarks = presenter_picture(SIDE), presenter_landmarks(SIDE)
    wide, at_rest = row(jaw_open=1, upper_raise=0.05), torch.tensor([NEUTRAL])
    frames, only = picture[None].copy(), np.zeros(1, np.intp)
    paint(frames, *FaceRenderer(landmarks, Still(picture), CPU).render(wide, only))
    opened = frames[0].copy()
    paint(frames, *FaceRenderer(spoken(landmarks, wide)[0], Still(opened), CPU).render(at_rest, only))
    assert difference(frames[0], picture, landmarks) < 0.5 * difference(opened, picture, landmarks)


def difference(one: Pictures, other: Pictures, landmarks: FaceLandmarks) -> float:
    """Mean absolute difference of two pictures below the nose and above the chin."""
    (left, _), (right, _) = landmarks.jaw.min(0).astype(int), landmarks.jaw.max(0).astype(int)
    part = np.s_[int(landmarks.nose[1, 1]) : int(landmarks.jaw[10, 1]), left:right]
    return float(np.abs(one[part].astype(float) - other[part]).mean())


def test_a_resting_mouth_is_unchanged(footage: Footage) -> None:
    """Given a silent, moving face and jittering landmarks, a rest track reproduces the clip bit for bit."""
    maps, still = footage.moves, presenter_landmarks(SIDE)
    clip = MemoryClip(moved(np.repeat(footage.picture[None], FRAMES, 0), maps))
    tremble = np.random.default_rng(5)
    contours = {}
    for field in fields(still):
        points = getattr(still, field.name) @ maps[:, :, :2].swapaxes(1, 2) + maps[:, None, :, 2]
        contours[field.name] = (points + tremble.normal(0, 0.2, points.shape)).astype(np.float32)
    frames = clip.frames.copy()
    paint(frames, *FaceRenderer(FaceLandmarks(**contours), clip, CPU).render(rest(), np.arange(FRAMES)))
    assert np.array_equal(frames, clip.frames)


def test_a_track_opens_the_mouth_as_on_a_still_picture(footage: Footage) -> None:
    track = smooth_track(11)
    on_still = np.repeat(footage.picture[None], FRAMES, 0)
    paint(on_still, *footage.still.render(track, np.zeros(FRAMES, np.int64)))
    wanted = openings(footage.mouths(moved(on_still, footage.moves)))
    opened = openings(footage.mouths(footage.painted(track)))
    assert np.corrcoef(opened, wanted)[0, 1] > 0.98
    assert 0.8 < opened.mean() / wanted.mean() < 1.25
    assert flicker(opened) < 1.2 * flicker(wanted)


def test_regions_blend_into_their_surroundings(footage: Footage) -> None:
    frames = footage.painted(mixed_track(FRAMES))
    regions, corners = footage.renderer.render(rest(), np.arange(FRAMES))
    (height, width) = regions.shape[1:3]
    for frame, source, (x, y) in zip(frames, footage.clip.frames, corners, strict=True):
        drawn, original = (picture[y : y + height, x : x + width] for picture in (frame, source))
        assert not np.array_equal(drawn, original)
        for side in (0, -1):
            assert np.array_equal(drawn[side], original[side])
            assert np.array_equal(drawn[:, side], original[:, side])


def test_regions_have_one_even_size_and_are_inside_the_frame(footage: Footage) -> None:
    regions, corners = footage.renderer.render(rest(), np.arange(FRAMES))
    size = np.array(regions.shape[2:0:-1])
    assert not (corners % 2).any()
    assert not (size % 2).any()
    assert corners.min() >= 0
    assert (corners + size).max() <= SIDE
    assert len(np.unique(corners, axis=0)) > FRAMES // 4


def test_a_frame_does_not_depend_on_its_batch(footage: Footage) -> None:
    track, clip_frames = mixed_track(FRAMES), np.arange(FRAMES)[::-1].copy()
    whole, corners = footage.renderer.render(track, clip_frames)
    for at in (0, 7, 30):
        alone, corner = footage.renderer.render(track[at : at + 1], clip_frames[at : at + 1])
        assert torch.equal(alone[0], whole[at])
        assert np.array_equal(corner[0], corners[at])


def test_a_face_that_leaves_the_frame_for_a_while_is_drawn(footage: Footage) -> None:
    away = replace_some(footage.landmarks, slice(0, 20), np.array([SIDE, 0], np.float32))
    regions, corners = FaceRenderer(away, footage.clip, CPU).render(
        row(jaw_open=1).repeat(FRAMES, 1), np.arange(FRAMES)
    )
    assert (corners >= 0).all()
    assert (corners + np.array(regions.shape[2:0:-1]) <= SIDE).all()


def test_a_face_mostly_outside_the_frame_is_refused(footage: Footage) -> None:
    away = replace_some(footage.landmarks, slice(0, 40), np.array([SIDE, 0], np.float32))
    with pytest.raises(JobError, match="inside the frame"):
        FaceRenderer(away, footage.clip, CPU)


def replace_some(landmarks: FaceLandmarks, frames: slice, shift: Points) -> FaceLandmarks:
    """Shift the landmarks in some frames."""
    contours = {field.name: getattr(landmarks, field.name).copy() for field in fields(landmarks)}
    for points in contours.values():
        points[frames] += shift
    return FaceLandmarks(**contours)
