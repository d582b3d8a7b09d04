"""Audio bytes from a service or a program to samples. The bytes are not trusted, whoever sent them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline import programs
from pipeline.errors import ConfigError, StageError
from pipeline.media.ffmpeg import AUDIO_CODECS, DECODING_MEMORY_BYTES, last_line
from pipeline.programs import Limits

FORMATS = "wav,mp3,ogg,flac,aac,mov,matroska,aiff,w64,caf"
"""Demuxers that read nothing but the bytes they are given: no playlists, no concat scripts."""
RATE_HZ = 24_000
"""What every answer is converted to; no voice at hand has anything to say above 12 kHz."""
SECONDS_MAX = 600
"""Longest sentence that is read."""
OUTPUT_BYTES_MAX = 4 * RATE_HZ * SECONDS_MAX
LIMITS = Limits(60, output_bytes=2 * OUTPUT_BYTES_MAX, cpu_seconds=30, memory_bytes=DECODING_MEMORY_BYTES)


def decoded(audio: bytes, *, tempo: float = 1.0) -> tuple[NDArray[np.float32], int]:
    """Mono samples (-1 to 1) and their rate in Hz, spoken `tempo` times as fast (0.5 to 2.0, pitch kept).

    The kind of audio is told by its content; a broken frame, which MP3 services are known for, costs only itself.
    Raises StageError `tts_bad_audio`.
    """
    pcm = _run([*_arguments(tempo)], audio)
    if not pcm:
        raise _bad("it holds no samples")
    return np.frombuffer(pcm, "<f4"), RATE_HZ


def _arguments(tempo: float) -> list[str]:
    faster = ["-af", f"atempo={tempo:.4f}"] if tempo != 1.0 else []
    return [
        *("ffmpeg", "-nostdin", "-v", "error", "-threads", "1"),
        *("-protocol_whitelist", "pipe", "-format_whitelist", FORMATS, "-codec_whitelist", AUDIO_CODECS),
        *("-t", str(SECONDS_MAX), "-i", "pipe:0", "-map", "0:a:0", *faster, "-ac", "1", "-ar", str(RATE_HZ)),
        *("-fs", str(OUTPUT_BYTES_MAX), "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"),
    ]


def _run(argv: list[str], audio: bytes) -> bytes:
    try:
        ended = programs.run(argv, LIMITS, audio)
    except FileNotFoundError:
        raise ConfigError("no_ffmpeg", "ffmpeg is not installed", hint="apt-get install ffmpeg") from None
    except TimeoutError:
        raise _bad(f"decoding took over {LIMITS.wall_seconds:.0f} s") from None
    except programs.OutputTooLarge:
        raise _bad(f"it is longer than {SECONDS_MAX} s") from None
    if ended.returncode != 0:
        raise _bad(last_line(ended.complaint))
    return ended.output


def _bad(reason: str) -> StageError:
    return StageError(
        "tts_bad_audio",
        f"what came as speech cannot be decoded: {reason}",
        hint="the service or program must answer with a whole WAV or MP3 file",
    )
