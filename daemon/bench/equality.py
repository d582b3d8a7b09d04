"""Whether two videos are the same: their decoded frames and their decoded sound."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from daemon.outputs.report import Video
from pipeline.media import ffmpeg, pcm

TIMEOUT_SECONDS = 3600.0
PEAK = 255


@dataclass(frozen=True)
class Difference:
    """How the frames of a video differ from those of another one."""

    frames: int
    """The larger number of frames of the two."""
    differing: int
    """Frames that are not the same, bit for bit; those that only one of them has included."""
    least_psnr_db: float | None
    """Of the frame that differs most; None if no two frames can be compared, or none differ."""


def difference(one: Path, of_one: Video, other: Path, of_other: Video) -> Difference:
    """Decode two videos and compare them frame by frame. Raises JobError and StageError."""
    if (of_one.width, of_one.height) != (of_other.width, of_other.height):
        frames = max(of_one.frames, of_other.frames)
        return Difference(frames, frames, None)
    frames = differing = 0
    worst = 0.0
    for left, right in zip_longest(_frames(one, of_one), _frames(other, of_other)):
        frames += 1
        if left is None or right is None:
            differing += 1
        elif not np.array_equal(left, right):
            differing += 1
            worst = max(worst, float(np.square(left.astype(np.int32) - right).mean()))
    return Difference(frames, differing, round(10 * math.log10(PEAK**2 / worst), 1) if worst else None)


def _frames(video: Path, known: Video) -> Iterator[NDArray[np.uint8]]:
    """The frames as I420, bytes."""
    picture = ffmpeg.source(video, "mov", codec_whitelist="h264,hevc,libdav1d,av1,libaom-av1,vp9")["v:0"]
    return ffmpeg.read_frames(picture, "yuv420p", known.width * known.height * 3 // 2, "video", TIMEOUT_SECONDS)


def sound_hash(video: Path, seconds: float) -> str:
    """A hash of the decoded samples, whatever tags the video has. Raises JobError."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
        wav = Path(folder) / "sound.wav"
        extract_sound(video, wav, seconds)
        return hashlib.sha256(pcm.read_wav(wav).tobytes()).hexdigest()


def extract_sound(video: Path, wav: Path, seconds: float) -> None:
    """Write a video's sound as WAV. Raises JobError."""
    pcm.convert(pcm.source(video, seconds), {wav: pcm.TRACK_RATE_HZ}, limit_seconds=seconds)
