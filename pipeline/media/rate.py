"""Rate control: how good each frame of a segment is, and where its keyframes are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from pipeline.media.codecs import CODECS, H264, Codec, Options

MOVING_GOP_SECONDS = 2
STILL_GOP_SECONDS = 10
"""Longest distance of keyframes in a still picture, where each is seen as a pulse."""
STREAM_GOP_SECONDS = 3
"""The same in streams, whose fragments begin with keyframes: the target duration of the playlist."""
STREAM_USUAL_SECONDS = 1.75
"""About how far apart they are there: the first pieces are shorter, and later ones have one every two seconds."""

GAIN_MAX = 12
"""How much lower a keyframe's quantiser is than `crf`: less if keyframes are frequent, since each costs that much."""
OTHERS_STEPS = 2
"""How much higher the quantiser of the other frames is: what stands still keeps the keyframe's quality."""
APPROACH_FRAMES = 6
"""Frames before a keyframe that become as good as it is, step by step."""
MEAN_DECAY = 0.95
"""How much less each earlier frame counts in the encoder's mean of quantisers."""
FRACTION_MAX = 0.99
"""How much `crf` may be raised: the parameter sets have its whole part, and must be the same in all segments."""

ZONED = {"h264": ("x264-params", "mbtree"), "h265": ("x265-params", "cutree")}
"""Codecs whose encoders take the quantiser of each frame: ffmpeg's option, and what weighs frames otherwise."""

X265 = "bframes=0:scenecut=0:open-gop=0:aq-mode=2:aq-strength=1:info=0:log-level=error"
FAST, SMALL_MOVEMENTS = "veryfast", ("me=dia", "subme=1")
"""Of this preset of x264, still pictures have the search of the next faster one: they move by fractions of a pixel, so
that it takes 0.8 times as long and finds nearly the same (0.1 dB)."""
SVT_AV1 = "scd=0:irefresh-type=2"
"""No keyframes but the planned ones, closed GOPs, and the same parameter sets for still and moving pictures."""


def moving(fps: int, crf: int, codec: Codec = CODECS[H264]) -> Options:
    """For a video: keyframes at a fixed distance, everything else as the encoder sees fit. `crf`: x264's."""
    gop = fps * MOVING_GOP_SECONDS
    return _joinable(codec, gop, codec.moving.of(crf))


def still(
    frames: int,
    fps: int,
    crf: int,
    preset: str,
    *,
    gop_seconds: int,
    followed: bool,
    usual_seconds: float | None = None,
    codec: Codec = CODECS[H264],
) -> Options:
    """For a picture that hardly changes: the frames around each keyframe are so good that none is seen to begin anew.

    A keyframe and the frame before it are quantised independently, so the picture jumps by the sum of their errors; but
    what has not moved since the last keyframe has the same error if both have the same quantiser. Encoders of AV1 and
    VP9 cannot be told how good a frame is to be. `crf`, `preset`: x264's. `gop_seconds`: longest distance of keyframes.
    `followed`: whether another segment begins where this one ends. `usual_seconds`: how far apart the keyframes are in
    the segments that this one is joined with; None: as far as in this one.
    """
    crf = codec.still.of(crf)
    gop = still_gop(frames, fps, gop_seconds)
    options = _joinable(codec, gop, crf)
    if codec.name not in ZONED:
        return options
    gain = min(GAIN_MAX, codec.keyframe_gain * (gop / fps if usual_seconds is None else usual_seconds))
    others, base, zones = crf + OTHERS_STEPS, float(crf), list[str]()
    for start in range(0, frames, gop):
        stop = min(start + gop, frames)
        quantisers = [others] * (stop - start - 1)
        if followed or stop < frames:
            quantisers = _approaching(quantisers, crf - gain, crf)
        if stop < frames:
            base = min(max(_mean(quantisers), crf), crf + FRACTION_MAX)
        zones += [_zone(start + 1 + first, start + last, quantisers[first]) for first, last in _runs(quantisers)]
    key, tree = ZONED[codec.name]
    ratio = 2 ** ((base - crf + gain) / 6)
    parameters = [f"{tree}=0", "qpstep=51", f"ipratio={ratio:.4f}"]  # qpstep: it must not soften the steps
    if codec.name == H264 and preset == FAST:
        parameters += SMALL_MOVEMENTS
    if zones:
        parameters.append("zones=" + "/".join(zones))
    given = [str(options[key])] if key in options else []
    return options | {"crf": f"{base:.3f}", key: ":".join([*given, *parameters])}


def still_gop(frames: int, fps: int, gop_seconds: int) -> int:
    """How many frames apart the keyframes of a still picture are. One would change the parameter sets."""
    return max(2, math.ceil(frames / math.ceil(frames / (fps * gop_seconds))))


def _approaching(quantisers: list[int], keyframe: float, mean_min: float) -> list[int]:
    """The quantisers of the frames before a keyframe, of which the last ones approach its quantiser.

    As many as possible do, at most `APPROACH_FRAMES`, while the encoder's mean (see `_mean`) is at least `mean_min`.
    """
    approached = quantisers
    for count in range(1, min(APPROACH_FRAMES, len(quantisers)) + 1):
        steps = [round(quantisers[0] + (keyframe - quantisers[0]) * step / count) for step in range(1, count + 1)]
        longer = quantisers[:-count] + steps
        if count > 1 and _mean(longer) < mean_min:
            break
        approached = longer
    return approached


def _mean(quantisers: Sequence[int]) -> float:
    """The encoder's running mean of the quantisers before a keyframe, which it subtracts the keyframe's gain from.

    It subtracts that of a segment's first keyframe from `crf`, so both have to be equal.
    """
    weights = [math.pow(MEAN_DECAY, age) for age in reversed(range(len(quantisers)))]
    return sum(quantiser * weight for quantiser, weight in zip(quantisers, weights, strict=True)) / sum(weights)


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The [start, stop) of each run of equal values."""
    start = 0
    for _, run in groupby(values):
        stop = start + len(list(run))
        yield start, stop
        start = stop


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
