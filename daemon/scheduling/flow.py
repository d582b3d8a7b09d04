"""The base of every flow: which items of a job can run, given the results so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import ClassVar

from daemon.outputs.report import timestamp
from daemon.scheduling.journal import Journal
from daemon.scheduling.open_records import Record
from pipeline.config import Config
from pipeline.errors import ErrorReport
from pipeline.extras import PRORES, TRANSPARENT
from pipeline.job import Job, SceneKeys, brand_files, scene_field
from pipeline.media.codecs import H264
from pipeline.media.mastering import PRESETS
from pipeline.messages import (
    AlignItem,
    BrandClip,
    Chunk,
    Item,
    Label,
    Logo,
    Mark,
    MergeItem,
    Segment,
    SoundItem,
    Soundtrack,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
)
from pipeline.provenance.mark import software, source_type
from pipeline.speech.lexicon import pronunciations


@dataclass(frozen=True)
class Take:
    """A scene as it was made, or a job without scenes."""

    part: Job
    speech: Speech
    """Times are counted from the start of the job."""
    timeline: Timeline


@dataclass
class Flow(ABC):
    """A job on its way through the stages.

    Results in, items out; the scheduler runs the items. By default the whole speech is split at once, so all chunks
    become known together. Duplicate results, which a retry may produce, are ignored.
    """

    is_open: ClassVar[bool] = False
    """Whether it is an open stream, which has no planned end."""

    name: str
    job: Job
    folder: Path
    """The job's work folder."""
    recordings: Mapping[str, Path]
    """The job's recordings, by the names that it gives them."""
    config: Config
    journal: Journal
    submitted_at: float = field(default=0.0, kw_only=True)
    """When the job file was written, in seconds since the epoch."""
    speech: Speech | None = field(default=None, init=False)
    chunks: dict[int, Chunk] = field(default_factory=dict, init=False)
    segments: dict[int, Segment] = field(default_factory=dict, init=False)
    sound: Soundtrack | None = field(default=None, init=False)
    video: Video | None = field(default=None, init=False)

    @cached_property
    def parts(self) -> tuple[Job, ...]:
        """The scenes, each as a job of its own; without scenes, the job."""
        return self.job.parts

    def part(self, speech: int) -> Job:
        """What is asked of a speech, by its index: the scene that it is of, or the job."""
        return self.parts[0]

    @property
    def takes(self) -> Sequence[Take]:
        """The scenes as they were made. Available once the job is done."""
        assert self.speech is not None
        return [Take(self.job, self.speech, self.timeline)]

    @property
    def avatar(self) -> str:
        """Name of the avatar, that of the first scene."""
        return self.avatar_of(self.parts[0])

    @property
    def avatars(self) -> tuple[str, ...]:
        """Names of the avatars of all scenes."""
        return tuple(dict.fromkeys(map(self.avatar_of, self.parts)))

    @property
    def language(self) -> str:
        """Language of the text, that of the first scene."""
        return self.language_of(self.parts[0])

    def avatar_of(self, part: Job) -> str:
        """Name of a scene's avatar."""
        return part.avatar or self.config.avatars.default

    def language_of(self, part: Job) -> str:
        """Language of a scene's text."""
        return part.language or self.config.language

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.job.fps or self.config.video.fps

    @property
    def codec(self) -> str:
        """Of the video."""
        return self.job.codec or (H264 if self.job.mode == "stream" else self.config.video.codec)

    @property
    def loudness(self) -> float | None:
        """Of the soundtrack, in LUFS; None: as it is."""
        asked = self.config.loudness if self.job.loudness is None else self.job.loudness
        return PRESETS[asked] if isinstance(asked, str) else asked

    @property
    def extras(self) -> tuple[str, ...]:
        """The kinds of files beside the video, each once."""
        return tuple(kind for kind in self._asked_extras if kind != PRORES)

    @property
    def transparent(self) -> tuple[str, ...]:
        """The kinds of transparent videos beside the video."""
        if self.parts[0].background != TRANSPARENT:
            return ()
        return (TRANSPARENT, PRORES) if PRORES in self._asked_extras else (TRANSPARENT,)

    @property
    def _asked_extras(self) -> Sequence[str]:
        asked = self.config.extras if self.job.extras is None else self.job.extras
        return list(dict.fromkeys(asked))

    @property
    @abstractmethod
    def count(self) -> int | None:
        """Number of chunks or pieces; None while unknown."""

    @property
    @abstractmethod
    def expected_seconds(self) -> float:
        """How long the job may reasonably wait for others: about the length of its video."""

    @property
    def first_frame(self) -> int:
        """The frame of the job that its video begins with."""
        return 0

    @property
    def mode(self) -> str:
        """Sequential, parallel or stream; auto until the speech is cut, if that decides it."""
        return self.job.mode

    @property
    def lanes_max(self) -> int | None:
        """How many of its chunks may be rendered at once; None: any number."""
        return self.job.num_workers

    @property
    def timeline(self) -> Timeline:
        """Exact lengths of the whole job. Available once the first segment exists."""
        return next(iter(self.segments.values())).timeline

    @property
    def label(self) -> Label | None:
        """The words in the picture that say that it was made by AI; None: there are none."""
        asked = self.job.provenance.label if self.job.provenance else None
        return self.config.provenance.label.changed_by(asked).label(self.language)

    @property
    def logo(self) -> Logo | None:
        """The picture in a corner; None: there is none."""
        asked, file = self.config.logo(self.job.logo), brand_files(self.job, self.config).get("logo")
        return None if file is None else Logo(file, asked.place, asked.size, asked.opacity)

    @property
    def clips(self) -> tuple[BrandClip, ...]:
        """What the finished video begins and ends with besides."""
        files = brand_files(self.job, self.config)
        return tuple(BrandClip(key, file) for key, file in files.items() if key != "logo")

    @property
    def mark(self) -> Mark | None:
        """What the video says about itself; None if it is not marked. Available once the first segment exists."""
        if not self.config.provenance.mark:
            return None
        origin = self.timeline.origin
        return Mark(
            source_type=source_type(origin, is_recording=bool(self.recordings)),
            software=software(),
            job=self.name,
            created=timestamp(self.submitted_at),
            consent=origin.consent,
            speech=any(part.audio is None for part in self.parts),
        )

    def begin(self) -> list[Item]:
        """Return the items to run first; after a restart, those without results in the journal."""
        items = self._first_items()
        for result in self.journal.results:
            items += self._accept(result)
        return [item for item in items if not self.has_results(item)]

    def due(self, now: float) -> list[Item]:
        """The items that can run only because of the time, monotonic."""
        return []

    def idle_seconds(self, now: float) -> float:
        """Time until `due` may return more."""
        return inf

    def accept(self, result: Record) -> list[Item]:
        """Record a new result; return the items that can now run."""
        self.journal.keep(result)
        return self._accept(result)

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist, so that it need not run again."""
        match item:
            case TtsItem() | AlignItem():
                return self.speech is not None
            case SplitItem():
                return self._is_split
            case Chunk():
                return item.index in self.segments
            case SoundItem():
                return self.sound is not None
            case MergeItem():
                return self.video is not None
            case _:
                return False

    def located(self, item: Item, error: ErrorReport) -> ErrorReport:
        """An error of an item; that of a scene names its key like `scenes.2.avatar`."""
        scene = self._scene_of(item) if error.field in SceneKeys.model_fields else None
        return error if scene is None else replace(error, field=scene_field(scene, error.field))

    def _scene_of(self, item: Item) -> int | None:
        """Index of the scene that an item is of; None: of none."""
        return None

    @abstractmethod
    def _first_items(self) -> list[Item]: ...

    def _accept(self, result: Record) -> list[Item]:
        match result:
            case Speech():
                return self._accept_speech(result)
            case Chunk():
                return self._accept_chunk(result)
            case Segment() if result.index not in self.segments:
                self.segments[result.index] = result
                return self._accept_segment(result)
            case Soundtrack() if self.sound is None:
                self.sound = result
                return self._accept_sound()
            case Video():
                self.video = result
        return []

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if self.speech is not None:
            return []
        self.speech = speech
        return [self._split_item(speech)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """Accept all chunks or none: an interrupted split is re-run from the start and rewrites their files.

        After a restart it may cut elsewhere, for example for fewer workers.
        """
        if self._is_split:
            return []
        self.chunks = self._chunks_before(chunk) | {chunk.index: chunk}
        return [self.chunks[index] for index in sorted(self.chunks)] if self._is_split else []

    @abstractmethod
    def _accept_segment(self, segment: Segment) -> list[Item]:
        """Return the items that follow a new segment, which is already in `segments`."""

    def _accept_sound(self) -> list[Item]:
        """Return the items that follow the soundtrack, which is already there."""
        return []

    def _chunks_before(self, chunk: Chunk) -> dict[int, Chunk]:
        return {index: before for index, before in self.chunks.items() if index < chunk.index}

    @property
    def _is_split(self) -> bool:
        return any(len(self.chunks) == chunk.count for chunk in self.chunks.values())

    def _take_recording(self, folder: Path, index: int = 0) -> list[Item]:
        """What comes first of a recording: it is aligned with its text, if there is one."""
        part = self.part(index)
        assert part.audio is not None
        recording = self.recordings[part.audio]
        if part.text is None:
            return self._accept(Speech(self.name, folder, recording, index=index))
        words = pronunciations(part.lexicon)
        return [AlignItem(self.name, folder, recording, part.text, self.language_of(part), words, index)]

    def _tts_item(self, text: str, index: int = 0) -> TtsItem:
        """Speak a text, all of the job's or a part of it, as the job or the scene asks."""
        part = self.part(index)
        asked = part.other_languages
        return TtsItem(
            job=self.name,
            folder=self.folder,
            text=text,
            language=self.language_of(part),
            voice=part.voice,
            speed=part.speed,
            avatar=self.avatar_of(part),
            index=index,
            lexicon=pronunciations(part.lexicon),
            other_languages=self.config.tts.other_languages if asked is None else asked,
        )

    def _split_item(self, speech: Speech) -> SplitItem:
        part = self.part(speech.index)
        return SplitItem(
            job=self.name,
            speech=speech,
            fps=self.fps,
            mode=self.mode,
            model=self.job.model,
            avatar=self.avatar_of(part),
            articulation=part.articulation,
            label=self.label,
            codec=self.codec,
            loudness=self.loudness,
            captions=self.job.burn_captions.look if self.job.burn_captions else None,
            size=self.job.frame_size,
            logo=self.logo,
            clips=self.clips,
            background=part.background,
            transparent=self.transparent,
        )

    def _merge_item(self) -> MergeItem:
        ordered = tuple(self.segments[index] for index in sorted(self.segments))
        return MergeItem(
            self.name,
            self.folder,
            ordered,
            self.timeline,
            mark=self.mark,
            extras=self.extras,
            clips=self.clips,
            codec=self.codec,
            sound=self.sound,
        )
