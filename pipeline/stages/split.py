"""Split: convert the speech, fix the job's exact timeline, and cut it into chunks."""

from __future__ import annotations

import io
import math
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import Avatars
from pipeline.avatars.folder import identity
from pipeline.brand import logo
from pipeline.brand.clips import Clips, Shape
from pipeline.composition.background import Backgrounds
from pipeline.composition.names import TRANSPARENT
from pipeline.config import BOTH, Config, SplitSettings
from pipeline.engines.mel import mel_spectrogram
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.media import ffmpeg, pcm, recording
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.media.recording import Sound
from pipeline.messages import PCM_RATE_HZ, Chunk, Load, Logo, Notice, Origin, Span, Speech, SplitItem, Timeline
from pipeline.overlay import fonts
from pipeline.overlay.document import Captions, document, line_characters
from pipeline.speech.cues import cues
from pipeline.speech.sentences import is_question
from pipeline.speech.voices import levels
from pipeline.stages.chunks import Part, chunk_count, chunk_parts, plan, stream_edges
from pipeline.stages.early_pieces import PIECE_SECONDS_MIN, early_edges, short_edges, shortened


class SplitStage:
    """Fixes a job's length to the exact sample and cuts it into chunks at pauses."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._config = spec.config
        self._avatars = Avatars(spec.config)
        self._clips = Clips(spec.config)
        self._logo = lru_cache(maxsize=2)(lambda file, _identity: logo.read(file))
        self._backgrounds = Backgrounds(spec.config)

    def setup(self, device: str) -> None:
        """Load what the mel spectrogram needs."""
        mel_spectrogram(np.zeros(PCM_RATE_HZ, np.float32))

    def process(self, item: SplitItem) -> Iterator[Chunk]:
        """Yield the chunks in order: all of the job, or those of one of its texts."""
        start = time.monotonic()
        folder = item.speech.folder
        folder.mkdir(exist_ok=True)  # nobody has spoken into that of a recording
        # Prepared here, once: otherwise all lip-sync workers would start preparing it at the same time.
        avatar = self._avatars.fitted(item.avatar, item.size, is_cut_out=item.background is not None)
        if item.background is not None:
            self._backgrounds.open(item.background, avatar.frame_size, item.fps)
            _check_codecs(item.background)
        for clip in item.clips:
            self._clips.prepare(clip, Shape(avatar.frame_size, item.fps, item.codec))
        sound = _sound(item.speech, self._config.limits.audio_seconds)
        samples, track, size = sound.samples, _mastered(sound.track, item.loudness), avatar.frame_size
        converted = time.monotonic()
        seconds, frames = len(samples) / PCM_RATE_HZ, self._frames(item, len(samples))
        samples = _fix_length(folder / "pcm.wav", samples, PCM_RATE_HZ, frames, item.fps)
        _fix_length(folder / "track.wav", track, TRACK_RATE_HZ, frames, item.fps)
        _save(folder / "mel.npy", mel_spectrogram(_centred(pcm.as_float(samples))))
        mode, parts = self._parts(item, seconds, samples, frames)
        timeline = Timeline(
            samples=len(samples),
            frames=frames,
            unseen=avatar.unseen,
            fps=item.fps,
            mode=mode,
            pcm=folder / "pcm.wav",
            track=folder / "track.wav",
            mel=folder / "mel.npy",
            convert=Span(start, converted),
            split=Span(converted, time.monotonic()),
            first_frame=item.piece.first_frame if item.piece else None,
            speech_index=item.speech.index,
            notices=(*sound.notices, *avatar.notices, *_unwritable(item), *_left_out(item)),
            face=avatar.face,
            origin=Origin.of_all(map(self._avatars.origin, item.avatars or (item.avatar,))),
            size=size,
            questions=_questions(item.speech),
        )
        overlay = None if item.label is None and item.captions is None else _write_overlay(item, timeline, size)
        drawn = None if item.logo is None else self._write_logo(item, item.logo, size)
        for chunk in _chunks(item, timeline, parts, self._config, overlay):
            yield chunk if drawn is None else replace(chunk, logo=drawn)

    def _write_logo(self, item: SplitItem, asked: Logo, size: tuple[int, int]) -> Path:
        """Write the logo as it is drawn into the frames. Raises JobError."""
        path = item.speech.folder / "logo.npz"
        picture = self._logo(asked.file, identity(asked.file))
        logo.placed(picture, asked, size, item.label, item.captions).save(path)
        return path

    def _frames(self, item: SplitItem, samples: int) -> int:
        """Frames for this much audio and what follows it; that of one of several texts is only padded, never cut."""
        length = samples * item.fps / PCM_RATE_HZ + round(item.pause_seconds * item.fps)
        if item.piece is None:
            return max(1, round(length))
        frames = math.ceil(max(length, PIECE_SECONDS_MIN * item.fps))
        limit_seconds = self._config.limits.audio_seconds
        if not item.piece.is_open and item.piece.first_frame + frames > limit_seconds * item.fps:
            raise JobError("too_long", f"the speech is longer than {limit_seconds} s", field="text")
        return frames

    def _parts(
        self, item: SplitItem, seconds: float, samples: NDArray[np.int16], frames: int
    ) -> tuple[str, list[Part]]:
        """The resolved mode, and the frame ranges of the chunks."""
        settings, renderers = self._config.split, self._config.renderers
        if item.mode == "stream":
            return item.mode, list(_stream_parts(item, samples, frames, settings))
        if item.piece is None:
            mode, count = plan(item.mode, seconds, renderers, settings)
        else:  # the mode makes no difference
            is_recording = item.speech.voice is None
            mode, count = item.mode, chunk_count(frames / item.fps, renderers, settings) if is_recording else 1
        load = item.load or Load((0,) * min(count, renderers), last=-1, share=1.0)
        models = _models(item.model, mode, self._config)[: len(load.frames)]
        first = item.piece.first_frame if item.piece else 0
        parts = chunk_parts(samples, frames, item.fps, count, load=load, models=models, settings=settings)
        return mode, [Part(first + start, first + stop, lane) for start, stop, lane in parts]


def _stream_parts(item: SplitItem, samples: NDArray[np.int16], frames: int, settings: SplitSettings) -> Iterator[Part]:
    """The pieces of a stream, for all workers in turn. Those of a text are for the same one."""
    if item.piece is None:
        for lane, (start, stop) in enumerate(stream_edges(samples, frames, item.fps, settings)):
            yield Part(start, stop, lane)
    else:
        cut, first = short_edges if item.piece.is_open else early_edges, item.piece.first_frame
        for start, stop in cut(first, first + frames, item.fps):
            yield Part(start, stop, item.speech.index)


def _questions(speech: Speech) -> tuple[float, ...] | None:
    """When questions end; None if it is not known what is said."""
    if not speech.sentences:
        return None
    return tuple(said.end_seconds for said in speech.sentences if is_question(said.text))


def _check_codecs(background: str) -> None:
    """Raise ConfigError if ffmpeg cannot write the video that a background needs."""
    if background == TRANSPARENT and not ffmpeg.has_vp9():
        hint = "install an ffmpeg with libvpx and libopus, such as Debian's"
        raise ConfigError("no_vp9", "this ffmpeg cannot write transparent videos", field="background", hint=hint)


def _sound(speech: Speech, limit_seconds: float) -> Sound:
    """Speech as PCM. Raises JobError."""
    if speech.voice is None:
        sound = recording.read(speech.audio, speech.folder, limit_seconds + 1)
    else:
        sound = recording.read_own(speech.audio, limit_seconds + 1)
    if len(sound.samples) == 0:
        raise JobError("media", "the recording contains no audio", field="audio")
    if len(sound.samples) > limit_seconds * PCM_RATE_HZ:
        raise JobError(
            "too_long",
            f"the recording is longer than {limit_seconds} s",
            field="audio",
            hint="cut it, or raise limits.audio_seconds in config.yaml",
        )
    return sound


def _mastered(track: NDArray[np.int16], lufs: float | None) -> NDArray[np.int16]:
    """The soundtrack as loud as the job asks. The models hear it as it was, so frames do not depend on that."""
    return track if lufs is None else levels.mastered(track, TRACK_RATE_HZ, lufs)


def _save(path: Path, values: NDArray[np.float32]) -> None:
    """Write an array in .npy format. `np.save` to a path does not report a full disk."""
    file = io.BytesIO()
    np.save(file, values)
    path.write_bytes(file.getbuffer())


def _fix_length(path: Path, samples: NDArray[np.int16], rate_hz: int, frames: int, fps: int) -> NDArray[np.int16]:
    """Cut or pad to exactly `frames` video frames and rewrite the file."""
    samples = pcm.fitted(samples, round(frames * rate_hz / fps))
    pcm.write_wav(path, samples, rate_hz)
    return samples


def _centred(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the DC offset: it is inaudible, but starts with a click that would open the mouth."""
    return np.asarray(samples - samples.mean(), np.float32)


def _unwritable(item: SplitItem) -> Iterator[Notice]:
    """Warnings about what cannot be drawn into the picture."""
    texts = [] if item.label is None else [(fonts.DEFAULT, item.label.text, "use other letters")]
    if item.captions is not None:
        said = " ".join(sentence.text for sentence in item.speech.sentences)
        texts.append((item.captions.font, said, "choose a font that has them, with burn_captions: {font: ...}"))
        if not said and item.speech.voice is None:
            hint = "give the recording's text too"
            yield Notice("no_captions", "there are no captions: it is not known what the recording says", hint)
    for font, text, hint in texts:
        letters = fonts.missing(text, fonts.find(font) or fonts.DEFAULT_FILE)
        if letters:
            yield Notice("missing_glyphs", f"the font {font} has no letters for {letters[:40]!r}", hint)


def _left_out(item: SplitItem) -> Iterator[Notice]:
    """A warning about what is in the video, but not in the transparent one."""
    if item.transparent and item.clips:
        message = f"the transparent video has no {' and no '.join(clip.field for clip in item.clips)}"
        yield Notice("clips_left_out", message, "add them where the transparent video is edited")


def _write_overlay(item: SplitItem, timeline: Timeline, size: tuple[int, int]) -> Path:
    """Write what is drawn into the picture. Raises ConfigError if ffmpeg cannot draw it."""
    if not ffmpeg.has_libass():
        message, hint = "this ffmpeg cannot draw texts", "install an ffmpeg with libass, such as the system's package"
        raise ConfigError("no_libass", message, field="burn_captions" if item.captions else "provenance", hint=hint)
    path = item.speech.folder / "overlay.ass"
    path.write_text(document(size, item.label, _captions(item, timeline, size)), "utf-8")
    return path


def _captions(item: SplitItem, timeline: Timeline, size: tuple[int, int]) -> Captions | None:
    if item.captions is None:
        return None
    offset = (timeline.first_frame or 0) / timeline.fps
    sentences = [sentence.later(offset) for sentence in item.speech.sentences]
    shown = cues(sentences, line_characters(size, item.captions))
    return Captions(item.captions, shown, timeline.stop_frame / timeline.fps)


def _chunks(
    item: SplitItem, timeline: Timeline, parts: list[Part], config: Config, overlay: Path | None
) -> Iterator[Chunk]:
    starts = [part.start for part in parts]
    edges = [(part.start, part.stop) for part in parts]
    edges = shortened(edges, item.fps) if item.is_slow else edges
    count = None if item.piece else len(edges)
    models = _models(item.model, timeline.mode, config)
    lanes = [item.load.last if item.load else parts[0].lane - 1, *(part.lane for part in parts)]
    for index, (start, stop) in enumerate(edges, start=item.index):
        # All parts of a range have the same model, so frames do not depend on whether it is cut.
        place = bisect_right(starts, start)
        lane, lane_before = lanes[place] % len(models), lanes[place - (start in starts)] % len(models)
        model, before = models[lane], models[lane_before]
        follows = index > item.index or (index > 0 and not (item.piece and item.piece.begins_scene))
        yield Chunk(
            job=item.job,
            folder=item.speech.folder,
            index=index,
            count=count,
            start_frame=start,
            stop_frame=stop,
            model=model,
            # A viewer is waiting for the stream: any free worker takes its pieces.
            mixed=len(set(models)) > 1 and count != 1 and timeline.mode != "stream",
            fade_from=before if follows and before != model else None,
            avatar=item.avatar,
            articulation=item.articulation,
            size=item.size,
            background=item.background,
            transparent=item.transparent,
            phonemes=item.speech.phonemes,
            timeline=timeline,
            overlay=overlay,
            codec=item.codec,
            lane=lane,
        )


def _models(model: str | None, mode: str, config: Config) -> Sequence[str]:
    """The model of each worker that a job is planned for."""
    turns = config.worker_turns
    chosen = model or (config.worker_models[0] if mode == "sequential" else BOTH)
    return turns if chosen == BOTH else (chosen,) * len(turns)
