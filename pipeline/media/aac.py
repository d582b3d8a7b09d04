"""AAC in parts that join into one continuous stream.

A frame is decoded to 1,024 samples, but made from twice as many, and from what the encoder knows of those around. So
each part is encoded with some of the sound before it, whose frames are dropped, and it ends a few frames before the
known sound does. Its frames then fit those of the parts beside it as if the whole sound had been encoded at once: all
lie on one grid, nothing is added where parts join, and nothing is lost there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg, pcm

QUALITY = 2
"""About 160 kbit/s. With a bit rate instead, what a frame may cost depends on all frames before it: the first ones of
each part would be poor."""
FRAME_SAMPLES = 1024
BEFORE_FRAMES = 8
"""Encoded before a part, for the encoder to settle."""
AHEAD_FRAMES = 4
"""Of the known sound, held back for the part that follows: a frame needs two, choosing its windows looks further."""
ADTS_HEADER_BYTES = 7
TIMEOUT_SECONDS = 120


def part_end(samples: int, *, is_last: bool) -> int:
    """Up to which sample, a multiple of 1,024, a part's frames go whose sound is known up to `samples`."""
    if is_last:
        return -(-samples // FRAME_SAMPLES) * FRAME_SAMPLES
    return max(0, samples // FRAME_SAMPLES - AHEAD_FRAMES) * FRAME_SAMPLES


def encode_part(samples: NDArray[np.int16], first: int, start: int, stop: int, scratch: Path) -> list[bytes]:
    """The raw AAC-LC frames of [start, stop) of a sound, mono at 48 kHz.

    `samples` of it are known, from sample `first` on; `first`, `start` and `stop` are multiples of 1,024. The file
    `scratch` is used meanwhile. Raises StageError.
    """
    begin = max(first, start - BEFORE_FRAMES * FRAME_SAMPLES)
    frames = _encoded(samples[begin - first :], scratch)
    # What the encoder puts first lies before the sound.
    wanted = frames[(start - begin) // FRAME_SAMPLES + 1 : (stop - begin) // FRAME_SAMPLES + 1]
    if len(wanted) * FRAME_SAMPLES != stop - start:
        raise StageError("encoder", f"the sound has {len(wanted)} frames, not {(stop - start) // FRAME_SAMPLES}")
    return wanted


def _encoded(samples: NDArray[np.int16], scratch: Path) -> list[bytes]:
    sound, coded = scratch.with_suffix(".wav"), scratch.with_suffix(".aac")
    pcm.write_wav(sound, samples, pcm.TRACK_RATE_HZ)
    source = ffmpeg.source(sound, ffmpeg.OUR_FORMATS)
    output = ffmpeg.target(coded, source["a"], f="adts", acodec="aac", **{"q:a": QUALITY})
    ffmpeg.run(output, timeout_seconds=TIMEOUT_SECONDS)
    data = coded.read_bytes()
    sound.unlink()
    coded.unlink()
    return _frames(data)


def _frames(adts: bytes) -> list[bytes]:
    """The frames of an ADTS stream without its headers (ISO/IEC 13818-7)."""
    frames, at = [], 0
    while at < len(adts):
        size = (adts[at + 3] & 3) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5
        frames.append(adts[at + ADTS_HEADER_BYTES : at + size])
        at += size
    return frames
