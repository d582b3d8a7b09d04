"""Lip-sync: one chunk of speech in, one video segment out."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from pipeline.avatars import Avatars, FittedAvatar
from pipeline.avatars.library import CACHE_FOLDER
from pipeline.avatars.scenes import Still
from pipeline.brand.logo import PlacedLogo
from pipeline.composition.background import Backgrounds, Loop
from pipeline.composition.composition import Frames, Surroundings
from pipeline.composition.compositions import Compositions
from pipeline.composition.cutout import alone
from pipeline.composition.layout import Layout
from pipeline.config import Config
from pipeline.engines import load_engine
from pipeline.engines.base import Engine, Renderer, SpeechFeatures
from pipeline.engines.mel import COLUMNS_PER_SECOND, MEL_BANDS, SILENCE
from pipeline.executors.base import WorkerSpec
from pipeline.extras import SUFFIXES
from pipeline.media import rate, transparent
from pipeline.media.codecs import CODECS, Options
from pipeline.media.encoder import Overlay, SegmentEncoder
from pipeline.messages import Advance, Chunk, Phoneme, Segment, Span
from pipeline.overlay import fonts

FADE_FRAMES = 5
"""Length of the cross-fade from the model of the previous chunk."""

ADVANCE_SECONDS = 0.5
"""Time between two reports of how far a chunk has advanced."""

WARM_UP_FRAMES = 8
"""At most: only one batch is rendered, since a large network needs seconds for each frame on a CPU."""
WARM_UP_AVATAR = "presenter"


class LipSyncStage:
    """Renders chunks with the worker's own model; loads another one if a chunk needs it."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._config = spec.config
        self._avatars = Avatars(self._config)
        self._compositions = Compositions()
        self._backgrounds = Backgrounds(self._config)
        self._engines: dict[str, Engine] = {}

    def setup(self, device: str) -> None:
        """Load the worker's model and run it once on an avatar that needs no preparation.

        Raises JobError if the default avatar does not exist, which is a mistake in the configuration.
        """
        self._device = torch.device(device)
        torch.set_num_threads(self._spec.threads)
        cv2.setNumThreads(self._spec.threads)
        assert self._spec.model is not None
        engine = self._engine(self._spec.model)
        fps = self._config.video.fps
        silence = np.full((MEL_BANDS, COLUMNS_PER_SECOND), -4, np.float32)
        self._avatars.load(self._config.avatars.default)
        cache = self._config.path(self._config.spool) / CACHE_FOLDER
        avatar = Avatars(Config(), cache).load(WARM_UP_AVATAR).fitted(None)
        next(iter(engine.renderer(avatar, SpeechFeatures(silence, fps, fps)).render(0, WARM_UP_FRAMES)))

    def process(self, chunk: Chunk) -> Iterator[Segment | Advance]:
        """Render and encode a chunk."""
        start = reported = time.monotonic()
        avatar = self._avatars.fitted(chunk.avatar, chunk.size, is_cut_out=chunk.background is not None)
        width, height = size = avatar.frame_size
        background = self._background(chunk, avatar)
        path = chunk.folder / f"chunk-{chunk.index:03d}.mp4"
        fps, preset, options = chunk.timeline.fps, self._config.video.preset, self._rate(chunk, avatar, background)
        threads, cpus, drawn = self._encoder_threads, self._spec.encoder_cpus, _overlay(chunk)
        codec = CODECS[chunk.codec]
        clear = {kind: path.with_name(f"{path.stem}-{kind}{SUFFIXES[kind]}") for kind in chunk.transparent}
        with (
            SegmentEncoder(
                path, size, fps, preset, options, threads=threads, cpus=cpus, overlay=drawn, codec=codec
            ) as encoder,
            ExitStack() as others,
        ):
            without = [others.enter_context(self._transparent(kind, clear[kind], size, fps, drawn)) for kind in clear]
            logo = None if chunk.logo is None else PlacedLogo.load(chunk.logo)
            composed = self._composed(chunk, avatar, background, logo, without)
            frames = _Timed(composed if logo is None else map(logo.over, composed))
            for batch in frames:
                encoder.write(batch)
                if time.monotonic() >= reported + ADVANCE_SECONDS:
                    reported = time.monotonic()
                    yield Advance(frames.count / (chunk.stop_frame - chunk.start_frame))
        yield Segment(
            job=chunk.job,
            index=chunk.index,
            path=path,
            start_frame=chunk.start_frame,
            stop_frame=chunk.stop_frame,
            width=width,
            height=height,
            model=chunk.model,
            engine=self._engine(chunk.model).name,
            device=self._spec.device,
            worker=self._spec.name,
            span=Span(start, time.monotonic()),
            inference_seconds=frames.seconds,
            encode_seconds=encoder.seconds,
            timeline=chunk.timeline,
            hush_frame=chunk.hush_frame,
            transparent=tuple(clear.items()),
        )

    @property
    def _encoder_threads(self) -> int:
        return self._spec.encoder_threads or len(os.sched_getaffinity(0))

    def _transparent(
        self, kind: str, path: Path, size: tuple[int, int], fps: int, overlay: Overlay | None
    ) -> SegmentEncoder:
        """The encoder of the same frames without a background."""
        form, threads, cpus = transparent.FORMS[kind], self._encoder_threads, self._spec.encoder_cpus
        options = form.rate(fps, self._config.video.crf)
        return SegmentEncoder(path, size, fps, "", options, threads=threads, cpus=cpus, overlay=overlay, form=form)

    def _rate(self, chunk: Chunk, avatar: FittedAvatar, background: Surroundings | None) -> Options:
        timeline, video, codec = chunk.timeline, self._config.video, CODECS[chunk.codec]
        if not isinstance(avatar.scene, Still) or isinstance(background, Loop):
            return rate.moving(timeline.fps, video.crf, codec)
        followed = timeline.first_frame is not None or chunk.stop_frame < timeline.frames
        is_stream = timeline.mode == "stream"
        return rate.still(
            chunk.stop_frame - chunk.start_frame,
            timeline.fps,
            video.crf,
            video.preset,
            gop_seconds=rate.STREAM_GOP_SECONDS if is_stream else rate.STILL_GOP_SECONDS,
            followed=followed,
            usual_seconds=rate.STREAM_USUAL_SECONDS if is_stream else _usual_seconds(chunk),
            codec=codec,
        )

    def _background(self, chunk: Chunk, avatar: FittedAvatar) -> Surroundings | None:
        """What is behind the person; None: what the avatar's picture shows."""
        if chunk.background is None:
            return None
        return self._backgrounds.open(chunk.background, avatar.frame_size, chunk.timeline.fps)

    def _composed(
        self,
        chunk: Chunk,
        avatar: FittedAvatar,
        background: Surroundings | None,
        logo: PlacedLogo | None = None,
        without: Sequence[SegmentEncoder] = (),
    ) -> Iterator[Frames]:
        """The chunk's frames without the `logo`. With it, they are also written to those `without` a background."""
        batches = self._frames(chunk, avatar)
        if without:
            batches = _also_written(batches, without, avatar.layout or Layout.covered(avatar.scene.size), logo)
        return self._compositions.frames(avatar, batches, chunk.start_frame, background)

    def _frames(self, chunk: Chunk, avatar: FittedAvatar) -> Iterator[torch.Tensor]:
        """The chunk's frames; the first ones cross-fade from the previous chunk's model if that looks different."""
        own = avatar.settings.articulation
        speech = _features(chunk, own if chunk.articulation is None else chunk.articulation)
        renderer = self._engine(chunk.model).renderer(avatar, speech)
        first, stop = (frame - (speech.first_frame or 0) for frame in (chunk.start_frame, chunk.stop_frame))
        start = first
        if chunk.fade_from is not None and self._differ(chunk.fade_from, chunk.model):
            start = min(first + FADE_FRAMES, stop)
            before = self._engine(chunk.fade_from).renderer(avatar, speech)
            yield cross_fade(before, renderer, first, start)
        yield from renderer.render(start, stop)

    def _differ(self, one: str, other: str) -> bool:
        settings = self._config.model_settings
        return settings(one).look != settings(other).look

    def _engine(self, model: str) -> Engine:
        if model not in self._engines:
            self._engines[model] = load_engine(model, self._config, self._device)
        return self._engines[model]


def _usual_seconds(chunk: Chunk) -> float:
    """About how far apart the keyframes of a job's still pictures are: those of a text as in one chunk."""
    timeline = chunk.timeline
    if chunk.count is None:
        return rate.still_gop(timeline.frames, timeline.fps, rate.STILL_GOP_SECONDS) / timeline.fps
    return min(rate.STILL_GOP_SECONDS, timeline.seconds / chunk.count)


def _overlay(chunk: Chunk) -> Overlay | None:
    if chunk.overlay is None:
        return None
    return Overlay(chunk.overlay, fonts.FOLDER, chunk.start_frame - chunk.overlay_frame)


def cross_fade(before: Renderer, after: Renderer, start: int, stop: int) -> torch.Tensor:
    """Blend frames [start, stop) linearly from one renderer to the other: uint8 I420 [stop - start, ...]."""
    old = torch.cat(list(before.render(start, stop))).float()
    new = torch.cat(list(after.render(start, stop))).float()
    weights = torch.arange(1, stop - start + 1) / (stop - start + 1)
    return torch.lerp(old, new, weights[:, None, None]).round().to(torch.uint8)


def _features(chunk: Chunk, articulation: float) -> SpeechFeatures:
    timeline = chunk.timeline
    events = json.loads(chunk.phonemes.read_text("utf-8")) if chunk.phonemes is not None else []
    mel = np.load(timeline.mel, mmap_mode="r")
    phones = tuple(Phoneme(*event) for event in events)
    speech = SpeechFeatures(
        mel,
        timeline.frames,
        timeline.fps,
        phones,
        timeline.first_frame,
        timeline.pcm,
        articulation,
        questions=timeline.questions,
    )
    return speech if chunk.hush_frame is None else _hushed(speech, chunk.hush_frame)


def _hushed(speech: SpeechFeatures, frame: int) -> SpeechFeatures:
    """The same speech, broken off at a frame of the job: silence follows."""
    seconds = (frame - speech.offset) / speech.fps
    mel = np.array(speech.mel)
    mel[:, math.ceil(seconds * COLUMNS_PER_SECOND) :] = SILENCE
    said = tuple(phoneme for phoneme in speech.phonemes if phoneme.start_seconds < seconds)
    return replace(speech, mel=mel, phonemes=said, wav=None, hush_frame=frame, planned=speech)


def _also_written(
    batches: Iterator[torch.Tensor], encoders: Sequence[SegmentEncoder], layout: Layout, logo: PlacedLogo | None
) -> Iterator[torch.Tensor]:
    """Write frames with mattes to encoders while they pass, with the logo."""
    for batch in batches:
        frames = alone(layout, batch.numpy())
        if logo is not None:
            frames = logo.over_clear(frames)
        for encoder in encoders:
            encoder.write(frames)
        yield batch


class _Timed:
    """Passes batches through, counts their frames and measures the total time spent computing them."""

    def __init__(self, batches: Iterator[Frames]) -> None:
        self._batches = batches
        self.seconds = 0.0
        self.count = 0

    def __iter__(self) -> _Timed:
        return self

    def __next__(self) -> Frames:
        start = time.monotonic()
        try:
            batch = next(self._batches)
        finally:
            self.seconds += time.monotonic() - start
        self.count += len(batch)
        return batch
