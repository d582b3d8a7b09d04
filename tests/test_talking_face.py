"""The rendered face: the visible mouth of every avatar follows the speech."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmarks.talking_face import PORTRAIT, VOICES, pictures, score
from pipeline.avatars import Avatar
from pipeline.engines.builtin import BuiltinEngine
from training.dataset import held_out_clip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in a worker; small frames are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def avatars() -> dict[str, Avatar]:
    return dict(pictures([PORTRAIT]))


@pytest.mark.parametrize(
    ("name", "voice", "with_phonemes"),
    [
        *((name, voice, True) for name in ("presenter", "host", "astronaut") for voice in ("ru", "en, natural")),
        ("presenter", "ru", False),
    ],
)
def test_the_rendered_mouth_follows_the_speech(
    name: str, voice: str, with_phonemes: bool, avatars: dict[str, Avatar]
) -> None:
    """With known phonemes, and from the sound alone."""
    clip = held_out_clip(voice[:2], VOICES[voice])
    seen = score(avatars[name], BuiltinEngine(torch.device("cpu")), clip, with_phonemes=with_phonemes)
    assert seen.closures >= 0.95
    assert seen.rounded_to_spread <= 0.85
    assert seen.correlation >= 0.8
    assert abs(seen.lag_frames) <= 1
    assert seen.still_pauses >= 0.98
    assert seen.changed_outside <= 0.005
