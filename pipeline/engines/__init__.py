"""The lip-sync engines, interchangeable behind `pipeline.engines.base.Engine`; registered in `settings.py`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from pipeline.config import Config
    from pipeline.engines.base import Engine


def load_engine(model: str, config: Config, device: torch.device) -> Engine:
    """Load the engine of a configured model. Raises ConfigError if its settings or files cannot be used."""
    module, _, name = config.model_settings(model).implementation.partition(":")
    engine: Engine = getattr(import_module(module), name).load(model, config, device)
    return engine
