"""The flow of a long text: rendering begins while the rest is spoken, and short jobs are spoken in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from daemon.scheduling.job_flow import CHARACTERS_PER_SECOND, JobFlow
from daemon.scheduling.text_pieces import TextPieces
from pipeline.config import Config
from pipeline.messages import Item, Segment, Speech
from pipeline.speech import sentences


def is_long(characters: int, speed: float, config: Config) -> bool:
    """Whether a text is spoken in several pieces: one of two chunks or more."""
    return characters >= 2 * _piece_characters(speed, config)


def _piece_characters(speed: float, config: Config) -> float:
    return CHARACTERS_PER_SECOND * speed * config.split.chunk_seconds


@dataclass
class LongText(TextPieces, JobFlow):
    """A text whose pieces, each of a few sentences, are the chunks of its video.

    All pieces are spoken as soon as the voices are free: the scheduler lets more urgent jobs pass.
    """

    @cached_property
    def texts(self) -> list[str]:
        """Each of them becomes one chunk."""
        assert self.job.text is not None
        return sentences.passages(self.job.text, self.language, _piece_characters(self.job.speed, self.config))

    @property
    def mode(self) -> str:
        """Sequential or parallel; auto is resolved by the expected length."""
        if self.job.mode != "auto":
            return self.job.mode
        is_short = self.expected_seconds < self.config.split.sequential_below_seconds
        return "sequential" if is_short else "parallel"

    @property
    def lanes_max(self) -> int | None:
        """One after the other if that is asked for."""
        return 1 if self.mode == "sequential" else super().lanes_max

    @property
    def expected_seconds(self) -> float:
        """Estimated from the text, since the whole length is known only at the end."""
        return len(self.job.text or "") / CHARACTERS_PER_SECOND / self.job.speed

    def _first_items(self) -> list[Item]:
        certain = len(self.texts) - (not self.last_is_known)
        return [self._speak(index) for index in range(certain)]

    def _pause_seconds(self, index: int) -> float:
        return self.config.tts.pause_seconds if index + 1 < len(self.texts) else 0.0

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if speech.index in self.speeches:
            return []
        last_was_known = self.last_is_known
        self.speeches[speech.index] = speech
        last = [self._speak(len(self.texts) - 1)] if self.last_is_known and not last_was_known else []
        is_next = speech.index == self.texts_split
        return [*(self._split_next() if is_next else []), *last]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        return [self._merge_item()] if len(self.segments) == self.count else []
