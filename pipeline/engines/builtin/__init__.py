"""The built-in engine: moves the mouth of any avatar whose landmarks are known, with nothing to download."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from pipeline.avatars import FittedAvatar
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.face import FaceRenderer, Still
from pipeline.engines.builtin.lip_edges import on_lip_edges
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.errors import JobError
from pipeline.media.canvas import Canvas

BATCH_FRAMES = 8


class BuiltinEngine:
    """A mouth track from the speech, drawn into the avatar's own face."""

    name = "builtin"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._mouth = MouthModel(device)

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> BuiltinRenderer:
        """Prepare one job. Raises JobError when the avatar's landmarks are not known."""
        if avatar.landmarks is None:
            raise JobError(
                "no_face",
                "the built-in engine needs the avatar's face landmarks",
                field="avatar",
                hint="put landmarks.json beside the picture, as the avatar `presenter` has it",
            )
        track = torch.from_numpy(self._mouth.track(speech)).to(self._device)
        inner = on_lip_edges(avatar.landmarks.lips_inner, avatar.picture)
        face = FaceRenderer(replace(avatar.landmarks, lips_inner=inner), Still(avatar.picture), self._device)
        return BuiltinRenderer(track, face, Canvas(avatar.picture, self._device))


class BuiltinRenderer:
    """Draws any frames of one job."""

    def __init__(self, track: torch.Tensor, face: FaceRenderer, canvas: Canvas) -> None:
        self._track = track
        self._face = face
        self._canvas = canvas

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield I420 frames, uint8 [n, height * 3 / 2, width]."""
        for batch in torch.split(self._track[start_frame:stop_frame], BATCH_FRAMES):
            regions, corners = self._face.render(batch, np.zeros(len(batch), np.int64))
            (left, top), (height, width) = corners[0].tolist(), regions.shape[1:3]
            yield self._canvas.compose(regions, (left, top, left + width, top + height))
