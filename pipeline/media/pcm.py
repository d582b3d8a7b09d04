"""Audio as 16-bit PCM in WAV files."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.media import ffmpeg

TRACK_RATE_HZ = 48_000
"""What the viewer hears keeps the recording's bandwidth; the models hear 16 kHz. 48 kHz is a multiple of both
16 kHz and every frame rate, so the two have exactly the same length."""

CONVERT_TIMEOUT_SECONDS = 600
CPU_SECONDS_BASE = 30
SPEED_MIN = 20
"""Sound is decoded at least this much faster than it is heard; 900 times were measured on one core."""
HEADER_BYTES = 4096
SAMPLE_BYTES = 2


def convert(recording: Path, targets: dict[Path, int], *, limit_seconds: float) -> None:
    """Decode a recording once and write it as mono WAV at each target's rate in Hz.

    At most `limit_seconds` are decoded; what has no end, because its clock stands still, is refused. Raises JobError.
    """
    sound = ffmpeg.source(
        recording, ffmpeg.INPUT_FORMATS, codec_whitelist=ffmpeg.AUDIO_CODECS, threads=1, t=limit_seconds
    )
    copies = sound["a:0"].filter_multi_output("asplit")
    outputs = [
        ffmpeg.target(path, copies.stream(number), f="wav", acodec="pcm_s16le", ac=1, ar=rate_hz)
        for number, (path, rate_hz) in enumerate(targets.items())
    ]
    ffmpeg.decode(
        *outputs,
        field="audio",
        timeout_seconds=CONVERT_TIMEOUT_SECONDS,
        cpu_seconds=CPU_SECONDS_BASE + round(limit_seconds / SPEED_MIN),
        file_bytes=HEADER_BYTES + round(limit_seconds * max(targets.values()) * SAMPLE_BYTES),
    )


def read_wav(path: Path) -> NDArray[np.int16]:
    """The samples of a mono 16-bit WAV file, shape [n]."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def map_wav(path: Path) -> NDArray[np.int16]:
    """The samples of a WAV file made by `write_wav`, shape [n], read-only and loaded page by page when used."""
    with wave.open(str(path), "rb") as file:
        count = file.getnframes()
    # `write_wav` puts the samples last.
    offset = path.stat().st_size - count * SAMPLE_BYTES
    return np.memmap(path, np.int16, "r", offset, (count,)) if count else np.zeros(0, np.int16)


def write_wav(path: Path, samples: NDArray[np.int16], rate_hz: int) -> None:
    """Write a mono 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """The samples as -1 to 1."""
    return np.asarray(samples / np.float32(32_768), np.float32)


def fitted(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """The samples cut, or padded with silence, to exactly `length`."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
