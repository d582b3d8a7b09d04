"""What the journal of an open stream has besides the results of its items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.messages import Chunk, Fragment, Pack, Result, Segment, Sentence, Speech

LISTENING = -1
"""The index of the speech that is silence."""


@dataclass(frozen=True)
class Request:
    """What a user asked of an open stream: to say a text, to stop, or to end."""

    number: int
    """Requests are numbered in the order in which they were made, from 1."""
    text: str | None = None
    """None: to stop, or to end."""
    is_end: bool = False


@dataclass(frozen=True)
class Cut:
    """A stop, as it was carried out: what is said is broken off after a word, and the other texts are dropped."""

    number: int
    """Number of the request."""
    pieces: int
    """How many pieces stay. The others were not being rendered."""
    tail: tuple[Chunk, ...]
    """What follows them: the rest of the word, and the mouth closes."""
    hush_seconds: float
    """When the speech ends."""


@dataclass(frozen=True)
class Text:
    """A text of a few words that is spoken on its own."""

    request: int
    """Number of the request that it is a part of; 0: the job's own text."""
    text: str
    is_first: bool
    """Whether it is the first of its request."""


@dataclass(frozen=True)
class Shown:
    """A fragment that can be played."""

    piece: int
    start_frame: int
    fragment: Fragment

    @property
    def stop_frame(self) -> int:
        """The frame after its last."""
        return self.start_frame + self.fragment.frames


@dataclass
class OpenState:
    """All that is known of an open stream; also kept as a whole, in place of the results that led to it."""

    heard: int = 0
    """Number of the latest request."""
    has_end: bool = False
    """Whether it was asked to end."""
    texts: dict[int, Text] = field(default_factory=dict)
    """The texts that are not played to their end, by their index."""
    texts_known: int = 0
    """How many texts there were, dropped ones included."""
    texts_placed: int = 0
    """How many of them are cut into pieces, or dropped."""
    speeches: dict[int, Speech] = field(default_factory=dict)
    """Of those texts, by their index."""
    silence: Chunk | None = None
    """A piece in which nothing is said, before the first one."""
    cutting: list[Chunk] = field(default_factory=list)
    """The pieces of the next text, while not all are known."""
    chunks: dict[int, Chunk] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    packs: dict[int, Pack] = field(default_factory=dict)
    """Of the latest pieces."""
    placed: int = 0
    """Number of pieces."""
    placed_frames: int = 0
    """Their length."""
    last: int | None = None
    """Index of the last piece; None while the stream is open."""
    packed: int = 0
    """How many pieces can be played."""
    init: Path | None = None
    """The initialization segment."""
    shown: list[Shown] = field(default_factory=list)
    """The fragments of the playlist."""
    removed: int = 0
    """How many fragments have left it."""
    leaving: list[Shown] = field(default_factory=list)
    """Those whose files players may still fetch."""
    sentences: list[Sentence] = field(default_factory=list)
    """What is said in what is kept, with times counted from the start of the job."""
    said_until_seconds: float = 0.0
    """When the last of them ended or ends."""
    voice: str | None = None
    spoken_from_seconds: float | None = None
    """When the first text began to be spoken; monotonic."""
    speaking_seconds: float = 0.0
    """Time spent on speaking."""
    ready_seconds: float = 0.0
    """When the first piece could be played; monotonic."""

    @property
    def packed_frames(self) -> int:
        """Where what can be played ends."""
        return self.shown[-1].stop_frame if self.shown else 0

    @property
    def first_frame(self) -> int:
        """The frame with which the playlist begins."""
        return self.shown[0].start_frame if self.shown else 0

    def place(self, chunks: Sequence[Chunk]) -> None:
        """Add pieces at the end."""
        for chunk in chunks:
            self.chunks[chunk.index] = chunk
            self.placed, self.placed_frames = chunk.index + 1, chunk.stop_frame

    def finished(self) -> int:
        """Number of the latest request of which nothing is left to be said."""
        return min([self.heard, *(text.request - 1 for text in self.texts.values())])

    def files(self) -> Iterator[Path]:
        """The files that are still needed."""
        yield from (segment.path for segment in self.segments.values() if segment.index >= self.packed - 1)
        yield from (shown.fragment.path for shown in (*self.shown, *self.leaving))
        yield from (self.init,) if self.init else ()
        live = [chunk for chunk in self.chunks.values() if chunk.index >= self.packed - 1]
        for chunk in [*live, *self.cutting, *([self.silence] if self.silence else [])]:
            yield from (chunk.timeline.pcm, chunk.timeline.track, chunk.timeline.mel)
            yield from (chunk.phonemes,) if chunk.phonemes else ()
            yield from (chunk.overlay,) if chunk.overlay else ()
            yield from (chunk.logo,) if chunk.logo else ()
        for index, speech in self.speeches.items():
            if index >= self.texts_placed:
                yield speech.audio
                yield from (speech.phonemes,) if speech.phonemes else ()


Record = Result | Request | Cut | OpenState
"""What a journal has."""
