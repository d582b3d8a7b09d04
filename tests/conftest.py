"""Fixtures that several test modules share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.seeded_weights import seeded_state_dict

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
