"""The seeded Wav2Lip weights of the reference data; see `tests/data/wav2lip/README.md`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from daemon.bench.seeded_weights import seeded_tensor

WAV2LIP_DATA = Path(__file__).parent / "data" / "wav2lip"


def seeded_state_dict() -> dict[str, torch.Tensor]:
    """Every key of the official generator with its seeded tensor, in order."""
    shapes = json.loads((WAV2LIP_DATA / "wav2lip_state_dict.json").read_text("utf-8"))
    return {name: torch.from_numpy(np.asarray(seeded_tensor(name, tuple(shape)))) for name, shape in shapes.items()}
