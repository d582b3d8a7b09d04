"""The flow of a job that is played while it renders: piece by piece, each one ready as early as it can be."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush
from math import inf

from daemon.scheduling.job_flow import JobFlow
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    Pack,
    PackItem,
    Piece,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)
from pipeline.speech.sentences import ends_sentence, pieces

CLAUSE_PAUSE_SECONDS = 0.06
"""After a piece that ends within a sentence."""

PIECES_AHEAD = 4
"""How many pieces are spoken before they are rendered: enough to keep two workers busy."""

NOTICE_SECONDS = 0.5
"""How long a player takes to notice a new piece, fetch it and go on."""


@dataclass
class StreamFlow(JobFlow):
    """A job whose pieces are spoken, rendered and packed one after the other; a recording is cut after it is read.

    While a piece is rendered the next is spoken, but not many: the first pieces are waited for, and speech that is not
    needed yet would take the processors from them. What is packed can be played; at the end all is merged as ever.
    """

    texts: list[str] = field(init=False)
    """Of each piece; none when the job brings a recording."""
    speeches: dict[int, Speech] = field(default_factory=dict)
    packs: dict[int, Pack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = pieces(self.job.text, self._language) if self.job.text is not None else []

    @property
    def _language(self) -> str:
        return self.job.language or self.config.language

    @property
    def count(self) -> int | None:
        """How many pieces there are; None while that is not known."""
        return len(self.texts) or next((chunk.count for chunk in self.chunks.values()), None)

    @property
    def fps(self) -> int:
        """Frames a second."""
        return self.job.fps or self.config.video.fps

    @property
    def playable(self) -> list[Pack]:
        """The pieces that can be played, from the first one on without a gap; none before playing may begin."""
        packs: list[Pack] = []
        while len(packs) in self.packs:
            packs.append(self.packs[len(packs)])
        return packs if self.begin_seconds <= time.monotonic() else []

    @property
    def begin_seconds(self) -> float:
        """When playing may begin, in monotonic seconds: with the first piece, unless a later one would come too late.

        While the second is not even cut there is no telling: infinity.
        """
        if 0 not in self.packs or (self.count != 1 and 1 not in self.chunks):
            return inf
        there = {index: pack.span.end_seconds for index, pack in self.packs.items()}
        return max(min(begin, there.get(index, inf)) for index, begin in enumerate(self._begins_seconds))

    @cached_property
    def _begins_seconds(self) -> list[float]:
        """For each piece: who begins then finds it there in time, if all goes on as with the first one."""
        first, pack = self.segments[0], self.packs[0]
        lengths = [self._expected_length(index) for index in range(self.count or 0)]
        spoke = self.speeches[0].span if self.texts else None
        render, speak = first.span.seconds / lengths[0], (spoke.seconds / lengths[0] if spoke else 0)
        cut = self.chunks[1].timeline.split.end_seconds if len(lengths) > 1 else 0
        others = min(len(self.config.workers), self.job.num_workers or len(self.config.workers)) - 1
        free = [first.span.end_seconds, *([cut] * others)]
        begins, spoken, heard = [pack.span.end_seconds], cut, pack.sound_seconds - NOTICE_SECONDS
        for index, length in enumerate(lengths[1:], 1):
            if index > 1:
                spoken = max(spoken, first.span.end_seconds) + speak * length
            rendered = max(heappop(free), spoken) + render * length
            heappush(free, rendered)
            begins.append(rendered + pack.span.seconds - heard)
            heard += length
        return begins

    def _expected_length(self, index: int) -> float:
        """Seconds of a piece; beyond the second one, which need not be known yet, by the length of its text."""
        if index > 1 and self.texts:
            return self._expected_length(0) * len(self.texts[index]) / len(self.texts[0])
        return (self.chunks[index].stop_frame - self.chunks[index].start_frame) / self.fps

    @property
    def expected_seconds(self) -> float:
        """0, so that it is due when it comes: someone is watching."""
        return 0.0

    @property
    def timeline(self) -> Timeline:
        """The lengths of the whole job, from those of its pieces."""
        if not self.texts:
            return super().timeline
        pieces = [self.segments[index].timeline for index in sorted(self.segments)]
        frames = sum(piece.frames for piece in pieces)
        return replace(
            pieces[0],
            samples=round(frames * PCM_RATE_HZ / self.fps),
            frames=frames,
            track=self.folder / "track.wav",
            convert=_joined(piece.convert for piece in pieces),
            split=_joined(piece.split for piece in pieces),
            first_frame=None,
        )

    def ready_seconds(self, index: int) -> float:
        """When a piece and all before it could be played, in monotonic seconds."""
        return max(self.begin_seconds, *(self.packs[earlier].span.end_seconds for earlier in range(index + 1)))

    def needed_seconds(self, index: int) -> float:
        """When a player that began with the first piece comes to the end of the sound before this one."""
        return self.ready_seconds(0) + (self.packs[index - 1].sound_seconds if index else 0)

    def sentences(self, index: int) -> list[Sentence]:
        """What is said in a piece, by the job's clock."""
        if not self.texts:
            return []
        offset = self.chunks[index].start_frame / self.fps
        return [
            Sentence(sentence.text, offset + sentence.start_seconds, offset + sentence.end_seconds)
            for sentence in self.speeches[index].sentences
        ]

    def has_answered(self, item: Item) -> bool:
        """Whether everything that comes of an item is there, so that it need not run again."""
        match item:
            case TtsItem():
                return item.index in self.speeches
            case SplitItem() if item.piece is not None:
                return item.index in self.chunks
            case PackItem():
                return item.index in self.packs
            case _:
                return super().has_answered(item)

    def _first(self) -> list[Item]:
        return self._speak_next(0) or super()._first()

    @property
    def _speakable(self) -> int:
        """How many pieces may be spoken by now: two at first, then more ahead with each one that is rendered.

        The last one waits until something has been said, or until it alone is left to say something.
        """
        rendered, others = len(self.segments), len(self.texts) - 1
        known = others + 1 if self._has_spoken or len(self.speeches) >= others else others
        return min(known, 2 * (rendered + 1), rendered + PIECES_AHEAD)

    @property
    def _has_spoken(self) -> bool:
        """Whether the voice has found something to say in one of the pieces."""
        return any(speech.sentences for speech in self.speeches.values())

    def _speak_next(self, first: int) -> list[Item]:
        """The pieces from `first` on that may be spoken by now."""
        return [self._speak(index) for index in range(first, self._speakable) if index not in self.speeches]

    def _speak(self, index: int) -> TtsItem:
        said = self.texts[index]
        pause = self.config.tts.pause_seconds if ends_sentence(said) else CLAUSE_PAUSE_SECONDS
        return TtsItem(
            job=self.name,
            folder=self.folder / f"piece-{index:03d}",
            text=said,
            language=self._language,
            voice=self.job.voice,
            speed=self.job.speed,
            index=index,
            pause_seconds=pause,
            may_be_silent=self._has_spoken or index + 1 < len(self.texts),
        )

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if not self.texts:
            return super()._accept_speech(speech)
        if speech.index in self.speeches:
            return []
        speakable = self._speakable
        self.speeches[speech.index] = speech
        return [*self._split_piece(speech.index), *self._speak_next(speakable)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        if not self.texts:
            return super()._accept_chunk(chunk)
        if chunk.index in self.chunks:
            return []
        self.chunks[chunk.index] = chunk
        return [chunk, *self._split_piece(chunk.index + 1)]

    def _split_piece(self, index: int) -> list[Item]:
        """A piece begins where the one before ends."""
        before = self.chunks.get(index - 1)
        if index not in self.speeches or (index > 0 and before is None):
            return []
        piece = Piece(index, len(self.texts), before.stop_frame if before else 0)
        return [replace(self._split(self.speeches[index]), piece=piece)]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        if segment.index in self.segments:
            return []
        speakable = self._speakable
        self.segments[segment.index] = segment
        return [*self._pack(segment.index), *self._pack(segment.index + 1), *self._speak_next(speakable)]

    def _pack(self, index: int) -> list[Item]:
        """A piece's sound begins within the piece before."""
        segment, before = self.segments.get(index), self.segments.get(index - 1)
        if segment is None or (index > 0 and before is None):
            return []
        return [PackItem(self.name, self.folder, segment, before, is_last=index + 1 == self.count)]

    def _accept_pack(self, pack: Pack) -> list[Item]:
        if pack.index in self.packs:
            return []
        self.packs[pack.index] = pack
        if len(self.packs) != self.count:
            return []
        if self.texts:
            self.speech = self._whole_speech()
        return [self._merge()]

    def _whole_speech(self) -> Speech:
        """What the pieces' speech is together."""
        speeches = [self.speeches[index] for index in sorted(self.speeches)]
        sentences = [sentence for index in sorted(self.speeches) for sentence in self.sentences(index)]
        span = _joined(speech.span for speech in speeches)
        return replace(speeches[0], sentences=tuple(sentences), span=span)


def _joined(spans: Iterable[Span | None]) -> Span:
    """From the first one's start on, as long as all of them together."""
    known = [span for span in spans if span is not None]
    return Span(known[0].start_seconds, known[0].start_seconds + sum(span.seconds for span in known))
