"""Rate control: how good each frame of a segment is, and where its keyframes are."""

from __future__ import annotations

import math

from pipeline.media.codecs import CODECS, H264, Codec, Options

MOVING_GOP_SECONDS = 2
STILL_GOP_SECONDS = 10
"""Longest distance of keyframes in a still picture, where each is seen as a pulse."""
STREAM_GOP_SECONDS = 3
"""The same in streams, whose fragments begin with keyframes: the target duration of the playlist."""

GAIN_MAX = 12
"""How much lower a keyframe's quantiser is than `crf`: less if keyframes are frequent, since each costs that much."""
OTHERS_STEPS = 2
"""How much higher the quantiser of the other frames is: what stands still keeps the keyframe's quality."""
APPROACH_FRAMES = 6
"""Frames before a keyframe that become as good as it is, step by step."""

ZONED = {"h264": ("x264-params", "mbtree"), "h265": ("x265-params", "cutree")}
"""Codecs whose encoders take the quantiser of each frame: ffmpeg's option, and what weighs frames otherwise."""

X265 = "bframes=0:scenecut=0:open-gop=0:aq-mode=2:aq-strength=1:info=0:log-level=error"
SVT_AV1 = "scd=0:irefresh-type=2"
"""No keyframes but the planned ones, closed GOPs, and the same parameter sets for still and moving pictures."""


def moving(fps: int, crf: int, codec: Codec = CODECS[H264]) -> Options:
    """For a video: keyframes at a fixed distance, everything else as the encoder sees fit. `crf`: x264's."""
    gop = fps * MOVING_GOP_SECONDS
    return _joinable(codec, gop, codec.moving.of(crf))


def still(frames: int, fps: int, crf: int, *, gop_seconds: int, followed: bool, codec: Codec = CODECS[H264]) -> Options:
    """For a picture that hardly changes: the frames around each keyframe are so good that none is seen to begin anew.

    A keyframe and the frame before it are quantised independently, so the picture jumps by the sum of their errors.
    Encoders of AV1 and VP9 cannot be told how good a frame is to be. `crf`: x264's. `gop_seconds`: longest distance of
    keyframes. `followed`: whether another segment begins where this one ends.
    """
    crf = codec.still.of(crf)
    gop = max(2, math.ceil(frames / math.ceil(frames / (fps * gop_seconds))))  # 1 changes the parameter sets
    options = _joinable(codec, gop, crf)
    if codec.name not in ZONED:
        return options
    gain = min(GAIN_MAX, round(codec.keyframe_gain * gop / fps))
    zones = []
    for start in range(0, frames, gop):
        stop = min(start + gop, frames)
        approach = min(APPROACH_FRAMES, stop - start - 1) if followed or stop < frames else 0
        if start + 1 < stop - approach:
            zones.append(_zone(start + 1, stop - approach - 1, crf + OTHERS_STEPS))
        for step in range(1, approach + 1):
            frame, down = stop - approach + step - 1, (gain + OTHERS_STEPS) * step / approach
            zones.append(_zone(frame, frame, crf + OTHERS_STEPS - round(down)))
    key, tree = ZONED[codec.name]
    parameters = [f"{tree}=0", "qpstep=51", f"ipratio={2 ** (gain / 6):.3f}"]  # qpstep: it must not soften the steps
    if zones:
        parameters.append("zones=" + "/".join(zones))
    given = [str(options[key])] if key in options else []
    return options | {key: ":".join([*given, *parameters])}


def _joinable(codec: Codec, gop: int, crf: int) -> Options:
    """Keyframes at a fixed distance; `crf`: the encoder's own."""
    options: Options = {"crf": crf, "g": gop}
    match codec.name:
        case "h265":
            return options | {"keyint_min": gop, "x265-params": X265}
        case "av1":
            return options | {"svtav1-params": SVT_AV1}
        case _:
            return options | {"keyint_min": gop}


def _zone(first: int, last: int, quantiser: int) -> str:
    return f"{first},{last},q={min(max(quantiser, 1), 51)}"
