"""Chooses what is around an avatar's picture, and composes the frames of its videos."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FittedAvatar
from pipeline.avatars.scenes import Clip, Scene, Still
from pipeline.composition.composition import Composition, Frames, Surroundings
from pipeline.composition.cutout import CutOut
from pipeline.composition.fill import Fill
from pipeline.composition.layout import Layout
from pipeline.media.canvas import i420

SAMPLES = 16
"""So many frames of a video decide how it is continued: more would hardly change their mean."""


class Compositions:
    """Makes the frames of jobs, for one thread; keeps what it prepared for the last avatar."""

    def __init__(self) -> None:
        self._prepared = lru_cache(maxsize=1)(_prepared)

    def frames(
        self,
        avatar: FittedAvatar,
        batches: Iterator[torch.Tensor],
        start_frame: int,
        background: Surroundings | None = None,
    ) -> Iterator[Frames]:
        """Frames of the video for those of the avatar's picture, the first of which is number `start_frame`.

        `background`: what is behind an avatar that is cut out.
        """
        layout = avatar.layout or Layout.covered(avatar.scene.size)
        composition = self._prepared(avatar) if background is None else CutOut(layout, background)
        for batch in batches:
            picture = batch.numpy()
            yield picture if composition is None else composition.compose(picture, start_frame)
            start_frame += len(picture)


def _prepared(avatar: FittedAvatar) -> Composition | None:
    """None: the picture covers the frames."""
    layout = avatar.layout
    if layout is None or layout.is_covered:
        return None
    return Composition(layout, Fill(layout, _samples(avatar.scene)))


def _samples(scene: Scene) -> list[NDArray[np.uint8]]:
    """Some frames of a scene, I420 [height * 3 / 2, width]."""
    if isinstance(scene, Clip):
        chosen = np.unique(np.linspace(0, scene.frames - 1, SAMPLES).round().astype(int))
        return [scene.read(index) for index in chosen.tolist()]
    assert isinstance(scene, Still)
    return [i420(torch.from_numpy(scene.picture)[None])[0].numpy()]
