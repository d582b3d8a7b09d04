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
    def has_captions(self) -> bool:
        """Whether it is known what is said when."""
        return self.speech is not None and bool(self.speech.sentences)

    def sentences(self, index: int) -> Sequence[Sentence]:
        """All sentences of the recording: its pieces begin and end within them."""
        return self.speech.sentences if self.speech else ()

    def _first_items(self) -> list[Item]:
        return self._take_recording(self.folder)
