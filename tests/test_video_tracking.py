"""Face tracking in videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.faces.choice import Choice
from pipeline.avatars.faces.finder import FaceFinder
from pipeline.avatars.faces.results import Faces, NoFace, filled
from pipeline.avatars.faces.smoothing import smooth_light
from pipeline.avatars.faces.tracking import find_in_clip
from pipeline.errors import JobError
from tests.clips import GAP, SIDE, Affine, contours, film, interrupted, mapped, placed, swaying, write_clip
from tests.members import members
from tests.videos import SWAY_FRAMES, avatar_of, clip_of, errors, faces_of, resized, side_by_side


def jitter(found: NDArray[np.float64], places: list[Affine | None], portrait_faces: Faces) -> float:
    """Mean second difference of the points relative to the face's true movement, in face widths."""
    truth = [mapped(contours(portrait_faces.landmarks)[0], place) for place in places if place is not None]
    shake = np.abs(np.diff(found - np.array(truth), n=2, axis=0)).mean()
    return float(shake / np.ptp(portrait_faces.landmarks.jaw[0][:, 0]))


def test_landmarks_follow_a_moving_face_smoothly(sway: Path, video_spool: Path, portrait_faces: Faces) -> None:
    avatar = avatar_of(sway, video_spool)
    assert list(avatar.placed(None).unseen) == []
    places: list[Affine | None] = [*swaying(SWAY_FRAMES)]
    found = contours(faces_of(avatar).landmarks)
    assert errors(found, places, portrait_faces).mean(1).max() < 0.015
    finder = FaceFinder()
    meshes = [finder.mesh(frame, finder.detect(frame)[0]).points for frame in film(places)]
    unsmoothed = contours(FaceLandmarks.of_mesh(np.array(meshes)))
    assert jitter(found, places, portrait_faces) < 0.5 * jitter(unsmoothed, places, portrait_faces)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (placed(-60, -20), placed(60, 30)),
        (placed(-10), placed(14)),
        (placed(), placed(scale=1.2)),
        (placed(), placed(scale=1.8)),
        (placed(scale=1.8), placed()),
        (placed(), placed(50, 20, scale=0.6)),
        (placed(degrees=-10), placed(degrees=10)),
    ],
    ids=["far", "near", "closer", "much closer", "away", "smaller", "turned"],
)
def test_a_cut_is_not_smoothed_over(before: Affine, after: Affine, portrait_faces: Faces) -> None:
    places: list[Affine | None] = [*[before] * 8, *[after] * 8]
    found = find_in_clip(film(places))
    assert isinstance(found, Faces)
    assert errors(contours(found.landmarks), places, portrait_faces).mean(1).max() < 0.015
    assert np.flatnonzero(found.cuts).tolist() in ([8], [])


def test_nothing_is_interpolated_across_a_cut() -> None:
    """Given frames without a face on both sides of a cut, then each side keeps the nearest face of its own shot."""
    seen, cuts = np.array([1, 0, 0, 0, 0, 1], bool), np.array([0, 0, 0, 1, 0, 0], bool)
    values = np.array([[1.0], [5.0]], np.float32)
    assert filled(values, seen, cuts)[:, 0].tolist() == [1, 1, 1, 5, 5, 5]
    assert filled(values, seen, np.zeros(6, bool))[:, 0] == pytest.approx([1, 1.8, 2.6, 3.4, 4.2, 5])


def test_the_light_is_smoothed_within_a_shot() -> None:
    light, cuts = np.array([100] * 10 + [10] * 10, np.float32), np.arange(20) == 10
    assert smooth_light(light, cuts) == pytest.approx(light)
    assert np.abs(np.diff(smooth_light(light, np.zeros(20, bool)))).max() < 25
    assert smooth_light(light[:1], cuts[:1]) == pytest.approx([100])


def test_a_face_is_followed_before_and_after_a_gap(gap: Path, video_spool: Path, portrait_faces: Faces) -> None:
    avatar = avatar_of(gap, video_spool)
    assert list(avatar.placed(None).unseen) == [GAP]
    found = contours(faces_of(avatar).landmarks)
    assert errors(found, interrupted(), portrait_faces).mean(1).max() < 0.02
    steps = np.diff(found[GAP[0] - 1 : GAP[1] + 1].mean(1), axis=0)
    assert np.ptp(steps, axis=0).max() < 0.01, "interpolated in a straight line"


def test_a_face_that_appears_late_is_found(portrait_faces: Faces) -> None:
    places: list[Affine | None] = [*[None] * 5, *swaying(10)]
    found = find_in_clip(film(places))
    assert isinstance(found, Faces)
    assert found.seen.tolist() == [False] * 5 + [True] * 10
    assert errors(contours(found.landmarks), places, portrait_faces).mean(1).max() < 0.02
    assert (found.boxes[:5] == found.boxes[5]).all()


def test_a_video_must_show_a_face_in_half_of_its_frames() -> None:
    places = [None, *swaying(1)] * 3
    assert isinstance(find_in_clip(film(places)), Faces)
    scarce = find_in_clip(film([*places, None]))
    assert isinstance(scarce, NoFace)
    assert scarce.code == "no_face"
    assert "3 of 7 frames" in scarce.message


@pytest.mark.parametrize("turns", members([1, 2, 3], 1))
def test_a_turned_video_is_refused_with_the_turn_that_helps(turns: int) -> None:
    lying = find_in_clip([np.ascontiguousarray(np.rot90(frame, turns)) for frame in film(swaying(6))])
    assert isinstance(lying, NoFace)
    assert lying.code == "no_face"
    assert f"--rotate {90 * turns}" in lying.hint


def test_the_box_chooses_between_two_faces(portrait_faces: Faces) -> None:
    frames = side_by_side(film(swaying(4)))
    neither = find_in_clip(frames)
    assert isinstance(neither, NoFace)
    assert neither.code == "several_faces"
    right = find_in_clip(frames, Choice((SIDE + 80, 80, SIDE + 170, 180)))
    assert isinstance(right, Faces)
    found = contours(right.landmarks) - (SIDE, 0)
    assert errors(found, [*swaying(4)], portrait_faces).mean(1).max() < 0.02


def test_a_number_chooses_between_two_faces(portrait_faces: Faces) -> None:
    """It stays with its face when both are lost for a while."""
    places = swaying(4)
    frames = side_by_side(film([*places, None, *places[::-1]]))
    right = find_in_clip(frames, Choice(number=2))
    assert isinstance(right, Faces)
    assert errors(contours(right.landmarks) - (SIDE, 0), [*places, None, *places[::-1]], portrait_faces).max() < 0.1
    assert right.others[0, 2] < SIDE
    none = find_in_clip(frames, Choice(number=3))
    assert isinstance(none, NoFace)
    assert "face: 1 to 2" in none.hint


def test_a_small_face_is_followed_in_a_large_video(video_spool: Path, tmp_path: Path) -> None:
    """A face of 60 pixels, which is not seen in frames of 1920x1080 as a whole, nor in those of a search at 1280."""
    shown = [resized([frame], (144, 144))[0] for frame in film([placed(), placed(20)])]
    frames = [np.full((1080, 1920, 3), 100, np.uint8) for _ in shown]
    for frame, face in zip(frames, shown, strict=True):
        frame[400:544, 1200:1344] = face
    avatar = avatar_of(write_clip(tmp_path / "small.mp4", frames), video_spool)
    first, second = faces_of(avatar).boxes
    assert 1200 < first[0] < first[2] < 1344
    assert 55 < first[3] - first[1] < 80
    assert second[0] - first[0] == pytest.approx(20 * 144 / 256, abs=3)
    [notice] = avatar.placed(None).notices
    assert notice.code == "face_quality"
    assert "crop: [" in notice.hint


def test_a_crop_equals_a_video_of_that_part(sway: Path, video_spool: Path, tmp_path: Path) -> None:
    """The same frames and the same face. Without the crop it would be ambiguous which face to use."""
    two = write_clip(tmp_path / "two.mp4", side_by_side(film(swaying(10))))
    with pytest.raises(JobError) as caught:
        avatar_of(two, video_spool).fitted(None).require_landmarks()
    assert caught.value.code == "several_faces"
    cropped = avatar_of(two, video_spool, f"crop: [{SIDE}, 0, {2 * SIDE}, {SIDE}]").fitted(None)
    plain = avatar_of(sway, video_spool).fitted(None)
    assert cropped.scene.size == (SIDE, SIDE)
    shown, other = (clip_of(fitted).read(7).astype(int) for fitted in (cropped, plain))
    assert np.abs(shown - other).mean() < 1  # both went through an encoder
    found, expected = (contours(fitted.require_landmarks())[:10] for fitted in (cropped, plain))
    assert np.abs(found - expected).mean() < 0.5


def test_with_a_crop_the_box_is_in_pixels_of_the_whole_video(video_spool: Path, tmp_path: Path) -> None:
    two = write_clip(tmp_path / "two.mp4", side_by_side(film(swaying(5))))
    half = f"crop: [{SIDE // 4}, 0, {2 * SIDE}, {SIDE}]\nface_box: [{SIDE + 80}, 80, {SIDE + 170}, 180]"
    mouth = avatar_of(two, video_spool, half).fitted(None).require_landmarks().lips_outer.mean((0, 1))
    assert mouth[0] > SIDE  # the right face's mouth, although the left one is inside the crop too


# Sizes


@pytest.mark.parametrize("size", [(128, 128), (256, 128), (96, 160), (640, 360)])
def test_the_face_follows_the_size(size: tuple[int, int], sway: Path, video_spool: Path) -> None:
    avatar = avatar_of(sway, video_spool, f"size: {size[0]}x{size[1]}")
    fitted = avatar.fitted(None)
    assert fitted.scene.size == size
    found, scaled = contours(fitted.require_landmarks()), contours(faces_of(avatar).landmarks) * max(size) / SIDE
    offset = (found - scaled).mean((0, 1))  # the crop is chosen by the face, and the same for all frames
    assert found == pytest.approx(scaled + offset, abs=1)
    assert (np.array(size) - max(size) - 1 <= offset).all()
    assert (offset <= 1).all()
    boxes = fitted.require_face_boxes()
    assert (boxes >= 0).all()
    assert (boxes <= np.tile(size, 2)).all()


@pytest.mark.slow
def test_a_portrait_video_keeps_its_aspect_ratio(tmp_path: Path, portrait_faces: Faces) -> None:
    tall = [
        cv2.copyMakeBorder(cv2.resize(f, (1080, 1080)), 420, 420, 0, 0, cv2.BORDER_REPLICATE) for f in film(swaying(3))
    ]
    avatar = avatar_of(write_clip(tmp_path / "a.mp4", tall), tmp_path)  # type: ignore[arg-type]
    assert avatar.sides == (1080, 1920)
    assert avatar.fitted(None).scene.size == (606, 1080)
    found = (contours(faces_of(avatar).landmarks) - (0, 420)) * (SIDE / 1080)
    assert errors(found, [*swaying(3)], portrait_faces).mean(1).max() < 0.02
