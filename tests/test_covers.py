"""Mouths behind hands, masks, microphones and other things are not drawn over; those beside such things are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.avatars.faces.covers import MARGIN_FRAMES, STEADILY_COVERED, STEADY_FRAMES, covered_frames
from pipeline.avatars.faces.results import Faces, NoFace
from pipeline.avatars.faces.tracking import find_in_clip, find_in_picture
from pipeline.avatars.unseen_frames import shown
from tests import covers
from tests.clips import Picture, film, placed, portrait, seen_by
from tests.faces import built_in_picture
from tests.members import members
from tests.videos import faces_in

SIDE = 360


@pytest.fixture(scope="module", params=["portrait", "host"])
def picture(request: pytest.FixtureRequest) -> Picture:
    """A face that fills about a third of the picture."""
    if request.param == "portrait":
        return portrait()
    return built_in_picture(request.param, SIDE)


@pytest.mark.parametrize("cover", members(covers.COVERS, *tuple(covers.COVERS)[::3]))
def test_a_covered_mouth_is_refused(cover: str, picture: Picture) -> None:
    answer = find_in_picture(covers.COVERS[cover](picture, faces_in(picture).landmarks[0]))
    assert isinstance(answer, NoFace)
    assert answer.code in ("mouth_hidden", "no_face")
    assert answer.hint


@pytest.mark.parametrize("thing", covers.HARMLESS)
def test_things_beside_the_mouth_are_not_covers(thing: str, picture: Picture) -> None:
    changed = covers.HARMLESS[thing](picture, faces_in(picture).landmarks[0])
    assert isinstance(find_in_picture(changed), Faces)


@pytest.mark.parametrize("scale", [0.5, 3])
@pytest.mark.parametrize("degrees", members([-25, 0, 25], -25))
def test_a_visible_mouth_is_not_called_covered(degrees: float, scale: float) -> None:
    place = placed(degrees=degrees, scale=scale, side=512)
    assert isinstance(find_in_picture(seen_by(place, portrait(), 512)), Faces)


def test_pale_lips_in_a_soft_grey_picture_are_lips() -> None:
    """They differ from the skin by less than noise does in other pictures."""
    grey = cv2.GaussianBlur(portrait().mean(-1), (0, 0), 1)[..., None].repeat(3, -1)
    assert isinstance(find_in_picture(np.asarray(grey * 0.2 + 110, np.uint8)), Faces)


def passing_hand(frames: list[Picture], first: int, stop: int) -> list[Picture]:
    """A hand in front of the mouth in some frames."""
    face = faces_in(frames[0]).landmarks[0]
    return [covers.hand(frame, face) if first <= number < stop else frame for number, frame in enumerate(frames)]


def test_frames_with_a_covered_mouth_are_found_in_a_video() -> None:
    found = find_in_clip(passing_hand(film([placed()] * 40), 12, 28))
    assert isinstance(found, Faces)
    hidden = np.flatnonzero(found.covered)
    assert set(range(12, 28)) <= set(hidden.tolist()) <= set(range(12 - MARGIN_FRAMES - 3, 28 + MARGIN_FRAMES + 3))
    assert (found.seen == ~found.covered).all()


def test_a_video_whose_mouth_is_mostly_covered_is_refused() -> None:
    found = find_in_clip(passing_hand(film([placed()] * 24), 4, 20))
    assert isinstance(found, NoFace)
    assert found.code == "mouth_hidden"
    assert "of 24 frames" in found.message


# Which frames are covered, from what the network says about each


def spans(probabilities: list[float], found: list[bool] | None = None) -> list[int]:
    seen = np.ones(len(probabilities), bool) if found is None else np.array(found)
    return np.flatnonzero(covered_frames(np.array(probabilities), seen)).tolist()


def test_a_mouth_that_looks_odd_for_a_moment_is_not_covered() -> None:
    few = STEADY_FRAMES // 2
    assert spans([0.1] * 20 + [0.99] * few + [0.1] * 20) == []
    assert spans([0.1] * 20 + [STEADILY_COVERED - 0.05] * 20 + [0.1] * 20) == []


def test_frames_that_are_less_sure_belong_to_a_cover() -> None:
    assert spans([0.1] * 20 + [0.6] * 2 + [0.99] * 10 + [0.1] * 20) == list(
        range(20 - MARGIN_FRAMES, 32 + MARGIN_FRAMES)
    )


def test_a_face_that_is_lost_behind_a_cover_is_covered() -> None:
    probabilities = [0.1] * 10 + [0.99] * 10 + [0.0] * 5 + [0.1] * 10
    assert spans(probabilities, [value > 0 for value in probabilities])[-1] == 24
    assert spans([0.1] * 10 + [0.0] * 5 + [0.1] * 10, [True] * 10 + [False] * 5 + [True] * 10) == []


# How such frames are shown


def flags(*chosen: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(np.arange(12), chosen)


def test_no_policy_draws_lips_over_a_cover() -> None:
    hidden = flags(5, 6)
    for policy in ("interpolate", "passthrough"):
        assert (shown(policy, ~hidden, hidden, flags(), 2).opacity[5:7] == 0).all()
    assert shown("hold", ~hidden, hidden, flags(), 2).order[5:7].tolist() == [4, 4]


def test_the_mouth_fades_out_and_in() -> None:
    hidden = flags(5, 6)
    opacity = shown("passthrough", ~hidden, hidden, flags(), 2).opacity
    assert opacity == pytest.approx([1, 1, 1, 2 / 3, 1 / 3, 0, 0, 1 / 3, 2 / 3, 1, 1, 1])
    assert shown("passthrough", ~hidden, hidden, flags(7), 2).opacity[7] == 1, "not across a cut"


def test_a_held_frame_fades_into_the_next_one() -> None:
    hidden = flags(5, 6)
    held = shown("hold", ~hidden, hidden, flags(), 2)
    assert held.fade[6:10] == pytest.approx([0, 2 / 3, 1 / 3, 0])
    assert held.fade_from[7:9].tolist() == [4, 4]
    assert not shown("hold", ~hidden, hidden, flags(7), 2).fade.any(), "not across a cut"
    assert not shown("hold", ~flags(0, 1), flags(), flags(), 2).fade.any(), "the first face is held before it comes"


def test_the_drawn_video_fades(tmp_path: Path) -> None:
    """Both kinds of transitions change the frames of a real clip."""
    from fractions import Fraction

    import torch

    from pipeline.avatars.scenes import Clip
    from pipeline.engines.canvases import ClipCanvas
    from pipeline.media.canvas import Regions

    grey = np.repeat(np.linspace(40, 200, 12), 8 * 12).astype(np.uint8)
    (tmp_path / "clip").write_bytes(grey.tobytes())
    hidden = flags(5, 6)
    white = Regions(torch.full((12, 8, 8, 3), 255, dtype=torch.uint8))

    def luma(policy: str) -> list[int]:
        showing = shown(policy, ~hidden, hidden, flags(), 2)  # type: ignore[arg-type]
        clip = Clip((tmp_path / "clip").open("rb"), (8, 8), 12, Fraction(25), *showing)
        frames = ClipCanvas(clip, 25).compose(white, np.zeros((12, 2), np.intp), 0)
        return [int(frame[0, 0]) for frame in frames]

    own = [int(value) for value in grey[:: 8 * 12]]
    drawn = luma("passthrough")
    assert drawn[5:7] == own[5:7]
    assert own[4] < drawn[4] < drawn[3] < drawn[2] == 235
    held = luma("hold")
    assert held[5:7] == [235, 235]
    assert own[4] < held[7] < held[8] < held[9] == 235
