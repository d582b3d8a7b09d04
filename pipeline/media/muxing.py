"""Joining video segments and the audio track into one MP4, and verifying the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import StageError
from pipeline.media import boxes, compatibility, ffmpeg
from pipeline.media.aac import ENCODED
from pipeline.media.codecs import H264
from pipeline.media.encoder import TIMESCALE_HZ
from pipeline.media.pcm import TRACK_RATE_HZ

ENCODED_SUFFIX = ".m4a"
MUX_TIMEOUT_BASE_SECONDS = 60
AUDIO_TOLERANCE_SECONDS = 0.001
"""Allowed deviation of the audio length in the container, which counts in whole samples."""


def encode(track: Path, target: Path, *, seconds: float) -> None:
    """Encode a whole track as AAC in an MP4, which says where the sound begins and ends. Raises StageError."""
    sound = ffmpeg.source(track, ffmpeg.OUR_FORMATS)
    output = ffmpeg.target(target, sound["a"], f="mp4", map_metadata=-1, **ENCODED)
    ffmpeg.run(output, timeout_seconds=MUX_TIMEOUT_BASE_SECONDS + seconds)


def mux(segments: Sequence[Path], track: Path, target: Path, *, fps: int, seconds: float) -> None:
    """Join segments without re-encoding, add the whole track, and put the index first.

    A track that is not encoded yet is, once: encoding audio per chunk would add the encoder's priming at every join.
    The times of frames are counted, because ffmpeg rounds the length of each segment. Raises StageError.
    """
    script = target.with_suffix(".concat")  # names relative to its folder need no quoting
    script.write_text("".join(f"file '{path.relative_to(target.parent)}'\n" for path in segments), "utf-8")
    joined = ffmpeg.source(script, ffmpeg.OUR_FORMATS, f="concat", safe=0)
    ticks = TIMESCALE_HZ // fps
    sound = ffmpeg.source(track, ffmpeg.OUR_FORMATS)
    output = ffmpeg.target(
        target,
        joined["v"],
        sound["a"],
        f="mp4",
        vcodec="copy",
        map_metadata=-1,
        movflags="+faststart",
        **({"acodec": "copy"} if track.suffix == ENCODED_SUFFIX else ENCODED),
        **{"bsf:v": f"setts=ts=N*{ticks}:duration={ticks}"},
    )
    ffmpeg.run(output, timeout_seconds=MUX_TIMEOUT_BASE_SECONDS + seconds)
    script.unlink()


def remux(fragments: Sequence[Path], target: Path, *, begin_seconds: float, seconds: float) -> None:
    """Make an MP4 of an init segment and fragments, the first of which begins at `begin_seconds` of its stream.

    Nothing is encoded again. Sound from before the first picture is hidden by an edit list. Raises StageError.
    """
    played = ffmpeg.source_stdin("mov", f="mov")
    end = round((begin_seconds + seconds) * TRACK_RATE_HZ)
    output = ffmpeg.target(
        target,
        played,
        f="mp4",
        codec="copy",
        copyts=None,
        output_ts_offset=-begin_seconds,
        map_metadata=-1,
        movflags="+faststart",
        **{"bsf:a": f"setts=duration=min(DURATION\\,{end}-PTS)"},  # ffmpeg takes the last sound frame for a whole one
    )
    ffmpeg.run_on(output, fragments, timeout_seconds=MUX_TIMEOUT_BASE_SECONDS + seconds)


def verify(video: Path, *, frames: int, fps: int, size: tuple[int, int], seconds: float, codec: str = H264) -> None:
    """Check a finished MP4: as planned, and such that it plays everywhere. Raises StageError."""
    streams = {s["codec_type"]: s for s in ffmpeg.probe(video, ffmpeg.OUR_FORMATS, count_packets=True)["streams"]}
    if set(streams) != {"video", "audio"}:
        raise _wrong(f"the video has streams {sorted(streams)}, expected audio and video")
    with video.open("rb") as file:
        kinds = [kind for kind, _, _ in boxes.top_level(file)]
    for deviation in compatibility.deviations(streams, kinds, codec):
        raise _wrong(f"the video does not play everywhere: {deviation}")
    found, planned = _measured(streams), (frames, *size)
    if found != planned:
        raise _wrong(f"the video has frames, width, height {found}, expected {planned}")
    for kind, length in (("video", frames / fps), ("audio", seconds)):
        duration = float(streams[kind]["duration"])
        if abs(duration - length) > AUDIO_TOLERANCE_SECONDS:
            raise _wrong(f"the {kind} lasts {duration:.4f} s, expected {length:.4f} s")


def _wrong(message: str) -> StageError:
    hint = "this is a bug in lipdrop or in the installed ffmpeg; see the traceback in the log"
    return StageError("merge_check", message, hint=hint)


def _measured(streams: dict[str, Any]) -> tuple[int, int, int]:
    video = streams["video"]
    return int(video["nb_read_packets"]), int(video["width"]), int(video["height"])
