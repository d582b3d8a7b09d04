"""The larger networks of the Wav2Lip family, compared with their published code, and their frames."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from pipeline.avatars.scenes import Still
from pipeline.engines.canvases import Canvases
from pipeline.engines.wav2lip.designs import (
    COMMUNITY_288,
    COMMUNITY_288_ENLARGING,
    COMMUNITY_288_PRELU,
    COMMUNITY_384,
    LIVETALKING,
    Design,
)
from pipeline.engines.wav2lip.engine import Wav2LipEngine, batch_frames
from pipeline.engines.wav2lip.face import _Colours
from pipeline.engines.wav2lip.network import FoldedWav2Lip, Wav2Lip
from pipeline.media.canvas import i420
from tests.seeded_weights import WAV2LIP_DATA, family_input, family_weights
from tests.test_wav2lip import avatar, speech

GOLDEN = {
    "livetalking_256": LIVETALKING,
    "community_288": COMMUNITY_288,
    "community_288_enlarging": COMMUNITY_288_ENLARGING,
    "community_288_prelu": COMMUNITY_288_PRELU,
    "community_384": COMMUNITY_384,
}


def seeded(design: Design) -> FoldedWav2Lip:
    with torch.device("meta"):
        network = Wav2Lip(design)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(family_weights(shapes), assign=True)
    return FoldedWav2Lip(network.eval().requires_grad_(False))


@cache
def golden() -> dict[str, np.ndarray]:
    with np.load(WAV2LIP_DATA / "family_forward.npz") as arrays:
        return dict(arrays)


MARKS = {"livetalking_256": [], "community_288_enlarging": [pytest.mark.slow]}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [pytest.mark.soak])) for name in GOLDEN])
@torch.inference_mode()
def test_it_computes_what_the_published_code_does(name: str) -> None:
    """Weights depend on the tensors' names: these are checked too. The plain network is not run, only the folded."""
    design = GOLDEN[name]
    mel, image = family_input(design.pixels)
    made = seeded(design)(mel, image.contiguous(memory_format=torch.channels_last))
    assert made.shape == (1, 3, design.pixels, design.pixels)
    sampled = made[0, :, 3::8, 5::8].numpy()
    assert np.abs(sampled - golden()[name]).max() < 1e-4
    assert sampled.std() > 0.05, "the comparison means something"


class Mirror:
    """A network that returns the face that it gets."""

    def encode_faces(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image[:, 3:]]

    def speak(self, mel: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        return features[0].expand(len(mel), -1, -1, -1)


@pytest.mark.parametrize("design", [LIVETALKING, COMMUNITY_288, COMMUNITY_384], ids=lambda design: str(design.pixels))
def test_faces_are_put_back_where_they_were_cut_out(design: Design) -> None:
    engine = Wav2LipEngine.__new__(Wav2LipEngine)
    engine.network, engine.design, engine.device = Mirror(), design, torch.device("cpu")
    engine.batch_frames, engine.gated = batch_frames(design, engine.device), False
    engine.canvases = Canvases()
    fitted = avatar(blend="paste")
    [frame] = torch.cat(list(engine.renderer(fitted, speech(1)).render(0, 1)))
    assert isinstance(fitted.scene, Still)
    own = i420(torch.from_numpy(fitted.scene.picture)[None])[0]
    changed = (frame.float() - own.float()).abs()
    assert changed.max() < 12, "only the rounding of two resizes"
    assert changed.mean() < 1


@pytest.mark.parametrize("design", GOLDEN.values(), ids=GOLDEN)
def test_colours_are_compared_exactly(design: Design) -> None:
    """Sums of integers under 2 ** 24 are exact in single precision, in whatever order."""
    ring = _Colours(torch.zeros(1, 6, design.pixels, design.pixels))._ring
    assert 0 < int(ring.sum()) * 255 < 2**24
