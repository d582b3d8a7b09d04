"""The flow of one job: which item follows which result, until the video is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from daemon.scheduling.journal import Journal
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.job import Job
from pipeline.media.pcm import CONVERT_TIMEOUT_SECONDS
from pipeline.messages import (
    Chunk,
    Item,
    MergeItem,
    Pack,
    PackItem,
    Result,
    Segment,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
)
from pipeline.speech.sentences import sentences

ROLES: dict[type[Item], str] = {
    TtsItem: "tts",
    SplitItem: "split",
    Chunk: "lipsync",
    PackItem: "merge",
    MergeItem: "merge",
}
"""Which workers take an item."""

CHARACTERS_PER_SECOND = 15
"""About how fast a text is spoken."""


@dataclass
class JobFlow:
    """One job on its way through the stages. Results that come twice, after a retry, are taken once."""

    name: str
    job: Job
    folder: Path
    """The job's work folder."""
    recording: Path | None
    """The job's own recording, when it brings one instead of a text."""
    config: Config
    journal: Journal
    speech: Speech | None = None
    chunks: dict[int, Chunk] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    video: Video | None = None

    @property
    def avatar(self) -> str:
        """The name of the one that speaks."""
        return self.job.avatar or self.config.avatars.default

    def begin(self) -> list[Item]:
        """The items that can be run first: after a restart, what the results in the journal do not answer."""
        items = self._first()
        for result in self.journal.results:
            items += self._accept(result)
        return [item for item in items if not self.has_answered(item)]

    def _first(self) -> list[Item]:
        if self.recording is not None:
            return self._accept(Speech(self.name, self.folder, self.recording))
        assert self.job.text is not None
        language = self.job.language or self.config.language
        return [TtsItem(self.name, self.folder, self.job.text, language, self.job.voice, self.job.speed)]

    def accept(self, result: Result) -> list[Item]:
        """Take a new result in; return the items that can now be run."""
        self.journal.keep(result)
        return self._accept(result)

    def _accept(self, result: Result) -> list[Item]:
        match result:
            case Speech():
                return self._accept_speech(result)
            case Chunk():
                return self._accept_chunk(result)
            case Segment():
                return self._accept_segment(result)
            case Pack():
                return self._accept_pack(result)
            case Video():
                self.video = result
                return []

    def has_answered(self, item: Item) -> bool:
        """Whether everything that comes of an item is there, so that it need not run again."""
        match item:
            case TtsItem():
                return self.speech is not None
            case SplitItem():
                return self._is_split
            case Chunk():
                return item.index in self.segments
            case PackItem():
                return False
            case MergeItem():
                return self.video is not None

    @property
    def timeline(self) -> Timeline:
        """The exact lengths of the whole job; they are known once there is a segment."""
        return next(iter(self.segments.values())).timeline

    @property
    def expected_seconds(self) -> float:
        """The length of the video as far as it is known: guessed from the text, then told by the speech."""
        for chunk in self.chunks.values():
            return chunk.timeline.seconds
        return len(self.job.text or "") / CHARACTERS_PER_SECOND

    @property
    def _is_split(self) -> bool:
        return any(len(self.chunks) == chunk.count for chunk in self.chunks.values())

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if self.speech is not None:
            return []
        self.speech = speech
        return [self._split(speech)]

    def _split(self, speech: Speech) -> SplitItem:
        job, config = self.job, self.config
        return SplitItem(
            job=self.name,
            speech=speech,
            fps=job.fps or config.video.fps,
            mode=job.mode,
            model=job.model,
            avatar=self.avatar,
            size=job.frame_size,
        )

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """All chunks or none: a split that died on the way is done anew, and writes the files again that they name."""
        if self._is_split:
            return []
        self.chunks[chunk.index] = chunk
        return [self.chunks[index] for index in sorted(self.chunks)] if self._is_split else []

    def _accept_segment(self, segment: Segment) -> list[Item]:
        if segment.index in self.segments:
            return []
        self.segments[segment.index] = segment
        if len(self.segments) < self.chunks[segment.index].count:
            return []
        return [self._merge()]

    def _accept_pack(self, pack: Pack) -> list[Item]:
        raise NotImplementedError("only streams are packed")

    def _merge(self) -> MergeItem:
        ordered = tuple(self.segments[index] for index in sorted(self.segments))
        return MergeItem(self.name, self.folder, ordered, self.timeline)


def budget_seconds(item: Item, config: Config) -> float:
    """How long an item may take before its worker counts as hung: generous, and scaled with the work."""
    match item:
        case TtsItem():
            return 120 + 0.2 * len(item.text) + _answering_seconds(item, config)
        case SplitItem():
            return 120 + _listening_seconds(item.speech, config) + _watching_seconds(item.avatar, config)
        case Chunk():
            return 120 + 40 * (item.stop_frame - item.start_frame) / item.timeline.fps
        case PackItem():
            return 120 + item.segment.timeline.seconds
        case MergeItem():
            return 120 + item.timeline.seconds


def _answering_seconds(item: TtsItem, config: Config) -> float:
    """For a service or program of the user's own, which may take its time for every sentence."""
    limit_seconds = config.tts.sentence_seconds
    return limit_seconds * len(sentences(item.text, item.language)) if limit_seconds else 0


def _listening_seconds(speech: Speech, config: Config) -> float:
    """For turning the speech into PCM. How long a stranger's recording is, and how hard to read, nobody knows yet."""
    if speech.sentences:
        return 0.2 * speech.sentences[-1].end_seconds
    return CONVERT_TIMEOUT_SECONDS + 0.2 * config.limits.audio_seconds


def _watching_seconds(avatar: str, config: Config) -> float:
    """For following a new avatar's face through its video, frame by frame."""
    return 600 + 10 * config.limits.avatar_seconds if Avatars(config).is_video(avatar) else 0
