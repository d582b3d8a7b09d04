"""The flow of long texts and scenes: rendering begins while the rest is spoken, and short jobs pass."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.scheduling.job_flow import CHARACTERS_PER_SECOND, JobFlow
from daemon.scheduling.text_pieces import TextPieces
from pipeline.config import Config
from pipeline.job import Job
from pipeline.messages import Item, Load, Speech, SplitItem
from pipeline.speech import sentences


def is_long(characters: int, speed: float, config: Config) -> bool:
    """Whether a text is spoken in several pieces: one of two chunks or more."""
    return characters >= 2 * _piece_characters(speed, config)


def _piece_characters(speed: float, config: Config) -> float:
    return CHARACTERS_PER_SECOND * speed * config.split.chunk_seconds


@dataclass
class LongText(TextPieces, JobFlow):
    """A text whose pieces, each of a few sentences, are the chunks of its video; or several scenes' texts.

    All pieces are spoken as soon as the voices are free: the scheduler lets more urgent jobs pass.
    """

    def _cut(self, part: Job) -> list[str]:
        """Each of them becomes one chunk; or more near the end, so that all workers end together."""
        assert part.text is not None
        return sentences.passages(part.text, self.language_of(part), _piece_characters(part.speed, self.config))

    @property
    def mode(self) -> str:
        """Sequential or parallel; auto is resolved by the expected length. That of recordings is not known."""
        if self.job.mode != "auto":
            return self.job.mode
        is_short = not self.recordings and self.expected_seconds < self.config.split.sequential_below_seconds
        return "sequential" if is_short else "parallel"

    @property
    def lanes_max(self) -> int | None:
        """One after the other if that is asked for."""
        return 1 if self.mode == "sequential" else super().lanes_max

    @property
    def expected_seconds(self) -> float:
        """Estimated from the text, since the whole length is known only at the end."""
        spoken = (part for part in self.parts if part.audio is None)
        return sum(len(part.text or "") / CHARACTERS_PER_SECOND / part.speed for part in spoken)

    def _first_items(self) -> list[Item]:
        certain = filter(self._may_begin, range(len(self.texts)))
        return [item for index in list(certain) for item in self._begin(index)]

    def _pause_seconds(self, index: int) -> float:
        return self.config.tts.pause_seconds if index + 1 < len(self.texts) else 0.0

    def _accept_speech(self, speech: Speech) -> list[Item]:
        if speech.index in self.speeches:
            return []
        last = self._last_of_scene(speech.index)
        was_certain = self._may_begin(last)
        self.speeches[speech.index] = speech
        is_certain = not was_certain and self._may_begin(last)
        is_next = speech.index == self.texts_split
        return [*(self._split_next() if is_next else []), *(self._begin(last) if is_certain else [])]

    def _split_item(self, speech: Speech) -> SplitItem:
        return replace(super()._split_item(speech), load=self._load(speech.index))

    def _load(self, index: int) -> Load:
        """What each worker has got before a text is cut. Only recordings are for more workers than there are texts."""
        workers = self.config.renderers
        frames = [0] * (workers if self.recordings else min(workers, len(self.texts)))
        for chunk in self.chunks.values():
            frames[chunk.lane] += chunk.stop_frame - chunk.start_frame
        last = self.chunks[len(self.chunks) - 1].lane if self.chunks else -1
        return Load(tuple(frames), last, self._share(index))

    def _share(self, index: int) -> float | None:
        """How much of the job is spoken with a text; the length of recordings is not known beforehand."""
        if self.recordings and index + 1 < len(self.texts):
            return None
        lengths = [len(text) / self.part(place).speed for place, text in enumerate(self.texts)]
        return sum(lengths[: index + 1]) / sum(lengths) if any(lengths) else 1.0

    def _last_of_scene(self, index: int) -> int:
        """Index of the last text of the scene that a text is of."""
        return next(place for place in range(index, len(self.texts)) if self.passages[place].ends_scene)

    @property
    def _is_cut(self) -> bool:
        return self.texts_split == len(self.texts)
