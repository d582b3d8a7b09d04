"""Decoding the audio that a service or program returned; the bytes are untrusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg
from pipeline.programs import Limits

RATE_HZ = 24_000
"""Every response is resampled to this; no known voice has content above 12 kHz."""
SECONDS_MAX = 600
"""Longer responses are cut off."""
OUTPUT_BYTES_MAX = 4 * RATE_HZ * SECONDS_MAX
LIMITS = Limits(60, output_bytes=2 * OUTPUT_BYTES_MAX, cpu_seconds=30, memory_bytes=ffmpeg.DECODING_MEMORY_BYTES)


def decoded(audio: bytes, *, tempo: float = 1.0) -> tuple[NDArray[np.float32], int]:
    """Decode to mono samples (-1 to 1) and their rate in Hz, `tempo` times as fast (0.5 to 2.0, same pitch).

    The format is detected from the content. A broken frame, common in MP3 from services, loses only that frame.
    Raises StageError `tts_bad_audio`.
    """
    options = {"codec_whitelist": ffmpeg.AUDIO_CODECS, "threads": 1, "t": SECONDS_MAX}
    sound = ffmpeg.source_stdin(ffmpeg.INPUT_FORMATS, **options)["a:0"]
    if tempo != 1.0:
        sound = sound.filter("atempo", f"{tempo:.4f}")
    target = {"f": "f32le", "acodec": "pcm_f32le", "ac": 1, "ar": RATE_HZ, "fs": OUTPUT_BYTES_MAX}
    try:
        pcm = ffmpeg.decode_bytes(sound, audio, LIMITS, **target)
    except StageError as error:
        raise _bad(error.message) from None
    if not pcm:
        raise _bad("it contains no samples")
    return np.frombuffer(pcm, "<f4"), RATE_HZ


def _bad(reason: str) -> StageError:
    return StageError(
        "tts_bad_audio",
        f"the TTS response could not be decoded: {reason}",
        hint="the service or program must return a complete WAV or MP3 file",
    )
