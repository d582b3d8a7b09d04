"""The base of every flow: which items of a job can run, given the results so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import ClassVar

from daemon.outputs.report import timestamp
from daemon.scheduling.journal import Journal
from daemon.scheduling.open_records import Record
from pipeline.config import Config
from pipeline.job import Job
from pipeline.messages import (
    AlignItem,
    Chunk,
    Item,
    Label,
    Mark,
    MergeItem,
    Segment,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
)
from pipeline.provenance.mark import software, source_type
from pipeline.speech.lexicon import pronunciations


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
    recording: Path | None
    """The job's recording; None for a text."""
    config: Config
    journal: Journal
    submitted_at: float = field(default=0.0, kw_only=True)
    """When the job file was written, in seconds since the epoch."""
    speech: Speech | None = field(default=None, init=False)
    chunks: dict[int, Chunk] = field(default_factory=dict, init=False)
    segments: dict[int, Segment] = field(default_factory=dict, init=False)
    video: Video | None = field(default=None, init=False)

    @property
    def avatar(self) -> str:
        """Name of the avatar."""
        return self.job.avatar or self.config.avatars.default

    @property
    def language(self) -> str:
        """Language of the text."""
        return self.job.language or self.config.language

    @property
    def other_languages(self) -> bool:
        """Whether sentences in another language are read in theirs."""
        asked = self.job.other_languages
        return self.config.tts.other_languages if asked is None else asked

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.job.fps or self.config.video.fps

    @property
    def extras(self) -> tuple[str, ...]:
        """The kinds of files beside the video, each once."""
        return tuple(dict.fromkeys(self.config.extras if self.job.extras is None else self.job.extras))

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
    def mark(self) -> Mark | None:
        """What the video says about itself; None if it is not marked. Available once the first segment exists."""
        if not self.config.provenance.mark:
            return None
        origin = self.timeline.origin
        return Mark(
            source_type=source_type(origin, is_recording=self.recording is not None),
            software=software(),
            job=self.name,
            created=timestamp(self.submitted_at),
            consent=origin.consent,
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
            case MergeItem():
                return self.video is not None
            case _:
                return False

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
            case Video():
                self.video = result
        return []

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if self.speech is not None:
            return []
        self.speech = speech
        return [self._split_item(speech)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """Accept all chunks or none: an interrupted split is re-run from the start and rewrites their files."""
        if self._is_split:
            return []
        self.chunks[chunk.index] = chunk
        return [self.chunks[index] for index in sorted(self.chunks)] if self._is_split else []

    @abstractmethod
    def _accept_segment(self, segment: Segment) -> list[Item]:
        """Return the items that follow a new segment, which is already in `segments`."""

    @property
    def _is_split(self) -> bool:
        return any(len(self.chunks) == chunk.count for chunk in self.chunks.values())

    def _take_recording(self) -> list[Item]:
        """The first items of a job with a recording: it is aligned with its text, if there is one."""
        assert self.recording is not None
        if self.job.text is None:
            return self._accept(Speech(self.name, self.folder, self.recording))
        words = pronunciations(self.job.lexicon)
        return [AlignItem(self.name, self.folder, self.recording, self.job.text, self.language, words)]

    def _tts_item(self, text: str) -> TtsItem:
        """Speak a text, all of the job's or a part of it, as the job asks."""
        return TtsItem(
            job=self.name,
            folder=self.folder,
            text=text,
            language=self.language,
            voice=self.job.voice,
            speed=self.job.speed,
            avatar=self.avatar,
            lexicon=pronunciations(self.job.lexicon),
            other_languages=self.other_languages,
        )

    def _split_item(self, speech: Speech) -> SplitItem:
        return SplitItem(
            job=self.name,
            speech=speech,
            fps=self.fps,
            mode=self.mode,
            model=self.job.model,
            avatar=self.avatar,
            articulation=self.job.articulation,
            label=self.label,
            captions=self.job.burn_captions.look if self.job.burn_captions else None,
            size=self.job.frame_size,
        )

    def _merge_item(self) -> MergeItem:
        ordered = tuple(self.segments[index] for index in sorted(self.segments))
        return MergeItem(self.name, self.folder, ordered, self.timeline, mark=self.mark, extras=self.extras)
