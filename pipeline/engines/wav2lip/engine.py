"""The Wav2Lip engine: a checkpoint on one device, and the frames it renders of a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from pipeline.avatars import FittedAvatar
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.wav2lip.checkpoint import load_network
from pipeline.engines.wav2lip.face import Face
from pipeline.engines.wav2lip.network import Wav2Lip, folded
from pipeline.errors import JobError
from pipeline.media.canvas import Canvas, PixelBox
from pipeline.mel import windows

BATCH_FRAMES = 8
"""Measured to be the fastest on a CPU among 4 to 16."""

FACE_SIDE_MIN = 8
"""Pixels; a smaller box holds no face."""


class Wav2LipEngine:
    """Wav2Lip (Prajwal et al. 2020) with a checkpoint of one's own."""

    name = "wav2lip"

    def __init__(
        self, checkpoint: Path, device: torch.device, *, config_key: str, batch_frames: int = BATCH_FRAMES
    ) -> None:
        """Load the checkpoint that `config_key` names. Raises ConfigError when it cannot be used."""
        network = folded(load_network(checkpoint, config_key))
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        self._batch_frames = batch_frames

    def renderer(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Wav2LipRenderer:
        """Prepare one job. Raises JobError when it is not known where the avatar's face is."""
        face = Face(avatar.picture, face_pixels(avatar), avatar.blend, self._device)
        canvas = Canvas(avatar.picture, self._device)
        return Wav2LipRenderer(self._network, face, canvas, speech, self._batch_frames)


class Wav2LipRenderer:
    """Renders any frames of one job.

    Batches lie on a fixed grid over the whole job: a frame always shares its batch with the same neighbours, in the
    same place. So its pixels cannot depend on how the job is cut, whatever the kernels do with a batch's shape.
    """

    def __init__(self, network: Wav2Lip, face: Face, canvas: Canvas, speech: SpeechFeatures, batch_frames: int) -> None:
        self._network = network
        self._face = face
        self._canvas = canvas
        self._speech = speech
        self._batch_frames = batch_frames
        with torch.inference_mode():
            # The picture does not move: its face is looked at once.
            self._features = network.encode_faces(face.image.contiguous(memory_format=torch.channels_last))

    def render(self, start_frame: int, stop_frame: int) -> Iterator[torch.Tensor]:
        """Yield I420 frames, uint8 [n, height * 3 / 2, width]."""
        if start_frame >= stop_frame:
            return
        for first in range(start_frame - start_frame % self._batch_frames, stop_frame, self._batch_frames):
            yield self._batch(first, slice(max(start_frame - first, 0), stop_frame - first))

    @torch.inference_mode()
    def _batch(self, first: int, wanted: slice) -> torch.Tensor:
        """The wanted frames of the grid's batch that begins with frame `first`."""
        mel = windows(self._speech.mel, first, first + self._batch_frames, self._speech.fps)
        faces = self._network.speak(torch.from_numpy(mel)[:, None].to(self._face.image.device), self._features)
        return self._canvas.compose(self._face.laid_in(faces[wanted]), self._face.box)


def face_pixels(avatar: FittedAvatar) -> PixelBox:
    """The avatar's face box in whole pixels, within the picture. Raises JobError when there is none to speak of."""
    if avatar.face_box is None:
        raise _no_face("it is not known where the avatar's face is")
    height, width = avatar.picture.shape[:2]
    x1, y1, x2, y2 = avatar.face_box
    # Written so that it is false for what is not a number, too.
    if not (min(x2, width) - max(x1, 0) >= FACE_SIDE_MIN and min(y2, height) - max(y1, 0) >= FACE_SIDE_MIN):
        raise _no_face(f"the avatar's face box {avatar.face_box} is smaller than {FACE_SIDE_MIN} pixels")
    return int(max(x1, 0)), int(max(y1, 0)), int(min(x2, width)), int(min(y2, height))


def _no_face(message: str) -> JobError:
    hint = "set face_box: [x1, y1, x2, y2] in the avatar's avatar.yaml"
    return JobError("no_face", message, field="avatar", hint=hint)
