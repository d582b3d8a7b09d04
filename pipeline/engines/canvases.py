"""Makes the canvas on which an avatar's frames are composed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars.avatar import FittedAvatar
from pipeline.avatars.faces.tracking import NoFace
from pipeline.avatars.idle_motion import LivingCanvas, LivingPicture
from pipeline.avatars.scenes import Clip, Still
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.prosody import prosody
from pipeline.media.canvas import Canvas, Regions, StillCanvas, mixed, paint
from pipeline.media.planes import colour_rows, planes_of


class Canvases:
    """Makes the canvases of jobs, for one thread; keeps what it prepared for the last avatar."""

    def __init__(self) -> None:
        self._prepared = lru_cache(maxsize=1)(_prepared)

    def canvas(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Canvas:
        """The canvas of one job; its frames are numbered like those of the speech."""
        canvas = self._job_canvas(avatar, speech)
        return ShiftedCanvas(canvas, speech.offset) if speech.offset else canvas

    def _job_canvas(self, avatar: FittedAvatar, speech: SpeechFeatures) -> Canvas:
        """The canvas with frames numbered from the start of the job."""
        prepared = self._prepared(avatar)
        match prepared:
            case Clip():
                return ClipCanvas(prepared, speech.fps)
            case LivingPicture():
                return LivingCanvas(prepared, speech.fps, prosody(speech))
            case _:
                return prepared


def _prepared(avatar: FittedAvatar) -> Clip | LivingPicture | StillCanvas:
    if isinstance(avatar.scene, Clip):
        return avatar.scene
    assert isinstance(avatar.scene, Still)
    picture, landmarks = avatar.scene.picture, avatar.landmarks
    if avatar.settings.idle_motion == "off" or isinstance(landmarks, NoFace):
        return StillCanvas(picture, avatar.matte)
    return LivingPicture(picture, landmarks[0], lively=avatar.settings.idle_motion == "lively", matte=avatar.matte)


class ShiftedCanvas:
    """A canvas with frames numbered from an offset."""

    def __init__(self, canvas: Canvas, frames: int) -> None:
        self.displaces = canvas.displaces
        self._canvas = canvas
        self._frames = frames

    def compose(self, regions: Regions, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """See `Canvas`."""
        return self._canvas.compose(regions, corners, self._frames + start_frame)


class Drawn(NamedTuple):
    """The regions that an engine has drawn for consecutive frames."""

    regions: Regions
    corners: NDArray[np.intp]
    """[n, 2]: x, y of the regions' upper left corners."""
    start_frame: int


def composed(canvas: Canvas, batches: Iterable[Drawn]) -> Iterator[torch.Tensor]:
    """Compose the frames of each batch. A GPU gets the next batch before the previous one is awaited and composed."""
    waiting: Drawn | None = None
    for batch in batches:
        if waiting is not None:
            yield canvas.compose(*waiting)
        waiting = batch
    if waiting is not None:
        yield canvas.compose(*waiting)


class ClipCanvas:
    """A video in whose frames one region is repainted."""

    displaces = False

    def __init__(self, clip: Clip, fps: int) -> None:
        self._clip = clip
        self._fps = fps

    def compose(self, regions: Regions, corners: NDArray[np.intp], start_frame: int) -> torch.Tensor:
        """See `Canvas`."""
        indices = self._clip.shown(start_frame, start_frame + len(regions), self._fps)
        frames = torch.from_numpy(np.stack([self._clip.read_all(int(index)) for index in indices]))
        rows = colour_rows(self._clip.size[1])
        for frame, index, (x, y), region in zip(frames, indices.tolist(), corners.tolist(), regions, strict=True):
            opacity, fade = float(self._clip.opacity[index]), float(self._clip.fade[index])
            if opacity:
                paint(planes_of(frame[:rows].numpy()), (x, y), region, opacity)
            if fade:
                frame.numpy()[:] = mixed(frame.numpy(), self._clip.read_all(int(self._clip.fade_from[index])), fade)
        return frames
