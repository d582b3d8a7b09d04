"""The rendered face: the visible mouth of every avatar follows the speech."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch

from benchmarks.mouth_range import mouth_range
from benchmarks.talking_face import FPS, PORTRAIT, SIDE, VOICES, pictures, score
from pipeline.avatars import Avatar
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.builtin.face_shape import FaceShape
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.builtin.mouth_motion import Pose
from pipeline.engines.loudness import speech_gate
from pipeline.engines.mel import COLUMNS_PER_SECOND
from tests.members import slow, soaking
from training.dataset import SpeechClip, held_out_clip

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def avatars() -> dict[str, Avatar]:
    return dict(pictures([PORTRAIT]))


@lru_cache
def spoken(voice: str, seconds: int) -> SpeechClip:
    """The beginning of the held-out sentences."""
    clip, columns = held_out_clip(voice[:2], VOICES[voice]), seconds * COLUMNS_PER_SECOND
    phonemes = tuple(phoneme for phoneme in clip.phonemes if phoneme.end_seconds <= seconds)
    return replace(clip, mel=clip.mel[:, :columns], mouth=clip.mouth[:columns], phonemes=phonemes)


@pytest.mark.parametrize(
    ("name", "voice", "with_phonemes", "seconds"),
    [
        soaking("presenter", "ru", True, 10),
        soaking("host", "en, natural", True, 10),
        slow("astronaut", "ru", True, 10),
        soaking("presenter", "ru", False, 30),
    ],
)
def test_the_rendered_mouth_follows_the_speech(
    name: str, voice: str, with_phonemes: bool, seconds: int, avatars: dict[str, Avatar]
) -> None:
    """With known phonemes; and from the sound alone, with more speech, since a lip closure may be missed."""
    clip = spoken(voice, seconds)
    seen = score(avatars[name], BuiltinEngine(torch.device("cpu")), clip, with_phonemes=with_phonemes)
    assert seen.closures >= 0.95
    assert seen.rounded_to_spread <= 0.85
    assert seen.correlation >= 0.8
    assert abs(seen.lag_frames) <= 1
    assert seen.still_pauses >= 0.98
    assert seen.changed_outside <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("voice", ["ru", "en, natural"])
def test_lips_round_and_spread_as_far_as_peoples(voice: str, avatars: dict[str, Avatar]) -> None:
    """Relative to the median width of the lips as drawn."""
    clip = spoken(voice, 10)
    frames = clip.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    speech = SpeechFeatures(
        clip.mel, frames, FPS, clip.phonemes, articulation=avatars["presenter"].settings.articulation
    )
    track = MouthModel(torch.device("cpu")).track(speech)[speech_gate(speech) > 0.9]
    landmarks = avatars["presenter"].fitted((SIDE, SIDE)).require_landmarks()[0]
    shape = FaceShape.measure(landmarks)[1].at(np.zeros(len(track), np.intp))
    widths = 1 / (1 + Pose.of(torch.from_numpy(track), shape).stretch[:, 0, 0].numpy())
    narrowest, widest = np.percentile(widths, (2, 98)) / np.median(widths)
    assert 0.85 < narrowest < 0.95
    assert 1.28 < widest < 1.4


@pytest.mark.slow
def test_a_face_mesh_sees_a_portraits_mouth_move_as_far_as_peoples(avatars: dict[str, Avatar]) -> None:
    clip = spoken("ru", 10)
    frames = clip.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    speech = SpeechFeatures(clip.mel, frames, FPS, clip.phonemes)
    device = torch.device("cpu")
    seen = mouth_range(avatars["astronaut"], BuiltinEngine(device), MouthModel(device), speech)
    assert 0.88 < seen.width_p2 < 0.97
    assert 1.09 < seen.width_p98 < 1.2
    assert seen.moves > 0.45
