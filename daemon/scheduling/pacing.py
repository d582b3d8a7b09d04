"""When a stream may start playing: as early as possible, but late enough that no piece arrives after it is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush, heappushpop

from pipeline.messages import Span

NOTICE_SECONDS = 0.5
"""How long a player may take to notice a new piece, fetch it and continue."""
STARTING_SHARE = 0.5
"""About how much of the time that a short piece takes besides inference goes into starting ffmpeg."""


@dataclass(frozen=True)
class Expected:
    """A piece of a stream."""

    seconds: float
    """Its length, measured or expected."""
    speaking_seconds: float = 0.0
    """Expected time for speaking and splitting the text that begins with it; 0 if that is done, or part of the text
    before."""
    cut_at_seconds: float = 0.0
    """When it was ready to be rendered; 0 if it is not yet."""
    rendering: Span | None = None
    """When it was rendered; None: not yet."""
    inference_seconds: float = 0.0
    """How much of that was spent on computing its frames."""


@dataclass(frozen=True)
class Measured:
    """Measurements of a stream whose first piece is packed and whose second is cut. Times are monotonic."""

    at_seconds: float
    """When the latest of them was taken."""
    pieces: tuple[Expected, ...]
    """The first one is rendered."""
    packing: Span
    """When the first piece was packed."""
    sound_seconds: float
    """Where the first piece's sound ends within the job."""
    workers: int
    """How many lip-sync workers the job may use at once."""
    caution: float = 0.0
    """How much longer a single piece may take for its length than those that are rendered, as a share of that."""


def earliest_starts(measured: Measured) -> list[float]:
    """For each piece, the earliest start of playback with which it is ready in time, in monotonic seconds.

    Assumes that every piece is spoken as fast as the first, and rendered as fast as those that are. Deliberately
    cautious: a second piece that is not rendered yet is expected to wait for the worker that renders the first; later
    ones go to any free worker.
    """
    first, *others = measured.pieces
    assert first.rendering is not None
    first_rendered, (starting, rate) = first.rendering.end_seconds, _cost(measured.pieces)
    spoken = max(piece.cut_at_seconds for piece in measured.pieces[:2])
    free = [spoken] * (measured.workers - 1)
    starts, heard = [measured.packing.end_seconds], measured.sound_seconds - NOTICE_SECONDS
    # Those that are cut share the processors with the speaking of others, which takes that from all workers.
    late = max((piece.speaking_seconds for piece in others), default=0.0) / measured.workers
    for index, piece in enumerate(others, 1):
        if piece.speaking_seconds:  # it is not spoken before the first piece is rendered
            spoken = max(measured.at_seconds, max(spoken, first_rendered) + piece.speaking_seconds)
            late = 0.0
        spoken = max(spoken, piece.cut_at_seconds)
        if index == 1 and piece.rendering is None:
            worker_free = first_rendered
        elif index == 1:
            worker_free = heappushpop(free, first_rendered)
        else:
            worker_free = heappop(free)
        if piece.rendering is None:
            rendered = max(measured.at_seconds, max(worker_free, spoken) + starting + rate * piece.seconds)
        else:
            rendered = piece.rendering.end_seconds
        heappush(free, rendered)
        margin = measured.packing.seconds + (0.0 if piece.rendering else late + measured.caution * rate * piece.seconds)
        starts.append(rendered + margin - heard)
        heard += piece.seconds
    return starts


def _cost(pieces: Iterable[Expected]) -> tuple[float, float]:
    """What rendering a piece takes: seconds to start its encoder, and seconds for each second of its length."""
    rendered = [(piece, piece.rendering.seconds) for piece in pieces if piece.rendering is not None]
    total = sum(seconds for _, seconds in rendered)
    starting = STARTING_SHARE * sum(seconds - piece.inference_seconds for piece, seconds in rendered)
    return starting / len(rendered), (total - starting) / sum(piece.seconds for piece, _ in rendered)
