"""What travels between the stages. Paths, numbers and short texts only: never frames, never tensors.

Each result carries what the next stage needs and the spans of time that the timing JSON reports,
so that nothing has to be looked up or joined later. Times are `time.monotonic()` seconds, which
all processes of one machine share.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ErrorReport

PCM_RATE_HZ = 16_000
"""The master clock: every length in a job is counted in samples at this rate."""


@dataclass(frozen=True)
class Span:
    """When something ran."""

    start_seconds: float
    end_seconds: float

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Sentence:
    """A sentence of the job's text and when it is heard."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Phoneme:
    """One phoneme of an utterance, in IPA (stress and length marks may be attached)."""

    symbol: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class TtsItem:
    """For the TTS stage: speak a text."""

    job: str
    folder: Path
    """The job's work folder; stage files are written there."""
    text: str
    language: str
    voice: str | None
    speed: float
    index: int = 0
    """Of a stream's piece; 0 when the text is whole."""
    pause_seconds: float = 0.0
    """Silence after it, before the next piece."""
    may_be_silent: bool = False
    """Whether a text that the voice finds nothing to say in becomes a silence, and is no error."""


@dataclass(frozen=True)
class Speech:
    """From the TTS stage, or straight from a job that brings its own recording."""

    job: str
    folder: Path
    audio: Path
    """The recording, any format and rate that ffmpeg reads."""
    voice: str | None = None
    """`backend:voice`, or None for a recording."""
    sentences: tuple[Sentence, ...] = ()
    phonemes: Path | None = None
    """JSON list of [symbol, start, end], in seconds; None when the voice gives none."""
    span: Span | None = None
    index: int = 0
    """Of a stream's piece; 0 when it is the whole job's."""


@dataclass(frozen=True)
class Piece:
    """The place of a piece in a stream."""

    index: int
    count: int
    """Pieces of the whole job."""
    first_frame: int
    """The job's frame that it begins with."""


@dataclass(frozen=True)
class SplitItem:
    """For the split stage: convert the speech and cut it into chunks."""

    job: str
    speech: Speech
    fps: int
    mode: str
    """auto, sequential, parallel or stream."""
    model: str | None
    """A configured model or `both`; None: the default of the mode."""
    avatar: str
    size: tuple[int, int] | None
    """Width and height; None: the avatar's own."""
    piece: Piece | None = None
    """None: the speech is the whole job's."""

    @property
    def index(self) -> int:
        """Of the piece."""
        return self.piece.index if self.piece else 0


@dataclass(frozen=True)
class Timeline:
    """The exact lengths of a job, or of a piece of a stream, fixed once its audio is known."""

    samples: int
    """Of the PCM at `PCM_RATE_HZ`, padded or cut to whole frames."""
    frames: int
    fps: int
    unseen: tuple[tuple[int, int], ...]
    """Stretches [start, stop) of frames of the avatar's video in which its face is not seen."""
    mode: str
    """sequential, parallel or stream: what auto became."""
    pcm: Path
    """16 kHz mono WAV, what the models hear."""
    track: Path
    """48 kHz mono WAV of the same length, what the viewer hears."""
    mel: Path
    """Mel spectrogram of the whole, float32 .npy [80, columns]."""
    convert: Span
    split: Span
    first_frame: int | None = None
    """The job's frame that a piece of a stream begins with; None: these are the whole job's lengths."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.samples / PCM_RATE_HZ


@dataclass(frozen=True)
class Chunk:
    """For a lip-sync worker: render frames [start_frame, stop_frame) of the job."""

    job: str
    folder: Path
    index: int
    count: int
    """Chunks of the whole job."""
    start_frame: int
    stop_frame: int
    model: str
    mixed: bool
    """Whether the job's chunks alternate between the models."""
    fade_from: str | None
    """The previous chunk's model when it differs: the first frames cross-fade from it."""
    avatar: str
    size: tuple[int, int] | None
    phonemes: Path | None
    timeline: Timeline


@dataclass(frozen=True)
class Segment:
    """From a lip-sync worker: one chunk as video-only H.264."""

    job: str
    index: int
    path: Path
    start_frame: int
    stop_frame: int
    width: int
    height: int
    model: str
    engine: str
    device: str
    worker: str
    span: Span
    inference_seconds: float
    """Time spent computing frames; encoding runs beside it."""
    encode_seconds: float
    """Time the encoder ran."""
    timeline: Timeline


@dataclass(frozen=True)
class PackItem:
    """For the merge stage: make a piece of a stream playable."""

    job: str
    folder: Path
    segment: Segment
    before: Segment | None
    """The piece before it; None for the first."""
    is_last: bool

    @property
    def index(self) -> int:
        """Of the piece."""
        return self.segment.index


@dataclass(frozen=True)
class Fragment:
    """A part of a piece: a file that a player fetches."""

    path: Path
    frames: int


@dataclass(frozen=True)
class Pack:
    """From the merge stage: a piece of a stream, with picture and sound, as fragmented MP4 (CMAF)."""

    job: str
    index: int
    init: Path
    """What a player needs before the first fragment; the same for all pieces."""
    fragments: tuple[Fragment, ...]
    sound_seconds: float
    """Where its sound ends in the job: a little before its picture, unless it is the last piece."""
    span: Span


@dataclass(frozen=True)
class MergeItem:
    """For the merge stage: every segment of a job, in order."""

    job: str
    folder: Path
    segments: tuple[Segment, ...]
    timeline: Timeline
    index: int = 0
    """There is one for each job."""


@dataclass(frozen=True)
class Video:
    """From the merge stage: the finished, probed MP4 in the job's work folder."""

    job: str
    path: Path
    frames: int
    fps: int
    width: int
    height: int
    bytes: int
    sha256: str
    span: Span


Item = TtsItem | SplitItem | Chunk | PackItem | MergeItem
"""What a stage is given."""

Result = Speech | Chunk | Segment | Pack | Video
"""What a stage yields."""


@dataclass(frozen=True)
class Task:
    """An item on its way to a worker."""

    id: int
    item: Item


@dataclass(frozen=True)
class Ready:
    """The worker has loaded and warmed up what it needs."""

    worker: str
    device: str
    pid: int


@dataclass(frozen=True)
class Yielded:
    """The worker has one result of a task."""

    worker: str
    task: int
    result: Result


@dataclass(frozen=True)
class Finished:
    """The worker is through with a task and free again."""

    worker: str
    task: int


@dataclass(frozen=True)
class Failed:
    """The task raised; the worker is free again. `task` is None when the worker could not get ready."""

    worker: str
    task: int | None
    error: ErrorReport


@dataclass(frozen=True)
class Died:
    """The worker is gone."""

    worker: str
    exitcode: int | None


Event = Ready | Yielded | Finished | Failed | Died
"""What an executor tells the scheduler."""
