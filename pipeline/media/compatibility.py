"""What a video must be so that it plays everywhere.

Browsers, QuickTime, Telegram, WhatsApp and PowerPoint have these requirements; `docs/reference/video.md` names each of
them with its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.media.boxes import MOVIE

VIDEO: Mapping[str, tuple[object, ...]] = {
    "codec_name": ("h264",),
    "codec_tag_string": ("avc1",),
    "profile": ("High", "Main", "Constrained Baseline"),
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

LEVEL_MAX = 51
"""Ten times the level of H.264: what hardware decodes up to 3840x2160. Enough for `limits.frame_pixels` at 50 fps."""


def deviations(streams: Mapping[str, Mapping[str, Any]], boxes: Sequence[bytes]) -> Iterator[str]:
    """What would keep a video from playing somewhere; nothing if it plays everywhere.

    `streams`: its video and its audio as ffprobe describes them. `boxes`: the types of its outermost boxes, in order.
    """
    for kind, needed in (("video", VIDEO), ("audio", AUDIO)):
        for key, right in needed.items():
            if (found := streams[kind].get(key)) not in right:
                yield f"{kind}: {key} is {found}, not {' or '.join(map(str, right))}"
    if (level := streams["video"]["level"]) > LEVEL_MAX:
        yield f"video: its level is {level / 10}, above {LEVEL_MAX / 10}"
    if MOVIE not in boxes or boxes.index(MOVIE) > boxes.index(b"mdat"):
        yield "its index is at the end, so it cannot play before it is loaded"
