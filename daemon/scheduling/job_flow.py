"""The flow of a job that is rendered as a whole: speech, chunks, segments, video."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.scheduling.flow import Flow
from pipeline.messages import Item, Segment

CHARACTERS_PER_SECOND = 15
"""Typical speaking rate."""


@dataclass
class JobFlow(Flow):
    """A job whose video appears only when it is complete."""

    @property
    def count(self) -> int | None:
        """Number of chunks; None until the speech is cut."""
        return next((chunk.count for chunk in self.chunks.values()), None)

    @property
    def expected_seconds(self) -> float:
        """Length of the video: estimated from the text until the speech is known."""
        for chunk in self.chunks.values():
            return chunk.timeline.seconds
        return len(self.job.text or "") / CHARACTERS_PER_SECOND

    def _first_items(self) -> list[Item]:
        if self.recordings:
            return self._take_recording(self.folder)
        assert self.job.text is not None
        return [self._tts_item(self.job.text)]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        is_complete = len(self.segments) == self.chunks[segment.index].count
        return [self._merge_item()] if is_complete else []
