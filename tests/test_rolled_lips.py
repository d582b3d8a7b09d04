"""Rounded lips are seen, also on faces whose picture hardly shows any."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars.scenes import Still
from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.face_shape import FaceShape
from pipeline.engines.builtin.mouth_motion import Nodes, Pose
from pipeline.engines.builtin.rolled_lips import rim
from tests.faces import CPU, built_in_picture, mixed_track, presenter_landmarks, presenter_picture, row

SIDE = 720
SKIN = (214, 168, 146)
Picture = NDArray[np.uint8]


def without_lips(skin: tuple[int, int, int] = SKIN) -> Picture:
    """A face that is nothing but skin, with a thin line where the lips meet."""
    picture = np.full((SIDE, SIDE, 3), skin, np.uint8)
    seam = presenter_landmarks(SIDE).lips_inner[:11]
    cv2.polylines(picture, [np.rint(seam).astype(np.int32)], False, (120, 80, 70), 1, cv2.LINE_AA)
    return picture


def renderer(picture: Picture) -> FaceRenderer:
    return FaceRenderer(presenter_landmarks(SIDE), Still(picture), CPU)


def frame(picture: Picture, track: torch.Tensor) -> NDArray[np.int64]:
    """The picture with its mouth drawn for a row of a track."""
    drawn, corners = renderer(picture).render(track, np.zeros(1, np.int64))
    (x, y), (height, width) = corners[0], drawn.shape[1:3]
    whole = picture.astype(np.int64)
    whole[y : y + height, x : x + width] = drawn[0].numpy()
    return whole


def oo() -> torch.Tensor:
    return row(jaw_open=0.16, lip_width=-1)


def around(picture: NDArray[np.int64], *, out: float) -> dict[str, NDArray[np.float64]]:
    """Colours above and below the opening of an "oo", so far away from its edges, in mouth widths."""
    shape = FaceShape.measure(presenter_landmarks(SIDE))
    pose = Pose.of(oo(), shape[1])
    places = {"above": -float(pose.lift) - out, "below": float(pose.lower) + out}
    middle = float(shape[1].middle)
    pixels = {
        name: np.rint(shape[0].to_pixels(np.array([[0.03, middle + down]]))[0, 0]).astype(int)
        for name, down in places.items()
    }
    return {name: picture[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1)) for name, (x, y) in pixels.items()}


def test_rounded_lips_are_darker_and_redder_than_the_skin() -> None:
    for colour in around(frame(without_lips(), oo()), out=0.06).values():
        assert colour.sum() < 0.93 * sum(SKIN)
        assert colour[0] / colour[1] > 1.05 * SKIN[0] / SKIN[1]


def test_the_lower_lip_is_lit() -> None:
    lips = around(frame(without_lips(), oo()), out=0.06)
    assert lips["below"].sum() > lips["above"].sum() + 40


def test_the_rim_of_lips_ends_softly() -> None:
    drawn = frame(without_lips(), oo())
    assert np.abs(around(drawn, out=0.2)["above"] - SKIN).max() < 2
    assert np.abs(around(drawn, out=0.2)["below"] - SKIN).max() < 2
    column = np.array([around(drawn, out=out)["above"].mean() for out in np.linspace(0.05, 0.2, 40)])
    assert np.diff(column).min() > -2
    assert np.diff(column).max() < 14


def test_lips_of_a_grey_picture_are_grey() -> None:
    grey = np.repeat(without_lips().mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    for colour in around(frame(grey, oo()), out=0.06).values():
        assert np.ptp(colour) < 1
        assert colour.mean() < 0.93 * grey[0, 0, 0]


@pytest.mark.parametrize("track", [row(closure=1), row(jaw_open=0.5), row(jaw_open=0.3, lip_width=0.8)])
def test_other_mouths_are_the_same_with_and_without(track: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rim = frame(without_lips(), track)
    monkeypatch.setattr("pipeline.engines.builtin.face.lip_tint", lambda *_: None)
    assert (frame(without_lips(), track) == with_rim).all()


@pytest.mark.parametrize("name", ["presenter", "host", "guide", "expert"])
def test_visible_lips_are_left_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = presenter_picture(SIDE) if name == "presenter" else built_in_picture(name, SIDE)
    with_rim = frame(picture, oo())
    monkeypatch.setattr("pipeline.engines.builtin.face.lip_tint", lambda *_: None)
    assert (frame(picture, oo()) == with_rim).all()


def test_the_rim_grows_with_the_rounding() -> None:
    """Without a jump, also if the lips are closed."""
    shape = FaceShape.measure(presenter_landmarks(SIDE))[1]
    across, down = (side.float()[None] for side in torch.meshgrid(*[torch.linspace(-0.6, 0.6, 61)] * 2, indexing="xy"))
    nodes = Nodes(across, down, torch.tensor([[[0.02]]]))
    for closure in (0.0, 1.0):
        tracks = [row(jaw_open=0.16, lip_width=-width, closure=closure) for width in torch.linspace(0, 1, 51).tolist()]
        rims = rim(shape, nodes, Pose.of(torch.cat(tracks), shape))
        assert (rims >= 0).all()
        assert (rims <= 1).all()
        assert rims[0].max() == 0
        assert rims[-1].max() > 0.7
        assert (rims[1:] - rims[:-1]).abs().max() < 0.2


def test_frames_do_not_depend_on_the_others_of_their_batch() -> None:
    track, drawer = mixed_track(12), renderer(without_lips())
    together = drawer.render(track, np.zeros(12, np.int64))[0]
    alone = torch.cat([drawer.render(one[None], np.zeros(1, np.int64))[0] for one in track])
    assert torch.equal(together, alone)
