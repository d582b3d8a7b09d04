"""x264's rate control: how good each frame of a segment is, and where its keyframes are."""

from __future__ import annotations

import math

MOVING_GOP_SECONDS = 2
STILL_GOP_SECONDS = 10
"""Longest distance of keyframes in a still picture, where each is seen as a pulse."""
STREAM_GOP_SECONDS = 3
"""The same in streams, whose fragments begin with keyframes: the target duration of the playlist."""

GAIN_MAX, GAIN_PER_SECOND = 12, 2
"""How much lower a keyframe's quantiser is than `crf`: less if keyframes are frequent, since each costs that much."""
OTHERS_STEPS = 2
"""How much higher the quantiser of the other frames is: what stands still keeps the keyframe's quality."""
APPROACH_FRAMES = 6
"""Frames before a keyframe that become as good as it is, step by step."""

Options = dict[str, int | str]
"""Options of ffmpeg's libx264."""


def moving(fps: int, crf: int) -> Options:
    """For a video: keyframes at a fixed distance, everything else as x264 sees fit."""
    gop = fps * MOVING_GOP_SECONDS
    return {"crf": crf, "g": gop, "keyint_min": gop}


def still(frames: int, fps: int, crf: int, *, gop_seconds: int, followed: bool) -> Options:
    """For a picture that hardly changes: the frames around each keyframe are so good that none is seen to begin anew.

    A keyframe and the frame before it are quantised independently, so the picture jumps by the sum of their errors.
    `gop_seconds`: longest distance of keyframes. `followed`: whether another segment begins where this one ends.
    """
    gop = max(2, math.ceil(frames / math.ceil(frames / (fps * gop_seconds))))  # 1 changes the parameter sets
    gain = min(GAIN_MAX, round(GAIN_PER_SECOND * gop / fps))
    zones = []
    for start in range(0, frames, gop):
        stop = min(start + gop, frames)
        approach = min(APPROACH_FRAMES, stop - start - 1) if followed or stop < frames else 0
        if start + 1 < stop - approach:
            zones.append(_zone(start + 1, stop - approach - 1, crf + OTHERS_STEPS))
        for step in range(1, approach + 1):
            frame, down = stop - approach + step - 1, (gain + OTHERS_STEPS) * step / approach
            zones.append(_zone(frame, frame, crf + OTHERS_STEPS - round(down)))
    parameters = ["mbtree=0", "qpstep=51", f"ipratio={2 ** (gain / 6):.3f}"]  # qpstep: x264 must not soften the steps
    if zones:
        parameters.append("zones=" + "/".join(zones))
    return {"crf": crf, "g": gop, "keyint_min": gop, "x264-params": ":".join(parameters)}


def _zone(first: int, last: int, quantiser: int) -> str:
    return f"{first},{last},q={min(max(quantiser, 1), 51)}"
