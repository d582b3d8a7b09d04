"""The flow of a streamed text: each piece is spoken, split, rendered and packed on its own, as early as possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from daemon.scheduling.stream_flow import StreamFlow
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    Pack,
    Piece,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)
from pipeline.speech import sentences

CLAUSE_PAUSE_SECONDS = 0.06
"""Pause after a piece that ends within a sentence."""

PIECES_AHEAD = 4
"""How many pieces may be spoken before they are rendered: enough to keep two workers busy."""


@dataclass
class TextStream(StreamFlow):
    """A stream of a text.

    The next pieces are spoken while one is rendered, but only a few: viewers wait for the first pieces, and speech that
    is not needed yet would compete with them for the processors.
    """

    speeches: dict[int, Speech] = field(default_factory=dict, init=False)

    @cached_property
    def texts(self) -> list[str]:
        """Text of each piece."""
        assert self.job.text is not None
        return sentences.pieces(self.job.text, self.language)

    @property
    def count(self) -> int:
        """Number of pieces."""
        return len(self.texts)

    @property
    def timeline(self) -> Timeline:
        """Lengths of the whole job, summed up from its pieces."""
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

    def sentences(self, index: int) -> list[Sentence]:
        """The sentences of a piece, with times counted from the start of the job."""
        offset = self.chunks[index].start_frame / self.fps
        return [sentence.later(offset) for sentence in self.speeches[index].sentences]

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist, so that it need not run again."""
        match item:
            case TtsItem():
                return item.index in self.speeches
            case SplitItem():
                return item.index in self.chunks
            case _:
                return super().has_results(item)

    @property
    def _speaking_seconds(self) -> float:
        span = self.speeches[0].span
        return span.seconds if span else 0.0

    def _expected_seconds_of(self, index: int) -> float:
        """Length of a piece; from the third one on, estimated from the length of its text."""
        if index > 1:
            return self._expected_seconds_of(0) * len(self.texts[index]) / len(self.texts[0])
        return super()._expected_seconds_of(index)

    def _first_items(self) -> list[Item]:
        return self._speak_next(0)

    def _speakable(self, rendered: int) -> int:
        """How many pieces may be spoken once `rendered` of them are rendered: two at first, then gradually more.

        The last one waits until something has been spoken, or until only the last one can still contain speech.
        """
        others = len(self.texts) - 1
        known = others + 1 if self._has_spoken or len(self.speeches) >= others else others
        return min(known, 2 * (rendered + 1), rendered + PIECES_AHEAD)

    @property
    def _has_spoken(self) -> bool:
        """Whether any piece so far contains speech."""
        return any(speech.sentences for speech in self.speeches.values())

    def _speak_next(self, first: int) -> list[Item]:
        """TTS items for the pieces from `first` on that may now be spoken."""
        speakable = range(first, self._speakable(len(self.segments)))
        return [self._speak(index) for index in speakable if index not in self.speeches]

    def _speak(self, index: int) -> TtsItem:
        said = self.texts[index]
        pause = self.config.tts.pause_seconds if sentences.ends_sentence(said) else CLAUSE_PAUSE_SECONDS
        return TtsItem(
            job=self.name,
            folder=self.folder / f"piece-{index:03d}",
            text=said,
            language=self.language,
            voice=self.job.voice,
            speed=self.job.speed,
            avatar=self.avatar,
            index=index,
            pause_seconds=pause,
            may_be_silent=self._has_spoken or index + 1 < len(self.texts),
        )

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if speech.index in self.speeches:
            return []
        speakable = self._speakable(len(self.segments))
        self.speeches[speech.index] = speech
        return [*self._split_piece(speech.index), *self._speak_next(speakable)]

    def _split_piece(self, index: int) -> list[Item]:
        """Split a piece once the previous one is split, since it begins where that one ends."""
        before = self.chunks.get(index - 1)
        if index not in self.speeches or (index > 0 and before is None):
            return []
        piece = Piece(index, len(self.texts), before.stop_frame if before else 0)
        return [replace(self._split_item(self.speeches[index]), piece=piece)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        if chunk.index in self.chunks:
            return []
        self.chunks[chunk.index] = chunk
        return [chunk, *self._split_piece(chunk.index + 1)]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        speakable = self._speakable(len(self.segments) - 1)
        return [*super()._accept_segment(segment), *self._speak_next(speakable)]

    def _accept_pack(self, pack: Pack) -> list[Item]:
        items = super()._accept_pack(pack)
        if items:
            self.speech = self._whole_speech()
        return items

    def _whole_speech(self) -> Speech:
        """The speech of all pieces as one."""
        speeches = [self.speeches[index] for index in sorted(self.speeches)]
        sentences = [sentence for index in sorted(self.speeches) for sentence in self.sentences(index)]
        span = _joined(speech.span for speech in speeches)
        return replace(speeches[0], sentences=tuple(sentences), span=span)


def _joined(spans: Iterable[Span | None]) -> Span:
    """A span that begins with the first one and is as long as all of them together."""
    known = [span for span in spans if span is not None]
    return Span(known[0].start_seconds, known[0].start_seconds + sum(span.seconds for span in known))
