"""Messages between the daemon and its workers: paths, numbers and short texts, never frames or tensors.

Each result carries what the next stage needs and the time spans that the timing JSON reports, so that nothing has to be
looked up or joined later. Times are `time.monotonic()` seconds, a clock that all processes of a machine share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pipeline.errors import ErrorReport

PCM_RATE_HZ = 16_000
"""Master clock: every length in a job is counted in samples at this rate."""


@dataclass(frozen=True)
class Span:
    """Start and end of an operation, in monotonic seconds."""

    start_seconds: float
    end_seconds: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Word:
    """A word and when it is spoken."""

    text: str
    start_seconds: float
    end_seconds: float

    def later(self, seconds: float) -> Word:
        """The same word after something of this length."""
        return Word(self.text, self.start_seconds + seconds, self.end_seconds + seconds)


@dataclass(frozen=True)
class Sentence:
    """A sentence of the job's text and when it is spoken."""

    text: str
    start_seconds: float
    end_seconds: float
    words: tuple[Word, ...] = ()
    """Its words as they are written, with adjacent marks; empty if their times are unknown."""
    language: str | None = None
    """The language in which it is read, if that is not the job's."""
    voice: str | None = None
    """`backend:voice`, if it is not the job's."""

    def later(self, seconds: float) -> Sentence:
        """The same sentence after something of this length."""
        words = tuple(word.later(seconds) for word in self.words)
        start, end = self.start_seconds + seconds, self.end_seconds + seconds
        return replace(self, start_seconds=start, end_seconds=end, words=words)


@dataclass(frozen=True)
class Notice:
    """Something that the author of a job may not expect, although it succeeded."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class FaceFound:
    """The face of an avatar that speaks, and others beside it, in pixels of the avatar's picture or video."""

    box: tuple[int, int, int, int]
    """x1, y1, x2, y2."""
    others: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Origin:
    """What an avatar's pictures are."""

    kind: str
    """drawn (an avatar of lipdrop), picture or video."""
    consent: str | None = None
    """The recorded statement that the person agrees; None if there is none."""

    @classmethod
    def of_all(cls, origins: Iterable[Origin]) -> Origin:
        """What several avatars are together: a video if one is, else a picture if one is; with all statements."""
        found = list(origins)
        kind = max((origin.kind for origin in found), key=ORIGIN_KINDS.index)
        statements = dict.fromkeys(origin.consent for origin in found if origin.consent is not None)
        return cls(kind, "; ".join(statements) or None)


ORIGIN_KINDS = ("drawn", "picture", "video")
"""The more is a person's, the later."""


@dataclass(frozen=True)
class Mark:
    """What a video says about its origin."""

    source_type: str
    """A term of IPTC's Digital Source Type."""
    software: str
    """Name and version."""
    job: str
    created: str
    """When the job was submitted: RFC 3339, UTC. A repeated job is marked as before."""
    consent: str | None = None
    """The recorded statement that the person who is shown agrees."""
    speech: bool = True
    """Whether the speech is synthetic too."""


@dataclass(frozen=True)
class Label:
    """The words in the picture that say that it was made by AI."""

    text: str
    place: str
    """top-left, top-right, bottom-left or bottom-right."""
    seconds: float | None
    """How long it is shown from the start; None: always."""


@dataclass(frozen=True)
class CaptionLook:
    """How captions in the picture look."""

    font: str
    """Name of its family."""
    size: float
    """Height of the font in parts of the frame's shorter side."""
    colour: str
    """#rrggbb."""
    highlight: str | None
    """Colour of the word that is spoken; None: none is highlighted."""
    box: str | None
    """Colour of the box behind the text; None: there is none."""
    position: str
    """bottom, middle or top."""


@dataclass(frozen=True)
class Logo:
    """A picture in a corner of the frames."""

    file: Path
    place: str
    """top-left, top-right, bottom-left or bottom-right."""
    size: float
    """Its longer side in parts of the frame's shorter side."""
    opacity: float
    """0..1."""


@dataclass(frozen=True)
class BrandClip:
    """A clip that is joined to the video."""

    field: str
    """The job's key that names it: intro or outro."""
    file: Path


class Preset(StrEnum):
    """A frame size to which the avatar's picture is extended, instead of being cut."""

    VERTICAL = "vertical"
    SQUARE = "square"
    WIDE = "wide"


FrameSize = tuple[int, int] | Preset
"""Width and height of a video in pixels, or a preset."""


@dataclass(frozen=True)
class Phoneme:
    """One phoneme of an utterance, in IPA (stress and length marks may be attached)."""

    symbol: str
    """Empty: unknown sounds, which last for any time."""
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Pronunciation:
    """How a word is said."""

    word: str
    """As texts have it. Without capitals it is found in any case."""
    say: str
    """Respelled, with its stress marked, or `[[phonemes]]` in espeak-ng's notation."""
    forms: bool
    """Whether inflected forms of a Russian word are included."""


@dataclass(frozen=True)
class TtsItem:
    """For the TTS stage: speak a text."""

    job: str
    folder: Path
    """The job's work folder; stage files are written there."""
    text: str
    language: str
    voice: str | None
    """As the job names it; None: chosen."""
    speed: float
    avatar: str | None = None
    """Whose voice is preferred if the job names none; None: nobody's."""
    index: int = 0
    """Index of the text among those that the job's is cut into."""
    pause_seconds: float = 0.0
    """Silence appended before the next piece."""
    lead_seconds: float | None = None
    """Silence before the first sentence, in which the mouth begins to open; None: none."""
    other_languages: bool = True
    """Whether sentences in another language are read in theirs, by a voice that speaks it."""
    may_be_silent: bool = False
    """Whether a text with nothing to speak becomes silence instead of an error."""
    lexicon: tuple[Pronunciation, ...] = ()
    """The job's own pronunciations."""


@dataclass(frozen=True)
class AlignItem:
    """For the TTS stage: find when a recording says its text."""

    job: str
    folder: Path
    """The job's work folder; stage files are written there."""
    audio: Path
    """The recording."""
    text: str
    language: str
    lexicon: tuple[Pronunciation, ...] = ()
    index: int = 0
    """Index of its speech among those of the job."""


@dataclass(frozen=True)
class Speech:
    """From the TTS stage, or made directly from a job's own recording."""

    job: str
    folder: Path
    audio: Path
    """The audio, in any format and rate that ffmpeg reads."""
    voice: str | None = None
    """`backend:voice`, or None for a recording."""
    sentences: tuple[Sentence, ...] = ()
    phonemes: Path | None = None
    """JSON list of [symbol, start, end], in seconds; None if they are unknown."""
    span: Span | None = None
    notices: tuple[Notice, ...] = ()
    """Where a recording does not say its text."""
    index: int = 0
    """Index of its text among those that the job's is cut into."""


@dataclass(frozen=True)
class Piece:
    """Where the first piece of a text that is spoken on its own belongs in the job."""

    index: int
    first_frame: int
    """Number of its first frame within the job."""
    is_open: bool = False
    """Whether the job is an open stream: of any length, and always cut into short pieces."""
    begins_scene: bool = False
    """Whether what was seen before is another scene."""


@dataclass(frozen=True)
class Load:
    """What the lip-sync workers that a job is planned for have got of it so far.

    It follows from the job's chunks and the configuration, not from which worker was faster.
    """

    frames: tuple[int, ...]
    """How many frames each of them has got."""
    last: int
    """Index of the one that has the last chunk."""
    share: float | None
    """How much of the job's speech is known with the one that is cut next, from 0 to 1; None if that is unknown."""


@dataclass(frozen=True)
class SplitItem:
    """For the split stage: convert the speech and cut it into chunks."""

    job: str
    speech: Speech
    fps: int
    mode: str
    """auto, sequential, parallel or stream."""
    model: str | None
    """Name of a model, or both; None: the mode's default."""
    avatar: str
    size: FrameSize | None
    """None: the avatar's own."""
    piece: Piece | None = None
    """For one of several texts; None: the speech of a whole job."""
    avatars: tuple[str, ...] = ()
    """Those of all scenes, for what the video says about its origin; empty: `avatar` alone."""
    pause_seconds: float = 0.0
    """Silence that is appended to a recording."""
    articulation: float | None = None
    """How far the mouth moves; None: as the avatar says."""
    label: Label | None = None
    """Drawn into the picture; None: nothing."""
    codec: str = "h264"
    """Of the video."""
    loudness: float | None = None
    """Integrated loudness of the soundtrack, in LUFS; None: as the voice or the recording has it."""
    captions: CaptionLook | None = None
    """What is said is drawn into the picture like this; None: it is not."""
    logo: Logo | None = None
    """Drawn into the picture; None: nothing."""
    clips: tuple[BrandClip, ...] = ()
    """What the finished video begins and ends with; made to fit now, so that a broken one is found early."""
    background: str | None = None
    """What is behind the person, as the job says; None: what the avatar's picture shows."""
    transparent: tuple[str, ...] = ()
    """Kinds of transparent videos that are wanted besides: keys of `transparent.FORMS`."""
    load: Load | None = None
    """For one of several texts; None: no worker has got anything of the job yet."""
    is_slow: bool = False
    """Whether a worker renders more slowly than is played, so that the pieces of a stream have to be short."""

    @property
    def index(self) -> int:
        """Index of its first piece; 0 for a whole job."""
        return self.piece.index if self.piece else 0


@dataclass(frozen=True)
class Timeline:
    """Exact lengths of a job, or of one of its texts; fixed once the audio is known."""

    samples: int
    """Length of the PCM at `PCM_RATE_HZ`, padded or cut to whole frames."""
    frames: int
    fps: int
    unseen: tuple[tuple[int, int], ...]
    """Frame ranges [start, stop) of the avatar's video in which no face is visible."""
    mode: str
    """sequential, parallel or stream; auto is resolved by now."""
    pcm: Path
    """16 kHz mono WAV, the input of the models."""
    track: Path
    """48 kHz mono WAV of the same length, the soundtrack of the video."""
    mel: Path
    """Mel spectrogram of the whole audio, float32 .npy [80, columns]."""
    convert: Span
    split: Span
    first_frame: int | None = None
    """For one of several texts: number of its first frame within the job. None: lengths of the whole job."""
    speech_index: int = 0
    """Index of its speech among those of the job."""
    notices: tuple[Notice, ...] = ()
    """What is wrong with the recording, and with the avatar's face."""
    face: FaceFound | None = None
    """The face of the avatar that speaks; None if it was not searched for."""
    origin: Origin = Origin("drawn")
    """What the pictures of the job's avatars are."""
    size: tuple[int, int] | None = None
    """Width and height of the frames."""
    questions: tuple[float, ...] | None = None
    """The ends of questions, in seconds from the start of its speech; None if it is not known what is said."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.samples / PCM_RATE_HZ

    @property
    def stop_frame(self) -> int:
        """Number of the frame after its last within the job."""
        return (self.first_frame or 0) + self.frames


@dataclass(frozen=True)
class Chunk:
    """For a lip-sync worker: render frames [start_frame, stop_frame) of the job."""

    job: str
    folder: Path
    index: int
    count: int | None
    """Number of chunks in the job; None while it has texts that are not cut."""
    start_frame: int
    stop_frame: int
    model: str
    mixed: bool
    """Whether the job's chunks alternate between the models."""
    fade_from: str | None
    """The previous chunk's model if it differs: the first frames cross-fade from it."""
    avatar: str
    size: FrameSize | None
    phonemes: Path | None
    timeline: Timeline
    articulation: float | None = None
    """How far the mouth moves; None: as the avatar says."""
    overlay: Path | None = None
    """What is drawn over the frames of the whole job, as an ASS file; None: nothing."""
    overlay_frame: int = 0
    """The frame of the job from which its times are counted."""
    hush_frame: int | None = None
    """The frame of the job at which the speech is broken off; None: it is not."""
    logo: Path | None = None
    """What `pipeline.brand.logo` draws over the frames; None: nothing."""
    background: str | None = None
    """What is behind the person, as the job says; None: what the avatar's picture shows."""
    transparent: tuple[str, ...] = ()
    """Kinds of transparent videos that are wanted besides: keys of `transparent.FORMS`."""
    codec: str = "h264"
    """Of the video."""
    lane: int = 0
    """Index of the lip-sync worker that it is planned for, among those that the job is. Any worker may render it."""

    @property
    def is_last_of_text(self) -> bool:
        """Whether its text ends with it."""
        return self.stop_frame == self.timeline.stop_frame

    def later(self, pieces: int, frames: int) -> Chunk:
        """The same chunk after so many pieces and frames more of the job."""
        return replace(
            self,
            index=self.index + pieces,
            start_frame=self.start_frame + frames,
            stop_frame=self.stop_frame + frames,
            overlay_frame=self.overlay_frame + frames,
            timeline=replace(self.timeline, first_frame=(self.timeline.first_frame or 0) + frames),
        )


@dataclass(frozen=True)
class Segment:
    """From a lip-sync worker: one chunk or piece as video without sound."""

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
    """Time spent computing frames; encoding runs concurrently."""
    encode_seconds: float
    """Running time of the encoder."""
    timeline: Timeline
    hush_frame: int | None = None
    """The frame of the job at which the speech is broken off; None: it is not."""
    transparent: tuple[tuple[str, Path], ...] = ()
    """The same without a background, by the kinds that are wanted."""


@dataclass(frozen=True)
class PackItem:
    """For the merge stage: make a piece of a stream playable."""

    job: str
    folder: Path
    segment: Segment
    before: Segment | None
    """The previous piece; None for the first."""
    is_last: bool
    mark: Mark | None = None
    """None: the stream is not marked."""

    @property
    def index(self) -> int:
        """Index of the piece."""
        return self.segment.index


@dataclass(frozen=True)
class Fragment:
    """Part of a piece: a file that a player fetches."""

    path: Path
    frames: int


@dataclass(frozen=True)
class Pack:
    """From the merge stage: a piece of a stream with picture and sound, as fragmented MP4."""

    job: str
    index: int
    init: Path
    """Initialization segment that a player needs before the first fragment; the same for all pieces."""
    fragments: tuple[Fragment, ...]
    sound_seconds: float
    """Where its sound ends within the job: slightly before its picture, except in the last piece."""
    span: Span


@dataclass(frozen=True)
class SoundItem:
    """For the merge stage: encode the soundtrack while the picture is rendered."""

    job: str
    folder: Path
    chunks: tuple[Chunk, ...]
    """All chunks of the job, in order."""
    index: int = 0
    """Always 0: a job has one soundtrack."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.chunks[-1].stop_frame / self.chunks[-1].timeline.fps


@dataclass(frozen=True)
class Soundtrack:
    """From the merge stage: the sound of a whole job."""

    job: str
    track: Path
    """48 kHz mono WAV."""
    encoded: Path
    """The same as AAC in an MP4."""
    span: Span


@dataclass(frozen=True)
class MergeItem:
    """For the merge stage: every segment of a job, in order."""

    job: str
    folder: Path
    segments: tuple[Segment, ...]
    timeline: Timeline
    index: int = 0
    """Always 0: a job has one merge."""
    mark: Mark | None = None
    """None: the video is not marked."""
    extras: tuple[str, ...] = ()
    """Kinds of files beside the video that the job asks for."""
    clips: tuple[BrandClip, ...] = ()
    """What the video begins and ends with besides."""
    codec: str = "h264"
    """Of the video."""
    sound: Soundtrack | None = None
    """None: it is not encoded yet."""


@dataclass(frozen=True)
class JoinItem:
    """For the merge stage: what is kept of an open stream, in order."""

    job: str
    folder: Path
    init: Path
    fragments: tuple[Fragment, ...]
    first_frame: int
    """The frame of the stream that the first fragment begins with."""
    fps: int
    size: tuple[int, int]
    """Width and height."""
    index: int = 0
    """Always 0: a job has one merge."""
    mark: Mark | None = None
    """None: the video is not marked."""
    extras: tuple[str, ...] = ()
    """Kinds of files beside the video that the job asks for."""

    @property
    def frames(self) -> int:
        """Length of the video."""
        return sum(fragment.frames for fragment in self.fragments)


@dataclass(frozen=True)
class Extra:
    """A file beside the video, in the job's work folder."""

    kind: str
    """A key of `pipeline.extras.SUFFIXES`."""
    path: Path
    bytes: int


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
    extras: tuple[Extra, ...] = ()
    intro_frames: int = 0
    """Frames before what is said."""
    outro_frames: int = 0
    """Frames after it."""


Item = TtsItem | AlignItem | SplitItem | Chunk | PackItem | SoundItem | MergeItem | JoinItem
"""Input of a stage. `daemon.scheduling.stages` says which stage takes which item."""

Result = Speech | Chunk | Segment | Pack | Soundtrack | Video
"""Output of a stage."""


@dataclass(frozen=True)
class Advance:
    """Also from a stage: how much of the current item is done, from 0 to 1."""

    share: float


@dataclass(frozen=True)
class Task:
    """An item on its way to a worker."""

    id: int
    item: Item


@dataclass(frozen=True)
class Ready:
    """The worker has loaded and warmed up."""

    worker: str
    device: str
    pid: int
    node: str | None = None
    """The machine that it runs on; None: the daemon's."""
    kind: str | None = None
    """Workers of one kind compute the same bits: same processor, devices, versions and threads. None: as all others."""


@dataclass(frozen=True)
class Yielded:
    """The worker has produced one result of a task."""

    worker: str
    task: int
    result: Result


@dataclass(frozen=True)
class Advanced:
    """The worker has done part of a task."""

    worker: str
    task: int
    share: float
    """From 0 to 1."""


@dataclass(frozen=True)
class Finished:
    """The worker has completed a task and is free again."""

    worker: str
    task: int


@dataclass(frozen=True)
class Failed:
    """The task raised; the worker is free again. `task` is None if the worker failed to start."""

    worker: str
    task: int | None
    error: ErrorReport


@dataclass(frozen=True)
class Died:
    """The worker has exited."""

    worker: str
    exitcode: int | None
    is_lost: bool = False
    """Whether it was lost with its node or with all of them, so that its item is not the cause."""


Event = Ready | Yielded | Advanced | Finished | Failed | Died
"""What an executor reports to the scheduler."""
