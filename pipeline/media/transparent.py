"""Transparent videos: VP9 with alpha and Opus in WebM, which browsers, OBS and most editors read; ProRes 4444 in
QuickTime's format, for the editors that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import StageError
from pipeline.extras import PRORES, TRANSPARENT
from pipeline.media import ffmpeg
from pipeline.media.codecs import Options

KEYFRAME_SECONDS = 2
CRF_MORE = 6
"""VP9's constant rate factor for the quality of H.264's."""
AUDIO_BIT_RATE = 96_000
TIMEOUT_BASE_SECONDS = 60
FORMATS = "matroska,mov,concat,wav"
"""Of our own files."""
COLOURS = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "color_range": "tv"}


@dataclass(frozen=True)
class Form:
    """A format for transparent videos."""

    container: str
    encoder: str
    pixels: str
    codecs: tuple[str, str]
    """Of picture and sound, as ffprobe calls them."""
    picture: Options
    """How frames are encoded."""
    joined: Options
    """How the whole video is written."""
    alpha: Mapping[str, str] = field(default_factory=dict)
    """What the picture's tags say about alpha."""
    has_quality: bool = False
    """Whether the encoder takes a constant rate factor."""
    tagged: str = ""
    """ffmpeg's bitstream filter that names the colours, where the encoder does not."""

    def rate(self, fps: int, crf: int) -> Options:
        """Options of a segment; `crf`: of an H.264 video of the same quality."""
        return {"crf": min(crf + CRF_MORE, 63), "g": KEYFRAME_SECONDS * fps} if self.has_quality else {}


FORMS = {
    TRANSPARENT: Form(
        container="webm",
        encoder="libvpx-vp9",
        pixels="yuva420p",
        codecs=("vp9", "opus"),
        picture={
            **{"deadline": "realtime", "video_bitrate": 0, "cpu-used": 8},
            **{"row-mt": 1, "auto-alt-ref": 0, "lag-in-frames": 0},
        },
        joined={
            **{"acodec": "libopus", "audio_bitrate": AUDIO_BIT_RATE, "metadata:s:v:0": "alpha_mode=1"},
            # Sound from 0 on: what Opus needs to begin would be before that, and ffmpeg would delay the picture.
            **{"bsf:a": "setts=ts=PTS-STARTPTS"},
        },
        alpha={"alpha_mode": "1"},
        has_quality=True,
    ),
    PRORES: Form(
        container="mov",
        encoder="prores_ks",
        pixels="yuva444p10le",
        codecs=("prores", "pcm_s16le"),
        picture={"profile:v": "4444", "vendor": "apl0"},
        joined={"acodec": "pcm_s16le", "movflags": "+write_colr+faststart"},
        tagged=",prores_metadata=color_primaries=bt709:color_trc=bt709:colorspace=bt709",
    ),
}
"""By the kinds of files that they are."""


def segment(form: Form, path: Path, frames: ffmpeg.Stream, options: Options) -> ffmpeg.Stream:
    """The output for the frames of one chunk, which starts with a keyframe and refers to no other chunk."""
    fixed = {"f": form.container, "vcodec": form.encoder, "pix_fmt": form.pixels}
    return ffmpeg.target(path, frames, **fixed, **COLOURS, **form.picture, **options)


def mux(
    form: Form, segments: Sequence[Path], track: Path, target: Path, *, fps: int, seconds: float, comment: str | None
) -> None:
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
        f=form.container,
        vcodec="copy",
        map_metadata=-1,
        **form.joined,
        **{"bsf:v": f"setts=ts=round(N/({fps}*TB)){form.tagged}"},
        **({} if comment is None else {"metadata": f"comment={comment}"}),
    )
    ffmpeg.run(output, timeout_seconds=TIMEOUT_BASE_SECONDS + seconds)
    script.unlink()


def verify(form: Form, video: Path, *, frames: int, size: tuple[int, int]) -> None:
    """Check a finished video. Raises StageError."""
    streams = {s["codec_type"]: s for s in ffmpeg.probe(video, FORMATS, count_packets=True)["streams"]}
    picture, sound = streams.get("video", {}), streams.get("audio", {})
    tags = {name.lower(): value for name, value in picture.get("tags", {}).items()}
    found = (picture.get("codec_name"), sound.get("codec_name"))
    measured = tuple(int(picture.get(key, 0)) for key in ("nb_read_packets", "width", "height"))
    has_alpha = form.alpha.items() <= tags.items()
    if (found, measured, has_alpha) != (form.codecs, (frames, *size), True):
        hint = "this is a bug in lipdrop or in the installed ffmpeg; see the traceback in the log"
        raise StageError(
            "merge_check", f"the transparent video has {found} {measured}, expected {frames, *size}", hint=hint
        )
