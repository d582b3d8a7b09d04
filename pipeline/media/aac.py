"""Encoding AAC in parts that join into one continuous stream.

A frame decodes to 1,024 samples, but depends on twice as many and on encoder state. So each part is encoded together
with some audio before it, whose frames are dropped, and ends a few frames before the known audio ends. The parts then
join as if all audio had been encoded at once: one frame grid, with nothing added or lost at the joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg, pcm

QUALITY = 2
"""Variable bit rate, about 160 kbit/s. With a constant bit rate, a frame's bit budget would depend on all frames
before it, and each part would start with poor quality."""
FRAME_SAMPLES = 1024
BEFORE_FRAMES = 8
"""Frames encoded before a part and dropped, so that the encoder settles."""
AHEAD_FRAMES = 4
"""Frames of known audio held back for the next part: a frame needs two, window selection looks further ahead."""
SILENT_FRAME = bytes.fromhex("01182007")
"""What the encoder makes of digital silence, which an open stream has for hours."""
ADTS_HEADER_BYTES = 7
TIMEOUT_SECONDS = 120


def part_end(samples: int, *, is_last: bool) -> int:
    """The sample, a multiple of 1,024, at which a part ends if the audio is known up to sample `samples`."""
    if is_last:
        return -(-samples // FRAME_SAMPLES) * FRAME_SAMPLES
    return max(0, samples // FRAME_SAMPLES - AHEAD_FRAMES) * FRAME_SAMPLES


def encode_part(samples: NDArray[np.int16], first: int, start: int, stop: int, scratch: Path) -> list[bytes]:
    """Encode the samples [start, stop) of mono audio at 48 kHz to raw AAC-LC frames.

    `samples` is the known audio from sample `first` on; `first`, `start` and `stop` are multiples of 1,024.
    `scratch` is the path of the temporary files without their suffix. Raises StageError.
    """
    begin = max(first, start - BEFORE_FRAMES * FRAME_SAMPLES)
    frames = _encoded(samples[begin - first :], scratch)
    # The first frame is encoder priming.
    wanted = frames[(start - begin) // FRAME_SAMPLES + 1 : (stop - begin) // FRAME_SAMPLES + 1]
    if len(wanted) * FRAME_SAMPLES != stop - start:
        raise StageError("encoder", f"the audio has {len(wanted)} AAC frames, not {(stop - start) // FRAME_SAMPLES}")
    return wanted


def _encoded(samples: NDArray[np.int16], scratch: Path) -> list[bytes]:
    if not samples.any():
        return [SILENT_FRAME] * (1 + -(-len(samples) // FRAME_SAMPLES))
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
    """The frames of an ADTS stream without their headers (ISO/IEC 13818-7)."""
    frames, at = [], 0
    while at < len(adts):
        size = (adts[at + 3] & 3) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5
        frames.append(adts[at + ADTS_HEADER_BYTES : at + size])
        at += size
    return frames
