"""The built-in engine: moves the mouth of any avatar with known landmarks; nothing to download."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FittedAvatar
from pipeline.avatars.scenes import Scene
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.face import BATCH_FRAMES, FaceRenderer
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.canvases import Canvases, Drawn, composed
from pipeline.media.canvas import Canvas, Regions


class BuiltinEngine:
    """A mouth track from the speech, drawn into the avatar's own face."""

    name = "builtin"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._mouth = MouthModel(device)
        self._tracked: tuple[object, NDArray[np.float32]] | None = None
        """What the latest mouth track depends on, and the track."""
        self._canvases = Canvases()
        self._face = lru_cache(maxsize=1)(self._make_face)  # what a face needs is prepared once for many chunks

    @classmethod
    def load(cls, model: str, config: Config, device: torch.device) -> BuiltinEngine:
        """See `Engine`."""
        return cls(device)

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> BuiltinRenderer:
        """Prepare to render one job. Raises JobError if the avatar's landmarks are unknown."""
        face = self._face(avatar)
        track = self._track(speech)
        return BuiltinRenderer(track, face, avatar.scene, speech, self._canvases.canvas(avatar, speech))

    def _track(self, speech: SpeechFeatures) -> NDArray[np.float32]:
        """The mouth track of a job, remembered for its many chunks."""
        if speech.wav is None:
            return self._mouth.track(speech)
        changed_ns = speech.wav.stat().st_mtime_ns
        key = (speech.wav, changed_ns, speech.frames, speech.fps, speech.articulation, tuple(speech.phonemes))
        if self._tracked is None or self._tracked[0] != key:
            self._tracked = key, self._mouth.track(speech)
        return self._tracked[1]

    def _make_face(self, avatar: FittedAvatar) -> FaceRenderer:
        return FaceRenderer(avatar.require_landmarks(), avatar.scene, self._device, avatar.light)


class BuiltinRenderer:
    """Renders any frames of one job."""

    def __init__(
        self,
        track: NDArray[np.float32],
        face: FaceRenderer,
        scene: Scene,
        speech: SpeechFeatures,
        canvas: Canvas,
    ) -> None:
        self._track = track
        self._poses = np.unique(track, axis=0, return_inverse=True)[1].reshape(-1)
        self._face = face
        self._scene = scene
        self._speech = speech
        self._canvas = canvas

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield I420 frames, uint8 [n, height * 3 / 2, width]."""
        return composed(self._canvas, self._drawn(start_frame, stop_frame))

    def _drawn(self, start_frame: int, stop_frame: int) -> Iterator[Drawn]:
        for start in range(start_frame, stop_frame, BATCH_FRAMES):
            stop = min(start + BATCH_FRAMES, stop_frame)
            offset = self._speech.offset
            shown = self._scene.shown(offset + start, offset + stop, self._speech.fps)
            looks = np.stack([self._poses[start:stop], shown], 1)
            _, firsts, order = np.unique(looks, axis=0, return_index=True, return_inverse=True)
            track, order = torch.from_numpy(self._track[start:stop][firsts]), order.reshape(-1)
            with torch.inference_mode():  # without it, each of many small operations prepares for gradients
                if self._canvas.displaces:
                    pixels, corners, skin = self._face.render_mouth(track)
                else:
                    (pixels, corners), skin = self._face.render(track, shown[firsts]), None
                regions = Regions(pixels, order, skin)
            yield Drawn(regions, corners[order], start)
