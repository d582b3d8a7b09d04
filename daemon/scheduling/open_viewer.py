"""Whoever watches an open stream from its beginning: how long before they see it a piece is rendered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.messages import Chunk


@dataclass
class Viewer:
    """A player that began with the first piece, and stops when nothing more is there."""

    fps: int
    _now: float = field(default=0.0, init=False)
    """Monotonic; of the latest call of `follow`."""
    _began_seconds: float | None = field(default=None, init=False)
    """When a player that has waited for nothing would have begun; monotonic. None: nothing can be played yet."""
    _needed: dict[int, float] = field(default_factory=dict, init=False)
    """When it needed each of the latest pieces; monotonic."""

    def follow(self, now: float, packed_frames: int, coming: Iterable[Chunk], lead_seconds: float) -> None:
        """Follow it: `packed_frames` can be played, the pieces that are `coming` cannot.

        A stream that was there before is played from `lead_seconds` before its end.
        """
        self._now = now
        if not packed_frames:
            return
        end_seconds = packed_frames / self.fps
        if self._began_seconds is None:
            self._began_seconds = now - max(0.0, end_seconds - lead_seconds)
        for chunk in coming:
            self._needed.setdefault(chunk.index, self._began_seconds + chunk.start_frame / self.fps)
        self._began_seconds = max(self._began_seconds, now - end_seconds)

    @property
    def played_seconds(self) -> float:
        """How much it has played."""
        return 0.0 if self._began_seconds is None else self._now - self._began_seconds

    def ahead_seconds(self, frame: int) -> float:
        """How long after now it plays a frame."""
        return frame / self.fps - self.played_seconds

    def needed_seconds(self, index: int) -> float | None:
        """When it needed a piece, in monotonic seconds; None if that is not known or forgotten."""
        return self._needed.get(index)

    def forget(self, index: int) -> None:
        """Forget when it needed a piece."""
        self._needed.pop(index, None)
