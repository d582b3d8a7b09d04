"""Fixtures that several test modules share, and the order in which files run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.running import BRIEF_WAITS, CheapDaemon

if TYPE_CHECKING:
    import torch

# Properties are about values, never about time: a slow machine is not a defect.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[CheapDaemon]:
    """A daemon with cheap stages for one test, not started yet."""
    with CheapDaemon(tmp_path / "spool", **BRIEF_WAITS) as running:
        yield running


@pytest.fixture(scope="session")
def weights() -> dict[str, torch.Tensor]:
    """Seeded weights of Wav2Lip under the network's own names."""
    from tests.seeded_weights import seeded_state_dict

    return seeded_state_dict()


@pytest.fixture(scope="session")
def checkpoint(weights: dict[str, torch.Tensor]) -> Iterator[Path]:
    """A Wav2Lip checkpoint as training writes it, under a name that does not say so; removed at the end (145 MB)."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.bin"
        state = {f"module.{key}": value for key, value in weights.items()}
        torch.save({"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 1}, path)
        yield path
