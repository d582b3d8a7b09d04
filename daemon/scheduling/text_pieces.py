"""The base of both flows that cut a text into several: each is spoken and split on its own."""

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


@dataclass
class TextPieces(Flow):
    """A text that is cut into several before it is spoken.

    The cuts depend on the text and the configuration alone, and each text is a whole number of frames long, so the
    result is the same however many workers speak them, in whichever order. They are split in order, since each begins
    where the one before it ends.
    """

    speeches: dict[int, Speech] = field(default_factory=dict, init=False)

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """What is spoken, in order."""

    @property
    def count(self) -> int:
        """Number of pieces; a text that is not split yet counts as one."""
        return len(self.chunks) + len(self.texts) - self.texts_split

    @property
    def texts_split(self) -> int:
        """How many of the texts are split, and all their pieces known."""
        return sum(chunk.stop_frame == chunk.timeline.stop_frame for chunk in self.chunks.values())

    @property
    def timeline(self) -> Timeline:
        """Lengths of the whole job, summed up from its texts."""
        by_text = {segment.timeline.speech_index: segment.timeline for segment in self.segments.values()}
        texts = [by_text[index] for index in sorted(by_text)]
        frames = sum(text.frames for text in texts)
        return replace(
            texts[0],
            samples=round(frames * PCM_RATE_HZ / self.fps),
            frames=frames,
            track=self.folder / "track.wav",
            convert=_joined(text.convert for text in texts),
            split=_joined(text.split for text in texts),
            first_frame=None,
            notices=tuple(dict.fromkeys(notice for text in texts for notice in text.notices)),
        )

    def sentences(self, index: int) -> list[Sentence]:
        """The sentences of the text that a piece is part of, with times counted from the start of the job."""
        return self._sentences(self.chunks[index].timeline)

    def _sentences(self, text: Timeline) -> list[Sentence]:
        offset = (text.first_frame or 0) / self.fps
        return [sentence.later(offset) for sentence in self.speeches[text.speech_index].sentences]

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist, so that it need not run again."""
        match item:
            case TtsItem():
                return item.index in self.speeches
            case SplitItem():
                return item.speech.index < self.texts_split
            case _:
                return super().has_results(item)

    @property
    def unspoken(self) -> float:
        """Share of the text that is not spoken yet."""
        return 1 - len(self.speeches) / max(1, len(self.texts))

    @property
    def has_spoken(self) -> bool:
        """Whether any text so far contains speech."""
        return any(speech.sentences for speech in self.speeches.values())

    @property
    def last_is_known(self) -> bool:
        """Whether it is known if the last text may be silent: something was spoken, or only it can still be."""
        return self.has_spoken or len(self.speeches) >= len(self.texts) - 1

    @abstractmethod
    def _pause_seconds(self, index: int) -> float:
        """Silence between a text and the next."""

    def _speak(self, index: int) -> TtsItem:
        return replace(
            self._tts_item(self.texts[index]),
            folder=self.folder / f"piece-{index:03d}",
            index=index,
            pause_seconds=self._pause_seconds(index),
            may_be_silent=self.has_spoken or index + 1 < len(self.texts),
        )

    def _split_next(self) -> list[Item]:
        """Split the next text if it is spoken."""
        speech = self.speeches.get(self.texts_split)
        if speech is None:
            return []
        index = len(self.chunks)
        piece = Piece(index, self.chunks[index - 1].stop_frame if index else 0)
        return [replace(self._split_item(speech), piece=piece)]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """Accept all pieces of a text or none, as the base does with the chunks of a job."""
        if chunk.index in self.chunks:
            return []
        self.chunks[chunk.index] = chunk
        if chunk.stop_frame != chunk.timeline.stop_frame:
            return []
        text = chunk.timeline.speech_index
        pieces = [self.chunks[index] for index in sorted(self.chunks)]
        return [*(piece for piece in pieces if piece.timeline.speech_index == text), *self._split_next()]

    def _merge_item(self) -> MergeItem:
        self.speech = self._whole_speech()
        return super()._merge_item()

    def _whole_speech(self) -> Speech:
        """The speech of all texts as one."""
        speeches = [self.speeches[index] for index in sorted(self.speeches)]
        texts = {chunk.timeline.speech_index: chunk.timeline for chunk in self.chunks.values()}
        sentences = [sentence for index in sorted(texts) for sentence in self._sentences(texts[index])]
        span = _joined(speech.span for speech in speeches)
        return replace(speeches[0], sentences=tuple(sentences), span=span)


def _joined(spans: Iterable[Span | None]) -> Span:
    """A span that begins with the first one and is as long as all of them together."""
    known = [span for span in spans if span is not None]
    return Span(known[0].start_seconds, known[0].start_seconds + sum(span.seconds for span in known))
