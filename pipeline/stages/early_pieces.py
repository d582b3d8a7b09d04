"""The first pieces of a stream: short, so that it begins at once, and longer and longer, so that none is late."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

CUTS_SECONDS = (0.6, 1.2, 2, 3, 4.2, 6, 8.5, 12, 17)
"""Where a stream is cut at its beginning. Two workers render the first second, while viewers wait; then each piece is
rendered while those before it are played. It has about two fifths of their length, so that it is in time even if each
worker is as slow as playback."""

STREAM_SECONDS = 4.0
"""Approximate length of the later pieces of a streamed recording."""

PIECE_SECONDS_MIN = 0.5
"""Minimum length of a piece of a stream: its end is encoded with the next one's audio (see `pipeline.media.aac`)."""

SLOW_SECONDS_MAX = 1.5
"""About the longest piece for workers that render more slowly than is played: a stream begins later by as much as its
longest piece takes longer than it lasts. Shorter pieces make it larger."""

PARTS_MAX = 4
"""How many such pieces are made of a longer one at most, so that their number is bounded before a text is spoken."""

BATCH_FRAMES = 8
"""Wav2Lip's batches on a CPU, counted from the first frame of a text: one that is cut in two is computed twice."""

FRAME_STEP = 5
"""Cuts are at multiples of 5 frames, where mel columns and video frames are in phase (at 25 and 50 fps)."""


def early_edges(start: int, stop: int, fps: int) -> list[tuple[int, int]]:
    """The frame ranges of the pieces of a stream's frames [start, stop), which are cut near its beginning only.

    The cuts do not wait for a pause: pieces join without a trace. One near the end comes earlier.
    """
    least = PIECE_SECONDS_MIN * fps
    latest = start + (stop - start - math.ceil(least)) // FRAME_STEP * FRAME_STEP
    edges = [start]
    for seconds in CUTS_SECONDS:
        wanted = _wanted(seconds, start, fps)
        cut = min(wanted, latest)
        if wanted < stop and edges[-1] + least <= cut:
            edges.append(cut)
    return list(pairwise([*edges, stop]))


def shortened(edges: Sequence[tuple[int, int]], fps: int) -> list[tuple[int, int]]:
    """The frame ranges for slow workers: each of those given is cut into as few as are short enough, about equal ones.

    The first one is where a text begins, or a recording.
    """
    found, first = list[tuple[int, int]](), edges[0][0]
    for start, stop in edges:
        count = min(PARTS_MAX, math.ceil((stop - start) / (SLOW_SECONDS_MAX * fps)))
        wanted = (start - first + (stop - start) * part / count for part in range(1, count))
        cuts = [first + round(frame / BATCH_FRAMES) * BATCH_FRAMES for frame in wanted]
        found += pairwise([start, *cuts, stop])
    return found


def short_edges(start: int, stop: int, fps: int) -> list[tuple[int, int]]:
    """The frame ranges of the pieces of an open stream's frames [start, stop): a second each, the last one half to one
    and a half, so that the next text follows soon and little is played after the avatar is told to stop."""
    step = round(fps / FRAME_STEP) * FRAME_STEP
    latest = stop - PIECE_SECONDS_MIN * fps
    edges = [start, *(cut for cut in range(start + step, stop, step) if cut <= latest), stop]
    return list(pairwise(edges))


def cuts_after(frame: int, fps: int) -> int:
    """How many cuts there are at most in a text that begins at a frame, and in those that follow it."""
    return sum(_wanted(seconds, frame, fps) - frame >= PIECE_SECONDS_MIN * fps for seconds in CUTS_SECONDS)


def _wanted(seconds: float, start: int, fps: int) -> int:
    """The frame for a cut, in a text that begins at frame `start`."""
    return start + round((seconds * fps - start) / FRAME_STEP) * FRAME_STEP
