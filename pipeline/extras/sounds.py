"""Writes the soundtrack of a finished video as a file of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.media import ffmpeg
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.messages import Mark
from pipeline.provenance.mark import GENERATED, comment, statement

FORMATS: dict[str, dict[str, str]] = {
    "wav": {"f": "wav", "acodec": "pcm_s16le"},
    "mp3": {"f": "mp3", "acodec": "libmp3lame", "audio_bitrate": "128k"},
}
"""ffmpeg's options for each."""
TIMEOUT_BASE_SECONDS = 60.0


def write(sound: Path, kind: str, path: Path, *, samples: int, mark: Mark | None) -> None:
    """Write the first `samples` of a soundtrack, mono at `TRACK_RATE_HZ`. Raises StageError.

    An MP3 says in its header how much of it the encoder added, so that players find exactly these samples.
    """
    played = ffmpeg.source(sound, ffmpeg.OUR_FORMATS)["a"].filter("apad").filter("atrim", end_sample=samples)
    tags = {} if mark is None else {"metadata": f"comment={comment(statement(mark, None))}"}
    output = ffmpeg.target(path, played, ac=1, ar=TRACK_RATE_HZ, map_metadata=-1, **FORMATS[kind], **tags)
    ffmpeg.run(output, timeout_seconds=TIMEOUT_BASE_SECONDS + samples / TRACK_RATE_HZ)


def mark_of(mark: Mark | None) -> Mark | None:
    """What the sound says about itself: it is generated if the speech is, and says nothing if it is a recording."""
    return None if mark is None or not mark.speech else replace(mark, source_type=GENERATED)
