"""The inside of the mouth is lit like the face, in every frame of a clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.engines.builtin.face import FaceRenderer
from pipeline.engines.builtin.light import lit_frames, relative_light
from tests.clips import film, placed, write_clip
from tests.faces import CPU, row
from tests.videos import avatar_of


def test_constant_light_changes_nothing() -> None:
    light = np.array([180, 183, 177, 181, 180, 184, 179], np.float32)
    chosen = lit_frames(light)
    assert chosen.tolist() == np.unique(np.linspace(0, 6, 5).astype(int)).tolist()
    assert relative_light(light, chosen) is None


def test_colours_are_taken_from_well_lit_frames() -> None:
    light = np.array([200.0] * 4 + [5.0] * 16, np.float32)
    assert lit_frames(light).tolist() == [0, 1, 2, 3]
    relative = relative_light(light, lit_frames(light))
    assert relative is not None
    assert relative[:4] == pytest.approx(1)
    assert relative[4:] == pytest.approx(5 / 200, rel=0.06)


def test_black_frames_have_a_black_mouth() -> None:
    light = np.zeros(3, np.float32)
    assert relative_light(light, lit_frames(light)) is not None


def test_teeth_fade_with_the_picture(tmp_path: Path) -> None:
    """Given a fade to black, they do too, but for a twentieth that goes unnoticed on either side."""
    shares = np.linspace(1, 0.1, 12)
    frames = [np.asarray(frame * share, np.uint8) for frame, share in zip(film([placed()] * 12), shares, strict=True)]
    fitted = avatar_of(write_clip(tmp_path / "fade.mp4", frames), tmp_path).fitted(None)
    landmarks = fitted.require_landmarks()
    renderer = FaceRenderer(landmarks, fitted.scene, CPU, fitted.light)
    drawn, corners = renderer.render(row(jaw_open=0.6, upper_raise=0.6).repeat(12, 1), np.arange(12))
    places = (landmarks.lips_inner[:, 5] - corners).astype(int)
    teeth = [frame[y : y + 5, x - 4 : x + 4].max() for frame, (x, y) in zip(drawn.numpy(), places, strict=True)]
    assert np.array(teeth) / teeth[0] == pytest.approx(shares, rel=0.11)
