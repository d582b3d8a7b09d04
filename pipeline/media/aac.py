"""Encoding AAC in parts that join into one continuous stream.

A frame decodes to 1,024 samples, but depends on twice as many and on encoder state. So each part is encoded together
with some audio before it, whose frames are dropped, and ends a few frames before the known audio ends. The parts then
join as if all audio had been encoded at once: one frame grid, with nothing added or lost at the joints.
"""

from __future__ import annotations

import subprocess

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg, pcm
from pipeline.media.codecs import Options

ENCODED: Options = {"acodec": "aac", "q:a": 2}
"""Variable bit rate, about 140 to 185 kbit/s. With a constant one, a frame's bit budget would depend on all frames
before it: each part would start with poor quality, and sudden sounds would be up to 4 dB louder than they are."""
FRAME_SAMPLES = 1024
BEFORE_FRAMES = 8
"""Frames encoded before a part and dropped, so that the encoder settles."""
AHEAD_FRAMES = 4
"""Frames of known audio held back for the next part: a frame needs two, window selection looks further ahead."""
SILENT_FRAME = bytes.fromhex("01182007")
"""What the encoder makes of digital silence, which an open stream has for hours."""
ADTS_HEADER_BYTES = 7
TIMEOUT_SECONDS = 120
WAITING = 2
"""How many parts can be encoded at once: the first two of a stream are rendered at the same time."""


def part_end(samples: int, *, is_last: bool) -> int:
    """The sample, a multiple of 1,024, at which a part ends if the audio is known up to sample `samples`."""
    if is_last:
        return -(-samples // FRAME_SAMPLES) * FRAME_SAMPLES
    return max(0, samples // FRAME_SAMPLES - AHEAD_FRAMES) * FRAME_SAMPLES


class Encoder:
    """Encodes parts. Loading ffmpeg takes longer than encoding a second of sound, so some are loaded beforehand."""

    def __init__(self) -> None:
        self._waiting: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> None:
        """Have ffmpeg wait for the next parts. It ends with the process that started it. Raises ConfigError."""
        self._waiting = [process for process in self._waiting if process.poll() is None]
        while len(self._waiting) < WAITING:
            self._waiting.append(_loading())

    def part(self, samples: NDArray[np.int16], first: int, start: int, stop: int) -> list[bytes]:
        """Encode the samples [start, stop) of mono audio at 48 kHz to raw AAC-LC frames.

        `samples` is the known audio from sample `first` on; `first`, `start` and `stop` are multiples of 1,024.
        Raises StageError.
        """
        begin = max(first, start - BEFORE_FRAMES * FRAME_SAMPLES)
        frames = self._encoded(samples[begin - first :])
        # The first frame is encoder priming.
        wanted = frames[(start - begin) // FRAME_SAMPLES + 1 : (stop - begin) // FRAME_SAMPLES + 1]
        if len(wanted) * FRAME_SAMPLES != stop - start:
            missing = f"the audio has {len(wanted)} AAC frames, not {(stop - start) // FRAME_SAMPLES}"
            raise StageError("encoder", missing)
        return wanted

    def _encoded(self, samples: NDArray[np.int16]) -> list[bytes]:
        if not samples.any():
            return [SILENT_FRAME] * (1 + -(-len(samples) // FRAME_SAMPLES))
        process = self._waiting.pop(0) if self._waiting else _loading()
        if process.poll() is not None:  # it was killed while it waited
            process = _loading()
        return _frames(ffmpeg.communicate(process, samples.tobytes(), timeout_seconds=TIMEOUT_SECONDS))


def _loading() -> subprocess.Popen[bytes]:
    """An ffmpeg that encodes what its standard input is given."""
    sound = ffmpeg.samples_from_stdin(pcm.TRACK_RATE_HZ)
    return ffmpeg.start(ffmpeg.to_stdout(sound, f="adts", **ENCODED))


def _frames(adts: bytes) -> list[bytes]:
    """The frames of an ADTS stream without their headers (ISO/IEC 13818-7)."""
    frames, at = [], 0
    while at < len(adts):
        size = (adts[at + 3] & 3) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5
        frames.append(adts[at + ADTS_HEADER_BYTES : at + size])
        at += size
    return frames
