"""The flow of a streamed text, which is spoken, split, rendered and packed bit by bit, as early as possible."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from daemon.scheduling.pacing import Expected
from daemon.scheduling.stream_flow import StreamFlow
from daemon.scheduling.text_pieces import TextPieces
from pipeline.job import Job
from pipeline.messages import Chunk, Item, Segment, Speech, SplitItem
from pipeline.speech import sentences
from pipeline.stages.early_pieces import PARTS_MAX, cuts_after, early_edges, shortened

CLAUSE_PAUSE_SECONDS = 0.06
"""Pause after a text that ends within a sentence."""

PIECES_AHEAD = 1
"""How many pieces may be spoken beyond those that the workers render: enough to keep them busy."""

CAUTION = 1.15
"""How much longer a text may be than its characters suggest: a stream must not begin too early."""
SPEAKING_CAUTION = 1.5
"""How much longer speaking it may take: the first text was spoken while nothing was rendered."""


@dataclass
class TextStream(TextPieces, StreamFlow):
    """A stream of a text.

    The next texts are spoken while a piece is rendered, but only a few: viewers wait for the first pieces, and speech
    that is not needed yet would compete with them for the processors.
    """

    _asked: int = field(default=0, init=False)
    """How many texts were given to be spoken."""
    _cuts_short: bool = field(default=False, init=False)
    """Whether the text that is being split gets short pieces; the workers may have turned out to be fast since."""

    def _cut(self, part: Job) -> list[str]:
        """Most become one piece; those at the beginning are cut again."""
        assert part.text is not None
        return sentences.pieces(part.text, self.language_of(part))

    @property
    def count(self) -> int:
        """Number of pieces; at most, while it is not known."""
        if self.texts_split == len(self.texts):
            return len(self.chunks)
        whole = [chunk.stop_frame for chunk in self.chunks.values() if chunk.timeline.speech_index < self.texts_split]
        others = len(self.texts) - self.texts_split + cuts_after(max(whole, default=0), self.fps)
        return len(whole) + others * (PARTS_MAX if self._cuts_short or self.is_slow is not False else 1)

    @property
    def has_captions(self) -> bool:
        """Always: each piece is a part of the text."""
        return True

    def _expected(self) -> list[Expected]:
        """The pieces that have been cut, and those of the other texts: estimated from the first, by characters."""
        pieces, stop = super()._expected(), self.chunks[len(self.chunks) - 1].stop_frame
        spoken, timeline = self.speeches[0].span, self.chunks[0].timeline
        split = timeline.convert.seconds + timeline.split.seconds
        for index in range(self.texts_split, len(self.texts)):
            share = self._length(index) / self._length(0)
            start, stop = stop, stop + ceil(timeline.frames * share)
            edges = early_edges(start, stop, self.fps)
            edges = shortened(edges, self.fps) if self.is_slow else edges
            seconds = [CAUTION * (until - since) / self.fps for since, until in edges]
            ready = (SPEAKING_CAUTION * spoken.seconds * share if spoken else 0.0) + split
            pieces += [Expected(seconds[0], ready), *map(Expected, seconds[1:])]
        return pieces

    def _split_item(self, speech: Speech) -> SplitItem:
        self._cuts_short = bool(self.is_slow)
        return replace(super()._split_item(speech), is_slow=self._cuts_short)

    def _length(self, index: int) -> float:
        """Expected length of a text, in any unit."""
        return len(self.texts[index]) / self.part(index).speed

    def _first_items(self) -> list[Item]:
        return self._speak_next()

    def _speak_next(self) -> list[Item]:
        """The texts that may now be spoken: few at first, then gradually more.

        The last one waits until something has been spoken, or until only the last one can still contain speech.
        """
        enough = self.config.renderers + PIECES_AHEAD
        may_wait = min(len(self.segments) + 2, enough) if self.chunks else 1
        rendering = self._rendering
        items: list[Item] = []
        while self._may_ask() and rendering + self._asked - self.texts_split < may_wait:
            items += self._begin(self._asked)
            self._asked += 1
        return items

    @property
    def _rendering(self) -> int:
        """How many pieces are left to render; the short ones at the beginning count by their length."""
        left = [chunk for chunk in self.chunks.values() if chunk.index not in self.segments]
        return min(len(left), round(sum(chunk.stop_frame - chunk.start_frame for chunk in left) / self.fps))

    def _may_ask(self) -> bool:
        return self._asked < len(self.texts) and self._may_begin(self._asked)

    def _pause_seconds(self, index: int) -> float:
        ends = sentences.ends_sentence(self.texts[index])
        return self.config.tts.pause_seconds if ends else CLAUSE_PAUSE_SECONDS

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if speech.index in self.speeches:
            return []
        self.speeches[speech.index] = speech
        is_next = speech.index == self.texts_split
        return [*(self._split_next() if is_next else []), *self._speak_next()]

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        return [*super()._accept_chunk(chunk), *self._speak_next()]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        return [*super()._accept_segment(segment), *self._speak_next()]
