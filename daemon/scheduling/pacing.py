"""When a stream may start playing: as early as possible, but late enough that no piece arrives after it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

from pipeline.messages import Span

NOTICE_SECONDS = 0.5
"""How long a player may take to notice a new piece, fetch it and continue."""


@dataclass(frozen=True)
class Measured:
    """Measurements of a stream, taken once its first piece is packed and its second is cut. Times are monotonic."""

    lengths_seconds: tuple[float, ...]
    """Length of every piece, measured or expected."""
    speaking_seconds: float
    """Synthesis time of the first piece; 0 for a recording."""
    rendering: Span
    """When the first piece was rendered."""
    packing: Span
    """When the first piece was packed."""
    sound_seconds: float
    """Where the first piece's sound ends within the job."""
    second_cut_at_seconds: float
    """When the second piece was ready to be rendered; unused if there is only one."""
    workers: int
    """How many lip-sync workers the job may use at once."""


def earliest_starts(measured: Measured) -> list[float]:
    """For each piece, the earliest start of playback with which it is ready in time, in monotonic seconds.

    Assumes that every piece is spoken and rendered as fast as the first. Deliberately cautious: the second piece is
    expected to wait for the worker that renders the first; later ones go to any free worker.
    """
    first, *others = measured.lengths_seconds
    render, speak = measured.rendering.seconds / first, measured.speaking_seconds / first
    free = [measured.second_cut_at_seconds] * (measured.workers - 1)
    starts, heard = [measured.packing.end_seconds], measured.sound_seconds - NOTICE_SECONDS
    spoken = measured.second_cut_at_seconds
    for index, length in enumerate(others, 1):
        if index > 1:  # the third piece is not spoken before the first is rendered
            spoken = max(spoken, measured.rendering.end_seconds) + speak * length
        worker_free = heappop(free) if index > 1 else measured.rendering.end_seconds
        rendered = max(worker_free, spoken) + render * length
        heappush(free, rendered)
        starts.append(rendered + measured.packing.seconds - heard)
        heard += length
    return starts
