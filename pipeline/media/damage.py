"""Parts of a recording that cannot be decoded: where they are, and silence in their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import pcm
from pipeline.media.frame_sync import Loss
from pipeline.messages import Notice

GAP_SECONDS_MIN = 0.018
"""Shorter jumps of the time stamps are rounding. The shortest frame of a codec that can be lost is 20 ms long."""
ADJACENT_SECONDS = 0.005
"""Gaps that are closer are one."""
GAPS_LISTED = 5


@dataclass(frozen=True)
class Gap:
    """A part that could not be read. Seconds of the recording."""

    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class Frames:
    """What the decoded frames of a recording say."""

    gaps: list[Gap]
    channels: int
    layout: str
    """ffmpeg's name of the layout of the channels; empty if unknown."""
    seconds: float
    """Their length, with the gaps."""
    frame_seconds: float
    """Length of the longest one: the last one may be shorter."""


def read_frames(listed: Path, limit_seconds: float) -> Frames:
    """Read ffmpeg's list of decoded frames: the stream, two times, the duration, the size and a hash of each.

    Stops beyond `limit_seconds`: in a file whose times jump back and forth, gaps could add up to any length.
    """
    gaps, scale, filled, end = list[Gap](), 1.0, 0.0, None
    channels, layout, frame_seconds = 1, "", 0.0
    with listed.open() as lines:
        for line in lines:
            if line.startswith("#"):
                key, _, value = line.rstrip().partition(": ")
                scale = float(Fraction(value)) if key == "#tb 0" else scale
                layout = value if key == "#channel_layout_name 0" else layout
                continue
            ticks, duration, size_bytes = (int(part) for part in line.split(",")[2:5])
            if duration <= 0 or filled > limit_seconds:
                continue
            start, channels = ticks * scale, size_bytes // (duration * pcm.SAMPLE_BYTES)
            jump = 0.0 if end is None else start - end
            if jump > GAP_SECONDS_MIN:
                gaps.append(Gap(filled, jump))
                filled += jump
            elif gaps and -gaps[-1].seconds <= jump < -GAP_SECONDS_MIN:  # the first times after a gap may be too late
                gaps[-1] = replace(gaps[-1], seconds=gaps[-1].seconds + jump)
                filled += jump
            # Small jumps are kept as drift: those of some codecs go back and forth.
            end = (start if end is None or abs(jump) > GAP_SECONDS_MIN else end) + duration * scale
            frame_seconds = max(frame_seconds, duration * scale)
            filled += duration * scale
    return Frames([gap for gap in gaps if gap.seconds > GAP_SECONDS_MIN], channels, layout, filled, frame_seconds)


def with_losses(gaps: Sequence[Gap], losses: Collection[Loss]) -> list[Gap]:
    """The gaps between the frames of a file, and the losses that the decoder was not shown."""
    lost = [(Gap(loss.start_seconds, loss.seconds), loss.seconds) for loss in losses if loss.seconds]
    found, passed = list[Gap](), 0.0
    for gap, seconds in sorted([*((gap, 0.0) for gap in gaps), *lost], key=lambda one: one[0].start_seconds):
        start, last = gap.start_seconds + passed, found[-1] if found else None
        if last is not None and start - last.start_seconds - last.seconds < ADJACENT_SECONDS:
            found[-1] = replace(last, seconds=last.seconds + gap.seconds)
        else:
            found.append(Gap(start, gap.seconds))
        passed += seconds
    return found


def filled(samples: NDArray[np.int16], gaps: Sequence[Gap], rate_hz: int) -> NDArray[np.int16]:
    """The samples with silence in the gaps."""
    parts, position, passed = list[NDArray[np.int16]](), 0, 0.0
    for gap in gaps:
        start = max(position, min(len(samples), round((gap.start_seconds - passed) * rate_hz)))
        parts += [samples[position:start], np.zeros(round(gap.seconds * rate_hz), np.int16)]
        position, passed = start, passed + gap.seconds
    return np.concatenate([*parts, samples[position:]])


def others(skipped_bytes: int, missing_seconds: float | None) -> Iterator[str]:
    """What is wrong beside gaps. `skipped_bytes`: how many there are before the beginning; `missing_seconds`: how much
    is missing at the end, 0 if that is not known, None if nothing is."""
    if skipped_bytes:
        yield f"{skipped_bytes} bytes before its beginning were skipped"
    if missing_seconds is not None:
        yield "its end is missing" + (f": {missing_seconds:.2f} s" if missing_seconds else "")


def notices(gaps: Sequence[Gap], beside: Sequence[str]) -> Iterator[Notice]:
    """What to say of a damaged recording. `beside`: what is wrong with it beside gaps."""
    shown = ", ".join(f"{gap.start_seconds:.2f}-{gap.start_seconds + gap.seconds:.2f} s" for gap in gaps[:GAPS_LISTED])
    if len(gaps) > GAPS_LISTED:
        shown += f" and {len(gaps) - GAPS_LISTED} more"
    silent = [f"these parts are silent in the video: {shown}"] if gaps else []
    what = "; ".join([*silent, *beside] or ["parts may be missing or noisy"])
    yield Notice("damaged_audio", f"the recording is damaged; {what}", "use the original file if there is one")
