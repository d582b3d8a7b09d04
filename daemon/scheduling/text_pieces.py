"""The base of both flows that cut a text into pieces: each piece is spoken, split and rendered on its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from daemon.scheduling.flow import Flow
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    MergeItem,
    Piece,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)
from pipeline.speech.lexicon import pronunciations


@dataclass
class TextPieces(Flow):
    """A text that is cut into pieces before it is spoken.

    The cuts depend on the text and the configuration alone, and each piece is a whole number of frames long, so the
    result is the same however many workers speak it, in whichever order.
    """

    speeches: dict[int, Speech] = field(default_factory=dict, init=False)

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """Text of each piece."""

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
    def unspoken(self) -> float:
        """Share of the text that is not spoken yet."""
        return 1 - len(self.speeches) / max(1, self.count)

    @property
    def has_spoken(self) -> bool:
        """Whether any piece so far contains speech."""
        return any(speech.sentences for speech in self.speeches.values())

    @property
    def last_is_known(self) -> bool:
        """Whether it is known if the last piece may be silent: something was spoken, or only it can still be."""
        return self.has_spoken or len(self.speeches) >= self.count - 1

    @abstractmethod
    def _pause_seconds(self, index: int) -> float:
        """Silence between a piece and the next."""

    def _speak(self, index: int) -> TtsItem:
        return TtsItem(
            job=self.name,
            folder=self.folder / f"piece-{index:03d}",
            text=self.texts[index],
            language=self.language,
            voice=self.job.voice,
            speed=self.job.speed,
            avatar=self.avatar,
            lexicon=pronunciations(self.job.lexicon),
            other_languages=self.other_languages,
            index=index,
            pause_seconds=self._pause_seconds(index),
            may_be_silent=self.has_spoken or index + 1 < self.count,
        )

    def _split_piece(self, index: int) -> list[Item]:
        """Split a piece once the previous one is split, since it begins where that one ends."""
        before = self.chunks.get(index - 1)
        if index not in self.speeches or (index > 0 and before is None):
            return []
        piece = Piece(index, self.count, before.stop_frame if before else 0)
        return [replace(self._split_item(self.speeches[index]), piece=piece)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        if chunk.index in self.chunks:
            return []
        self.chunks[chunk.index] = chunk
        return [chunk, *self._split_piece(chunk.index + 1)]

    def _merge_item(self) -> MergeItem:
        self.speech = self._whole_speech()
        return super()._merge_item()

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
