"""The flow of a streamed text: each piece is spoken, split, rendered and packed on its own, as early as possible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from daemon.scheduling.stream_flow import StreamFlow
from daemon.scheduling.text_pieces import TextPieces
from pipeline.messages import Item, Segment, Speech
from pipeline.speech import sentences

CLAUSE_PAUSE_SECONDS = 0.06
"""Pause after a piece that ends within a sentence."""

PIECES_AHEAD = 4
"""How many pieces may be spoken before they are rendered: enough to keep two workers busy."""


@dataclass
class TextStream(TextPieces, StreamFlow):
    """A stream of a text.

    The next pieces are spoken while one is rendered, but only a few: viewers wait for the first pieces, and speech that
    is not needed yet would compete with them for the processors.
    """

    @cached_property
    def texts(self) -> list[str]:
        """Text of each piece."""
        assert self.job.text is not None
        return sentences.pieces(self.job.text, self.language)

    @property
    def has_captions(self) -> bool:
        """Always: each piece is a part of the text."""
        return True

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
        known = self.count if self.last_is_known else self.count - 1
        return min(known, 2 * (rendered + 1), rendered + PIECES_AHEAD)

    def _speak_next(self, first: int) -> list[Item]:
        """TTS items for the pieces from `first` on that may now be spoken."""
        speakable = range(first, self._speakable(len(self.segments)))
        return [self._speak(index) for index in speakable if index not in self.speeches]

    def _pause_seconds(self, index: int) -> float:
        ends = sentences.ends_sentence(self.texts[index])
        return self.config.tts.pause_seconds if ends else CLAUSE_PAUSE_SECONDS

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if speech.index in self.speeches:
            return []
        speakable = self._speakable(len(self.segments))
        self.speeches[speech.index] = speech
        return [*self._split_piece(speech.index), *self._speak_next(speakable)]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        speakable = self._speakable(len(self.segments) - 1)
        return [*super()._accept_segment(segment), *self._speak_next(speakable)]
