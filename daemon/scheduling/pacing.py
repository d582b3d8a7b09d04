"""When a stream may start playing: as early as possible, but late enough that no piece arrives after it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush, heappushpop

from pipeline.messages import Span

NOTICE_SECONDS = 0.5
"""How long a player may take to notice a new piece, fetch it and continue."""


@dataclass(frozen=True)
class Expected:
    """A piece of a stream."""

    seconds: float
    """Its length, measured or expected."""
    speaking_seconds: float = 0.0
    """Expected time for speaking and splitting the text that begins with it; 0 if that is done, or part of the text
    before."""
    rendered_seconds: float | None = None
    """When it was rendered; None: not yet."""


@dataclass(frozen=True)
class Measured:
    """Measurements of a stream, taken once its first piece is packed and its second is cut. Times are monotonic."""

    pieces: tuple[Expected, ...]
    second_cut_at_seconds: float
    """When the second piece was ready to be rendered; unused if there is only one."""
    rendering: Span
    """When the first piece was rendered."""
    packing: Span
    """When the first piece was packed."""
    sound_seconds: float
    """Where the first piece's sound ends within the job."""
    workers: int
    """How many lip-sync workers the job may use at once."""


def earliest_starts(measured: Measured) -> list[float]:
    """For each piece, the earliest start of playback with which it is ready in time, in monotonic seconds.

    Assumes that every piece is spoken and rendered as fast as the first. Deliberately cautious: a second piece that is
    not rendered yet is expected to wait for the worker that renders the first; later ones go to any free worker.
    """
    first, *others = measured.pieces
    rate = measured.rendering.seconds / first.seconds
    free = [measured.second_cut_at_seconds] * (measured.workers - 1)
    starts, heard = [measured.packing.end_seconds], measured.sound_seconds - NOTICE_SECONDS
    spoken = measured.second_cut_at_seconds
    # Those that are cut share the processors with the speaking of others, which takes that from all workers.
    late = max((piece.speaking_seconds for piece in others), default=0.0) / measured.workers
    for index, piece in enumerate(others, 1):
        if piece.speaking_seconds:  # it is not spoken before the first piece is rendered
            spoken = max(spoken, measured.rendering.end_seconds) + piece.speaking_seconds
            late = 0.0
        if index == 1 and piece.rendered_seconds is None:
            worker_free = measured.rendering.end_seconds
        elif index == 1:
            worker_free = heappushpop(free, measured.rendering.end_seconds)
        else:
            worker_free = heappop(free)
        rendered = piece.rendered_seconds or max(worker_free, spoken) + rate * piece.seconds
        heappush(free, rendered)
        margin = measured.packing.seconds + (late if piece.rendered_seconds is None else 0.0)
        starts.append(rendered + margin - heard)
        heard += piece.seconds
    return starts
