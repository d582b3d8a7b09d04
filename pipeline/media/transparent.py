"""Transparent videos: VP9 with alpha and Opus in WebM, which browsers, OBS and most editors read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import StageError
from pipeline.media import ffmpeg
from pipeline.media.codecs import Options

KEYFRAME_SECONDS = 2
CRF_MORE = 6
"""VP9's constant rate factor for the quality of H.264's."""
AUDIO_BIT_RATE = 96_000
TIMEOUT_BASE_SECONDS = 60
FORMATS = "matroska,concat,wav"
"""Of our own files."""
ALPHA = {"metadata:s:v:0": "alpha_mode=1"}


def rate(fps: int, crf: int) -> Options:
    """Options of a segment; `crf`: of an H.264 video of the same quality."""
    return {"crf": min(crf + CRF_MORE, 63), "g": KEYFRAME_SECONDS * fps}


def segment(path: Path, frames: ffmpeg.Stream, options: Options) -> ffmpeg.Stream:
    """The output for the frames of one chunk, which starts with a keyframe and refers to no other chunk."""
    return ffmpeg.target(
        path,
        frames,
        f="webm",
        vcodec="libvpx-vp9",
        pix_fmt="yuva420p",
        deadline="realtime",
        video_bitrate=0,
        color_primaries="bt709",
        color_trc="bt709",
        colorspace="bt709",
        color_range="tv",
        **{"cpu-used": 6, "row-mt": 1, "auto-alt-ref": 0, "lag-in-frames": 0},
        **options,
    )


def mux(segments: Sequence[Path], track: Path, target: Path, *, fps: int, seconds: float, comment: str | None) -> None:
    """Join segments without re-encoding, and encode the whole track once. Raises StageError.

    WebM's clock counts milliseconds: each frame's time is computed anew, so that roundings do not add up. `comment`:
    the tag that says where the video is from.
    """
    script = target.with_suffix(".concat")  # names relative to its folder need no quoting
    script.write_text("".join(f"file '{path.relative_to(target.parent)}'\n" for path in segments), "utf-8")
    joined = ffmpeg.source(script, FORMATS, f="concat", safe=0)
    sound = ffmpeg.source(track, FORMATS)
    output = ffmpeg.target(
        target,
        joined["v"],
        sound["a"],
        f="webm",
        vcodec="copy",
        acodec="libopus",
        audio_bitrate=AUDIO_BIT_RATE,
        map_metadata=-1,
        # Sound from 0 on: what Opus needs to begin would otherwise be before that, and ffmpeg would delay the picture.
        **{"bsf:v": f"setts=ts=round(N/({fps}*TB))", "bsf:a": "setts=ts=PTS-STARTPTS"},
        **ALPHA,
        **({} if comment is None else {"metadata": f"comment={comment}"}),
    )
    ffmpeg.run(output, timeout_seconds=TIMEOUT_BASE_SECONDS + seconds)
    script.unlink()


def verify(video: Path, *, frames: int, size: tuple[int, int]) -> None:
    """Check a finished WebM. Raises StageError."""
    streams = {s["codec_type"]: s for s in ffmpeg.probe(video, FORMATS, count_packets=True)["streams"]}
    picture, sound = streams.get("video", {}), streams.get("audio", {})
    tags = {name.lower(): value for name, value in picture.get("tags", {}).items()}
    found = (picture.get("codec_name"), sound.get("codec_name"), tags.get("alpha_mode"))
    measured = tuple(int(picture.get(key, 0)) for key in ("nb_read_packets", "width", "height"))
    if (found, measured) != (("vp9", "opus", "1"), (frames, *size)):
        hint = "this is a bug in lipdrop or in the installed ffmpeg; see the traceback in the log"
        raise StageError(
            "merge_check", f"the transparent video has {found} {measured}, expected {frames, *size}", hint=hint
        )
