"""A third-party engine: shows the loudness as a bar on a background derived from the avatar."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field

from pipeline.avatars import FittedAvatar
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.settings import ModelSettings
from pipeline.messages import PCM_RATE_HZ

BUILDS_LOG = "TOY_ENGINE_LOG"
"""Environment variable with a file that gets a line for each background that is built."""
BACKGROUND_LUMA, NEUTRAL_CHROMA = 16, 128


class ToySettings(ModelSettings):
    """The toy engine's settings in `models` of config.yaml."""

    implementation: ClassVar[str] = "tests.toy_engine:ToyEngine"
    bar_luma: Annotated[int, Field(ge=17, le=235)] = 235


class ToyEngine:
    """Draws how loud each frame is."""

    name = "toy"

    def __init__(self, bar_luma: int) -> None:
        self._bar_luma = bar_luma

    @classmethod
    def load(cls, model: str, config: Config, device: torch.device) -> ToyEngine:
        settings = config.model_settings(model)
        assert isinstance(settings, ToySettings)
        return cls(settings.bar_luma)

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> ToyRenderer:
        def build(path: Path) -> None:
            if log := os.environ.get(BUILDS_LOG):
                with Path(log).open("a") as file:
                    file.write(f"{avatar.scene.size}\n")
            width, height = avatar.scene.size
            frame = np.full((height * 3 // 2, width), NEUTRAL_CHROMA, np.uint8)
            frame[:height] = BACKGROUND_LUMA
            path.write_bytes(frame.tobytes())

        width, height = avatar.scene.size
        with avatar.derive(self.name, "background-v1.i420", build) as file:
            background = np.frombuffer(file.read(), np.uint8).reshape(height * 3 // 2, width)
        return ToyRenderer(background, height, speech, self._bar_luma)


class ToyRenderer:
    """Renders any frames of one job."""

    def __init__(self, background: np.ndarray, height: int, speech: SpeechFeatures, bar_luma: int) -> None:
        self._background = torch.from_numpy(background.copy())
        self._height = height
        self._speech = speech
        self._bar_luma = bar_luma

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        for frame in range(start_frame, stop_frame):
            picture = self._background.clone()
            rows = round(self._height * self._level(frame))
            picture[self._height - rows : self._height] = self._bar_luma
            yield picture[None]

    def _level(self, frame: int) -> float:
        """Root mean square of a frame's samples, of full scale."""
        start, stop = (round(edge * PCM_RATE_HZ / self._speech.fps) for edge in (frame, frame + 1))
        samples = self._speech.samples[start:stop].astype(np.float64) / 32_768
        return min(1.0, 2 * float(np.sqrt(np.square(samples).mean())))
