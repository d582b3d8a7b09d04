"""The flow of a streamed recording: converted and split as a whole, then played chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.scheduling.stream_flow import StreamFlow
from pipeline.messages import Item, Sentence


@dataclass
class RecordingStream(StreamFlow):
    """A stream of a recording. Its pieces are the chunks that it is split into."""

    @property
    def count(self) -> int | None:
        """Number of pieces; None until the recording has been split."""
        return next((chunk.count for chunk in self.chunks.values()), None)

    @property
    def texts(self) -> Sequence[str]:
        """Empty: a recording's text is unknown."""
        return ()

    def sentences(self, index: int) -> list[Sentence]:
        """Empty: a recording's sentences are unknown."""
        return []

    def _first_items(self) -> list[Item]:
        return self._accept(self._recorded())
