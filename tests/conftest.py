"""Fixtures that several test modules share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings

from tests.seeded_weights import seeded_state_dict

if TYPE_CHECKING:
    from pipeline.avatars.faces.results import Faces

# A busy machine is no defect: properties are about values, never about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def weights() -> dict[str, torch.Tensor]:
    """Seeded weights of Wav2Lip, under the network's own names."""
    return seeded_state_dict()


@pytest.fixture(scope="session")
def checkpoint(weights: dict[str, torch.Tensor]) -> Iterator[Path]:
    """A Wav2Lip checkpoint as training writes it; under a name that says nothing. Removed at the end: 145 MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.bin"
        state = {f"module.{key}": value for key, value in weights.items()}
        torch.save({"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 1}, path)
        yield path


@pytest.fixture(scope="session")
def portrait_faces() -> Faces:
    """The face of the test portrait."""
    from tests.clips import portrait
    from tests.videos import faces_in

    return faces_in(portrait())


@pytest.fixture(scope="session")
def sway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of two seconds in which a face moves."""
    from tests.clips import film, swaying, write_clip
    from tests.videos import SWAY_FRAMES

    return write_clip(tmp_path_factory.mktemp("clips") / "sway.mp4", film(swaying(SWAY_FRAMES)))


@pytest.fixture(scope="session")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in which the face is missing for a while."""
    from tests.clips import film, interrupted, write_clip

    return write_clip(tmp_path_factory.mktemp("clips") / "gap.mp4", film(interrupted()))


@pytest.fixture(scope="session")
def video_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool whose cache of faces and frames is shared by all tests."""
    return tmp_path_factory.mktemp("spool")
