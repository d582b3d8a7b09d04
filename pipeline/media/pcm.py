"""Audio as 16-bit PCM in WAV files."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.media import ffmpeg
from pipeline.media.ffmpeg import Stream
from pipeline.media.unsized import Samples, unsized

TRACK_RATE_HZ = 48_000
"""Rate of the audio track of the video, which keeps the bandwidth of the recording; the models get 16 kHz. 48 kHz is a
multiple of 16 kHz and of every frame rate, so both have exactly the same length."""

CONVERT_TIMEOUT_SECONDS = 600
CPU_SECONDS_BASE = 30
SPEED_MIN = 20
"""Minimum decoding speed relative to real time; 900 was measured on one core."""
HEADER_BYTES = 4096
SAMPLE_BYTES = 2
INT16_MAX = 32_767
RATIO_DENOMINATOR_MAX = 100_000
"""More than any two rates in use need."""


def source(recording: Path, limit_seconds: float) -> Stream:
    """An untrusted recording as input of ffmpeg, of which at most `limit_seconds` are decoded.

    Decoders drop a frame whose checksum is wrong: what they make of it may be loud noise.
    """
    bare = unsized(recording)
    return ffmpeg.source(
        recording,
        ffmpeg.INPUT_FORMATS if bare is None else bare.form,
        **({} if bare is None else _as_bare(bare)),
        codec_whitelist=ffmpeg.AUDIO_CODECS,
        threads=1,
        t=limit_seconds,
        **{"err_detect": "crccheck", "err_detect:a": "crccheck+explode"},
    )


def _as_bare(samples: Samples) -> dict[str, Any]:
    """ffmpeg's options for samples without a header."""
    form = {"f": samples.form, "ar": samples.rate_hz, "ac": samples.channels}
    return {**form, "skip_initial_bytes": samples.start}


def target(path: Path, sound: Stream, **options: Any) -> Stream:
    """A file as output of the default audio track of a `source`."""
    return ffmpeg.target(path, sound, vn=None, sn=None, dn=None, **options)


def convert(
    sound: Stream, targets: dict[Path, int], *others: Stream, limit_seconds: float, **options: Any
) -> str | None:
    """Decode the default track of a `source` once and write it as mono WAV at each target's rate in Hz.

    `others`: further outputs. `options`: further ones of ffmpeg for the targets. What is damaged is left out; returns
    ffmpeg's first message about it, or None. Raises JobError; also for a recording whose clock never advances, which
    would never end.
    """
    outputs = [
        target(path, sound, f="wav", acodec="pcm_s16le", ac=1, ar=rate_hz, **options)
        for path, rate_hz in targets.items()
    ]
    return ffmpeg.decode(
        *outputs,
        *others,
        field="audio",
        timeout_seconds=CONVERT_TIMEOUT_SECONDS,
        cpu_seconds=cpu_seconds(limit_seconds),
        file_bytes=HEADER_BYTES + round(limit_seconds * max(targets.values()) * SAMPLE_BYTES),
    )


def cpu_seconds(limit_seconds: float) -> int:
    """CPU time that decoding may take."""
    return CPU_SECONDS_BASE + round(limit_seconds / SPEED_MIN)


def read_wav(path: Path) -> NDArray[np.int16]:
    """The samples of a mono 16-bit WAV file, shape [n]."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def wav_rate_hz(path: Path) -> int:
    """The sample rate of a WAV file."""
    with wave.open(str(path), "rb") as file:
        return file.getframerate()


def map_wav(path: Path) -> NDArray[np.int16]:
    """The samples of a WAV file made by `write_wav`, shape [n], read-only and mapped from the file."""
    with wave.open(str(path), "rb") as file:
        count = file.getnframes()
    # `write_wav` puts the samples last.
    offset = path.stat().st_size - count * SAMPLE_BYTES
    return np.memmap(path, np.int16, "r", offset, (count,)) if count else np.zeros(0, np.int16)


def open_wav(target: Path | IO[bytes], rate_hz: int) -> wave.Wave_write:
    """Open a mono 16-bit WAV file for writing; its `writeframes` appends samples."""
    file = wave.open(str(target) if isinstance(target, Path) else target, "wb")  # noqa: SIM115 - closed by the caller
    file.setnchannels(1)
    file.setsampwidth(SAMPLE_BYTES)
    file.setframerate(rate_hz)
    return file


def write_wav(target: Path | IO[bytes], samples: NDArray[np.int16], rate_hz: int) -> None:
    """Write a mono 16-bit WAV file."""
    with open_wav(target, rate_hz) as file:
        file.writeframes(samples.tobytes())


def resampled(samples: NDArray[np.float32], rate_hz: float, to_hz: int) -> NDArray[np.float32]:
    """Speech at another rate, with all that fits of its band: its spectrum is cut or padded. It begins and ends in
    silence, so nothing wraps around."""
    if rate_hz == to_hz or len(samples) == 0:
        return samples
    ratio = Fraction(to_hz / rate_hz).limit_denominator(RATIO_DENOMINATOR_MAX)
    blocks = _quick(-(-len(samples) // ratio.denominator))
    padded = np.pad(samples.astype(np.float64), (0, blocks * ratio.denominator - len(samples)))
    count = blocks * ratio.numerator
    whole = np.fft.irfft(np.fft.rfft(padded)[: count // 2 + 1], count) * float(ratio)
    return np.asarray(whole[: round(len(samples) * to_hz / rate_hz)], np.float32)


def _quick(length: int) -> int:
    """The next length that is quick to transform: one with a large prime factor takes ten times as long."""
    step = 1 << max(0, length.bit_length() - 4)
    return -(-length // step) * step


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Scale samples to -1 to 1."""
    return np.asarray(samples / np.float32(32_768), np.float32)


def as_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round samples from -1 to 1 to 16 bits; beyond that range they are clipped."""
    return np.asarray(np.round(np.clip(samples, -1, 1) * INT16_MAX), np.int16)


def fitted(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Cut samples, or pad them with silence, to exactly `length`."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
