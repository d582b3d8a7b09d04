"""What is shown in the frames of a video in which the face is not seen, and how such spans begin and end."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.media.runs import runs

Flags = NDArray[np.bool_]
"""[frames]"""
Policy = Literal["hold", "interpolate", "passthrough", "fail"]


class Showing(NamedTuple):
    """How each of a video's frames is shown: the fields of `Clip` with these names."""

    order: NDArray[np.intp]
    opacity: NDArray[np.float32]
    fade_from: NDArray[np.intp]
    fade: NDArray[np.float32]


def shown(policy: Policy, seen: Flags, covered: Flags, cuts: Flags, fade_frames: int) -> Showing:
    """How to show the frames of a video in which the face is `seen`, or its mouth `covered`.

    No mouth is drawn over what covers one, whatever the policy. `cuts`: whether a frame begins a new shot; transitions
    take `fade_frames`, and end at a cut.
    """
    own = np.arange(len(seen))
    order = _held(seen) if policy == "hold" else own
    plain = {"interpolate": covered, "passthrough": ~seen}.get(policy, np.zeros(len(seen), bool))
    opacity = _opacity(plain, cuts, fade_frames)
    fade_from, fade = own.copy(), np.zeros(len(seen), np.float32)
    if policy == "hold":
        for _, stop in runs(~seen):
            end = min([stop + fade_frames, *(stop + np.flatnonzero(cuts[stop : stop + fade_frames]))])
            before = order[stop - 1]
            if before < stop and not cuts[before + 1 : stop].any():
                fade[stop:end] = 1 - np.arange(1, fade_frames + 1)[: len(fade[stop:end])] / (fade_frames + 1)
                fade_from[stop:end] = before
    return Showing(order, opacity, fade_from, fade)


def _opacity(plain: Flags, cuts: Flags, fade_frames: int) -> NDArray[np.float32]:
    """Opacity of the mouth: 0 in `plain` frames, growing with the distance from them within a shot."""
    opacity = np.where(plain, 0, 1).astype(np.float32)
    shots = np.cumsum(cuts)
    for start, stop in runs(plain):
        for step in range(1, fade_frames + 1):
            for frame, edge in ((start - step, start), (stop - 1 + step, stop - 1)):
                if 0 <= frame < len(plain) and shots[frame] == shots[edge]:
                    opacity[frame] = min(opacity[frame], step / (fade_frames + 1))
    return opacity


def _held(seen: Flags) -> NDArray[np.intp]:
    """For each frame, the index of the last frame with a face so far, or else of the first one with a face."""
    last = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
    return np.where(last < 0, int(seen.argmax()), last).astype(np.intp)
