"""The lip-sync engines, interchangeable behind `pipeline.engines.base.Engine`."""

from __future__ import annotations

import torch

from pipeline.config import Config
from pipeline.engines.base import Engine
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.wav2lip import Wav2LipEngine


def load_engine(model: str, config: Config, device: torch.device) -> Engine:
    """Load what the configuration says `model` is. Raises ConfigError when its checkpoint cannot be used."""
    settings = config.model_settings(model)
    if settings.engine == "builtin":
        return BuiltinEngine(device)
    assert settings.checkpoint is not None
    checkpoint = config.path(settings.checkpoint)
    return Wav2LipEngine(checkpoint, device, config_key=f"models.{model}.checkpoint", gated=model == "gan")
