"""The lip-sync engines, interchangeable behind `pipeline.engines.base.Engine`."""

from __future__ import annotations

import torch

from pipeline.config import Config, ModelSettings
from pipeline.engines.base import Engine
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.wav2lip import Wav2LipEngine


def load_engine(model: str, config: Config, device: torch.device) -> Engine:
    """Load what the configuration says `model` is. Raises ConfigError when its checkpoint cannot be used."""
    settings, gated = made_from(model, config)
    if settings.engine == "builtin":
        return BuiltinEngine(device)
    assert settings.checkpoint is not None
    checkpoint = config.path(settings.checkpoint)
    return Wav2LipEngine(checkpoint, device, config_key=f"models.{model}.checkpoint", gated=gated)


def made_from(model: str, config: Config) -> tuple[ModelSettings, bool]:
    """All that tells a model's engine from another's: its settings, and whether its mouth gives way in pauses."""
    settings = config.model_settings(model)
    return settings, settings.engine == "wav2lip" and model == "gan"
