"""The Wav2Lip engine: a checkpoint on one device, and the renderer of a job's frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FittedAvatar
from pipeline.avatars.faces.tracking import NoFace
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.canvases import Canvases, Drawn, composed
from pipeline.engines.loudness import speech_gate
from pipeline.engines.mel import windows
from pipeline.engines.settings import Wav2LipSettings
from pipeline.engines.wav2lip.checkpoint import load_network
from pipeline.engines.wav2lip.designs import ORIGINAL, Design
from pipeline.engines.wav2lip.face import Face
from pipeline.engines.wav2lip.network import FaceFeature, FoldedWav2Lip
from pipeline.engines.wav2lip.precision import fastest
from pipeline.errors import JobError, StageError
from pipeline.media.canvas import Regions

DEVICE_BATCH_FRAMES = {"cpu": 8, "cuda": 32}
"""Of the original network; the larger ones get as many as have about the same number of pixels. CPU: the fastest of 1
to 32. GPU: one batch should take longer than launching its hundreds of kernels, but be little more than a second of
video, since a batch that spans a chunk boundary is computed twice.
Not probed: workers with different batch sizes would render frames that differ in their last bits."""

FACE_SIDE_MIN = 8
"""Pixels; a smaller box cannot contain a face."""

log = logging.getLogger(__name__)


class Wav2LipEngine:
    """Wav2Lip (Prajwal et al. 2020) with a user-supplied checkpoint."""

    name = "wav2lip"

    def __init__(
        self,
        checkpoint: Path,
        device: torch.device,
        *,
        config_key: str,
        gated: bool = False,
        exact: bool = False,
        batch: int | None = None,
    ) -> None:
        """Load the checkpoint that `config_key` names. Raises ConfigError if it cannot be used.

        `gated`: show the avatar's own mouth in pauses unless the avatar's settings override it; `exact`: compute in
        single precision even if the device has a faster one; `batch`: frames that are computed at once.
        """
        if exact:
            torch.backends.cudnn.allow_tf32 = False  # TF32 convolutions keep only ten bits of the mantissa
        network = FoldedWav2Lip(load_network(checkpoint, config_key))
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network if exact else fastest(network, device)
        self.design = network.design
        self.device = device
        self.batch_frames = batch or batch_frames(network.design, device)
        self.gated = gated
        self.canvases = Canvases()

    @classmethod
    def load(cls, model: str, config: Config, device: torch.device) -> Wav2LipEngine:
        """See `Engine`."""
        settings = config.model_settings(model)
        assert isinstance(settings, Wav2LipSettings)
        assert settings.checkpoint is not None
        checkpoint, key = config.path(settings.checkpoint), f"models.{model}.checkpoint"
        return cls(checkpoint, device, config_key=key, gated=settings.silence_gate, batch=settings.batch_frames)

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Wav2LipRenderer:
        """Prepare to render one job. Raises JobError if the position of the avatar's face is unknown."""
        return Wav2LipRenderer(self, avatar, speech)

    def halve_batches(self) -> None:
        """Use less memory from now on. Raises StageError if that is not possible."""
        if self.batch_frames == 1:
            message = f"{self.device} does not have enough free memory for a single frame"
            raise StageError(
                "out_of_memory", message, hint="check which other processes use the device, or run fewer workers on it"
            )
        self.batch_frames //= 2
        log.warning("%s is out of memory; using batches of %d frames from now on", self.device, self.batch_frames)
        torch.cuda.empty_cache()


def batch_frames(design: Design, device: torch.device) -> int:
    """Frames that are computed at once by default."""
    return max(1, DEVICE_BATCH_FRAMES[device.type] * ORIGINAL.pixels**2 // design.pixels**2)


class Wav2LipRenderer:
    """Renders any frames of one job.

    Batches are on a fixed grid over the whole job: a frame always shares its batch with the same neighbours, in the
    same position. So its pixels do not depend on how the job is cut, even if kernels depend on a batch's shape.
    Only if a device runs out of memory, the grid becomes finer; its frames may then differ from those of other
    workers in their last bits.
    """

    def __init__(self, engine: Wav2LipEngine, avatar: FittedAvatar, speech: SpeechFeatures) -> None:
        self._engine = engine
        self._scene = avatar.scene
        self._blend = avatar.settings.blend
        self._speech = speech
        self._canvas = engine.canvases.canvas(avatar, speech)
        self._boxes = face_pixels(avatar, engine.design)
        self._lips = None if isinstance(avatar.landmarks, NoFace) else avatar.landmarks.lips_outer
        gate = avatar.settings.silence_gate
        gated = engine.gated if gate == "auto" else gate == "on"
        self._opacity = torch.from_numpy(speech_gate(speech) if gated else np.ones(speech.frames, np.float32))
        self._size, self._corners = regions_about(self._boxes, avatar.scene.size)
        self._encoded: tuple[tuple[int, ...], list[Face], list[FaceFeature]] = ((), [], [])
        """The previous batch's frame indices, faces and features: a still picture is encoded only once."""

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield I420 frames, uint8 [n, height * 3 / 2, width]."""
        return composed(self._canvas, self._drawn(start_frame, stop_frame))

    def _drawn(self, start_frame: int, stop_frame: int) -> Iterator[Drawn]:
        frame = start_frame
        while frame < stop_frame:
            batch = self._attempt(frame, stop_frame)
            if batch is None:
                self._engine.halve_batches()
                continue
            yield batch
            frame += len(batch.regions)

    def _attempt(self, frame: int, stop_frame: int) -> Drawn | None:
        """The frames from `frame` on that are in the same batch; None if the device is out of memory.

        The error references all computed tensors: it must be released before the next attempt.
        """
        count = self._engine.batch_frames
        first = frame - frame % count
        try:
            return self._batch(first, count, slice(frame - first, stop_frame - first))
        except torch.OutOfMemoryError:
            self._encoded = ((), [], [])
            return None

    @torch.inference_mode()
    def _batch(self, first: int, count: int, wanted: slice) -> Drawn:
        """The `wanted` frames of the grid's batch of `count` frames that starts at `first`."""
        network, device = self._engine.network, self._engine.device
        mel = windows(self._speech.mel, first, first + count, self._speech.fps)
        shown = self._speech.offset + first
        indices = self._scene.shown(shown, shown + count, self._speech.fps)
        still = bool((indices == indices[0]).all())
        faces, features = self._encode(tuple(indices[:1].tolist() if still else indices.tolist()))
        mouths = network.speak(torch.from_numpy(mel)[:, None].to(device), features)[wanted]
        start = first + (wanted.start or 0)
        opacity = self._opacity[start : start + len(mouths)].to(device)
        regions = (
            faces[0].blended(mouths, opacity)
            if still
            else torch.cat(
                [
                    face.blended(*one)
                    for face, *one in zip(faces[wanted], mouths.split(1), opacity.split(1), strict=True)
                ]
            )
        )
        return Drawn(Regions(regions), self._corners[indices[wanted]], start)

    def _encode(self, indices: tuple[int, ...]) -> tuple[list[Face], list[FaceFeature]]:
        """The faces in some of the scene's frames, and their features from the network."""
        if indices == self._encoded[0]:
            return self._encoded[1:]
        at = np.array(indices, np.intp)
        regions = self._scene.regions(at, self._corners[at], self._size)
        boxes = self._boxes[at] - np.tile(self._corners[at], 2)
        lips = [None] * len(at) if self._lips is None else self._lips[at] - self._corners[at, None]
        faces = [
            Face(region, tuple(box), mouth, self._blend, self._engine.device, pixels=self._engine.design.pixels)
            for region, box, mouth in zip(regions, boxes.tolist(), lips, strict=True)
        ]
        images = torch.cat([face.image for face in faces]).contiguous(memory_format=torch.channels_last)
        self._encoded = (indices, faces, self._engine.network.encode_faces(images))
        return self._encoded[1:]


def face_pixels(avatar: FittedAvatar, design: Design) -> NDArray[np.intp]:
    """The face boxes in whole pixels, within the frames: [frames of the scene, 4].

    Raises JobError if a box is too small or outside the frame.
    """
    width, height = avatar.scene.size
    # Boxes contain the original network's pads unless the avatar sets others.
    below = 0 if "pads" in avatar.settings.model_fields_set else design.pad_below - ORIGINAL.pad_below
    boxes = avatar.require_face_boxes() + np.array([0, 0, 0, below], np.float32)
    boxes = np.clip(boxes, 0, (width, height) * 2)
    # Written so that it is false for NaN too.
    if not (boxes[:, 2:] - boxes[:, :2] >= FACE_SIDE_MIN).all():
        raise _no_face(f"the avatar's face box is smaller than {FACE_SIDE_MIN} pixels, or outside the frame")
    return boxes.astype(np.intp)


def regions_about(boxes: NDArray[np.intp], frame: tuple[int, int]) -> tuple[tuple[int, int], NDArray[np.intp]]:
    """The smallest even size (width, height) that fits each of the boxes [n, 4], and the corners of regions [n, 2]."""
    start = boxes[:, :2] // 2 * 2
    width, height = (-(-(boxes[:, 2:] - start).max(0) // 2) * 2).tolist()
    return (width, height), np.clip(start, 0, (frame[0] - width, frame[1] - height))


def _no_face(message: str) -> JobError:
    hint = "set face_box: [x1, y1, x2, y2] in the avatar's avatar.yaml"
    return JobError("no_face", message, field="avatar", hint=hint)
