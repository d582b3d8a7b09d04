"""Every video plays everywhere: the check of finished videos, and what an independent tool says about them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from pymediainfo import MediaInfo

from pipeline.errors import StageError
from pipeline.media import muxing, rate
from pipeline.media.encoder import SegmentEncoder
from pipeline.media.pcm import write_wav
from tests.media import speech_like
from tests.members import slow

FPS, FRAMES = 25, 10
SECONDS = FRAMES / FPS


def finished(folder: Path, size: tuple[int, int], fps: int, preset: str = "veryfast") -> Path:
    """A video of one colour, made as the stages make it."""
    width, height = size
    frames = np.full((FRAMES, height * 3 // 2, width), 128, np.uint8)
    options = rate.moving(fps, 23)
    with SegmentEncoder(folder / "chunk.mp4", size, fps, preset, options, threads=2) as encoder:
        encoder.write(frames)
    write_wav(folder / "track.wav", speech_like(FRAMES / fps, 48_000), 48_000)
    muxing.mux([folder / "chunk.mp4"], folder / "track.wav", folder / "video.mp4", fps=fps, seconds=FRAMES / fps)
    return folder / "video.mp4"


@pytest.mark.parametrize(
    ("size", "fps", "preset"),
    [
        ((64, 64), 24, "ultrafast"),
        slow((720, 720), 30, "veryfast"),
        slow((1080, 1920), 50, "superfast"),
        ((1920, 1920), 60, "ultrafast"),
    ],
)
def test_videos_of_all_sizes_rates_and_presets_play_everywhere(
    size: tuple[int, int], fps: int, preset: str, tmp_path: Path
) -> None:
    video = finished(tmp_path, size, fps, preset)
    muxing.verify(video, frames=FRAMES, fps=fps, size=size, seconds=FRAMES / fps)
    described = MediaInfo.parse(video, full=True).tracks
    assert [track.track_type for track in described] == ["General", "Video", "Audio"]
    general, picture, sound = (track.to_data() for track in described)
    assert general["isstreamable"] == "Yes"
    assert (picture["frame_rate_mode"], picture["scan_type"]) == ("CFR", "Progressive")
    assert sound["format_additionalfeatures"] == "LC"
    assert not [key for track in (general, picture, sound) for key in track if "conformance" in key]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("good"), (96, 64), FPS)


H264 = ("-c:a", "copy", "-c:v", "libx264", "-bf", "0", "-preset", "ultrafast")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-c", "copy", "-movflags", "0"), "its index is at the end"),
        (("-c", "copy", "-tag:v", "avc3", "-strict", "-1"), "codec_tag_string is avc3, not avc1"),
        (("-c:a", "copy", "-c:v", "mpeg4"), "codec_name is mpeg4, not h264"),
        slow(("-c:v", "copy", "-c:a", "libmp3lame"), "audio: codec_name is mp3, not aac"),
        slow(("-c:v", "copy", "-c:a", "aac", "-ar", "44100"), "audio: sample_rate is 44100, not 48000"),
        slow((*H264, "-bf", "2", "-preset", "veryfast"), "has_b_frames is"),
        slow((*H264, "-pix_fmt", "yuv444p"), "profile is High 4:4:4 Predictive"),
        slow((*H264, "-level", "5.2"), "its level is 5.2, above 5.1"),
        slow((*H264, "-color_range", "pc"), "pix_fmt is yuvj420p, not yuv420p"),
        slow((*H264, "-colorspace", "bt470bg"), "color_space is bt470bg, not bt709"),
        slow((*H264, "-color_trc", "arib-std-b67"), "color_transfer is arib-std-b67, not bt709"),
        slow((*H264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"), "field_order is tt, not progressive"),
    ],
)
def test_what_would_not_play_somewhere_is_refused(
    options: tuple[str, ...], message: str, good: Path, tmp_path: Path
) -> None:
    video = tmp_path / "other.mp4"
    faststart = () if "-movflags" in options else ("-movflags", "+faststart")
    subprocess.run(["ffmpeg", "-v", "error", "-i", good, *options, *faststart, video], check=True)
    with pytest.raises(StageError) as caught:
        muxing.verify(video, frames=FRAMES, fps=FPS, size=(96, 64), seconds=SECONDS)
    assert caught.value.code == "merge_check"
    assert message in caught.value.message


def test_a_sound_that_begins_late_is_refused(good: Path, tmp_path: Path) -> None:
    video = tmp_path / "late.mp4"
    late = f"-i {good} -itsoffset 0.04 -i {good} -map 0:v -map 1:a -c copy -movflags +faststart {video}"
    subprocess.run(["ffmpeg", "-v", "error", *late.split()], check=True)
    with pytest.raises(StageError, match="audio: start_time is 0"):
        muxing.verify(video, frames=FRAMES, fps=FPS, size=(96, 64), seconds=SECONDS)
