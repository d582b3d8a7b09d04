"""The flow of a job that is rendered as a whole: speech, chunks, segments, video."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.scheduling.flow import Flow
from daemon.scheduling.open_records import Record
from pipeline.messages import Chunk, Item, Segment, SoundItem

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

    @property
    def _is_cut(self) -> bool:
        """Whether all its chunks are known."""
        return self._is_split

    def _accept(self, result: Record) -> list[Item]:
        items = super()._accept(result)
        return [*items, *self._encode_sound()] if items and isinstance(result, Chunk) else items

    def _encode_sound(self) -> list[Item]:
        """Encode the sound while the picture is rendered, unless clips are joined to it."""
        if not self._is_cut or self.clips:
            return []
        return [SoundItem(self.name, self.folder, tuple(self.chunks[index] for index in sorted(self.chunks)))]

    def _accept_segment(self, segment: Segment) -> list[Item]:
        return self._merge()

    def _accept_sound(self) -> list[Item]:
        return self._merge()

    def _merge(self) -> list[Item]:
        """Merge once there are all segments, and the sound."""
        is_complete = self._is_cut and len(self.segments) == self.count
        return [self._merge_item()] if is_complete and (self.sound is not None or self.clips) else []
