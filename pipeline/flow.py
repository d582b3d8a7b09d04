"""The flow of one job: which item follows which result, until the video is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import Config
from pipeline.job import Job
from pipeline.messages import Chunk, Item, MergeItem, Result, Segment, Speech, SplitItem, TtsItem, Video

ROLES: dict[type[Item], str] = {TtsItem: "tts", SplitItem: "split", Chunk: "lipsync", MergeItem: "merge"}
"""Which workers take an item."""


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
    speech: Speech | None = None
    chunks: dict[int, Chunk] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    video: Video | None = None

    @property
    def avatar(self) -> str:
        """The name of the one that speaks."""
        return self.job.avatar or self.config.avatars.default

    def begin(self) -> list[Item]:
        """The first item."""
        if self.recording is not None:
            return self.accept(Speech(self.name, self.folder, self.recording))
        assert self.job.text is not None
        language = self.job.language or self.config.language
        return [TtsItem(self.name, self.folder, self.job.text, language, self.job.voice, self.job.speed)]

    def accept(self, result: Result) -> list[Item]:
        """Take a result in; return the items that can now be run."""
        match result:
            case Speech():
                return self._accept_speech(result)
            case Chunk():
                return [] if result.index in self.chunks else [self.chunks.setdefault(result.index, result)]
            case Segment():
                return self._accept_segment(result)
            case Video():
                self.video = result
                return []

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if self.speech is not None:
            return []
        self.speech = speech
        job, config = self.job, self.config
        return [
            SplitItem(
                job=self.name,
                speech=speech,
                fps=job.fps or config.video.fps,
                mode=job.mode,
                model=job.model,
                avatar=self.avatar,
                size=job.frame_size,
            )
        ]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        if segment.index in self.segments:
            return []
        self.segments[segment.index] = segment
        if len(self.segments) < self.chunks[segment.index].count:
            return []
        ordered = tuple(self.segments[index] for index in sorted(self.segments))
        return [MergeItem(self.name, self.folder, ordered, segment.timeline)]


def budget_seconds(item: Item, config: Config) -> float:
    """How long an item may take before its worker counts as hung: generous, and scaled with the work."""
    match item:
        case TtsItem():
            return 120 + 0.2 * len(item.text)
        case SplitItem():
            # A new avatar's video is followed frame by frame here.
            return 720 + 0.2 * config.limits.audio_seconds + 10 * config.limits.avatar_seconds
        case Chunk():
            return 120 + 40 * (item.stop_frame - item.start_frame) / item.timeline.fps
        case MergeItem():
            return 120 + item.timeline.seconds
