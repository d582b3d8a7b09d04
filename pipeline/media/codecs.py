"""The video codecs: their encoders in ffmpeg, and how the quality of x264 translates to theirs.

All segments are encoded so that they can be joined: closed GOPs, keyframes only where they are asked for, and each
frame in a sample of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["h264", "h265", "av1", "vp9"]
H264 = "h264"

Options = dict[str, int | str]
"""Options of one of ffmpeg's encoders."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""x264's; other encoders get what takes about as much more time."""
CRF_MAX = 63
"""Of AV1 and VP9."""


@dataclass(frozen=True)
class Scale:
    """x264's constant rate factors as another encoder's: those that gave the same PSNR, fitted between 15 and 26."""

    at_20: float
    per_step: float

    def of(self, crf: int) -> int:
        """The other encoder's factor."""
        return min(max(round(self.at_20 + self.per_step * (crf - 20)), 1), CRF_MAX)


@dataclass(frozen=True)
class Codec:
    """A codec, and the encoder that lipdrop uses for it."""

    name: str
    encoder: str
    """ffmpeg's name of it."""
    moving: Scale
    still: Scale
    """Of pictures that hardly change."""
    keyframe_gain: float = 2.0
    """How much lower a still picture's keyframe is quantised, for each second to the next one."""

    def options(self, preset: str) -> Options:
        """What does not depend on the picture; `preset`: as x264 calls it."""
        speed = PRESETS.index(preset)
        match self.name:
            case "h265":
                return {"vcodec": self.encoder, "preset": preset, "tag:v": "hvc1"}
            case "av1":
                return {"vcodec": self.encoder, "preset": 12 - speed}
            case "vp9":
                pace = "realtime" if speed < PRESETS.index("faster") else "good"
                return {"vcodec": self.encoder, "b:v": 0, "row-mt": 1, "deadline": pace, "cpu-used": 8 - speed}
            case _:
                return {"vcodec": self.encoder, "preset": preset, "bf": 0, "sc_threshold": 0, "flags": "+cgop"}


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("h264", "libx264", Scale(20, 1), Scale(20, 1)),
        Codec("h265", "libx265", Scale(24, 1), Scale(24, 1), keyframe_gain=3.0),
        Codec("av1", "libsvtav1", Scale(39, 2.8), Scale(45, 2.1)),
        Codec("vp9", "libvpx-vp9", Scale(30, 2.7), Scale(31, 2.15)),
    )
}
