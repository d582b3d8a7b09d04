"""The flow of a streamed recording: converted and split as a whole, then played chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from daemon.scheduling.stream_flow import StreamFlow
from pipeline.messages import Item, Sentence, Speech, SplitItem


@dataclass
class RecordingStream(StreamFlow):
    """A stream of a recording. Its pieces are the chunks that it is split into."""

    rate: float | None = field(default=None, init=False)
    """What a worker is expected to take for a second of it, in seconds, judging by earlier streams; None if unknown."""

    @property
    def count(self) -> int | None:
        """Number of pieces; None until the recording has been split."""
        return next((chunk.count for chunk in self.chunks.values()), None)

    @property
    def has_captions(self) -> bool:
        """Whether it is known what is said when."""
        return self.speech is not None and bool(self.speech.sentences)

    def sentences(self, index: int) -> Sequence[Sentence]:
        """All sentences of the recording: its pieces begin and end within them."""
        return self.speech.sentences if self.speech else ()

    def _split_item(self, speech: Speech) -> SplitItem:
        return replace(super()._split_item(speech), is_slow=self.rate is not None and self._is_slow_at(self.rate))

    def _first_items(self) -> list[Item]:
        return self._take_recording(self.folder)
