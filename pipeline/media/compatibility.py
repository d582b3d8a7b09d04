"""What a video must be so that it plays everywhere.

Browsers, QuickTime, Telegram, WhatsApp and PowerPoint have these requirements; `docs/reference/video.md` names each of
them with its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.media.boxes import MOVIE

CODECS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "h264": {
        "codec_name": ("h264",),
        "codec_tag_string": ("avc1",),
        "profile": ("High", "Main", "Constrained Baseline"),
    },
    "h265": {"codec_name": ("hevc",), "codec_tag_string": ("hvc1",), "profile": ("Main",)},
    "av1": {"codec_name": ("av1",), "codec_tag_string": ("av01",), "profile": ("Main",)},
    "vp9": {"codec_name": ("vp9",), "codec_tag_string": ("vp09",), "profile": ("Profile 0",)},
}
"""What each codec must be: in the profiles that hardware decodes. Apple plays H.265 only as `hvc1`, with its parameter
sets in the index."""

VIDEO: Mapping[str, tuple[object, ...]] = {
    "has_b_frames": (0,),
    "pix_fmt": ("yuv420p",),
    "field_order": ("progressive",),
    "color_range": ("tv",),
    "color_space": ("bt709",),
    "color_transfer": ("bt709",),
    "color_primaries": ("bt709",),
    "start_time": ("0.000000",),
}
"""Keys of ffprobe, and the values that are right. B-frames in the High profile do not play in WhatsApp for Android."""

AUDIO: Mapping[str, tuple[object, ...]] = {
    "codec_name": ("aac",),
    "codec_tag_string": ("mp4a",),
    "profile": ("LC",),
    "sample_rate": ("48000",),
    "start_time": ("0.000000",),
}
"""The encoder's delay is in the edit list, so that the sound starts with the picture."""

LEVEL_MAX: Mapping[str, int] = {"h264": 51, "h265": 153, "av1": 13}
"""Level 5.1 as ffprobe gives it: what hardware decodes up to 3840x2160. Enough for `limits.frame_pixels` at 60 fps.
ffprobe does not know the level of VP9."""


def deviations(streams: Mapping[str, Mapping[str, Any]], boxes: Sequence[bytes], codec: str = "h264") -> Iterator[str]:
    """What would keep a video from playing somewhere; nothing if it plays everywhere.

    `streams`: its video and its audio as ffprobe describes them. `boxes`: the types of its outermost boxes, in order.
    `codec`: as jobs call it.
    """
    for kind, needed in (("video", CODECS[codec]), ("video", VIDEO), ("audio", AUDIO)):
        for key, right in needed.items():
            if (found := streams[kind].get(key)) not in right:
                yield f"{kind}: {key} is {found}, not {' or '.join(map(str, right))}"
    if (level := streams["video"]["level"]) > LEVEL_MAX.get(codec, level):
        yield f"video: its level is {_level(codec, level)}, above 5.1"
    if MOVIE not in boxes or boxes.index(MOVIE) > boxes.index(b"mdat"):
        yield "its index is at the end, so it cannot play before it is loaded"


def _level(codec: str, number: int) -> str:
    """A level as specifications write it, from ffprobe's number."""
    if codec == "av1":
        return f"{2 + number // 4}.{number % 4}"
    return str(number / (30 if codec == "h265" else 10))
