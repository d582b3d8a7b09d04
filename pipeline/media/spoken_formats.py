"""The formats in which speech is sent to clients, encoded while it is being spoken."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any

from pipeline.media import ffmpeg

RATE_HZ = 24_000
"""Of all formats; mono."""
TEMPO_RANGE = (0.5, 2.0)
"""Of ffmpeg's filter `atempo`, within which it stretches speech without skipping samples."""


@dataclass(frozen=True)
class SpokenFormat:
    """One format."""

    media_type: str
    options: dict[str, Any]
    """Of ffmpeg's output."""


SPOKEN_FORMATS = {
    "mp3": SpokenFormat("audio/mpeg", {"f": "mp3", "acodec": "libmp3lame", "audio_bitrate": "96k"}),
    "opus": SpokenFormat("audio/ogg", {"f": "ogg", "acodec": "libopus", "audio_bitrate": "48k"}),
    "aac": SpokenFormat("audio/aac", {"f": "adts", "acodec": "aac", "audio_bitrate": "96k"}),
    "flac": SpokenFormat("audio/flac", {"f": "flac", "acodec": "flac"}),
    "wav": SpokenFormat("audio/wav", {"f": "wav", "acodec": "pcm_s16le"}),
    "pcm": SpokenFormat("audio/pcm", {"f": "s16le", "acodec": "pcm_s16le"}),
}
"""By the names that OpenAI's API gives them. pcm: 16-bit little-endian samples without a header."""


def start_encoder(rate_hz: int, form: SpokenFormat, tempo: float = 1.0) -> subprocess.Popen[bytes]:
    """Start an ffmpeg that encodes mono 16-bit samples from its standard input to its standard output.

    `rate_hz`: their rate. `tempo`: within `TEMPO_RANGE`; 2.0 plays twice as fast at the same pitch.
    """
    sound = ffmpeg.samples_from_stdin(rate_hz)
    if tempo != 1.0:
        sound = sound.filter("atempo", tempo)
    return ffmpeg.start(ffmpeg.to_stdout(sound, ar=RATE_HZ, ac=1, flush_packets=1, **form.options))
