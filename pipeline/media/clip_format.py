"""What a video says about itself in its header, and what a look at its first frames adds."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import JobError, StageError
from pipeline.media import ffmpeg
from pipeline.media.colour_spaces import HLG, LINEAR, PEAK_NITS, PQ, PRIMARIES, SRGB, ColourSpace
from pipeline.media.refusals import unreadable

FORMATS = "mov,matroska,avi,mpegts,mpeg,asf,flv,ogg"
"""Demuxers; none of them opens other files."""
RATE_MAX = Fraction(60)
FALLBACK_RATE = Fraction(25)
HD_LINES = 720
"""Videos that do not name their matrix have BT.709's from this height on, and BT.601's below."""
MATRICES = ("bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "bt2020c", "gbr")
"""Matrices from RGB that can be converted from."""
UNTAGGED = ("", "unknown", "unspecified", "reserved")

FIELDS_LINES_MAX = 1088
"""No interlaced format has more lines."""
FIELDS_FRAMES = 40
"""Frames that are looked at for combs."""
FIELDS_SECONDS = 60
COMBED_MIN, COMBED_SHARE = 3, 4
"""So many combed frames, and so many times the smooth ones, make a video interlaced whatever its flags say."""

ALPHA_FORMATS = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "ayuv", "pal8")
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""ffmpeg's own decoders of these codecs drop the transparency."""


@dataclass(frozen=True)
class ClipFormat:
    """The properties of a video or of an animated picture."""

    width: int
    """Of the displayed frames: upright, with square pixels."""
    height: int
    rate: Fraction
    """Frames per second; the average if variable."""
    seconds: float | None
    """None if the file does not say."""
    stream: int = 0
    """Index of the video stream in the file."""
    matrix: str | None = None
    """The matrix to assume; None: the frames say it, or are RGB."""
    space: ColourSpace = ColourSpace()  # noqa: RUF009 - frozen
    has_alpha: bool = False
    decoder: str | None = None
    """The decoder to use instead of the codec's first one."""
    fields: str = ""
    """How frames are deinterlaced: as each is flagged (auto), all of them, with this field first (tff, bff), or not."""
    times: tuple[int, ...] = ()
    """Of an animated picture: the length of each frame in microseconds."""

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def to_json(self) -> bytes:
        """Serialize, for `from_json`."""
        return json.dumps({**asdict(self), "rate": str(self.rate)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ClipFormat:
        """Parse the output of `to_json`."""
        raw = json.loads(data)
        parsed = {"rate": Fraction(raw["rate"]), "space": ColourSpace(**raw["space"]), "times": tuple(raw["times"])}
        return cls(**{**raw, **parsed})


def probe(path: Path, field: str) -> ClipFormat:
    """Read a video's header. Raises JobError, naming the job's `field`."""
    try:
        found = ffmpeg.probe(path, FORMATS)
    except StageError as error:
        raise unreadable(field, error.message) from error
    stream = _video_stream(found["streams"])
    if stream is None:
        face = "use a picture or a video of a face; a recording belongs into a job's audio"
        hint = face if field == "avatar" else "use a video, such as an MP4"
        raise JobError("media", f"{path.name} contains no video", field=field, hint=hint)
    _check_colours(stream, field)
    rate = _fraction(stream.get("avg_frame_rate", "")) or _fraction(stream.get("r_frame_rate", "")) or FALLBACK_RATE
    seconds = float(found["format"].get("duration", "nan"))
    has_alpha = stream.get("pix_fmt", "").startswith(ALPHA_FORMATS)
    decoder = ALPHA_DECODERS.get(stream.get("codec_name", "")) if _tag(stream, "alpha_mode") == "1" else None
    return ClipFormat(
        *_upright(stream),
        min(rate, RATE_MAX),
        seconds if math.isfinite(seconds) else None,
        stream=stream["index"],
        matrix=_matrix(stream),
        space=_space(stream),
        has_alpha=has_alpha or decoder is not None,
        decoder=decoder,
        fields=_fields(path, stream),
    )


def _video_stream(streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The default video stream; cover art is none."""
    videos = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and stream.get("width")
        and stream.get("height")
        and not stream.get("disposition", {}).get("attached_pic")
    ]
    return max(videos, key=lambda stream: stream.get("disposition", {}).get("default", 0), default=None)


def _tag(stream: dict[str, Any], name: str) -> str | None:
    tags = {key.lower(): value for key, value in stream.get("tags", {}).items()}
    return tags.get(name)


def _upright(stream: dict[str, Any]) -> tuple[int, int]:
    """Displayed columns and rows: with square pixels, and swapped if rotated by 90 degrees."""
    stretch = _fraction(stream.get("sample_aspect_ratio", "").replace(":", "/")) or 1
    columns, rows = max(round(stream["width"] * stretch), 1), stream["height"]
    turns = [abs(round(float(side.get("rotation", 0)))) for side in stream.get("side_data_list", [])]
    return (rows, columns) if any(turn % 180 == 90 for turn in turns) else (columns, rows)


def _fraction(text: str) -> Fraction | None:
    """Parse a positive fraction printed by ffprobe."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def _check_colours(stream: dict[str, Any], field: str) -> None:
    """Raise JobError for colours that would come out wrong."""
    hint = "convert it to an MP4 with standard colours (BT.709)"
    matrix = stream.get("color_space", "")
    if matrix not in UNTAGGED + MATRICES:
        raise JobError("media", f"the video has colours that cannot be converted: {matrix}", field=field, hint=hint)
    for side in stream.get("side_data_list", []):
        if side.get("dv_bl_signal_compatibility_id") == 0 and side.get("dv_profile") is not None:
            message = f"the video is Dolby Vision of profile {side['dv_profile']}, whose colours cannot be converted"
            raise JobError("media", message, field=field, hint=hint)


def _matrix(stream: dict[str, Any]) -> str | None:
    if stream.get("color_space", "") not in UNTAGGED or not stream.get("pix_fmt", "").startswith(("yuv", "nv", "p0")):
        return None
    return "bt709" if stream["height"] >= HD_LINES else "smpte170m"


def _space(stream: dict[str, Any]) -> ColourSpace:
    transfer = stream.get("color_transfer", "")
    is_wide = transfer in (PQ, HLG) or stream.get("color_space", "").startswith("bt2020")
    primaries = stream.get("color_primaries", "")
    if primaries not in PRIMARIES:
        primaries = "bt2020" if is_wide and primaries in UNTAGGED else SRGB
    plain = ColourSpace(primaries)
    return ColourSpace(primaries, transfer, _peak(stream)) if transfer in (PQ, HLG, LINEAR) else plain


def _peak(stream: dict[str, Any]) -> float:
    """The brightest light of a PQ video, in cd/m²."""
    sides = stream.get("side_data_list", [])
    told = [float(side["max_content"]) for side in sides if side.get("max_content")]
    told += [float(Fraction(side["max_luminance"])) for side in sides if side.get("max_luminance")]
    return next((nits for nits in told if nits > 0), PEAK_NITS)


def _fields(path: Path, stream: dict[str, Any]) -> str:
    """How to deinterlace: by the combs that are seen in the first frames; by the flags, if that is not clear."""
    is_flagged = stream.get("field_order", "") in ("tt", "bb", "tb", "bt")
    if stream["height"] > FIELDS_LINES_MAX:
        return "auto" if is_flagged else ""
    seen = _combs(path, stream["index"])
    first, combed = max((("tff", seen["tff"]), ("bff", seen["bff"])), key=lambda one: one[1])
    if combed >= COMBED_MIN and combed >= COMBED_SHARE * seen["progressive"]:
        return first
    return "auto" if is_flagged and seen["progressive"] < COMBED_SHARE * combed + COMBED_MIN else ""


def _combs(path: Path, stream: int) -> Counter[str]:
    """In how many of the first frames combs are seen: tff, bff (by the field that is first), progressive."""
    frames = ffmpeg.source(path, FORMATS, codec_whitelist=ffmpeg.VIDEO_CODECS)[str(stream)]
    shown = frames.filter("idet").filter(
        "metadata", mode="print", key="lavfi.idet.multiple.current_frame", file="pipe:1"
    )
    try:
        lines = ffmpeg.report(shown, FIELDS_SECONDS, f="null", vframes=FIELDS_FRAMES).decode("utf-8", "replace")
    except StageError:  # reading all of it reports what is wrong
        return Counter()
    return Counter(line.rpartition("=")[2] for line in lines.splitlines())
